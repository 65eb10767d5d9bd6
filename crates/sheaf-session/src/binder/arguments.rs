//! Arguments of `read_*` calls: SQL literals become option values.

use datafusion::sql::sqlparser::ast::{
    self, Expr, FunctionArg, FunctionArgExpr, UnaryOperator, Value,
};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_files::{OptionValue, ReadRequest};

/// The request that `name(arguments)` makes, or `None` if `name` reads no files.
///
/// # Errors
/// `UserInput` if an argument is no literal, or there is no path.
pub(super) fn read_request(name: &str, arguments: &[FunctionArg]) -> Result<Option<ReadRequest>> {
    let Some(format) = sheaf_files::format_by_function(name) else {
        return Ok(None);
    };
    let mut paths = vec![];
    let mut options = vec![];
    for argument in arguments {
        match argument {
            FunctionArg::Unnamed(value) if paths.is_empty() => {
                paths = path_list(name, option_value(name, value)?)?;
            }
            FunctionArg::Unnamed(value) => {
                return Err(SheafError::user(format!("{name}: unexpected argument {value}"))
                    .with_hint("several paths make a list: ['a.csv', 'b.csv']; options are named: name => value"));
            }
            FunctionArg::Named {
                name: option, arg, ..
            } => {
                options.push((option.value.to_lowercase(), option_value(name, arg)?));
            }
            FunctionArg::ExprNamed {
                name: option, arg, ..
            } => {
                options.push((option.to_string().to_lowercase(), option_value(name, arg)?));
            }
        }
    }
    if paths.is_empty() {
        return Err(SheafError::user(format!("{name} needs a path"))
            .with_state(SqlState::INVALID_PARAMETER_VALUE)
            .with_hint(format!("{name}('data/*.csv')")));
    }
    let mut request = ReadRequest::path("");
    request.paths = paths;
    request.format = Some(format);
    request.options = options;
    Ok(Some(request))
}

fn path_list(function: &str, value: OptionValue) -> Result<Vec<String>> {
    let is_no_path = || {
        SheafError::user(format!(
            "{function}: the first argument is a path or a list of paths"
        ))
        .with_state(SqlState::INVALID_PARAMETER_VALUE)
    };
    match value {
        OptionValue::Text(path) => Ok(vec![path]),
        OptionValue::List(items) => items
            .into_iter()
            .map(|item| match item {
                OptionValue::Text(path) => Ok(path),
                _ => Err(is_no_path()),
            })
            .collect(),
        _ => Err(is_no_path()),
    }
}

fn option_value(function: &str, argument: &FunctionArgExpr) -> Result<OptionValue> {
    match argument {
        FunctionArgExpr::Expr(expr) => literal(expr),
        _ => None,
    }
    .ok_or_else(|| {
        SheafError::user(format!("{function}: {argument} is not a literal"))
            .with_state(SqlState::INVALID_PARAMETER_VALUE)
            .with_hint("arguments are texts, numbers, true or false, lists [..] and structs {..}")
    })
}

/// The value of a literal; `None` for anything that would have to be computed.
pub(crate) fn literal(expr: &Expr) -> Option<OptionValue> {
    match expr {
        Expr::Value(value) => scalar(&value.value),
        Expr::Nested(inner) => literal(inner),
        Expr::Array(array) => array
            .elem
            .iter()
            .map(literal)
            .collect::<Option<Vec<_>>>()
            .map(OptionValue::List),
        Expr::Dictionary(fields) => fields
            .iter()
            .map(|f: &ast::DictionaryField| Some((f.key.value.clone(), literal(&f.value)?)))
            .collect::<Option<Vec<_>>>()
            .map(OptionValue::Struct),
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => match literal(expr)? {
            OptionValue::Number(number) => Some(OptionValue::Number(-number)),
            _ => None,
        },
        _ => None,
    }
}

fn scalar(value: &Value) -> Option<OptionValue> {
    match value {
        Value::SingleQuotedString(text)
        | Value::EscapedStringLiteral(text)
        | Value::DoubleQuotedString(text) => Some(OptionValue::Text(text.clone())),
        Value::DollarQuotedString(text) => Some(OptionValue::Text(text.value.clone())),
        Value::Number(digits, _) => digits.parse().ok().map(OptionValue::Number),
        Value::Boolean(flag) => Some(OptionValue::Bool(*flag)),
        Value::Null => Some(OptionValue::Null),
        _ => None,
    }
}

//! Calls of functions of the user's own: where they stand, which function is meant, and what each
//! of its parameters gets.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, TableFactor,
};
use sheaf_base::error::{Position, SqlState};
use sheaf_base::{Result, SheafError};

use super::super::{normalize, normalize_part};
use crate::catalog::{FunctionMap, PUBLIC_SCHEMA, SqlFunction};

/// The name under which a function would be kept, if `name` can be one's.
pub(crate) fn function_name(name: &ObjectName) -> Option<String> {
    match name.0.as_slice() {
        [name] => Some(normalize_part(name)),
        [schema, name] if normalize_part(schema) == PUBLIC_SCHEMA => Some(normalize_part(name)),
        _ => None,
    }
}

/// Where the name of a call stands.
pub(in super::super) fn position(name: &ObjectName) -> Option<Position> {
    let ident = name.0.first().and_then(|part| part.as_ident())?;
    let start = ident.span.start;
    (start.line > 0).then_some(Position {
        line: start.line,
        column: start.column,
    })
}

/// The functions that a call in an expression may mean.
pub(super) fn called<'a>(
    call: &Function,
    functions: &'a FunctionMap,
) -> Option<&'a [Arc<SqlFunction>]> {
    functions
        .get(&function_name(&call.name)?)
        .map(Vec::as_slice)
}

/// A call in FROM: its name and arguments.
pub(super) fn called_relation(factor: &TableFactor) -> Option<(&ObjectName, &[FunctionArg])> {
    match factor {
        TableFactor::Table {
            name,
            args: Some(args),
            ..
        } => Some((name, &args.args)),
        TableFactor::Function { name, args, .. } => Some((name, args)),
        _ => None,
    }
}

/// The arguments of a call in an expression; an error if it has a clause of aggregates.
pub(super) fn arguments(call: &Function) -> Result<&[FunctionArg]> {
    let name = &call.name;
    let clause = |what: &str| {
        SheafError::user(format!(
            "{what} is given, but \"{name}\" is no aggregate function"
        ))
        .with_state(SqlState::WRONG_OBJECT_TYPE)
    };
    if call.over.is_some() {
        return Err(clause("OVER"));
    }
    if call.filter.is_some() {
        return Err(clause("FILTER"));
    }
    if call.null_treatment.is_some() {
        return Err(clause("IGNORE NULLS or RESPECT NULLS"));
    }
    if !call.within_group.is_empty() {
        return Err(clause("WITHIN GROUP"));
    }
    match &call.args {
        FunctionArguments::List(list) if list.duplicate_treatment.is_some() => {
            Err(clause("DISTINCT or ALL"))
        }
        FunctionArguments::List(list) if !list.clauses.is_empty() => Err(clause("ORDER BY")),
        FunctionArguments::List(list) => Ok(&list.args),
        FunctionArguments::None => Ok(&[]),
        FunctionArguments::Subquery(_) => Err(SheafError::user(format!(
            "a sub-query that is an argument of \"{name}\" stands in parentheses of its own"
        ))
        .with_state(SqlState::SYNTAX_ERROR)
        .with_hint(format!("{name}((SELECT …))"))),
    }
}

/// The arguments of a call of an aggregate, whose clauses stay with the call.
pub(super) fn listed(call: &Function) -> Result<&[FunctionArg]> {
    match &call.args {
        FunctionArguments::List(list) => Ok(&list.args),
        _ => arguments(call),
    }
}

/// A call whose function is known.
pub(super) struct Matched {
    pub(super) function: Arc<SqlFunction>,
    /// What each parameter gets: an argument or its default.
    pub(super) values: Vec<Expr>,
}

/// Tells how well an argument fits the type of a parameter; `None` if not at all.
pub(super) type Fit<'a> = dyn Fn(&SqlFunction, usize, &Expr) -> Option<u32> + 'a;

/// The function among those of one name that a call means.
///
/// One is chosen by the arguments that it takes, by number and name, then by how few defaults it
/// needs, then by how well the arguments fit the declared types.
///
/// # Errors
/// `UserInput` (42883) if none takes the arguments; (42725) if several do equally well.
pub(super) fn choose(
    functions: &[Arc<SqlFunction>],
    arguments: &[FunctionArg],
    fit: &Fit<'_>,
) -> Result<Matched> {
    let mut found = Vec::new();
    let mut why_not = None;
    for function in functions {
        match assign(function, arguments) {
            Ok((values, defaults)) => found.push((defaults, function, values)),
            Err(reason) => why_not = Some(reason),
        }
    }
    let fewest = found.iter().map(|(defaults, ..)| *defaults).min();
    found.retain(|(defaults, ..)| Some(*defaults) == fewest);
    if found.len() > 1 {
        let fits = |function: &SqlFunction, values: &[Expr]| -> Option<u32> {
            let each = values.iter().enumerate();
            each.map(|(at, value)| fit(function, at, value)).sum()
        };
        let mut best = None;
        let mut kept = Vec::new();
        for (defaults, function, values) in found {
            let Some(score) = fits(function, &values) else {
                continue;
            };
            if Some(score) > best {
                kept.clear();
                best = Some(score);
            }
            if Some(score) == best {
                kept.push((defaults, function, values));
            }
        }
        found = kept;
    }
    if found.len() > 1 {
        let signatures: Vec<String> = found.iter().map(|(_, f, _)| f.signature()).collect();
        return Err(SheafError::user(format!(
            "which function \"{}\" is meant is not clear: {}",
            name_of(functions),
            signatures.join(" or ")
        ))
        .with_state(SqlState::AMBIGUOUS_FUNCTION)
        .with_hint("cast the arguments: f(x::INTEGER)"));
    }
    match found.pop() {
        Some((_, function, values)) => Ok(Matched {
            function: Arc::clone(function),
            values,
        }),
        None => Err(none_fits(functions, why_not)),
    }
}

fn name_of(functions: &[Arc<SqlFunction>]) -> &str {
    functions
        .first()
        .map_or("", |function| function.name.as_str())
}

fn none_fits(functions: &[Arc<SqlFunction>], why_not: Option<String>) -> SheafError {
    let name = name_of(functions);
    let signatures: Vec<String> = functions.iter().map(|f| f.signature()).collect();
    let message = match (functions, why_not) {
        ([_], Some(reason)) => format!("function \"{name}\" {reason}"),
        _ => format!("no function \"{name}\" takes these arguments"),
    };
    SheafError::user(message)
        .with_state(SqlState::UNDEFINED_FUNCTION)
        .with_hint(format!("it is declared as {}", signatures.join(", ")))
}

/// Whether `function` takes so many and such arguments.
pub(super) fn takes(function: &SqlFunction, arguments: &[FunctionArg]) -> bool {
    assign(function, arguments).is_ok()
}

/// What each parameter gets, and how many get their defaults; else the reason in words.
fn assign(function: &SqlFunction, arguments: &[FunctionArg]) -> Result<(Vec<Expr>, usize), String> {
    let parameters = &function.parameters;
    let mut values: Vec<Option<Expr>> = vec![None; parameters.len()];
    let mut is_named = false;
    for (at, argument) in arguments.iter().enumerate() {
        let (slot, value) = match argument {
            FunctionArg::Unnamed(_) if is_named => {
                return Err("has an argument without a name behind one with a name".to_owned());
            }
            FunctionArg::Unnamed(_) if at >= parameters.len() => {
                let (most, count) = (parameters.len(), arguments.len());
                return Err(format!("takes at most {most} arguments, not {count}"));
            }
            FunctionArg::Unnamed(value) => (at, value),
            FunctionArg::Named { name, arg, .. } => {
                is_named = true;
                let name = normalize(name);
                let slot = parameters.iter().position(|p| p.name == name);
                (slot.ok_or(format!("has no parameter \"{name}\""))?, arg)
            }
            FunctionArg::ExprNamed { name, .. } => {
                return Err(format!("has no parameter \"{name}\""));
            }
        };
        let FunctionArgExpr::Expr(value) = value else {
            return Err("takes values, not *".to_owned());
        };
        let parameter = &parameters[slot].name;
        if values[slot].replace(value.clone()).is_some() {
            return Err(format!("gets its parameter \"{parameter}\" twice"));
        }
    }
    let mut defaults = 0;
    let values = values
        .into_iter()
        .zip(parameters)
        .map(|(value, parameter)| {
            if value.is_none() {
                defaults += 1;
            }
            value
                .or_else(|| parameter.default.clone())
                .ok_or_else(|| format!("needs the argument \"{}\"", parameter.name))
        });
    let values = values.collect::<Result<Vec<_>, String>>()?;
    Ok((values, defaults))
}

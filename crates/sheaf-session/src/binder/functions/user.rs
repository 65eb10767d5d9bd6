//! Calls of functions in other languages than SQL: they become calls of the names by which the engine
//! knows them, with one argument for each parameter, in order.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, TableFactor, TableFunctionArgs,
};
use sheaf_base::{Result, SheafError};
use sheaf_sql::ParameterKind;

use super::super::build;
use super::calls::Matched;
use super::inline;

/// A call of a scalar or an aggregate function; clauses of aggregates stay.
pub(super) fn value(matched: Matched, call: &Function) -> Result<Expr> {
    let name = engine_name(&matched, &call.name);
    let cast_to = matched.function.cast_to.clone();
    let args = arguments(matched)?;
    let list = match &call.args {
        FunctionArguments::List(list) => FunctionArgumentList {
            args,
            ..list.clone()
        },
        _ => FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: vec![],
        },
    };
    let called = Expr::Function(Function {
        name,
        args: FunctionArguments::List(list),
        ..call.clone()
    });
    Ok(match cast_to {
        Some(data_type) => inline::cast(called, &data_type),
        None => called,
    })
}

/// A call of a scalar function in FROM.
pub(super) fn plain_value(matched: Matched, written: &ObjectName) -> Result<Expr> {
    let name = engine_name(&matched, written);
    let cast_to = matched.function.cast_to.clone();
    let args = arguments(matched)?;
    let mut called = build::call("", vec![]);
    if let Expr::Function(function) = &mut called {
        function.name = name;
        function.args = FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: vec![],
        });
    }
    Ok(match cast_to {
        Some(data_type) => inline::cast(called, &data_type),
        None => called,
    })
}

/// A call of a table function in FROM.
pub(super) fn relation(matched: Matched, factor: &TableFactor) -> Result<TableFactor> {
    let (written, alias, sample, with_ordinality) = match factor {
        TableFactor::Table {
            name,
            alias,
            sample,
            with_ordinality,
            ..
        } => (name, alias, sample.clone(), *with_ordinality),
        TableFactor::Function {
            name,
            alias,
            with_ordinality,
            ..
        } => (name, alias, None, *with_ordinality),
        _ => return Err(SheafError::internal("a call in FROM is no call")),
    };
    let own_name = inline::alias(&matched.function.name);
    let name = engine_name(&matched, written);
    let args = arguments(matched)?;
    let mut called = build::table_factor(name);
    if let TableFactor::Table {
        args: called_args,
        alias: called_alias,
        sample: called_sample,
        with_ordinality: is_numbered,
        ..
    } = &mut called
    {
        *called_args = Some(TableFunctionArgs {
            args,
            settings: None,
        });
        *called_alias = Some(alias.clone().unwrap_or(own_name));
        *called_sample = sample;
        *is_numbered = with_ordinality;
    }
    Ok(called)
}

/// The name by which the engine knows the function, at the place of the one that was written.
fn engine_name(matched: &Matched, written: &ObjectName) -> ObjectName {
    let mut name = inline::quoted(matched.function.scope_name());
    let ident = written.0.first().and_then(|part| part.as_ident());
    name.span = ident.map_or(name.span, |ident: &Ident| ident.span);
    ObjectName::from(vec![name])
}

fn arguments(matched: Matched) -> Result<Vec<FunctionArg>> {
    let Matched { function, values } = matched;
    let arguments = values.into_iter().zip(&function.parameters);
    let arguments = arguments.map(|(value, parameter)| {
        let value = match &parameter.kind {
            ParameterKind::Generic => value,
            ParameterKind::Typed(data_type) => inline::cast(value, data_type),
            ParameterKind::Relation(_) => {
                let query = inline::relation_query(&function, &parameter.name, value)?;
                Expr::Subquery(Box::new(query))
            }
        };
        Ok(FunctionArg::Unnamed(FunctionArgExpr::Expr(value)))
    });
    arguments.collect()
}

//! Calls of the user's functions within each other, where a language makes one call of them
//! ([`sheaf_udf::ScalarFunction::over`]).

use std::sync::Arc;

use datafusion::logical_expr::{Expr, Volatility};
use sheaf_udf::{Declaration, ScalarFunction};

use super::ScalarDefinition;
use super::scalar::UserScalar;

/// `outer` called with `arguments` as one function of their arguments, if it gains by that.
pub(super) fn nested(outer: &UserScalar, arguments: &[Expr]) -> Option<(UserScalar, Vec<Expr>)> {
    let inner: Vec<Option<(&UserScalar, &[Expr])>> = arguments.iter().map(called).collect();
    let functions: Vec<Option<Arc<dyn ScalarFunction>>> = inner
        .iter()
        .map(|call| call.map(|(function, _)| Arc::clone(&function.definition.function)))
        .collect();
    if functions.iter().all(Option::is_none) {
        return None;
    }
    let function = outer.definition.function.over(&functions)?;
    let definition = outer.definition.as_ref();
    let mut declaration = Declaration {
        parameters: Vec::new(),
        // Each function keeps to its own word.
        is_strict: false,
        ..definition.declaration.clone()
    };
    let mut flat = Vec::new();
    for ((call, argument), parameter) in inner
        .iter()
        .zip(arguments)
        .zip(&definition.declaration.parameters)
    {
        match call {
            Some((function, arguments)) => {
                let inner = &function.definition.declaration;
                declaration
                    .parameters
                    .extend(inner.parameters.iter().cloned());
                declaration.volatility = weaker(declaration.volatility, inner.volatility);
                flat.extend(arguments.iter().cloned());
            }
            None => {
                declaration.parameters.push(parameter.clone());
                flat.push(argument.clone());
            }
        }
    }
    let definition = ScalarDefinition {
        declaration,
        returns: definition.returns.clone(),
        function,
    };
    Some((outer.with(Arc::new(definition)), flat))
}

/// The user's function that `argument` calls, and with what. Calls are bound with arguments cast to what
/// the parameters are declared as: a cast to what the function gives anyway changes nothing.
fn called(argument: &Expr) -> Option<(&UserScalar, &[Expr])> {
    match argument {
        Expr::Cast(cast) => {
            let (function, arguments) = called(&cast.expr)?;
            let is_same = function.definition.returns == *cast.field.data_type()
                && cast.field.metadata().is_empty();
            is_same.then_some((function, arguments))
        }
        Expr::ScalarFunction(call) => {
            let function = call.func.inner().downcast_ref::<UserScalar>()?;
            Some((function, &call.args))
        }
        _ => None,
    }
}

fn weaker(one: Volatility, other: Volatility) -> Volatility {
    match (one, other) {
        (Volatility::Volatile, _) | (_, Volatility::Volatile) => Volatility::Volatile,
        (Volatility::Stable, _) | (_, Volatility::Stable) => Volatility::Stable,
        _ => Volatility::Immutable,
    }
}

//! What the engine's planner does not find in the body of a lambda, since it looks for columns there:
//!
//! | written | passed on |
//! |---|---|
//! | `lambda x: [x, 1]` | `lambda x: make_array(x, 1)` |
//! | `lambda s: s.a.b` | `lambda s: s['a']['b']` |

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Ident, LambdaFunction, OneOrManyWithParens, Subscript, Value, VisitMut,
    VisitorMut,
};

use super::build::call;

/// Rewrites `expr` if it is a lambda. One within another has been rewritten before.
pub(super) fn complete(expr: &mut Expr) {
    let Expr::Lambda(LambdaFunction { params, body, .. }) = expr else {
        return;
    };
    let parameters = match params {
        OneOrManyWithParens::One(only) => std::slice::from_ref(only),
        OneOrManyWithParens::Many(many) => many.as_slice(),
    };
    let names: Vec<String> = parameters
        .iter()
        .map(|parameter| normalized(&parameter.name))
        .collect();
    let _ = VisitMut::visit(body.as_mut(), &mut Body(&names));
}

struct Body<'a>(&'a [String]);

impl VisitorMut for Body<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Array(array) if !array.elem.is_empty() => {
                *expr = call("make_array", std::mem::take(&mut array.elem));
            }
            Expr::CompoundIdentifier(parts)
                if parts
                    .first()
                    .is_some_and(|first| self.0.contains(&normalized(first))) =>
            {
                let mut parts = std::mem::take(parts).into_iter();
                if let Some(parameter) = parts.next() {
                    *expr = Expr::CompoundFieldAccess {
                        root: Box::new(Expr::Identifier(parameter)),
                        access_chain: parts.map(|part| field(&part)).collect(),
                    };
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn field(name: &Ident) -> AccessExpr {
    let name = Value::SingleQuotedString(normalized(name)).with_span(name.span);
    AccessExpr::Subscript(Subscript::Index {
        index: Expr::Value(name),
    })
}

/// A name as PostgreSQL reads it: in lower case unless quoted.
fn normalized(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}

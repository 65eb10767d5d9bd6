//! PERSIST and UNPERSIST: a view's rows are computed once and kept.
//!
//! The view stays what it is; whoever reads it gets the rows that are kept. PERSIST again computes
//! them anew from the view's query, and the old ones stay until the new ones are complete, or for
//! good if that fails. Who replaces or drops the view drops its rows.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::Running;
use super::create::{hold, new_name, new_view};
use crate::catalog::{IfExists, Relation, View};
use crate::persisted::{PersistedRows, holder_name};
use crate::result::QueryResult;

pub(super) async fn persist(
    running: Running<'_>,
    name: &ast::ObjectName,
    query: Option<&ast::Query>,
) -> Result<QueryResult> {
    let name = new_name(name)?;
    let catalog = &running.session.inner.catalog;
    match query {
        None => {
            let view = existing_view(&running, &name)?;
            let state = running.session.state_for(running.query);
            let binder = running.binder(&state);
            let plan = binder.plan_existing_view(&name, &view).await?;
            let rows = hold(&running, plan, holder_name(&name)).await?;
            catalog.persist(&name, &view, Some(Arc::new(PersistedRows::new(rows))))?;
        }
        Some(query) => {
            if let Some(taken) = catalog.get(&name) {
                return Err(already_exists(&name, &taken));
            }
            let (view, plan) = new_view(&running, query, vec![]).await?;
            let rows = hold(&running, plan, holder_name(&name)).await?;
            let rows = Some(Arc::new(PersistedRows::new(rows)));
            let view = Relation::View(View { rows, ..view });
            catalog.put(&name, view, IfExists::Fail)?;
        }
    }
    Ok(running.done("PERSIST"))
}

pub(super) fn unpersist(running: &Running<'_>, name: &ast::ObjectName) -> Result<QueryResult> {
    let name = new_name(name)?;
    let view = existing_view(running, &name)?;
    if view.rows.is_none() {
        return Err(SheafError::user(format!(
            "view \"{name}\" is not persisted"
        )));
    }
    running.session.inner.catalog.persist(&name, &view, None)?;
    Ok(running.done("UNPERSIST"))
}

fn existing_view(running: &Running<'_>, name: &str) -> Result<View> {
    let catalog = &running.session.inner.catalog;
    match catalog.get(name) {
        Some(Relation::View(view)) => Ok(view),
        Some(other) => {
            let kind = other.kind();
            let error = SheafError::user(format!("\"{name}\" is no view, but of kind {kind}"));
            Err(match other {
                Relation::Table(_) => error.with_hint("a table keeps its rows in any case"),
                _ => error.with_hint(format!("PERSIST another_name AS FROM {name}")),
            })
        }
        None => Err(catalog.not_found(name)),
    }
}

fn already_exists(name: &str, taken: &Relation) -> SheafError {
    let error = SheafError::user(format!("{} \"{name}\" already exists", taken.kind()))
        .with_state(SqlState::DUPLICATE_TABLE);
    match taken {
        Relation::View(_) => error.with_hint(format!("PERSIST {name} keeps its rows")),
        _ => error.with_hint("give it another name"),
    }
}

//! `OVER w` and `OVER (w …)` with `WINDOW w AS (…)`: the definition is put where it is used. The
//! planner below does so in select lists only; ORDER BY and QUALIFY may use windows, too.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, NamedWindowDefinition, NamedWindowExpr, Query, Select, SetExpr, WindowSpec,
    WindowType,
};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_sql::FRAME_EXCLUSION;
use sheaf_sql::walk::{WalkMut, walk_expressions_mut};

use super::frame_offsets::settle_window;

/// Definitions refer to each other at most this deep; a circle is deeper.
const DEPTH_MAX: usize = 32;

/// Replaces the named windows of the SELECT that is `query`'s body, in ORDER BY as well.
pub(super) fn define(query: &mut Query) -> Result<()> {
    let SetExpr::Select(select) = query.body.as_mut() else {
        return Ok(());
    };
    let mut windows = std::mem::take(&mut select.named_window);
    if windows.is_empty() {
        return Ok(());
    }
    for window in &mut windows {
        if let NamedWindowExpr::WindowSpec(spec) = &mut window.1 {
            settle_window(spec)?;
        }
    }
    let Select {
        projection,
        qualify,
        ..
    } = select.as_mut();
    replace(projection, &windows)?;
    replace(qualify, &windows)?;
    replace(&mut query.order_by, &windows)
}

fn replace(node: &mut impl WalkMut, windows: &[NamedWindowDefinition]) -> Result<()> {
    let found = walk_expressions_mut(node, |expr| {
        if let Expr::Function(function) = expr
            && let Some(over) = &mut function.over
            && let Err(error) = resolve(over, windows)
        {
            return ControlFlow::Break(error);
        }
        ControlFlow::Continue(())
    });
    match found {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn resolve(over: &mut WindowType, windows: &[NamedWindowDefinition]) -> Result<()> {
    match over {
        WindowType::NamedWindow(name) => {
            *over = WindowType::WindowSpec(definition(name, windows, 0)?);
        }
        WindowType::WindowSpec(spec) => complete(spec, windows, 0)?,
    }
    Ok(())
}

fn definition(name: &Ident, windows: &[NamedWindowDefinition], depth: usize) -> Result<WindowSpec> {
    let is_it = |ident: &Ident| match (ident.quote_style, name.quote_style) {
        (None, None) => ident.value.eq_ignore_ascii_case(&name.value),
        _ => ident.value == name.value,
    };
    let found = windows.iter().find(|window| is_it(&window.0));
    match found {
        Some(NamedWindowDefinition(_, _)) if depth >= DEPTH_MAX => Err(SheafError::user(format!(
            "window {name} is defined by itself"
        ))
        .with_state(SqlState::WINDOWING_ERROR)),
        Some(NamedWindowDefinition(_, NamedWindowExpr::NamedWindow(other))) => {
            definition(other, windows, depth + 1)
        }
        Some(NamedWindowDefinition(_, NamedWindowExpr::WindowSpec(spec))) => {
            let mut spec = spec.clone();
            complete(&mut spec, windows, depth + 1)?;
            Ok(spec)
        }
        None => Err(SheafError::user(format!("window {name} does not exist"))
            .with_state(SqlState::UNDEFINED_OBJECT)
            .with_hint(format!(
                "define it: WINDOW {name} AS (PARTITION BY … ORDER BY …)"
            ))),
    }
}

/// What `spec` takes from the window it names: partitions, the order if it has none, and the frame
/// with what that leaves out.
fn complete(spec: &mut WindowSpec, windows: &[NamedWindowDefinition], depth: usize) -> Result<()> {
    let Some(name) = spec.window_name.take() else {
        return Ok(());
    };
    let mut base = definition(&name, windows, depth)?;
    let exclusion = take_exclusion(&mut spec.partition_by);
    if !spec.partition_by.is_empty() || !(spec.order_by.is_empty() || base.order_by.is_empty()) {
        return Err(SheafError::user(format!(
            "what window {name} says of PARTITION BY and ORDER BY cannot be said anew"
        ))
        .with_state(SqlState::WINDOWING_ERROR));
    }
    if spec.order_by.is_empty() {
        spec.order_by = base.order_by;
    }
    if spec.window_frame.is_none() {
        spec.window_frame = base.window_frame;
    } else {
        take_exclusion(&mut base.partition_by);
    }
    spec.partition_by = base.partition_by;
    spec.partition_by.extend(exclusion);
    Ok(())
}

/// The mark that a frame leaves rows out; it goes.
fn take_exclusion(partition_by: &mut Vec<Expr>) -> Option<Expr> {
    let is_mark = |expr: &Expr| match expr {
        Expr::Function(function) => function.name.to_string() == FRAME_EXCLUSION,
        _ => false,
    };
    let place = partition_by.iter().position(is_mark)?;
    Some(partition_by.remove(place))
}

//! Offsets of window frames: refused where they are NULL or less than 0, as the standard says.

use datafusion::sql::sqlparser::ast::{
    Expr, UnaryOperator, Value, WindowFrameBound, WindowSpec, WindowType,
};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

/// Looks at the frame of `expr`, if it calls a window function.
///
/// # Errors
/// `UserInput` (22013).
pub(super) fn check(expr: &Expr) -> Result<()> {
    match expr {
        Expr::Function(function) => match &function.over {
            Some(WindowType::WindowSpec(window)) => check_window(window),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Looks at the frame of `window`.
///
/// # Errors
/// `UserInput` (22013).
pub(super) fn check_window(window: &WindowSpec) -> Result<()> {
    let Some(frame) = &window.window_frame else {
        return Ok(());
    };
    check_bound(&frame.start_bound, "starting")?;
    match &frame.end_bound {
        Some(bound) => check_bound(bound, "ending"),
        None => Ok(()),
    }
}

fn check_bound(bound: &WindowFrameBound, which: &str) -> Result<()> {
    let (WindowFrameBound::Preceding(Some(offset)) | WindowFrameBound::Following(Some(offset))) =
        bound
    else {
        return Ok(());
    };
    let is_what = match offset.as_ref() {
        Expr::Value(value) if value.value == Value::Null => "null",
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            ..
        } => "negative",
        Expr::Interval(interval) if is_negative(&interval.value) => "negative",
        _ => return Ok(()),
    };
    let text = format!("frame {which} offset must not be {is_what}");
    Err(SheafError::user(text).with_state(SqlState::INVALID_FRAME_OFFSET))
}

fn is_negative(interval: &Expr) -> bool {
    match interval {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.trim_start().starts_with('-'),
            _ => false,
        },
        Expr::UnaryOp { op, .. } => *op == UnaryOperator::Minus,
        _ => false,
    }
}

//! Offsets of window frames: refused where they are NULL or less than 0, as the standard says.
//!
//! | written | passed on |
//! |---|---|
//! | `RANGE INTERVAL 1 DAY PRECEDING` | `RANGE INTERVAL '1' DAY PRECEDING` |

use datafusion::sql::sqlparser::ast::{
    Expr, UnaryOperator, Value, WindowFrameBound, WindowSpec, WindowType,
};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

/// Settles the frame of `expr`, if it calls a window function.
///
/// # Errors
/// `UserInput` (22013).
pub(super) fn settle(expr: &mut Expr) -> Result<()> {
    match expr {
        Expr::Function(function) => match &mut function.over {
            Some(WindowType::WindowSpec(window)) => settle_window(window),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Settles the frame of `window`.
///
/// # Errors
/// `UserInput` (22013).
pub(super) fn settle_window(window: &mut WindowSpec) -> Result<()> {
    let Some(frame) = &mut window.window_frame else {
        return Ok(());
    };
    settle_bound(&mut frame.start_bound, "starting")?;
    match &mut frame.end_bound {
        Some(bound) => settle_bound(bound, "ending"),
        None => Ok(()),
    }
}

fn settle_bound(bound: &mut WindowFrameBound, which: &str) -> Result<()> {
    let (WindowFrameBound::Preceding(Some(offset)) | WindowFrameBound::Following(Some(offset))) =
        bound
    else {
        return Ok(());
    };
    if let Expr::Interval(interval) = offset.as_mut()
        && let Expr::Value(value) = interval.value.as_mut()
        && let Value::Number(number, _) = &value.value
    {
        value.value = Value::SingleQuotedString(number.clone());
    }
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

//! What tasks of operators end with.

use std::panic::resume_unwind;

use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{Result, exec_datafusion_err};
use tokio::task::JoinError;

/// What a task of `operator` gave; its panics go on here.
///
/// # Errors
/// If it ended before it gave anything.
pub(crate) async fn joined<T: 'static>(task: SpawnedTask<T>, operator: &str) -> Result<T> {
    ended(task.join().await, operator)
}

/// The same of a task that has ended with `result`.
pub(crate) fn ended<T>(result: std::result::Result<T, JoinError>, operator: &str) -> Result<T> {
    result.map_err(|error| match error.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(error) => exec_datafusion_err!("a task of {operator} ended early: {error}"),
    })
}

//! Work that is done one item ahead of where it is used.

use datafusion::common::Result;
use datafusion::common::runtime::SpawnedTask;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, stream};
use tokio::sync::mpsc;

use super::OPERATOR;
use crate::task::joined;

/// What `items` gives, made by a task of its own: one item waits to be taken while nothing is made, or the
/// next is made. Dropping the stream ends the task.
///
/// # Errors
/// Those of `items`; where its task ends early, an error, not the end of the stream.
pub(super) fn ahead<T: Send + 'static>(
    items: impl Stream<Item = Result<T>> + Send + 'static,
) -> BoxStream<'static, Result<T>> {
    let (sender, taken) = mpsc::channel(1);
    let task = SpawnedTask::spawn(async move {
        let mut items = std::pin::pin!(items);
        // Room first: what was made and could not be handed on would be one item more.
        while let Ok(room) = sender.reserve().await {
            match items.next().await {
                Some(item) => room.send(item),
                None => return,
            }
        }
    });
    let items = stream::unfold((taken, Some(task)), |(mut taken, task)| async move {
        if let Some(item) = taken.recv().await {
            return Some((item, (taken, task)));
        }
        let error = joined(task?, OPERATOR).await.err()?;
        Some((Err(error), (taken, None)))
    });
    items.boxed()
}

//! Sorted rows being handed out, and given back to disk when others need the memory they are in.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::DataFusionError;
use tokio::sync::Mutex;

use super::merge::{Cursor, Merge, Picked};
use super::sorter::Work;

/// The rows of a sort that are still to come.
///
/// A task answers requests for memory, whether rows are being taken or not.
pub(super) struct Output {
    work: Arc<Work>,
    rest: Arc<Mutex<Rest>>,
    giver: Option<SpawnedTask<()>>,
}

struct Rest {
    work: Arc<Work>,
    merge: Option<Merge>,
    /// Rows to be given at most.
    limit: usize,
    /// Why rows could not be written to disk.
    failure: Option<DataFusionError>,
}

impl Output {
    /// What `cursors` have, merged; `may_give` says whether some of it is in memory.
    pub(super) fn new(
        work: Arc<Work>,
        cursors: Vec<Cursor>,
        limit: Option<usize>,
        may_give: bool,
    ) -> Self {
        let rest = Rest {
            work: Arc::clone(&work),
            merge: Some(work.output(cursors)),
            limit: limit.unwrap_or(usize::MAX),
            failure: None,
        };
        let rest = Arc::new(Mutex::new(rest));
        let give = || SpawnedTask::spawn(give_back(Arc::clone(&work), Arc::clone(&rest)));
        Self {
            giver: may_give.then(give),
            work,
            rest,
        }
    }

    /// The rows of the next batch.
    pub(super) async fn pick(&mut self) -> Result<Option<Picked>> {
        let mut rest = self.rest.lock().await;
        let picked = rest.pick().await?;
        if picked.is_none() {
            self.giver = None;
            rest.end();
        }
        Ok(picked)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // The task may hold its end a little longer.
        self.giver = None;
        if let Ok(mut rest) = self.rest.try_lock() {
            rest.end();
        }
        self.work.holding.free();
    }
}

impl Rest {
    async fn pick(&mut self) -> Result<Option<Picked>> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let Some(merge) = &mut self.merge else {
            return Ok(None);
        };
        let picked = self.work.pick(merge, self.limit).await?;
        self.work.holding.shrink(merge.take_freed_bytes());
        self.limit -= picked.as_ref().map_or(0, Picked::row_count);
        Ok(picked)
    }

    fn end(&mut self) {
        if let Some(merge) = self.merge.take() {
            merge.end(|bytes| self.work.holding.shrink(bytes));
        }
        self.work.holding.free();
    }

    /// Writes what is in memory to disk, to be read from there.
    async fn spill(&mut self) -> Result<()> {
        let Some(merge) = self.merge.take() else {
            return Ok(());
        };
        let (in_memory, mut cursors) = merge.into_parts();
        let run = self.work.write(in_memory, Some(self.limit)).await?;
        self.work.charge_reading(&run);
        cursors.extend(self.work.read(&run).await?);
        self.merge = Some(self.work.output(cursors));
        Ok(())
    }
}

/// Gives back what is in memory, once, when it is asked for.
async fn give_back(work: Arc<Work>, rest: Arc<Mutex<Rest>>) {
    let _listening = work.holding.listen();
    work.holding.asked().await;
    let mut rest = rest.lock().await;
    if let Err(error) = rest.spill().await {
        rest.failure = Some(error);
    }
    work.holding.answer();
}

//! Rejected records on their way from the decoder, which cannot wait, to who keeps them, who may.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray};
use futures::StreamExt;
use parking_lot::Mutex;
use sheaf_base::Result;

use super::super::Batches;
use super::sink::Place;
use crate::rejects::{Rejects, reject_schema};

/// A rejected record.
#[derive(Debug)]
pub(super) struct Rejected {
    pub(super) place: Place,
    /// Its text; `None` if it was too long to be kept.
    pub(super) raw: Option<String>,
    pub(super) error: String,
}

/// Rejected records that nobody has taken yet; handed over with each batch.
pub(super) type Pending = Arc<Mutex<Vec<Rejected>>>;

/// `batches`, each of which goes on when the records rejected beside it are kept.
pub(super) fn keep(
    batches: Batches,
    path: Arc<str>,
    pending: Pending,
    rejects: Arc<dyn Rejects>,
) -> Batches {
    let kept = batches.then(move |batch| {
        let (path, pending, rejects) = (path.clone(), pending.clone(), rejects.clone());
        async move {
            let batch = batch?;
            let taken = std::mem::take(&mut *pending.lock());
            if !taken.is_empty() {
                rejects.add(&rows_of(&path, &taken)?).await?;
            }
            Ok(batch)
        }
    });
    kept.boxed()
}

fn rows_of(path: &str, rejected: &[Rejected]) -> Result<RecordBatch> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let rows = || rejected.iter();
    let paths = StringViewArray::from_iter_values(rows().map(|_| path));
    let lines = Int64Array::from_iter_values(rows().map(|row| number(row.place.line)));
    let offsets = Int64Array::from_iter_values(rows().map(|row| number(row.place.offset)));
    let raws: StringViewArray = rows().map(|row| row.raw.as_deref()).collect();
    let errors = StringViewArray::from_iter_values(rows().map(|row| row.error.as_str()));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(paths),
        Arc::new(lines),
        Arc::new(offsets),
        Arc::new(raws),
        Arc::new(errors),
    ];
    Ok(RecordBatch::try_new(reject_schema(), columns)?)
}

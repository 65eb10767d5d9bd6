//! The numbers of lines in files that are read in pieces: how many line breaks there are before
//! one. Each stretch of a file is counted once, whoever asks first.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use parking_lot::Mutex;
use sheaf_base::Result;
use tokio::sync::OnceCell;

use super::super::Piece;
use super::super::bytes::SourceFile;

/// Line breaks of a stretch, counted once.
type Count = Arc<OnceCell<u64>>;

/// Line breaks of the stretches that files are cut into.
#[derive(Debug, Default)]
pub(crate) struct LineCounts {
    /// Where the stretches of split files start, in order.
    starts: HashMap<Path, Vec<u64>>,
    counts: Mutex<HashMap<(Path, u64), Count>>,
}

impl LineCounts {
    /// Of files that are cut at `cuts`, in order.
    pub(crate) fn new(cuts: HashMap<Path, Vec<u64>>) -> Self {
        Self {
            starts: cuts,
            counts: Mutex::default(),
        }
    }

    /// Line breaks before byte `offset`, which is in or behind the start of `piece`.
    ///
    /// # Errors
    /// Names the file if it cannot be read.
    pub(crate) async fn before(&self, piece: &Piece, offset: u64) -> Result<u64> {
        let range = match &piece.range {
            Some(range) if range.start > 0 => range,
            _ => return Ok(0),
        };
        // What is counted here is not progress.
        let file = SourceFile {
            gauge: None,
            ..piece.file.clone()
        };
        let location = &file.meta.location;
        let starts = self.starts.get(location).map_or(&[][..], Vec::as_slice);
        let starts = starts.iter().filter(|start| **start < range.start);
        let mut cuts: Vec<u64> = std::iter::once(0).chain(starts.copied()).collect();
        cuts.dedup();
        let mut lines = 0;
        for (i, start) in cuts.iter().enumerate() {
            let end = cuts.get(i + 1).copied().unwrap_or(range.start);
            let key = (location.clone(), *start);
            let cell = Arc::clone(self.counts.lock().entry(key).or_default());
            lines += *cell.get_or_try_init(|| count(&file, *start..end)).await?;
        }
        Ok(lines + count(&file, range.start..offset.max(range.start)).await?)
    }
}

async fn count(file: &SourceFile, range: Range<u64>) -> Result<u64> {
    let mut chunks = file.range(range).await?;
    let mut lines = 0;
    while let Some(chunk) = chunks.try_next().await? {
        lines += memchr::memchr_iter(b'\n', &chunk).count() as u64;
        // So that a cancelled query ends here, too.
        tokio::task::consume_budget().await;
    }
    Ok(lines)
}

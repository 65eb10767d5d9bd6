//! Where the records of pieces begin, for certain: each file is gone through once, stretch by
//! stretch, by whoever first asks. It costs a pass over the bytes before a piece, without parsing
//! them, and gives the numbers of lines besides.

use std::collections::HashMap;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use parking_lot::Mutex;
use sheaf_base::Result;
use tokio::sync::OnceCell;

use super::records::RecordSplitter;
use crate::scan::bad_records::Place;
use crate::scan::bytes::SourceFile;
use crate::scan::csv::CsvLayout;
use crate::scan::records::chunks_from;

/// Where a piece's first record begins, found once.
type Start = Arc<OnceCell<Place>>;

/// The starts of pieces of the files of one scan.
#[derive(Debug, Default)]
pub(crate) struct RecordStarts {
    /// Where split files are cut, in order.
    cuts: HashMap<Path, Vec<u64>>,
    found: Mutex<HashMap<(Path, u64), Start>>,
}

impl RecordStarts {
    /// Of files that are cut at `cuts`.
    pub(crate) fn new(cuts: HashMap<Path, Vec<u64>>) -> Self {
        Self {
            cuts,
            found: Mutex::default(),
        }
    }

    /// The first record that begins at or behind byte `cut` of `file`.
    ///
    /// # Errors
    /// Names the file if it cannot be read.
    pub(in crate::scan::csv) async fn at(
        &self,
        file: &SourceFile,
        layout: &CsvLayout,
        cut: u64,
    ) -> Result<Place> {
        let mut place = Place { offset: 0, line: 1 };
        if cut == 0 {
            return Ok(place);
        }
        // What is read here is not progress.
        let file = SourceFile {
            gauge: None,
            ..file.clone()
        };
        let location = &file.meta.location;
        let cuts = self.cuts.get(location).map_or(&[][..], Vec::as_slice);
        let before = cuts.iter().copied().filter(|known| *known < cut);
        for next in before.chain([cut]) {
            let cell = Arc::clone(
                self.found
                    .lock()
                    .entry((location.clone(), next))
                    .or_default(),
            );
            place = *cell
                .get_or_try_init(|| first_behind(&file, layout, place, next))
                .await?;
        }
        Ok(place)
    }
}

/// The first record at or behind `cut`, of those that begin at `from` or later.
async fn first_behind(
    file: &SourceFile,
    layout: &CsvLayout,
    from: Place,
    cut: u64,
) -> Result<Place> {
    let mut chunks = chunks_from(file, from.offset, cut);
    let mut splitter = RecordSplitter::new(layout, from);
    let mut is_last = false;
    while splitter.place().offset < cut && !is_last {
        match chunks.try_next().await? {
            Some(chunk) => splitter.push(&chunk),
            None => is_last = true,
        }
        splitter.split(is_last, cut, |_| Ok(true))?;
        // So that a cancelled query ends here, too.
        tokio::task::consume_budget().await;
    }
    Ok(splitter.place())
}

//! How errors name bad records of bags.

use std::sync::Arc;

use arrow::error::ArrowError;
use async_trait::async_trait;
use sheaf_base::SheafError;

use super::super::Piece;
use super::super::bad_records::BadRecord;
use super::super::stream::Explain;
use super::lines::LineCounts;

/// Puts file and line on a bad record.
pub(in crate::scan) struct BagExplain {
    pub(in crate::scan) piece: Piece,
    /// Where the piece's first record starts.
    pub(in crate::scan) start: u64,
    /// What the piece took the number of its first line to be; 1 if it did not ask.
    pub(in crate::scan) first_line: u64,
    pub(in crate::scan) lines: Arc<LineCounts>,
}

#[async_trait]
impl Explain for BagExplain {
    async fn explain(&self, error: ArrowError, _rows_before: u64) -> SheafError {
        let bad = match error {
            ArrowError::ExternalError(inner) => match inner.downcast::<BadRecord>() {
                Ok(bad) => bad,
                Err(other) => return SheafError::from(ArrowError::ExternalError(other)),
            },
            other => return SheafError::from(other).with_context(&self.piece.file.path),
        };
        let path = &self.piece.file.path;
        let place = match self.lines.before(&self.piece, self.start).await {
            Ok(before) => format!("{path}:{}", before + 1 + bad.line - self.first_line),
            Err(_) => path.to_string(),
        };
        let hint = match bad.message.starts_with("not UTF-8") {
            true => {
                "encoding => 'latin1', … reads other encodings, 'utf-8-lossy' puts \u{fffd} in \
                 place of such bytes"
            }
            false => {
                "on_error => 'skip' leaves such records out, 'null' makes them NULL, 'quarantine' \
                 keeps them in a table"
            }
        };
        let hint = bad.hint.clone().unwrap_or_else(|| hint.to_owned());
        BadRecord {
            hint: Some(hint),
            ..*bad
        }
        .at_place(&place)
    }
}

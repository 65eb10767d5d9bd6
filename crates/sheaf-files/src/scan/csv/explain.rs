//! CSV errors with file, line and column: `sales.csv:417: column amount: 'abc' is no BIGINT`.
//!
//! Arrow's reader knows neither. The piece is read once more, value by value, up to what is wrong;
//! only failing queries pay for it.

use std::sync::Arc;

use arrow::error::ArrowError;
use async_trait::async_trait;
use sheaf_base::SheafError;

use super::{CsvFormat, FileColumns, lenient};
use crate::scan::Piece;
use crate::scan::stream::Explain;

pub(super) struct CsvExplain {
    pub(super) format: CsvFormat,
    pub(super) columns: Arc<FileColumns>,
    pub(super) piece: Piece,
}

#[async_trait]
impl Explain for CsvExplain {
    async fn explain(&self, error: ArrowError, _rows_before: u64) -> SheafError {
        let columns = Arc::clone(&self.columns);
        let found = lenient::first_fault(&self.format, self.piece.clone(), columns).await;
        found.unwrap_or_else(|| SheafError::from(error).with_context(&self.piece.file.path))
    }
}

//! What a session keeps of its client's statements: those that PREPARE names, and those that a front
//! door keeps for it. Both are counted together.

use std::sync::Arc;

use parking_lot::Mutex;
use sheaf_base::error::SqlState;
use sheaf_base::{ByteCount, Result, SheafError};

use crate::session::Session;

/// Statements that one session may keep.
pub const KEPT_STATEMENTS_MAX: usize = 10_000;

/// Bytes of their texts; their syntax trees take a multiple of that, as do those of one statement of
/// the longest kind.
pub const KEPT_TEXT_BYTES_MAX: usize = 2 * sheaf_sql::limits::STATEMENT_BYTES_MAX;

/// The statements of one session: how many, and the bytes of their texts.
#[derive(Debug, Default)]
pub(crate) struct KeptStatements(Mutex<(usize, usize)>);

/// The place of a statement that is kept; it is free again with the last clone.
#[derive(Debug, Clone)]
pub struct KeptPlace(#[expect(dead_code, reason = "what counts is when it is dropped")] Arc<Place>);

#[derive(Debug)]
struct Place {
    statements: Arc<KeptStatements>,
    bytes: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut kept = self.statements.0.lock();
        *kept = (kept.0 - 1, kept.1 - self.bytes);
    }
}

impl Session {
    /// A place for a statement that its front door keeps, with so many bytes of text and what belongs to it.
    ///
    /// # Errors
    /// `Resource` (54000) if the session keeps too many already.
    pub fn keep(&self, text_bytes: usize) -> Result<KeptPlace> {
        let statements = &self.inner.kept;
        let mut kept = statements.0.lock();
        let (count, bytes) = (kept.0 + 1, kept.1 + text_bytes);
        if count > KEPT_STATEMENTS_MAX || bytes > KEPT_TEXT_BYTES_MAX {
            let bytes = ByteCount::from(KEPT_TEXT_BYTES_MAX);
            return Err(SheafError::resource(format!(
                "a session keeps at most {KEPT_STATEMENTS_MAX} prepared statements, whose texts have \
                 {bytes} in all"
            ))
            .with_state(SqlState::PROGRAM_LIMIT)
            .with_hint("close those that are not needed, or DEALLOCATE ALL"));
        }
        *kept = (count, bytes);
        Ok(KeptPlace(Arc::new(Place {
            statements: Arc::clone(statements),
            bytes: text_bytes,
        })))
    }
}

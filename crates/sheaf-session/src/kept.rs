//! What a session keeps of its client's statements: those that PREPARE names, and those that a front
//! door keeps for it. Both are counted together.

use std::sync::Arc;

use parking_lot::Mutex;
use sheaf_base::error::SqlState;
use sheaf_base::{ByteCount, Result, SheafError};
use sheaf_sql::Statement;

use crate::session::{Prepared, Session};

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
    /// Gives a statement a name, by which EXECUTE, EXPLAIN EXECUTE and DEALLOCATE know it.
    ///
    /// # Errors
    /// `UserInput` (42P05) if there is another of that name.
    pub fn name_kept(
        &self,
        name: &str,
        statement: &Arc<Statement>,
        place: &KeptPlace,
    ) -> Result<()> {
        let mut prepared = self.inner.prepared.lock();
        if prepared.contains_key(name) {
            return Err(
                SheafError::user(format!("prepared statement \"{name}\" already exists"))
                    .with_state(SqlState::DUPLICATE_PREPARED_STATEMENT)
                    .with_hint(format!("DEALLOCATE {name} forgets it")),
            );
        }
        let kept = Prepared {
            statement: Arc::clone(statement),
            place: place.clone(),
        };
        prepared.insert(name.to_owned(), kept);
        Ok(())
    }

    /// The statement of that name, and its place.
    #[must_use]
    pub fn kept(&self, name: &str) -> Option<(Arc<Statement>, KeptPlace)> {
        let prepared = self.inner.prepared.lock();
        let kept = prepared.get(name)?;
        Some((Arc::clone(&kept.statement), kept.place.clone()))
    }

    /// Forgets the statement of that name, if there is one.
    pub fn forget_kept(&self, name: &str) {
        self.inner.prepared.lock().remove(name);
    }

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

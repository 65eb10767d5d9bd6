//! Transaction blocks. Nothing is written, so nothing is committed or rolled back; what clients rely
//! on is kept: in which state they are told to be, and that after an error a block does nothing more.

use sheaf::{Result, SheafError, SqlState};

use crate::message::backend::Status;
use crate::message::frontend::NAME_BYTES_MAX;

/// Savepoints that one block may have.
const SAVEPOINTS_MAX: usize = 10_000;

/// Where a session stands: `Idle` ⇄ `Block` → `Failed` → `Idle`.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    state: State,
    savepoints: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Every statement, or script, is its own transaction.
    #[default]
    Idle,
    /// Between BEGIN and COMMIT.
    Block,
    /// The same, after an error.
    Failed,
}

impl Transaction {
    pub(super) fn status(&self) -> Status {
        match self.state {
            State::Idle => Status::Idle,
            State::Block => Status::InBlock,
            State::Failed => Status::Failed,
        }
    }

    pub(super) fn is_in_block(&self) -> bool {
        self.state != State::Idle
    }

    /// A statement has failed.
    pub(super) fn fail(&mut self) {
        if self.state == State::Block {
            self.state = State::Failed;
        }
    }

    /// Checks that a statement may run that does not end the block.
    ///
    /// # Errors
    /// `UserInput` (25P02) if the block has failed.
    pub(super) fn check(&self) -> Result<()> {
        match self.state {
            State::Failed => Err(SheafError::user(
                "current transaction is aborted, commands ignored until end of transaction block",
            )
            .with_state(SqlState::IN_FAILED_TRANSACTION)),
            State::Idle | State::Block => Ok(()),
        }
    }

    /// BEGIN; a warning if there is a block already.
    pub(super) fn begin(&mut self) -> Option<SheafError> {
        let was_in_block = self.is_in_block();
        if !was_in_block {
            self.state = State::Block;
        }
        was_in_block.then(|| {
            SheafError::user("there is already a transaction in progress")
                .with_state(SqlState::ACTIVE_TRANSACTION)
        })
    }

    /// COMMIT or ROLLBACK: what has happened, and a warning if there was no block.
    pub(super) fn end(
        &mut self,
        commits: bool,
        chains: bool,
    ) -> (&'static str, Option<SheafError>) {
        let tag = match (commits, self.state) {
            (true, State::Idle | State::Block) => "COMMIT",
            _ => "ROLLBACK",
        };
        let warning = (self.state == State::Idle).then(|| {
            SheafError::user("there is no transaction in progress")
                .with_state(SqlState::NO_ACTIVE_TRANSACTION)
        });
        self.state = match chains && self.is_in_block() {
            true => State::Block,
            false => State::Idle,
        };
        self.savepoints.clear();
        (tag, warning)
    }

    /// SAVEPOINT.
    ///
    /// # Errors
    /// `UserInput` (25P01) outside of a block, (25P02) in a failed one.
    pub(super) fn savepoint(&mut self, name: String) -> Result<()> {
        self.check()?;
        self.check_block("SAVEPOINT")?;
        if self.savepoints.len() >= SAVEPOINTS_MAX {
            return Err(
                SheafError::resource("too many savepoints").with_state(SqlState::PROGRAM_LIMIT)
            );
        }
        if name.len() > NAME_BYTES_MAX {
            let message = format!("a name is longer than {NAME_BYTES_MAX} bytes");
            return Err(SheafError::user(message).with_state(SqlState::PROGRAM_LIMIT));
        }
        self.savepoints.push(name);
        Ok(())
    }

    /// RELEASE SAVEPOINT.
    ///
    /// # Errors
    /// As [`Transaction::savepoint`]; (3B001) if there is none of that name.
    pub(super) fn release(&mut self, name: &str) -> Result<()> {
        self.check()?;
        self.check_block("RELEASE SAVEPOINT")?;
        let index = self.find(name)?;
        self.savepoints.truncate(index);
        Ok(())
    }

    /// ROLLBACK TO SAVEPOINT: a failed block goes on from there.
    ///
    /// # Errors
    /// (25P01) outside of a block; (3B001) if there is none of that name.
    pub(super) fn rollback_to(&mut self, name: &str) -> Result<()> {
        self.check_block("ROLLBACK TO SAVEPOINT")?;
        let index = self.find(name)?;
        self.savepoints.truncate(index + 1);
        self.state = State::Block;
        Ok(())
    }

    fn find(&self, name: &str) -> Result<usize> {
        let index = self.savepoints.iter().rposition(|known| known == name);
        index.ok_or_else(|| {
            SheafError::user(format!("savepoint \"{name}\" does not exist"))
                .with_state(SqlState::INVALID_SAVEPOINT)
        })
    }

    fn check_block(&self, statement: &str) -> Result<()> {
        match self.is_in_block() {
            true => Ok(()),
            false => Err(SheafError::user(format!(
                "{statement} can only be used in transaction blocks"
            ))
            .with_state(SqlState::NO_ACTIVE_TRANSACTION)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_block_ends_with_rollback_whatever_is_said() {
        let mut transaction = Transaction::default();
        assert!(transaction.begin().is_none());
        assert_eq!(transaction.begin().unwrap().state().code(), "25001");
        transaction.fail();
        assert_eq!(transaction.status(), Status::Failed);
        assert_eq!(transaction.check().unwrap_err().state().code(), "25P02");
        assert_eq!(transaction.end(true, false).0, "ROLLBACK");
        assert_eq!(transaction.status(), Status::Idle);
        let (tag, warning) = transaction.end(true, false);
        assert_eq!((tag, warning.unwrap().state().code()), ("COMMIT", "25P01"));
        transaction.fail();
        assert_eq!(
            transaction.status(),
            Status::Idle,
            "errors outside of blocks stay there"
        );
    }

    #[test]
    fn savepoints_save_a_block() {
        let mut transaction = Transaction::default();
        assert_eq!(
            transaction
                .savepoint("a".into())
                .unwrap_err()
                .state()
                .code(),
            "25P01"
        );
        transaction.begin();
        transaction.savepoint("a".into()).unwrap();
        transaction.savepoint("b".into()).unwrap();
        transaction.fail();
        assert_eq!(
            transaction.release("a").unwrap_err().state().code(),
            "25P02"
        );
        transaction.rollback_to("a").unwrap();
        assert_eq!(transaction.status(), Status::InBlock);
        assert_eq!(
            transaction.release("b").unwrap_err().state().code(),
            "3B001"
        );
        transaction.release("a").unwrap();
        assert_eq!(
            transaction.release("a").unwrap_err().state().code(),
            "3B001"
        );
    }
}

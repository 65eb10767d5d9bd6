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
    /// A script of several statements runs, which are one transaction unless they say otherwise.
    is_script: bool,
    /// A statement has failed outside of a block.
    has_failed: bool,
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

    /// A script of so many statements begins.
    pub(super) fn begin_script(&mut self, statements: usize) {
        self.is_script = statements > 1;
    }

    /// A script has ended, or a sequence of messages. Outside of a block that ends a transaction;
    /// whether it is committed.
    pub(super) fn end_script(&mut self) -> Option<bool> {
        self.is_script = false;
        let has_failed = std::mem::take(&mut self.has_failed);
        (!self.is_in_block()).then_some(!has_failed)
    }

    /// How many savepoints there are.
    pub(super) fn depth(&self) -> usize {
        self.savepoints.len()
    }

    /// Whether there is a block, or a script of several statements: a transaction that outlives the
    /// statement that runs.
    pub(super) fn is_any(&self) -> bool {
        self.is_in_block() || self.is_script
    }

    /// A statement has failed.
    pub(super) fn fail(&mut self) {
        match self.state {
            State::Block => self.state = State::Failed,
            State::Idle => self.has_failed = true,
            State::Failed => {}
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

    /// Checks that there is a block after which COMMIT or ROLLBACK AND CHAIN can begin another.
    ///
    /// # Errors
    /// `UserInput` (25P01) if there is none.
    pub(super) fn check_chain(&self, commits: bool) -> Result<()> {
        match (self.is_in_block(), commits) {
            (true, _) => Ok(()),
            (false, true) => Err(outside_of_block("COMMIT AND CHAIN")),
            (false, false) => Err(outside_of_block("ROLLBACK AND CHAIN")),
        }
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
        self.check_savepoints("SAVEPOINT")?;
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

    /// RELEASE SAVEPOINT; how many savepoints are left.
    ///
    /// # Errors
    /// As [`Transaction::savepoint`]; (3B001) if there is none of that name.
    pub(super) fn release(&mut self, name: &str) -> Result<usize> {
        self.check()?;
        self.check_savepoints("RELEASE SAVEPOINT")?;
        let index = self.find(name)?;
        self.savepoints.truncate(index);
        Ok(index)
    }

    /// ROLLBACK TO SAVEPOINT: a failed block goes on from there; how many savepoints there were then.
    ///
    /// # Errors
    /// (25P01) outside of a block; (3B001) if there is none of that name.
    pub(super) fn rollback_to(&mut self, name: &str) -> Result<usize> {
        self.check_savepoints("ROLLBACK TO SAVEPOINT")?;
        let index = self.find(name)?;
        self.savepoints.truncate(index + 1);
        self.state = State::Block;
        Ok(index)
    }

    fn find(&self, name: &str) -> Result<usize> {
        let index = self.savepoints.iter().rposition(|known| known == name);
        index.ok_or_else(|| {
            SheafError::user(format!("savepoint \"{name}\" does not exist"))
                .with_state(SqlState::INVALID_SAVEPOINT)
        })
    }

    fn check_savepoints(&self, statement: &str) -> Result<()> {
        match self.is_in_block() {
            true => Ok(()),
            false => Err(outside_of_block(statement)),
        }
    }

    /// Checks that there is a block, or a script of several statements.
    ///
    /// # Errors
    /// `UserInput` (25P01) if there is none.
    pub(super) fn check_block(&self, statement: &str) -> Result<()> {
        match self.is_any() {
            true => Ok(()),
            false => Err(outside_of_block(statement)),
        }
    }
}

fn outside_of_block(statement: &str) -> SheafError {
    SheafError::user(format!(
        "{statement} can only be used in transaction blocks"
    ))
    .with_state(SqlState::NO_ACTIVE_TRANSACTION)
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

//! What a connection keeps: prepared statements, and portals, which are one of them with its
//! parameters, or a cursor that DECLARE has made. Both kinds of portals share their names, as in
//! PostgreSQL: FETCH reads what Bind has made, and Execute what DECLARE has.

use std::collections::HashMap;
use std::sync::Arc;

use sheaf::{KeptPlace, Result, ScalarValue, SheafError, SqlState};

use super::SharedStatement;
use super::answer::Answer;
use crate::message::frontend::Format;
use crate::types::{WireColumn, WireType};

/// Bytes of the parameters of portals.
const KEPT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Portals that one connection may have, cursors among them; each may be a query that waits.
const PORTALS_MAX: usize = 100;

/// What a connection keeps.
#[derive(Default)]
pub(super) struct Prepared {
    statements: HashMap<String, Kept>,
    portals: HashMap<String, Portal>,
}

/// A statement that is kept.
#[derive(Clone)]
pub(super) struct Kept {
    /// What the client has sent; `None` if SQL has prepared it, as a part of that.
    pub(super) sql: Option<Arc<str>>,
    /// `None` is the empty statement.
    pub(super) statement: Option<SharedStatement>,
    /// The types of its parameters as the client has declared them, by number; 0 is none.
    pub(super) declared: Arc<[u32]>,
    /// What it takes and gives, once somebody has asked.
    pub(super) described: Option<Arc<Described>>,
    /// Whether the client was told of its columns.
    pub(super) is_told: bool,
    pub(super) _place: KeptPlace,
}

/// What a statement takes and gives.
pub(super) struct Described {
    pub(super) parameters: Vec<WireType>,
    pub(super) columns: Option<Vec<WireColumn>>,
}

/// A statement with its parameters.
pub(super) struct Portal {
    /// The name of its statement, if it has one.
    pub(super) statement: Option<String>,
    pub(super) kept: Kept,
    pub(super) parameters: Vec<ScalarValue>,
    pub(super) parameter_bytes: usize,
    pub(super) formats: Vec<Format>,
    pub(super) answer: Option<Answer>,
    pub(super) life: Life,
    /// Savepoints that there were when it was made.
    pub(super) depth: usize,
}

/// How long a portal lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// As long as its transaction.
    Transaction,
    /// The same, or for ever if that is committed.
    Hold,
    /// Until it is closed: its transaction has been committed.
    Held,
}

impl Prepared {
    /// A transaction ends: what belongs to it goes.
    pub(super) fn end_transaction(&mut self, is_committed: bool) {
        self.portals.retain(|_, portal| match portal.life {
            Life::Held => true,
            Life::Hold if is_committed => {
                portal.life = Life::Held;
                true
            }
            Life::Hold | Life::Transaction => false,
        });
    }

    /// A transaction is back where it had `depth` savepoints: what was made later goes.
    pub(super) fn roll_back_to(&mut self, depth: usize) {
        self.portals
            .retain(|_, portal| portal.life == Life::Held || portal.depth <= depth);
    }

    /// Of the savepoints only the first `depth` are left, and what later ones had is theirs.
    pub(super) fn release_to(&mut self, depth: usize) {
        for portal in self.portals.values_mut() {
            portal.depth = portal.depth.min(depth);
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.statements.contains_key(name)
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.statements.remove(name);
    }

    /// Forgets a statement and the portals that were made of it.
    pub(super) fn close(&mut self, name: &str) {
        self.forget(name);
        self.portals
            .retain(|_, portal| portal.statement.as_deref() != Some(name));
    }

    pub(super) fn forget_unnamed(&mut self) {
        self.forget("");
        self.portals.remove("");
    }

    pub(super) fn forget_statements(&mut self) {
        self.statements.clear();
    }

    pub(super) fn close_portals(&mut self) {
        self.portals.clear();
    }

    pub(super) fn keep(&mut self, name: String, kept: Kept) -> Result<()> {
        if !name.is_empty() && self.has(&name) {
            return Err(
                SheafError::user(format!("prepared statement \"{name}\" already exists"))
                    .with_state(SqlState::DUPLICATE_PREPARED_STATEMENT),
            );
        }
        self.statements.insert(name, kept);
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Result<&Kept> {
        self.statements.get(name).ok_or_else(|| {
            SheafError::user(match name {
                "" => "unnamed prepared statement does not exist".to_owned(),
                name => format!("prepared statement \"{name}\" does not exist"),
            })
            .with_state(SqlState::UNDEFINED_PREPARED_STATEMENT)
        })
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Kept> {
        self.statements.get_mut(name)
    }

    /// Checks that a portal called `name` may be made; one without a name takes another's place.
    ///
    /// # Errors
    /// (42P03) if there is one, (54000) if there are too many; `what` is its word in messages.
    pub(super) fn check_place(&self, name: &str, parameter_bytes: usize, what: &str) -> Result<()> {
        if !name.is_empty() && self.portals.contains_key(name) {
            return Err(
                SheafError::user(format!("{what} \"{name}\" already exists"))
                    .with_state(SqlState::DUPLICATE_CURSOR),
            );
        }
        let others = || self.portals.iter().filter(|(known, _)| *known != name);
        let kept: usize = others().map(|(_, portal)| portal.parameter_bytes).sum();
        if others().count() < PORTALS_MAX && kept + parameter_bytes <= KEPT_BYTES_MAX {
            return Ok(());
        }
        Err(SheafError::resource(format!("too many open {what}s"))
            .with_state(SqlState::PROGRAM_LIMIT)
            .with_hint("close those that are not needed"))
    }

    pub(super) fn insert_portal(&mut self, name: String, portal: Portal) {
        self.portals.insert(name, portal);
    }

    /// The portal called `name`, if it is there.
    pub(super) fn portal(&self, name: &str) -> Option<&Portal> {
        self.portals.get(name)
    }

    /// Takes a portal out; `what` is its word in messages.
    ///
    /// # Errors
    /// (34000) if there is none.
    pub(super) fn take_portal(&mut self, name: &str, what: &str) -> Result<Portal> {
        self.portals.remove(name).ok_or_else(|| {
            SheafError::user(format!("{what} \"{name}\" does not exist"))
                .with_state(SqlState::INVALID_CURSOR_NAME)
        })
    }
}

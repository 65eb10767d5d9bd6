//! What SET changes is part of a transaction: a rollback takes it back, and the end of the transaction
//! what SET LOCAL has changed.
//!
//! For each parameter and savepoint there is one entry: what it was before, and what a commit makes of
//! it. As PostgreSQL's `guc.c` has it.

use sheaf::{Result, SheafError, SqlState};

/// Changes that one transaction keeps: a value each, of as many bytes as a parameter may have.
const CHANGES_MAX: usize = 2_000;

/// A parameter's value, to be given back to it.
#[derive(Debug)]
struct Entry<V> {
    name: String,
    /// Savepoints that there were.
    depth: usize,
    before: V,
    /// What a commit gives back; nothing if SET was the last.
    at_commit: Option<V>,
    /// Whether SET was among the changes.
    has_set: bool,
}

/// The changes of one transaction.
#[derive(Debug)]
pub(super) struct Undo<V> {
    /// In the order in which they were made; no name twice at one depth.
    entries: Vec<Entry<V>>,
}

impl<V> Default for Undo<V> {
    fn default() -> Self {
        Self { entries: vec![] }
    }
}

impl<V: Clone> Undo<V> {
    /// Whether there may be one more change.
    ///
    /// # Errors
    /// `Resource` (54000) otherwise.
    pub(super) fn check(&self) -> Result<()> {
        match self.entries.len() < CHANGES_MAX {
            true => Ok(()),
            false => Err(SheafError::resource(format!(
                "a transaction changes at most {CHANGES_MAX} settings"
            ))
            .with_state(SqlState::PROGRAM_LIMIT)
            .with_hint(
                "each savepoint keeps what was changed behind it; RELEASE those that are done",
            )),
        }
    }

    /// A parameter is about to be changed from the value `now`; by SET LOCAL if `is_local`.
    pub(super) fn note(&mut self, name: &str, depth: usize, now: V, is_local: bool) {
        let known = self
            .entries
            .iter_mut()
            .find(|entry| entry.name == name && entry.depth == depth);
        match known {
            Some(entry) if is_local => {
                entry.at_commit.get_or_insert(now);
            }
            Some(entry) => {
                entry.at_commit = None;
                entry.has_set = true;
            }
            None => self.entries.push(Entry {
                name: name.to_owned(),
                depth,
                at_commit: is_local.then(|| now.clone()),
                has_set: !is_local,
                before: now,
            }),
        }
    }

    /// The transaction is back where it had `depth` savepoints: the values to give back, in this order.
    pub(super) fn roll_back_to(&mut self, depth: usize) -> Vec<V> {
        let (kept, undone) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition(|entry| entry.depth <= depth);
        self.entries = kept;
        let mut undone: Vec<Entry<V>> = undone;
        undone.sort_by_key(|entry| std::cmp::Reverse(entry.depth));
        undone.into_iter().map(|entry| entry.before).collect()
    }

    /// Of the savepoints only the first `depth` are left, and what later ones had is theirs.
    pub(super) fn release_to(&mut self, depth: usize) {
        let (mut kept, mut released): (Vec<_>, Vec<_>) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition(|entry| entry.depth <= depth);
        released.sort_by_key(|entry| entry.depth);
        for mut entry in released {
            entry.depth = depth;
            let below = kept
                .iter_mut()
                .find(|below| below.name == entry.name && below.depth == depth);
            match below {
                // What was set locally below stays so, unless SET came later.
                Some(below) => {
                    below.at_commit = match (entry.at_commit, below.at_commit.take()) {
                        (None, _) => None,
                        (Some(_), Some(below)) if !entry.has_set => Some(below),
                        (Some(above), _) => Some(above),
                    };
                    below.has_set |= entry.has_set;
                }
                None => kept.push(entry),
            }
        }
        self.entries = kept;
    }

    /// The transaction ends: the values to give back, in this order.
    pub(super) fn end(&mut self, is_committed: bool) -> Vec<V> {
        if !is_committed {
            let mut undone = self.roll_back_to(0);
            undone.extend(
                std::mem::take(&mut self.entries)
                    .into_iter()
                    .map(|e| e.before),
            );
            return undone;
        }
        self.release_to(0);
        let entries = std::mem::take(&mut self.entries).into_iter();
        entries.filter_map(|entry| entry.at_commit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PostgreSQL 18 shows after the same statements, the parameter being 0 before them.
    #[test]
    fn set_and_set_local_end_differently() {
        let run = |steps: &[(i32, bool)], is_committed| {
            let (mut undo, mut value) = (Undo::default(), 0);
            for (new, is_local) in steps {
                undo.note("x", 0, value, *is_local);
                value = *new;
            }
            undo.end(is_committed)
                .into_iter()
                .fold(value, |_, back| back)
        };
        let (set, local) = (false, true);
        for (steps, committed) in [
            (&[(1, set)][..], 1),
            (&[(1, local)], 0),
            (&[(1, set), (2, local)], 1),
            (&[(1, local), (2, set)], 2),
            (&[(1, set), (2, local), (3, local)], 1),
            (&[(1, set), (2, local), (3, set)], 3),
            (&[(1, local), (2, set), (3, local)], 2),
        ] {
            assert_eq!(run(steps, true), committed, "{steps:?}");
            assert_eq!(run(steps, false), 0, "{steps:?}");
        }
    }

    #[test]
    fn savepoints_take_back_what_came_after_them() {
        let mut undo = Undo::default();
        undo.note("x", 0, 0, false); // SET x = 1
        undo.note("x", 1, 1, false); // SAVEPOINT a; SET x = 2
        undo.note("x", 2, 2, true); // SAVEPOINT b; SET LOCAL x = 3
        assert_eq!(undo.roll_back_to(1), [2]);
        undo.note("x", 2, 2, true);
        undo.release_to(1);
        // 3 until the end, then what SET has said within the savepoint.
        assert_eq!(undo.end(true), [2]);
        undo.note("x", 0, 0, true);
        undo.note("x", 1, 1, false);
        assert_eq!(undo.end(true), [0_i32; 0]);
        undo.note("x", 0, 0, true);
        undo.note("x", 1, 1, true);
        assert_eq!(undo.end(true), [0]);
    }
}

//! Probes the table with one batch after another, and makes the output of it piece by piece.
//!
//! A batch goes through in windows of at most an output batch's rows: first candidates of all rows
//! are looked up, their keys compared, the candidates that follow them taken, the filter evaluated. Where
//! chains are not of one key each, keys are compared of all candidates. However many matches a row has, no piece is larger than an output batch. Probe rows
//! that come out for having (or lacking) a match follow when the batch has gone through.
//!
//! Between two pieces the prober knows nothing of the table but in one case: it is among the matches
//! of one row that are more than a piece. So the table may change meanwhile; the rows that have not
//! been looked up are taken back ([`Prober::take_rest`]) and begin anew.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use datafusion::common::{JoinType, Result};

use super::index::{Pairs, locate};
use super::keys::{Keys, valid_rows};
use super::output::{pairs_batch, probe_batch, retain_filtered};
use super::spec::JoinSpec;
use super::table::{END, Table};

/// Chains that are gone along in step.
const CHAINS_AT_ONCE: usize = 16;

/// The progress of one thread through the probe side.
#[derive(Debug)]
pub(super) struct Prober {
    spec: Arc<JoinSpec>,
    /// Whether what found no match now never will. Not so while other blocks of build rows are to
    /// come.
    is_last_pass: bool,
    input: Option<Input>,
    pairs: Pairs,
}

#[derive(Debug)]
struct Input {
    batch: RecordBatch,
    keys: Keys,
    /// The row that the next window begins with.
    at: usize,
    /// Rows of the window beside their next candidates.
    heads: Pairs,
    heads_at: usize,
    /// Whether the row at `heads_at` has begun and not ended.
    is_in_chain: bool,
    /// Which rows have been taken back: they are not in the tail. Empty if none.
    taken_back: Vec<bool>,
    /// Which rows have matched, in this pass or an earlier one.
    matched: Vec<bool>,
    /// Which rows had matched in an earlier pass.
    before: Option<Vec<bool>>,
    /// Rows to put out when all windows are through, and how many of them are out.
    tail: Option<(Vec<u32>, usize)>,
}

impl Prober {
    pub(super) fn new(spec: Arc<JoinSpec>, is_last_pass: bool) -> Self {
        Self {
            spec,
            is_last_pass,
            input: None,
            pairs: Pairs::default(),
        }
    }

    /// Takes the next batch, with its keys. `before` tells which rows matched in earlier passes.
    pub(super) fn begin(
        &mut self,
        table: &Table,
        batch: RecordBatch,
        mut keys: Keys,
        before: Option<Vec<bool>>,
    ) {
        if table.is_exact() && keys.valid.is_none() {
            // Where NULL equals NULL, too: no key of this table is NULL.
            keys.valid = valid_rows(&keys.arrays);
        }
        let rows = batch.num_rows();
        let matched = match &before {
            _ if !self.spec.tracks_probe() => Vec::new(),
            Some(before) => before.clone(),
            None => vec![false; rows],
        };
        self.input = Some(Input {
            batch,
            keys,
            at: 0,
            heads: Pairs::default(),
            heads_at: 0,
            is_in_chain: false,
            taken_back: Vec::new(),
            matched,
            before,
            tail: None,
        });
    }

    /// Whether the next piece needs the same table.
    pub(super) fn is_in_chain(&self) -> bool {
        self.input.as_ref().is_some_and(|input| input.is_in_chain)
    }

    /// Takes back the rows of the batch that have not been looked up, if there are any: they begin
    /// anew. What is left of the batch needs no table.
    pub(super) fn take_rest(&mut self) -> Result<Option<RecordBatch>> {
        match &mut self.input {
            Some(input) => input.take_rest(&self.spec),
            None => Ok(None),
        }
    }

    /// The next piece of what needs no table.
    pub(super) fn next_of_tail(&mut self) -> Result<Option<RecordBatch>> {
        match &mut self.input {
            Some(input) => input.tail(&self.spec, self.is_last_pass),
            None => Ok(None),
        }
    }

    /// Ends the batch; tells which of its rows have matched so far, if the join type asks for it.
    pub(super) fn end(&mut self) -> Option<Vec<bool>> {
        self.input.take().map(|input| input.matched)
    }

    /// The next piece of output of this batch; `None` when there is no more.
    pub(super) fn next(&mut self, table: &Table) -> Result<Option<RecordBatch>> {
        let Some(input) = &mut self.input else {
            return Ok(None);
        };
        let spec = self.spec.as_ref();
        let pairs = &mut self.pairs;
        while input.candidates(spec, table, pairs)? {
            if !table.has_pure_chains() {
                table.retain_equal(&input.keys, pairs)?;
            }
            retain_filtered(spec, table, &input.batch, pairs)?;
            if pairs.is_empty() {
                continue;
            }
            table.visit(&pairs.build);
            if spec.tracks_probe() {
                for row in &pairs.probe {
                    input.matched[*row as usize] = true;
                }
            }
            if spec.emits_pairs() {
                return Ok(Some(pairs_batch(spec, table, &input.batch, pairs)?));
            }
        }
        input.tail(spec, self.is_last_pass)
    }
}

impl Input {
    /// Fills `pairs` with the next candidates; false when there are none left.
    fn candidates(&mut self, spec: &JoinSpec, table: &Table, pairs: &mut Pairs) -> Result<bool> {
        pairs.clear();
        while self.heads_at == self.heads.len() {
            if table.is_empty() {
                // Nothing matches the others either: they are not taken back any more.
                self.at = self.batch.num_rows();
            }
            if self.at == self.batch.num_rows() {
                return Ok(false);
            }
            self.look_up_window(spec, table)?;
            if spec.wants_existence() {
                self.settle(table)?;
            } else if spec.wants_visits() && table.has_chains() {
                self.skip_visited(table)?;
            }
        }
        if !table.has_chains() {
            std::mem::swap(pairs, &mut self.heads);
            self.heads.clear();
            self.heads_at = 0;
            return Ok(true);
        }
        while self.heads_at < self.heads.len() && pairs.len() < spec.batch_rows {
            if !self.take_chains(spec, table, pairs) {
                break;
            }
        }
        Ok(true)
    }

    /// Adds the candidates of the next rows to `pairs`; false if they are more than fit. They wait for the
    /// next piece then, unless they would fill it alone.
    ///
    /// Goes along several chains in step, so that the processor need not wait for a link of one to ask
    /// memory for that of another.
    fn take_chains(&mut self, spec: &JoinSpec, table: &Table, pairs: &mut Pairs) -> bool {
        if self.is_in_chain {
            return self.take_chain(spec, table, pairs);
        }
        let (before, begin) = (pairs.len(), self.heads_at);
        let end = self.heads.len().min(begin + CHAINS_AT_ONCE);
        pairs.probe.extend(&self.heads.probe[begin..end]);
        pairs.build.extend(&self.heads.build[begin..end]);
        let mut step = before;
        while step < pairs.len() && pairs.len() <= spec.batch_rows {
            let last_step = step..pairs.len();
            step = pairs.len();
            for at in last_step {
                let next = table.next(pairs.build[at]);
                if next != END {
                    pairs.push(pairs.probe[at], next);
                }
            }
        }
        if pairs.len() <= spec.batch_rows {
            self.heads_at = end;
            return true;
        }
        pairs.truncate(before);
        while before == 0 && self.heads_at < end && self.take_chain(spec, table, pairs) {}
        false
    }

    /// Adds the candidates of the next row to `pairs`; false if they are more than fit. A row that
    /// would fill a piece alone is begun; others wait for the next piece.
    fn take_chain(&mut self, spec: &JoinSpec, table: &Table, pairs: &mut Pairs) -> bool {
        let (probe, before) = (self.heads.probe[self.heads_at], pairs.len());
        let mut build = self.heads.build[self.heads_at];
        while build != END && pairs.len() < spec.batch_rows {
            pairs.push(probe, build);
            build = table.next(build);
        }
        if build == END {
            self.heads_at += 1;
            self.is_in_chain = false;
            return true;
        }
        if before > 0 {
            pairs.truncate(before);
        } else {
            self.heads.build[self.heads_at] = build;
            self.is_in_chain = true;
        }
        false
    }

    fn take_rest(&mut self, spec: &JoinSpec) -> Result<Option<RecordBatch>> {
        let mut rest = self.heads.probe.split_off(self.heads_at);
        let not_looked_up = self.at..self.batch.num_rows();
        rest.extend(not_looked_up.filter_map(|row| u32::try_from(row).ok()));
        self.heads.clear();
        self.heads_at = 0;
        self.at = self.batch.num_rows();
        if rest.is_empty() {
            return Ok(None);
        }
        if spec.tracks_probe() {
            self.taken_back = vec![false; self.batch.num_rows()];
            for row in &rest {
                self.taken_back[*row as usize] = true;
            }
        }
        let rest = UInt32Array::from(rest);
        Ok(Some(take_record_batch(&self.batch, &rest)?))
    }

    /// Looks up the next rows' first candidates.
    fn look_up_window(&mut self, spec: &JoinSpec, table: &Table) -> Result<()> {
        let end = self
            .batch
            .num_rows()
            .min(self.at.saturating_add(spec.batch_rows));
        let window = self.at..end;
        self.at = end;
        self.heads.clear();
        self.heads_at = 0;
        let numbers =
            |range: std::ops::Range<usize>| range.filter_map(|row| u32::try_from(row).ok());
        let rows: Vec<u32> = match &self.keys.valid {
            Some(valid) => numbers(window)
                .filter(|row| valid.is_valid(*row as usize))
                .collect(),
            None => numbers(window).collect(),
        };
        table.look_up(&self.keys, &rows, &mut self.heads)?;
        match table.has_pure_chains() {
            true => table.retain_equal(&self.keys, &mut self.heads),
            false => Ok(()),
        }
    }

    /// Drops rows whose first match has been visited: whoever did visits all rows of that key, so
    /// that a key that is often on both sides is walked once.
    fn skip_visited(&mut self, table: &Table) -> Result<()> {
        let mut found = Pairs {
            probe: self.heads.probe.clone(),
            build: self.heads.build.clone(),
        };
        if !table.has_pure_chains() {
            table.retain_equal(&self.keys, &mut found)?;
        }
        let mut visited = found.iter().filter(|(_, build)| {
            let (chunk, row) = locate(*build);
            table.is_visited(chunk, row)
        });
        let mut next = visited.next();
        // Both are in the order of probe rows.
        self.heads.retain(|probe, _| {
            let skip = next.is_some_and(|(row, _)| row == probe);
            if skip {
                next = visited.next();
            }
            !skip
        });
        Ok(())
    }

    /// Finds out which rows of the window have a match at all: one step along all chains at a
    /// time, until every row is settled.
    fn settle(&mut self, table: &Table) -> Result<()> {
        if table.has_pure_chains() {
            for row in &self.heads.probe {
                self.matched[*row as usize] = true;
            }
            self.heads.clear();
        }
        while !self.heads.is_empty() {
            let mut found = Pairs {
                probe: self.heads.probe.clone(),
                build: self.heads.build.clone(),
            };
            table.retain_equal(&self.keys, &mut found)?;
            for row in &found.probe {
                self.matched[*row as usize] = true;
            }
            for build in &mut self.heads.build {
                *build = table.next(*build);
            }
            let matched = &self.matched;
            self.heads
                .retain(|probe, build| build != END && !matched[probe as usize]);
        }
        Ok(())
    }

    /// The next piece of the rows that come out for having or lacking a match.
    fn tail(&mut self, spec: &JoinSpec, is_last_pass: bool) -> Result<Option<RecordBatch>> {
        if !spec.tracks_probe() {
            return Ok(None);
        }
        let rows = self.batch.num_rows();
        if self.tail.is_none() {
            let comes_out = |row: &u32| {
                let row = *row as usize;
                if self.taken_back.get(row).is_some_and(|taken| *taken) {
                    return false;
                }
                match spec.join_type {
                    JoinType::RightSemi => {
                        self.matched[row] && !self.before.as_ref().is_some_and(|b| b[row])
                    }
                    JoinType::RightMark => is_last_pass,
                    _ => is_last_pass && !self.matched[row],
                }
            };
            let numbers = (0..rows).filter_map(|row| u32::try_from(row).ok());
            self.tail = Some((numbers.filter(comes_out).collect(), 0));
        }
        let Some((tail, out)) = &mut self.tail else {
            return Ok(None);
        };
        let piece = &tail[*out..tail.len().min(*out + spec.batch_rows)];
        if piece.is_empty() {
            return Ok(None);
        }
        *out += piece.len();
        let mark = (spec.join_type == JoinType::RightMark).then(|| {
            let marks = piece.iter().map(|row| self.matched[*row as usize]);
            BooleanArray::from(marks.collect::<Vec<bool>>())
        });
        probe_batch(spec, &self.batch, piece, mark).map(Some)
    }
}

//! Values of single rows: of a frame's first, last or so-manieth, of one so many rows away.
//!
//! With IGNORE NULLS rows are counted that have a value: how many are before either end of a frame,
//! and before the one sought. All of these counts only ever go up, but where EXCLUDE cuts the frame.

use std::sync::Arc;

use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::physical_expr::PhysicalExpr;

use super::frame::{CurrentRow, Frame, Span};
use super::function::{ShiftBy, ValueOf, ValuePlace};
use super::reader::Reader;
use super::spool::Spool;

/// `first_value`, `last_value`, `nth_value`.
pub(super) struct FrameValue {
    frame: Frame,
    place: ValuePlace,
    pieces: Vec<Values>,
    /// Where the frame before begins, if rows of it may be looked at again.
    needed_from: u64,
    null: ScalarValue,
}

impl FrameValue {
    pub(super) fn new(
        of: ValueOf,
        args: &[Arc<dyn PhysicalExpr>],
        frame: Frame,
        null: ScalarValue,
    ) -> Self {
        let moves = |piece| piece > 0 || !frame.begins_with_partition();
        let pieces = (0..frame.piece_count()).map(|piece| match of.ignores_nulls {
            true => Values::NonNull(Box::new(NonNull::new(args, moves(piece)))),
            false => Values::All(Box::new(Reader::new(args.to_vec(), None))),
        });
        Self {
            place: of.place,
            pieces: pieces.collect(),
            needed_from: if frame.piece_count() > 1 { 0 } else { u64::MAX },
            frame,
            null,
        }
    }

    pub(super) async fn value(
        &mut self,
        current: &CurrentRow<'_>,
        spool: &Spool,
    ) -> Result<Option<ScalarValue>> {
        let Some(frame) = self.frame.of_row(current, spool).await? else {
            return Ok(None);
        };
        if self.needed_from < u64::MAX {
            self.needed_from = frame[0].start;
        }
        let mut counts = [Span::default(); 3];
        for ((values, piece), count) in self.pieces.iter_mut().zip(frame).zip(&mut counts) {
            *count = values.count(piece, spool).await?;
        }
        let found = match self.place {
            ValuePlace::FromStart(before) => from_start(&counts, before),
            ValuePlace::FromEnd(after) => from_end(&counts, after),
        };
        match found {
            Some((piece, number)) => {
                let values = &mut self.pieces[piece];
                let first = counts[piece].start;
                values
                    .value(number, first, frame[piece], spool)
                    .await
                    .map(Some)
            }
            None => Ok(Some(self.null.clone())),
        }
    }

    /// Rows before this one are not needed any more.
    pub(super) fn needed_from(&self) -> u64 {
        let readers = self.pieces.iter().map(Values::needed_from);
        let readers = readers.min().unwrap_or(u64::MAX);
        readers.min(self.needed_from).min(self.frame.needed_from())
    }
}

/// The piece and the number of the row that has `before` rows of `pieces` before it.
fn from_start(pieces: &[Span], mut before: u64) -> Option<(usize, u64)> {
    for (index, piece) in pieces.iter().enumerate() {
        if before < piece.len() {
            return Some((index, piece.start + before));
        }
        before -= piece.len();
    }
    None
}

/// The piece and the number of the row that is the last but so many, itself counted.
fn from_end(pieces: &[Span], mut after: u64) -> Option<(usize, u64)> {
    for (index, piece) in pieces.iter().enumerate().rev() {
        if after <= piece.len() {
            return Some((index, piece.end - after));
        }
        after -= piece.len();
    }
    None
}

/// The rows of a piece that count, and their numbers in the partition.
enum Values {
    All(Box<Reader>),
    NonNull(Box<NonNull>),
}

struct NonNull {
    /// None where the piece always begins with the partition.
    start: Option<Counter>,
    end: Counter,
    finder: Finder,
}

impl NonNull {
    fn new(args: &[Arc<dyn PhysicalExpr>], start_moves: bool) -> Self {
        let reader = || Reader::new(args.to_vec(), None);
        Self {
            start: start_moves.then(|| Counter::new(reader())),
            end: Counter::new(reader()),
            finder: Finder::new(reader()),
        }
    }
}

impl Values {
    /// The numbers of the rows in `piece`.
    async fn count(&mut self, piece: Span, spool: &Spool) -> Result<Span> {
        match self {
            Self::All(reader) => {
                reader.skip_to(piece.start);
                Ok(piece)
            }
            Self::NonNull(values) => {
                let start = match &mut values.start {
                    Some(counter) => counter.count_to(piece.start, spool).await?,
                    None => 0,
                };
                let end = values.end.count_to(piece.end, spool).await?;
                values.finder.pass_to(piece.start, start);
                if start == end {
                    values.finder.pass_nulls(piece.end, spool).await?;
                }
                Ok(Span { start, end })
            }
        }
    }

    /// The value of row `number` of `piece`, the first of which is number `first`.
    async fn value(
        &mut self,
        number: u64,
        first: u64,
        piece: Span,
        spool: &Spool,
    ) -> Result<ScalarValue> {
        let value = match self {
            Self::All(reader) => match reader.seek(spool, number).await? {
                Some(loaded) => Some(loaded.value(number)?),
                None => None,
            },
            Self::NonNull(values) => {
                let finder = &mut values.finder;
                if finder.has_passed(number) {
                    finder.return_to(piece.start, first);
                }
                finder.value(number, piece.end, spool).await?
            }
        };
        match value {
            Some(value) => Ok(value),
            None => internal_err!("a row of a frame is not there"),
        }
    }

    fn needed_from(&self) -> u64 {
        match self {
            Self::All(reader) => reader.needed_from(),
            Self::NonNull(values) => {
                let start = values.start.as_ref();
                let start = start.map_or(u64::MAX, |counter| counter.reader.needed_from());
                let end = values.end.reader.needed_from();
                start.min(end).min(values.finder.reader.needed_from())
            }
        }
    }
}

/// Counts the values before a row.
struct Counter {
    reader: Reader,
    row: u64,
    count: u64,
}

impl Counter {
    fn new(reader: Reader) -> Self {
        Self {
            reader,
            row: 0,
            count: 0,
        }
    }

    /// How many of the rows before `row` have a value.
    async fn count_to(&mut self, row: u64, spool: &Spool) -> Result<u64> {
        while self.row < row {
            let Some(loaded) = self.reader.at(spool, self.row).await? else {
                return internal_err!("rows of a frame are not there");
            };
            let until = loaded.end().min(row);
            self.count += loaded.valid_count(self.row, until);
            self.row = until;
        }
        Ok(self.count)
    }
}

/// Finds a value by how many are before it.
struct Finder {
    reader: Reader,
    /// Where it is.
    row: u64,
    /// How many values are before.
    count: u64,
    /// The value found last, and how many were before.
    found: Option<(u64, ScalarValue)>,
}

impl Finder {
    fn new(reader: Reader) -> Self {
        Self {
            reader,
            row: 0,
            count: 0,
            found: None,
        }
    }

    /// Passes the rows before `row`, before which there are `count` values.
    fn pass_to(&mut self, row: u64, count: u64) {
        if self.row < row {
            self.reader.skip_to(row);
            (self.row, self.count) = (row, count);
        }
    }

    fn has_passed(&self, number: u64) -> bool {
        let is_found = self
            .found
            .as_ref()
            .is_some_and(|(known, _)| *known == number);
        number < self.count && !is_found
    }

    /// Goes back to `row`, before which there are `count` values.
    fn return_to(&mut self, row: u64, count: u64) {
        self.reader.restart(row);
        (self.row, self.count) = (row, count);
    }

    /// The value with `number` others before it; `None` if it is not before row `end`.
    async fn value(&mut self, number: u64, end: u64, spool: &Spool) -> Result<Option<ScalarValue>> {
        if self
            .found
            .as_ref()
            .is_none_or(|(known, _)| *known != number)
        {
            if !self.go_to(number, end, spool).await? {
                return Ok(None);
            }
            let Some(loaded) = self.reader.at(spool, self.row).await? else {
                return internal_err!("a row of a frame is not there");
            };
            self.found = Some((number, loaded.value(self.row)?));
            self.row += 1;
            self.count += 1;
        }
        // What comes next is not needed before it has a value.
        self.pass_nulls(end, spool).await?;
        Ok(self.found.as_ref().map(|(_, value)| value.clone()))
    }

    /// Passes rows before `end` up to the next one that has a value.
    async fn pass_nulls(&mut self, end: u64, spool: &Spool) -> Result<()> {
        self.go_to(self.count, end, spool).await.map(|_| ())
    }

    /// Goes to the row that has the value with `number` others before it, at most to `end`.
    async fn go_to(&mut self, number: u64, end: u64, spool: &Spool) -> Result<bool> {
        while self.row < end {
            let Some(loaded) = self.reader.at(spool, self.row).await? else {
                return Ok(false);
            };
            let until = loaded.end().min(end);
            let count = loaded.valid_count(self.row, until);
            if self.count + count > number {
                self.row = loaded.valid_row(self.row, number - self.count);
                self.count = number;
                return Ok(true);
            }
            self.count += count;
            self.row = until;
        }
        Ok(false)
    }
}

/// `lag` and `lead`.
pub(super) struct Shift {
    by: ShiftBy,
    values: ShiftValues,
}

enum ShiftValues {
    All(Box<Reader>),
    NonNull(Box<(Counter, Finder)>),
}

impl Shift {
    pub(super) fn new(by: &ShiftBy, args: &[Arc<dyn PhysicalExpr>]) -> Self {
        let reader = || Reader::new(args.to_vec(), None);
        // Row 0 away is the row itself, whatever it has.
        let values = match by.ignores_nulls && by.back != 0 {
            true => {
                let (counter, finder) = (Counter::new(reader()), Finder::new(reader()));
                ShiftValues::NonNull(Box::new((counter, finder)))
            }
            false => ShiftValues::All(Box::new(reader())),
        };
        Self {
            by: by.clone(),
            values,
        }
    }

    pub(super) async fn value(
        &mut self,
        current: &CurrentRow<'_>,
        spool: &Spool,
    ) -> Result<Option<ScalarValue>> {
        let found = match &mut self.values {
            ShiftValues::All(reader) => {
                let row = i128::from(current.row) - i128::from(self.by.back);
                let row = u64::try_from(row).ok();
                if row.is_some_and(|row| row >= spool.row_count()) && !spool.is_complete() {
                    return Ok(None);
                }
                match row.filter(|row| *row < spool.row_count()) {
                    Some(row) => match reader.at(spool, row).await? {
                        Some(loaded) => Some(loaded.value(row)?),
                        None => return internal_err!("a row of a partition is not there"),
                    },
                    None => None,
                }
            }
            ShiftValues::NonNull(values) => {
                let (counter, finder) = values.as_mut();
                let distance = self.by.back.unsigned_abs();
                if self.by.back > 0 {
                    let before = counter.count_to(current.row, spool).await?;
                    match before.checked_sub(distance) {
                        Some(number) => finder.value(number, current.row, spool).await?,
                        None => {
                            finder.pass_nulls(current.row, spool).await?;
                            None
                        }
                    }
                } else {
                    let (next, end) = (current.row + 1, spool.row_count());
                    let before = counter.count_to(next, spool).await?;
                    finder.pass_to(next, before);
                    let number = before.saturating_add(distance - 1);
                    match finder.value(number, end, spool).await? {
                        None if !spool.is_complete() => return Ok(None),
                        found => found,
                    }
                }
            }
        };
        Ok(Some(found.unwrap_or_else(|| self.by.default.clone())))
    }

    /// Rows before this one are not needed any more.
    pub(super) fn needed_from(&self) -> u64 {
        match &self.values {
            ShiftValues::All(reader) => reader.needed_from(),
            ShiftValues::NonNull(values) => {
                let (counter, finder) = values.as_ref();
                counter
                    .reader
                    .needed_from()
                    .min(finder.reader.needed_from())
            }
        }
    }
}

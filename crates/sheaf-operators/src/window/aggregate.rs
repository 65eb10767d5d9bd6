//! Aggregates over the frames of one partition, row by row.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::Accumulator;
use datafusion::physical_expr::PhysicalExpr;
use sheaf_runtime::memory::Holding;

use super::extreme::{Extreme, better_of};
use super::frame::{CurrentRow, Frame, Pieces, Span};
use super::function::Aggregate;
use super::reader::Reader;
use super::spool::Spool;

/// Batches whose arguments are kept for the next frame, where each is computed anew.
const KEPT_BATCHES_MAX: usize = 16;

/// An aggregate on its way through a partition.
pub(super) struct FrameAggregate {
    aggregate: Aggregate,
    frame: Frame,
    state: State,
    /// The rows of the frame before, and its value.
    last: Option<(Pieces, ScalarValue)>,
    /// The value of no rows.
    default: ScalarValue,
}

/// How the value of a frame comes from the one before.
enum State {
    /// Rows come in, and, if frames do not all begin with the partition, go out.
    Moving(Moving),
    /// Of the rows that have come in only those are kept that can still be the extreme.
    Extremes(Vec<Extreme>, Ordering),
    /// Not at all, since the function cannot take rows back.
    Anew(Box<Anew>),
}

impl FrameAggregate {
    pub(super) fn new(
        aggregate: &Aggregate,
        args: &[Arc<dyn PhysicalExpr>],
        frame: Frame,
        holding: &Arc<Holding>,
    ) -> Result<Self> {
        let function = &aggregate.expr;
        let reader = || Reader::new(args.to_vec(), None);
        let state = if frame.begins_with_partition() && frame.piece_count() == 1 {
            let accumulator = function.create_accumulator()?;
            State::Moving(Moving::new(accumulator, &frame, reader))
        } else if let Some(better) = better_of(function) {
            let extreme = |grows| Extreme::new(better, reader(), grows, holding);
            let grows = |piece| piece == 0 && frame.begins_with_partition();
            let pieces = (0..frame.piece_count()).map(|piece| extreme(grows(piece)));
            State::Extremes(pieces.collect(), better)
        } else {
            match function.create_sliding_accumulator() {
                Ok(accumulator) => State::Moving(Moving::new(accumulator, &frame, reader)),
                Err(_) => State::Anew(Box::new(Anew::new(reader()))),
            }
        };
        Ok(Self {
            default: function.default_value(function.field().data_type())?,
            aggregate: aggregate.clone(),
            frame,
            state,
            last: None,
        })
    }

    pub(super) async fn value(
        &mut self,
        current: &CurrentRow<'_>,
        spool: &Spool,
    ) -> Result<Option<ScalarValue>> {
        let Some(pieces) = self.frame.of_row(current, spool).await? else {
            return Ok(None);
        };
        if let Some((known, value)) = &self.last
            && *known == pieces
        {
            return Ok(Some(value.clone()));
        }
        let aggregate = &self.aggregate;
        let value = match &mut self.state {
            State::Moving(moving) => moving.value(&pieces, aggregate, spool).await?,
            State::Anew(anew) => anew.value(&pieces, aggregate, spool).await?,
            State::Extremes(extremes, better) => {
                let mut best: Option<&ScalarValue> = None;
                for (extreme, piece) in extremes.iter_mut().zip(pieces) {
                    let value = extreme.value(piece, aggregate, spool).await?;
                    best = match (best, value) {
                        (Some(best), Some(value)) if value.partial_cmp(best) != Some(*better) => {
                            Some(best)
                        }
                        (best, value) => value.or(best),
                    };
                }
                best.cloned()
            }
        };
        let value = value.unwrap_or_else(|| self.default.clone());
        self.last = Some((pieces, value.clone()));
        Ok(Some(value))
    }

    /// Rows before this one are not needed any more.
    pub(super) fn needed_from(&self) -> u64 {
        let state = match &self.state {
            State::Moving(moving) => moving.needed_from(),
            State::Extremes(extremes, _) => {
                let needed = extremes.iter().map(Extreme::needed_from);
                needed.min().unwrap_or(u64::MAX)
            }
            State::Anew(anew) => anew.needed_from,
        };
        state.min(self.frame.needed_from())
    }

    /// Bytes that it holds and has not reserved itself.
    pub(super) fn bytes(&self) -> usize {
        match &self.state {
            State::Moving(moving) => moving.accumulator.size(),
            State::Extremes(..) | State::Anew(_) => 0,
        }
    }
}

/// One accumulator for the rows of all pieces.
struct Moving {
    accumulator: Box<dyn Accumulator>,
    pieces: Vec<MovingPiece>,
    /// Rows in the accumulator.
    row_count: usize,
}

struct MovingPiece {
    added: Reader,
    /// None where no row goes out.
    removed: Option<Reader>,
    /// The rows that have come in and not gone out.
    rows: Span,
}

impl Moving {
    fn new(accumulator: Box<dyn Accumulator>, frame: &Frame, reader: impl Fn() -> Reader) -> Self {
        let piece = |piece| MovingPiece {
            added: reader(),
            removed: (piece > 0 || !frame.begins_with_partition()).then(&reader),
            rows: Span::default(),
        };
        Self {
            accumulator,
            pieces: (0..frame.piece_count()).map(piece).collect(),
            row_count: 0,
        }
    }

    /// The value of the rows of `frame`; `None` if there are none.
    async fn value(
        &mut self,
        frame: &Pieces,
        aggregate: &Aggregate,
        spool: &Spool,
    ) -> Result<Option<ScalarValue>> {
        let all_go = |(piece, new): (&MovingPiece, &Span)| new.start >= piece.rows.end;
        if self.row_count > 0 && self.pieces.iter().zip(frame).all(all_go) {
            self.begin_anew(aggregate)?;
            for (piece, new) in self.pieces.iter_mut().zip(frame) {
                piece.rows.start = piece.rows.end;
                piece.skip_to(new.start);
            }
        }
        let piece_count = self.pieces.len();
        for (index, new) in frame.iter().enumerate().take(piece_count) {
            self.remove(index, new.start, aggregate, spool).await?;
        }
        for (index, new) in frame.iter().enumerate().take(piece_count) {
            self.add(index, new.end, aggregate, spool).await?;
        }
        match self.row_count {
            0 => Ok(None),
            _ => self.accumulator.evaluate().map(Some),
        }
    }

    /// An empty accumulator has no errors of rounding either.
    fn begin_anew(&mut self, aggregate: &Aggregate) -> Result<()> {
        let can_remove = self.pieces.iter().any(|piece| piece.removed.is_some());
        self.accumulator = match can_remove {
            true => aggregate.expr.create_sliding_accumulator()?,
            false => aggregate.expr.create_accumulator()?,
        };
        self.row_count = 0;
        Ok(())
    }

    /// Takes the rows of a piece before `start` out.
    async fn remove(
        &mut self,
        index: usize,
        start: u64,
        aggregate: &Aggregate,
        spool: &Spool,
    ) -> Result<()> {
        let piece = &mut self.pieces[index];
        let end = start.min(piece.rows.end);
        let had_rows = self.row_count > 0;
        while piece.rows.start < end {
            let Some(removed) = &mut piece.removed else {
                return internal_err!("the first row of a partition leaves a frame");
            };
            let Some(loaded) = removed.at(spool, piece.rows.start).await? else {
                return internal_err!("rows of a frame have gone");
            };
            let until = loaded.end().min(end);
            let values = loaded.slices(piece.rows.start, until);
            if let Some(args) = aggregate.counted(&values)? {
                self.accumulator.retract_batch(&args)?;
                self.row_count = self.row_count.saturating_sub(row_count(&args));
            }
            piece.rows.start = until;
        }
        piece.skip_to(start);
        match had_rows && self.row_count == 0 {
            true => self.begin_anew(aggregate),
            false => Ok(()),
        }
    }

    /// Takes the rows of a piece up to `end` in.
    async fn add(
        &mut self,
        index: usize,
        end: u64,
        aggregate: &Aggregate,
        spool: &Spool,
    ) -> Result<()> {
        let piece = &mut self.pieces[index];
        while piece.rows.end < end {
            let Some(loaded) = piece.added.at(spool, piece.rows.end).await? else {
                return internal_err!("rows of a frame are not there");
            };
            let until = loaded.end().min(end);
            let values = loaded.slices(piece.rows.end, until);
            if let Some(args) = aggregate.counted(&values)? {
                self.accumulator.update_batch(&args)?;
                self.row_count += row_count(&args);
            }
            piece.rows.end = until;
        }
        Ok(())
    }

    fn needed_from(&self) -> u64 {
        let readers = self.pieces.iter().flat_map(|piece| {
            let removed = piece.removed.as_ref();
            removed.into_iter().chain([&piece.added])
        });
        readers.map(Reader::needed_from).min().unwrap_or(u64::MAX)
    }
}

impl MovingPiece {
    /// Passes the rows before `start`, if none of the piece is left.
    fn skip_to(&mut self, start: u64) {
        if self.rows.is_empty() && self.rows.end <= start {
            self.rows = Span { start, end: start };
            self.added.skip_to(start);
            if let Some(removed) = &mut self.removed {
                removed.skip_to(start);
            }
        }
    }
}

fn row_count(args: &[ArrayRef]) -> usize {
    args.first().map_or(0, |array| array.len())
}

/// Each frame is read again.
struct Anew {
    reader: Reader,
    kept: VecDeque<Kept>,
    needed_from: u64,
}

/// The arguments of a batch.
struct Kept {
    begin: u64,
    values: Vec<ArrayRef>,
}

impl Kept {
    fn end(&self) -> u64 {
        self.begin + row_count(&self.values) as u64
    }
}

impl Anew {
    fn new(reader: Reader) -> Self {
        Self {
            reader,
            kept: VecDeque::new(),
            needed_from: 0,
        }
    }

    async fn value(
        &mut self,
        frame: &Pieces,
        aggregate: &Aggregate,
        spool: &Spool,
    ) -> Result<Option<ScalarValue>> {
        self.needed_from = frame[0].start;
        while self
            .kept
            .front()
            .is_some_and(|kept| kept.end() <= self.needed_from)
        {
            self.kept.pop_front();
        }
        let mut accumulator = aggregate.expr.create_accumulator()?;
        let mut has_rows = false;
        for piece in frame {
            let mut row = piece.start;
            while row < piece.end {
                let (values, until) = self.values(row, piece.end, spool).await?;
                if let Some(args) = aggregate.counted(&values)? {
                    accumulator.update_batch(&args)?;
                    has_rows = true;
                }
                row = until;
            }
        }
        match has_rows {
            true => accumulator.evaluate().map(Some),
            false => Ok(None),
        }
    }

    /// The arguments of some rows from `row` on, and the row after those, at most `end`.
    async fn values(&mut self, row: u64, end: u64, spool: &Spool) -> Result<(Vec<ArrayRef>, u64)> {
        let has_row = |kept: &&Kept| kept.begin <= row && row < kept.end();
        if let Some(kept) = self.kept.iter().find(has_row) {
            let until = kept.end().min(end);
            let (begin, count) = (offset(row - kept.begin), offset(until - row));
            let values = kept.values.iter().map(|array| array.slice(begin, count));
            return Ok((values.collect(), until));
        }
        let Some(loaded) = self.reader.seek(spool, row).await? else {
            return internal_err!("rows of a frame are not there");
        };
        let until = loaded.end().min(end);
        let values = loaded.slices(row, until);
        let is_next = self
            .kept
            .back()
            .is_none_or(|kept| kept.end() == loaded.begin);
        if is_next && self.kept.len() < KEPT_BATCHES_MAX {
            self.kept.push_back(Kept {
                begin: loaded.begin,
                values: loaded.values.clone(),
            });
        }
        Ok((values, until))
    }
}

fn offset(rows: u64) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX)
}

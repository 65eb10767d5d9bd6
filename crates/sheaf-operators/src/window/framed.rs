//! The values of window functions over the frames of one partition, row by row.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::Accumulator;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use super::frame::{Bound, CurrentRow, Frame};
use super::function::{Function, Need, Sorting, ValuePlace};
use super::numbering::{Number, bucket};
use super::reader::Reader;
use super::spool::Spool;

/// One function on its way through a partition.
pub(super) enum Framed {
    Aggregate(Box<FrameAggregate>),
    Value(Box<FrameValue>),
    Shift(Box<Shift>),
    Number(Box<Numbers>),
}

impl Framed {
    /// `function` at the beginning of a partition.
    pub(super) fn new(function: &Function, sorting: &Sorting) -> Result<Self> {
        let expr = function.expr.as_ref();
        let frame = || match Frame::of(expr, sorting) {
            Some(frame) => Ok(frame),
            None => internal_err!("{} has a frame of unknown bounds", expr.name()),
        };
        let reader = || Reader::new(expr.expressions(), None);
        Ok(match (&function.need, function.aggregate()) {
            (Need::Numbering(number), _) => Self::Number(Box::new(Numbers::new(*number, sorting))),
            (Need::Whole | Need::Frame, Some(aggregate)) => {
                let aggregate = FrameAggregate::new(aggregate, frame()?, reader)?;
                Self::Aggregate(Box::new(aggregate))
            }
            (Need::Value(place), _) => Self::Value(Box::new(FrameValue {
                frame: frame()?,
                place: *place,
                reader: reader(),
                null: ScalarValue::try_from(expr.field()?.data_type())?,
            })),
            (Need::Shift(shift), _) => Self::Shift(Box::new(Shift {
                back: shift.back,
                default: shift.default.clone(),
                reader: reader(),
            })),
            _ => return internal_err!("{} needs its whole partition", expr.name()),
        })
    }

    /// The value of the row after the last one asked for; `None` before enough rows have come.
    pub(super) async fn value(
        &mut self,
        current: &CurrentRow<'_>,
        spool: &Spool,
    ) -> Result<Option<ScalarValue>> {
        match self {
            Self::Aggregate(aggregate) => aggregate.value(current, spool).await,
            Self::Value(value) => value.value(current, spool).await,
            Self::Shift(shift) => shift.value(current, spool).await,
            Self::Number(numbers) => numbers.value(current, spool).await,
        }
    }

    /// Rows before this one are not needed any more.
    pub(super) fn needed_from(&self) -> u64 {
        match self {
            Self::Aggregate(aggregate) => aggregate.needed_from(),
            Self::Value(value) => value.frame.needed_from().min(value.reader.needed_from()),
            Self::Shift(shift) => shift.reader.needed_from(),
            Self::Number(numbers) => numbers.peers_end.needed_from(),
        }
    }

    /// Bytes that it holds besides the partition's rows.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Aggregate(aggregate) => aggregate.bytes(),
            _ => 0,
        }
    }
}

/// An aggregate over frames.
pub(super) struct FrameAggregate {
    aggregate: AggregateFunctionExpr,
    frame: Frame,
    state: State,
    added: Reader,
    removed: Reader,
    /// The rows in the state: the first, and the one after the last.
    within: (u64, u64),
    last: Option<ScalarValue>,
    /// The value of no rows.
    default: ScalarValue,
}

/// What is known of the rows of a frame.
enum State {
    /// Rows come in, and, if the function can take them back, go out.
    Moving(Box<dyn Accumulator>),
    /// The rows' arguments: each frame is computed anew, since the function cannot take rows back.
    Kept(VecDeque<(u64, Vec<ArrayRef>)>),
}

impl FrameAggregate {
    fn new(
        aggregate: &AggregateFunctionExpr,
        frame: Frame,
        reader: impl Fn() -> Reader,
    ) -> Result<Self> {
        let mut new = Self {
            aggregate: aggregate.clone(),
            default: aggregate.default_value(aggregate.field().data_type())?,
            frame,
            state: State::Kept(VecDeque::new()),
            added: reader(),
            removed: reader(),
            within: (0, 0),
            last: None,
        };
        new.state = new.begin()?;
        Ok(new)
    }

    fn begin(&self) -> Result<State> {
        if self.frame.begins_with_partition() {
            return Ok(State::Moving(self.aggregate.create_accumulator()?));
        }
        let sliding = self.aggregate.create_sliding_accumulator();
        Ok(sliding.map_or_else(|_| State::Kept(VecDeque::new()), State::Moving))
    }

    async fn value(
        &mut self,
        current: &CurrentRow<'_>,
        spool: &Spool,
    ) -> Result<Option<ScalarValue>> {
        let Some((start, end)) = self.frame.of_row(current, spool).await? else {
            return Ok(None);
        };
        if self.within == (start, end)
            && let Some(last) = &self.last
        {
            return Ok(Some(last.clone()));
        }
        if start >= self.within.1 {
            self.state = self.begin()?;
            self.within = (start, start);
            self.removed.skip_to(start);
            self.added.skip_to(start);
        } else {
            self.remove(start, spool).await?;
        }
        self.add(end, spool).await?;
        let value = match start == end {
            true => self.default.clone(),
            false => self.evaluate()?,
        };
        self.last = Some(value.clone());
        Ok(Some(value))
    }

    /// Takes rows before `start` out.
    async fn remove(&mut self, start: u64, spool: &Spool) -> Result<()> {
        let State::Moving(accumulator) = &mut self.state else {
            self.within.0 = start;
            return Ok(());
        };
        while self.within.0 < start {
            let Some(loaded) = self.removed.at(spool, self.within.0).await? else {
                return internal_err!("rows of a frame have gone");
            };
            let until = loaded.end().min(start);
            let (begin, end) = (loaded.index(self.within.0), loaded.index(until));
            accumulator.retract_batch(&slices(&loaded.values, begin, end))?;
            self.within.0 = until;
        }
        Ok(())
    }

    /// Takes rows up to `end` in.
    async fn add(&mut self, end: u64, spool: &Spool) -> Result<()> {
        while self.within.1 < end {
            let Some(loaded) = self.added.at(spool, self.within.1).await? else {
                return internal_err!("rows of a frame are not there");
            };
            let until = loaded.end().min(end);
            let rows = slices(
                &loaded.values,
                loaded.index(self.within.1),
                loaded.index(until),
            );
            match &mut self.state {
                State::Moving(accumulator) => accumulator.update_batch(&rows)?,
                State::Kept(kept) => kept.push_back((self.within.1, rows)),
            }
            self.within.1 = until;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let kept = match &mut self.state {
            State::Moving(accumulator) => return accumulator.evaluate(),
            State::Kept(kept) => kept,
        };
        let begin = self.within.0;
        let end_of = |(row, rows): &(u64, Vec<ArrayRef>)| row + length(rows);
        while kept.front().is_some_and(|rows| end_of(rows) <= begin) {
            kept.pop_front();
        }
        let mut accumulator = self.aggregate.create_accumulator()?;
        for (row, rows) in kept {
            let passed = usize::try_from(begin.saturating_sub(*row)).unwrap_or(0);
            let count = usize::try_from(length(rows)).unwrap_or(0);
            accumulator.update_batch(&slices(rows, passed, count))?;
        }
        accumulator.evaluate()
    }

    fn needed_from(&self) -> u64 {
        let mut from = self.frame.needed_from().min(self.added.needed_from());
        if !self.frame.begins_with_partition() && matches!(self.state, State::Moving(_)) {
            from = from.min(self.removed.needed_from());
        }
        from
    }

    fn bytes(&self) -> usize {
        match &self.state {
            State::Moving(accumulator) => accumulator.size(),
            State::Kept(kept) => {
                let arrays = kept.iter().flat_map(|(_, rows)| rows);
                let bytes = arrays.map(|a| a.to_data().get_slice_memory_size().unwrap_or(0));
                bytes.sum()
            }
        }
    }
}

fn slices(values: &[ArrayRef], begin: usize, end: usize) -> Vec<ArrayRef> {
    values
        .iter()
        .map(|array| array.slice(begin, end - begin))
        .collect()
}

fn length(rows: &[ArrayRef]) -> u64 {
    rows.first().map_or(0, |array| array.len() as u64)
}

/// `first_value`, `last_value`, `nth_value`.
pub(super) struct FrameValue {
    frame: Frame,
    place: ValuePlace,
    reader: Reader,
    null: ScalarValue,
}

impl FrameValue {
    async fn value(
        &mut self,
        current: &CurrentRow<'_>,
        spool: &Spool,
    ) -> Result<Option<ScalarValue>> {
        let Some((start, end)) = self.frame.of_row(current, spool).await? else {
            return Ok(None);
        };
        let row = match self.place {
            ValuePlace::FromStart(before) => start.checked_add(before),
            ValuePlace::FromEnd(after) => end.checked_sub(after),
        };
        match row.filter(|row| (start..end).contains(row)) {
            Some(row) => value_at(&mut self.reader, spool, row).await,
            None => Ok(Some(self.null.clone())),
        }
    }
}

/// `lag` and `lead`.
pub(super) struct Shift {
    back: i64,
    default: ScalarValue,
    reader: Reader,
}

impl Shift {
    async fn value(
        &mut self,
        current: &CurrentRow<'_>,
        spool: &Spool,
    ) -> Result<Option<ScalarValue>> {
        let row = i128::from(current.row) - i128::from(self.back);
        match u64::try_from(row) {
            Ok(row) if row < spool.row_count() => value_at(&mut self.reader, spool, row).await,
            Ok(_) if !spool.is_complete() => Ok(None),
            _ => Ok(Some(self.default.clone())),
        }
    }
}

async fn value_at(reader: &mut Reader, spool: &Spool, row: u64) -> Result<Option<ScalarValue>> {
    // A row that is being written is there, but not yet to be read.
    let Some(loaded) = reader.at(spool, row).await? else {
        return Ok(None);
    };
    match loaded.values.first() {
        Some(values) => ScalarValue::try_from_array(values, loaded.index(row)).map(Some),
        None => internal_err!("a window function has no argument"),
    }
}

/// Functions that number rows.
pub(super) struct Numbers {
    number: Number,
    group: u64,
    peers_begin: u64,
    peers_end: Bound,
}

impl Numbers {
    fn new(number: Number, sorting: &Sorting) -> Self {
        Self {
            number,
            group: 0,
            peers_begin: 0,
            peers_end: match number {
                Number::CumeDist => Bound::peers_end(sorting),
                _ => Bound::First,
            },
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "row counts stay far below 2^53")]
    async fn value(
        &mut self,
        current: &CurrentRow<'_>,
        spool: &Spool,
    ) -> Result<Option<ScalarValue>> {
        if self.group != current.group {
            self.group = current.group;
            self.peers_begin = current.row;
        }
        let count = spool.row_count();
        let is_complete = spool.is_complete();
        Ok(match self.number {
            Number::Row => Some(ScalarValue::from(current.row + 1)),
            Number::Rank => Some(ScalarValue::from(self.peers_begin + 1)),
            Number::DenseRank => Some(ScalarValue::from(current.group + 1)),
            Number::Ntile(buckets) => {
                is_complete.then(|| ScalarValue::from(bucket(current.row, count, buckets)))
            }
            Number::PercentRank => is_complete.then(|| {
                ScalarValue::from(self.peers_begin as f64 / (count as f64 - 1.0).max(1.0))
            }),
            Number::CumeDist if is_complete => {
                let end = self.peers_end.position(current, spool, true).await?;
                end.map(|end| ScalarValue::from(end as f64 / count as f64))
            }
            Number::CumeDist => None,
        })
    }
}

/// What functions of a node need peers for.
pub(super) fn numbers_peers(function: &Function) -> bool {
    match &function.need {
        Need::Numbering(number) => number.needs_peers(),
        Need::Shift(_) => false,
        _ => true,
    }
}

/// Values as a column of the type that `function` has.
pub(super) fn column(function: &Function, values: Vec<ScalarValue>) -> Result<ArrayRef> {
    let field = function.expr.field()?;
    if values.is_empty() {
        return Ok(arrow::array::new_empty_array(field.data_type()));
    }
    let array = ScalarValue::iter_to_array(values)?;
    Ok(match array.data_type() == field.data_type() {
        true => array,
        false => arrow::compute::cast(&array, field.data_type())?,
    })
}

/// The bytes of all functions' states.
pub(super) fn state_bytes(functions: &[Framed]) -> usize {
    functions.iter().map(Framed::bytes).sum()
}

/// The functions of a node at the beginning of a partition.
pub(super) fn begin(functions: &Arc<[Function]>, sorting: &Sorting) -> Result<Vec<Framed>> {
    functions
        .iter()
        .map(|function| Framed::new(function, sorting))
        .collect()
}

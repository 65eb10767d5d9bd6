//! The values of window functions over the frames of one partition, row by row.

use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion::common::{Result, ScalarValue, internal_err};
use sheaf_runtime::memory::Holding;

use super::aggregate::FrameAggregate;
use super::frame::{Bound, CurrentRow};
use super::function::{Function, Need, Sorting};
use super::numbering::{Number, bucket};
use super::spool::Spool;
use super::value::{FrameValue, Shift};

/// One function on its way through a partition.
pub(super) enum Framed {
    Aggregate(Box<FrameAggregate>),
    Value(Box<FrameValue>),
    Shift(Box<Shift>),
    Number(Box<Numbers>),
}

impl Framed {
    /// `function` at the beginning of a partition.
    fn new(function: &Function, sorting: &Sorting, holding: &Arc<Holding>) -> Result<Self> {
        let expr = function.expr.as_ref();
        let args = expr.expressions();
        let frame = || match function.frame(sorting) {
            Some(frame) => Ok(frame),
            None => internal_err!("{} has a frame of unknown bounds", expr.name()),
        };
        Ok(match &function.need {
            Need::Numbering(number) => Self::Number(Box::new(Numbers::new(*number, sorting))),
            Need::Whole(aggregate) | Need::Frame(aggregate) => {
                let aggregate = FrameAggregate::new(aggregate, &args, frame()?, holding)?;
                Self::Aggregate(Box::new(aggregate))
            }
            Need::Value(of) => {
                let null = ScalarValue::try_from(expr.field()?.data_type())?;
                Self::Value(Box::new(FrameValue::new(*of, &args, frame()?, null)))
            }
            Need::Shift(by) => Self::Shift(Box::new(Shift::new(by, &args))),
            Need::Partition => return internal_err!("{} needs its whole partition", expr.name()),
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
            Self::Value(value) => value.needed_from(),
            Self::Shift(shift) => shift.needed_from(),
            Self::Number(numbers) => numbers.peers_end.needed_from(),
        }
    }

    /// Bytes that it holds besides the partition's rows, and has not reserved itself.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Aggregate(aggregate) => aggregate.bytes(),
            _ => 0,
        }
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
pub(super) fn begin(
    functions: &Arc<[Function]>,
    sorting: &Sorting,
    holding: &Arc<Holding>,
) -> Result<Vec<Framed>> {
    functions
        .iter()
        .map(|function| Framed::new(function, sorting, holding))
        .collect()
}

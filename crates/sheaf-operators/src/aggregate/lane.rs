//! The values of one aggregate of a group that is larger than memory: written one after another,
//! sorted by a sort that spills, and walked along.
//!
//! Memory: a batch while writing; what the sort reserves; a batch of sorted values, and
//! the state of an aggregate that takes them, reserved as it grows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{concat, partition, take, take_record_batch};
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Accumulator;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_plan::EmptyRecordBatchStream;
use datafusion::physical_plan::metrics::{Gauge, Time};
use futures::StreamExt;
use sheaf_runtime::memory::Holding;
use tokio::task::coop::consume_budget;

use super::growing::{Finish, Growing, ModeWalk, Shares};
use super::parts::{PartStore, append_pieces};
use super::sink::reserve;
use crate::sort::{SortMeans, sorted};
use crate::spill::{SpillWriter, SpilledRows};

/// A state is reserved this many times over, since the result is made while it is there.
const RESULT_COPIES: usize = 2;

/// A lane being written.
pub(super) struct Lane {
    growing: Arc<Growing>,
    writer: SpillWriter,
}

impl Lane {
    pub(super) fn create(growing: &Arc<Growing>, store: &PartStore) -> Result<Self> {
        let spill = &store.spill;
        let schema = &growing.schema;
        Ok(Self {
            growing: Arc::clone(growing),
            writer: SpillWriter::create(&spill.env, &spill.metrics, schema, "the aggregate")?,
        })
    }

    /// Adds the values of states, given their columns.
    pub(super) fn take_in(&mut self, states: &[ArrayRef]) -> Result<()> {
        let row_count = states.first().map_or(0, |state| state.len());
        for row in 0..row_count {
            if let Some(items) = self.growing.items(states, row)? {
                append_pieces(&mut self.writer, &items)?;
            }
        }
        Ok(())
    }

    /// After the last value.
    pub(super) fn finish(self) -> Result<FullLane> {
        Ok(FullLane {
            growing: self.growing,
            rows: self.writer.finish()?,
        })
    }
}

/// A lane that has all values.
pub(super) struct FullLane {
    growing: Arc<Growing>,
    rows: SpilledRows,
}

/// Who computes, and with what.
pub(super) struct Means<'a> {
    pub(super) context: &'a Arc<TaskContext>,
    pub(super) holding: &'a Holding,
    pub(super) store: &'a PartStore,
}

impl FullLane {
    /// The result of `aggregate` for these values.
    ///
    /// # Errors
    /// `ResourcesExhausted` if the result is larger than memory.
    pub(super) async fn result(
        self,
        aggregate: &AggregateFunctionExpr,
        means: &Means<'_>,
    ) -> Result<ScalarValue> {
        match &self.growing.finish {
            Finish::Feed(plain) => self.feed(plain, means).await,
            Finish::Pick(shares) => self.pick(aggregate, shares, means).await,
            Finish::Mode => {
                let mut walk = ModeWalk::default();
                let mut sorted = self.sorted(means)?;
                while let Some(rows) = next(&mut sorted).await? {
                    walk.take(&rows, self.growing.is_distinct)?;
                }
                match walk.end() {
                    Some(value) => value.cast_to(aggregate.field().data_type()),
                    None => ScalarValue::try_from(aggregate.field().data_type()),
                }
            }
        }
    }

    /// Gives all values, in order, to an aggregate that needs no more of them.
    async fn feed(&self, plain: &AggregateFunctionExpr, means: &Means<'_>) -> Result<ScalarValue> {
        let mut accumulator = plain.create_accumulator()?;
        let mut state = StateBytes::new(means);
        let mut values = self.values(means)?;
        while let Some(batch) = values.next().await? {
            accumulator.update_batch(&self.growing.arguments(&batch)?)?;
            state.reserve(accumulator.as_ref(), plain.name()).await?;
        }
        accumulator.evaluate()
    }

    async fn pick(
        &self,
        aggregate: &AggregateFunctionExpr,
        shares: &Shares,
        means: &Means<'_>,
    ) -> Result<ScalarValue> {
        let count = self.value_count(means).await?;
        let result = aggregate.field();
        let result_type = result.data_type();
        if count == 0 {
            return ScalarValue::try_from(result_type);
        }
        let places: Vec<_> = shares
            .shares
            .iter()
            .map(|share| share.places(count))
            .collect();
        let picked = self.at_places(&places, means).await?;
        let value = |place: &usize| match picked.get(place) {
            Some(value) => Ok(value.as_ref()),
            None => internal_err!("a value is not where it was counted"),
        };
        let mut results = Vec::with_capacity(places.len());
        for (low, high, fraction) in &places {
            let between = self.growing.between(aggregate, *fraction)?;
            let mut accumulator = between.create_accumulator()?;
            let mut values = vec![value(low)?];
            if low != high {
                values.push(value(high)?);
            }
            let mut arguments = self.growing.arguments(&concat(&values)?)?;
            arguments.truncate(between.expressions().len());
            accumulator.update_batch(&arguments)?;
            results.push(accumulator.evaluate()?);
        }
        match (result_type, results.pop()) {
            (DataType::List(item), last) if shares.is_list => {
                results.extend(last);
                let list = ScalarValue::new_list(&results, item.data_type(), true);
                Ok(ScalarValue::List(list))
            }
            (_, Some(result)) => Ok(result),
            _ => internal_err!("a quantile has a share"),
        }
    }

    /// The values at the places of a quantile, from one walk along all of them.
    async fn at_places(
        &self,
        places: &[(usize, usize, f64)],
        means: &Means<'_>,
    ) -> Result<BTreeMap<usize, ArrayRef>> {
        let wanted: BTreeSet<usize> = places.iter().flat_map(|(l, h, _)| [*l, *h]).collect();
        let mut picked = BTreeMap::new();
        let Some(last) = wanted.last() else {
            return Ok(picked);
        };
        let mut begin = 0;
        let mut values = self.values(means)?;
        while let Some(batch) = values.next().await? {
            let end = begin + batch.len();
            for place in wanted.range(begin..end) {
                let place_here = UInt32Array::from(vec![u32::try_from(place - begin).ok()]);
                picked.insert(*place, take(&batch, &place_here, None)?);
            }
            begin = end;
            if begin > *last {
                break;
            }
        }
        Ok(picked)
    }

    /// How many values there are, or how many different ones if those are asked for.
    async fn value_count(&self, means: &Means<'_>) -> Result<usize> {
        if !self.growing.is_distinct {
            return Ok(self.rows.row_count());
        }
        let mut count = 0;
        let mut values = self.values(means)?;
        while let Some(batch) = values.next().await? {
            count += batch.len();
        }
        Ok(count)
    }

    /// The values in order; equal ones once, if those are asked for.
    fn values(&self, means: &Means<'_>) -> Result<Values> {
        Ok(Values {
            sorted: self.sorted(means)?,
            distinct: self.growing.is_distinct.then_some(Distinct { last: None }),
        })
    }

    fn sorted(&self, means: &Means<'_>) -> Result<SendableRecordBatchStream> {
        if self.rows.row_count() == 0 {
            let schema = Arc::clone(&self.growing.schema);
            return Ok(Box::pin(EmptyRecordBatchStream::new(schema)));
        }
        let rows = self.rows.read()?;
        let Some(ordering) = &self.growing.ordering else {
            return Ok(rows);
        };
        let sort = SortMeans {
            context: Arc::clone(means.context),
            partition: 0,
            spill_metrics: means.store.spill.metrics.clone(),
            // The aggregate's own time is what counts.
            elapsed: Time::new(),
            peak: Gauge::new(),
        };
        sorted(rows, ordering, None, sort)
    }
}

async fn next(rows: &mut SendableRecordBatchStream) -> Result<Option<RecordBatch>> {
    consume_budget().await;
    rows.next().await.transpose()
}

/// The values of sorted rows.
struct Values {
    sorted: SendableRecordBatchStream,
    distinct: Option<Distinct>,
}

impl Values {
    async fn next(&mut self) -> Result<Option<ArrayRef>> {
        let Some(mut rows) = next(&mut self.sorted).await? else {
            return Ok(None);
        };
        if let Some(distinct) = &mut self.distinct {
            rows = distinct.of(&rows)?;
        }
        Ok(Some(Arc::clone(rows.column(0))))
    }
}

/// Leaves the first of equal values, which are one after another.
struct Distinct {
    last: Option<ScalarValue>,
}

impl Distinct {
    fn of(&mut self, rows: &RecordBatch) -> Result<RecordBatch> {
        let values = rows.column(0);
        if values.is_empty() {
            return Ok(rows.clone());
        }
        let ranges = partition(std::slice::from_ref(values))?.ranges();
        let goes_on = self.last == Some(ScalarValue::try_from_array(values, 0)?);
        self.last = Some(ScalarValue::try_from_array(values, values.len() - 1)?);
        let starts = ranges.iter().skip(usize::from(goes_on));
        let starts: UInt32Array = starts.map(|run| u32::try_from(run.start).ok()).collect();
        Ok(take_record_batch(rows, &starts)?)
    }
}

/// What is reserved for a state that grows.
struct StateBytes<'a> {
    means: &'a Means<'a>,
    bytes: usize,
}

impl<'a> StateBytes<'a> {
    fn new(means: &'a Means<'a>) -> Self {
        Self { means, bytes: 0 }
    }

    async fn reserve(&mut self, state: &dyn Accumulator, name: &str) -> Result<()> {
        let more = (state.size() * RESULT_COPIES).saturating_sub(self.bytes);
        let means = self.means;
        if !reserve(means.holding, means.store, more).await? {
            // Asked once more, for the refusal that names who holds what.
            let refused = means.holding.reservation().try_grow(more);
            refused.map_err(|error| too_large(name, &error))?;
        }
        self.bytes += more;
        Ok(())
    }
}

impl Drop for StateBytes<'_> {
    fn drop(&mut self) {
        self.means.holding.shrink(self.bytes);
    }
}

fn too_large(name: &str, error: &DataFusionError) -> DataFusionError {
    let why = match error {
        DataFusionError::ResourcesExhausted(why) => why.clone(),
        error => error.to_string(),
    };
    DataFusionError::ResourcesExhausted(format!(
        "one result of {name} is larger than the memory there is: {why}"
    ))
}

//! One conjunct: how it is tested, and what that has cost so far.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;

use super::pattern::PatternTest;
use super::range::RangeTest;
use super::selection::Selection;

/// How much a new measurement counts beside all earlier ones.
const NEWEST_SHARE: f64 = 0.125;

/// What it costs to list a row, and to look at a value by its row, until that is measured.
const LISTED_ROW_NS: f64 = 1.5;

/// What it costs to gather a value of a column, until that is measured.
const GATHERED_VALUE_NS: f64 = 4.0;

/// Costs that nothing has been measured of.
const RANGE_NS: f64 = 0.7;
const PATTERN_NS: f64 = 25.0;
const OTHER_NS: f64 = 6.0;

/// A conjunct keeps no more rows than this share for the sake of its rank.
const KEPT_SHARE_MAX: f64 = 0.999;

/// A conjunct of a conjunction.
#[derive(Debug)]
pub(super) struct Conjunct {
    test: Test,
    /// Nanoseconds a row of the batch, computing over all rows.
    dense_ns: f64,
    /// Nanoseconds a row that is left, computing over those alone.
    sparse_ns: f64,
    /// Of the rows that came to it.
    kept_share: f64,
}

#[derive(Debug)]
enum Test {
    Range(RangeTest),
    Pattern(PatternTest),
    Other(Evaluation),
}

impl Conjunct {
    pub(super) fn new(expr: &Arc<dyn PhysicalExpr>, schema: &SchemaRef) -> Result<Self> {
        let column_type = collect_columns(expr)
            .iter()
            .next()
            .map(|column| schema.field(column.index()).data_type().clone());
        let tests = column_type.and_then(|column_type| {
            let range = RangeTest::of(expr.as_ref(), &column_type).map(Test::Range);
            let pattern = || PatternTest::of(expr.as_ref(), &column_type).map(Test::Pattern);
            range.or_else(pattern)
        });
        let test = match tests {
            Some(test) => test,
            None => Test::Other(Evaluation::new(expr, schema)?),
        };
        let (dense_ns, sparse_ns) = match &test {
            Test::Range(_) => (RANGE_NS, RANGE_NS + LISTED_ROW_NS),
            Test::Pattern(_) => (PATTERN_NS, PATTERN_NS),
            Test::Other(evaluation) => {
                #[expect(clippy::cast_precision_loss, reason = "a few columns")]
                let width = evaluation.columns.len() as f64;
                let gather = LISTED_ROW_NS + width * GATHERED_VALUE_NS;
                (OTHER_NS, OTHER_NS + gather)
            }
        };
        Ok(Self {
            test,
            dense_ns,
            sparse_ns,
            kept_share: 0.5,
        })
    }

    /// Takes `other` in, so that the two are one test; false if they cannot be.
    pub(super) fn join(&mut self, other: &Self) -> bool {
        match (&mut self.test, &other.test) {
            (Test::Range(range), Test::Range(other)) => range.narrow(other),
            _ => false,
        }
    }

    /// Cost for each row that is dropped: conjuncts with less go first.
    pub(super) fn rank(&self) -> f64 {
        self.dense_ns / (1.0 - self.kept_share.min(KEPT_SHARE_MAX))
    }

    /// Keeps those of the rows that are left of which it is true, and measures that. `is_guarded`
    /// says that it must not be evaluated for any others.
    pub(super) fn narrow(
        &mut self,
        batch: &RecordBatch,
        selection: Selection,
        is_guarded: bool,
    ) -> Result<Selection> {
        let row_count = batch.num_rows();
        let before = selection.count();
        if before == 0 {
            return Ok(selection);
        }
        let begin = Instant::now();
        let is_sparse =
            (is_guarded && before < row_count) || self.is_sparse(&selection, before, row_count);
        let selection = self.test.narrow(
            batch,
            match is_sparse {
                true => selection.into_rows(),
                false => selection,
            },
        )?;
        #[expect(clippy::cast_precision_loss, reason = "rows of a batch")]
        let (elapsed_ns, all, before, after) = (
            begin.elapsed().as_nanos() as f64,
            row_count as f64,
            before as f64,
            selection.count() as f64,
        );
        match is_sparse {
            true => blend(&mut self.sparse_ns, elapsed_ns / before),
            false => blend(
                &mut self.dense_ns,
                elapsed_ns / self.test.dense_rows(all, before),
            ),
        }
        blend(&mut self.kept_share, after / before);
        Ok(selection)
    }

    /// Whether it pays to compute over the rows that are left alone.
    fn is_sparse(&self, selection: &Selection, left: usize, row_count: usize) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "rows of a batch")]
        let (left, all) = (left as f64, row_count as f64);
        match (&self.test, selection) {
            // Looks at the rows of a mask alone.
            (Test::Pattern(_), _) => false,
            (_, Selection::Rows { .. }) => true,
            _ => self.sparse_ns * left < self.dense_ns * all,
        }
    }
}

fn blend(average: &mut f64, measured: f64) {
    *average += (measured - *average) * NEWEST_SHARE;
}

impl Test {
    fn narrow(&self, batch: &RecordBatch, selection: Selection) -> Result<Selection> {
        Ok(match (self, selection) {
            (Self::Range(range), Selection::Mask(mut mask)) => {
                range.and_into(batch.column(range.column), &mut mask)?;
                Selection::Mask(mask)
            }
            (
                Self::Range(range),
                Selection::Rows {
                    mut rows,
                    row_count,
                },
            ) => {
                range.retain(batch.column(range.column), &mut rows)?;
                Selection::Rows { rows, row_count }
            }
            (Self::Pattern(pattern), selection) => {
                let mut mask = selection.into_mask();
                pattern.and_into(batch.column(pattern.column), &mut mask)?;
                Selection::Mask(mask)
            }
            (Self::Other(evaluation), Selection::Mask(mut mask)) => {
                mask.and(&evaluation.of_all(batch)?);
                Selection::Mask(mask)
            }
            (Self::Other(evaluation), Selection::Rows { rows, row_count }) => {
                let bits = evaluation.of_rows(batch, &rows)?;
                let rows = bits.set_indices().map(|index| rows[index]).collect();
                Selection::Rows { rows, row_count }
            }
        })
    }

    /// The rows that a mask makes it compute over.
    fn dense_rows(&self, all: f64, left: f64) -> f64 {
        match self {
            Self::Pattern(_) => left,
            _ => all,
        }
    }
}

/// What the engine evaluates, over the columns that it needs alone.
#[derive(Debug)]
struct Evaluation {
    expr: Arc<dyn PhysicalExpr>,
    /// The columns of the input that `expr` refers to, by their places here.
    columns: Vec<usize>,
    schema: SchemaRef,
}

impl Evaluation {
    fn new(expr: &Arc<dyn PhysicalExpr>, schema: &SchemaRef) -> Result<Self> {
        let mut columns: Vec<usize> = collect_columns(expr).iter().map(Column::index).collect();
        columns.sort_unstable();
        columns.dedup();
        let expr = Arc::clone(expr).transform_up(|expr| {
            let Some(column) = expr.downcast_ref::<Column>() else {
                return Ok(Transformed::no(expr));
            };
            let place = columns.partition_point(|index| *index < column.index());
            let moved = Column::new(column.name(), place);
            Ok(Transformed::yes(Arc::new(moved) as Arc<dyn PhysicalExpr>))
        });
        Ok(Self {
            expr: expr.data()?,
            schema: Arc::new(schema.project(&columns)?),
            columns,
        })
    }

    /// Whether it is true of each row.
    fn of_all(&self, batch: &RecordBatch) -> Result<BooleanBuffer> {
        let columns = self.columns.iter();
        let columns = columns.map(|column| Arc::clone(batch.column(*column)));
        self.evaluate(columns.collect(), batch.num_rows())
    }

    /// Whether it is true of each of `rows`.
    fn of_rows(&self, batch: &RecordBatch, rows: &[u32]) -> Result<BooleanBuffer> {
        let rows = UInt32Array::from(rows.to_vec());
        let columns = self.columns.iter();
        let columns = columns
            .map(|column| take(batch.column(*column), &rows, None))
            .collect::<Result<Vec<ArrayRef>, _>>()?;
        self.evaluate(columns, rows.len())
    }

    fn evaluate(&self, columns: Vec<ArrayRef>, row_count: usize) -> Result<BooleanBuffer> {
        let schema = Arc::clone(&self.schema);
        let options = RecordBatchOptions::new().with_row_count(Some(row_count));
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        match self.expr.evaluate(&batch)? {
            ColumnarValue::Scalar(ScalarValue::Boolean(value)) => Ok(match value {
                Some(true) => BooleanBuffer::new_set(row_count),
                _ => BooleanBuffer::new_unset(row_count),
            }),
            value => {
                let array = value.into_array(row_count)?;
                let bits = as_boolean_array(&array)?;
                Ok(match bits.nulls() {
                    Some(nulls) => bits.values() & nulls.inner(),
                    None => bits.values().clone(),
                })
            }
        }
    }
}

//! Functions that number rows: by place, by rank among peers, by share of the partition.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, UInt64Array};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_plan::windows::WindowUDFExpr;

/// Which number a row gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Row,
    Rank,
    DenseRank,
    PercentRank,
    CumeDist,
    /// Into so many buckets, more than none.
    Ntile(u64),
}

/// Whether a window function of this name numbers rows.
pub(super) fn is_numbering(name: &str) -> bool {
    matches!(
        name,
        "row_number" | "rank" | "dense_rank" | "percent_rank" | "cume_dist" | "ntile"
    )
}

/// The number that `function` gives, if it numbers rows.
pub(super) fn number(function: &WindowUDFExpr) -> Option<Number> {
    Some(match function.fun().name() {
        "row_number" => Number::Row,
        "rank" => Number::Rank,
        "dense_rank" => Number::DenseRank,
        "percent_rank" => Number::PercentRank,
        "cume_dist" => Number::CumeDist,
        "ntile" => Number::Ntile(bucket_count(function.args())?),
        _ => return None,
    })
}

/// The argument of `ntile`; `None` where the engine would complain, which is then left to it.
fn bucket_count(args: &[Arc<dyn PhysicalExpr>]) -> Option<u64> {
    let literal = args.first()?.downcast_ref::<Literal>()?;
    match literal.value().cast_to(&DataType::UInt64) {
        Ok(ScalarValue::UInt64(Some(count))) if count > 0 => Some(count),
        _ => None,
    }
}

impl Number {
    /// Whether it depends on rows before and the row itself only.
    pub(super) fn looks_back(self) -> bool {
        matches!(self, Self::Row | Self::Rank | Self::DenseRank)
    }

    /// Whether it depends on which rows are peers.
    pub(super) fn needs_peers(self) -> bool {
        !matches!(self, Self::Row | Self::Ntile(_))
    }
}

/// Some rows of a partition that are one after another: peers, if peers matter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) row_count: u64,
    pub(super) begins_partition: bool,
    pub(super) begins_peers: bool,
    /// Rows of its partition, if a function needs to know.
    pub(super) partition_rows: u64,
    /// Rows of its partition up to its last peer, if a function needs to know.
    pub(super) peers_end: u64,
}

/// The place reached in a partition.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// Rows before the next one.
    row: u64,
    /// Rows before the peers of the next one.
    peers_begin: u64,
    /// Runs of peers so far.
    peer_runs: u64,
}

impl Place {
    fn enter(&mut self, stretch: &Stretch) {
        if stretch.begins_partition {
            *self = Self::default();
        }
        if stretch.begins_peers {
            self.peers_begin = self.row;
            self.peer_runs += 1;
        }
    }

    /// The numbers of the rows of `stretches`, which begin at this place.
    pub(super) fn numbers(mut self, number: Number, stretches: &[Stretch]) -> ArrayRef {
        let row_count = stretches.iter().map(|stretch| stretch.row_count).sum();
        match number {
            Number::PercentRank | Number::CumeDist => {
                let mut shares = Vec::with_capacity(capacity(row_count));
                for stretch in stretches {
                    self.enter(stretch);
                    let share = self.share(number, stretch);
                    shares.extend((0..stretch.row_count).map(|_| share));
                    self.row += stretch.row_count;
                }
                Arc::new(Float64Array::from(shares))
            }
            _ => {
                let mut numbers = Vec::with_capacity(capacity(row_count));
                for stretch in stretches {
                    self.enter(stretch);
                    let rows = self.row..self.row + stretch.row_count;
                    match number {
                        Number::Rank => numbers.extend(rows.map(|_| self.peers_begin + 1)),
                        Number::DenseRank => numbers.extend(rows.map(|_| self.peer_runs)),
                        Number::Ntile(count) => {
                            numbers
                                .extend(rows.map(|row| bucket(row, stretch.partition_rows, count)));
                        }
                        _ => numbers.extend(rows.map(|row| row + 1)),
                    }
                    self.row += stretch.row_count;
                }
                Arc::new(UInt64Array::from(numbers))
            }
        }
    }

    /// The place after `stretches`.
    pub(super) fn after(mut self, stretches: &[Stretch]) -> Self {
        for stretch in stretches {
            self.enter(stretch);
            self.row += stretch.row_count;
        }
        self
    }

    #[expect(clippy::cast_precision_loss, reason = "row counts stay far below 2^53")]
    fn share(&self, number: Number, stretch: &Stretch) -> f64 {
        let row_count = stretch.partition_rows as f64;
        match number {
            Number::CumeDist => stretch.peers_end as f64 / row_count,
            // The rank, from 0 to 1; a row alone is first.
            _ => self.peers_begin as f64 / (row_count - 1.0).max(1.0),
        }
    }
}

/// The bucket of a row (from 0) of `row_count`: as equal as can be, larger ones first.
pub(super) fn bucket(row: u64, row_count: u64, count: u64) -> u64 {
    let size = row_count / count;
    let larger = row_count % count;
    let in_larger = larger * (size + 1);
    if row < in_larger {
        row / (size + 1) + 1
    } else {
        // There is such a row only where buckets have a size.
        larger + (row - in_larger) / size.max(1) + 1
    }
}

fn capacity(row_count: u64) -> usize {
    usize::try_from(row_count).unwrap_or(0)
}

//! The conjuncts of a predicate, and in which order they are evaluated.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};

use super::conjunct::Conjunct;
use super::fallible::{Risk, risk};
use super::selection::Selection;

/// Batches after which the order is looked at again.
const ORDER_BATCHES: usize = 8;

/// All conjuncts of a predicate, with what one stream has measured of them.
#[derive(Debug)]
pub(super) struct Conjunction {
    /// Those that cannot fail, in the order in which they are evaluated now.
    free: Vec<Conjunct>,
    /// Those that may, the riskiest last, else in the order written: each sees the rows that all
    /// before it keep.
    guarded: Vec<Conjunct>,
    batches: usize,
}

impl Conjunction {
    pub(super) fn new(predicate: &Arc<dyn PhysicalExpr>, schema: &SchemaRef) -> Result<Self> {
        let (mut free, mut guarded) = (Vec::<Conjunct>::new(), Vec::new());
        for expr in split_conjunction(predicate) {
            let conjunct = Conjunct::new(expr, schema)?;
            let risk = risk(expr, schema)?;
            if risk > Risk::Never {
                guarded.push((risk, conjunct));
            } else if !free.iter_mut().any(|earlier| earlier.join(&conjunct)) {
                free.push(conjunct);
            }
        }
        guarded.sort_by_key(|(risk, _)| *risk);
        Ok(Self {
            free,
            guarded: guarded.into_iter().map(|(_, conjunct)| conjunct).collect(),
            batches: 0,
        })
    }

    /// The rows of `batch` of which every conjunct is true.
    pub(super) fn select(&mut self, batch: &RecordBatch) -> Result<Selection> {
        if self.batches.is_multiple_of(ORDER_BATCHES) {
            self.free.sort_by(|a, b| a.rank().total_cmp(&b.rank()));
        }
        self.batches += 1;
        let mut selection = Selection::all(batch.num_rows());
        for conjunct in &mut self.free {
            selection = conjunct.narrow(batch, selection, false)?;
        }
        for conjunct in &mut self.guarded {
            selection = conjunct.narrow(batch, selection, true)?;
        }
        Ok(selection)
    }
}

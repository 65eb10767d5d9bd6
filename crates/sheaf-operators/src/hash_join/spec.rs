//! What a join is: its type, keys, filter and output columns. Knows nothing of how it runs.

use arrow::datatypes::SchemaRef;
use datafusion::common::{JoinType, NullEquality};
use datafusion::physical_expr::PhysicalExprRef;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};

/// A join as its phases need to know it. "Build" is the left side, "probe" the right one.
#[derive(Debug)]
pub(super) struct JoinSpec {
    pub(super) join_type: JoinType,
    pub(super) null_equality: NullEquality,
    /// `NOT IN`: a left anti join in which NULLs are unknown values.
    pub(super) null_aware: bool,
    pub(super) build_keys: Vec<PhysicalExprRef>,
    pub(super) probe_keys: Vec<PhysicalExprRef>,
    pub(super) filter: Option<JoinFilter>,
    /// Where each output column comes from; of no side: the mark.
    pub(super) columns: Vec<ColumnIndex>,
    pub(super) schema: SchemaRef,
    pub(super) build_schema: SchemaRef,
    pub(super) probe_schema: SchemaRef,
    /// Rows of an output batch, at most.
    pub(super) batch_rows: usize,
}

impl JoinSpec {
    /// Whether output rows are pairs of a build row and a probe row.
    pub(super) fn emits_pairs(&self) -> bool {
        matches!(
            self.join_type,
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full
        )
    }

    /// Whether it must be known in the end which build rows found a match.
    pub(super) fn tracks_build(&self) -> bool {
        matches!(
            self.join_type,
            JoinType::Left
                | JoinType::Full
                | JoinType::LeftSemi
                | JoinType::LeftAnti
                | JoinType::LeftMark
        )
    }

    /// Whether build rows without a match come out.
    pub(super) fn keeps_unmatched_build(&self) -> bool {
        self.tracks_build() && self.join_type != JoinType::LeftSemi
    }

    /// Whether it must be known which probe rows found a match.
    pub(super) fn tracks_probe(&self) -> bool {
        matches!(
            self.join_type,
            JoinType::Right
                | JoinType::Full
                | JoinType::RightSemi
                | JoinType::RightAnti
                | JoinType::RightMark
        )
    }

    /// Whether probe rows without a match come out.
    pub(super) fn keeps_unmatched_probe(&self) -> bool {
        self.tracks_probe() && self.join_type != JoinType::RightSemi
    }

    /// Whether all that counts is which build rows have a match.
    pub(super) fn wants_visits(&self) -> bool {
        self.filter.is_none() && self.tracks_build() && !self.emits_pairs()
    }

    /// Whether one match settles a probe row.
    pub(super) fn wants_existence(&self) -> bool {
        self.filter.is_none()
            && matches!(
                self.join_type,
                JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark
            )
    }
}

//! What a join is: its type, keys, filter and output columns. Knows nothing of how it runs.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{JoinType, NullEquality, Result};
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
    /// Build rows as they are in files: beside them whether they have found a match, if that
    /// counts.
    pub(super) stored_schema: SchemaRef,
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
        tracks_build(self.join_type)
    }

    /// The schema of build rows in files.
    pub(super) fn stored_schema(join_type: JoinType, build_schema: &SchemaRef) -> SchemaRef {
        if !tracks_build(join_type) {
            return Arc::clone(build_schema);
        }
        let fields = build_schema.fields().iter().map(Arc::clone);
        let visited = Field::new("visited", DataType::Boolean, false);
        Arc::new(Schema::new(
            fields.chain([Arc::new(visited)]).collect::<Vec<_>>(),
        ))
    }

    /// Build rows as they are stored, if they are not so yet: with what is known of their matches,
    /// or else without any.
    pub(super) fn stored(
        &self,
        batch: RecordBatch,
        visited: Option<BooleanArray>,
    ) -> Result<RecordBatch> {
        let width = self.stored_schema.fields().len();
        if batch.num_columns() == width {
            return Ok(batch);
        }
        let rows = batch.num_rows();
        let visited =
            visited.unwrap_or_else(|| BooleanArray::new(BooleanBuffer::new_unset(rows), None));
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(visited) as ArrayRef);
        with_columns(&self.stored_schema, columns, rows)
    }

    /// Stored build rows as they are joined, and what is known of their matches.
    pub(super) fn unstored(
        &self,
        batch: RecordBatch,
    ) -> Result<(RecordBatch, Option<BooleanArray>)> {
        let width = self.build_schema.fields().len();
        if batch.num_columns() == width {
            return Ok((batch, None));
        }
        let visited = batch.column(width).as_boolean().clone();
        let columns = batch.columns()[..width].to_vec();
        let rows = with_columns(&self.build_schema, columns, batch.num_rows())?;
        Ok((rows, Some(visited)))
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

fn tracks_build(join_type: JoinType) -> bool {
    matches!(
        join_type,
        JoinType::Left
            | JoinType::Full
            | JoinType::LeftSemi
            | JoinType::LeftAnti
            | JoinType::LeftMark
    )
}

fn with_columns(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let schema = Arc::clone(schema);
    Ok(RecordBatch::try_new_with_options(
        schema, columns, &options,
    )?)
}

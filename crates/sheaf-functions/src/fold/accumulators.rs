//! Folding as the engine asks for it: by groups, and over one group.
//!
//! What goes between the phases of an aggregate is whether a state has seen a row, then its columns.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::Fold;
use super::lanes::{Grouped, LANE_ROWS, Layers, Place, Step, merge, run};
use super::states::{START, States};

/// Folds of many groups.
#[derive(Debug)]
pub(super) struct FoldGroups {
    fold: Arc<Fold>,
    states: States,
    /// How long a lane may be: without end where states cannot be merged.
    lane_rows: usize,
    /// For each group, while a batch is taken in: its last lane.
    open: Vec<OpenLane>,
}

/// A lane that may go on; one without rows is none.
#[derive(Debug, Clone, Copy, Default)]
struct OpenLane {
    lane: usize,
    row_count: usize,
}

/// The lanes of one batch.
#[derive(Default)]
struct Cut {
    steps: Vec<Step>,
    /// The group of each lane, and where the lane starts.
    groups: Vec<usize>,
    starts: Vec<Place>,
}

impl FoldGroups {
    pub(super) fn new(fold: &Arc<Fold>) -> Self {
        let (start, lane_rows) = match &fold.parts.merge {
            Some(merge) => (&merge.neutral, LANE_ROWS),
            None => (&fold.parts.init, usize::MAX),
        };
        Self {
            states: States::new(start.clone()),
            lane_rows,
            fold: Arc::clone(fold),
            open: Vec::new(),
        }
    }

    fn resize(&mut self, group_count: usize) {
        self.states.resize(group_count);
        self.open.resize(group_count, OpenLane::default());
    }

    /// The rows of a batch in lanes, without those that `filter` leaves out.
    fn cut(&mut self, groups: &[usize], filter: Option<&BooleanArray>) -> Cut {
        let mut cut = Cut::default();
        for (row, group) in (0_u32..).zip(groups) {
            if filter.is_some_and(|filter| !is_true(filter, row as usize)) {
                continue;
            }
            let open = &mut self.open[*group];
            if open.row_count == 0 || open.row_count == self.lane_rows {
                let is_first = open.row_count == 0;
                *open = OpenLane {
                    lane: cut.groups.len(),
                    row_count: 0,
                };
                cut.groups.push(*group);
                cut.starts.push(match is_first {
                    true => self.states.place(*group),
                    false => START,
                });
            }
            if cut.steps.len() == open.row_count {
                cut.steps.push(Step::default());
            }
            cut.steps[open.row_count].push(open.lane, row);
            open.row_count += 1;
        }
        for group in &cut.groups {
            self.open[*group] = OpenLane::default();
        }
        cut
    }

    /// Merges states, those of a group in their order, and keeps what they become.
    fn keep(&mut self, mut states: Grouped, mut layers: Layers) -> Result<()> {
        states.sort_by_key(|(group, _)| *group);
        let merged = merge(&self.fold, states, &mut layers)?;
        if merged.is_empty() {
            return Ok(());
        }
        let places: Vec<Place> = merged.iter().map(|(_, place)| *place).collect();
        let columns = layers.at(&places)?;
        self.states
            .put(merged.iter().map(|(group, _)| *group), columns)
    }

    fn take(&mut self, emit_to: EmitTo) -> Result<(BooleanArray, Vec<ArrayRef>)> {
        let taken = self.states.take(emit_to)?;
        self.open = Vec::new();
        self.open.resize(self.states.len(), OpenLane::default());
        Ok(taken)
    }

    fn update(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        let cut = self.cut(groups, filter);
        let mut layers = self.states.layers();
        let places = run(
            cut.steps.into_iter(),
            cut.starts,
            &mut layers,
            |step, states| self.fold.accumulate(&step.rows_of(values)?, states),
        )?;
        self.keep(cut.groups.into_iter().zip(places).collect(), layers)
    }
}

fn is_true(filter: &BooleanArray, row: usize) -> bool {
    filter.is_valid(row) && filter.value(row)
}

impl GroupsAccumulator for FoldGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        group_count: usize,
    ) -> Result<()> {
        self.resize(group_count);
        self.update(values, groups, filter)
    }

    fn merge_batch(
        &mut self,
        states: &[ArrayRef],
        groups: &[usize],
        group_count: usize,
    ) -> Result<()> {
        self.resize(group_count);
        let [seen, columns @ ..] = states else {
            return internal_err!("a state says whether it has seen a row");
        };
        let seen = seen.as_boolean();
        let mut layers = self.states.layers();
        let layer = layers.push(columns.to_vec());
        let mut together = Grouped::with_capacity(groups.len());
        let rows = groups.iter().enumerate();
        for (row, group) in rows.filter(|(row, _)| is_true(seen, *row)) {
            let own = self.states.place(*group);
            if own != START && self.open[*group].row_count == 0 {
                together.push((*group, own));
            }
            self.open[*group].row_count = 1;
            together.push((*group, (layer, row)));
        }
        for (group, _) in &together {
            self.open[*group] = OpenLane::default();
        }
        self.keep(together, layers)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (_, states) = self.take(emit_to)?;
        self.fold.finish(states)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (seen, states) = self.take(emit_to)?;
        Ok(with_seen(seen, states))
    }

    /// Each row is a group of its own.
    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let row_count = values.first().map_or(0, |column| column.len());
        let mut each = Self::new(&self.fold);
        let groups: Vec<usize> = (0..row_count).collect();
        each.update_batch(values, &groups, filter, row_count)?;
        each.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.states.bytes() + self.open.capacity() * size_of::<OpenLane>()
    }
}

fn with_seen(seen: BooleanArray, states: Vec<ArrayRef>) -> Vec<ArrayRef> {
    let seen: ArrayRef = Arc::new(seen);
    std::iter::once(seen).chain(states).collect()
}

/// The fold of one group.
#[derive(Debug)]
pub(super) struct FoldOne(FoldGroups);

impl FoldOne {
    pub(super) fn new(fold: &Arc<Fold>) -> Self {
        let mut groups = FoldGroups::new(fold);
        groups.resize(1);
        Self(groups)
    }
}

impl Accumulator for FoldOne {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let row_count = values.first().map_or(0, |column| column.len());
        self.0.update(values, &vec![0; row_count], None)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let row_count = states.first().map_or(0, |column| column.len());
        self.0.merge_batch(states, &vec![0; row_count], 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let result = self.0.fold.finish(self.0.states.all()?)?;
        ScalarValue::try_from_array(&result, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let has_seen = self.0.states.place(0) != START;
        let seen = BooleanArray::from(vec![has_seen]);
        let states = with_seen(seen, self.0.states.all()?);
        let values = states
            .iter()
            .map(|column| ScalarValue::try_from_array(column, 0));
        values.collect()
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

//! Lanes: rows that follow one another, folded a step at a time, all lanes together.
//!
//! Memory: the states of a step, and those of the lanes that have ended.

use arrow::array::{Array, ArrayRef, ListArray, UInt32Array};
use arrow::compute::{interleave, take_arrays};
use datafusion::common::{Result, internal_err};

use super::Fold;

/// Rows of a lane where states can be merged. Of one group, a batch of 8,192 rows makes 1,024 lanes:
/// eight steps and ten rounds of merging, where longer lanes mean more steps over fewer lanes.
pub(super) const LANE_ROWS: usize = 8;

/// Where a state stands: its layer, and the row in it.
pub(crate) type Place = (usize, usize);

/// States in layers: arrays of equal length, one a column of the state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layers(Vec<Vec<ArrayRef>>);

impl Layers {
    /// Adds a layer and gives its number.
    pub(crate) fn push(&mut self, states: Vec<ArrayRef>) -> usize {
        self.0.push(states);
        self.0.len() - 1
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Vec<ArrayRef>> {
        self.0.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The states at `places`.
    pub(crate) fn at(&self, places: &[Place]) -> Result<Vec<ArrayRef>> {
        let Some(first) = self.0.first() else {
            return internal_err!("there are no states");
        };
        if let Some(layer) = self.whole_layer(places) {
            return Ok(layer.clone());
        }
        let columns = (0..first.len()).map(|column| {
            let layers = self.0.iter().map(|layer| layer[column].as_ref());
            Ok(interleave(&layers.collect::<Vec<_>>(), places)?)
        });
        columns.collect()
    }

    /// The layer whose states `places` are, all of them in their order.
    fn whole_layer(&self, places: &[Place]) -> Option<&Vec<ArrayRef>> {
        let number = places.first()?.0;
        let layer = self.0.get(number)?;
        let mut places = places.iter().enumerate();
        let is_whole = layer.first()?.len() == places.len()
            && places.all(|(index, place)| *place == (number, index));
        is_whole.then_some(layer)
    }
}

/// One step of all lanes that have a row left.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// Which lanes; they are among those of the step before.
    pub(crate) lanes: Vec<usize>,
    /// The row of each.
    pub(crate) rows: Vec<u32>,
}

impl Step {
    /// Adds a lane with its row.
    pub(crate) fn push(&mut self, lane: usize, row: u32) {
        self.lanes.push(lane);
        self.rows.push(row);
    }

    /// The rows of `columns` that this step takes.
    pub(crate) fn rows_of(&self, columns: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        let rows = UInt32Array::from_iter_values(self.rows.iter().copied());
        Ok(take_arrays(columns, &rows, None)?)
    }
}

/// The steps along lists, each of which is a lane: step `k` takes the k-th items of those that have
/// one, beginning with `first`. NULLs have no items.
pub(crate) fn steps_along(lists: &ListArray, first: i32) -> impl Iterator<Item = Step> + use<'_> {
    let mut running: Vec<usize> = (0..lists.len())
        .filter(|list| lists.is_valid(*list))
        .collect();
    (first..).map_while(move |number| {
        running.retain(|list| lists.value_length(*list) > number);
        let mut step = Step::default();
        for list in &running {
            let row = lists.value_offsets()[*list] + number;
            step.push(*list, row.unsigned_abs());
        }
        (!running.is_empty()).then_some(step)
    })
}

/// Takes lanes through their steps, each from the state at its place in `starts`. `advance` gives the
/// states after the rows of a step, from those before. The result are the places of the states after
/// each lane's last row.
pub(crate) fn run(
    steps: impl Iterator<Item = Step>,
    starts: Vec<Place>,
    layers: &mut Layers,
    mut advance: impl FnMut(&Step, Vec<ArrayRef>) -> Result<Vec<ArrayRef>>,
) -> Result<Vec<Place>> {
    let mut places = starts;
    // Where the state of each lane stands among those of the last step.
    let mut positions: Vec<u32> = vec![0; places.len()];
    let mut is_on = vec![false; places.len()];
    let mut last: Vec<ArrayRef> = Vec::new();
    let mut before: Option<Step> = None;
    let mut steps = steps.peekable();
    while let Some(step) = steps.next() {
        let states = match before {
            None => {
                let starts = step.lanes.iter().map(|lane| places[*lane]);
                layers.at(&starts.collect::<Vec<_>>())?
            }
            Some(before) if before.lanes == step.lanes => last,
            Some(_) => {
                let so_far = step.lanes.iter().map(|lane| positions[*lane]);
                take_arrays(&last, &UInt32Array::from_iter_values(so_far), None)?
            }
        };
        last = advance(&step, states)?;
        for (position, lane) in (0..).zip(&step.lanes) {
            positions[*lane] = position;
        }
        let goes_on = steps.peek().map_or(&[][..], |next| &next.lanes);
        if goes_on.len() < step.lanes.len() {
            let ended = ended(&step.lanes, goes_on, &mut is_on);
            let rows = UInt32Array::from_iter_values(ended.iter().map(|lane| positions[*lane]));
            let layer = layers.push(take_arrays(&last, &rows, None)?);
            for (row, lane) in ended.into_iter().enumerate() {
                places[lane] = (layer, row);
            }
        }
        before = Some(step);
    }
    Ok(places)
}

/// Those of `lanes` that are not among the ones that go on; `is_on` is all false, before and after.
fn ended(lanes: &[usize], goes_on: &[usize], is_on: &mut [bool]) -> Vec<usize> {
    for lane in goes_on {
        is_on[*lane] = true;
    }
    let ended = lanes.iter().copied().filter(|lane| !is_on[*lane]).collect();
    for lane in goes_on {
        is_on[*lane] = false;
    }
    ended
}

/// States, each with the group it is of; those of a group stand together, in their order.
pub(super) type Grouped = Vec<(usize, Place)>;

/// Merges the states of each group, neighbour with neighbour, until there is one.
pub(super) fn merge(fold: &Fold, mut states: Grouped, layers: &mut Layers) -> Result<Grouped> {
    loop {
        let mut merged = Grouped::with_capacity(states.len() / 2 + 1);
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let mut rest = states.iter().peekable();
        let layer = layers.len();
        while let Some((group, place)) = rest.next() {
            match rest.next_if(|(next, _)| next == group) {
                Some((_, other)) => {
                    merged.push((*group, (layer, left.len())));
                    left.push(*place);
                    right.push(*other);
                }
                None => merged.push((*group, *place)),
            }
        }
        if left.is_empty() {
            return Ok(states);
        }
        layers.push(fold.merge(layers.at(&left)?, layers.at(&right)?)?);
        states = merged;
    }
}

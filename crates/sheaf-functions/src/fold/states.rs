//! The states of many groups.
//!
//! Arrays do not change, so new states of some groups are a new *layer*, and each group knows where
//! its state stands. When most of what the layers hold is dead, or there are many, they are put
//! together into one. So a batch costs what its own groups do, however many others there are.

use arrow::array::{ArrayRef, BooleanArray};
use datafusion::common::Result;
use datafusion::logical_expr::EmitTo;

use super::lanes::{Layers, Place};

/// Layers at which they are put together.
const LAYERS_MAX: usize = 32;

/// The place of the state of no rows.
pub(super) const START: Place = (0, 0);

/// The states of many groups.
#[derive(Debug)]
pub(super) struct States {
    /// Layer 0 is the state of no rows, one row.
    layers: Layers,
    /// The place of each group's state.
    places: Vec<Place>,
    /// States in layers but 0, dead ones too.
    layered_rows: usize,
}

impl States {
    /// No groups yet; `start` is the state of no rows.
    pub(super) fn new(start: Vec<ArrayRef>) -> Self {
        let mut layers = Layers::default();
        layers.push(start);
        Self {
            layers,
            places: Vec::new(),
            layered_rows: 0,
        }
    }

    /// From now on there are `count` groups, new ones without rows.
    pub(super) fn resize(&mut self, count: usize) {
        self.places.resize(count, START);
    }

    /// How many groups there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The layers, for new ones to be put on top while a batch is folded.
    pub(super) fn layers(&self) -> Layers {
        self.layers.clone()
    }

    /// Where the state of `group` stands.
    pub(super) fn place(&self, group: usize) -> Place {
        self.places[group]
    }

    /// Gives `groups` new states.
    pub(super) fn put(
        &mut self,
        groups: impl Iterator<Item = usize>,
        states: Vec<ArrayRef>,
    ) -> Result<()> {
        let layer = self.layers.push(states);
        for (row, group) in groups.enumerate() {
            self.places[group] = (layer, row);
            self.layered_rows += 1;
        }
        let is_dead = self.layered_rows > 2 * self.places.len();
        match is_dead || self.layers.len() > LAYERS_MAX {
            true => self.compact(),
            false => Ok(()),
        }
    }

    fn compact(&mut self) -> Result<()> {
        let seen: Vec<usize> = (0..self.places.len())
            .filter(|group| self.places[*group] != START)
            .collect();
        let live: Vec<Place> = seen.iter().map(|group| self.places[*group]).collect();
        let states = self.layers.at(&live)?;
        let mut layers = Layers::default();
        layers.push(self.start());
        let layer = layers.push(states);
        for (row, group) in seen.iter().enumerate() {
            self.places[*group] = (layer, row);
        }
        self.layers = layers;
        self.layered_rows = seen.len();
        Ok(())
    }

    fn start(&self) -> Vec<ArrayRef> {
        self.layers.iter().next().cloned().unwrap_or_default()
    }

    /// The states of all groups; they stay.
    pub(super) fn all(&self) -> Result<Vec<ArrayRef>> {
        self.layers.at(&self.places)
    }

    /// Takes the first groups out: which have seen a row, and their states.
    pub(super) fn take(&mut self, emit_to: EmitTo) -> Result<(BooleanArray, Vec<ArrayRef>)> {
        let places = emit_to.take_needed(&mut self.places);
        let seen = places.iter().map(|place| Some(*place != START)).collect();
        let states = self.layers.at(&places)?;
        match self.places.is_empty() {
            true => *self = Self::new(self.start()),
            false => self.compact()?,
        }
        Ok((seen, states))
    }

    /// Bytes that the states take.
    pub(super) fn bytes(&self) -> usize {
        let arrays = self.layers.iter().flatten();
        let arrays: usize = arrays.map(|array| array.get_array_memory_size()).sum();
        arrays + self.places.capacity() * size_of::<Place>()
    }
}

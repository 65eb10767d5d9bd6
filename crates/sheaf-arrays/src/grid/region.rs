//! Boxes of elements.

use super::to_usize;

/// A box of elements: where it begins and how far it goes, per axis.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Region {
    /// The first element.
    pub start: Vec<u64>,
    /// Elements along each axis.
    pub shape: Vec<usize>,
}

impl Region {
    /// A box of no axes: the one element of an array of no axes.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            start: Vec::new(),
            shape: Vec::new(),
        }
    }

    /// Adds an axis.
    pub fn push(&mut self, start: u64, length: usize) {
        self.start.push(start);
        self.shape.push(length);
    }

    /// Elements in the box.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// First element and the one behind the last, per axis.
    pub fn ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        self.start
            .iter()
            .zip(&self.shape)
            .map(|(&start, &length)| (start, start + length as u64))
    }

    /// What both have in common, if anything.
    #[must_use]
    pub fn intersect(&self, other: &Region) -> Option<Region> {
        let mut common = Region::empty();
        for (own, others) in self.ranges().zip(other.ranges()) {
            let (start, end) = (own.0.max(others.0), own.1.min(others.1));
            if start >= end {
                return None;
            }
            common.push(start, to_usize(end - start));
        }
        Some(common)
    }

    /// Where this box begins, counted from the beginning of `outer`, which it lies in.
    #[must_use]
    pub fn offset_in(&self, outer: &Region) -> Vec<usize> {
        self.start
            .iter()
            .zip(&outer.start)
            .map(|(&own, &outer)| to_usize(own - outer))
            .collect()
    }

    /// The box in two halves across its longest axis, or `None` if it is a single element.
    #[must_use]
    pub fn halves(&self) -> Option<(Region, Region)> {
        let (axis, &length) = self
            .shape
            .iter()
            .enumerate()
            .max_by_key(|(_, length)| **length)?;
        if length < 2 {
            return None;
        }
        let (mut first, mut second) = (self.clone(), self.clone());
        first.shape[axis] = length / 2;
        second.shape[axis] = length - length / 2;
        second.start[axis] += (length / 2) as u64;
        Some((first, second))
    }

    /// The box cut into such as have at most `elements_max` elements each (one at least), in order of
    /// their first axis wherever that suffices.
    #[must_use]
    pub fn blocks(&self, elements_max: usize) -> Vec<Region> {
        let mut blocks = vec![self.clone()];
        for axis in 0..self.shape.len() {
            let rest: usize = self.shape[axis + 1..].iter().product();
            let step = (elements_max / rest.max(1)).clamp(1, self.shape[axis].max(1));
            blocks = blocks
                .iter()
                .flat_map(|block| block.split(axis, step))
                .collect();
            if step > 1 || rest <= elements_max {
                break;
            }
        }
        blocks
    }

    /// The box in slabs of at most `step` along `axis`.
    pub(crate) fn split(&self, axis: usize, step: usize) -> Vec<Region> {
        let length = self.shape[axis];
        (0..length)
            .step_by(step.max(1))
            .map(|start| {
                let mut slab = self.clone();
                slab.start[axis] += start as u64;
                slab.shape[axis] = step.min(length - start);
                slab
            })
            .collect()
    }
}

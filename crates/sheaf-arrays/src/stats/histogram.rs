//! How many elements lie between limits.

use sheaf_base::{Result, SheafError};

use super::bins::edge_index;
use super::counts::{Counter, blocks_of, counts};
use crate::context::Context;
use crate::dtype::{Class, DType};
use crate::grid::{Grid, Region, to_u64, to_usize};
use crate::reduce::{ReduceOptions, Reduction, reduce};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::{PIECE, Tensor};

/// Limits between which elements are counted.
#[derive(Debug, Clone, PartialEq)]
pub enum Bins {
    /// Limits in rising order.
    Edges(Vec<f64>),
    /// As many bins of the same width from the first number to the second, or, of none, from the least
    /// element to the largest.
    Even(u64, Option<(f64, f64)>),
}

/// What a histogram is made of.
#[derive(Debug, Clone)]
pub struct Histogram {
    /// How many elements are in each bin, or their density.
    pub counts: Array,
    /// The limits: one more than bins.
    pub edges: Array,
}

#[derive(Debug)]
struct Values {
    edges: Array,
    source: Array,
    is_density: bool,
}

#[derive(Debug)]
struct Edges {
    grid: Grid,
    bins: Bins,
    /// The least and the largest element.
    extremes: Option<(Array, Array)>,
}

/// How many elements lie from each limit on and below the next; the last limit belongs to the last bin,
/// and what lies outside all is not counted. With `is_density`, the numbers are such that the area is 1.
///
/// # Errors
/// `UserInput` for limits that do not rise and for no bins; `Unsupported` for complex numbers.
pub fn histogram(source: &Array, bins: &Bins, is_density: bool) -> Result<Histogram> {
    if source.dtype().class() == Class::Complex {
        return Err(SheafError::unsupported(
            "array_histogram: complex numbers have no order",
        ));
    }
    let (count, extremes) = match bins {
        Bins::Edges(edges)
            if edges.len() > 1 && edges.windows(2).all(|pair| pair[0] <= pair[1]) =>
        {
            (edges.len() as u64 - 1, None)
        }
        Bins::Even(count, Some((low, high)))
            if *count > 0 && low <= high && (high - low).is_finite() =>
        {
            (*count, None)
        }
        Bins::Even(count, None) if *count > 0 => {
            let all = ReduceOptions::default();
            let (least, most) = match source.grid().elements() {
                0 => (None, None),
                _ => (
                    Some(reduce(source, Reduction::Min, &all)?),
                    Some(reduce(source, Reduction::Max, &all)?),
                ),
            };
            (*count, least.zip(most))
        }
        Bins::Even(0, _) => {
            return Err(
                SheafError::user("array_histogram: there are no counts in 0 bins")
                    .with_hint("give at least one"),
            );
        }
        _ => {
            return Err(
                SheafError::user("array_histogram: the limits are not in rising order")
                    .with_hint("give at least two limits, or a number of bins and a range"),
            );
        }
    };
    let limits = count.saturating_add(1);
    let edges = Array::new(Edges {
        grid: Grid::regular(&[limits], &[limits], DType::Float64)?,
        bins: bins.clone(),
        extremes,
    });
    let dtype = if is_density {
        DType::Float64
    } else {
        DType::Int64
    };
    let values = Values {
        edges: edges.clone(),
        source: source.clone(),
        is_density,
    };
    let counts = counts(Grid::regular(&[count], &[count], dtype)?, values);
    Ok(Histogram { counts, edges })
}

impl ChunkStore for Edges {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let (first, length) = (to_usize(region.start[0]), region.shape[0]);
        let hold = context.hold(length.saturating_mul(8), "the limits of a histogram")?;
        let edges: Vec<f64> = match &self.bins {
            Bins::Edges(edges) => edges[first..first + length].to_vec(),
            Bins::Even(count, range) => {
                let extreme = |array: &Array| {
                    let block = array.read(&Region::empty(), context)?;
                    Ok::<f64, SheafError>(block.get(&[]).map_or(0.0, |value| value.as_f64()))
                };
                let (low, high) = match (range, &self.extremes) {
                    (Some(range), _) => *range,
                    (None, Some((least, most))) => (extreme(least)?, extreme(most)?),
                    (None, None) => (0.0, 1.0),
                };
                if !(high - low).is_finite() {
                    return Err(SheafError::data(format!(
                        "array_histogram: there are no bins from {low} to {high}"
                    ))
                    .with_hint("give the range"));
                }
                let (low, high) = if low == high {
                    (low - 0.5, high + 0.5)
                } else {
                    (low, high)
                };
                let step = (high - low) / *count as f64;
                (first..first + length)
                    .map(|edge| match edge as u64 == *count {
                        true => high,
                        false => low + edge as f64 * step,
                    })
                    .collect()
            }
        };
        Ok(Tensor::from_vec(&region.shape, edges)?.held(hold))
    }

    fn cost(&self) -> Cost {
        Cost::Work
    }
}

impl Counter for Values {
    fn count(&self, bins: usize, context: &Context) -> Result<Vec<f64>> {
        let _held = context.hold(bins.saturating_mul(24), "the bins of a histogram")?;
        let block = self.edges.load(context)?;
        let mut edges = vec![0.0; block.elements()];
        block.load(0, &mut edges);
        let blocks = blocks_of(&self.source);
        let bytes = blocks.iter().map(Region::elements).max().unwrap_or(0) * 16;
        let mut counts = vec![0u64; edges.len() - 1];
        context.in_order(
            blocks.len(),
            bytes + counts.len() * 8,
            |number, context| {
                let block = self
                    .source
                    .read(&blocks[number], context)?
                    .contiguous(context)?;
                let mut counts = vec![0u64; edges.len() - 1];
                let mut values = vec![0.0; PIECE];
                for first in (0..block.elements()).step_by(PIECE) {
                    let values = &mut values[..PIECE.min(block.elements() - first)];
                    block.load(first, values);
                    for value in values.iter() {
                        if let Some(bin) = bin_of(*value, &edges) {
                            counts[bin] += 1;
                        }
                    }
                }
                Ok(counts)
            },
            |_, part| {
                counts
                    .iter_mut()
                    .zip(part)
                    .for_each(|(all, part)| *all += part);
                Ok(())
            },
        )?;
        let all = counts.iter().sum::<u64>() as f64;
        let widths = edges.windows(2).map(|pair| pair[1] - pair[0]);
        Ok(counts
            .into_iter()
            .zip(widths)
            .map(|(count, width)| match self.is_density {
                true => count as f64 / width / all,
                false => count as f64,
            })
            .collect())
    }
}

/// The bin of a value, guessed as if all were equally wide, and looked for if that is wrong.
fn bin_of(value: f64, edges: &[f64]) -> Option<usize> {
    let (low, high) = (*edges.first()?, *edges.last()?);
    if !(low..=high).contains(&value) {
        return None;
    }
    let bins = edges.len() - 1;
    let guess = (value - low) / (high - low) * bins as f64;
    let guess = to_usize(to_u64(guess.clamp(0.0, bins as f64 - 1.0)));
    if edges[guess] <= value && value < edges[guess + 1] {
        return Some(guess);
    }
    let index = edge_index(edges, value, true);
    Some(index.saturating_sub(1).min(bins - 1))
}

//! Quantiles and medians, exact whatever the size.

use sheaf_base::{Result, SheafError};

use super::select::Lane;
use super::{ReduceOptions, reduced_grid};
use crate::context::Context;
use crate::dtype::Class;
use crate::grid::{Grid, Region, to_u64, to_usize};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::{Store, Tensor};
use crate::view::{axes_of, shelved};

#[derive(Debug)]
struct Quantile {
    grid: Grid,
    source: Array,
    axes: Vec<usize>,
    keep_dims: bool,
    skip_nan: bool,
    share: f64,
}

/// The value below which the share `share` of the elements along the axes lies; between two elements, on
/// the line between them, which beside an infinity is infinite (NumPy has NaN there, but for medians). NaN if
/// there is one, or nothing.
///
/// # Memory
/// As many whole lanes of elements as fit a block; a lane that does not fit is read six times instead.
/// # Errors
/// `UserInput` if `share` is not between 0 and 1 or an axis does not exist; `Unsupported` for complex
/// numbers.
pub fn quantile(source: &Array, share: f64, options: &ReduceOptions) -> Result<Array> {
    if !(0.0..=1.0).contains(&share) {
        return Err(SheafError::user(format!(
            "array_quantile: the share {share} is not between 0 and 1"
        )));
    }
    if source.dtype().class() == Class::Complex {
        return Err(SheafError::unsupported(
            "array_quantile: complex numbers have no order",
        ));
    }
    let axes = axes_of("array_quantile", options.axes.as_deref(), source.rank())?;
    let dtype = source.dtype().to_inexact();
    Ok(Array::new(Quantile {
        grid: reduced_grid(source, &axes, options.keep_dims, dtype)?,
        source: shelved(source),
        axes,
        keep_dims: options.keep_dims,
        skip_nan: options.skip_nan,
        share,
    }))
}

/// The quantile of one half.
///
/// # Errors
/// As [`quantile`].
pub fn median(source: &Array, options: &ReduceOptions) -> Result<Array> {
    quantile(source, 0.5, options)
}

impl ChunkStore for Quantile {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let shape = self.source.shape();
        let lane = self
            .axes
            .iter()
            .fold(1u64, |all, &axis| all.saturating_mul(shape[axis]));
        let lane_bytes = to_usize(lane).saturating_mul(16);
        let mut values = Vec::with_capacity(region.elements());
        let _held = context.hold(region.elements() * 8, "array_quantile")?;
        if lane_bytes <= context.block_bytes() {
            let lanes = (context.block_bytes() / lane_bytes.max(1)).max(1);
            for block in region.blocks(lanes) {
                self.block(&block, to_usize(lane), context, &mut values)?;
            }
        } else {
            for one in region.blocks(1) {
                values.push(self.long_lane(&one, context)?);
            }
        }
        let hold = context.hold_chunk(&region.shape, self.grid.dtype())?;
        let mut store = Store::new(self.grid.dtype(), values.len());
        store.push(&values);
        Ok(Tensor::from_store(store, &region.shape)?.held(hold))
    }

    fn cost(&self) -> Cost {
        Cost::Work
    }
}

impl Quantile {
    /// The elements of the source that a box of the result is made of.
    fn source_region(&self, region: &Region) -> Region {
        let mut all = self.source.grid().whole();
        let mut own = region.ranges();
        for axis in 0..all.shape.len() {
            let goes = self.axes.contains(&axis);
            let range = if goes && !self.keep_dims {
                None
            } else {
                own.next()
            };
            if let (false, Some((start, end))) = (goes, range) {
                all.start[axis] = start;
                all.shape[axis] = to_usize(end - start);
            }
        }
        all
    }

    /// Adds the quantiles of lanes that fit into memory.
    fn block(
        &self,
        region: &Region,
        lane: usize,
        context: &Context,
        values: &mut Vec<f64>,
    ) -> Result<()> {
        let all = self.source_region(region);
        let kept = (0..all.shape.len()).filter(|axis| !self.axes.contains(axis));
        let order: Vec<usize> = kept.chain(self.axes.iter().copied()).collect();
        let block = self
            .source
            .read(&all, context)?
            .transpose(&order)
            .contiguous(context)?;
        let _held = context.hold(lane * 8, "array_quantile")?;
        let mut elements = vec![0.0; lane];
        for number in 0..region.elements() {
            elements.resize(lane, 0.0);
            block.load(number * lane, &mut elements);
            let nans = elements.iter().filter(|value| value.is_nan()).count();
            if nans > 0 && self.skip_nan {
                elements.retain(|value| !value.is_nan());
            }
            let has_value = !elements.is_empty() && (nans == 0 || self.skip_nan);
            values.push(if has_value {
                quantile_of(&mut elements, self.share)
            } else {
                f64::NAN
            });
        }
        Ok(())
    }

    fn long_lane(&self, region: &Region, context: &Context) -> Result<f64> {
        let all = self.source_region(region);
        let most = context.block_bytes() / 16;
        let chunks = self.source.grid().cut(&all);
        let lane = Lane {
            source: &self.source,
            blocks: chunks.iter().flat_map(|chunk| chunk.blocks(most)).collect(),
        };
        let (count, nans) = lane.count(context)?;
        let numbers = count - nans;
        if numbers == 0 || (nans > 0 && !self.skip_nan) {
            return Ok(f64::NAN);
        }
        let (rank, part) = place(numbers, self.share);
        let (low, high) = lane.pair(rank, context)?;
        Ok(between(low, high, part))
    }
}

/// Where the quantile of `count` elements is: behind which, and how far on the way to the next.
fn place(count: u64, share: f64) -> (u64, f64) {
    let at = share * (count - 1) as f64;
    let rank = to_u64(at.floor()).min(count - 1);
    (rank, at - rank as f64)
}

fn between(low: f64, high: f64, part: f64) -> f64 {
    if part == 0.0 || low == high {
        return low;
    }
    let span = high - low;
    match part < 0.5 {
        // One is infinite, or they are too far apart for their distance.
        _ if span.is_infinite() => low * (1.0 - part) + high * part,
        true => low + span * part,
        false => high - span * (1.0 - part),
    }
}

/// The quantile of numbers, which come into another order.
fn quantile_of(values: &mut [f64], share: f64) -> f64 {
    let (rank, part) = place(values.len() as u64, share);
    let (_, low, above) = values.select_nth_unstable_by(to_usize(rank), f64::total_cmp);
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(*low);
    between(*low, high, part)
}

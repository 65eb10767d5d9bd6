//! Elements sorted in between limits, and counted by their value.

use std::cmp::Ordering;
use std::sync::Arc;

use parking_lot::Mutex;
use sheaf_base::{Result, SheafError};

use super::counts::{Counter, blocks_of, counts};
use super::topk::compare;
use crate::context::{Context, next_number};
use crate::dtype::{Class, DType};
use crate::elementwise::{Pointwise, pointwise};
use crate::grid::{Grid, Region};
use crate::reduce::Number;
use crate::source::from_tensor;
use crate::store::Array;
use crate::tensor::{PIECE, Store, Tensor};

#[derive(Debug)]
struct Sorted {
    number: u64,
    /// An array of one axis, which is read when the limits are needed.
    limits: Array,
    /// What limits and elements are compared as.
    inner: DType,
    /// Whether equal limits are before the element.
    is_right: bool,
    is_falling: bool,
}

/// The limits, once they have been read.
#[derive(Default)]
struct Kept<W>(Mutex<Option<Arc<[W]>>>);

/// The number of the bin between the limits `edges`, which rise or fall, in which each element lies; the
/// limit on the left belongs to it, with `is_right` the one on the right.
///
/// # Errors
/// `UserInput` if the limits neither rise nor fall.
pub fn digitize(source: &Array, edges: &[f64], is_right: bool) -> Result<Array> {
    let rises = edges.windows(2).all(|pair| pair[0] <= pair[1]);
    let falls = edges.windows(2).all(|pair| pair[0] >= pair[1]);
    if !rises && !falls {
        return Err(SheafError::user(
            "array_digitize: the limits neither rise nor fall",
        ));
    }
    refuse_complex("array_digitize", source)?;
    let mut edges = edges.to_vec();
    if !rises {
        edges.reverse();
    }
    let (count, chunk) = (edges.len(), [(edges.len() as u64).max(1)]);
    let sorted = Sorted {
        number: next_number(),
        limits: from_tensor(Tensor::from_vec(&[count], edges)?, &chunk)?,
        inner: source.dtype().promote(DType::Float64),
        is_right: !is_right,
        is_falling: !rises,
    };
    pointwise(
        "array_digitize",
        std::slice::from_ref(source),
        DType::Int64,
        sorted,
    )
}

/// Where each element of `values` would be put into `sorted`, an array of one axis whose elements rise:
/// before those that are equal, with `is_right` behind them. They are compared in the type that they have in
/// common: whole numbers as such, to the last digit.
///
/// # Memory
/// All of `sorted`.
/// # Errors
/// `UserInput` if `sorted` has not one axis.
pub fn searchsorted(sorted: &Array, values: &Array, is_right: bool) -> Result<Array> {
    if sorted.rank() != 1 {
        return Err(SheafError::user(format!(
            "array_searchsorted: what is searched has one axis, not {}",
            sorted.rank()
        )));
    }
    refuse_complex("array_searchsorted", sorted)?;
    refuse_complex("array_searchsorted", values)?;
    let search = Sorted {
        number: next_number(),
        limits: sorted.clone(),
        inner: sorted.dtype().promote(values.dtype()),
        is_right,
        is_falling: false,
    };
    pointwise(
        "array_searchsorted",
        std::slice::from_ref(values),
        DType::Int64,
        search,
    )
}

fn refuse_complex(operation: &str, source: &Array) -> Result<()> {
    match source.dtype().class() {
        Class::Complex => Err(SheafError::unsupported(format!(
            "{operation}: complex numbers have no order"
        ))),
        _ => Ok(()),
    }
}

/// How many limits are less than the value, or, if `is_right`, not more. A NaN is behind all.
pub(super) fn edge_index<W: Number>(edges: &[W], value: W, is_right: bool) -> usize {
    edges.partition_point(|&edge| match compare(edge, value) {
        Ordering::Less => true,
        Ordering::Equal => is_right,
        Ordering::Greater => false,
    })
}

impl Sorted {
    fn edges<W: Number>(&self, context: &Context) -> Result<Arc<[W]>> {
        let kept = context.kept::<Kept<W>>(self.number);
        let mut kept = kept.0.lock();
        if let Some(edges) = &*kept {
            return Ok(Arc::clone(edges));
        }
        let block = self.limits.load(context)?.contiguous(context)?;
        let mut edges = vec![W::default(); block.elements()];
        block.load(0, &mut edges);
        Ok(Arc::clone(kept.insert(edges.into())))
    }

    fn places<W: Number>(
        &self,
        blocks: Vec<Tensor>,
        shape: &[usize],
        context: &Context,
    ) -> Result<Tensor> {
        let edges = self.edges::<W>(context)?;
        let hold = context.hold_chunk(shape, DType::Int64)?;
        let mut store = Store::new(DType::Int64, shape.iter().product());
        let mut values = [W::default(); PIECE];
        let mut places = Vec::with_capacity(PIECE);
        for block in blocks {
            let block = block.contiguous(context)?;
            for first in (0..block.elements()).step_by(PIECE) {
                let values = &mut values[..PIECE.min(block.elements() - first)];
                block.load(first, values);
                places.clear();
                places.extend(values.iter().map(|value| {
                    let index = edge_index(&edges, *value, self.is_right);
                    // Limits that fall have been turned round: what lies below rises.
                    match self.is_falling {
                        true => (edges.len() - index) as u64,
                        false => index as u64,
                    }
                }));
                store.push(&places);
            }
        }
        Ok(Tensor::from_store(store, shape)?.held(hold))
    }
}

impl Pointwise for Sorted {
    fn apply(&self, blocks: Vec<Tensor>, shape: &[usize], context: &Context) -> Result<Tensor> {
        match self.inner.class() {
            Class::Int => self.places::<i64>(blocks, shape, context),
            Class::UInt | Class::Bool => self.places::<u64>(blocks, shape, context),
            _ => self.places::<f64>(blocks, shape, context),
        }
    }
}

#[derive(Debug)]
struct Numbers {
    source: Array,
    weights: Option<Array>,
}

/// How often each whole number from 0 on, less than `length`, is among the elements; with weights, the
/// sum of those at its places.
///
/// # Errors
/// `UserInput` for other elements than whole numbers, and for weights of another shape; `Unsupported` for
/// complex ones. Reading gives `Data` for numbers below 0 or not below `length`.
pub fn bincount(source: &Array, weights: Option<&Array>, length: u64) -> Result<Array> {
    if matches!(source.dtype().class(), Class::Float | Class::Complex) {
        return Err(SheafError::user(format!(
            "array_bincount counts whole numbers, not {}",
            source.dtype()
        )));
    }
    if let Some(weights) = weights.filter(|weights| weights.shape() != source.shape()) {
        return Err(SheafError::user(format!(
            "array_bincount: weights of shape {} for elements of shape {}",
            crate::grid::tuple(&weights.shape()),
            crate::grid::tuple(&source.shape())
        )));
    }
    if let Some(weights) = weights.filter(|weights| weights.dtype().class() == Class::Complex) {
        return Err(SheafError::unsupported(format!(
            "array_bincount: weights are real numbers, not {}",
            weights.dtype()
        )));
    }
    let dtype = if weights.is_some() {
        DType::Float64
    } else {
        DType::Int64
    };
    let grid = Grid::regular(&[length], &[length.max(1)], dtype)?;
    let numbers = Numbers {
        source: source.clone(),
        weights: weights.cloned(),
    };
    Ok(counts(grid, numbers))
}

impl Counter for Numbers {
    fn count(&self, length: usize, context: &Context) -> Result<Vec<f64>> {
        let _held = context.hold(length.saturating_mul(16), "array_bincount")?;
        let blocks = blocks_of(&self.source);
        let bytes = blocks.iter().map(Region::elements).max().unwrap_or(0) * 16;
        let mut counts = vec![0.0; length];
        context.in_order(
            blocks.len(),
            bytes + length.saturating_mul(8),
            |number, context| {
                let region = &blocks[number];
                let block = self.source.read(region, context)?.contiguous(context)?;
                let mut numbers = vec![0i64; block.elements()];
                let _held = context.hold(block.elements() * 16, "array_bincount")?;
                block.load(0, &mut numbers);
                let mut weights = vec![1.0; numbers.len()];
                if let Some(array) = &self.weights {
                    array
                        .read(region, context)?
                        .contiguous(context)?
                        .load(0, &mut weights);
                }
                let mut counts = vec![0.0; length];
                for (number, weight) in numbers.into_iter().zip(weights) {
                    let count = usize::try_from(number)
                        .ok()
                        .and_then(|at| counts.get_mut(at));
                    *count.ok_or_else(|| {
                        SheafError::data(format!(
                            "array_bincount: {number} is not from 0 on and less than {length}"
                        ))
                    })? += weight;
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
        Ok(counts)
    }
}

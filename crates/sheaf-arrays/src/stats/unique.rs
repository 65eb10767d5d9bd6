//! The different elements of an array.

use sheaf_base::{Result, SheafError};

use super::counts::blocks_of;
use super::topk::compare;
use crate::context::Context;
use crate::dtype::Class;
use crate::grid::Region;
use crate::reduce::Number;
use crate::source::from_tensor;
use crate::store::Array;
use crate::tensor::{Store, Tensor};

/// The different elements of an array.
#[derive(Debug, Clone)]
pub struct Unique {
    /// In rising order; NaN is the last.
    pub values: Array,
    /// How often each is there.
    pub counts: Array,
}

/// The different elements of `source` and how often each is there. How many there are is known only when
/// all have been read, which this does.
///
/// # Memory
/// The different elements twice, and a chunk for each thread.
/// # Errors
/// What reading gives; `Resource` if there are too many; `Unsupported` for complex numbers.
pub fn unique(source: &Array, context: &Context) -> Result<Unique> {
    match source.dtype().class() {
        Class::Int => unique_as::<i64>(source, context),
        Class::UInt | Class::Bool => unique_as::<u64>(source, context),
        Class::Float => unique_as::<f64>(source, context),
        Class::Complex => Err(SheafError::unsupported(
            "array_unique: complex numbers have no order",
        )),
    }
}

fn unique_as<W: Number>(source: &Array, context: &Context) -> Result<Unique> {
    let blocks = blocks_of(source);
    let bytes = blocks.iter().map(Region::elements).max().unwrap_or(0) * 24;
    let mut all: Vec<(W, i64)> = Vec::new();
    let mut hold = context.hold(0, "array_unique")?;
    context.in_order(
        blocks.len(),
        bytes,
        |number, context| {
            let block = source.read(&blocks[number], context)?.contiguous(context)?;
            let held = context.hold(block.elements() * size_of::<(W, i64)>(), "array_unique")?;
            let mut values = vec![W::default(); block.elements()];
            block.load(0, &mut values);
            values.sort_unstable_by(|a, b| compare(*a, *b));
            let mut counted: Vec<(W, i64)> = Vec::new();
            for value in values {
                match counted.last_mut() {
                    Some((last, count)) if compare(*last, value).is_eq() => *count += 1,
                    _ => counted.push((value, 1)),
                }
            }
            Ok((counted, held))
        },
        |_, (part, _held)| {
            let both = (all.len() + part.len()) * 2 * size_of::<(W, i64)>();
            let next = context.hold(both, "array_unique")?;
            all = merge(std::mem::take(&mut all), part);
            hold = next;
            Ok(())
        },
    )?;
    let count = all.len();
    let mut store = Store::new(source.dtype(), count);
    all.iter()
        .for_each(|(value, _)| store.push(std::slice::from_ref(value)));
    let counts: Vec<i64> = all.iter().map(|(_, count)| *count).collect();
    let chunk = [(count as u64).max(1)];
    let values = Tensor::from_store(store, &[count])?.held(hold);
    Ok(Unique {
        values: from_tensor(values, &chunk)?,
        counts: from_tensor(Tensor::from_vec(&[count], counts)?, &chunk)?,
    })
}

/// Both in one order, the counts of equals added up.
fn merge<W: Number>(left: Vec<(W, i64)>, right: Vec<(W, i64)>) -> Vec<(W, i64)> {
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek().copied(), right.peek().copied()) {
        let order = compare(a.0, b.0);
        if order.is_le() {
            left.next();
        }
        if order.is_ge() {
            right.next();
        }
        merged.push(match order {
            std::cmp::Ordering::Less => a,
            std::cmp::Ordering::Greater => b,
            std::cmp::Ordering::Equal => (a.0, a.1 + b.1),
        });
    }
    merged.extend(left);
    merged.extend(right);
    merged
}

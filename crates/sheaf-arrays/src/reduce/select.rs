//! The k-th smallest of values that are too many to be in memory: four passes that count the values by
//! sixteen bits of their order each, and one for the next larger.

use sheaf_base::Result;

use crate::context::Context;
use crate::grid::Region;
use crate::store::Array;

const BITS: u32 = 16;

/// The order of a float as a whole number: larger floats have larger ones.
fn key(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | (1 << 63)
    }
}

fn value(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 {
        key & !(1 << 63)
    } else {
        !key
    })
}

/// What a lane of elements is read in.
pub(super) struct Lane<'a> {
    pub(super) source: &'a Array,
    pub(super) blocks: Vec<Region>,
}

impl Lane<'_> {
    /// The number of elements, and of NaNs among them.
    pub(super) fn count(&self, context: &Context) -> Result<(u64, u64)> {
        let mut counts = (0, 0);
        self.visit(
            context,
            |values| {
                let nans = values.iter().filter(|value| value.is_nan()).count();
                (values.len() as u64, nans as u64)
            },
            |(all, nans)| {
                counts.0 += all;
                counts.1 += nans;
            },
        )?;
        Ok(counts)
    }

    /// The `rank`-th smallest (from 0 on) of those that are numbers, and the next.
    pub(super) fn pair(&self, rank: u64, context: &Context) -> Result<(f64, f64)> {
        let (mut prefix, mut left) = (0u64, rank);
        let mut same = 0;
        for pass in 1..=64 / BITS {
            let shift = 64 - BITS * pass;
            let mut counts = vec![0u64; 1 << BITS];
            self.visit(
                context,
                |values| {
                    let mut counts = vec![0u64; 1 << BITS];
                    for key in values
                        .iter()
                        .filter(|value| !value.is_nan())
                        .map(|&value| key(value))
                    {
                        if pass == 1 || key >> (shift + BITS) == prefix {
                            counts[usize::try_from(key >> shift & 0xFFFF).unwrap_or(0)] += 1;
                        }
                    }
                    counts
                },
                |part| {
                    counts
                        .iter_mut()
                        .zip(part)
                        .for_each(|(all, part)| *all += part)
                },
            )?;
            let mut digit = 0;
            for (number, count) in counts.iter().enumerate() {
                digit = number as u64;
                same = *count;
                if left < *count {
                    break;
                }
                left -= count;
            }
            prefix = prefix << BITS | digit;
        }
        if left + 1 < same {
            return Ok((value(prefix), value(prefix)));
        }
        let mut next = u64::MAX;
        self.visit(
            context,
            |values| {
                let keys = values
                    .iter()
                    .filter(|value| !value.is_nan())
                    .map(|&value| key(value));
                keys.filter(|&key| key > prefix).min().unwrap_or(u64::MAX)
            },
            |part| next = next.min(part),
        )?;
        Ok((
            value(prefix),
            if next == u64::MAX {
                value(prefix)
            } else {
                value(next)
            },
        ))
    }

    fn visit<T: Send>(
        &self,
        context: &Context,
        work: impl Fn(&[f64]) -> T + Sync,
        mut take: impl FnMut(T),
    ) -> Result<()> {
        let bytes = self.blocks.iter().map(Region::elements).max().unwrap_or(0) * 16;
        context.in_order(
            self.blocks.len(),
            bytes.max(1 << (BITS + 3)),
            |number, context| {
                let block = self.source.read(&self.blocks[number], context)?;
                let (values, _held) = block.contiguous(context)?.widened::<f64>(context)?;
                Ok(work(values.as_slice().unwrap_or(&[])))
            },
            |_, result| {
                take(result);
                Ok(())
            },
        )
    }
}

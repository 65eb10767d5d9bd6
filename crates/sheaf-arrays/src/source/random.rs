//! Arrays of random numbers: each element is a function of the seed and of its own place, so that chunks,
//! threads and the part that is read never show.
//!
//! The generator is SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators,
//! OOPSLA 2014): its i-th number needs only its state i steps on, which is a multiplication. Element `i`
//! in row-major order has the i-th number of the generator that starts at the seed. What needs more than
//! one number goes on with a generator that starts at this one.

use sheaf_base::{Result, SheafError};

use super::by_rows;
use crate::context::Context;
use crate::dtype::Class;
use crate::grid::{Grid, Region};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::Tensor;

/// How numbers are distributed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distribution {
    /// Evenly, from `low` on, less than `high`.
    Uniform {
        /// The least.
        low: f64,
        /// More than the largest.
        high: f64,
    },
    /// Normally.
    Normal {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        deviation: f64,
    },
    /// Whole numbers, evenly, from `low` on, less than `high`.
    Integers {
        /// The least.
        low: i64,
        /// More than the largest.
        high: i64,
    },
    /// Numbers of events of which `rate` are expected.
    Poisson {
        /// The mean.
        rate: f64,
    },
    /// Times between events.
    Exponential {
        /// The mean.
        scale: f64,
    },
}

#[derive(Debug)]
struct Random {
    grid: Grid,
    distribution: Distribution,
    seed: u64,
}

/// Random numbers in `grid`.
///
/// # Errors
/// `UserInput` for parameters that no distribution has, and types that cannot hold the numbers.
pub fn random(grid: Grid, distribution: Distribution, seed: u64) -> Result<Array> {
    let is_whole = matches!(
        distribution,
        Distribution::Integers { .. } | Distribution::Poisson { .. }
    );
    match grid.dtype().class() {
        Class::Float | Class::Complex => {}
        Class::Int | Class::UInt if is_whole => {}
        _ => {
            return Err(SheafError::user(format!(
                "array_random: {} cannot hold such numbers",
                grid.dtype()
            )));
        }
    }
    let wrong = match distribution {
        Distribution::Uniform { low, high } if !(high - low).is_finite() => {
            Some(format!("there are no numbers evenly from {low} to {high}"))
        }
        Distribution::Normal { mean, deviation } if !(mean.is_finite() && deviation >= 0.0) => {
            Some(format!(
                "no distribution has the mean {mean} and the deviation {deviation}"
            ))
        }
        Distribution::Integers { low, high } if low >= high => Some(format!(
            "there are no whole numbers from {low} to less than {high}"
        )),
        Distribution::Poisson { rate } if !(0.0..=1e15).contains(&rate) => {
            Some(format!("the rate {rate} is not between 0 and 1e15"))
        }
        Distribution::Exponential { scale } if !(scale >= 0.0 && scale.is_finite()) => {
            Some(format!("no distribution has the scale {scale}"))
        }
        _ => None,
    };
    match wrong {
        Some(wrong) => Err(SheafError::user(format!("array_random: {wrong}"))),
        None => Ok(Array::new(Random {
            grid,
            distribution,
            seed,
        })),
    }
}

impl ChunkStore for Random {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let seed = self.seed;
        match self.distribution {
            Distribution::Uniform { low, high } => {
                let span = high - low;
                self.floats(region, context, move |i| low + span * unit(number(seed, i)))
            }
            Distribution::Normal { mean, deviation } => self.floats(region, context, move |i| {
                mean + deviation * normal_quantile(open_unit(number(seed, i)))
            }),
            Distribution::Exponential { scale } => self.floats(region, context, move |i| {
                -scale * open_unit(number(seed, i)).ln()
            }),
            Distribution::Integers { low, high } => {
                let span = high.wrapping_sub(low).cast_unsigned();
                self.whole(region, context, move |i| {
                    low.wrapping_add(below(number(seed, i), span).cast_signed())
                })
            }
            Distribution::Poisson { rate } => {
                let poisson = Poisson::new(rate);
                self.whole(region, context, move |i| poisson.draw(number(seed, i)))
            }
        }
    }

    fn cost(&self) -> Cost {
        Cost::Elements
    }
}

impl Random {
    fn floats(
        &self,
        region: &Region,
        context: &Context,
        of: impl Fn(u64) -> f64,
    ) -> Result<Tensor> {
        let strides = self.strides();
        by_rows(
            region,
            self.grid.dtype(),
            context,
            |at, values: &mut [f64]| {
                for (i, value) in (place(at, &strides)..).zip(values) {
                    *value = of(i);
                }
            },
        )
    }

    fn whole(&self, region: &Region, context: &Context, of: impl Fn(u64) -> i64) -> Result<Tensor> {
        let strides = self.strides();
        by_rows(
            region,
            self.grid.dtype(),
            context,
            |at, values: &mut [i64]| {
                for (i, value) in (place(at, &strides)..).zip(values) {
                    *value = of(i);
                }
            },
        )
    }

    /// How far elements are apart along each axis, in row-major order.
    fn strides(&self) -> Vec<u64> {
        let mut strides = self.grid.shape();
        let mut stride = 1;
        for length in strides.iter_mut().rev() {
            let own = stride;
            stride *= *length;
            *length = own;
        }
        strides
    }
}

fn place(at: &[u64], strides: &[u64]) -> u64 {
    at.iter().zip(strides).map(|(at, stride)| at * stride).sum()
}

/// The i-th number of the generator that starts at `seed`.
fn number(seed: u64, i: u64) -> u64 {
    let state = seed.wrapping_add(i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// From 0 on, less than 1.
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// Between 0 and 1, neither of them.
fn open_unit(bits: u64) -> f64 {
    ((bits >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64)
}

/// Evenly from 0 on, less than `span`: the high half of a product, and again while the low half lies
/// where some results would come once more than others (Lemire, ACM TOMACS 29, 2019).
fn below(bits: u64, span: u64) -> u64 {
    let threshold = span.wrapping_neg() % span.max(1);
    let mut bits_now = bits;
    for step in 0.. {
        let product = u128::from(bits_now) * u128::from(span);
        let high = u64::try_from(product >> 64).unwrap_or(u64::MAX);
        let low = bits_now.wrapping_mul(span);
        if low >= threshold {
            return high;
        }
        bits_now = number(bits, step);
    }
    0
}

/// The value below which a normally distributed number is with the probability `p`.
///
/// Wichura: Algorithm AS 241, Applied Statistics 37 (1988), to about 1 part in 10¹⁶.
fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * polynomial(r, &CENTRE_ABOVE) / polynomial(r, &CENTRE_BELOW);
    }
    let r = (-if q < 0.0 { p } else { 1.0 - p }.ln()).sqrt();
    let tail = if r <= 5.0 {
        polynomial(r - 1.6, &TAIL_ABOVE) / polynomial(r - 1.6, &TAIL_BELOW)
    } else {
        polynomial(r - 5.0, &FAR_ABOVE) / polynomial(r - 5.0, &FAR_BELOW)
    };
    if q < 0.0 { -tail } else { tail }
}

fn polynomial(x: f64, coefficients: &[f64; 8]) -> f64 {
    coefficients
        .iter()
        .rev()
        .fold(0.0, |sum, coefficient| sum * x + coefficient)
}

static CENTRE_ABOVE: [f64; 8] = [
    3.387_132_872_796_366_5,
    1.331_416_678_917_843_8e2,
    1.971_590_950_306_551_3e3,
    1.373_169_376_550_946e4,
    4.592_195_393_154_987e4,
    6.726_577_092_700_87e4,
    3.343_057_558_358_813e4,
    2.509_080_928_730_122_7e3,
];
static CENTRE_BELOW: [f64; 8] = [
    1.0,
    4.231_333_070_160_091e1,
    6.871_870_074_920_579e2,
    5.394_196_021_424_751e3,
    2.121_379_430_158_659_7e4,
    3.930_789_580_009_271e4,
    2.872_908_573_572_194_3e4,
    5.226_495_278_852_854e3,
];
static TAIL_ABOVE: [f64; 8] = [
    1.423_437_110_749_683_5,
    4.630_337_846_156_546,
    5.769_497_221_460_691,
    3.647_848_324_763_204_5,
    1.270_458_252_452_368_4,
    2.417_807_251_774_506e-1,
    2.272_384_498_926_918_4e-2,
    7.745_450_142_783_414e-4,
];
static TAIL_BELOW: [f64; 8] = [
    1.0,
    2.053_191_626_637_759,
    1.676_384_830_183_803_8,
    6.897_673_349_851e-1,
    1.481_039_764_274_800_8e-1,
    1.519_866_656_361_645_7e-2,
    5.475_938_084_995_345e-4,
    1.050_750_071_644_416_9e-9,
];
static FAR_ABOVE: [f64; 8] = [
    6.657_904_643_501_103,
    5.463_784_911_164_114,
    1.784_826_539_917_291_3,
    2.965_605_718_285_048_7e-1,
    2.653_218_952_657_612_4e-2,
    1.242_660_947_388_078_4e-3,
    2.711_555_568_743_487_6e-5,
    2.010_334_399_292_288_1e-7,
];
static FAR_BELOW: [f64; 8] = [
    1.0,
    5.998_322_065_558_88e-1,
    1.369_298_809_227_358e-1,
    1.487_536_129_085_061_5e-2,
    7.868_691_311_456_133e-4,
    1.846_318_317_510_054_8e-5,
    1.421_511_758_316_446e-7,
    2.044_263_103_389_939_8e-15,
];

/// Numbers of events: by adding up probabilities where few are expected, else by rejection (Hörmann:
/// The transformed rejection method PTRS, Insurance: Mathematics and Economics 12, 1993).
struct Poisson {
    rate: f64,
    a: f64,
    b: f64,
    inverse_alpha: f64,
    accepted: f64,
}

impl Poisson {
    fn new(rate: f64) -> Self {
        let b = 0.931 + 2.53 * rate.sqrt();
        Self {
            rate,
            a: -0.059 + 0.024_83 * b,
            b,
            inverse_alpha: 1.1239 + 1.1328 / (b - 3.4),
            accepted: 0.9277 - 3.6224 / (b - 2.0),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2⁵³")]
    fn draw(&self, bits: u64) -> i64 {
        if self.rate < 10.0 {
            return self.draw_few(open_unit(bits));
        }
        for step in 0.. {
            let u = open_unit(number(bits, 2 * step)) - 0.5;
            let v = open_unit(number(bits, 2 * step + 1));
            let us = 0.5 - u.abs();
            let k = ((2.0 * self.a / us + self.b) * u + self.rate + 0.43).floor();
            if us >= 0.07 && v <= self.accepted {
                return k as i64;
            }
            if k < 0.0 || (us < 0.013 && v > us) {
                continue;
            }
            let left = v.ln() + self.inverse_alpha.ln() - (self.a / (us * us) + self.b).ln();
            if left <= k * self.rate.ln() - self.rate - ln_factorial(k) {
                return k as i64;
            }
        }
        0
    }

    fn draw_few(&self, u: f64) -> i64 {
        let mut probability = (-self.rate).exp();
        let mut sum = probability;
        let mut count = 0;
        while u > sum && probability > 0.0 {
            count += 1;
            probability *= self.rate / count as f64;
            sum += probability;
        }
        count
    }
}

/// The logarithm of k!: by multiplication, or by Stirling's series.
fn ln_factorial(k: f64) -> f64 {
    if k < 16.0 {
        let mut product = 1.0;
        let mut factor = 2.0;
        while factor <= k {
            product *= factor;
            factor += 1.0;
        }
        return product.ln();
    }
    let x = k + 1.0;
    let inverse = 1.0 / (x * x);
    let series =
        (1.0 / 12.0 - inverse * (1.0 / 360.0 - inverse * (1.0 / 1260.0 - inverse / 1680.0))) / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series
}

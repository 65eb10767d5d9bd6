//! Fourier transforms of one lane.
//!
//! Lengths are taken apart into small factors, and the parts put together pass by pass, each pass writing
//! in the order in which the next one reads (Stockham's form of Cooley and Tukey, Math. Comp. 19, 1965).
//! A length with a large prime factor becomes a convolution, which a longer transform computes (Bluestein,
//! IEEE Trans. Audio Electroacoust. 18, 1970).

use num_complex::Complex;

type C64 = Complex<f64>;

/// The largest factor that a pass takes at once.
const FACTOR_MAX: usize = 13;

/// A transform of lanes of one length, forward.
pub(super) struct Plan {
    length: usize,
    kind: Kind,
}

enum Kind {
    Factors {
        factors: Vec<usize>,
        /// The powers of the first root of unity of the length.
        roots: Vec<C64>,
    },
    Convolution {
        inner: Box<Plan>,
        /// The chirp.
        chirp: Vec<C64>,
        /// Its transform.
        kernel: Vec<C64>,
    },
}

impl Plan {
    /// A transform of lanes of `length` values, one at least.
    pub(super) fn new(length: usize) -> Self {
        let mut factors = Vec::new();
        let mut rest = length.max(1);
        for factor in [4, 2, 3, 5, 7, 11, FACTOR_MAX] {
            while rest.is_multiple_of(factor) {
                factors.push(factor);
                rest /= factor;
            }
        }
        let kind = match rest {
            1 => Kind::Factors {
                factors,
                roots: (0..length).map(|at| root(at, length)).collect(),
            },
            _ => convolution(length),
        };
        Self { length, kind }
    }

    /// Values that [`Plan::run`] needs room for.
    pub(super) fn room(&self) -> usize {
        match &self.kind {
            Kind::Factors { .. } => self.length,
            Kind::Convolution { inner, .. } => inner.length + inner.room(),
        }
    }

    /// Bytes that the plan takes.
    pub(super) fn bytes_of(length: usize) -> usize {
        length.saturating_mul(12 * size_of::<C64>())
    }

    /// Transforms a lane in place.
    pub(super) fn run(&self, lane: &mut [C64], room: &mut [C64]) {
        match &self.kind {
            Kind::Factors { factors, roots } => passes(lane, room, factors, roots),
            Kind::Convolution {
                inner,
                chirp,
                kernel,
            } => {
                let (longer, room) = room.split_at_mut(inner.length);
                longer.fill(C64::default());
                for ((into, value), chirp) in longer.iter_mut().zip(lane.iter()).zip(chirp) {
                    *into = value * chirp;
                }
                inner.run(longer, room);
                // Back by the same transform: of the conjugates, conjugated.
                for (value, kernel) in longer.iter_mut().zip(kernel) {
                    *value = (*value * kernel).conj();
                }
                inner.run(longer, room);
                let scale = 1.0 / inner.length as f64;
                for ((into, value), chirp) in lane.iter_mut().zip(longer.iter()).zip(chirp) {
                    *into = value.conj() * chirp * scale;
                }
            }
        }
    }
}

/// The `at`-th power of the first root of unity, its angle brought to the first eighth of the circle.
fn root(at: usize, length: usize) -> C64 {
    let angle = -std::f64::consts::TAU * (at % length) as f64 / length as f64;
    C64::new(angle.cos(), angle.sin())
}

fn convolution(length: usize) -> Kind {
    let inner = Plan::new((2 * length - 1).next_power_of_two());
    // Squares are taken modulo twice the length: so far the angles repeat.
    let square = |at: usize| {
        let (at, period) = (at as u128, 2 * length as u128);
        usize::try_from(at * at % period).unwrap_or(0)
    };
    let chirp: Vec<C64> = (0..length).map(|at| root(square(at), 2 * length)).collect();
    let mut kernel = vec![C64::default(); inner.length];
    for (at, value) in chirp.iter().enumerate() {
        kernel[at] = value.conj();
        kernel[(inner.length - at) % inner.length] = value.conj();
    }
    let mut room = vec![C64::default(); inner.room()];
    inner.run(&mut kernel, &mut room);
    Kind::Convolution {
        inner: Box::new(inner),
        chirp,
        kernel,
    }
}

/// All passes, from one array to the other and back.
fn passes(lane: &mut [C64], room: &mut [C64], factors: &[usize], roots: &[C64]) {
    let length = lane.len();
    let room = &mut room[..length];
    // Transforms of `done` values each have been made, `length / done` of them.
    let mut done = 1;
    let mut is_in_room = false;
    for &factor in factors {
        let (from, into): (&[C64], &mut [C64]) = match is_in_room {
            true => (&*room, &mut *lane),
            false => (&*lane, &mut *room),
        };
        match factor {
            2 => pass(from, into, done, roots, two),
            3 => pass(from, into, done, roots, three),
            4 => pass(from, into, done, roots, four),
            5 => pass(from, into, done, roots, any::<5>),
            7 => pass(from, into, done, roots, any::<7>),
            11 => pass(from, into, done, roots, any::<11>),
            _ => pass(from, into, done, roots, any::<FACTOR_MAX>),
        }
        done *= factor;
        is_in_room = !is_in_room;
    }
    if is_in_room {
        lane.copy_from_slice(room);
    }
}

/// One pass: of `N` transforms of `done` values each one of `N · done`. The values of the n-th of them
/// stand `length / N` apart in `from`, and those of the result `done` apart in `into`.
#[inline(always)]
fn pass<const N: usize>(
    from: &[C64],
    into: &mut [C64],
    done: usize,
    roots: &[C64],
    small: impl Fn([C64; N], &[C64]) -> [C64; N],
) {
    let length = from.len();
    let groups = length / (done * N);
    let apart = length / N;
    for group in 0..groups {
        for at in 0..done {
            let mut values = [C64::default(); N];
            for (part, value) in values.iter_mut().enumerate() {
                *value = from[part * apart + group * done + at];
                if part > 0 && at > 0 {
                    *value *= roots[part * at * groups];
                }
            }
            let values = small(values, roots);
            let first = group * done * N + at;
            for (part, value) in values.into_iter().enumerate() {
                into[first + part * done] = value;
            }
        }
    }
}

fn two(v: [C64; 2], _: &[C64]) -> [C64; 2] {
    [v[0] + v[1], v[0] - v[1]]
}

fn three(v: [C64; 3], _: &[C64]) -> [C64; 3] {
    let (sum, difference) = (v[1] + v[2], v[1] - v[2]);
    let middle = v[0] - sum * 0.5;
    let turned = C64::new(difference.im, -difference.re) * (0.75f64).sqrt();
    [v[0] + sum, middle + turned, middle - turned]
}

fn four(v: [C64; 4], _: &[C64]) -> [C64; 4] {
    let (a, b) = (v[0] + v[2], v[0] - v[2]);
    let (c, d) = (v[1] + v[3], v[1] - v[3]);
    let turned = C64::new(d.im, -d.re);
    [a + c, b + turned, a - c, b - turned]
}

/// By the definition.
fn any<const N: usize>(v: [C64; N], roots: &[C64]) -> [C64; N] {
    let step = roots.len() / N;
    let mut sums = [v[0]; N];
    for (frequency, sum) in sums.iter_mut().enumerate() {
        for (at, value) in v.iter().enumerate().skip(1) {
            *sum += value * roots[frequency * at % N * step];
        }
    }
    sums
}

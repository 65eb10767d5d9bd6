//! Kernels of products of matrices: a tile of the product, kept in registers while it is added up.
//!
//! The compiler makes the instructions; a kernel says which it may use and how large its tile is. The sums
//! are made in the same order by each, and without rounding in between where the processor fuses
//! multiplication and addition.

use num_complex::Complex;

use super::gemm::{Factor, Target, multiply_by};
use crate::tensor::Element;

/// Elements of a tile, at most.
pub(super) const TILE_MAX: usize = 384;
/// Rows or columns of a tile, at most.
pub(super) const LANES_MAX: usize = 32;

/// How tiles are made. A kernel for instructions that not every processor has is a proof that this one has
/// them.
pub(super) trait Kernel<T>: Copy {
    /// Rows and columns of the product that are made at a time.
    const TILE: (usize, usize);
    /// Writes the product of `inner` columns of `left` and rows of `right`, each packed side by side, row
    /// by row.
    fn tile(self, inner: usize, left: &[T], right: &[T], product: &mut [T; TILE_MAX]);
}

/// A type whose matrices can be multiplied.
pub(crate) trait Multiply: Element {
    /// Adds the product of `left` and `right` to `target`, by the fastest kernel that the processor has.
    /// `inner` is the number of columns of the one and of rows of the other.
    fn multiply(
        left: Factor<'_, Self>,
        right: Factor<'_, Self>,
        inner: usize,
        target: &mut Target<'_, Self>,
    );
    /// The sum.
    fn plus(self, other: Self) -> Self;
}

/// Instructions that every processor has.
#[derive(Debug, Clone, Copy)]
struct Portable;

/// Makes `$name` a function that adds up tiles of `$rows` × `$columns`.
macro_rules! tile {
    ($(#[$attribute:meta])* $name:ident, $type:ty, $rows:literal, $columns:literal,
     |$a:ident, $b:ident, $c:ident| $step:expr) => {
        $(#[$attribute])*
        fn $name(inner: usize, left: &[$type], right: &[$type], product: &mut [$type; TILE_MAX]) {
            let mut sums = [[<$type>::default(); $columns]; $rows];
            let left = left.as_chunks::<$rows>().0.iter().take(inner);
            for (left, right) in left.zip(right.as_chunks::<$columns>().0) {
                for row in 0..$rows {
                    let $a = left[row];
                    for column in 0..$columns {
                        let ($b, $c) = (right[column], sums[row][column]);
                        sums[row][column] = $step;
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                product[row * $columns..(row + 1) * $columns].copy_from_slice(sums);
            }
        }
    };
}

/// Makes `Portable` a kernel of a type.
macro_rules! portable {
    ($type:ty, $rows:literal, $columns:literal,
     |$a:ident, $b:ident, $c:ident| $step:expr) => {
        impl Kernel<$type> for Portable {
            const TILE: (usize, usize) = ($rows, $columns);
            fn tile(
                self,
                inner: usize,
                left: &[$type],
                right: &[$type],
                product: &mut [$type; TILE_MAX],
            ) {
                tile!(add_up, $type, $rows, $columns, |$a, $b, $c| $step);
                add_up(inner, left, right, product);
            }
        }
    };
}

portable!(f64, 6, 8, |a, b, c| a * b + c);
portable!(f32, 6, 16, |a, b, c| a * b + c);
portable!(i64, 4, 4, |a, b, c| c.wrapping_add(a.wrapping_mul(b)));
portable!(u64, 4, 4, |a, b, c| c.wrapping_add(a.wrapping_mul(b)));
portable!(Complex<f64>, 2, 4, |a, b, c| a * b + c);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Kernel, TILE_MAX};

    /// A processor with AVX2 and FMA.
    #[derive(Debug, Clone, Copy)]
    pub(super) struct Avx2(());

    /// A processor with AVX-512, whose registers are twice as many and twice as wide.
    #[derive(Debug, Clone, Copy)]
    pub(super) struct Avx512(());

    impl Avx2 {
        pub(super) fn found() -> Option<Self> {
            let is_found = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            is_found.then_some(Self(()))
        }
    }

    impl Avx512 {
        pub(super) fn found() -> Option<Self> {
            is_x86_feature_detected!("avx512f").then_some(Self(()))
        }
    }

    /// Makes `$kernel` a kernel of a type.
    macro_rules! fused {
        ($kernel:ty, $features:literal, $type:ty, $rows:literal, $columns:literal) => {
            impl Kernel<$type> for $kernel {
                const TILE: (usize, usize) = ($rows, $columns);
                #[expect(
                    unsafe_code,
                    reason = "there is no kernel of this type unless the processor was asked"
                )]
                fn tile(
                    self,
                    inner: usize,
                    left: &[$type],
                    right: &[$type],
                    product: &mut [$type; TILE_MAX],
                ) {
                    tile!(
                        #[target_feature(enable = $features)]
                        add_up,
                        $type,
                        $rows,
                        $columns,
                        |a, b, c| a.mul_add(b, c)
                    );
                    // SAFETY: the features are there, for `found` has made `self`.
                    unsafe { add_up(inner, left, right, product) };
                }
            }
        };
    }

    fused!(Avx2, "avx2,fma", f64, 6, 8);
    fused!(Avx2, "avx2,fma", f32, 6, 16);
    fused!(Avx512, "avx512f", f64, 12, 16);
    fused!(Avx512, "avx512f", f32, 12, 32);
}

/// Makes matrices of a type multiply by the first of the kernels that the processor has.
macro_rules! multiply {
    ($type:ty, [$($kernel:ty),*], |$a:ident, $b:ident| $sum:expr) => {
        impl Multiply for $type {
            fn multiply(
                left: Factor<'_, $type>,
                right: Factor<'_, $type>,
                inner: usize,
                target: &mut Target<'_, $type>,
            ) {
                $(
                    #[cfg(target_arch = "x86_64")]
                    if let Some(kernel) = <$kernel>::found() {
                        return multiply_by(kernel, left, right, inner, target);
                    }
                )*
                multiply_by(Portable, left, right, inner, target);
            }
            fn plus(self, other: $type) -> $type {
                let ($a, $b) = (self, other);
                $sum
            }
        }
    };
}

multiply!(f64, [x86::Avx512, x86::Avx2], |a, b| a + b);
multiply!(f32, [x86::Avx512, x86::Avx2], |a, b| a + b);
multiply!(i64, [], |a, b| a.wrapping_add(b));
multiply!(u64, [], |a, b| a.wrapping_add(b));
multiply!(Complex<f64>, [], |a, b| a + b);

#[cfg(test)]
mod tests {
    use super::super::gemm::multiply_in_strips;
    use super::*;

    /// Sizes around those of tiles, packed rows and packed columns: rows, columns, inner.
    const SIZES: [[usize; 3]; 5] = [
        [1, 1, 1],
        [5, 7, 3],
        [13, 33, 385],
        [75, 1030, 40],
        [25, 17, 0],
    ];

    /// Small whole numbers, whose sums of products are exact in every type.
    fn numbers<T: From<u8>>(count: usize, step: usize) -> Vec<T> {
        let of = |at: usize| T::from(u8::try_from(at * step % 11).unwrap());
        (0..count).map(of).collect()
    }

    /// The product as its definition has it, onto ones.
    fn expected<T: Multiply + From<u8> + std::ops::Mul<Output = T>>(
        [rows, columns, inner]: [usize; 3],
        left: &[T],
        right: &[T],
    ) -> Vec<T> {
        let sum = |row: usize, column: usize| {
            (0..inner).fold(T::from(1), |sum, k| {
                sum.plus(left[row * inner + k] * right[k * columns + column])
            })
        };
        (0..rows * columns)
            .map(|at| sum(at / columns, at % columns))
            .collect()
    }

    fn check<T: Multiply + From<u8> + std::ops::Mul<Output = T>>(
        multiply: impl Fn(Factor<'_, T>, Factor<'_, T>, usize, &mut Target<'_, T>),
    ) {
        for [rows, columns, inner] in SIZES {
            let left = numbers::<T>(rows * inner, 7);
            let right = numbers::<T>(inner * columns, 5);
            let mut elements = vec![T::from(1); rows * columns];
            let mut target = Target {
                elements: &mut elements,
                row_step: columns,
                rows,
                columns,
            };
            let left_factor = Factor {
                elements: &left,
                row_step: inner,
                column_step: 1,
            };
            let right_factor = Factor {
                elements: &right,
                row_step: columns,
                column_step: 1,
            };
            multiply(left_factor, right_factor, inner, &mut target);
            assert_eq!(elements, expected([rows, columns, inner], &left, &right));
        }
    }

    #[test]
    fn every_kernel_multiplies() {
        check::<f64>(|left, right, inner, to| multiply_by(Portable, left, right, inner, to));
        check::<f32>(|left, right, inner, to| multiply_by(Portable, left, right, inner, to));
        #[cfg(target_arch = "x86_64")]
        if let Some(kernel) = x86::Avx2::found() {
            check::<f64>(|left, right, inner, to| multiply_by(kernel, left, right, inner, to));
            check::<f32>(|left, right, inner, to| multiply_by(kernel, left, right, inner, to));
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(kernel) = x86::Avx512::found() {
            check::<f64>(|left, right, inner, to| multiply_by(kernel, left, right, inner, to));
            check::<f32>(|left, right, inner, to| multiply_by(kernel, left, right, inner, to));
        }
    }

    #[test]
    fn strips_on_threads_multiply() {
        for threads in [1, 2, 3, 8] {
            check::<f64>(|left, right, inner, to| {
                multiply_in_strips(threads, left, right, inner, to);
            });
        }
    }
}

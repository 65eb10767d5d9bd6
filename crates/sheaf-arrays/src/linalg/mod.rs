//! Linear algebra.

mod contract;
mod dense;
mod diagonal;
mod field;
mod gemm;
mod kernels;
mod matmul;
mod orthogonal;
mod solve;

pub use contract::{dot, einsum, outer, tensordot};
pub use diagonal::{diagonal, trace};
pub use matmul::matmul;
pub use orthogonal::{Qr, Svd, lstsq, qr, svd, svd_compressed};
pub use solve::{cholesky, inverse, solve};

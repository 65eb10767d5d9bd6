//! Linear algebra: products of matrices.

mod gemm;
mod matmul;

pub use matmul::matmul;

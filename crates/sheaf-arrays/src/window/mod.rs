//! Functions of whole chunks and of neighbourhoods, and Fourier transforms.

mod blocks;
mod fft;
mod plan;
mod sliding;
mod stencil;

pub use blocks::{BlockKernel, Boundary, map_blocks, map_overlap};
pub use fft::{Fft, fft, fftn};
pub use sliding::{neighbour, sliding_window};
pub use stencil::stencil;

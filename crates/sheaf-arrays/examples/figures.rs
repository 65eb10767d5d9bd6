//! How long a few operations take: mean, deviation, row sums and products of 10,000² floats in chunks of
//! 2,000² from the generator, on two threads. `cargo run --release -p sheaf-arrays --example figures`.

#![expect(clippy::print_stdout, reason = "a program that prints figures")]

use std::sync::Arc;
use std::time::Instant;

use sheaf_arrays::*;
use sheaf_base::{ByteCount, Result};

fn main() -> Result<()> {
    let side = std::env::args()
        .nth(1)
        .and_then(|side| side.parse().ok())
        .unwrap_or(10_000);
    let limit = std::env::args()
        .nth(2)
        .and_then(|limit| limit.parse().ok())
        .unwrap_or(600);
    let scratch = ScratchDirectory::new(std::env::temp_dir(), ByteCount(1 << 40));
    let memory = Arc::new(FixedMemory::new(limit << 20));
    let scratch: Arc<dyn Scratch> = Arc::new(scratch);
    let even = Distribution::Uniform {
        low: 0.0,
        high: 1.0,
    };
    let chunk = (side / 5).clamp(1, 2000);
    let grid = Grid::regular(&[side, side], &[chunk, chunk], DType::Float64)?;
    let x = random(grid, even, 42)?;
    let rows = ReduceOptions {
        axes: Some(vec![1]),
        ..ReduceOptions::default()
    };
    let all = ReduceOptions::default();
    let product = matmul(&transpose(&x, None)?, &x)?;
    let other = matmul(&x, &rechunk(&x, &[chunk, chunk])?)?;
    let arrays = [
        ("mean", reduce(&x, Reduction::Mean, &all)?),
        ("std", reduce(&x, Reduction::Std, &all)?),
        ("row sums", reduce(&x, Reduction::Sum, &rows)?),
        ("quantile", quantile(&x, 0.5, &all)?),
        ("xT @ x", product),
        ("x @ y", other),
    ];
    for (name, array) in arrays {
        let used: Arc<dyn Memory> = Arc::clone(&memory) as _;
        let context = Context::new(used, Arc::clone(&scratch), 2);
        let start = Instant::now();
        let grid = array.grid();
        let mut first = None;
        context.in_order(
            usize::try_from(grid.chunks()).unwrap_or(0),
            usize::try_from(grid.chunk_bytes_max()).unwrap_or(0),
            |number, context| array.chunk(&grid.chunk_at(number as u64), context),
            |_, chunk| {
                first.get_or_insert(chunk.get(&vec![0; chunk.shape().len()]));
                Ok(())
            },
        )?;
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{name:10} {seconds:8.3} s, peak {} MB, {first:?}",
            memory.peak() >> 20
        );
    }
    Ok(())
}

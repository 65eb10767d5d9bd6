//! Limits, cancellation, and what the documentation promises of results. What operations compute is
//! compared with NumPy: `examples/numpy`.

mod files;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use sheaf_base::{ByteCount, ErrorKind, Result};

use crate::*;

fn context(memory: usize, threads: usize) -> (Context, Arc<FixedMemory>) {
    let memory = Arc::new(FixedMemory::new(memory));
    let scratch = ScratchDirectory::new(std::env::temp_dir(), ByteCount(1 << 30));
    let used: Arc<dyn Memory> = Arc::clone(&memory) as _;
    (Context::new(used, Arc::new(scratch), threads), memory)
}

fn uniform(shape: &[u64], chunk: &[u64]) -> Array {
    let grid = Grid::regular(shape, chunk, DType::Float64).unwrap();
    let even = Distribution::Uniform {
        low: 0.0,
        high: 1.0,
    };
    random(grid, even, 42).unwrap()
}

fn value(array: &Array, context: &Context) -> f64 {
    let tensor = array.load(context).unwrap();
    tensor.get(&[]).unwrap().as_f64()
}

fn reduced(array: &Array, reduction: Reduction) -> Array {
    reduce(array, reduction, &ReduceOptions::default()).unwrap()
}

/// The first numbers of SplitMix64 from 1234567 on, as its authors' code prints them.
#[test]
fn random_numbers_are_splitmix64() {
    let (context, _) = context(1 << 20, 1);
    let grid = Grid::regular(&[5], &[2], DType::Float64).unwrap();
    let even = Distribution::Uniform {
        low: 0.0,
        high: 1.0,
    };
    let array = random(grid, even, 1_234_567).unwrap();
    let expected = [
        6_457_827_717_110_365_317u64,
        3_203_168_211_198_807_973,
        9_817_491_932_198_370_423,
        4_593_380_528_125_082_431,
        16_408_922_859_458_223_821,
    ];
    let found = array.load(&context).unwrap();
    for (at, bits) in expected.iter().enumerate() {
        let unit = (bits >> 11) as f64 / (1u64 << 53) as f64;
        assert_eq!(found.get(&[at]), Some(Scalar::Float(unit)));
    }
}

/// Moments that follow from the distributions, within five standard errors.
#[test]
fn distributions_have_their_moments() {
    let (context, _) = context(64 << 20, 2);
    let count = 40_000.0f64;
    let cases = [
        (
            Distribution::Uniform {
                low: -1.0,
                high: 3.0,
            },
            1.0,
            16.0 / 12.0,
        ),
        (
            Distribution::Normal {
                mean: 2.0,
                deviation: 3.0,
            },
            2.0,
            9.0,
        ),
        (Distribution::Exponential { scale: 2.0 }, 2.0, 4.0),
        (Distribution::Integers { low: -3, high: 8 }, 2.0, 10.0),
        (Distribution::Poisson { rate: 3.5 }, 3.5, 3.5),
        (Distribution::Poisson { rate: 250.0 }, 250.0, 250.0),
    ];
    for (distribution, mean, variance) in cases {
        let grid = Grid::regular(&[200, 200], &[70, 90], DType::Float64).unwrap();
        let array = random(grid, distribution, 7).unwrap();
        let found = value(&reduced(&array, Reduction::Mean), &context);
        assert!(
            (found - mean).abs() < 5.0 * (variance / count).sqrt(),
            "{distribution:?}: {found}"
        );
        let found = value(&reduced(&array, Reduction::Var), &context);
        assert!(
            (found / variance - 1.0).abs() < 0.06,
            "{distribution:?}: {found}"
        );
    }
}

#[test]
fn chunks_do_not_show_in_random_numbers() {
    let (context, _) = context(64 << 20, 2);
    let one = uniform(&[60, 50], &[60, 50]).load(&context).unwrap();
    let many = uniform(&[60, 50], &[7, 11]).load(&context).unwrap();
    assert_eq!(one.view::<f64>(), many.view::<f64>());
}

#[test]
fn threads_do_not_show_in_sums() {
    let array = shelved(&unary(UnaryOp::Sqrt, &uniform(&[300, 200], &[30, 40])).unwrap());
    let product = matmul(&transpose(&array, None).unwrap(), &array).unwrap();
    let results: Vec<f64> = [1, 2, 5]
        .into_iter()
        .map(|threads| {
            value(
                &reduced(&product, Reduction::Std),
                &context(64 << 20, threads).0,
            )
        })
        .collect();
    assert_eq!(results[0].to_bits(), results[1].to_bits());
    assert_eq!(results[0].to_bits(), results[2].to_bits());
}

/// 960 kB in other chunks, and its symmetric product, inside 800 kB.
#[test]
fn arrays_larger_than_memory_are_rechunked_and_multiplied() {
    let (context, memory) = context(800_000, 2);
    let source = unary(UnaryOp::Negative, &uniform(&[400, 300], &[40, 30])).unwrap();
    let dear = shelved(
        &reduce(
            &expand_dims(&source, &[0]).unwrap(),
            Reduction::Sum,
            &ReduceOptions {
                axes: Some(vec![0]),
                ..ReduceOptions::default()
            },
        )
        .unwrap(),
    );
    let other = rechunk(&dear, &[13, 300]).unwrap();
    let difference = binary(BinaryOp::Subtract, &other, &source).unwrap();
    assert_eq!(
        value(&reduced(&difference, Reduction::Norm(2.0)), &context),
        0.0
    );
    // The trace of xT @ x is the sum of the squares of x.
    let product = matmul(&transpose(&dear, None).unwrap(), &dear).unwrap();
    let grid = Grid::regular(&[300, 300], &[30, 30], DType::Float64).unwrap();
    let diagonal = binary(BinaryOp::Multiply, &product, &eye(grid, 0).unwrap()).unwrap();
    let trace = value(&reduced(&diagonal, Reduction::Sum), &context);
    let norm = value(&reduced(&source, Reduction::Norm(2.0)), &context);
    assert!((trace / (norm * norm) - 1.0).abs() < 1e-13);
    assert!(memory.peak() <= 800_000);
    drop(context);
    assert_eq!(memory.left(), memory.limit());
}

/// Products of 128 × 128 numbers in chunks of 8 kB, chunk by chunk inside the bytes of 12 of them: of the
/// numbers 128 i + j with ones, the sums of rows, and with their own transpose.
#[test]
fn products_need_the_memory_of_a_few_chunks() {
    let (context, memory) = context(12 * 8192, 1);
    let numbers: Vec<f64> = (0..128 * 128).map(f64::from).collect();
    let numbers = Tensor::from_vec(&[128, 128], numbers).unwrap();
    let numbers = from_tensor(numbers, &[32, 32]).unwrap();
    let ones = Tensor::from_vec(&[128, 128], vec![1.0f64; 128 * 128]).unwrap();
    let ones = from_tensor(ones, &[32, 32]).unwrap();
    let sums = matmul(&numbers, &ones).unwrap();
    let squares = matmul(&numbers, &transpose(&numbers, None).unwrap()).unwrap();
    // The sums of j and of its squares over 0 to 127.
    let (first, second) = (8128.0, 690_880.0);
    for number in 0..16u64 {
        let at = sums.grid().chunk_at(number);
        let sums = sums.chunk(&at, &context).unwrap();
        let squares = squares.chunk(&at, &context).unwrap();
        for row in 0..32usize {
            for column in 0..32usize {
                let i = f64::from(at[0]) * 32.0 + row as f64;
                let k = f64::from(at[1]) * 32.0 + column as f64;
                let sum = 128.0 * 128.0 * i + first;
                assert_eq!(sums.get(&[row, column]), Some(Scalar::Float(sum)));
                let square = 128.0 * 128.0 * 128.0 * i * k + 128.0 * (i + k) * first + second;
                assert_eq!(squares.get(&[row, column]), Some(Scalar::Float(square)));
            }
        }
    }
    assert!(memory.peak() <= 12 * 8192);
}

#[test]
fn a_nan_stays_in_norms_whatever_follows() {
    let (context, _) = context(1 << 20, 1);
    for order in [f64::INFINITY, f64::NEG_INFINITY, 0.5, 1.0, 2.0] {
        for values in [[f64::NAN, 1.0, 2.0], [1.0, f64::NAN, 0.5]] {
            let tensor = Tensor::from_vec(&[3], values.to_vec()).unwrap();
            for chunk in 1..=3 {
                let array = from_tensor(tensor.clone(), &[chunk]).unwrap();
                let norm = reduced(&array, Reduction::Norm(order));
                assert!(value(&norm, &context).is_nan(), "{order} {values:?}");
            }
        }
    }
}

#[test]
fn a_chunk_that_does_not_fit_says_what_would() {
    let (context, _) = context(1 << 20, 1);
    let error = uniform(&[2000, 2000], &[2000, 2000])
        .chunk(&[0, 0], &context)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Resource);
    assert!(
        error.message().contains("(2000, 2000) float64 (32.0 MB)"),
        "{error}"
    );
    assert!(
        error
            .hint()
            .unwrap()
            .contains("chunks of (128, 128) would fit"),
        "{:?}",
        error.hint()
    );
}

#[test]
fn errors_name_shapes_and_axes() {
    let (a, b) = (uniform(&[100, 30], &[10, 30]), uniform(&[40, 5], &[40, 5]));
    let message = |result: Result<Array>| result.unwrap_err().message().to_owned();
    assert_eq!(
        message(matmul(&a, &b)),
        "array_matmul: inner sizes differ: (100, 30) × (40, 5)"
    );
    assert_eq!(
        message(binary(BinaryOp::Add, &a, &b)),
        "array_map: shapes do not go together: (100, 30) and (40, 5)"
    );
    assert_eq!(
        message(transpose(&a, Some(&[0, 2]))),
        "array_transpose: there is no axis 2 in an array of 2 axes"
    );
    assert_eq!(
        message(reshape(&a, &[7, -1])),
        "array_reshape: an array of shape (100, 30) has 3000 elements, which do not make the shape (7, -1)"
    );
    let empty = uniform(&[5, 0], &[5, 1]);
    assert_eq!(
        message(reduce(
            &empty,
            Reduction::Min,
            &ReduceOptions {
                axes: Some(vec![1]),
                ..ReduceOptions::default()
            }
        )),
        "array_reduce 'min': an array of shape (5, 0) has no elements along axes (1,)"
    );
}

#[test]
fn a_reader_stops_when_it_is_told_to() {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&calls);
    let (context, _) = context(64 << 20, 2);
    let context = context.stopped_by(move || seen.fetch_add(1, Ordering::Relaxed) > 20);
    let array = uniform(&[4000, 4000], &[100, 100]);
    let error = reduced(&array, Reduction::Sum).load(&context).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(calls.load(Ordering::Relaxed) < 100);
}

#[test]
fn blocks_go_through_arrow_and_back() {
    let (context, _) = context(1 << 20, 1);
    for dtype in DType::all() {
        let array = cast(&uniform(&[6, 5], &[6, 5]), dtype);
        let tensor = array.load(&context).unwrap();
        let column = tensor.clone().into_arrow(&context).unwrap();
        assert_eq!(column.data_type(), &dtype.arrow_type());
        let back = Tensor::from_arrow(column, &[6, 5], Scalar::ZERO).unwrap();
        assert_eq!(back.dtype(), dtype);
        for at in 0..30 {
            let at = [at / 5, at % 5];
            assert_eq!(back.get(&at), tensor.get(&at));
        }
    }
}

/// Two have the elements, and there is room for one.
#[test]
fn elements_that_others_have_too_become_arrow_without_a_copy() {
    let (context, _) = context(8_000, 1);
    let tensor = uniform(&[1_000], &[1_000]).load(&context).unwrap();
    let values = tensor.clone().into_arrow(&context).unwrap();
    let values = values.as_primitive::<Float64Type>().values();
    let own = tensor.view::<f64>().unwrap();
    assert_eq!(values.as_ptr(), own.as_ptr());
    assert_eq!(values.len(), own.len());
}

/// A reader that breaks down ends the reading; nobody waits for it.
#[test]
#[should_panic(expected = "a scoped thread panicked")]
fn a_thread_that_breaks_down_is_not_waited_for() {
    let (context, _) = context(1 << 20, 2);
    let work = |number: usize, _: &Context| match number {
        3 => panic!("broken"),
        number => Ok(number),
    };
    let error = context.all(10, 1, work).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

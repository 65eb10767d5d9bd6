//! Arrays that are made of nothing, and such that are read from files.

use arrow::array::{Array as _, ArrayRef, AsArray};
use datafusion::common::ScalarValue;
use sheaf_arrays::{
    Array, Class, DType, Distribution, Grid, Scalar, Tensor, arange, automatic_chunk, eye,
    from_tensor, full, linspace, random, rechunk,
};
use sheaf_base::Result;

use super::{ArrayFunction, CHUNKS, DTYPE, Made, needed, optional, value};
use crate::arguments::{Arguments, Kind};

/// Bytes of a chunk where the user does not say.
use sheaf_arrays::CHUNK_BYTES_DEFAULT;

pub(super) static FUNCTIONS: &[ArrayFunction] = &[
    ArrayFunction {
        name: "array_random",
        syntax: "array_random(shape => […] [, chunks => […]] [, seed => n] [, distribution => 'uniform'] [, dtype => 'float64'] [, low =>, high =>, mean =>, std =>, rate =>, scale =>])",
        description: "Numbers drawn at random: uniform (low, high), normal (mean, std), integers (low, high), poisson (rate) or exponential (scale). The same seed gives the same numbers whatever the chunks.",
        example: "SELECT tensor_count(v) FROM array_random(shape => [100, 100], seed => 42)\n-- 10000",
        parameters: &[
            value("shape"),
            CHUNKS,
            optional("seed"),
            optional("distribution"),
            DTYPE,
            optional("low"),
            optional("high"),
            optional("mean"),
            optional("std"),
            optional("rate"),
            optional("scale"),
        ],
        make: random_numbers,
    },
    ArrayFunction {
        name: "array_full",
        syntax: "array_full(shape => […], value => x [, chunks => […]] [, dtype => …])",
        description: "An array whose elements all have one value.",
        example: "SELECT tensor_sum(v) FROM array_full(shape => [2, 3], value => 7)\n-- 42",
        parameters: &[value("shape"), value("value"), CHUNKS, DTYPE],
        make: |a| {
            let number = scalar(a, "value")?.unwrap_or(Scalar::ZERO);
            Ok(full(grid(a, a.dtype(number.dtype())?)?, number).into())
        },
    },
    ArrayFunction {
        name: "array_zeros",
        syntax: "array_zeros(shape => […] [, chunks => […]] [, dtype => 'float64'])",
        description: "An array of zeros.",
        example: "SELECT tensor_sum(v) FROM array_zeros(shape => [2, 3])\n-- 0.0",
        parameters: &[value("shape"), CHUNKS, DTYPE],
        make: |a| Ok(full(grid(a, a.dtype(DType::Float64)?)?, Scalar::ZERO).into()),
    },
    ArrayFunction {
        name: "array_ones",
        syntax: "array_ones(shape => […] [, chunks => […]] [, dtype => 'float64'])",
        description: "An array of ones.",
        example: "SELECT tensor_sum(v) FROM array_ones(shape => [2, 3])\n-- 6.0",
        parameters: &[value("shape"), CHUNKS, DTYPE],
        make: |a| Ok(full(grid(a, a.dtype(DType::Float64)?)?, Scalar::UInt(1)).into()),
    },
    ArrayFunction {
        name: "array_arange",
        syntax: "array_arange(stop) or array_arange(start, stop [, step]) [, dtype => …] [, chunks => n]",
        description: "Numbers from start (or 0) on, before stop, step apart.",
        example: "SELECT tensor_sum(v) FROM array_arange(0, 10, 3)\n-- 18",
        parameters: &[
            value("start"),
            optional("stop"),
            optional("step"),
            DTYPE,
            CHUNKS,
        ],
        make: numbers,
    },
    ArrayFunction {
        name: "array_linspace",
        syntax: "array_linspace(start, stop [, count => 50] [, endpoint => true] [, dtype => …] [, chunks => n])",
        description: "Numbers from start to stop, evenly apart.",
        example: "SELECT tensor_mean(v) FROM array_linspace(0, 1, 11)\n-- 0.5",
        parameters: &[
            value("start"),
            value("stop"),
            optional("count"),
            optional("endpoint"),
            DTYPE,
            CHUNKS,
        ],
        make: |a| {
            let (start, stop) = (
                a.float("start")?.unwrap_or(0.0),
                a.float("stop")?.unwrap_or(0.0),
            );
            let count = a.count("count")?.unwrap_or(50);
            let has_stop = a.value("endpoint").is_none() || a.flag("endpoint")?;
            let dtype = a.dtype(DType::Float64)?;
            Ok(linspace(
                start,
                stop,
                count,
                has_stop,
                dtype,
                line_chunk(a, count, dtype)?,
            )?
            .into())
        },
    },
    ArrayFunction {
        name: "array_eye",
        syntax: "array_eye(n [, columns => m] [, k => 0] [, chunks => […]] [, dtype => 'float64'])",
        description: "A matrix with ones on its k-th diagonal and zeros elsewhere.",
        example: "SELECT tensor_sum(v) FROM array_eye(5)\n-- 5.0",
        parameters: &[
            value("n"),
            optional("columns"),
            optional("k"),
            CHUNKS,
            DTYPE,
        ],
        make: |a| {
            let rows = a.count("n")?.unwrap_or(0);
            let shape = [rows, a.count("columns")?.unwrap_or(rows)];
            let grid = grid_of(a, &shape, a.dtype(DType::Float64)?)?;
            Ok(eye(grid, a.int("k")?.unwrap_or(0))?.into())
        },
    },
    ArrayFunction {
        name: "array_of",
        syntax: "array_of([…] [, shape => […]] [, dtype => …] [, chunks => […]])",
        description: "An array of the numbers in a list, in row-major order.",
        example: "SELECT tensor_max(v) FROM array_of([3, 1, 2])\n-- 3",
        parameters: &[value("values"), optional("shape"), DTYPE, CHUNKS],
        make: listed,
    },
    ArrayFunction {
        name: "read_zarr",
        syntax: "read_zarr('path' [, chunks => […]])",
        description: "The array that is stored in the Zarr format, version 2 or 3.",
        example: "SELECT tensor_mean(v) FROM read_zarr('x.zarr')",
        parameters: &[needed("path", Kind::File), CHUNKS],
        make: opened,
    },
    ArrayFunction {
        name: "read_npy",
        syntax: "read_npy('path' [, chunks => […]])",
        description: "The array in an npy file of NumPy's.",
        example: "SELECT tensor_mean(v) FROM read_npy('x.npy')",
        parameters: &[needed("path", Kind::File), CHUNKS],
        make: opened,
    },
    ArrayFunction {
        name: "read_npz",
        syntax: "read_npz('path' [, name => 'arr_0'] [, chunks => […]])",
        description: "An array of an npz archive of NumPy's.",
        example: "SELECT tensor_mean(v) FROM read_npz('x.npz', name => 'weights')",
        parameters: &[needed("path", Kind::File), optional("name"), CHUNKS],
        make: opened,
    },
    ArrayFunction {
        name: "read_npy_stack",
        syntax: "read_npy_stack('directory' [, axis => 0] [, chunks => […]])",
        description: "The array whose parts along an axis are the files 0.npy, 1.npy, … of a directory.",
        example: "SELECT tensor_mean(v) FROM read_npy_stack('stack')",
        parameters: &[needed("path", Kind::File), optional("axis"), CHUNKS],
        make: opened,
    },
    ArrayFunction {
        name: "read_hdf5",
        syntax: "read_hdf5('path', dataset => '/group/name' [, chunks => […]])",
        description: "A dataset of an HDF5 file.",
        example: "SELECT tensor_mean(v) FROM read_hdf5('x.h5', dataset => '/x')",
        parameters: &[needed("path", Kind::File), optional("dataset"), CHUNKS],
        make: opened,
    },
];

/// An array that has been opened, in other chunks if they are said.
fn opened(arguments: &mut Arguments<'_>) -> Result<Made> {
    let array = arguments.array("path")?;
    Ok(match arguments.counts("chunks")? {
        Some(chunks) => rechunk(&array, &full_chunks(&chunks, &array.shape()))?.into(),
        None => array.into(),
    })
}

/// One length for all axes, or one for each.
pub(super) fn full_chunks(chunks: &[u64], shape: &[u64]) -> Vec<u64> {
    match chunks {
        [one] => vec![*one; shape.len()],
        all => all.to_vec(),
    }
}

fn grid(arguments: &Arguments<'_>, dtype: DType) -> Result<Grid> {
    let shape = arguments.counts("shape")?.unwrap_or_default();
    grid_of(arguments, &shape, dtype)
}

/// `shape` in the chunks that are said, or else such as fit.
pub(super) fn grid_of(arguments: &Arguments<'_>, shape: &[u64], dtype: DType) -> Result<Grid> {
    match arguments.counts("chunks")? {
        Some(chunks) => Grid::regular(shape, &full_chunks(&chunks, shape), dtype),
        None => Grid::automatic(shape, dtype),
    }
}

fn line_chunk(arguments: &Arguments<'_>, count: u64, dtype: DType) -> Result<u64> {
    Ok(match arguments.counts("chunks")?.as_deref() {
        Some([chunk]) => *chunk,
        Some(_) => return Err(arguments.wrong("\"chunks\" is one number".to_owned())),
        None => automatic_chunk(&[count], dtype, CHUNK_BYTES_DEFAULT)
            .first()
            .copied()
            .unwrap_or(1),
    })
}

/// A number of whichever class.
pub(super) fn scalar(arguments: &Arguments<'_>, name: &str) -> Result<Option<Scalar>> {
    let Some(value) = arguments.value(name) else {
        return Ok(None);
    };
    Ok(Some(match value {
        ScalarValue::Boolean(Some(flag)) => Scalar::Bool(*flag),
        ScalarValue::UInt64(Some(number)) => Scalar::UInt(*number),
        other if other.data_type().is_integer() => Scalar::Int(arguments.int(name)?.unwrap_or(0)),
        _ => Scalar::Float(arguments.float(name)?.unwrap_or(0.0)),
    }))
}

fn random_numbers(arguments: &mut Arguments<'_>) -> Result<Made> {
    let number =
        |name: &str, default: f64| -> Result<f64> { Ok(arguments.float(name)?.unwrap_or(default)) };
    let name = arguments
        .text("distribution")?
        .unwrap_or_else(|| "uniform".to_owned());
    let (distribution, default) = match name.to_lowercase().as_str() {
        "uniform" => {
            let (low, high) = (number("low", 0.0)?, number("high", 1.0)?);
            (Distribution::Uniform { low, high }, DType::Float64)
        }
        "normal" => {
            let (mean, deviation) = (number("mean", 0.0)?, number("std", 1.0)?);
            (Distribution::Normal { mean, deviation }, DType::Float64)
        }
        "integers" => {
            let high = arguments
                .int("high")?
                .ok_or_else(|| arguments.wrong("it needs \"high\"".to_owned()))?;
            let low = arguments.int("low")?.unwrap_or(0);
            (Distribution::Integers { low, high }, DType::Int64)
        }
        "poisson" => (
            Distribution::Poisson {
                rate: number("rate", 1.0)?,
            },
            DType::Int64,
        ),
        "exponential" => (
            Distribution::Exponential {
                scale: number("scale", 1.0)?,
            },
            DType::Float64,
        ),
        other => {
            let error = arguments.wrong(format!("there is no distribution \"{other}\""));
            return Err(error.with_hint("uniform, normal, integers, poisson, exponential"));
        }
    };
    let grid = grid(arguments, arguments.dtype(default)?)?;
    let seed = arguments.int("seed")?.unwrap_or(0).cast_unsigned();
    Ok(random(grid, distribution, seed)?.into())
}

fn numbers(arguments: &mut Arguments<'_>) -> Result<Made> {
    let first = scalar(arguments, "start")?.unwrap_or(Scalar::ZERO);
    let (start, stop) = match scalar(arguments, "stop")? {
        Some(stop) => (first, stop),
        None => (Scalar::Int(0), first),
    };
    let step = scalar(arguments, "step")?.unwrap_or(Scalar::Int(1));
    let is_float = [start, stop, step]
        .iter()
        .any(|s| s.dtype().class() == Class::Float);
    let dtype = arguments.dtype(if is_float {
        DType::Float64
    } else {
        DType::Int64
    })?;
    let count = ((stop.as_f64() - start.as_f64()) / step.as_f64())
        .ceil()
        .max(0.0);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "more than there are is as much as there is"
    )]
    let count = count as u64;
    let chunk = line_chunk(arguments, count, dtype)?;
    Ok(arange(start, stop, step, dtype, chunk)?.into())
}

fn listed(arguments: &mut Arguments<'_>) -> Result<Made> {
    let mut shape = Vec::new();
    let mut items: ArrayRef = match arguments.value("values") {
        Some(ScalarValue::List(list)) => {
            shape.push(list.value(0).len() as u64);
            list.value(0)
        }
        _ => return Err(arguments.wrong("it needs a list of numbers".to_owned())),
    };
    while let Some(lists) = items.as_list_opt::<i32>() {
        let length = if lists.is_empty() {
            0
        } else {
            lists.value_length(0)
        };
        if lists.null_count() > 0 || (0..lists.len()).any(|row| lists.value_length(row) != length) {
            return Err(arguments.wrong("the lists are not of one length".to_owned()));
        }
        shape.push(u64::try_from(length).unwrap_or(0));
        let inner = lists.values().slice(
            usize::try_from(lists.value_offsets()[0]).unwrap_or(0),
            lists.len() * usize::try_from(length).unwrap_or(0),
        );
        items = inner;
    }
    if items.data_type().is_decimal() {
        items = arrow::compute::cast(&items, &arrow::datatypes::DataType::Float64)?;
    }
    let lengths = shape
        .iter()
        .map(|&length| usize::try_from(length).unwrap_or(usize::MAX));
    let lengths: Vec<usize> = lengths.collect();
    let tensor = Tensor::from_arrow(items, &lengths, Scalar::ZERO)
        .map_err(|error| error.with_context("array_of"))?;
    let array = from_tensor(tensor, &shape.iter().map(|&l| l.max(1)).collect::<Vec<_>>())?;
    let array = match arguments.text("dtype")? {
        Some(_) => sheaf_arrays::cast(&array, arguments.dtype(array.dtype())?),
        None => array,
    };
    shaped(arguments, array)
}

/// In the shape and the chunks that are said.
fn shaped(arguments: &Arguments<'_>, mut array: Array) -> Result<Made> {
    if let Some(shape) = arguments.ints("shape")? {
        array = sheaf_arrays::reshape(&array, &shape)?;
    }
    if let Some(chunks) = arguments.counts("chunks")? {
        array = rechunk(&array, &full_chunks(&chunks, &array.shape()))?;
    }
    Ok(array.into())
}

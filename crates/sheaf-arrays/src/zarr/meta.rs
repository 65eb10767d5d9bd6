//! Descriptions of arrays that are read: `.zarray` of version 2, `zarr.json` of version 3.

use serde_json::Value;
use sheaf_base::{Result, SheafError};

use super::codec::{Chain, Packing, Sharding};
use crate::dtype::{Class, DType, Scalar};

/// What a description says.
#[derive(Debug, Clone)]
pub(super) struct Meta {
    pub(super) shape: Vec<u64>,
    /// Of chunks, or of shards.
    pub(super) chunks: Vec<u64>,
    pub(super) dtype: DType,
    pub(super) fill: Scalar,
    pub(super) codecs: Chain,
    pub(super) sharding: Option<Sharding>,
    pub(super) names: Option<Vec<Option<String>>>,
    /// What stands in front of the coordinates in keys, and between them.
    prefix: Option<&'static str>,
    separator: &'static str,
}

impl Meta {
    /// The key of the object at `coordinates`.
    pub(super) fn key(&self, coordinates: &[u32]) -> String {
        let numbers = coordinates.iter().map(ToString::to_string);
        let parts: Vec<String> = self
            .prefix
            .map(str::to_owned)
            .into_iter()
            .chain(numbers)
            .collect();
        match parts.is_empty() {
            true => "0".to_owned(),
            false => parts.join(self.separator),
        }
    }
}

fn wrong(what: impl std::fmt::Display) -> SheafError {
    SheafError::data(format!("the description of the array is wrong: {what}"))
}

fn parsed(text: &[u8]) -> Result<Value> {
    serde_json::from_slice(text).map_err(wrong)
}

fn lengths(value: &Value, key: &str) -> Result<Vec<u64>> {
    let list = value[key]
        .as_array()
        .ok_or_else(|| wrong(format!("it has no {key}")))?;
    let numbers: Option<Vec<u64>> = list.iter().map(Value::as_u64).collect();
    numbers.ok_or_else(|| wrong(format!("{key} are no lengths")))
}

/// Reads a description of version 2.
pub(super) fn v2(text: &[u8]) -> Result<Meta> {
    let value = parsed(text)?;
    let code = value["dtype"]
        .as_str()
        .ok_or_else(|| wrong("it has no simple dtype"))?;
    // NumPy's, of which version 2 has the codes.
    let (dtype, is_big_endian) = DType::of_code(code).ok_or_else(|| {
        SheafError::unsupported(format!("elements of type {code:?} are not supported"))
    })?;
    if value["filters"]
        .as_array()
        .is_some_and(|filters| !filters.is_empty())
    {
        return Err(SheafError::unsupported(
            "Zarr arrays with filters are not read",
        ));
    }
    let packings = match &value["compressor"] {
        Value::Null => Vec::new(),
        packing => vec![packing_of(packing["id"].as_str().unwrap_or(""))?],
    };
    let shape = lengths(&value, "shape")?;
    let is_turned = value["order"].as_str() == Some("F");
    Ok(Meta {
        chunks: lengths(&value, "chunks")?,
        dtype,
        fill: fill_of(&value["fill_value"], dtype)?,
        codecs: Chain {
            order: is_turned.then(|| (0..shape.len()).rev().collect()),
            is_big_endian,
            packings,
            level: 0,
            packs_noise: false,
        },
        sharding: None,
        names: None,
        prefix: None,
        separator: separator(value["dimension_separator"].as_str(), ".")?,
        shape,
    })
}

/// What stands between the coordinates in keys. Others than these two would lead anywhere.
fn separator(given: Option<&str>, default: &'static str) -> Result<&'static str> {
    match given {
        None => Ok(default),
        Some("/") => Ok("/"),
        Some(".") => Ok("."),
        Some(other) => Err(wrong(format!("{other:?} is no separator of keys"))),
    }
}

fn packing_of(name: &str) -> Result<Packing> {
    Ok(match name {
        "gzip" => Packing::Gzip,
        "zlib" => Packing::Zlib,
        "zstd" => Packing::Zstd,
        "blosc" => Packing::Blosc,
        "lz4" => Packing::Lz4,
        "crc32c" => Packing::Crc32c,
        other => {
            return Err(SheafError::unsupported(format!(
                "chunks that are packed with {other:?} are not read"
            ))
            .with_hint("known are gzip, zlib, zstd, blosc, lz4 and crc32c"));
        }
    })
}

/// Reads a description of version 3.
pub(super) fn v3(text: &[u8]) -> Result<Meta> {
    let value = parsed(text)?;
    if value["node_type"].as_str() != Some("array") {
        return Err(wrong("it is not that of an array"));
    }
    let dtype: DType = value["data_type"]
        .as_str()
        .ok_or_else(|| wrong("it has no simple data_type"))?
        .parse()?;
    let shape = lengths(&value, "shape")?;
    let grid = &value["chunk_grid"];
    if grid["name"].as_str() != Some("regular") {
        return Err(SheafError::unsupported(
            "Zarr arrays are read in regular chunks only",
        ));
    }
    let encoding = &value["chunk_key_encoding"];
    let given = encoding["configuration"]["separator"].as_str();
    let (prefix, separator) = match encoding["name"].as_str() {
        Some("v2") => (None, separator(given, ".")?),
        _ => (Some("c"), separator(given, "/")?),
    };
    let codecs = value["codecs"]
        .as_array()
        .ok_or_else(|| wrong("it has no codecs"))?;
    let (codecs, sharding) = chain(codecs, shape.len())?;
    let chunks = lengths(&grid["configuration"], "chunk_shape")?;
    if let Some(sharding) = &sharding {
        let divides = |(all, one): (&u64, &u64)| *one > 0 && all.is_multiple_of(*one);
        let fits = sharding.chunks.len() == chunks.len();
        if !fits || !chunks.iter().zip(&sharding.chunks).all(divides) {
            return Err(wrong("shards are not made of whole chunks"));
        }
    }
    let names = value["dimension_names"].as_array().map(|names| {
        names
            .iter()
            .map(|name| name.as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    });
    Ok(Meta {
        chunks,
        fill: fill_of(&value["fill_value"], dtype)?,
        dtype,
        codecs,
        sharding,
        names: names.filter(|names| names.len() == shape.len()),
        prefix,
        separator,
        shape,
    })
}

fn chain(codecs: &[Value], rank: usize) -> Result<(Chain, Option<Sharding>)> {
    let mut chain = Chain {
        order: None,
        is_big_endian: false,
        packings: Vec::new(),
        level: 0,
        packs_noise: false,
    };
    let mut sharding = None;
    for codec in codecs {
        let configuration = &codec["configuration"];
        match codec["name"].as_str().unwrap_or("") {
            "bytes" => chain.is_big_endian = configuration["endian"].as_str() == Some("big"),
            "transpose" => chain.order = Some(order_of(&configuration["order"], rank)?),
            "sharding_indexed" => {
                let inner = configuration["codecs"]
                    .as_array()
                    .ok_or_else(|| wrong("no codecs"))?;
                let (codecs, nested) = self::chain(inner, rank)?;
                if nested.is_some() || chain.order.is_some() {
                    return Err(SheafError::unsupported("shards within shards are not read"));
                }
                let index = configuration["index_codecs"].as_array();
                let has_checksum = index.is_some_and(|codecs| {
                    codecs
                        .iter()
                        .any(|codec| codec["name"].as_str() == Some("crc32c"))
                });
                sharding = Some(Sharding {
                    chunks: lengths(configuration, "chunk_shape")?,
                    codecs,
                    has_checksum,
                    index_at_end: configuration["index_location"].as_str() != Some("start"),
                });
            }
            name => chain.packings.push(packing_of(name)?),
        }
    }
    Ok((chain, sharding))
}

fn order_of(value: &Value, rank: usize) -> Result<Vec<usize>> {
    let numbers = value.as_array().and_then(|numbers| {
        let numbers = numbers
            .iter()
            .map(|number| usize::try_from(number.as_u64()?).ok());
        numbers.collect::<Option<Vec<usize>>>()
    });
    let order = numbers.ok_or_else(|| wrong("its axes have no order"))?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    match sorted == (0..rank).collect::<Vec<_>>() {
        true => Ok(order),
        false => Err(wrong("its axes have no order")),
    }
}

/// The value of elements that are nowhere stored; of none, zero.
fn fill_of(value: &Value, dtype: DType) -> Result<Scalar> {
    let float = |value: &Value| match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text => {
                let bits = u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()?;
                match dtype.to_real() {
                    DType::Float32 => u32::try_from(bits)
                        .ok()
                        .map(|bits| f32::from_bits(bits).into()),
                    _ => Some(f64::from_bits(bits)),
                }
            }
        },
        _ => None,
    };
    let fill = match (dtype.class(), value) {
        (_, Value::Null) => Some(Scalar::ZERO),
        (Class::Bool, value) => value
            .as_bool()
            .or(value.as_u64().map(|bit| bit != 0))
            .map(Scalar::Bool),
        (Class::Int, value) => value.as_i64().map(Scalar::Int),
        (Class::UInt, value) => value.as_u64().map(Scalar::UInt),
        (Class::Float, value) => float(value).map(Scalar::Float),
        (Class::Complex, Value::Array(parts)) => match parts.as_slice() {
            [re, im] => float(re)
                .zip(float(im))
                .map(|(re, im)| Scalar::Complex(num_complex::Complex { re, im })),
            _ => None,
        },
        (Class::Complex, value) => float(value).map(Scalar::Float),
    };
    fill.ok_or_else(|| wrong(format!("{value} is no fill of {dtype}")))
}

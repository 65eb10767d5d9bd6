//! Descriptions of arrays that are written.

use serde_json::{Value, json};

use super::codec::{Chain, Packing, Sharding};
use crate::dtype::{Class, DType};
use crate::grid::Grid;

/// The description of version 3: `chunks` are the lengths of chunks, or of shards.
pub(super) fn v3(
    grid: &Grid,
    chunks: &[u64],
    codecs: &Chain,
    sharding: Option<&Sharding>,
) -> Vec<u8> {
    let dtype = grid.dtype();
    let codecs = match sharding {
        None => steps(dtype, codecs),
        Some(sharding) => vec![json!({
            "name": "sharding_indexed",
            "configuration": {
                "chunk_shape": sharding.chunks,
                "codecs": steps(dtype, &sharding.codecs),
                "index_codecs": [
                    {"name": "bytes", "configuration": {"endian": "little"}},
                    {"name": "crc32c"},
                ],
                "index_location": "end",
            },
        })],
    };
    let mut value = json!({
        "zarr_format": 3,
        "node_type": "array",
        "shape": grid.shape(),
        "data_type": dtype.name(),
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill(dtype),
        "codecs": codecs,
        "attributes": {},
    });
    let names = grid.names();
    if names.iter().any(Option::is_some) {
        value["dimension_names"] = json!(names);
    }
    serde_json::to_vec_pretty(&value).unwrap_or_default()
}

/// The description of version 2, whose keys are `0.0`, `0.1`, ….
pub(super) fn v2(grid: &Grid, chunks: &[u64], codecs: &Chain) -> Vec<u8> {
    let dtype = grid.dtype();
    let compressor = match codecs.packings.first() {
        Some(Packing::Gzip) => json!({"id": "gzip", "level": codecs.level}),
        Some(_) => json!({"id": "zstd", "level": codecs.level, "checksum": false}),
        None => Value::Null,
    };
    let value = json!({
        "zarr_format": 2,
        "shape": grid.shape(),
        "chunks": chunks,
        "dtype": dtype.code(),
        "compressor": compressor,
        "fill_value": fill(dtype),
        "order": "C",
        "filters": null,
        "dimension_separator": ".",
    });
    serde_json::to_vec_pretty(&value).unwrap_or_default()
}

fn steps(dtype: DType, codecs: &Chain) -> Vec<Value> {
    let mut steps = vec![match dtype.bytes() {
        1 => json!({"name": "bytes"}),
        _ => json!({"name": "bytes", "configuration": {"endian": "little"}}),
    }];
    let level = codecs.level;
    for packing in &codecs.packings {
        steps.push(match packing {
            Packing::Gzip => json!({"name": "gzip", "configuration": {"level": level}}),
            _ => json!({"name": "zstd", "configuration": {"level": level, "checksum": false}}),
        });
    }
    steps
}

/// Zero: what is written has no element that is not there, so that it is never seen.
fn fill(dtype: DType) -> Value {
    match dtype.class() {
        Class::Bool => json!(false),
        Class::Int | Class::UInt => json!(0),
        Class::Float => json!(0.0),
        Class::Complex => json!([0.0, 0.0]),
    }
}

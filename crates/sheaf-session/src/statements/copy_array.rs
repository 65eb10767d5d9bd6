//! `COPY array TO 'target'` in the formats of arrays.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use sheaf_array_relations::{ArrayTable, written};
use sheaf_arrays::{
    Array, Context, Target, ZarrOptions, ZarrPacking, write_npy, write_npz, write_zarr,
};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_sql::CopySource;

use super::Running;
use crate::binder::table_factor;
use crate::result::QueryResult;

/// A format that holds one array.
struct Format {
    name: &'static str,
    /// The end of names of such files.
    extension: &'static str,
    /// The options that it takes.
    options: &'static [&'static str],
    write: fn(&Array, &Target, &Options, &Context) -> Result<()>,
}

/// The formats of arrays.
static FORMATS: &[Format] = &[
    Format {
        name: "zarr",
        extension: ".zarr",
        options: &[
            "overwrite",
            "compression",
            "compression_level",
            "version",
            "shards",
        ],
        write: |array, target, options, context| {
            let packing = match options.compression.as_deref() {
                None | Some("zstd") => ZarrPacking::Zstd,
                Some("gzip") => ZarrPacking::Gzip,
                Some("none") => ZarrPacking::Plain,
                Some(other) => return Err(unknown("compression", other, "zstd, gzip, none")),
            };
            let options = ZarrOptions {
                packing,
                level: options.level,
                version: options.version.unwrap_or(3),
                shards: options.shards.clone(),
            };
            write_zarr(array, target, &options, context)
        },
    },
    Format {
        name: "npy",
        extension: ".npy",
        options: &[],
        write: |array, target, _, context| write_npy(array, target, context),
    },
    Format {
        name: "npz",
        extension: ".npz",
        options: &["compression", "compression_level"],
        write: |array, target, options, context| {
            let is_deflated = match options.compression.as_deref() {
                None | Some("none") => false,
                Some("deflate") => true,
                Some(other) => return Err(unknown("compression", other, "deflate, none")),
            };
            let level = options
                .level
                .map(|level| u32::try_from(level).unwrap_or(u32::MAX));
            write_npz(array, target, is_deflated, level, context)
        },
    },
];

/// What the statement says of how to write.
#[derive(Default)]
struct Options {
    overwrite: bool,
    compression: Option<String>,
    level: Option<i32>,
    version: Option<u32>,
    shards: Option<Vec<u64>>,
}

fn unknown(option: &str, value: &str, known: &str) -> SheafError {
    SheafError::user(format!("there is no {option} \"{value}\" of arrays"))
        .with_state(SqlState::INVALID_PARAMETER_VALUE)
        .with_hint(format!("there are {known}"))
}

impl Options {
    fn read(format: &Format, given: &[(String, String)]) -> Result<Self> {
        let mut options = Self::default();
        for (name, value) in given {
            let wrong = || {
                SheafError::user(format!("the option {name} cannot be \"{value}\""))
                    .with_state(SqlState::INVALID_PARAMETER_VALUE)
            };
            if !format.options.contains(&name.as_str()) {
                return Err(SheafError::user(format!(
                    "the format {} has no option \"{name}\"",
                    format.name
                ))
                .with_state(SqlState::INVALID_PARAMETER_VALUE)
                .with_hint(match format.options {
                    [] => "it has none".to_owned(),
                    all => format!("its options are {}", all.join(", ")),
                }));
            }
            match name.as_str() {
                "overwrite" => options.overwrite = value.parse().map_err(|_| wrong())?,
                "compression" => options.compression = Some(value.to_lowercase()),
                "compression_level" => options.level = Some(value.parse().map_err(|_| wrong())?),
                "version" => options.version = Some(value.parse().map_err(|_| wrong())?),
                _ => {
                    let lengths = value.trim_matches(['[', ']']).split(',');
                    let lengths =
                        lengths.map(|length| length.trim().parse::<u64>().map_err(|_| wrong()));
                    options.shards = Some(lengths.collect::<Result<_>>()?);
                }
            }
        }
        Ok(options)
    }
}

/// The format that the statement names, or that the target's name tells, if it is one of arrays.
fn format_of(format: Option<&str>, target: &str) -> Option<&'static Format> {
    let target = target.trim_end_matches('/').to_lowercase();
    FORMATS.iter().find(|known| match format {
        Some(name) => known.name.eq_ignore_ascii_case(name),
        None => target.ends_with(known.extension),
    })
}

/// Whether the statement writes an array.
pub(super) fn is_array_copy(format: Option<&str>, target: &str) -> bool {
    format_of(format, target).is_some()
}

/// Writes the array; what comes of it is the number of its chunks.
pub(super) async fn run(
    running: Running<'_>,
    source: &CopySource,
    target: &str,
    format: Option<&str>,
    options: &[(String, String)],
) -> Result<QueryResult> {
    let format = format_of(format, target)
        .ok_or_else(|| SheafError::internal("the format holds no array"))?;
    let options = Options::read(format, options)?;
    let state = running.session.state_for(running.query);
    let binder = running.binder(&state);
    let source = match source {
        CopySource::Query(query) => binder.array_of_query(query).await,
        CopySource::Table(name) => binder.array_named(&table_factor(name.clone())).await,
    };
    let source = source
        .map_err(|error| error.with_detail(format!("the format {} holds arrays", format.name)))?;
    let is_file = format.extension != ".zarr";
    let place = running
        .session
        .array_target(target)?
        .overwriting(is_file || options.overwrite);
    let array = source.array;
    let chunks = array.grid().chunks();
    let write = format.write;
    let rows = written(format.name, chunks, move |context| {
        write(&array, &place, &options, context)
    });
    let table = ArrayTable::new(rows, source.cells);
    let plan = table.scan(&state, None, &[], None).await?;
    running
        .session
        .execute_physical(Arc::clone(&plan), &state, running.query)?
        .count("COPY")
        .await
}

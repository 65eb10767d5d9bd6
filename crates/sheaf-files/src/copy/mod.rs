//! `COPY … TO`: rows of a query into files, all of them or none.
//!
//! [`plan_copy`] puts a [`CopyExec`] over the physical plan of the query. When that plan's one
//! partition has run to its end, the files are in their place; if it fails, is cancelled or is
//! dropped, nothing is left behind and what was there before is untouched. A statement may
//! therefore write the file that it reads.
//!
//! What the target means: a name with a known extension is one file, which is replaced by a
//! rename; a directory, a name without extension or with PARTITIONED BY is a directory of files,
//! which must be empty or absent unless OVERWRITE or APPEND say more. The way of the rows:
//! [`files`](self) (partition directories, open files, memory) → [`encode`] (bytes) → sink (a
//! hidden file, or an upload) → commit. This module knows no SQL text and no catalogue.

mod by_partition;
pub mod encode;
mod encoder;
mod exec;
mod files;
mod hive;
mod options;
mod sink;
mod staging;
mod target;
#[cfg(test)]
mod tests;
mod uploads;

use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use sheaf_base::Result;

pub use by_partition::SortRows;
pub use exec::CopyExec;
pub use options::{COPY_OPTIONS, CopyOptionDecl, Existing, FileOptions};

use self::encode::{Encoding, TextCompression, WriteFormatDecl, write_format};
use crate::stores::{Location, StoreKind};

/// What a `COPY … TO` statement asks for.
#[derive(Debug, Clone)]
pub struct CopyRequest {
    /// The target. Its store is registered (`stores::ensure_store`).
    pub location: Location,
    /// The format the statement names; `None` if it leaves it to the options or the extension.
    pub format: Option<String>,
    /// Columns of PARTITIONED BY.
    pub partitioned_by: Vec<String>,
    /// Options in the statement's order; names in any case, values as text.
    pub options: Vec<(String, String)>,
    /// What sorts rows by their partitions where these are more than files may be open.
    pub sort: SortRows,
}

/// A plan with one partition and one row, `count UINT64`: when it has run to its end, the rows of
/// `input` are written and committed.
///
/// # Memory
/// Encoders and chunks are reserved in the pool of the task that runs the plan: per open file a
/// Parquet row group, or about 2 MiB of text; for uploads about 18 MiB.
/// # Errors
/// `UserInput` for an unknown format, option, or partition column, for a target that is there
/// already, or whose directory is not; `Unsupported` for a store that cannot be written.
pub async fn plan_copy(
    request: &CopyRequest,
    input: Arc<dyn ExecutionPlan>,
    session: &dyn Session,
) -> Result<Arc<dyn ExecutionPlan>> {
    let location = &request.location;
    let meaning = target::name_meaning(&location.path);
    let named = match &request.format {
        Some(name) => Some(write_format(name)?),
        None => options::format_option(&request.options)?,
    };
    let format = named
        .or(meaning.format)
        .ok_or_else(|| target::format_unknown(location))?;
    let (encoding, file_options) = options::read_options(
        format,
        meaning.compression,
        &request.partitioned_by,
        &request.options,
    )?;
    let layout = hive::HiveLayout::new(
        &input.schema(),
        &file_options.partition_columns,
        file_options.write_partition_columns,
    )?;
    // An encoder into nothing: types that the format cannot hold are refused before any work.
    encode::row_writer(&encoding, layout.schema(), Box::new(std::io::sink()))?;
    let store = match location.scheme.kind {
        StoreKind::Local | StoreKind::Http => None,
        _ => Some(session.runtime_env().object_store(&location.store_url)?),
    };
    // An extension that is not ours (`report.txt`) names a file only beside an explicit format.
    let mut meaning = meaning;
    meaning.has_extension &= meaning.format.is_some() || named.is_some();
    let target = target::resolve(location, meaning, &file_options, store).await?;
    let is_one_writer = target.is_single() || file_options.per_thread_output == Some(false);
    let spec = exec::CopySpec {
        text: location.text.clone(),
        format: format.name,
        extension: extension(format, &encoding),
        encoding,
        layout,
        target,
        existing: file_options.existing,
        file_bytes_max: file_options.file_bytes_max,
        sort: request.sort,
    };
    let input = if is_one_writer {
        one_partition(input)
    } else {
        input
    };
    Ok(Arc::new(CopyExec::new(input, Arc::new(spec))))
}

/// `.csv.gz`: what the names of a directory's files end in.
fn extension(format: &WriteFormatDecl, encoding: &Encoding) -> String {
    let compression = match encoding {
        Encoding::Csv(options) => options.compression,
        Encoding::Json(options) => options.compression,
        Encoding::Parquet(_) | Encoding::Arrow(_) | Encoding::Avro(_) => TextCompression::None,
    };
    let mut extension = format!(".{}", format.extensions.first().unwrap_or(&format.name));
    if compression != TextCompression::None {
        extension.push('.');
        extension.push_str(compression.extension());
    }
    extension
}

/// All partitions as one, in their order if they have one.
fn one_partition(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    if input.output_partitioning().partition_count() == 1 {
        return input;
    }
    match input.output_ordering().cloned() {
        Some(ordering) => Arc::new(SortPreservingMergeExec::new(ordering, input)),
        None => Arc::new(CoalescePartitionsExec::new(input)),
    }
}

//! What Parquet files say of themselves: schemas, rows, where row groups start.
//!
//! Footers go through the engine's metadata cache (bounded there, keyed by path, size and time), so
//! the scan that follows does not read them again.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::Statistics;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use futures::{StreamExt, TryStreamExt};
use parquet::file::metadata::ParquetMetaData;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::distinct::add_distinct;
use crate::infer::{LOOKED_AT_FILES_MAX, LOOKS_CONCURRENT_MAX, SAMPLE_FILES_MAX, evenly, unite};
use crate::listing::{FoundFile, Listing};
use crate::partition::{FileExtent, Split};
use crate::scan::named::name_error;
use crate::scan::variants::table_columns;
use crate::table::{RowGroup, Rows};

/// Footers that are read before planning where the columns are declared: they only serve estimates
/// then, and one that cannot be read is no error before the scan comes to it.
const DECLARED_FOOTERS_MAX: usize = 64;

/// Bytes fetched from a remote file's end at once, which hold most footers.
const FOOTER_BYTES_HINT: usize = 64 * 1024;

/// Bytes of the shortest Parquet file: two magics and a footer's length.
const PARQUET_BYTES_MIN: u64 = 12;

/// What the footers of a table's Parquet files say.
pub(super) struct Footers {
    pub(super) schema: SchemaRef,
    pub(super) files: Vec<Rows>,
    pub(super) extents: Vec<FileExtent>,
    /// How many footers were read.
    pub(super) looked_at: usize,
}

/// Reads the footers of all files, or of a choice if there are more than [`LOOKED_AT_FILES_MAX`].
/// With `declared` columns a few are enough.
///
/// # Errors
/// Names the file that is no Parquet file or is truncated.
pub(super) async fn read_footers(
    session: &dyn Session,
    listing: &Listing,
    declared: Option<&SchemaRef>,
    text_type: &DataType,
) -> Result<Footers> {
    let count = listing.files.len();
    let is_declared = declared.is_some();
    let chosen = match is_declared {
        true if count > DECLARED_FOOTERS_MAX => evenly(count, SAMPLE_FILES_MAX),
        true => (0..count).collect(),
        false => evenly(count, LOOKED_AT_FILES_MAX),
    };
    let found: Vec<Option<Found>> = futures::stream::iter(chosen)
        .map(|i| async move {
            match read_footer(session, listing, &listing.files[i]).await {
                Ok((schema, metadata)) => Ok(Some((i, schema, metadata))),
                Err(_) if is_declared => Ok(None),
                Err(error) => Err(error),
            }
        })
        .buffered(LOOKS_CONCURRENT_MAX)
        .try_collect()
        .await?;
    let found: Vec<Found> = found.into_iter().flatten().collect();
    let united = unite(found.iter().map(|(_, schema, _)| schema), text_type);
    let united = if *text_type == DataType::Utf8View {
        datafusion::datasource::physical_plan::parquet::transform_schema_to_view(&united)
    } else {
        united
    };
    let united = Arc::new(united.with_metadata(std::collections::HashMap::new()));
    let schema = declared.map_or(united, Arc::clone);
    let mut files = vec![Rows::Unknown; count];
    let mut extents: Vec<FileExtent> = listing
        .files
        .iter()
        .map(|file| FileExtent {
            bytes: file.meta.size,
            split: Split::Anywhere,
        })
        .collect();
    for (i, _, metadata) in &found {
        let groups = row_groups(metadata);
        extents[*i].split = Split::At(groups.iter().map(|group| group.start).collect());
        let mut statistics = DFParquetMetadata::statistics_from_parquet_metadata(metadata, &schema)
            .unwrap_or_else(|_| row_count_only(metadata, &schema));
        add_distinct(&mut statistics, &schema, metadata);
        files[*i] = Rows::Known(Arc::new(statistics), groups);
    }
    if found.len() < count {
        estimate_others(&mut files, listing, &found);
    }
    Ok(Footers {
        schema,
        files,
        extents,
        looked_at: found.len(),
    })
}

/// A footer: the file's place in the listing, its schema, all it says.
type Found = (usize, Schema, Arc<ParquetMetaData>);

async fn read_footer(
    session: &dyn Session,
    listing: &Listing,
    file: &FoundFile,
) -> Result<(Schema, Arc<ParquetMetaData>)> {
    if file.meta.size < PARQUET_BYTES_MIN {
        return Err(SheafError::data(format!(
            "{}: {} bytes are too few for a Parquet file",
            file.path, file.meta.size
        ))
        .with_state(SqlState::BAD_COPY_FILE_FORMAT)
        .with_hint("the file is truncated or not Parquet"));
    }
    let cache = session
        .runtime_env()
        .cache_manager
        .get_file_metadata_cache();
    let reader = DFParquetMetadata::new(listing.store.as_ref(), &file.meta)
        .with_metadata_size_hint(Some(FOOTER_BYTES_HINT))
        .with_file_metadata_cache(Some(cache));
    let named = |error| name_error(error, &file.path, "Parquet");
    let metadata = reader.fetch_metadata().await.map_err(named)?;
    // Through the format, so that options on text and INT96 hold.
    let options = session.default_table_options().parquet;
    let schema = ParquetFormat::default()
        .with_options(options)
        .with_force_view_types(false)
        .infer_schema(session, &listing.store, std::slice::from_ref(&file.meta))
        .await
        .map_err(named)?;
    let schema = table_columns(&schema, metadata.file_metadata().schema_descr());
    Ok((schema, metadata))
}

/// The row groups, each where the engine looks for it when it is given a range of bytes.
fn row_groups(metadata: &ParquetMetaData) -> Arc<[RowGroup]> {
    let filled = metadata
        .row_groups()
        .iter()
        .filter(|group| group.num_columns() > 0);
    let mut groups: Vec<RowGroup> = filled
        .map(|group| {
            let column = group.column(0);
            let start = column.dictionary_page_offset();
            let start = start.unwrap_or_else(|| column.data_page_offset());
            RowGroup {
                start: u64::try_from(start).unwrap_or(0),
                rows: u64::try_from(group.num_rows()).unwrap_or(0),
            }
        })
        .collect();
    groups.sort_unstable_by_key(|group| group.start);
    groups.into()
}

fn row_count_only(metadata: &ParquetMetaData, schema: &Schema) -> Statistics {
    let rows = usize::try_from(metadata.file_metadata().num_rows()).unwrap_or(0);
    Statistics::new_unknown(schema).with_num_rows(datafusion::common::stats::Precision::Exact(rows))
}

/// Gives the files whose footers were not read as many rows per byte as the others have.
fn estimate_others(files: &mut [Rows], listing: &Listing, found: &[Found]) {
    let rows: u64 = found
        .iter()
        .map(|(_, _, metadata)| u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(0))
        .sum();
    let bytes: u64 = found
        .iter()
        .map(|(i, _, _)| listing.files[*i].meta.size)
        .sum();
    for (known, file) in files.iter_mut().zip(&listing.files) {
        if matches!(known, Rows::Unknown) {
            let estimate = u128::from(file.meta.size) * u128::from(rows) / u128::from(bytes.max(1));
            *known = Rows::Estimated(u64::try_from(estimate).unwrap_or(u64::MAX));
        }
    }
}

//! The table over files: what planners ask, and the scans they get.

mod prune;
mod source;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result as EngineResult;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use object_store::ObjectMeta;
use object_store::local::LocalFileSystem;
use object_store::path::Path;

use self::prune::{is_about_partitions, prune};
use crate::formats::on_error::ErrorOptions;
use crate::formats::options::JsonFormat as Arrangement;
use crate::formats::{Compression, FormatDecl};
use crate::notation::Notation;
use crate::open::{PARTITION_COLUMN, PATH_COLUMN};
use crate::partition::{PartitionInfo, Stretch, distribute};
use crate::rejects::Rejects;
use crate::scan::FileLabel;
use crate::scan::bag::{BagColumn, Layout};
use crate::scan::csv::CsvLayout;
use crate::scan::known_columns::KnownColumns;
use crate::scan::typed::TypedKind;
use crate::scan::variants::VariantAdapters;

/// Rows up to which a LIMIT is read by one stream, in the files' order: more threads would only
/// read what is thrown away.
const ORDERED_LIMIT_ROWS_MAX: usize = 100_000;

/// How many rows a file has.
#[derive(Debug, Clone)]
pub(crate) enum Rows {
    Unknown,
    Estimated(u64),
    /// From its footer: statistics of its columns, and for each row group its place and rows.
    Known(Arc<Statistics>, Arc<[RowGroup]>),
}

/// A row group of a Parquet file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowGroup {
    /// The byte by which a range is found to hold it.
    pub(crate) start: u64,
    pub(crate) rows: u64,
}

/// A file of a table.
#[derive(Debug)]
pub(crate) struct TableFile {
    pub(crate) meta: ObjectMeta,
    pub(crate) path: Arc<str>,
    pub(crate) compression: Compression,
    /// Whether its whole name was given.
    pub(crate) is_named: bool,
    pub(crate) hive_values: Vec<ScalarValue>,
    pub(crate) rows: Rows,
}

/// How the files of a table are read.
#[derive(Debug)]
pub(crate) enum Reader {
    Csv {
        layout: CsvLayout,
        /// Whether files are read value by value.
        is_lenient: bool,
        /// Whether values hold line breaks, or records are long.
        has_long_records: bool,
        /// Whether the last column is that of rescued values.
        rescues: bool,
    },
    Json {
        arrangement: Arrangement,
        arrays: Arc<HashMap<Path, bool>>,
        text_paths: Arc<HashSet<String>>,
        is_strict: bool,
        /// Whether files are read value by value.
        is_lenient: bool,
        /// How texts are written.
        notation: Arc<Notation>,
        /// Whether the last column is that of rescued values.
        rescues: bool,
    },
    Text,
    Parquet,
    /// Arrow or Avro.
    Typed(TypedKind),
    Bag(BagReader),
}

/// How the files of a bag are read.
#[derive(Debug)]
pub(crate) struct BagReader {
    pub(crate) columns: Arc<[BagColumn]>,
    pub(crate) layout: Layout,
    /// Whether bytes that are not UTF-8 are replaced.
    pub(crate) is_lossy: bool,
}

/// What a [`FileTable`] is made of.
#[derive(Debug)]
pub(crate) struct FileTableParts {
    pub(crate) format: &'static FormatDecl,
    pub(crate) store_url: ObjectStoreUrl,
    pub(crate) files: Vec<TableFile>,
    pub(crate) stretches: Vec<Stretch>,
    pub(crate) table_schema: TableSchema,
    /// Number of hive columns; they come first among the partition columns.
    pub(crate) hive_columns: usize,
    pub(crate) has_virtual_columns: bool,
    /// Columns that the format itself adds, which `*` does not show: `_offset`, `_line`.
    pub(crate) format_columns: Vec<&'static str>,
    /// What the files that were looked at have, if not all were.
    pub(crate) known: Option<Arc<KnownColumns>>,
    pub(crate) reader: Reader,
    /// What becomes of bad records.
    pub(crate) errors: ErrorOptions,
    pub(crate) rejects: Option<Arc<dyn Rejects>>,
    /// What decodes text that is not UTF-8.
    pub(crate) transcoder: Option<&'static encoding_rs::Encoding>,
}

/// A table over files: listed, inferred and cut into partitions by [`crate::open`].
#[derive(Debug)]
pub struct FileTable {
    parts: FileTableParts,
}

impl FileTable {
    pub(crate) fn new(parts: FileTableParts) -> Self {
        Self { parts }
    }

    /// The format of the files.
    #[must_use]
    pub fn format(&self) -> &'static FormatDecl {
        self.parts.format
    }

    /// The columns that `*` does not show, as far as the request wants them.
    #[must_use]
    pub fn virtual_columns(&self) -> Vec<&'static str> {
        let mut names = self.parts.format_columns.clone();
        if self.parts.has_virtual_columns {
            names.extend([PATH_COLUMN, PARTITION_COLUMN]);
        }
        names
    }

    /// Number of files.
    #[must_use]
    pub fn file_count(&self) -> usize {
        self.parts.files.len()
    }

    /// Stored bytes of all files.
    #[must_use]
    pub fn bytes_total(&self) -> u64 {
        self.parts.files.iter().map(|file| file.meta.size).sum()
    }

    /// The files as the operating system knows them, and their bytes; `None` if they are elsewhere, if
    /// there may be others the next time (patterns, directories), or if reading them leaves something
    /// behind (quarantined records).
    #[must_use]
    pub fn named_files(&self) -> Option<Vec<(PathBuf, u64)>> {
        let is_local = self.parts.store_url == ObjectStoreUrl::local_filesystem();
        if !is_local || self.parts.rejects.is_some() {
            return None;
        }
        let here = LocalFileSystem::new();
        let files = self.parts.files.iter().map(|file| {
            let path = here.path_to_filesystem(&file.meta.location).ok()?;
            file.is_named.then_some((path, file.meta.size))
        });
        files.collect()
    }

    /// The partitions, stretch by stretch: their numbers are those of `_partition`.
    #[must_use]
    pub fn partitions(&self) -> Vec<PartitionInfo> {
        let stretches = self.parts.stretches.iter();
        stretches
            .map(|stretch| {
                let file = &self.parts.files[stretch.file];
                let range = stretch.range.clone().unwrap_or(0..file.meta.size);
                let rows = match (&file.rows, &stretch.range) {
                    (Rows::Known(statistics, _), None) => exact_rows(statistics),
                    (Rows::Known(_, groups), Some(range)) => {
                        let own = groups.iter().filter(|group| range.contains(&group.start));
                        Some(own.map(|group| group.rows).sum())
                    }
                    _ => None,
                };
                PartitionInfo {
                    partition: stretch.partition,
                    path: Arc::clone(&file.path),
                    offset: range.start,
                    length: range.end - range.start,
                    rows,
                }
            })
            .collect()
    }
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.parts.table_schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        let pushdown = filters.iter().map(|filter| {
            if is_about_partitions(filter, &self.parts.table_schema) {
                TableProviderFilterPushDown::Exact
            } else {
                TableProviderFilterPushDown::Inexact
            }
        });
        Ok(pushdown.collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.statistics_of(&self.parts.stretches.iter().collect::<Vec<_>>()))
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let stretches = prune(&self.parts, filters, session)?;
        if stretches.is_empty() {
            let schema = self.schema();
            let schema = match projection {
                Some(projection) => Arc::new(schema.project(projection)?),
                None => schema,
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let statistics = self.statistics_of(&stretches);
        let is_ordered = limit.is_some_and(|rows| rows <= ORDERED_LIMIT_ROWS_MAX);
        let groups_max = if is_ordered {
            1
        } else {
            session.config().target_partitions()
        };
        let groups = distribute(
            stretches,
            groups_max,
            |stretch| stretch.partition,
            |stretch| self.bytes_of(stretch),
        );
        let groups = groups.into_iter().map(|group| {
            FileGroup::new(
                group
                    .into_iter()
                    .map(|s| self.partitioned_file(s))
                    .collect(),
            )
        });
        let source = self.file_source(session)?;
        let config = FileScanConfigBuilder::new(self.parts.store_url.clone(), source)
            .with_file_groups(groups.collect())
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .with_preserve_order(is_ordered)
            .with_expr_adapter(Some(Arc::new(VariantAdapters::default())))
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

impl FileTable {
    fn bytes_of(&self, stretch: &Stretch) -> u64 {
        match &stretch.range {
            Some(range) => range.end - range.start,
            None => self.parts.files[stretch.file].meta.size,
        }
    }

    /// The engine's description of a stretch.
    fn partitioned_file(&self, stretch: &Stretch) -> PartitionedFile {
        let file = &self.parts.files[stretch.file];
        let label = FileLabel {
            path: Arc::clone(&file.path),
            compression: file.compression,
            transcoder: self.parts.transcoder,
        };
        let mut described = PartitionedFile::new_from_meta(file.meta.clone())
            .with_partition_values(self.partition_values(stretch))
            .with_extension(label);
        if let Some(range) = &stretch.range {
            let offset = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
            described = described.with_range(offset(range.start), offset(range.end));
        }
        if let Rows::Known(statistics, _) = &file.rows {
            let whole = stretch.range.is_none();
            let statistics = if whole {
                Arc::clone(statistics)
            } else {
                Arc::new(statistics.as_ref().clone().to_inexact())
            };
            described = described.with_statistics(statistics);
        }
        described
    }

    /// Values of the partition columns: hive, then virtual ones.
    fn partition_values(&self, stretch: &Stretch) -> Vec<ScalarValue> {
        let file = &self.parts.files[stretch.file];
        let mut values = file.hive_values.clone();
        if self.parts.has_virtual_columns {
            let path = Some(file.path.to_string());
            let columns = self.parts.table_schema.table_partition_cols();
            let is_view = columns
                .get(values.len())
                .is_some_and(|column| *column.data_type() == arrow::datatypes::DataType::Utf8View);
            values.push(if is_view {
                ScalarValue::Utf8View(path)
            } else {
                ScalarValue::Utf8(path)
            });
            let number = i64::try_from(stretch.partition).unwrap_or(i64::MAX);
            values.push(ScalarValue::Int64(Some(number)));
        }
        values
    }

    /// Statistics of the files of `stretches`: exact if all their footers were read and each file
    /// is there as a whole; rows estimated from bytes otherwise.
    fn statistics_of(&self, stretches: &[&Stretch]) -> Statistics {
        let schema = self.parts.table_schema.table_schema();
        let mut files: Vec<usize> = stretches.iter().map(|stretch| stretch.file).collect();
        files.dedup();
        let bytes: u64 = stretches.iter().map(|stretch| self.bytes_of(stretch)).sum();
        let bytes_of_files: u64 = files
            .iter()
            .map(|file| self.parts.files[*file].meta.size)
            .sum();
        let known: Option<Vec<&Statistics>> = files
            .iter()
            .map(|file| match &self.parts.files[*file].rows {
                Rows::Known(statistics, _) => Some(statistics.as_ref()),
                _ => None,
            })
            .collect();
        let file_schema = self.parts.table_schema.file_schema();
        if let Some(known) = known
            && let Ok(mut merged) = Statistics::try_merge_iter(known, file_schema)
        {
            let missing = schema.fields().len() - merged.column_statistics.len();
            merged.column_statistics.extend(std::iter::repeat_n(
                ColumnStatistics::new_unknown(),
                missing,
            ));
            return if bytes == bytes_of_files {
                merged
            } else {
                merged.to_inexact()
            };
        }
        let rows = files
            .iter()
            .map(|file| match &self.parts.files[*file].rows {
                Rows::Known(statistics, _) => exact_rows(statistics),
                Rows::Estimated(rows) => Some(*rows),
                Rows::Unknown => None,
            });
        let inexact = |count: u64| Precision::Inexact(usize::try_from(count).unwrap_or(usize::MAX));
        let unknown = Statistics::new_unknown(schema).with_total_byte_size(inexact(bytes));
        match rows.sum::<Option<u64>>() {
            Some(rows) => {
                let share =
                    u128::from(rows) * u128::from(bytes) / u128::from(bytes_of_files.max(1));
                unknown.with_num_rows(inexact(u64::try_from(share).unwrap_or(u64::MAX)))
            }
            None => unknown,
        }
    }
}

fn exact_rows(statistics: &Statistics) -> Option<u64> {
    match statistics.num_rows {
        Precision::Exact(rows) => Some(rows as u64),
        _ => None,
    }
}

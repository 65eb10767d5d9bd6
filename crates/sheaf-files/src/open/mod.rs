//! From a request to a table: list, tell the format, infer, cut into partitions.

mod bag;
mod csv;
mod detect;
mod distinct;
mod footers;
mod json;

use std::sync::Arc;

use ::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use futures::{StreamExt, TryStreamExt};
use sheaf_base::{Result, SheafError};

use self::detect::detect_format;
use self::footers::{Footers, read_footers};
use crate::encoding::Encoding;
use crate::formats::options::{ReadOptions, read_options};
use crate::formats::{Compression, FormatDecl, FormatKind};
use crate::infer::{LOOKED_AT_FILES_MAX, LOOKS_CONCURRENT_MAX, SAMPLE_FILES_MAX, evenly, unite};
use crate::listing::hive::{HiveColumns, hive_columns};
use crate::listing::{Found, FoundFile, Listing, list};
use crate::partition::{FileExtent, Split, auto_size, plan};
use crate::request::{ReadRequest, bad_option};
use crate::scan::bag::OFFSET_COLUMN;
use crate::scan::bytes::SourceFile;
use crate::scan::known_columns::KnownColumns;
use crate::scan::typed::{TypedKind, schema_of};
use crate::table::{FileTable, FileTableParts, Reader, Rows, TableFile};

/// The column that holds a row's file.
pub(crate) const PATH_COLUMN: &str = "_path";

/// The column that holds the number of a row's partition.
pub(crate) const PARTITION_COLUMN: &str = "_partition";

/// The column of `read_text`.
const LINE_COLUMN: &str = "line";

/// The column that holds the number of a line of text.
pub(crate) const LINE_NUMBER_COLUMN: &str = "_line";

/// How much smaller text is when compressed, for estimates of rows.
const COMPRESSION_RATIO: f64 = 4.0;

/// Opens the files of `request` as one table: lists them, tells their format, infers the schema
/// that the request does not give, and cuts them into partitions.
///
/// Contents are read only to the bounds of inference (and Parquet footers).
///
/// # Errors
/// `UserInput` for paths that name nothing and options that are wrong; `Data`, naming the file and
/// for text the line, for files that are not what they should be.
pub async fn open(request: &ReadRequest, session: &dyn Session) -> Result<Arc<FileTable>> {
    let runtime = session.runtime_env();
    let mut listing = list(request, runtime).await?;
    let format = detect_format(request.format, &mut listing)?;
    let text_type = text_type(session);
    let options = read_options(format, request, &text_type)?;
    set_compression(&mut listing.files, format, &options)?;
    let no_hive = options.hive_partitioning == Some(false) && request.partition_columns.is_none();
    let declared = if no_hive {
        Some(&[][..])
    } else {
        request.partition_columns.as_deref()
    };
    let required = options.hive_partitioning == Some(true);
    let hive = hive_columns(&listing.files, declared, required, &text_type)?;
    let opening = Opening {
        request,
        session,
        format,
        options: &options,
        listing: &listing,
        text_type,
    };
    let mut opened = opening.read().await?;
    let table_schema = opening.table_schema(&opened.file_schema, &hive);
    let partition_bytes = opening.partition_bytes();
    let extents: Vec<FileExtent> = opened.extents;
    let stretches = plan(&extents, partition_bytes);
    if let Reader::Json { is_strict, .. } = &mut opened.reader {
        // A key that a partition column hides is none of the table's either.
        *is_strict &= opened.file_schema.fields() == table_schema.file_schema().fields();
    }
    let transcoder = opening.transcoder();
    let known = opening.known_columns(&opened.file_schema, opened.looked_at);
    let rows = rows_of_columns(opened.rows, &opened.file_schema, table_schema.file_schema());
    let files = table_files(&listing, hive.values, rows);
    let parts = FileTableParts {
        format,
        store_url: listing.store_url,
        files,
        stretches,
        table_schema,
        hive_columns: hive.columns.len(),
        has_virtual_columns: request.virtual_columns,
        format_columns: format_columns(format, request),
        known,
        reader: opened.reader,
        errors: options.errors.clone(),
        rejects: request.rejects.clone(),
        transcoder,
    };
    Ok(Arc::new(FileTable::new(parts)))
}

/// The columns besides its own that a format has, of those that the request wants.
fn format_columns(format: &FormatDecl, request: &ReadRequest) -> Vec<&'static str> {
    let mut columns = Vec::new();
    if format.kind == FormatKind::Bag && request.offsets {
        columns.push(OFFSET_COLUMN);
    }
    if matches!(format.kind, FormatKind::Text | FormatKind::Bag) && request.line_numbers {
        columns.push(LINE_NUMBER_COLUMN);
    }
    columns
}

/// The type of texts: views, unless the session wants plain ones.
fn text_type(session: &dyn Session) -> DataType {
    if session
        .config_options()
        .execution
        .parquet
        .schema_force_view_types
    {
        DataType::Utf8View
    } else {
        DataType::Utf8
    }
}

fn set_compression(
    files: &mut [FoundFile],
    format: &FormatDecl,
    options: &ReadOptions,
) -> Result<()> {
    for file in files {
        if let Some(compression) = options.compression {
            file.compression = compression;
        }
        if !format.is_text() {
            if file.compression != Compression::None && options.compression.is_some() {
                return Err(bad_option(
                    "compression",
                    &format!("none here: {} files compress inside", format.title),
                ));
            }
            file.compression = Compression::None;
        }
    }
    Ok(())
}

/// Statistics without the columns that partition columns hide.
fn rows_of_columns(rows: Vec<Rows>, read: &SchemaRef, kept: &SchemaRef) -> Vec<Rows> {
    if read.fields().len() == kept.fields().len() {
        return rows;
    }
    let places: Vec<usize> = kept
        .fields()
        .iter()
        .filter_map(|field| read.index_of(field.name()).ok())
        .collect();
    let without_hidden = |rows| match rows {
        Rows::Known(statistics, groups) => {
            let mut fewer = statistics.as_ref().clone();
            fewer.column_statistics = places
                .iter()
                .map(|i| statistics.column_statistics[*i].clone())
                .collect();
            Rows::Known(Arc::new(fewer), groups)
        }
        other => other,
    };
    rows.into_iter().map(without_hidden).collect()
}

fn table_files(
    listing: &Listing,
    hive_values: Vec<Vec<datafusion::common::ScalarValue>>,
    rows: Vec<Rows>,
) -> Vec<TableFile> {
    let files = listing.files.iter().zip(hive_values).zip(rows);
    files
        .map(|((file, hive_values), rows)| TableFile {
            meta: file.meta.clone(),
            path: Arc::clone(&file.path),
            compression: file.compression,
            is_named: file.found == Found::ByName,
            hive_values,
            rows,
        })
        .collect()
}

/// What reading the beginnings of files gave.
struct Opened {
    file_schema: SchemaRef,
    reader: Reader,
    extents: Vec<FileExtent>,
    rows: Vec<Rows>,
    /// How many files were looked at for their columns.
    looked_at: usize,
}

struct Opening<'a> {
    request: &'a ReadRequest,
    session: &'a dyn Session,
    format: &'static FormatDecl,
    options: &'a ReadOptions,
    listing: &'a Listing,
    text_type: DataType,
}

impl Opening<'_> {
    async fn read(&self) -> Result<Opened> {
        match self.format.kind {
            FormatKind::Csv => self.read_csv().await,
            FormatKind::Json => self.read_json().await,
            FormatKind::Text => self.read_text(),
            FormatKind::Bag => self.read_bag().await,
            FormatKind::Parquet => self.read_parquet().await,
            FormatKind::Arrow => self.read_typed(TypedKind::Arrow).await,
            FormatKind::Avro => self.read_typed(TypedKind::Avro).await,
        }
    }

    /// File, partition and virtual columns, in this order. A partition column hides a file's
    /// column of the same name.
    fn table_schema(&self, file_schema: &SchemaRef, hive: &HiveColumns) -> TableSchema {
        let mut columns: Vec<FieldRef> = hive
            .columns
            .iter()
            .map(|(name, data_type)| Arc::new(Field::new(name, data_type.clone(), true)))
            .collect();
        if self.request.virtual_columns {
            columns.push(Arc::new(Field::new(
                PATH_COLUMN,
                self.text_type.clone(),
                false,
            )));
            columns.push(Arc::new(Field::new(
                PARTITION_COLUMN,
                DataType::Int64,
                false,
            )));
        }
        let is_hidden = |name: &str| columns.iter().any(|column| column.name() == name);
        let own = file_schema
            .fields()
            .iter()
            .filter(|field| !is_hidden(field.name()))
            .cloned();
        let own = Schema::new_with_metadata(own.collect::<Vec<_>>(), file_schema.metadata.clone());
        TableSchema::builder(Arc::new(own))
            .with_table_partition_cols(columns)
            .build()
    }

    fn partition_bytes(&self) -> u64 {
        if let Some(size) = self.request.partition_size {
            return size.0;
        }
        let total = self.listing.files.iter().map(|file| file.meta.size).sum();
        auto_size(total, self.session.config().target_partitions())
    }

    /// What decodes the files' text, if it is not read as it is.
    fn transcoder(&self) -> Option<&'static encoding_rs::Encoding> {
        match (self.format.kind, self.options.encoding) {
            // Bags replace bytes record by record.
            (FormatKind::Bag, Encoding::Lossy) => None,
            (_, encoding) => encoding.transcoder(),
        }
    }

    /// Whether bytes of `file` can be read from the middle.
    fn can_split(&self, file: &FoundFile) -> bool {
        file.compression == Compression::None && self.transcoder().is_none()
    }

    fn source_file(&self, file: &FoundFile) -> SourceFile {
        SourceFile {
            store: Arc::clone(&self.listing.store),
            meta: file.meta.clone(),
            path: Arc::clone(&file.path),
            compression: file.compression,
            transcoder: self.transcoder(),
            gauge: None,
        }
    }

    /// The files by which the schema is inferred: all that are not empty, or `files_max` of them.
    fn looked_at(&self, files_max: usize) -> Vec<SourceFile> {
        let filled: Vec<&FoundFile> = self.filled().collect();
        evenly(filled.len(), files_max)
            .into_iter()
            .map(|i| self.source_file(filled[i]))
            .collect()
    }

    fn filled(&self) -> impl Iterator<Item = &FoundFile> {
        self.listing.files.iter().filter(|file| file.meta.size > 0)
    }

    /// What files may have, if columns were told from some of them only.
    fn known_columns(&self, schema: &SchemaRef, looked_at: usize) -> Option<Arc<KnownColumns>> {
        let is_partial = looked_at < self.filled().count();
        (self.request.schema.is_none() && is_partial).then(|| {
            Arc::new(KnownColumns {
                schema: Arc::clone(schema),
                files: looked_at,
            })
        })
    }

    /// Extents of text files, which may be cut anywhere if `can_split` and not compressed.
    fn text_extents(&self, can_split: bool) -> Vec<FileExtent> {
        let files = self.listing.files.iter();
        files
            .map(|file| {
                let can_split = can_split && self.can_split(file);
                let split = if can_split {
                    Split::Anywhere
                } else {
                    Split::No
                };
                FileExtent {
                    bytes: file.meta.size,
                    split,
                }
            })
            .collect()
    }

    /// Estimated rows of text files, of `bytes_per_row` decompressed bytes.
    fn text_rows(&self, bytes_per_row: f64) -> Vec<Rows> {
        let files = self.listing.files.iter();
        files
            .map(|file| {
                if bytes_per_row <= 0.0 {
                    return Rows::Unknown;
                }
                let is_plain = file.compression == Compression::None;
                #[expect(clippy::cast_precision_loss, reason = "an estimate")]
                let bytes = file.meta.size as f64 * if is_plain { 1.0 } else { COMPRESSION_RATIO };
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "an estimate; the cast saturates"
                )]
                Rows::Estimated((bytes / bytes_per_row) as u64)
            })
            .collect()
    }

    fn read_text(&self) -> Result<Opened> {
        /// Bytes that a line of text is taken to have.
        const LINE_BYTES: f64 = 100.0;
        let line = Field::new(LINE_COLUMN, self.text_type.clone(), false);
        let own = Arc::new(Schema::new(vec![line]));
        let file_schema = self.request.schema.clone().unwrap_or(own);
        if file_schema.fields().len() != 1 || !file_schema.field(0).data_type().is_string() {
            return Err(SheafError::user(
                "text files have one column, of type VARCHAR",
            ));
        }
        let numbered = || {
            let number = Field::new(LINE_NUMBER_COLUMN, DataType::Int64, false);
            Schema::new(vec![file_schema.field(0).clone(), number])
        };
        Ok(Opened {
            file_schema: match self.request.line_numbers {
                true => Arc::new(numbered()),
                false => file_schema,
            },
            reader: Reader::Text,
            // The number of a line is known to who reads from the start.
            extents: self.text_extents(!self.request.line_numbers),
            rows: self.text_rows(LINE_BYTES),
            looked_at: self.listing.files.len(),
        })
    }

    async fn read_parquet(&self) -> Result<Opened> {
        let declared = self.request.schema.as_ref();
        let Footers {
            schema,
            files,
            extents,
            looked_at,
        } = read_footers(self.session, self.listing, declared, &self.text_type).await?;
        Ok(Opened {
            file_schema: schema,
            reader: Reader::Parquet,
            extents,
            rows: files,
            looked_at,
        })
    }

    /// Arrow and Avro: the schemas of files united.
    async fn read_typed(&self, kind: TypedKind) -> Result<Opened> {
        // What is not local is fetched as a whole for its schema.
        let is_local = self.listing.store_url == ObjectStoreUrl::local_filesystem();
        let files_max = match (&self.request.schema, is_local) {
            (None, true) => LOOKED_AT_FILES_MAX,
            (None, false) => SAMPLE_FILES_MAX,
            (Some(_), _) => 0,
        };
        let files = match files_max {
            0 => vec![],
            most => self.looked_at(most),
        };
        let schemas: Vec<SchemaRef> = futures::stream::iter(0..files.len())
            .map(|i| schema_of(kind, &files[i]))
            .buffered(LOOKS_CONCURRENT_MAX)
            .try_collect()
            .await?;
        let inferred = unite(schemas.iter().map(AsRef::as_ref), &self.text_type);
        let split = match kind {
            TypedKind::Arrow => Split::Anywhere,
            TypedKind::Avro => Split::No,
        };
        let extents = self.listing.files.iter().map(|file| FileExtent {
            bytes: file.meta.size,
            split: split.clone(),
        });
        let declared = self.request.schema.clone();
        Ok(Opened {
            file_schema: declared.unwrap_or_else(|| Arc::new(inferred)),
            reader: Reader::Typed(kind),
            extents: extents.collect(),
            rows: vec![Rows::Unknown; self.listing.files.len()],
            looked_at: files.len(),
        })
    }

    fn all_empty(&self) -> SheafError {
        let path = self.listing.files.first().map_or("", |file| &file.path);
        let error = SheafError::data(format!("{path} is empty, so its columns are not known"))
            .with_state(sheaf_base::error::SqlState::BAD_COPY_FILE_FORMAT);
        match path.starts_with("/dev/") {
            true => error.with_hint("pipes cannot be read, since files are read more than once"),
            false => error,
        }
    }
}

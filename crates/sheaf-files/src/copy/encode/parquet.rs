//! Apache Parquet, through arrow-rs's writer.
//!
//! One row group is held while it is encoded; it ends at its number of rows, at
//! [`ROW_GROUP_BYTES_MAX`], or when [`RowWriter::release`] asks for its memory.

use std::io::Write;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;
use sheaf_base::Result;

use super::names::{Names, by_name};
use super::{RowWriter, check_names_differ, uuids};

/// Rows of a row group: enough to compress well, few enough to be held for every open file.
pub const ROW_GROUP_ROWS_DEFAULT: usize = 122_880;
/// A row group ends at this many encoded bytes, however few its rows.
pub const ROW_GROUP_BYTES_MAX: usize = 128 << 20;
/// A writer asked to release less than this keeps it: row groups of a few rows cost more.
pub(super) const RELEASE_BYTES_MIN: usize = 64 << 10;

/// How Parquet pages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ParquetCompression {
    /// Not at all.
    None,
    /// Snappy.
    Snappy,
    /// gzip.
    Gzip,
    /// Brotli.
    Brotli,
    /// LZ4, raw blocks.
    Lz4,
    /// Zstandard.
    #[default]
    Zstd,
}

/// Names (the first is the documentation's) and range of levels.
type CompressionRow = (ParquetCompression, Names, Option<(i32, i32)>);

const COMPRESSIONS: &[CompressionRow] = &[
    (ParquetCompression::Zstd, &["zstd", "zst"], Some((1, 22))),
    (ParquetCompression::Snappy, &["snappy"], None),
    (ParquetCompression::Gzip, &["gzip", "gz"], Some((0, 9))),
    (ParquetCompression::Brotli, &["brotli"], Some((0, 11))),
    (ParquetCompression::Lz4, &["lz4", "lz4_raw"], None),
    (ParquetCompression::None, &["none", "uncompressed"], None),
];

impl ParquetCompression {
    /// The compression of a name, as after `COMPRESSION`.
    ///
    /// # Errors
    /// `UserInput` for an unknown name.
    pub fn from_name(name: &str) -> Result<Self> {
        by_name(name, COMPRESSIONS.iter().map(|row| (row.0, row.1)))
    }

    /// The least and the greatest level; `None` if it has none.
    #[must_use]
    pub fn levels(self) -> Option<(i32, i32)> {
        COMPRESSIONS
            .iter()
            .find(|row| row.0 == self)
            .and_then(|row| row.2)
    }
}

/// Options of Parquet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParquetEncoding {
    /// How pages are compressed.
    pub compression: ParquetCompression,
    /// The compression's level; `None` is its default.
    pub compression_level: Option<i32>,
    /// Most rows of a row group.
    pub row_group_rows_max: usize,
    /// Most encoded bytes of a row group.
    pub row_group_bytes_max: usize,
}

impl Default for ParquetEncoding {
    fn default() -> Self {
        Self {
            compression: ParquetCompression::default(),
            compression_level: None,
            row_group_rows_max: ROW_GROUP_ROWS_DEFAULT,
            row_group_bytes_max: ROW_GROUP_BYTES_MAX,
        }
    }
}

impl ParquetEncoding {
    /// The options as the writer takes them.
    pub(super) fn properties(&self) -> Result<WriterProperties> {
        Ok(WriterProperties::builder()
            .set_created_by(concat!("sheaf version ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(self.compression()?)
            .set_max_row_group_row_count(Some(self.row_group_rows_max.max(1)))
            .set_max_row_group_bytes(Some(self.row_group_bytes_max.max(1)))
            .build())
    }

    fn compression(&self) -> Result<Compression> {
        let level = self.compression_level;
        let unsigned = level.and_then(|level| u32::try_from(level).ok());
        Ok(match self.compression {
            ParquetCompression::None => Compression::UNCOMPRESSED,
            ParquetCompression::Snappy => Compression::SNAPPY,
            ParquetCompression::Lz4 => Compression::LZ4_RAW,
            ParquetCompression::Gzip => {
                Compression::GZIP(unsigned.map_or(Ok(GzipLevel::default()), GzipLevel::try_new)?)
            }
            ParquetCompression::Brotli => Compression::BROTLI(
                unsigned.map_or(Ok(BrotliLevel::default()), BrotliLevel::try_new)?,
            ),
            ParquetCompression::Zstd => {
                Compression::ZSTD(level.map_or(Ok(ZstdLevel::default()), ZstdLevel::try_new)?)
            }
        })
    }
}

/// The encoder.
pub(super) struct Writer(ArrowWriter<Box<dyn Write + Send>>);

impl Writer {
    pub(super) fn new(
        options: &ParquetEncoding,
        schema: &SchemaRef,
        output: Box<dyn Write + Send>,
    ) -> Result<Self> {
        check_names_differ(schema)?;
        Ok(Self(arrow_writer(options, schema, output)?))
    }
}

/// arrow-rs's writer for rows of `schema`.
///
/// # Errors
/// `Unsupported` for types that Parquet has not.
pub(super) fn arrow_writer(
    options: &ParquetEncoding,
    schema: &SchemaRef,
    output: Box<dyn Write + Send>,
) -> Result<ArrowWriter<Box<dyn Write + Send>>> {
    let mut writer = ArrowWriterOptions::new().with_properties(options.properties()?);
    if let Some(stored) = uuids::stored_schema(schema)? {
        writer = writer.with_parquet_schema(stored);
    }
    let writer = ArrowWriter::try_new_with_options(output, Arc::clone(schema), writer)?;
    Ok(writer)
}

impl RowWriter for Writer {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.0.write(batch)?)
    }

    fn held_bytes(&self) -> usize {
        self.0.memory_size()
    }

    fn release(&mut self) -> Result<()> {
        if self.0.memory_size() >= RELEASE_BYTES_MIN {
            self.0.flush()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.0.finish()?;
        Ok(self.0.inner_mut().flush()?)
    }
}

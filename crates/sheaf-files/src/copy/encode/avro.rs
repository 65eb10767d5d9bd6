//! Apache Avro's object container files, through arrow-rs's writer.
//!
//! Avro has names of letters, digits and `_` alone, and no unsigned numbers: columns are checked before a
//! file is begun. VARIANTs are written as their texts.

use std::io::Write;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow_avro::compression::CompressionCodec;
use arrow_avro::writer::format::AvroOcfFormat;
use arrow_avro::writer::{AvroWriter, WriterBuilder};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::names::{Names, by_name};
use super::{RowWriter, check_names_differ};

/// How the blocks of an Avro file are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AvroCompression {
    /// Not at all.
    None,
    /// Deflate.
    #[default]
    Deflate,
    /// Snappy.
    Snappy,
    /// Zstandard.
    Zstd,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
}

const COMPRESSIONS: &[(AvroCompression, Names)] = &[
    (AvroCompression::Deflate, &["deflate"]),
    (AvroCompression::Snappy, &["snappy"]),
    (AvroCompression::Zstd, &["zstd", "zst"]),
    (AvroCompression::Bzip2, &["bzip2", "bz2"]),
    (AvroCompression::Xz, &["xz"]),
    (AvroCompression::None, &["none", "uncompressed"]),
];

impl AvroCompression {
    /// The compression of a name, as after `COMPRESSION`.
    ///
    /// # Errors
    /// `UserInput` for an unknown name.
    pub fn from_name(name: &str) -> Result<Self> {
        by_name(name, COMPRESSIONS.iter().copied())
    }

    fn codec(self) -> Option<CompressionCodec> {
        match self {
            Self::None => None,
            Self::Deflate => Some(CompressionCodec::Deflate),
            Self::Snappy => Some(CompressionCodec::Snappy),
            Self::Zstd => Some(CompressionCodec::ZStandard),
            Self::Bzip2 => Some(CompressionCodec::Bzip2),
            Self::Xz => Some(CompressionCodec::Xz),
        }
    }
}

/// Options of Avro.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AvroEncoding {
    /// How blocks are compressed.
    pub compression: AvroCompression,
}

/// The encoder: each batch is a block.
pub(super) struct Writer {
    writer: AvroWriter<Box<dyn Write + Send>>,
    schema: SchemaRef,
}

impl Writer {
    pub(super) fn new(
        options: &AvroEncoding,
        schema: &SchemaRef,
        output: Box<dyn Write + Send>,
    ) -> Result<Self> {
        check_names_differ(schema)?;
        let fields = schema.fields().iter().map(|field| avro_field(field));
        let schema = Schema::new(fields.collect::<Result<Vec<_>>>()?);
        let writer = WriterBuilder::new(schema.clone())
            .with_compression(options.compression.codec())
            .build::<_, AvroOcfFormat>(output)
            .map_err(ArrowError::from)?;
        Ok(Self {
            writer,
            schema: Arc::new(schema),
        })
    }
}

impl RowWriter for Writer {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = batch
            .columns()
            .iter()
            .zip(self.schema.fields())
            .map(|(column, field)| cast(column, field.data_type()))
            .collect::<Result<Vec<_>, _>>()?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        Ok(self.writer.write(&batch).map_err(ArrowError::from)?)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.writer.finish().map_err(ArrowError::from)?;
        Ok(self.writer.into_inner().flush()?)
    }
}

/// A column as Avro has it.
fn avro_field(field: &Field) -> Result<Field> {
    let name = field.name();
    let is_head = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_name =
        name.starts_with(is_head) && name.chars().all(|c| is_head(c) || c.is_ascii_digit());
    if !is_name {
        let error = SheafError::user(format!("Avro has no columns called \"{name}\""));
        return Err(
            error.with_hint("names there are of letters, digits and _: give it one with AS")
        );
    }
    let data_type = avro_type(field.data_type()).ok_or_else(|| {
        let found = sheaf_base::sql_type_name(field.data_type());
        SheafError::unsupported(format!("column \"{name}\": Avro has no type for {found}"))
            .with_state(SqlState::FEATURE_NOT_SUPPORTED)
            .with_hint("cast it, to VARCHAR for instance")
    })?;
    Ok(Field::new(name, data_type, field.is_nullable()))
}

/// The type that a column is cast to; `None` if there is none that holds all values.
fn avro_type(data_type: &DataType) -> Option<DataType> {
    use DataType::{
        Binary, BinaryView, Boolean, Date32, Date64, Decimal32, Decimal64, Decimal128, Float16,
        Float32, Float64, Int8, Int16, Int32, Int64, LargeBinary, LargeUtf8, List, Null, Struct,
        Time32, Time64, Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8, Utf8View,
    };
    Some(match data_type {
        Null | Boolean | Int32 | Int64 | Float32 | Float64 | Date32 => data_type.clone(),
        Int8 | Int16 | UInt8 | UInt16 => Int32,
        UInt32 => Int64,
        UInt64 => Decimal128(20, 0),
        Float16 => Float32,
        Date64 => Date32,
        Utf8 | LargeUtf8 | Utf8View => Utf8,
        Binary | LargeBinary | BinaryView => Binary,
        Decimal32(precision, scale)
        | Decimal64(precision, scale)
        | Decimal128(precision, scale)
            if *scale >= 0 =>
        {
            Decimal128(*precision, *scale)
        }
        Time32(_) | Time64(_) => Time64(arrow::datatypes::TimeUnit::Microsecond),
        Timestamp(_, zone) => Timestamp(arrow::datatypes::TimeUnit::Microsecond, zone.clone()),
        DataType::Dictionary(_, value) => avro_type(value)?,
        List(item) | DataType::LargeList(item) => {
            let item = avro_field(item).ok()?;
            List(Arc::new(item))
        }
        Struct(fields) => {
            let fields = fields.iter().map(|field| avro_field(field).ok());
            Struct(fields.collect::<Option<Vec<_>>>()?.into())
        }
        _ => return None,
    })
}

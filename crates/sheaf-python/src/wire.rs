//! Batches as messages of Arrow IPC, in types that pyarrow computes with.
//!
//! Views of texts and dictionaries are good for the engine, but few functions of pyarrow take them: they
//! travel as plain texts. The schema is sent once, when a function is loaded or a call is opened.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::buffer::Buffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, IntervalUnit, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::RecordBatchDecoder;
use arrow::ipc::writer::StreamEncoder;
use arrow::ipc::{MessageHeader, RecordBatch as Message, root_as_message};
use sheaf_base::error::SqlState;
use sheaf_base::type_names::sql_type_name;
use sheaf_base::{Result, SheafError};

/// What a message begins with, before the length of its metadata.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// The type in which values of type `data_type` travel.
pub(crate) fn travel_type(data_type: &DataType) -> DataType {
    let list = |field: &FieldRef| Arc::new(travel_field(field));
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => travel_type(values),
        DataType::RunEndEncoded(_, values) => travel_type(values.data_type()),
        DataType::List(field) | DataType::ListView(field) => DataType::List(list(field)),
        DataType::LargeList(field) | DataType::LargeListView(field) => {
            DataType::LargeList(list(field))
        }
        DataType::FixedSizeList(field, size) => DataType::FixedSizeList(list(field), *size),
        DataType::Map(field, is_sorted) => DataType::Map(list(field), *is_sorted),
        DataType::Struct(fields) => DataType::Struct(
            fields
                .iter()
                .map(|field| travel_field(field))
                .collect::<Fields>(),
        ),
        other => other.clone(),
    }
}

fn travel_field(field: &Field) -> Field {
    field
        .clone()
        .with_data_type(travel_type(field.data_type()))
        .with_nullable(true)
}

/// The columns in which those of `schema` travel.
pub(crate) fn travel_schema(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| travel_field(field));
    Arc::new(Schema::new(fields.collect::<Fields>()))
}

/// Checks that pyarrow has values of type `data_type`.
///
/// # Errors
/// `Unsupported` if it has not.
pub(crate) fn check_type(data_type: &DataType, what: &str) -> Result<()> {
    match data_type {
        DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime)
        | DataType::Union(_, _) => Err(SheafError::unsupported(format!(
            "{what} has the type {}, which functions in Python cannot have",
            sql_type_name(data_type)
        ))),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => check_type(field.data_type(), what),
        DataType::Struct(fields) => fields
            .iter()
            .try_for_each(|field| check_type(field.data_type(), what)),
        _ => Ok(()),
    }
}

/// `array` in type `wanted`, which says the same.
///
/// # Errors
/// Of Arrow's, if the values are too large for it.
pub(crate) fn in_type(array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    match array.data_type() == wanted {
        true => Ok(Arc::clone(array)),
        false => cast(array, wanted),
    }
}

/// Encodes the batches of one schema.
pub(crate) struct Sender {
    schema: SchemaRef,
    encoder: StreamEncoder,
    /// The schema's message.
    start: Vec<Buffer>,
}

impl Sender {
    /// An encoder of batches with the columns `schema`, which travel in [`travel_schema`].
    ///
    /// # Errors
    /// `Unsupported` if Arrow cannot send them.
    pub(crate) fn new(schema: &Schema) -> Result<Self> {
        let schema = travel_schema(schema);
        let mut encoder = StreamEncoder::try_new(&schema).map_err(unsendable)?;
        // The first message is preceded by that of the schema.
        let start = encoder
            .encode(&RecordBatch::new_empty(Arc::clone(&schema)))
            .map_err(unsendable)?;
        Ok(Self {
            schema,
            encoder,
            start,
        })
    }

    /// The schema's message, and one of no rows that readers of the schema do not look at.
    pub(crate) fn start(&self) -> Vec<Buffer> {
        self.start.clone()
    }

    /// The message of `batch`, without a copy of what it holds where its types travel as they are.
    ///
    /// # Errors
    /// `Unsupported` if its texts are too large for one message.
    pub(crate) fn encode(&mut self, batch: &RecordBatch) -> Result<Vec<Buffer>> {
        let columns: Vec<ArrayRef> = batch
            .columns()
            .iter()
            .zip(self.schema.fields())
            .map(|(column, field)| in_type(column, field.data_type()))
            .collect::<Result<_, _>>()
            .map_err(unsendable)?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .and_then(|batch| self.encoder.encode(&batch))
            .map_err(unsendable)
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sender({:?})", self.schema)
    }
}

/// The bytes of parts of a message.
pub(crate) fn length(parts: &[Buffer]) -> usize {
    parts.iter().map(Buffer::len).sum()
}

/// The batch that `message` holds, whose columns are sent as [`travel_schema`] of `schema` and given as
/// `schema` has them.
///
/// Nothing is believed: the process that sent it runs foreign code.
///
/// # Errors
/// `Data` if it is no such message.
pub(crate) fn decode(message: &Buffer, schema: &SchemaRef) -> Result<RecordBatch> {
    let travelled = travel_schema(schema);
    let batch = catch_unwind(AssertUnwindSafe(|| read_batch(message, &travelled)))
        .unwrap_or_else(|_| {
            Err(ArrowError::IpcError(
                "a message of another shape".to_owned(),
            ))
        })
        .map_err(broken)?;
    let columns: Vec<ArrayRef> = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| in_type(column, field.data_type()))
        .collect::<Result<_, _>>()
        .map_err(broken)?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(broken)
}

fn read_batch(message: &Buffer, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let invalid = |what: &str| ArrowError::IpcError(what.to_owned());
    let bytes = message.as_slice();
    let (start, rest) = bytes
        .split_at_checked(8)
        .ok_or_else(|| invalid("a message without a beginning"))?;
    let (continuation, length) = start.split_at(4);
    if continuation != CONTINUATION {
        return Err(invalid("a message without a beginning"));
    }
    let length = <[u8; 4]>::try_from(length).map_or(0, u32::from_le_bytes) as usize;
    let metadata = rest
        .get(..length)
        .ok_or_else(|| invalid("a message that is cut off"))?;
    let header = root_as_message(metadata).map_err(|error| invalid(&error.to_string()))?;
    if header.header_type() != MessageHeader::RecordBatch {
        return Err(invalid("a message of another kind"));
    }
    let batch = header
        .header_as_record_batch()
        .ok_or_else(|| invalid("a message without a batch"))?;
    let body = message.slice(8 + length);
    check_places(&batch, body.len())?;
    let version = header.version();
    RecordBatchDecoder::try_new(&body, batch, Arc::clone(schema), &HashMap::new(), &version)?
        .read_record_batch()
}

/// Checks that all that `batch` speaks of lies within the body: Arrow's reader believes it.
fn check_places(batch: &Message<'_>, body_bytes: usize) -> Result<(), ArrowError> {
    let is_within = |offset: i64, length: i64| {
        let (Ok(offset), Ok(length)) = (usize::try_from(offset), usize::try_from(length)) else {
            return false;
        };
        offset
            .checked_add(length)
            .is_some_and(|end| end <= body_bytes)
    };
    let buffers = batch.buffers().into_iter().flatten();
    let has_places = buffers
        .into_iter()
        .all(|each| is_within(each.offset(), each.length()));
    let nodes = batch.nodes().into_iter().flatten();
    let has_counts = nodes
        .into_iter()
        .all(|node| u32::try_from(node.length()).is_ok() && node.null_count() >= 0);
    let is_plain = batch.compression().is_none() && batch.variadicBufferCounts().is_none();
    match has_places && has_counts && is_plain && u32::try_from(batch.length()).is_ok() {
        true => Ok(()),
        false => Err(ArrowError::IpcError(
            "a message whose parts are elsewhere".to_owned(),
        )),
    }
}

fn unsendable(error: ArrowError) -> SheafError {
    SheafError::unsupported(format!("the arguments cannot be sent to Python: {error}"))
}

fn broken(error: ArrowError) -> SheafError {
    SheafError::data(format!(
        "its worker process replied what is no such batch: {error}"
    ))
    .with_state(SqlState::EXTERNAL_ROUTINE)
}

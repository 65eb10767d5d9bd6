//! Columns and types of JSON files, from their first values.
//!
//! Values are visited as they are parsed, without building a tree, so that the order of columns is
//! that of the files. What does not go together (a number here, an object there) becomes text.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::csv::unknown_column;
use super::value_type::ValueType;
use super::{LOOKS_CONCURRENT_MAX, SAMPLE_BYTES_FIRST, SAMPLE_BYTES_FURTHER};
use crate::formats::options::{JsonFormat, ReadOptions};
use crate::notation::Notation;
use crate::scan::bag::{Layout, layout_of};
use crate::scan::bytes::SourceFile;
use crate::scan::json::starts_array;
use crate::scan::json_texts::{LIST_STEP, join};
use crate::scan::json_values::{RawValue, ValueSplitter};
use crate::scan::records::skip_top_of;

/// Keys that one object may have; beyond it, an object is data rather than a record.
const KEYS_MAX: usize = 10_000;

/// Bytes of all files but the first, by which columns are detected; each file gives its share,
/// between [`SAMPLE_BYTES_MIN`] and [`SAMPLE_BYTES_FURTHER`].
const SAMPLE_BYTES_TOTAL: usize = 32 * 1024 * 1024;

/// Bytes of each file at least; more if no value ends in them.
const SAMPLE_BYTES_MIN: usize = 8 * 1024;

/// What was found out about the JSON files of a table.
#[derive(Debug)]
pub(crate) struct JsonSample {
    pub(crate) file_schema: SchemaRef,
    /// Whether each sampled file is one array.
    pub(crate) arrays: Arc<HashMap<Path, bool>>,
    /// Whether every value stands on a line of its own, so that files may be split at lines.
    pub(crate) is_line_delimited: bool,
    /// Paths of text columns that may hold objects and arrays.
    pub(crate) text_paths: HashSet<String>,
    /// Decompressed bytes of a value, on average; 0 if none was seen.
    pub(crate) bytes_per_row: f64,
}

/// Infers the columns of `files`, those of a table that are looked at.
///
/// # Errors
/// Names file and line of what is no JSON object, or the file that cannot be read.
pub(crate) async fn infer_json(
    files: &[SourceFile],
    options: &ReadOptions,
    declared: Option<&SchemaRef>,
    text_type: &DataType,
) -> Result<JsonSample> {
    let mut sample = JsonSample {
        file_schema: Arc::new(Schema::empty()),
        arrays: Arc::default(),
        is_line_delimited: true,
        text_paths: HashSet::new(),
        bytes_per_row: 0.0,
    };
    let mut record = Shape::Scalar(ValueType::Null);
    let (mut rows, mut bytes) = (0_u64, 0_u64);
    let share = SAMPLE_BYTES_TOTAL / files.len().max(1);
    let share = share.clamp(SAMPLE_BYTES_MIN, SAMPLE_BYTES_FURTHER);
    let mut arrays = HashMap::with_capacity(files.len());
    let mut samples = futures::stream::iter(0..files.len())
        .map(|i| async move {
            let bytes_max = if i == 0 { SAMPLE_BYTES_FIRST } else { share };
            Ok::<_, SheafError>((i, sample_some(&files[i], options, bytes_max).await?))
        })
        .buffered(LOOKS_CONCURRENT_MAX);
    while let Some((i, seen)) = samples.try_next().await? {
        rows += seen.rows;
        bytes += seen.bytes;
        sample.is_line_delimited &= !seen.is_array && !seen.spans_lines;
        arrays.insert(files[i].meta.location.clone(), seen.is_array);
        record.join(seen.record);
    }
    sample.arrays = Arc::new(arrays);
    if rows > 0 {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let average = bytes as f64 / rows as f64;
        sample.bytes_per_row = average;
    }
    sample.file_schema = match (declared, &record) {
        (Some(schema), _) => Arc::clone(schema),
        (None, Shape::Object(object)) => schema_of(object, options, text_type)?,
        (None, _) => {
            let path = files.first().map_or("", |file| &file.path);
            return Err(SheafError::data(format!(
                "{path} has no values, so its columns are not known"
            ))
            .with_state(SqlState::BAD_COPY_FILE_FORMAT));
        }
    };
    if let Shape::Object(object) = &record {
        for (name, shape) in &object.fields {
            if let Ok(field) = sample.file_schema.field_with_name(name) {
                text_paths(
                    shape,
                    field.data_type(),
                    name.clone(),
                    &mut sample.text_paths,
                );
            }
        }
    }
    let given = options
        .types
        .iter()
        .filter(|(_, data_type)| data_type.is_string());
    sample
        .text_paths
        .extend(given.map(|(name, _)| name.clone()));
    Ok(sample)
}

/// Collects the paths at which texts are wanted and objects or arrays were seen.
fn text_paths(shape: &Shape, data_type: &DataType, path: String, paths: &mut HashSet<String>) {
    match (shape, data_type) {
        (Shape::Scalar(_), _) => {}
        (_, data_type) if data_type.is_string() => {
            paths.insert(path);
        }
        (Shape::List(item), DataType::List(field)) => {
            text_paths(item, field.data_type(), join(&path, LIST_STEP), paths);
        }
        (Shape::Object(object), DataType::Struct(fields)) => {
            for (name, shape) in &object.fields {
                if let Some((_, field)) = fields.find(name) {
                    text_paths(shape, field.data_type(), join(&path, name), paths);
                }
            }
        }
        _ => {}
    }
}

fn schema_of(object: &Object, options: &ReadOptions, text_type: &DataType) -> Result<SchemaRef> {
    for (name, _) in &options.types {
        if !object.places.contains_key(name) {
            return Err(unknown_column(
                name,
                object.fields.iter().map(|(key, _)| key.as_str()),
            ));
        }
    }
    let fields = object.fields.iter().map(|(name, shape)| {
        let given = options.types.iter().find(|(known, _)| known == name);
        let data_type = given.map_or_else(
            || shape.data_type(text_type),
            |(_, data_type)| data_type.clone(),
        );
        Field::new(name, data_type, true)
    });
    Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

/// What one file's sample shows.
#[derive(Debug)]
struct Seen {
    record: Shape,
    /// Whether the file has more bytes than were looked at.
    is_cut: bool,
    rows: u64,
    bytes: u64,
    is_array: bool,
    spans_lines: bool,
}

/// Looks at the first `bytes_max` bytes, or at more if no value ends in them.
async fn sample_some(
    file: &SourceFile,
    options: &ReadOptions,
    mut bytes_max: usize,
) -> Result<Seen> {
    loop {
        let seen = sample_file(file, options, bytes_max).await?;
        if seen.rows > 0 || !seen.is_cut || bytes_max >= SAMPLE_BYTES_FIRST {
            return Ok(seen);
        }
        bytes_max = (bytes_max * 8).min(SAMPLE_BYTES_FIRST);
    }
}

async fn sample_file(file: &SourceFile, options: &ReadOptions, bytes_max: usize) -> Result<Seen> {
    let reads_all = options.sample_rows == usize::MAX;
    let is_plain = file.is_plain();
    let chunks = match (reads_all, is_plain) {
        (false, true) => file.range(0..bytes_max as u64).await?,
        _ => file.whole().await?,
    };
    let mut chunks = skip_top_of(chunks, 0);
    let mut seen = Seen {
        record: Shape::Scalar(ValueType::Null),
        is_cut: !reads_all && is_plain && (bytes_max as u64) < file.meta.size,
        rows: 0,
        bytes: 0,
        is_array: false,
        spans_lines: false,
    };
    let goes_on = options.goes_on();
    // What is wrong with a line says nothing of the next one.
    let is_lines = goes_on
        && options.json_format == JsonFormat::Auto
        && !matches!(layout_of(file).await?, Layout::JsonValues);
    let mut splitter: Option<ValueSplitter> = None;
    let mut fault: Option<SheafError> = None;
    let mut rows_left = options.sample_rows;
    let mut bytes = 0;
    while let Some(chunk) = chunks.try_next().await? {
        let splitter = splitter.get_or_insert_with(|| {
            seen.is_array = match options.json_format {
                JsonFormat::Auto => starts_array(&chunk),
                other => other == JsonFormat::Array,
            };
            match is_lines || options.json_format == JsonFormat::NewlineDelimited && goes_on {
                true => ValueSplitter::of_lines(),
                false => ValueSplitter::new(Some(seen.is_array), 1),
            }
        });
        splitter.feed(&chunk, |value| {
            let taken = take(value, &mut seen, &options.notation, &file.path);
            fault = taken.err().filter(|_| !goes_on);
            rows_left -= 1;
            fault.is_none() && rows_left > 0
        });
        if let Some(fault) = fault {
            return Err(fault);
        }
        bytes += chunk.len();
        if rows_left == 0 || (!reads_all && bytes >= bytes_max) {
            seen.is_cut |= !is_plain;
            break;
        }
    }
    if let Some(rest) = splitter.as_ref().and_then(ValueSplitter::rest)
        && rows_left > 0
        && !seen.is_cut
    {
        match take(rest, &mut seen, &options.notation, &file.path) {
            Err(error) if !goes_on => return Err(error),
            _ => {}
        }
    }
    Ok(seen)
}

fn take(value: RawValue<'_>, seen: &mut Seen, notation: &Notation, path: &str) -> Result<()> {
    let place = || format!("{path}:{}", value.line);
    let bad =
        |message: String| SheafError::data(message).with_state(SqlState::BAD_COPY_FILE_FORMAT);
    let mut shape = Shape::Scalar(ValueType::Null);
    if value.bytes.trim_ascii().is_empty() {
        return Ok(());
    }
    let mut parser = serde_json::Deserializer::from_slice(value.bytes);
    let shaping = Shaping {
        shape: &mut shape,
        notation,
    };
    let parsed = shaping.deserialize(&mut parser).and_then(|()| parser.end());
    if let Err(error) = parsed {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        return Err(bad(format!("{}: not valid JSON: {message}", place())));
    }
    if !matches!(shape, Shape::Object(_)) {
        let found: String = String::from_utf8_lossy(value.bytes)
            .chars()
            .take(40)
            .collect();
        return Err(bad(format!(
            "{}: expected a JSON object, found {found}",
            place()
        )));
    }
    seen.record.join(shape);
    seen.rows += 1;
    seen.bytes += value.bytes.len() as u64 + 1;
    seen.spans_lines |= value.spans_lines;
    Ok(())
}

/// The shape of a value, or of all values of a column.
#[derive(Debug, Clone)]
enum Shape {
    Scalar(ValueType),
    List(Box<Shape>),
    Object(Object),
    /// Values that do not go together: text.
    Mixed,
}

#[derive(Debug, Clone, Default)]
struct Object {
    fields: Vec<(String, Shape)>,
    places: HashMap<String, usize>,
}

impl Object {
    fn add(&mut self, key: String, shape: Shape) {
        if let Some(place) = self.places.get(&key) {
            self.fields[*place].1.join(shape);
        } else if self.fields.len() < KEYS_MAX {
            self.places.insert(key.clone(), self.fields.len());
            self.fields.push((key, shape));
        }
    }
}

impl Shape {
    /// Widens the shape to admit `other` too.
    fn join(&mut self, other: Shape) {
        match (&mut *self, other) {
            (_, Shape::Scalar(ValueType::Null)) | (Shape::Mixed, _) => {}
            (known @ Shape::Scalar(ValueType::Null), other) => *known = other,
            (Shape::Scalar(known), Shape::Scalar(other)) => *known = known.join(other),
            (Shape::List(known), Shape::List(other)) => known.join(*other),
            (Shape::Object(known), Shape::Object(other)) => {
                for (key, shape) in other.fields {
                    known.add(key, shape);
                }
            }
            (known, _) => *known = Shape::Mixed,
        }
    }

    fn data_type(&self, text_type: &DataType) -> DataType {
        match self {
            Self::Scalar(value_type) => value_type.data_type(text_type),
            Self::Mixed => text_type.clone(),
            Self::List(item) => DataType::List(Arc::new(Field::new(
                "item",
                item.data_type(text_type),
                true,
            ))),
            // A struct needs a field; an object that is always empty says nothing.
            Self::Object(object) if object.fields.is_empty() => text_type.clone(),
            Self::Object(object) => {
                let fields = object
                    .fields
                    .iter()
                    .map(|(key, shape)| Field::new(key, shape.data_type(text_type), true));
                DataType::Struct(fields.collect())
            }
        }
    }
}

/// Parses a value, whose texts are written in `notation`, into its shape.
struct Shaping<'a> {
    shape: &'a mut Shape,
    notation: &'a Notation,
}

impl<'de> DeserializeSeed<'de> for Shaping<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shaping<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        *self.shape = Shape::Scalar(ValueType::Boolean);
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        *self.shape = Shape::Scalar(ValueType::Integer);
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        let fits = i64::try_from(number).is_ok();
        *self.shape = Shape::Scalar(if fits {
            ValueType::Integer
        } else {
            ValueType::Float
        });
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        *self.shape = Shape::Scalar(ValueType::Float);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        *self.shape = Shape::Scalar(match self.notation.means_null(text) {
            true => ValueType::Null,
            false => ValueType::of_quoted(text, self.notation),
        });
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let notation = self.notation;
        let mut all = Shape::Scalar(ValueType::Null);
        loop {
            let mut shape = Shape::Scalar(ValueType::Null);
            let item = Shaping {
                shape: &mut shape,
                notation,
            };
            if items.next_element_seed(item)?.is_none() {
                break;
            }
            all.join(shape);
        }
        *self.shape = Shape::List(Box::new(all));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let notation = self.notation;
        let mut object = Object::default();
        while let Some(key) = entries.next_key::<String>()? {
            let mut shape = Shape::Scalar(ValueType::Null);
            entries.next_value_seed(Shaping {
                shape: &mut shape,
                notation,
            })?;
            object.add(key, shape);
        }
        *self.shape = Shape::Object(object);
        Ok(())
    }
}

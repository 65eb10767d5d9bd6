//! Hive partition columns: `year=2026/month=7/` in a path gives columns `year` and `month`.
//!
//! Keys must be the same, in the same order, for all files. Types are told from all values: whole
//! numbers, dates, else text; `__HIVE_DEFAULT_PARTITION__` is NULL.

use arrow::array::types::{Date32Type, Int64Type};
use arrow::compute::kernels::cast_utils::Parser;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use sheaf_base::{Result, SheafError, sql_type_name};

use super::FoundFile;
use crate::stores::percent_decode;

/// What Hive writes for NULL.
const NULL_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// Partition columns with their types, and each file's values in that order.
#[derive(Debug, Clone, Default)]
pub(crate) struct HiveColumns {
    pub(crate) columns: Vec<(String, DataType)>,
    pub(crate) values: Vec<Vec<ScalarValue>>,
}

/// Detects the columns of `files`, or reads those the caller `declared`.
///
/// # Errors
/// `Data` if `required` (or declared) and a file's directories lack a key, or a value does not fit
/// its declared type.
pub(crate) fn hive_columns(
    files: &[FoundFile],
    declared: Option<&[(String, DataType)]>,
    required: bool,
    text_type: &DataType,
) -> Result<HiveColumns> {
    if let Some([]) = declared {
        return Ok(HiveColumns {
            columns: vec![],
            values: vec![vec![]; files.len()],
        });
    }
    let found: Vec<Vec<(String, Option<String>)>> = files.iter().map(pairs_of).collect();
    if let Some(declared) = declared {
        return typed_as_declared(files, &found, declared);
    }
    let none = HiveColumns {
        columns: vec![],
        values: vec![vec![]; files.len()],
    };
    let Some(first) = found.first() else {
        return Ok(none);
    };
    let keys: Vec<&str> = first.iter().map(|(key, _)| key.as_str()).collect();
    let odd = found.iter().position(|pairs| {
        pairs.len() != keys.len()
            || pairs
                .iter()
                .zip(&keys)
                .any(|((key, _), known)| key != known)
    });
    if let Some(odd) = odd {
        if !required {
            return Ok(none);
        }
        return Err(SheafError::data(format!(
            "{} and {} lie under different key=value directories",
            files[0].path, files[odd].path
        )));
    }
    let columns = keys
        .iter()
        .enumerate()
        .map(|(i, key)| {
            let values = found.iter().filter_map(|pairs| pairs[i].1.as_deref());
            ((*key).to_owned(), type_of(values, text_type))
        })
        .collect::<Vec<_>>();
    let values = found
        .iter()
        .map(|pairs| {
            pairs
                .iter()
                .zip(&columns)
                .map(|((_, value), (_, data_type))| scalar(value.as_deref(), data_type))
                .collect::<Result<Vec<_>>>()
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(HiveColumns { columns, values })
}

fn typed_as_declared(
    files: &[FoundFile],
    found: &[Vec<(String, Option<String>)>],
    declared: &[(String, DataType)],
) -> Result<HiveColumns> {
    let mut values = Vec::with_capacity(files.len());
    for (file, pairs) in files.iter().zip(found) {
        let row = declared.iter().map(|(name, data_type)| {
            let pair = pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            let Some((_, value)) = pair else {
                return Err(SheafError::data(format!(
                    "{} lies under no directory {name}=…",
                    file.path
                )));
            };
            scalar(value.as_deref(), data_type).map_err(|_| {
                SheafError::data(format!(
                    "{}: {name}={} is no {}",
                    file.path,
                    value.as_deref().unwrap_or_default(),
                    sql_type_name(data_type)
                ))
            })
        });
        values.push(row.collect::<Result<Vec<_>>>()?);
    }
    Ok(HiveColumns {
        columns: declared.to_vec(),
        values,
    })
}

/// The `key=value` directories of a file, outermost first.
fn pairs_of(file: &FoundFile) -> Vec<(String, Option<String>)> {
    let directories = file
        .path
        .rsplit_once('/')
        .map_or("", |(directories, _)| directories);
    let mut pairs: Vec<(String, Option<String>)> = Vec::new();
    for segment in directories.split('/') {
        let Some((key, value)) = segment.split_once('=') else {
            continue;
        };
        if key.is_empty() || pairs.iter().any(|(known, _)| known == key) {
            continue;
        }
        let value = percent_decode(value);
        pairs.push((percent_decode(key), (value != NULL_VALUE).then_some(value)));
    }
    pairs
}

fn type_of<'a>(values: impl Iterator<Item = &'a str> + Clone, text_type: &DataType) -> DataType {
    let mut all = values.clone().peekable();
    if all.peek().is_none() {
        return text_type.clone();
    }
    if all.all(|value| Int64Type::parse(value).is_some()) {
        return DataType::Int64;
    }
    if values
        .clone()
        .all(|value| value.len() == 10 && Date32Type::parse(value).is_some())
    {
        return DataType::Date32;
    }
    text_type.clone()
}

fn scalar(value: Option<&str>, data_type: &DataType) -> Result<ScalarValue> {
    match value {
        None => Ok(ScalarValue::try_from(data_type)?),
        Some(text) => Ok(ScalarValue::try_from_string(text.to_owned(), data_type)?),
    }
}

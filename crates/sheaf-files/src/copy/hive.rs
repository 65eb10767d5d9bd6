//! Hive's layout: the values of some columns become directories, `year=2026/region=a%2Fb/`.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::row::{RowConverter, SortField};
use sheaf_base::error::SqlState;
use sheaf_base::suggest::nearest;
use sheaf_base::{Result, SheafError};

use crate::copy::encode::plain_text;
use crate::stores::percent_encode;

/// The directory of nulls, as Hive calls it.
pub(super) const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// Which columns name directories, and which are written.
#[derive(Debug, Clone)]
pub(super) struct HiveLayout {
    /// Index and name of each partition column, in the order of the directories.
    columns: Vec<(usize, String)>,
    /// Indices of the columns that files have.
    written: Vec<usize>,
    /// The schema of files.
    schema: SchemaRef,
}

impl HiveLayout {
    /// The layout of rows of `schema` by `names`, which may be empty.
    ///
    /// # Errors
    /// `UserInput` if a column does not exist, is named twice, or none is left to be written.
    pub(super) fn new(schema: &SchemaRef, names: &[String], writes_keys: bool) -> Result<Self> {
        let mut columns: Vec<(usize, String)> = Vec::with_capacity(names.len());
        for name in names {
            let (index, name) = find(schema, name)?;
            if columns.iter().any(|(known, _)| *known == index) {
                return Err(SheafError::user(format!(
                    "partition column \"{name}\" is there twice"
                )));
            }
            columns.push((index, name));
        }
        let is_key = |index: &usize| columns.iter().any(|(key, _)| key == index);
        let written: Vec<usize> = (0..schema.fields().len())
            .filter(|index| writes_keys || !is_key(index))
            .collect();
        if written.is_empty() && !columns.is_empty() {
            return Err(SheafError::user(
                "every column is a partition column: none is left to write",
            )
            .with_hint("add (write_partition_columns true) to keep them in the files too"));
        }
        let schema = Arc::new(Schema::new_with_metadata(
            written
                .iter()
                .map(|index| Arc::clone(&schema.fields()[*index]))
                .collect::<Vec<_>>(),
            schema.metadata().clone(),
        ));
        Ok(Self {
            columns,
            written,
            schema,
        })
    }

    /// Whether there are partition columns.
    pub(super) fn is_partitioned(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Place and name of each partition column.
    pub(super) fn columns(&self) -> &[(usize, String)] {
        &self.columns
    }

    /// The schema of files.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows of `batch` by directory (`""` or `a=1/b=2/`), without the partition columns where
    /// files do not have them. Directories come in the order of their first row.
    pub(super) fn split(&self, batch: RecordBatch) -> Result<Vec<(String, RecordBatch)>> {
        if self.columns.is_empty() {
            return Ok(vec![(String::new(), batch)]);
        }
        let keys: Vec<ArrayRef> = self
            .columns
            .iter()
            .map(|(index, _)| Arc::clone(batch.column(*index)))
            .collect();
        let groups = group_rows(&keys)?;
        let rows = batch.project(&self.written)?;
        let mut parts = Vec::with_capacity(groups.len());
        for group in groups {
            let first = group.first().copied().unwrap_or_default();
            let directory = self.directory(&keys, first as usize)?;
            let part = if group.len() == rows.num_rows() {
                rows.clone()
            } else {
                take_record_batch(&rows, &UInt32Array::from(group))?
            };
            parts.push((directory, part));
        }
        Ok(parts)
    }

    fn directory(&self, keys: &[ArrayRef], row: usize) -> Result<String> {
        let mut path = String::new();
        for ((_, name), key) in self.columns.iter().zip(keys) {
            path.push_str(&percent_encode(name, " "));
            path.push('=');
            if key.logical_nulls().is_some_and(|nulls| nulls.is_null(row)) {
                path.push_str(NULL_PARTITION);
            } else {
                path.push_str(&percent_encode(&plain_text(key, row)?, ""));
            }
            path.push('/');
        }
        Ok(path)
    }
}

/// The rows of each distinct key, in the order of first rows.
fn group_rows(keys: &[ArrayRef]) -> Result<Vec<Vec<u32>>> {
    let fields = keys
        .iter()
        .map(|key| SortField::new(key.data_type().clone()))
        .collect();
    let rows = RowConverter::new(fields)?.convert_columns(keys)?;
    let mut groups: Vec<Vec<u32>> = Vec::new();
    let mut known = HashMap::new();
    for (row, index) in rows.iter().zip(0_u32..) {
        let group = *known.entry(row.data().to_vec()).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(group) {
            group.push(index);
        }
    }
    Ok(groups)
}

/// A column by its name; if no name fits exactly, by its name in any case.
fn find(schema: &SchemaRef, name: &str) -> Result<(usize, String)> {
    let names = || schema.fields().iter().map(|field| field.name().as_str());
    let found = names()
        .position(|known| known == name)
        .or_else(|| names().position(|known| known.eq_ignore_ascii_case(name)));
    match found {
        Some(index) => Ok((index, schema.field(index).name().clone())),
        None => {
            let error = SheafError::user(format!("partition column \"{name}\" does not exist"))
                .with_state(SqlState::UNDEFINED_COLUMN);
            Err(match nearest(name, names()) {
                Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
                None => error,
            })
        }
    }
}

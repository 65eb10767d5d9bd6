//! VARIANTs in Parquet, in lists and structs as well: stored in the binary form of Parquet, with columns of
//! their own for the fields that the first rows of the file have.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use sheaf_bags::stored::{Layout, holds_variants};
use sheaf_base::{Result, SheafError};

use super::RowWriter;
use super::parquet::{ParquetEncoding, Writer};

/// Whether some of the columns are VARIANTs or hold some.
pub(in crate::copy) fn has_variants(schema: &Schema) -> bool {
    schema.fields().iter().any(|field| holds_variants(field))
}

/// The encoder of a file with VARIANTs: its schema is known with the first rows.
pub(super) struct VariantsWriter {
    options: ParquetEncoding,
    schema: SchemaRef,
    /// Until the file is begun.
    output: Option<Box<dyn Write + Send>>,
    begun: Option<(Writer, Stored)>,
}

impl VariantsWriter {
    pub(super) fn new(
        options: &ParquetEncoding,
        schema: &SchemaRef,
        output: Box<dyn Write + Send>,
    ) -> Self {
        Self {
            options: options.clone(),
            schema: Arc::clone(schema),
            output: Some(output),
            begun: None,
        }
    }

    /// Begins the file, if it is not, for rows like those of `first`.
    fn begin(&mut self, first: &RecordBatch) -> Result<&mut (Writer, Stored)> {
        if let Some(output) = self.output.take() {
            let stored = Stored::of(&self.schema, first)?;
            let writer = Writer::new(&self.options, &stored.schema, output)?;
            self.begun = Some((writer, stored));
        }
        let failed = || SheafError::internal("a Parquet file could not be begun");
        self.begun.as_mut().ok_or_else(failed)
    }
}

impl RowWriter for VariantsWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let (writer, stored) = self.begin(batch)?;
        writer.write(&stored.store(batch)?)
    }

    fn held_bytes(&self) -> usize {
        let begun = self.begun.as_ref();
        begun.map_or(0, |(writer, _)| writer.held_bytes())
    }

    fn release(&mut self) -> Result<()> {
        match &mut self.begun {
            Some((writer, _)) => writer.release(),
            None => Ok(()),
        }
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        let no_rows = RecordBatch::new_empty(Arc::clone(&self.schema));
        self.begin(&no_rows)?;
        match self.begun {
            Some((writer, _)) => Box::new(writer).finish(),
            None => Ok(()),
        }
    }
}

/// How the columns of a file are stored.
pub(super) struct Stored {
    schema: SchemaRef,
    columns: Vec<Layout>,
}

impl Stored {
    /// Tells the shapes of VARIANTs from the rows of `first`.
    fn of(schema: &SchemaRef, first: &RecordBatch) -> Result<Self> {
        let columns = schema.fields().iter().zip(first.columns());
        let columns = columns.map(|(field, column)| Layout::of(field, column));
        let columns = columns.collect::<Result<Vec<_>, ArrowError>>()?;
        let fields = schema.fields().iter().zip(&columns);
        let fields: Vec<Field> = fields.map(|(field, layout)| layout.field(field)).collect();
        let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
        Ok(Self {
            schema: Arc::new(schema),
            columns,
        })
    }

    fn store(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = self.columns.iter().zip(batch.columns());
        let columns = columns.map(|(layout, column)| layout.store(column));
        let columns = columns.collect::<Result<Vec<_>, ArrowError>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let schema = Arc::clone(&self.schema);
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }
}

//! Opening CSV files: what is inferred of them, and whether they are read value by value.

use std::sync::Arc;

use ::arrow::datatypes::{Schema, SchemaRef};
use sheaf_base::type_names::variant_field;
use sheaf_base::{Result, SheafError};

use super::{Opened, Opening, detect};
use crate::infer::{LOOKED_AT_FILES_MAX, infer_csv};
use crate::scan::bytes::SourceFile;
use crate::table::Reader;

/// The column of values that did not fit theirs.
const RESCUED_COLUMN: &str = "_rescued";

impl Opening<'_> {
    pub(super) async fn read_csv(&self) -> Result<Opened> {
        let files = self.text_files().await?;
        let declared = self.request.schema.as_ref();
        let sample = infer_csv(&files, self.options, declared, &self.text_type).await?;
        let rescues = self.options.rescues;
        let is_lenient = self.options.goes_on() || !self.options.notation.has_plain_values();
        let may_span = self.options.csv.newlines_in_values;
        let has_long_records = may_span.unwrap_or(sample.resists_cuts);
        // Arrow's reader counts lines to skip from a file's start, so a piece must not begin among
        // them. Where quotes in comments may be wrong, only this one reader can say what they mean.
        let is_sure = !has_long_records || sample.layout.comment.is_none();
        let can_split = is_lenient || (sample.layout.skip == 0 && is_sure);
        Ok(Opened {
            file_schema: match rescues {
                true => with_rescued(&sample.file_schema)?,
                false => sample.file_schema,
            },
            reader: Reader::Csv {
                layout: sample.layout,
                is_lenient,
                has_long_records,
                rescues,
            },
            extents: self.text_extents(can_split),
            rows: self.text_rows(sample.bytes_per_row),
            looked_at: files.len(),
        })
    }

    /// The files of a text format to look at: all of them, if all rows are to be looked at.
    pub(super) async fn text_files(&self) -> Result<Vec<SourceFile>> {
        let reads_all = self.options.sample_rows == usize::MAX;
        let files = self.looked_at(match reads_all {
            true => usize::MAX,
            false => LOOKED_AT_FILES_MAX,
        });
        let Some(first) = files.first() else {
            return Err(self.all_empty());
        };
        detect::refuse_binary(first, self.format).await?;
        Ok(files)
    }
}

/// `schema` and the column of rescued values.
///
/// # Errors
/// `UserInput` if the files have a column of its name.
pub(super) fn with_rescued(schema: &SchemaRef) -> Result<SchemaRef> {
    if schema.column_with_name(RESCUED_COLUMN).is_some() {
        return Err(SheafError::user(format!(
            "the files have a column {RESCUED_COLUMN} of their own"
        ))
        .with_hint("leave rescue => true out, or the column: types or columns name all others"));
    }
    let rescued = Arc::new(variant_field(RESCUED_COLUMN, true));
    let fields = schema.fields().iter().cloned().chain([rescued]);
    let fields: Vec<_> = fields.collect();
    Ok(Arc::new(Schema::new_with_metadata(
        fields,
        schema.metadata.clone(),
    )))
}

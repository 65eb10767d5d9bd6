//! Opening JSON files: what is inferred of them, and whether they are read value by value.

use std::sync::Arc;

use sheaf_base::Result;

use super::csv::with_rescued;
use super::{Opened, Opening};
use crate::formats::options::JsonFormat as Arrangement;
use crate::infer::infer_json;
use crate::scan::bag::Layout;
use crate::table::Reader;

impl Opening<'_> {
    pub(super) async fn read_json(&self) -> Result<Opened> {
        let files = self.text_files().await?;
        let declared = self.request.schema.as_ref();
        let sample = infer_json(&files, self.options, declared, &self.text_type).await?;
        let rescues = self.options.rescues;
        let notation = &self.options.notation;
        let is_lenient = self.options.goes_on() || !notation.is_plain();
        let arrangement = self.options.json_format;
        let extents = match (is_lenient, arrangement) {
            // As those of bags, whose decoders read them: what is wrong says nothing of the rest.
            (true, Arrangement::Auto) => self.bag_extents(&Layout::Told).await?,
            (false, Arrangement::Auto) => self.text_extents(sample.is_line_delimited),
            (_, other) => self.text_extents(other == Arrangement::NewlineDelimited),
        };
        Ok(Opened {
            file_schema: match rescues {
                true => with_rescued(&sample.file_schema)?,
                false => sample.file_schema,
            },
            reader: Reader::Json {
                arrangement,
                arrays: sample.arrays,
                text_paths: Arc::new(sample.text_paths),
                is_strict: declared.is_none(),
                is_lenient,
                notation: Arc::new(notation.clone()),
                rescues,
            },
            extents,
            rows: self.text_rows(sample.bytes_per_row),
            looked_at: files.len(),
        })
    }
}

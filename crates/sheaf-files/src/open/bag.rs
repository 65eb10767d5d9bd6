//! Opening a bag: what its records are, and which of its files can be split.

use std::sync::Arc;

use ::arrow::datatypes::Schema;
use sheaf_bags::extract::Extract;
use sheaf_bags::logs::LineFormat;
use sheaf_base::type_names::variant_field;
use sheaf_base::{Result, SheafError};

use super::{LINE_NUMBER_COLUMN, Opened, Opening, detect};
use crate::encoding::Encoding;
use crate::formats::bag::{BagOptions, RecordKind};
use crate::infer::LOOKED_AT_FILES_MAX;
use crate::listing::FoundFile;
use crate::partition::{FileExtent, Split};
use crate::request::bad_option;
use crate::scan::bag::{BagColumn, Layout, OFFSET_COLUMN, RECORD_COLUMN, layout_of, number_field};
use crate::table::{BagReader, Reader};

/// Bytes that a record is taken to have.
const RECORD_BYTES: f64 = 150.0;

impl Opening<'_> {
    pub(super) async fn read_bag(&self) -> Result<Opened> {
        if self.request.schema.is_some() {
            return Err(SheafError::user(format!(
                "records have one column, {RECORD_COLUMN}, of type VARIANT"
            ))
            .with_hint("leave the columns out"));
        }
        let options = &self.options.bag;
        let layout = layout(options)?;
        if let (Some(first), None) = (self.filled().next(), self.transcoder()) {
            detect::refuse_binary(&self.source_file(first), self.format).await?;
        }
        let (fields, columns) = self.bag_columns();
        Ok(Opened {
            file_schema: Arc::new(Schema::new(fields)),
            extents: self.bag_extents(&layout).await?,
            rows: self.text_rows(RECORD_BYTES),
            looked_at: self.listing.files.len(),
            reader: Reader::Bag(BagReader {
                columns,
                layout,
                is_lossy: matches!(self.options.encoding, Encoding::Lossy),
            }),
        })
    }

    fn bag_columns(&self) -> (Vec<::arrow::datatypes::Field>, Arc<[BagColumn]>) {
        let mut fields = vec![variant_field(RECORD_COLUMN, true)];
        let mut columns = vec![BagColumn::Extract(Extract::record())];
        if self.request.offsets {
            fields.push(number_field(OFFSET_COLUMN));
            columns.push(BagColumn::Offset);
        }
        if self.request.line_numbers {
            fields.push(number_field(LINE_NUMBER_COLUMN));
            columns.push(BagColumn::Line);
        }
        (fields, columns.into())
    }

    /// Which files can be cut. What a file's records are is looked up only where it matters: in
    /// files that are larger than a partition.
    pub(super) async fn bag_extents(&self, layout: &Layout) -> Result<Vec<FileExtent>> {
        let partition_bytes = self.partition_bytes();
        let mut extents = Vec::with_capacity(self.listing.files.len());
        let mut looks = 0;
        for file in &self.listing.files {
            let mut can_split = self.can_split(file);
            if can_split {
                can_split = match layout {
                    Layout::JsonLines | Layout::Lines(_) => true,
                    Layout::JsonValues => false,
                    Layout::Told if file.meta.size <= partition_bytes => false,
                    Layout::Told => {
                        looks += 1;
                        looks <= LOOKED_AT_FILES_MAX && self.is_of_lines(file).await?
                    }
                };
            }
            extents.push(FileExtent {
                bytes: file.meta.size,
                split: match can_split {
                    true => Split::Anywhere,
                    false => Split::No,
                },
            });
        }
        Ok(extents)
    }

    async fn is_of_lines(&self, file: &FoundFile) -> Result<bool> {
        let told = layout_of(&self.source_file(file)).await?;
        Ok(!matches!(told, Layout::JsonValues))
    }
}

/// How records follow each other, as the user says.
fn layout(options: &BagOptions) -> Result<Layout> {
    let is_pattern = matches!(options.kind, RecordKind::Regex | RecordKind::Grok);
    let pattern = match (&options.pattern, is_pattern) {
        (Some(pattern), true) => pattern.as_str(),
        (None, false) => "",
        (None, true) => {
            let error = SheafError::user("this format needs a pattern");
            return Err(error.with_hint("pattern => '(?<level>[A-Z]+) (?<text>.*)'"));
        }
        (Some(_), false) => {
            return Err(SheafError::user(
                "pattern goes with format => 'regex' or 'grok'",
            ));
        }
    };
    if options.is_multiline {
        return match options.kind {
            RecordKind::Auto | RecordKind::Json | RecordKind::JsonLines => Ok(Layout::JsonValues),
            _ => Err(bad_option("multiline", "true with format => 'json' only")),
        };
    }
    let lines = |format: LineFormat| Ok(Layout::Lines(Arc::new(format)));
    match options.kind {
        RecordKind::Auto => Ok(Layout::Told),
        RecordKind::JsonLines => Ok(Layout::JsonLines),
        RecordKind::Json => Ok(Layout::JsonValues),
        RecordKind::Text => lines(LineFormat::Text),
        RecordKind::Regex => lines(LineFormat::regex(pattern)?),
        RecordKind::Grok => lines(LineFormat::grok(pattern)?),
        RecordKind::CommonLog => lines(LineFormat::Access { is_combined: false }),
        RecordKind::CombinedLog => lines(LineFormat::Access { is_combined: true }),
        RecordKind::Logfmt => lines(LineFormat::Logfmt),
    }
}

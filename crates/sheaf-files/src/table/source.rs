//! The file source of a table's format.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::datasource::physical_plan::parquet::{
    CachedParquetFileReaderFactory, ParquetFileReaderFactory,
};
use datafusion::datasource::physical_plan::{FileSource, ParquetSource};
use datafusion::error::Result as EngineResult;
use object_store::path::Path;

use super::{FileTable, Reader};
use crate::scan::accounted::AccountedReaders;
use crate::scan::bad_records::ErrorPolicy;
use crate::scan::bag::{BagFormat, LineCounts};
use crate::scan::csv::{CsvFormat, RecordStarts};
use crate::scan::json::JsonFormat;
use crate::scan::known_columns::CheckedReaders;
use crate::scan::named::NamedSource;
use crate::scan::text::TextFormat;
use crate::scan::typed::TypedFormat;
use crate::scan::{RecordFormat, RecordSource};

/// Bytes fetched from a remote Parquet file's end at once, which hold most footers.
const FOOTER_BYTES_HINT: usize = 64 * 1024;

impl FileTable {
    /// How the engine reads the table's files.
    pub(super) fn file_source(&self, session: &dyn Session) -> EngineResult<Arc<dyn FileSource>> {
        let schema = self.parts.table_schema.clone();
        let file_schema = Arc::clone(schema.file_schema());
        let known = self.parts.known.clone();
        let format: Arc<dyn RecordFormat> = match &self.parts.reader {
            Reader::Csv {
                layout,
                is_lenient,
                has_long_records,
                rescues,
            } => Arc::new(CsvFormat {
                layout: layout.clone(),
                file_schema,
                rescues: *rescues,
                known,
                is_lenient: *is_lenient,
                has_long_records: *has_long_records,
                policy: Arc::new(ErrorPolicy::new(&self.parts.errors)),
                rejects: self.parts.rejects.clone(),
                starts: Arc::new(RecordStarts::new(self.cuts())),
            }),
            Reader::Json {
                arrangement,
                arrays,
                text_paths,
                is_strict,
                is_lenient,
                notation,
                rescues,
            } => Arc::new(JsonFormat {
                file_schema,
                arrangement: *arrangement,
                arrays: Arc::clone(arrays),
                text_paths: Arc::clone(text_paths),
                is_strict: *is_strict,
                rescues: *rescues,
                is_lenient: *is_lenient,
                notation: Arc::clone(notation),
                policy: Arc::new(ErrorPolicy::new(&self.parts.errors)),
                rejects: self.parts.rejects.clone(),
                lines: Arc::new(self.line_counts()),
            }),
            Reader::Text => Arc::new(TextFormat { file_schema }),
            Reader::Typed(kind) => Arc::new(TypedFormat {
                kind: *kind,
                file_schema,
                known,
            }),
            Reader::Bag(bag) => Arc::new(BagFormat {
                file_schema,
                columns: Arc::clone(&bag.columns),
                layout: bag.layout.clone(),
                is_lossy: bag.is_lossy,
                policy: Arc::new(ErrorPolicy::new(&self.parts.errors)),
                lines: Arc::new(self.line_counts()),
                rejects: self.parts.rejects.clone(),
            }),
            Reader::Parquet => return self.parquet_source(session),
        };
        Ok(Arc::new(RecordSource::new(format, schema)))
    }

    /// Where files are cut, for who counts their lines.
    fn line_counts(&self) -> LineCounts {
        LineCounts::new(self.cuts())
    }

    /// Where files are cut, in order.
    fn cuts(&self) -> HashMap<Path, Vec<u64>> {
        let mut cuts: HashMap<Path, Vec<u64>> = HashMap::new();
        for stretch in &self.parts.stretches {
            let start = stretch.range.as_ref().map_or(0, |range| range.start);
            if start > 0 {
                let location = &self.parts.files[stretch.file].meta.location;
                cuts.entry(location.clone()).or_default().push(start);
            }
        }
        for starts in cuts.values_mut() {
            starts.sort_unstable();
            starts.dedup();
        }
        cuts
    }

    fn parquet_source(&self, session: &dyn Session) -> EngineResult<Arc<dyn FileSource>> {
        let runtime = session.runtime_env();
        let store = runtime.object_store(&self.parts.store_url)?;
        let cache = runtime.cache_manager.get_file_metadata_cache();
        let mut readers: Arc<dyn ParquetFileReaderFactory> =
            Arc::new(CachedParquetFileReaderFactory::new(store, cache));
        readers = Arc::new(AccountedReaders {
            inner: readers,
            pool: Arc::clone(&runtime.memory_pool),
        });
        if let Some(known) = self.parts.known.clone() {
            readers = Arc::new(CheckedReaders {
                inner: readers,
                known,
            });
        }
        let source = ParquetSource::new(self.parts.table_schema.clone())
            .with_table_parquet_options(session.default_table_options().parquet)
            .with_parquet_file_reader_factory(readers)
            .with_metadata_size_hint(FOOTER_BYTES_HINT);
        Ok(Arc::new(NamedSource::new(Arc::new(source))))
    }
}

//! The file source of a table's format.

use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::datasource::physical_plan::parquet::{
    CachedParquetFileReaderFactory, ParquetFileReaderFactory,
};
use datafusion::datasource::physical_plan::{FileSource, ParquetSource};
use datafusion::error::Result as EngineResult;

use super::{FileTable, Reader};
use crate::scan::accounted::AccountedReaders;
use crate::scan::bag::{BagFormat, ErrorPolicy, LineCounts};
use crate::scan::csv::CsvFormat;
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
            Reader::Csv(layout) => Arc::new(CsvFormat::new(layout.clone(), file_schema, known)),
            Reader::Json {
                arrangement,
                arrays,
                text_paths,
                is_strict,
            } => Arc::new(JsonFormat {
                file_schema,
                arrangement: *arrangement,
                arrays: Arc::clone(arrays),
                text_paths: Arc::clone(text_paths),
                is_strict: *is_strict,
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
                encoding: bag.encoding,
                policy: Arc::new(ErrorPolicy::new(bag.on_error, bag.errors_max)),
                lines: Arc::new(self.line_counts()),
                rejects: bag.rejects.clone(),
            }),
            Reader::Parquet => return self.parquet_source(session),
        };
        Ok(Arc::new(RecordSource::new(format, schema)))
    }

    /// Where files are cut, for who counts their lines.
    fn line_counts(&self) -> LineCounts {
        let stretches = self.parts.stretches.iter();
        LineCounts::new(stretches.filter_map(|stretch| {
            let start = stretch.range.as_ref()?.start;
            let location = &self.parts.files[stretch.file].meta.location;
            (start > 0).then(|| (location.clone(), start))
        }))
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

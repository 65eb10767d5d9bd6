//! Tests of reading: files in a temporary directory, through the engine.

mod bags;
mod csv;
mod errors;
mod formats;
mod globs;
mod hive;
mod json;
mod messy;
mod splits;
mod stored_variants;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::{SessionConfig, SessionContext};
use sheaf_base::{ByteCount, Result, SheafError, sql_type_name};

use crate::{FileTable, OptionValue, ReadRequest, open};

/// A directory with files, and an engine that reads them as table `t`.
pub(crate) struct Fixture {
    directory: tempfile::TempDir,
    threads: usize,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            threads: 2,
        }
    }

    /// The absolute path of `name`.
    pub(crate) fn path(&self, name: &str) -> String {
        self.directory
            .path()
            .join(name)
            .to_str()
            .unwrap()
            .to_owned()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = PathBuf::from(self.path(name));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(path)
            .unwrap()
            .write_all(content.as_ref())
            .unwrap();
        self
    }

    pub(crate) fn request(&self, name: &str) -> ReadRequest {
        ReadRequest::path(self.path(name))
    }

    pub(crate) fn context(&self) -> SessionContext {
        let config = SessionConfig::new().with_target_partitions(self.threads);
        SessionContext::new_with_config(config)
    }

    pub(crate) async fn open(&self, request: &ReadRequest) -> Result<Arc<FileTable>> {
        open(request, &self.context().state()).await
    }

    /// The rows of `sql` over `t`, the table of `request`.
    pub(crate) async fn batches(
        &self,
        request: &ReadRequest,
        sql: &str,
    ) -> Result<Vec<RecordBatch>> {
        let context = self.context();
        let table = open(request, &context.state()).await?;
        #[expect(
            clippy::disallowed_methods,
            reason = "a test has no catalogue of its own"
        )]
        context.register_table("t", table)?;
        #[expect(
            clippy::disallowed_methods,
            reason = "a test has no dialect of its own"
        )]
        let frame = context.sql(sql).await?;
        Ok(frame.collect().await?)
    }

    /// The rows of `sql`, values joined by `|`, NULL as `-`.
    pub(crate) async fn rows(&self, request: &ReadRequest, sql: &str) -> Result<Vec<String>> {
        Ok(lines_of(&self.batches(request, sql).await?))
    }

    /// The rows of file or glob `name`.
    pub(crate) async fn select(&self, name: &str, sql: &str) -> Vec<String> {
        self.rows(&self.request(name), sql)
            .await
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// The error of reading all of `request`.
    pub(crate) async fn error(&self, request: &ReadRequest) -> SheafError {
        match self.rows(request, "SELECT * FROM t").await {
            Ok(rows) => panic!("no error but {} rows", rows.len()),
            Err(error) => error,
        }
    }

    /// Names and types of the columns.
    pub(crate) async fn columns(&self, request: &ReadRequest) -> Vec<String> {
        use datafusion::catalog::TableProvider;
        let table = self
            .open(request)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let schema = table.schema();
        let describe = |field: &Arc<arrow::datatypes::Field>| {
            format!("{} {}", field.name(), sql_type_name(field.data_type()))
        };
        schema.fields().iter().map(describe).collect()
    }

    /// The error's message without the directory.
    pub(crate) fn short(&self, error: &SheafError) -> String {
        let directory = format!("{}/", self.directory.path().to_str().unwrap());
        error.message().replace(&directory, "")
    }
}

/// Rows as lines.
pub(crate) fn lines_of(batches: &[RecordBatch]) -> Vec<String> {
    let options = arrow::util::display::FormatOptions::new().with_null("-");
    let mut lines = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| arrow::util::display::ArrayFormatter::try_new(column, &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let values: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
            lines.push(values.join("|"));
        }
    }
    lines
}

pub(crate) fn text(value: &str) -> OptionValue {
    OptionValue::Text(value.to_owned())
}

pub(crate) fn types(pairs: &[(&str, &str)]) -> OptionValue {
    OptionValue::Struct(
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), text(value)))
            .collect(),
    )
}

pub(crate) fn with_partition_size(mut request: ReadRequest, bytes: u64) -> ReadRequest {
    request.partition_size = Some(ByteCount(bytes));
    request
}

/// A table of batches, for tests that look at it as a whole.
pub(crate) fn pretty(batches: &[RecordBatch]) -> String {
    pretty_format_batches(batches).unwrap().to_string()
}

//! Files that carry their own schema and are read by seeking, Arrow and Avro: columns by name, types
//! cast to the table's.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use async_trait::async_trait;
use futures::StreamExt;
use sheaf_base::{Result, SheafError};

use super::bytes::SourceFile;
use super::contents::{Contents, adapt, damaged_file};
use super::known_columns::KnownColumns;
use super::{Batches, Piece, RecordFormat, arrow as ipc, avro};

/// Which of the formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TypedKind {
    Arrow,
    Avro,
}

/// The Arrow or Avro files of one table.
#[derive(Debug)]
pub(crate) struct TypedFormat {
    pub(crate) kind: TypedKind,
    pub(crate) file_schema: SchemaRef,
    /// What a file that nobody looked at may have.
    pub(crate) known: Option<Arc<KnownColumns>>,
}

/// Batches of one file as they stand in it.
pub(super) type FileBatches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// What to read of a file.
pub(super) struct Wanted<'a> {
    pub(super) columns: &'a SchemaRef,
    pub(super) range: Option<Range<u64>>,
    pub(super) file_bytes: u64,
    pub(super) batch_rows: usize,
}

impl TypedKind {
    fn title(self) -> &'static str {
        match self {
            Self::Arrow => "Arrow IPC",
            Self::Avro => "Avro",
        }
    }

    fn schema_in(self, contents: &Contents) -> Result<SchemaRef, ArrowError> {
        match self {
            Self::Arrow => ipc::schema_in(contents),
            Self::Avro => avro::schema_in(contents),
        }
    }

    fn batches_in(
        self,
        contents: &Contents,
        wanted: &Wanted<'_>,
    ) -> Result<FileBatches, ArrowError> {
        match self {
            Self::Arrow => ipc::batches_in(contents, wanted),
            Self::Avro => avro::batches_in(contents, wanted),
        }
    }

    fn damaged(self, path: &str, error: ArrowError) -> SheafError {
        damaged_file(path, error, self.title())
    }
}

/// The schema of a file.
///
/// # Errors
/// Names the file if it is of another format, or damaged.
pub(crate) async fn schema_of(kind: TypedKind, file: &SourceFile) -> Result<SchemaRef> {
    let contents = Contents::of(file).await?;
    kind.schema_in(&contents)
        .map_err(|error| kind.damaged(&file.path, error))
}

#[async_trait]
impl RecordFormat for TypedFormat {
    fn name(&self) -> &'static str {
        match self.kind {
            TypedKind::Arrow => "arrow",
            TypedKind::Avro => "avro",
        }
    }

    async fn open(
        &self,
        piece: Piece,
        projection: Arc<[usize]>,
        batch_rows: usize,
    ) -> Result<Batches> {
        let kind = self.kind;
        let output = Arc::new(self.file_schema.project(&projection)?);
        let path = Arc::clone(&piece.file.path);
        let contents = Contents::of(&piece.file).await?;
        if let Some(known) = &self.known {
            let schema = kind.schema_in(&contents);
            let schema = schema.map_err(|error| kind.damaged(&path, error))?;
            known.check(&path, schema.fields().iter().map(|f| f.name().as_str()))?;
        }
        let wanted = Wanted {
            columns: &output,
            range: piece.range,
            file_bytes: piece.file.meta.size,
            batch_rows,
        };
        let batches = kind.batches_in(&contents, &wanted);
        let batches = batches.map_err(|error| kind.damaged(&path, error))?;
        let batches = batches.map(move |batch| {
            batch
                .and_then(|batch| adapt(&batch, &output))
                .map_err(|error| kind.damaged(&path, error))
        });
        Ok(futures::stream::iter(batches).boxed())
    }
}

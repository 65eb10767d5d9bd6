//! `COPY table FROM STDIN`: the client's rows go into an INSERT while they come. All of them are
//! inserted, or none.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use sheaf::arrow::array::RecordBatch;
use sheaf::arrow::datatypes::SchemaRef;
use sheaf::datafusion::catalog::streaming::StreamingTable;
use sheaf::datafusion::error::DataFusionError;
use sheaf::datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use sheaf::datafusion::execution::{SendableRecordBatchStream, TaskContext};
use sheaf::datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use sheaf::datafusion::physical_plan::streaming::PartitionStream;
use sheaf::{Result, ScalarValue, Session, SheafError, SqlState, StatementKind};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::answer::Answer;
use super::copy::CopyOptions;
use super::{Client, SharedStatement, cancelled, shutdown, time_zone};
use crate::decode;
use crate::decode::copy::{CopyReader, CopyRow};
use crate::errors::{Failure, Flow, protocol_error};
use crate::message::backend;
use crate::message::frontend::{self, Fields, Format};
use crate::types::{WireColumn, columns_of};

/// Rows that are inserted at a time.
const BATCH_ROWS_MAX: usize = 8_192;
/// Bytes of values after which a batch is full.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Batches that wait for the INSERT.
const BATCHES_WAITING_MAX: usize = 2;
/// What the rows are called while they are inserted.
const ROWS_NAME: &str = "rows of COPY";

impl Client {
    /// Runs a `COPY … FROM STDIN` to its end.
    pub(super) async fn copy_in(
        &mut self,
        statement: &SharedStatement,
        stop: &CancellationToken,
    ) -> Flow<Answer> {
        let StatementKind::CopyIn {
            table,
            columns,
            format,
            options,
            ..
        } = &statement.kind
        else {
            return Err(SheafError::internal("not a COPY … FROM STDIN").into());
        };
        let options = CopyOptions::read(format.as_deref(), options, true)?;
        let session = self.session.clone();
        let described = self
            .guard(stop, session.describe(statement.statement(), &[]))
            .await?;
        let schema = described
            .columns
            .ok_or_else(|| SheafError::internal("a COPY … FROM STDIN without columns"))?;
        let names = columns_of(&schema);
        let shape = options.into_shape(&names)?;
        let memory = Arc::clone(session.engine().memory()) as Arc<dyn MemoryPool>;
        let rows = Incoming {
            reader: CopyReader::new(shape),
            columns: names,
            schema: Arc::clone(&schema),
            zone: time_zone(&self.session),
            values: vec![vec![]; schema.fields().len()],
            bytes: 0,
            memory: MemoryConsumer::new("COPY FROM").register(&memory),
            format: options_format(format.as_deref()),
        };
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING_MAX);
        let source = ClientRows {
            schema: Arc::clone(&schema),
            receiver: Mutex::new(Some(receiver)),
        };
        let source = StreamingTable::try_new(schema, vec![Arc::new(source)]);
        let source = source.map_err(SheafError::from)?;
        session.register_table(ROWS_NAME, Arc::new(source))?;
        let named = Named(session.clone());
        let list: Vec<String> = columns.iter().map(ToString::to_string).collect();
        let list = match list.is_empty() {
            true => String::new(),
            false => format!("({})", list.join(", ")),
        };
        let insert = format!("INSERT INTO {table} {list} SELECT * FROM \"{ROWS_NAME}\"");
        let copied = self.receive(rows, sender, &insert, stop).await;
        drop(named);
        let copied = copied?;
        Ok(Answer::done(format!("COPY {copied}")))
    }

    /// Reads the client's rows into the INSERT; how many there were.
    async fn receive(
        &mut self,
        mut rows: Incoming,
        sender: mpsc::Sender<Piece>,
        insert: &str,
        stop: &CancellationToken,
    ) -> Flow<u64> {
        let (columns, format) = (rows.columns.len(), rows.format);
        backend::copy_in(&mut self.connection.output, format, columns);
        self.connection.flush().await?;
        let session = self.session.clone();
        let insert = async {
            let inserted = session.sql(insert).await;
            inserted
                .map_err(SheafError::without_position)?
                .drain()
                .await
        };
        let mut insert = std::pin::pin!(insert);
        let stopped = self.shared.stopped.clone();
        loop {
            let message = tokio::select! {
                biased;
                () = stop.cancelled() => return Err(cancelled().into()),
                () = stopped.cancelled() => return Err(Failure::Fatal(shutdown())),
                // Before its rows have ended, it ends only when it fails.
                outcome = &mut insert => return Err(outcome.err().unwrap_or_else(too_early).into()),
                message = self.connection.read_message(frontend::is_known) => message?,
            };
            let Some((tag, body)) = message else {
                return Err(Failure::Gone);
            };
            let is_last = match tag {
                b'd' => {
                    rows.push(&body)?;
                    false
                }
                b'c' => true,
                b'f' => {
                    let reason = Fields::new(body).string().unwrap_or_default();
                    return Err(
                        SheafError::cancelled(format!("COPY from stdin failed: {reason}")).into(),
                    );
                }
                b'H' | b'S' => false,
                _ => {
                    return Err(protocol_error(format!(
                        "unexpected message type 0x{tag:02X} during COPY from stdin"
                    ))
                    .into());
                }
            };
            while let Some(batch) = rows.next_batch(is_last)? {
                tokio::select! {
                    outcome = &mut insert => return Err(outcome.err().unwrap_or_else(too_early).into()),
                    _ = sender.send(Piece::Rows(rows.charged(batch))) => {}
                }
            }
            if is_last {
                let end = sender.send(Piece::End);
                let (_, outcome) = futures::future::join(end, &mut insert).await;
                outcome?;
                return Ok(rows.reader.rows);
            }
        }
    }
}

fn too_early() -> SheafError {
    SheafError::internal("an INSERT ended before its rows")
}

fn options_format(format: Option<&str>) -> Format {
    match format {
        Some("binary") => Format::Binary,
        _ => Format::Text,
    }
}

/// The client's rows on their way to record batches.
struct Incoming {
    reader: CopyReader,
    columns: Vec<WireColumn>,
    schema: SchemaRef,
    zone: String,
    format: Format,
    /// Those of a batch that is not full, by column.
    values: Vec<Vec<ScalarValue>>,
    bytes: usize,
    /// Reserved for what has come and is in no batch.
    memory: MemoryReservation,
}

impl Incoming {
    /// Takes a piece of the data.
    ///
    /// # Errors
    /// `Resource` (54000) if a row is too long, (53200) if there is no memory for what has come.
    fn push(&mut self, piece: &[u8]) -> Result<()> {
        self.memory
            .try_resize(self.reader.held_bytes() + self.bytes + piece.len())?;
        self.reader.push(piece)
    }

    /// The batch with a reservation of its memory, which counts as long as it waits.
    fn charged(&self, batch: RecordBatch) -> (RecordBatch, MemoryReservation) {
        let charge = self.memory.new_empty();
        charge.grow(batch.get_array_memory_size());
        (batch, charge)
    }

    /// The next full batch; behind `is_last` nothing comes, and any is full.
    fn next_batch(&mut self, is_last: bool) -> Result<Option<RecordBatch>> {
        while let Some(row) = self.reader.next(is_last)? {
            let line = self.reader.line;
            self.take(row)
                .map_err(|error| error.with_detail(format!("row {line} of COPY")))?;
            if self.len() >= BATCH_ROWS_MAX || self.bytes >= BATCH_BYTES_MAX {
                return self.cut().map(Some);
            }
        }
        match is_last && self.len() > 0 {
            true => self.cut().map(Some),
            false => Ok(None),
        }
    }

    fn len(&self) -> usize {
        self.values.first().map_or(0, Vec::len)
    }

    fn take(&mut self, row: CopyRow) -> Result<()> {
        let fields = self.schema.fields().iter();
        let columns = self.columns.iter().zip(fields).zip(&mut self.values);
        for (bytes, ((column, field), values)) in row.into_iter().zip(columns) {
            self.bytes += size_of::<ScalarValue>() + bytes.as_ref().map_or(0, bytes::Bytes::len);
            let value = decode::value(bytes, self.format, column.wire_type, &self.zone)
                .map_err(|error| error.with_context(format!("column \"{}\"", column.name)))?;
            values.push(value.cast_to(field.data_type())?);
        }
        Ok(())
    }

    fn cut(&mut self) -> Result<RecordBatch> {
        self.bytes = 0;
        let columns = self.values.iter_mut().map(std::mem::take);
        let columns = columns.map(|values| Ok(ScalarValue::iter_to_array(values)?));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

/// The name of the rows, which goes however the COPY ends.
struct Named(Session);

impl Drop for Named {
    fn drop(&mut self) {
        self.0.forget_table(ROWS_NAME);
    }
}

/// What the INSERT is given: rows, and that there are no more.
enum Piece {
    Rows((RecordBatch, MemoryReservation)),
    End,
}

/// The rows that a client sends, as a table that can be read once.
struct ClientRows {
    schema: SchemaRef,
    receiver: Mutex<Option<mpsc::Receiver<Piece>>>,
}

impl fmt::Debug for ClientRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRows").finish_non_exhaustive()
    }
}

impl PartitionStream for ClientRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let receiver = self.receiver.lock().take();
        let rows = futures::stream::try_unfold(receiver, |receiver| async move {
            let mut receiver = receiver.ok_or_else(given_up)?;
            match receiver.recv().await {
                Some(Piece::Rows((batch, _))) => Ok(Some((batch, Some(receiver)))),
                Some(Piece::End) => Ok(None),
                // Whoever has sent them has failed: nothing may be inserted.
                None => Err(given_up()),
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            rows,
        ))
    }
}

fn given_up() -> DataFusionError {
    SheafError::cancelled("COPY from stdin was given up")
        .with_state(SqlState::QUERY_CANCELED)
        .into()
}

//! Writing into object stores so that objects appear whole or not at all.
//!
//! Every object is a multipart upload whose parts are sent while rows come, and which becomes an
//! object only when completed. All of a COPY's uploads are completed together at the end. An
//! [`Uploads`] that is dropped before aborts them, and deletes those already completed.

use std::collections::VecDeque;
use std::sync::Arc;

use datafusion::common::runtime::SpawnedTask;
use futures::StreamExt;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use parking_lot::Mutex;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use tokio::runtime::Handle;

/// Size of the first parts of an upload; S3 refuses less than 5 MiB.
const PART_BYTES_MIN: usize = 6 << 20;
/// After so many parts their size doubles: stores allow 10,000 parts an object.
const PARTS_PER_SIZE: usize = 1000;
/// Doublings of the part size: 6 MiB × 2⁵ × 5,000 parts pass the 5 TiB an object may have.
const PART_DOUBLINGS_MAX: usize = 5;
/// Parts of one object that are under way at a time.
const PARTS_IN_FLIGHT_MAX: usize = 2;
/// Old objects that are deleted at a time after an overwrite.
const DELETES_IN_FLIGHT_MAX: usize = 8;

/// The uploads of one COPY.
#[derive(Debug)]
pub(super) struct Uploads {
    store: Arc<dyn ObjectStore>,
    /// The user's text of the target, for messages.
    text: String,
    /// Where clean-up runs when the query is dropped, perhaps outside any runtime.
    handle: Handle,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// All parts are sent; they wait for completion.
    waiting: Vec<(Path, Box<dyn MultipartUpload>)>,
    /// Uploads of writers that failed or were dropped.
    abandoned: Vec<Box<dyn MultipartUpload>>,
    /// Completed, or perhaps completed, and to be deleted unless all are.
    completed: Vec<Path>,
}

impl Uploads {
    /// No uploads yet. Must be called within a runtime.
    pub(super) fn new(store: Arc<dyn ObjectStore>, text: &str) -> Self {
        let text = text.to_owned();
        Self {
            store,
            text,
            handle: Handle::current(),
            state: Mutex::default(),
        }
    }

    /// Begins the upload of one object.
    ///
    /// # Errors
    /// What the store says: no such bucket, no right to write.
    pub(super) async fn begin(self: &Arc<Self>, path: Path) -> Result<ObjectSink> {
        let begun = self.store.put_multipart(&path).await;
        let upload = begun.map_err(|error| match error {
            object_store::Error::NotFound { .. } => SheafError::user(format!(
                "cannot write \"{}\": its bucket does not exist",
                self.text
            ))
            .with_state(SqlState::UNDEFINED_FILE),
            other => {
                SheafError::from(other).with_context(format!("cannot write \"{}\"", self.text))
            }
        })?;
        Ok(ObjectSink {
            uploads: Arc::clone(self),
            path,
            upload: Some(upload),
            buffer: Vec::new(),
            parts: VecDeque::new(),
            parts_sent: 0,
            in_flight_bytes: VecDeque::new(),
        })
    }

    /// Makes all objects appear, then deletes `replaced`. Runs to its end even if the caller is
    /// dropped meanwhile.
    ///
    /// # Errors
    /// What the store says; objects that had appeared are deleted again, unless the COPY writes
    /// one object, whose completion is its last step.
    pub(super) async fn commit(
        self: &Arc<Self>,
        is_single: bool,
        replaced: Vec<Path>,
    ) -> Result<()> {
        let uploads = Arc::clone(self);
        let commit = async move { uploads.complete_all(is_single, replaced).await };
        self.handle
            .spawn(commit)
            .await
            .map_err(|error| SheafError::internal(format!("the commit of COPY failed: {error}")))?
    }

    async fn complete_all(&self, is_single: bool, replaced: Vec<Path>) -> Result<()> {
        let waiting = std::mem::take(&mut self.state.lock().waiting);
        let mut waiting = VecDeque::from(waiting);
        while let Some((path, mut upload)) = waiting.pop_front() {
            if !is_single {
                self.state.lock().completed.push(path.clone());
            }
            if let Err(error) = upload.complete().await {
                let mut state = self.state.lock();
                state.abandoned.push(upload);
                state
                    .abandoned
                    .extend(waiting.drain(..).map(|(_, upload)| upload));
                drop(state);
                return Err(SheafError::from(error).with_context(path));
            }
        }
        let written = std::mem::take(&mut self.state.lock().completed);
        let deletes = replaced
            .into_iter()
            .filter(|path| !written.contains(path))
            .map(|path| async move {
                match self.store.delete(&path).await {
                    Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
                    Err(error) => Err(SheafError::from(error)
                        .with_context(path)
                        .with_detail("the new objects are in place; this old one is still there")),
                }
            });
        let mut deletes = futures::stream::iter(deletes).buffer_unordered(DELETES_IN_FLIGHT_MAX);
        while let Some(deleted) = deletes.next().await {
            deleted?;
        }
        Ok(())
    }
}

impl Drop for Uploads {
    fn drop(&mut self) {
        let state = std::mem::take(self.state.get_mut());
        let uploads: Vec<_> = state
            .abandoned
            .into_iter()
            .chain(state.waiting.into_iter().map(|(_, upload)| upload))
            .collect();
        if uploads.is_empty() && state.completed.is_empty() {
            return;
        }
        let store = Arc::clone(&self.store);
        // Not bound to the query, which is over: this is its clean-up.
        self.handle.spawn(async move {
            for mut upload in uploads {
                let _ = upload.abort().await;
            }
            for path in state.completed {
                let _ = store.delete(&path).await;
            }
        });
    }
}

/// The upload of one object.
pub(super) struct ObjectSink {
    uploads: Arc<Uploads>,
    path: Path,
    upload: Option<Box<dyn MultipartUpload>>,
    buffer: Vec<u8>,
    parts: VecDeque<SpawnedTask<object_store::Result<()>>>,
    parts_sent: usize,
    in_flight_bytes: VecDeque<usize>,
}

impl ObjectSink {
    /// Takes bytes, and sends a part when there are enough; waits while too many are under way.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        let doublings = (self.parts_sent / PARTS_PER_SIZE).min(PART_DOUBLINGS_MAX);
        if self.buffer.len() >= PART_BYTES_MIN << doublings {
            self.send_part().await?;
        }
        Ok(())
    }

    /// Bytes held: gathered and under way.
    pub(super) fn held_bytes(&self) -> usize {
        self.buffer.capacity() + self.in_flight_bytes.iter().sum::<usize>()
    }

    /// Sends what is left and waits for every part; the object appears with [`Uploads::commit`].
    pub(super) async fn finish(mut self) -> Result<()> {
        if !self.buffer.is_empty() {
            self.send_part().await?;
        }
        while !self.parts.is_empty() {
            self.wait_for_part().await?;
        }
        if let Some(upload) = self.upload.take() {
            self.uploads
                .state
                .lock()
                .waiting
                .push((self.path.clone(), upload));
        }
        Ok(())
    }

    async fn send_part(&mut self) -> Result<()> {
        while self.parts.len() >= PARTS_IN_FLIGHT_MAX {
            self.wait_for_part().await?;
        }
        let Some(upload) = &mut self.upload else {
            return Err(SheafError::internal("a part after the end of an upload"));
        };
        let part = std::mem::take(&mut self.buffer);
        self.in_flight_bytes.push_back(part.len());
        self.parts
            .push_back(SpawnedTask::spawn(upload.put_part(PutPayload::from(part))));
        self.parts_sent += 1;
        Ok(())
    }

    async fn wait_for_part(&mut self) -> Result<()> {
        let Some(part) = self.parts.pop_front() else {
            return Ok(());
        };
        let sent = part.join().await;
        self.in_flight_bytes.pop_front();
        sent.map_err(|error| SheafError::internal(format!("sending {}: {error}", self.path)))?
            .map_err(|error| SheafError::from(error).with_context(&self.path))
    }
}

impl Drop for ObjectSink {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            self.uploads.state.lock().abandoned.push(upload);
        }
    }
}

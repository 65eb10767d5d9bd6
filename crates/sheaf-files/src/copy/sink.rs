//! Where the bytes of one file go: a file of the staging place, a device, or an upload.
//!
//! Writing to a disk blocks, so it happens on the blocking threads: one chunk is written while the
//! next is encoded, and a second one waits. Files are flushed to the disk before they count as
//! finished.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::common::runtime::SpawnedTask;
use sheaf_base::{Result, SheafError};

use super::staging::Staging;
use super::uploads::{ObjectSink, Uploads};

/// Where the files of one COPY are written before they are committed. Cheap to clone; the last
/// clone that is dropped cleans up what was not committed.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A hidden file or directory.
    Local(Arc<Staging>),
    /// Uploads below a prefix, or of the one object at it.
    Remote {
        uploads: Arc<Uploads>,
        prefix: object_store::path::Path,
        is_single: bool,
    },
    /// A device: there is nothing to commit.
    Device(PathBuf),
}

impl Place {
    /// Whether there is room for one file only.
    pub(super) fn is_single(&self) -> bool {
        match self {
            Self::Local(staging) => staging.is_file(),
            Self::Remote { is_single, .. } => *is_single,
            Self::Device(_) => true,
        }
    }

    /// Opens the file `relative`; of a single file's place the name does not matter.
    pub(super) async fn open(&self, relative: &str) -> Result<FileSink> {
        match self {
            Self::Local(staging) => {
                let held = Arc::clone(staging);
                let relative = relative.to_owned();
                let file = blocking(move || held.create(&relative)).await?;
                Ok(FileSink::local(file, Some(Arc::clone(staging)), true))
            }
            Self::Device(path) => {
                let path = path.clone();
                let file = blocking(move || {
                    File::options().write(true).open(&path).map_err(|error| {
                        SheafError::from(error)
                            .with_context(format!("cannot write \"{}\"", path.display()))
                    })
                })
                .await?;
                Ok(FileSink::local(file, None, false))
            }
            Self::Remote {
                uploads,
                prefix,
                is_single,
            } => {
                let path = if *is_single {
                    prefix.clone()
                } else {
                    let text = format!("{prefix}/{relative}");
                    object_store::path::Path::parse(text.trim_start_matches('/'))
                        .map_err(|error| SheafError::data(error.to_string()))?
                };
                Ok(FileSink::Remote(Box::new(uploads.begin(path).await?)))
            }
        }
    }
}

/// The bytes of one file on their way.
pub(super) enum FileSink {
    /// Into a file of this machine.
    Local(LocalSink),
    /// Into an object.
    Remote(Box<ObjectSink>),
}

impl FileSink {
    fn local(file: File, staging: Option<Arc<Staging>>, is_synced: bool) -> Self {
        Self::Local(LocalSink {
            state: LocalState::Idle(file),
            staging,
            is_synced,
        })
    }

    /// Takes the next bytes; waits while earlier ones are still being written.
    pub(super) async fn write(&mut self, bytes: Vec<u8>) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        match self {
            Self::Local(sink) => sink.write(bytes).await,
            Self::Remote(sink) => sink.write(&bytes).await,
        }
    }

    /// Bytes held in memory.
    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Self::Local(sink) => match &sink.state {
                LocalState::Writing(_, bytes) => *bytes,
                LocalState::Idle(_) | LocalState::Lost => 0,
            },
            Self::Remote(sink) => sink.held_bytes(),
        }
    }

    /// Waits until the bytes taken so far are written, where waiting frees memory.
    pub(super) async fn settle(&mut self) -> Result<()> {
        match self {
            Self::Local(sink) => {
                let file = sink.file().await?;
                sink.state = LocalState::Idle(file);
                Ok(())
            }
            Self::Remote(_) => Ok(()),
        }
    }

    /// Writes everything out; the file is complete, but not yet in its place.
    pub(super) async fn finish(self) -> Result<()> {
        match self {
            Self::Local(sink) => sink.finish().await,
            Self::Remote(sink) => sink.finish().await,
        }
    }
}

/// A file and the write under way. States: idle → writing → idle …; lost after a failed write.
pub(super) struct LocalSink {
    state: LocalState,
    staging: Option<Arc<Staging>>,
    is_synced: bool,
}

enum LocalState {
    Idle(File),
    /// The task gives the file back; the number is of the bytes it holds.
    Writing(SpawnedTask<Result<File>>, usize),
    Lost,
}

impl LocalSink {
    async fn write(&mut self, bytes: Vec<u8>) -> Result<()> {
        let mut file = self.file().await?;
        let held = bytes.len();
        let staging = self.staging.clone();
        let task = SpawnedTask::spawn_blocking(move || {
            let written = file.write_all(&bytes);
            // Held until here: the staging place is not cleaned under a write.
            drop(staging);
            written.map(|()| file).map_err(failed)
        });
        self.state = LocalState::Writing(task, held);
        Ok(())
    }

    async fn file(&mut self) -> Result<File> {
        match std::mem::replace(&mut self.state, LocalState::Lost) {
            LocalState::Idle(file) => Ok(file),
            LocalState::Writing(task, _) => task.join().await.map_err(lost)?,
            LocalState::Lost => Err(SheafError::internal("a write after a failed write")),
        }
    }

    async fn finish(mut self) -> Result<()> {
        let mut file = self.file().await?;
        let is_synced = self.is_synced;
        let staging = self.staging.clone();
        blocking(move || {
            let flushed = if is_synced {
                file.sync_all()
            } else {
                file.flush()
            };
            drop(staging);
            flushed.map_err(failed)
        })
        .await
    }
}

/// Runs `work` on a blocking thread.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(lost)?
}

fn failed(error: std::io::Error) -> SheafError {
    SheafError::from(error).with_context("writing failed")
}

fn lost(error: tokio::task::JoinError) -> SheafError {
    SheafError::internal(format!("a task that writes failed: {error}"))
}

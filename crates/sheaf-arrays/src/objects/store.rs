//! Objects of a store, by the engine's interface to stores. Its futures run on a runtime; readers wait for
//! them on threads of their own.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use futures::StreamExt;
use object_store::path::Path;
use object_store::{Error, GetOptions, ObjectStore, ObjectStoreExt};
use sheaf_base::{Result, SheafError};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::{GoOn, NAMES_MAX, Objects, too_large, too_many, too_short};
use crate::grid::to_usize;

/// How long a wait goes on before it is asked again whether it should.
const WAIT_STEP: Duration = Duration::from_millis(50);

/// Bytes that one request fetches.
const REQUEST_BYTES_MAX: usize = 8 << 20;

/// An object of a store, or the objects under a path of it.
#[derive(Clone)]
pub struct StoreObjects {
    store: Arc<dyn ObjectStore>,
    path: Path,
    text: String,
    handle: Handle,
    stop: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl StoreObjects {
    /// The object at `path`, or the objects under it; `text` is what errors call the place. Requests run on
    /// `handle`, whose runtime must have threads of its own: readers only wait for them.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>, path: Path, text: &str, handle: Handle) -> Self {
        Self {
            store,
            path,
            text: text.trim_end_matches('/').to_owned(),
            handle,
            stop: Arc::new(|| false),
        }
    }

    /// The same objects, whose reading stops as soon as `is_stopped` says so: for what is read while an array
    /// is opened. Beside it, a [`crate::Context`] stops its own reading.
    #[must_use]
    pub fn stopped_by(mut self, is_stopped: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.stop = Arc::new(is_stopped);
        self
    }

    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The path of an object.
    pub(crate) fn path_of(&self, key: &str) -> Result<Path> {
        if key.is_empty() {
            return Ok(self.path.clone());
        }
        let path = match self.path.as_ref() {
            "" => key.to_owned(),
            path => format!("{path}/{key}"),
        };
        Path::parse(path).map_err(|error| {
            SheafError::data(format!("\"{key}\" is no name of an object: {error}"))
                .with_context(&self.text)
        })
    }

    /// Does `work` on the runtime while this thread waits, as long as it is to go on.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
        go_on: GoOn<'_>,
    ) -> Result<T> {
        let (task, result) = self.begin(work);
        let waited = self.receive(&result, go_on);
        if waited.is_err() {
            task.abort();
        }
        waited
    }

    /// Does `work` to its end, whoever says stop: where nobody would know what has become of it.
    pub(crate) fn wait_to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T> {
        let (_, result) = self.begin(work);
        result.recv().map_err(|_| self.given_up())
    }

    /// Begins `work` on the runtime; its result comes through the channel.
    pub(crate) fn begin<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> (JoinHandle<()>, Receiver<T>) {
        let (done, result) = sync_channel(1);
        let task = self.handle.spawn(async move {
            // Who waited may have given up.
            let _ = done.send(work.await);
        });
        (task, result)
    }

    /// Waits for a result, as long as it is to go on.
    pub(crate) fn receive<T>(&self, result: &Receiver<T>, go_on: GoOn<'_>) -> Result<T> {
        loop {
            match result.recv_timeout(WAIT_STEP) {
                Ok(result) => return Ok(result),
                Err(RecvTimeoutError::Disconnected) => return Err(self.given_up()),
                Err(RecvTimeoutError::Timeout) if (self.stop)() => {
                    return Err(SheafError::cancelled("the query was cancelled"));
                }
                Err(RecvTimeoutError::Timeout) => go_on()?,
            }
        }
    }

    /// The runtime has ended, or the store has broken down.
    fn given_up(&self) -> SheafError {
        SheafError::internal(format!("{}: a request was given up", self.text))
    }

    /// What a request gave, `None` if there is no such object.
    fn found<T>(&self, key: &str, result: object_store::Result<T>) -> Result<Option<T>> {
        match result {
            Ok(found) => Ok(Some(found)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(key, error)),
        }
    }

    pub(crate) fn failed(&self, key: &str, error: Error) -> SheafError {
        SheafError::from(error).with_context(super::name_of(self, key))
    }
}

impl fmt::Debug for StoreObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreObjects({})", self.text)
    }
}

impl Objects for StoreObjects {
    fn name(&self) -> String {
        self.text.clone()
    }

    fn size(&self, key: &str, go_on: GoOn<'_>) -> Result<Option<u64>> {
        let (store, path) = (Arc::clone(&self.store), self.path_of(key)?);
        let head = self.wait(async move { store.head(&path).await }, go_on)?;
        Ok(self.found(key, head)?.map(|head| head.size))
    }

    fn get(&self, key: &str, bytes_max: u64, go_on: GoOn<'_>) -> Result<Option<Vec<u8>>> {
        let (store, path) = (Arc::clone(&self.store), self.path_of(key)?);
        // The size is known before the content is read, and what grows meanwhile is not read on.
        let get = async move {
            let found = store.get_opts(&path, GetOptions::default()).await?;
            let size = found.meta.size;
            let mut bytes = Vec::new();
            if size > bytes_max {
                return Ok((size, bytes));
            }
            bytes.reserve(to_usize(size));
            let mut content = found.into_stream();
            while let Some(piece) = content.next().await {
                let piece = piece?;
                if (bytes.len() + piece.len()) as u64 > bytes_max {
                    return Ok((bytes_max.saturating_add(1), bytes));
                }
                bytes.extend_from_slice(&piece);
            }
            Ok((size, bytes))
        };
        let got = self.wait(get, go_on)?;
        match self.found(key, got)? {
            Some((size, _)) if size > bytes_max => {
                Err(too_large(&super::name_of(self, key), size, bytes_max))
            }
            found => Ok(found.map(|(_, bytes)| bytes)),
        }
    }

    fn read(&self, key: &str, offset: u64, into: &mut [u8], go_on: GoOn<'_>) -> Result<bool> {
        let path = self.path_of(key)?;
        for (number, part) in into.chunks_mut(REQUEST_BYTES_MAX).enumerate() {
            let start = offset + (number * REQUEST_BYTES_MAX) as u64;
            let end = start + part.len() as u64;
            let (store, path) = (Arc::clone(&self.store), path.clone());
            let got = self.wait(
                async move { store.get_range(&path, start..end).await },
                go_on,
            )?;
            let Some(bytes) = self.found(key, got)? else {
                return Ok(false);
            };
            if bytes.len() != part.len() {
                let size = start + bytes.len() as u64;
                return Err(too_short(&super::name_of(self, key), size, end));
            }
            part.copy_from_slice(&bytes);
        }
        Ok(true)
    }

    fn names(&self, key: &str, go_on: GoOn<'_>) -> Result<(Vec<String>, Vec<String>)> {
        let (store, path) = (Arc::clone(&self.store), self.path_of(key)?);
        let listed = self.wait(
            async move { store.list_with_delimiter(Some(&path)).await },
            go_on,
        )?;
        let Some(listed) = self.found(key, listed)? else {
            return Ok((Vec::new(), Vec::new()));
        };
        if listed.objects.len() + listed.common_prefixes.len() > NAMES_MAX {
            return Err(too_many(&super::name_of(self, key)));
        }
        let name = |path: &Path| path.filename().map(str::to_owned);
        let objects = listed.objects.iter();
        Ok((
            objects
                .filter_map(|object| name(&object.location))
                .collect(),
            listed.common_prefixes.iter().filter_map(name).collect(),
        ))
    }

    fn gap_bytes(&self) -> u64 {
        1 << 20
    }
}

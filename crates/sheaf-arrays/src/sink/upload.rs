//! Writing to object stores: one object in parts, and many objects.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use parking_lot::Mutex;
use sheaf_base::{ByteCount, Result, SheafError};

use crate::context::{Context, Hold};
use crate::grid::to_usize;
use crate::objects::{GoOn, NAMES_MAX, Objects, StoreObjects};

/// The smallest part of an upload: S3 refuses less than 5 MiB.
const PART_BYTES_MIN: u64 = 8 << 20;
/// Parts of an upload: stores allow 10,000.
const PARTS_MAX: u64 = 9_000;
/// Parts that are under way at a time.
const PARTS_IN_FLIGHT_MAX: usize = 2;

/// An object that is written from its beginning to its end.
pub(crate) struct Upload {
    objects: StoreObjects,
    upload: Option<Box<dyn MultipartUpload>>,
    part_bytes: usize,
    part: Vec<u8>,
    in_flight: VecDeque<Receiver<object_store::Result<()>>>,
    _hold: Hold,
}

/// Objects that are written whole, and removed again unless all are.
pub(crate) struct Puts {
    objects: StoreObjects,
    /// Written, or perhaps written.
    written: Mutex<HashSet<Path>>,
    /// What is there and goes when all is written.
    old: Vec<Path>,
    is_committed: bool,
}

impl Upload {
    /// Begins an object of about `bytes` bytes.
    pub(super) fn new(objects: &StoreObjects, bytes: u64, context: &Context) -> Result<Self> {
        let part_bytes = to_usize(PART_BYTES_MIN.max(bytes.div_ceil(PARTS_MAX)));
        let most = part_bytes.saturating_mul(PARTS_IN_FLIGHT_MAX + 1);
        let held = most.min(to_usize(bytes).saturating_mul(2));
        let hold = context.hold(held, &format!("sending {}", objects.name()))?;
        let (store, path) = (Arc::clone(objects.store()), objects.path().clone());
        let begun = objects.wait(async move { store.put_multipart(&path).await }, &|| {
            context.check()
        })?;
        Ok(Self {
            objects: objects.clone(),
            upload: Some(begun.map_err(|error| failed(objects, "", error))?),
            part_bytes,
            part: Vec::new(),
            in_flight: VecDeque::new(),
            _hold: hold,
        })
    }

    /// Takes bytes, and sends parts as they become full.
    pub(super) fn write(&mut self, bytes: &[u8], context: &Context) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = rest.len().min(self.part_bytes - self.part.len());
            self.part.extend_from_slice(&rest[..count]);
            rest = &rest[count..];
            if self.part.len() == self.part_bytes {
                self.send(context)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, context: &Context) -> Result<()> {
        while self.in_flight.len() >= PARTS_IN_FLIGHT_MAX {
            self.take(context)?;
        }
        let Some(upload) = &mut self.upload else {
            return Err(SheafError::internal("a part after the end of an upload"));
        };
        let part = std::mem::take(&mut self.part);
        let sending = upload.put_part(PutPayload::from(part));
        self.in_flight.push_back(self.objects.begin(sending).1);
        Ok(())
    }

    /// Waits for the part that was sent first.
    fn take(&mut self, context: &Context) -> Result<()> {
        let Some(part) = self.in_flight.pop_front() else {
            return Ok(());
        };
        let sent = self.objects.receive(&part, &|| context.check())?;
        sent.map_err(|error| failed(&self.objects, "", error))
    }

    /// Sends what is left, and makes the object appear.
    pub(super) fn finish(mut self, context: &Context) -> Result<()> {
        if !self.part.is_empty() {
            self.send(context)?;
        }
        while !self.in_flight.is_empty() {
            self.take(context)?;
        }
        context.check()?;
        let Some(mut upload) = self.upload.take() else {
            return Ok(());
        };
        // From here on it is not given up: whether the object has appeared would not be known.
        let completed = self.objects.wait_to_the_end(async move {
            let completed = upload.complete().await;
            if completed.is_err() {
                let _ = upload.abort().await;
            }
            completed
        })?;
        completed
            .map(|_| ())
            .map_err(|error| failed(&self.objects, "", error))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(mut upload) = self.upload.take() {
            // Not bound to the query, which is over: this is its clean-up.
            self.objects.handle().spawn(async move {
                let _ = upload.abort().await;
            });
        }
    }
}

impl Puts {
    /// Begins objects in a place where, if `is_there`, others are, of which `descriptions` are removed now.
    pub(super) fn new(
        objects: &StoreObjects,
        is_there: bool,
        descriptions: &[&str],
        go_on: GoOn<'_>,
    ) -> Result<Self> {
        let mut old = Vec::new();
        if is_there {
            let (store, path) = (Arc::clone(objects.store()), objects.path().clone());
            let list = async move {
                let listed = store.list(Some(&path)).take(NAMES_MAX + 1);
                listed.map_ok(|object| object.location).try_collect().await
            };
            let listed: object_store::Result<Vec<Path>> = objects.wait(list, go_on)?;
            old = listed.map_err(|error| failed(objects, "", error))?;
            if old.len() > NAMES_MAX {
                return Err(SheafError::resource(format!(
                    "{} has more than {NAMES_MAX} objects: it is not replaced",
                    objects.name()
                )));
            }
            let described: Result<Vec<Path>> = descriptions
                .iter()
                .map(|key| objects.path_of(key))
                .collect();
            go_on()?;
            delete(objects, described?)?;
        }
        Ok(Self {
            objects: objects.clone(),
            written: Mutex::default(),
            old,
            is_committed: false,
        })
    }

    /// Writes an object.
    pub(super) fn put(&self, key: &str, bytes: Vec<u8>, go_on: GoOn<'_>) -> Result<()> {
        let (store, path) = (Arc::clone(self.objects.store()), self.objects.path_of(key)?);
        self.written.lock().insert(path.clone());
        let size = ByteCount(bytes.len() as u64);
        let payload = PutPayload::from(bytes);
        let put = async move { store.put(&path, payload).await };
        let put = self.objects.wait(put, go_on)?;
        put.map(|_| ()).map_err(|error| {
            failed(&self.objects, key, error).with_detail(format!("it has {size}"))
        })
    }

    /// Removes what was there before and was not written anew.
    pub(super) fn commit(mut self) -> Result<()> {
        self.is_committed = true;
        let written = std::mem::take(self.written.get_mut());
        let old = std::mem::take(&mut self.old).into_iter();
        let old = old.filter(|path| !written.contains(path)).collect();
        delete(&self.objects, old).map_err(|error| {
            error.with_detail("the new array is in place; chunks of the old one are still there")
        })
    }
}

impl Drop for Puts {
    fn drop(&mut self) {
        if self.is_committed {
            return;
        }
        let written = std::mem::take(self.written.get_mut());
        let _ = delete(&self.objects, written.into_iter().collect());
    }
}

/// Removes objects, as many at a time as the store can; those that are not there do not matter.
fn delete(objects: &StoreObjects, paths: Vec<Path>) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let store = Arc::clone(objects.store());
    let delete = async move {
        let paths = futures::stream::iter(paths).map(Ok).boxed();
        let mut deleted = store.delete_stream(paths);
        while let Some(deleted) = deleted.next().await {
            match deleted {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    let deleted = objects.wait_to_the_end(delete)?;
    deleted.map_err(|error| failed(objects, "", error))
}

fn failed(objects: &StoreObjects, key: &str, error: object_store::Error) -> SheafError {
    let name = crate::objects::name_of(objects, key);
    match error {
        object_store::Error::NotFound { .. } => SheafError::user(format!(
            "cannot write {name}: its bucket or directory is not there"
        ))
        .with_state(sheaf_base::error::SqlState::UNDEFINED_FILE),
        error => SheafError::from(error).with_context(format!("cannot write {name}")),
    }
}

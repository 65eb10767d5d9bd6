//! How the library that decodes HDF5 reads: by ranges, on the thread that asks it to. What it is asked for
//! comes from files, so it is held to limits, and should it break down it takes nobody with it.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hdf5_reader::error::{Error, Result as DecodeResult};
use hdf5_reader::storage::DynStorage;
use hdf5_reader::{BlockCacheStorage, RangeRequestStorage, Storage, StorageBuffer};
use sheaf_base::{ByteCount, Result, SheafError};

use crate::context::Context;
use crate::objects::Objects;

/// Descriptions and indexes are read in blocks, of which some are kept.
const BLOCK_BYTES: usize = 64 << 10;
const BLOCKS_KEPT_MAX: usize = 64;

/// A file, as the library reads it.
pub(super) struct Ranges {
    direct: DynStorage,
    blocks: BlockCacheStorage,
}

/// What a thread is reading just now.
#[derive(Default)]
struct Reading {
    context: Option<Context>,
    bytes_max: usize,
    /// Why a range could not be read.
    failed: Option<SheafError>,
}

thread_local! {
    static READING: RefCell<Reading> = RefCell::default();
}

/// Why something could not be decoded.
pub(super) enum Failure {
    /// There is no such dataset.
    Missing,
    Error(SheafError),
}

impl Ranges {
    /// The file `objects` of `size` bytes.
    pub(super) fn storage(objects: Arc<dyn Objects>, size: u64) -> DynStorage {
        let read = move |offset: u64, length: usize| {
            read_range(&*objects, offset, length).map_err(|error| {
                let told = Error::Other(error.message().to_owned());
                READING.with_borrow_mut(|reading| reading.failed = Some(error));
                told
            })
        };
        let direct: DynStorage = Arc::new(RangeRequestStorage::new(size, read));
        let blocks = BlockCacheStorage::new(Arc::clone(&direct), BLOCK_BYTES, BLOCKS_KEPT_MAX);
        Arc::new(Self { direct, blocks })
    }
}

impl Storage for Ranges {
    fn len(&self) -> u64 {
        self.direct.len()
    }

    fn read_range(&self, offset: u64, length: usize) -> DecodeResult<StorageBuffer> {
        match length < BLOCK_BYTES {
            true => self.blocks.read_range(offset, length),
            false => self.direct.read_range(offset, length),
        }
    }
}

fn read_range(objects: &dyn Objects, offset: u64, length: usize) -> Result<Vec<u8>> {
    let (context, bytes_max) =
        READING.with_borrow(|reading| (reading.context.clone(), reading.bytes_max));
    if length > bytes_max {
        return Err(SheafError::data(format!(
            "a part of the file would have {}, and can have {} at most",
            ByteCount(length as u64),
            ByteCount(bytes_max as u64)
        )));
    }
    let go_on = || context.as_ref().map_or(Ok(()), Context::check);
    go_on()?;
    let mut bytes = vec![0; length];
    match objects.read("", offset, &mut bytes, &go_on)? {
        true => Ok(bytes),
        false => Err(SheafError::data("the file is gone")),
    }
}

/// Lets the library do `decode` for `name`, which may read `bytes_max` bytes at once.
pub(super) fn reading<T>(
    name: &str,
    context: Option<&Context>,
    bytes_max: usize,
    decode: impl FnOnce() -> DecodeResult<T>,
) -> Result<T, Failure> {
    READING.set(Reading {
        context: context.cloned(),
        bytes_max,
        failed: None,
    });
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    let failed = READING.take().failed;
    let error = match (decoded, failed) {
        (Ok(Ok(decoded)), _) => return Ok(decoded),
        (_, Some(failed)) => failed,
        (Err(_), None) => SheafError::data("the file is corrupt: nothing can be decoded of it"),
        (Ok(Err(error)), None) => match innermost(error) {
            Error::DatasetNotFound(_) | Error::GroupNotFound(_) => return Err(Failure::Missing),
            error => described(&error),
        },
    };
    Err(Failure::Error(error.with_context(name)))
}

fn innermost(error: Error) -> Error {
    match error {
        Error::Context { source, .. } => innermost(*source),
        error => error,
    }
}

fn described(error: &Error) -> SheafError {
    let text = error.to_string();
    match error {
        Error::InvalidMagic => SheafError::data("this is no HDF5 file"),
        Error::ResourceLimit(_) => SheafError::resource(text),
        Error::UnsupportedFilter(_) | Error::UnsupportedEncoding(_) => {
            SheafError::unsupported(text)
        }
        _ if text.starts_with("unsupported") => SheafError::unsupported(text),
        _ => SheafError::data(format!("the file is corrupt: {text}")),
    }
}

impl Failure {
    /// The error of `name`, of which everything should be there.
    pub(super) fn into_error(self, name: &str) -> SheafError {
        match self {
            Self::Missing => SheafError::data(format!(
                "{name}: the file is corrupt: a group is not where it should be"
            )),
            Self::Error(error) => error,
        }
    }
}

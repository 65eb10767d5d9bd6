//! What array files are read from: objects by their keys, in parts. They are files of this machine
//! ([`LocalObjects`]) or objects of a store ([`StoreObjects`]); readers do not know which.

mod local;
mod store;

use std::fmt;

use sheaf_base::{Result, SheafError};

pub use local::LocalObjects;
pub use store::StoreObjects;

/// Bytes that a description may have: `zarr.json` and what tells of a group.
pub(crate) const DESCRIPTION_BYTES_MAX: u64 = 16 << 20;

/// Names that a directory or a group may have where they are listed.
pub const NAMES_MAX: usize = 1 << 20;

/// Whether a wait goes on: an error ends it.
pub type GoOn<'a> = &'a dyn Fn() -> Result<()>;

/// The objects in one place. The key of an object is its path from there, with `/`; that of the place
/// itself, which may be a single file, is empty.
///
/// Reading waits on the calling thread, which must not be one that the runtime of a store needs.
pub trait Objects: fmt::Debug + Send + Sync {
    /// What errors call the place.
    fn name(&self) -> String;

    /// The bytes of an object, or `None` if there is none.
    ///
    /// # Errors
    /// `Data` if it cannot be read; what `go_on` gives.
    fn size(&self, key: &str, go_on: GoOn<'_>) -> Result<Option<u64>>;

    /// A whole object of at most `bytes_max` bytes, or `None` if there is none.
    ///
    /// # Errors
    /// As [`Objects::size`]; `Data` if it is larger, before it is read.
    fn get(&self, key: &str, bytes_max: u64, go_on: GoOn<'_>) -> Result<Option<Vec<u8>>>;

    /// Reads as many bytes as `into` has room for, from `offset` on; whether there is such an object.
    ///
    /// # Errors
    /// As [`Objects::size`]; `Data` if it is shorter.
    fn read(&self, key: &str, offset: u64, into: &mut [u8], go_on: GoOn<'_>) -> Result<bool>;

    /// The names directly under the directory `key`: of objects, then of directories.
    ///
    /// # Errors
    /// As [`Objects::size`]; `Resource` if there are more than [`NAMES_MAX`].
    fn names(&self, key: &str, go_on: GoOn<'_>) -> Result<(Vec<String>, Vec<String>)>;

    /// Bytes that are sooner read than left out between two parts of an object.
    fn gap_bytes(&self) -> u64;
}

/// What errors call an object.
pub(crate) fn name_of(objects: &dyn Objects, key: &str) -> String {
    match key {
        "" => objects.name(),
        key => format!("{}/{key}", objects.name()),
    }
}

/// Goes on whatever happens: for what is read while an array is opened, which no context has begun yet.
pub(crate) fn always() -> Result<()> {
    Ok(())
}

fn too_large(name: &str, size: u64, bytes_max: u64) -> SheafError {
    SheafError::data(format!(
        "{name} has {size} bytes, and what it should hold has at most {bytes_max}"
    ))
}

fn too_short(name: &str, size: u64, end: u64) -> SheafError {
    SheafError::data(format!(
        "{name} ends too early: it has {size} bytes, of which {end} are asked for"
    ))
}

fn too_many(name: &str) -> SheafError {
    SheafError::resource(format!("{name} has more than {NAMES_MAX} entries"))
}

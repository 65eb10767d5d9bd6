//! Files that are written under a hidden name beside their target, and take its place at the end.
//!
//! A process that is killed cannot clean up. The hidden file or directory is therefore locked while it is in
//! use, with a lock that the system gives back when its holder dies. Its name is one that COPY gives, too:
//! whoever writes to the same directory next removes those that nobody holds.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

/// Bytes of the target's name that the hidden name has.
const NAME_BYTES_MAX: usize = 64;

/// Entries of a directory among which leftovers are looked for.
const SWEPT_ENTRIES_MAX: usize = 100_000;

/// A hidden file or directory; unless it is committed, nothing stays of it.
pub(crate) struct Staging {
    place: PathBuf,
    target: PathBuf,
    is_overwriting: bool,
    is_committed: bool,
    /// The open place, locked as long as it is open.
    _lock: Option<File>,
}

impl Staging {
    /// A place for the file `target`, and the open file.
    pub(super) fn file(target: &Path, is_overwriting: bool) -> Result<(Self, File)> {
        sweep(parent_of(target));
        let place = hidden_sibling(parent_of(target), target, "tmp");
        let file = File::options().write(true).create_new(true).open(&place);
        let file = file.map_err(|error| cannot_write(error, target))?;
        let lock = file.try_clone().ok();
        Ok((Self::new(place, target, is_overwriting, lock), file))
    }

    /// A place for the files of the directory `target`, in the nearest directory that is there.
    pub(super) fn directory(target: &Path, is_overwriting: bool) -> Result<Self> {
        let absolute = std::path::absolute(target).map_err(|error| cannot_write(error, target))?;
        let parent = absolute.ancestors().skip(1).find(|above| above.is_dir());
        let parent = parent.unwrap_or(Path::new("/"));
        sweep(parent);
        let place = hidden_sibling(parent, target, "tmp");
        fs::create_dir(&place).map_err(|error| cannot_write(error, target))?;
        let lock = File::open(&place).ok();
        Ok(Self::new(place, target, is_overwriting, lock))
    }

    fn new(place: PathBuf, target: &Path, is_overwriting: bool, lock: Option<File>) -> Self {
        // Where the file system has no locks, nobody sweeps either.
        let _ = lock.as_ref().map(File::try_lock);
        Self {
            place,
            target: target.to_owned(),
            is_overwriting,
            is_committed: false,
            _lock: lock,
        }
    }

    /// Writes the file `key`, and the directories that it is in.
    pub(super) fn write(&self, key: &str, bytes: &[u8]) -> Result<()> {
        let path = self.place.join(key);
        let write = || {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            let mut file = File::options().write(true).create_new(true).open(&path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|error| cannot_write(error, &self.target.join(key)))
    }

    /// Puts what was written in the target's place. After an error the target is as it was before.
    pub(super) fn commit(mut self) -> Result<()> {
        let failed = |error| cannot_write(error, &self.target);
        let parent = parent_of(&self.target);
        fs::create_dir_all(parent).map_err(failed)?;
        if self.target.exists() && !self.is_overwriting {
            return Err(SheafError::user(format!(
                "{} was made by somebody else meanwhile",
                self.target.display()
            ))
            .with_state(SqlState::DUPLICATE_FILE));
        }
        if self.place.is_dir() && self.target.exists() {
            self.swap()?;
        } else {
            if let Ok(metadata) = self.target.metadata() {
                // The new file keeps the rights of the one it replaces, where the system lets us.
                let _ = fs::set_permissions(&self.place, metadata.permissions());
            }
            fs::rename(&self.place, &self.target).map_err(failed)?;
        }
        self.is_committed = true;
        // Makes the rename last. Not every file system can, and what was written is safe without it.
        if let Ok(directory) = File::open(parent) {
            let _ = directory.sync_all();
        }
        Ok(())
    }

    /// A directory takes the place of another: the old one goes away, and comes back if the new cannot come.
    fn swap(&self) -> Result<()> {
        let failed = |error| cannot_write(error, &self.target);
        let old = hidden_sibling(parent_of(&self.target), &self.target, "old");
        fs::rename(&self.target, &old).map_err(failed)?;
        if let Err(error) = fs::rename(&self.place, &self.target) {
            let _ = fs::rename(&old, &self.target);
            return Err(failed(error));
        }
        fs::remove_dir_all(&old).map_err(|error| {
            let detail = "the new array is in place; the old one remains there";
            cannot_write(error, &old).with_detail(detail)
        })
    }

    pub(super) fn failed(&self, error: io::Error) -> SheafError {
        cannot_write(error, &self.target)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.is_committed {
            // Nobody can be told.
            let _ = match self.place.is_dir() {
                true => fs::remove_dir_all(&self.place),
                false => fs::remove_file(&self.place),
            };
        }
    }
}

fn parent_of(path: &Path) -> &Path {
    let parent = path.parent();
    let parent = parent.filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// `.a.zarr.sheaf-4711-0123456789abcdef.tmp`: hidden, so that no glob reads it.
fn hidden_sibling(parent: &Path, target: &Path, suffix: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let mut end = name.len().min(NAME_BYTES_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let process = std::process::id();
    // The standard library keys each hasher from the system's random numbers.
    let random = RandomState::new().hash_one(target);
    parent.join(format!(
        ".{}.sheaf-{process}-{random:016x}.{suffix}",
        &name[..end]
    ))
}

/// Whether [`hidden_sibling`] makes such names for places.
fn is_place_name(name: &str) -> bool {
    let numbers = name
        .strip_prefix('.')
        .and_then(|name| name.strip_suffix(".tmp"))
        .and_then(|name| name.rsplit_once(".sheaf-"))
        .and_then(|(_, numbers)| numbers.split_once('-'));
    numbers.is_some_and(|(process, random)| {
        process.bytes().all(|byte| byte.is_ascii_digit())
            && random.len() == 16
            && random.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Removes the places in `directory` that nobody holds.
fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    let entries = entries.take(SWEPT_ENTRIES_MAX).filter_map(Result::ok);
    for entry in entries.filter(|entry| is_place_name(&entry.file_name().to_string_lossy())) {
        let place = entry.path();
        // Held until it is removed.
        let Ok(file) = File::open(&place) else {
            continue;
        };
        if file.try_lock().is_ok() {
            let _ = match place.is_dir() {
                true => fs::remove_dir_all(&place),
                false => fs::remove_file(&place),
            };
        }
    }
}

fn cannot_write(error: io::Error, path: &Path) -> SheafError {
    SheafError::from(error).with_context(format!("cannot write {}", path.display()))
}

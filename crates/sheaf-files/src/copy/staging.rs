//! Writing into the local file system so that a target appears whole or not at all.
//!
//! Everything is written to a hidden sibling of the target, on the same file system, flushed to
//! the disk, and renamed over the target at the end. A [`Staging`] that is dropped before its
//! commit removes what it holds. The writers keep it alive (`Arc`), so that it is removed after
//! the last of them is gone and none can write into a place already cleaned.
//!
//! A process that is killed cannot clean up. Each place is therefore locked while it is in use, with
//! a lock that the system gives back when its holder dies; the next COPY to the same directory
//! removes the places that it can lock. (Where the file system has no locks, nothing is removed.)

use std::fs::{self, File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::options::Existing;
use super::target::has_entries;

/// How many bytes of the target's name go into the hidden name, which must not grow too long.
const NAME_BYTES_MAX: usize = 64;

/// Entries of a directory among which leftovers of killed processes are looked for.
const SWEPT_ENTRIES_MAX: usize = 100_000;

/// How often a place is made anew if another COPY takes it for a leftover before it is locked.
const LOCK_TRIES_MAX: usize = 8;

/// A hidden file or directory beside the target.
#[derive(Debug)]
pub(super) struct Staging {
    place: PathBuf,
    target: PathBuf,
    kind: StagingKind,
    is_committed: AtomicBool,
    /// The open place, locked.
    lock: Mutex<Option<File>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StagingKind {
    File,
    Directory,
}

impl Staging {
    /// A place for the one file `target`, whose directory exists. Creates nothing yet; removes what
    /// killed processes left there.
    pub(super) fn file(target: &Path) -> Self {
        sweep(target.parent());
        let place = hidden_sibling(target.parent(), target, "tmp");
        Self::new(place, target, StagingKind::File)
    }

    /// A place for the files of directory `target`; its hidden directory is created, and what killed
    /// processes left beside it is removed.
    ///
    /// # Errors
    /// `Data` or `Resource` if the directory cannot be created.
    pub(super) fn directory(target: &Path) -> Result<Self> {
        // Parents that are not there yet are created with the commit; the hidden directory stands
        // in the nearest one that exists, which is on the same file system.
        let parent = target
            .ancestors()
            .skip(1)
            .find(|ancestor| ancestor.is_dir());
        sweep(parent);
        for _ in 0..LOCK_TRIES_MAX {
            let place = hidden_sibling(parent, target, "tmp");
            fs::create_dir(&place).map_err(|error| named(error, target))?;
            let lock = File::open(&place).ok();
            if lock.as_ref().is_none_or(|lock| hold(lock, &place)) {
                let staging = Self::new(place, target, StagingKind::Directory);
                *staging.lock.lock() = lock;
                return Ok(staging);
            }
        }
        Err(taken(target))
    }

    fn new(place: PathBuf, target: &Path, kind: StagingKind) -> Self {
        Self {
            place,
            target: target.to_owned(),
            kind,
            is_committed: AtomicBool::new(false),
            lock: Mutex::new(None),
        }
    }

    /// Whether it is the place of one file.
    pub(super) fn is_file(&self) -> bool {
        self.kind == StagingKind::File
    }

    /// Creates the file `relative` (`""` for the one file of a file's staging), and the
    /// directories it stands in.
    ///
    /// # Errors
    /// `Data` or `Resource` as the system says.
    pub(super) fn create(&self, relative: &str) -> Result<File> {
        let path = if self.kind == StagingKind::File {
            self.place.clone()
        } else {
            self.place.join(relative)
        };
        if let Some(parent) = path.parent()
            && relative.contains('/')
        {
            fs::create_dir_all(parent).map_err(|error| named(error, &self.target))?;
        }
        for _ in 0..LOCK_TRIES_MAX {
            let file = File::options().write(true).create_new(true).open(&path);
            let file = file.map_err(|error| named(error, &self.target.join(relative)))?;
            if self.kind == StagingKind::Directory {
                return Ok(file);
            }
            if hold(&file, &path) {
                *self.lock.lock() = file.try_clone().ok();
                return Ok(file);
            }
        }
        Err(taken(&self.target))
    }

    /// Puts what was written in the target's place. `files` are the relative paths of a
    /// directory's files.
    ///
    /// # Errors
    /// `UserInput` if the target was filled meanwhile; `Data` or `Resource` as the system says.
    /// After an error the target is as it was before.
    pub(super) fn commit(&self, existing: Existing, files: &[String]) -> Result<()> {
        match (self.kind, existing) {
            (StagingKind::File, _) => self.commit_file()?,
            (StagingKind::Directory, Existing::Append) if self.target.is_dir() => {
                self.commit_into(files)?;
                // Only empty directories are left in it.
                let _ = fs::remove_dir_all(&self.place);
            }
            (StagingKind::Directory, existing) => self.commit_directory(existing)?,
        }
        self.is_committed.store(true, Ordering::Release);
        sync_directory(self.target.parent());
        Ok(())
    }

    fn commit_file(&self) -> Result<()> {
        if let Ok(metadata) = self.target.metadata() {
            // The new file keeps the rights of the one it replaces, where the system lets us.
            let _ = fs::set_permissions(&self.place, metadata.permissions());
        }
        fs::rename(&self.place, &self.target).map_err(|error| named(error, &self.target))
    }

    fn commit_directory(&self, existing: Existing) -> Result<()> {
        let created = create_parents(&self.target)?;
        let result = self.swap(existing);
        if result.is_err() {
            for directory in created.iter().rev() {
                let _ = fs::remove_dir(directory);
            }
        }
        result
    }

    fn swap(&self, existing: Existing) -> Result<()> {
        sync_directory(Some(&self.place));
        if !has_entries(&self.target)? {
            // Renaming over an empty directory replaces it.
            return fs::rename(&self.place, &self.target)
                .map_err(|error| named(error, &self.target));
        }
        if existing != Existing::Overwrite {
            return Err(SheafError::user(format!(
                "\"{}\" was filled by somebody else meanwhile",
                self.target.display()
            ))
            .with_state(SqlState::DUPLICATE_FILE));
        }
        let old = hidden_sibling(self.target.parent(), &self.target, "old");
        fs::rename(&self.target, &old).map_err(|error| named(error, &self.target))?;
        if let Err(error) = fs::rename(&self.place, &self.target) {
            let _ = fs::rename(&old, &self.target);
            return Err(named(error, &self.target));
        }
        fs::remove_dir_all(&old).map_err(|error| {
            named(error, &old).with_detail("the new files are in place; the old ones remain there")
        })
    }

    /// Moves each file to its place in the target; on an error those moved are moved back.
    fn commit_into(&self, files: &[String]) -> Result<()> {
        let mut undo = Undo::default();
        for relative in files {
            let to = self.target.join(relative);
            let moved = create_parents(&to).and_then(|created| {
                undo.directories.extend(created);
                move_new(&self.place.join(relative), &to)
            });
            if let Err(error) = moved {
                undo.run();
                return Err(error);
            }
            undo.files.push(to);
        }
        sync_directory(Some(&self.target));
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.is_committed.load(Ordering::Acquire) {
            return;
        }
        let _ = match self.kind {
            StagingKind::File => fs::remove_file(&self.place),
            StagingKind::Directory => fs::remove_dir_all(&self.place),
        };
    }
}

/// What an append has done so far.
#[derive(Default)]
struct Undo {
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

impl Undo {
    fn run(&self) {
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        for directory in self.directories.iter().rev() {
            let _ = fs::remove_dir(directory);
        }
    }
}

/// Locks a place that was just made, as long as `file` or a copy of it is open. False if another COPY
/// has taken it for a leftover.
fn hold(file: &File, place: &Path) -> bool {
    match file.try_lock() {
        Ok(()) => place.exists(),
        Err(TryLockError::WouldBlock) => false,
        // No locks here: then nobody sweeps either.
        Err(TryLockError::Error(_)) => true,
    }
}

/// Removes the places in `directory` that nobody holds.
fn sweep(directory: Option<&Path>) {
    let Some(entries) = directory.and_then(|directory| fs::read_dir(directory).ok()) else {
        return;
    };
    let entries = entries
        .take(SWEPT_ENTRIES_MAX)
        .filter_map(std::result::Result::ok);
    for entry in entries.filter(|entry| is_place_name(&entry.file_name().to_string_lossy())) {
        let place = entry.path();
        // Held until it is removed.
        let Ok(file) = File::open(&place) else {
            continue;
        };
        if file.try_lock().is_ok() {
            let _ = match entry.file_type() {
                Ok(kind) if kind.is_dir() => fs::remove_dir_all(&place),
                _ => fs::remove_file(&place),
            };
        }
    }
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

fn taken(target: &Path) -> SheafError {
    SheafError::resource(format!(
        "cannot write \"{}\": its temporary files vanish",
        target.display()
    ))
}

/// Sixteen hexadecimal digits that no other COPY has.
pub(super) fn random_name() -> String {
    // The standard library keys each hasher from the system's random numbers.
    format!(
        "{:016x}",
        RandomState::new().hash_one(std::time::SystemTime::now())
    )
}

/// Renames without replacing; the names have a random part, so nobody takes one meanwhile.
fn move_new(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        let error = io::Error::from(io::ErrorKind::AlreadyExists);
        return Err(named(error, to));
    }
    fs::rename(from, to).map_err(|error| named(error, to))
}

/// Creates the directories above `path` that are missing, and says which.
fn create_parents(path: &Path) -> Result<Vec<PathBuf>> {
    let mut missing: Vec<PathBuf> = path
        .ancestors()
        .skip(1)
        .take_while(|ancestor| !ancestor.exists())
        .map(Path::to_owned)
        .collect();
    missing.reverse();
    for directory in &missing {
        match fs::create_dir(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(named(error, directory));
            }
            _ => {}
        }
    }
    Ok(missing)
}

/// `.sales.sheaf-4711-0123456789abcdef.tmp`: hidden, so that no glob reads it.
fn hidden_sibling(parent: Option<&Path>, target: &Path, suffix: &str) -> PathBuf {
    let name = target
        .file_name()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    let mut end = name.len().min(NAME_BYTES_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let process = std::process::id();
    let hidden = format!(
        ".{}.sheaf-{process}-{}.{suffix}",
        &name[..end],
        random_name()
    );
    parent.unwrap_or(Path::new("/")).join(hidden)
}

/// Makes renames last. Not every file system can, and the data is safe without it.
fn sync_directory(path: Option<&Path>) {
    if let Some(directory) = path.and_then(|path| File::open(path).ok()) {
        let _ = directory.sync_all();
    }
}

fn named(error: io::Error, path: &Path) -> SheafError {
    SheafError::from(error).with_context(format!("cannot write \"{}\"", path.display()))
}

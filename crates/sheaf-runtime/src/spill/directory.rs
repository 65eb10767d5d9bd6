//! The process's spill directory, and the removal of those of dead processes.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

const PREFIX: &str = "sheaf-spill-";
const LOCK_SUFFIX: &str = ".lock";

/// Names tried before giving up; each failure means that another process took the name.
const NAME_ATTEMPTS_MAX: u32 = 1_000;

/// Distinguishes the stores of one process.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A directory that is this process's alone; dropping it removes it and all in it.
#[derive(Debug)]
pub(super) struct SpillDirectory {
    path: PathBuf,
    lock_path: PathBuf,
    /// Held locked; closing it, however the process ends, gives up the lock.
    _lock: File,
}

impl SpillDirectory {
    /// Makes the directory under `parent`, which is made too if it does not exist.
    pub(super) fn create(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        let pid = std::process::id();
        for _ in 0..NAME_ATTEMPTS_MAX {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("{PREFIX}{pid}-{number}"));
            let lock_path = parent.join(format!("{PREFIX}{pid}-{number}{LOCK_SUFFIX}"));
            let lock = match OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&lock_path)
            {
                Ok(lock) => lock,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            lock.lock()?;
            // Between making and locking, another process may have taken the file for stale and
            // removed it: then this lock protects nothing.
            if !lock_path.exists() {
                continue;
            }
            let directory = Self {
                path,
                lock_path,
                _lock: lock,
            };
            fs::create_dir(&directory.path)?;
            restrict_to_owner(&directory.path)?;
            return Ok(directory);
        }
        Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "no name is left for a spill directory",
        ))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the directory and all in it.
    pub(super) fn remove(&self) {
        remove(&self.path, &self.lock_path);
    }
}

impl Drop for SpillDirectory {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Removes the spill directories under `parent` whose processes have ended without doing so.
pub fn remove_stale(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let Some(directory) = name
            .strip_suffix(LOCK_SUFFIX)
            .filter(|n| n.starts_with(PREFIX))
        else {
            continue;
        };
        let Ok(lock) = OpenOptions::new().write(true).open(entry.path()) else {
            continue;
        };
        // A process that lives holds the lock; and if locks do not work here, nothing is removed.
        if lock.try_lock().is_ok() {
            remove(&parent.join(directory), &entry.path());
        }
    }
}

/// The lock goes last: as long as it is there, the next store to start tries again.
fn remove(directory: &Path, lock: &Path) {
    let is_gone = match fs::remove_dir_all(directory) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if is_gone {
        let _ = fs::remove_file(lock);
    }
}

/// Spilled rows are nobody else's to read.
#[cfg(unix)]
fn restrict_to_owner(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn restrict_to_owner(_path: &Path) -> io::Result<()> {
    Ok(())
}

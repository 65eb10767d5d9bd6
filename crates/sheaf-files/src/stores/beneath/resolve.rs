//! Names to open files, beneath a directory, by the kernel.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, fstat, mkdirat, openat2};

/// Nothing leads out, and nothing into another process's files.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

/// How often the kernel may say that a name changed while it was resolved.
const TRIES_MAX: usize = 16;

/// What new directories and files may: the process's own mask narrows it.
const DIRECTORY_MODE: Mode = Mode::from_raw_mode(0o777);
const FILE_MODE: Mode = Mode::from_raw_mode(0o666);

/// Opens a directory that nothing is beneath, and its number in the system.
///
/// # Errors
/// As the system says; `Unsupported` if the kernel does not resolve beneath.
pub(super) fn open_root(path: &Path) -> io::Result<(OwnedFd, String)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path, flags, Mode::empty())?;
    let stat = fstat(&directory)?;
    // Asked once here, so that a kernel that cannot is found when the server starts.
    open(&directory, ".", flags).map_err(|error| match error.raw_os_error() {
        Some(libc::ENOSYS) => io::Error::new(
            io::ErrorKind::Unsupported,
            "the kernel cannot keep paths beneath a directory (openat2, Linux 5.6)",
        ),
        _ => error,
    })?;
    Ok((directory, format!("{:x}-{:x}", stat.st_dev, stat.st_ino)))
}

/// Opens `path` beneath `directory`; `""` is the directory.
pub(super) fn open(directory: impl AsFd, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
    let path = if path.is_empty() { "." } else { path };
    let flags = flags | OFlags::CLOEXEC;
    let mode = match flags.contains(OFlags::CREATE) {
        true => FILE_MODE,
        false => Mode::empty(),
    };
    for _ in 1..TRIES_MAX {
        match openat2(&directory, path, flags, mode, BENEATH) {
            Err(rustix::io::Errno::AGAIN) => {}
            opened => return Ok(opened?),
        }
    }
    Ok(openat2(&directory, path, flags, mode, BENEATH)?)
}

/// Opens the file `path` to be read. What is no regular file is not there: a pipe would wait for ever.
pub(super) fn open_file(directory: impl AsFd, path: &str) -> io::Result<File> {
    let opened = open(
        directory,
        path,
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY,
    )?;
    let file = File::from(opened);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::NotFound, "it is no file")),
    }
}

/// Opens the directory `path`.
pub(super) fn open_directory(directory: impl AsFd, path: &str) -> io::Result<OwnedFd> {
    open(directory, path, OFlags::RDONLY | OFlags::DIRECTORY)
}

/// Opens the directory `path`, and makes what is missing of it.
pub(super) fn make_directory(directory: &OwnedFd, path: &str) -> io::Result<OwnedFd> {
    let mut at = open_directory(directory, "")?;
    let mut done = String::new();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        match mkdirat(&at, name, DIRECTORY_MODE) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        // From the root on, so that a link may lead to another place beneath it.
        done = if done.is_empty() {
            name.to_owned()
        } else {
            format!("{done}/{name}")
        };
        at = open_directory(directory, &done)?;
    }
    Ok(at)
}

/// The directory of a path, and its last name.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

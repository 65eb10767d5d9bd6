//! Directories of this machine as stores out of which no path leads: what a user may read or write who
//! has no other right to this machine's files.
//!
//! A path is first looked at as text ([`Roots::locate`]): it must lie beneath a root and has no `..`.
//! That is for the message; what holds is the kernel, which resolves each name beneath the root's open
//! descriptor (`openat2` with `RESOLVE_BENEATH`). Links that lead out of the root, also those that
//! somebody puts there between two looks, end in an error.
//!
//! Files appear whole: they are written under a hidden name beside their place, flushed, and renamed.

mod resolve;
mod store;
#[cfg(test)]
mod tests;
mod write;

use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::ObjectStore;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use self::store::BeneathStore;
use super::location::Location;
use super::{SchemeDecl, StoreKind};

/// How the stores of roots are called in the engine's registry; nobody can write such a path.
static SCHEME: SchemeDecl = SchemeDecl {
    name: "file",
    canonical: "beneath",
    kind: StoreKind::Beneath,
    doc: "a file beneath a directory that the server was given",
};

/// A directory that is held open.
#[derive(Debug)]
pub struct Root {
    /// Its place, without links.
    path: PathBuf,
    directory: OwnedFd,
    /// Its number in the system: what its store is called.
    identity: String,
}

impl PartialEq for Root {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
}

impl Eq for Root {}

/// What of this machine's files a session may name.
#[derive(Debug, Default)]
pub struct Roots {
    readable: Vec<Arc<Root>>,
    writable: Option<Arc<Root>>,
}

impl Root {
    /// Opens the directory `path`.
    ///
    /// # Errors
    /// `UserInput` if there is none; `Unsupported` where the kernel cannot resolve names beneath it.
    pub fn open(path: &Path) -> Result<Self> {
        let named = |error: std::io::Error| SheafError::from(error).with_context(path.display());
        let canonical = path.canonicalize().map_err(named)?;
        if canonical.to_str().is_none() {
            return Err(SheafError::unsupported(format!(
                "the directory {} is not named in UTF-8",
                path.display()
            )));
        }
        let (directory, identity) = resolve::open_root(&canonical).map_err(named)?;
        Ok(Self {
            path: canonical,
            directory,
            identity,
        })
    }

    /// Its place, without links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What `text` means beneath it; `None` if it lies elsewhere.
    fn beneath(&self, text: &str) -> Option<String> {
        let path = Path::new(text);
        let rest = match path.is_absolute() {
            true => path.strip_prefix(&self.path).ok()?,
            false => path,
        };
        let mut names: Vec<&str> = vec![];
        for component in rest.components() {
            match component {
                Component::Normal(name) => names.push(name.to_str()?),
                Component::CurDir => {}
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
            }
        }
        let mut place = names.join("/");
        if text.ends_with('/') && !place.is_empty() {
            place.push('/');
        }
        Some(place)
    }

    /// How the user would write the place `path` beneath it, who wrote `text` before.
    #[must_use]
    pub(crate) fn display(&self, path: &str, text: &str) -> String {
        match text.starts_with('/') {
            true => self.path.join(path).display().to_string(),
            false => path.to_owned(),
        }
    }
}

impl Roots {
    /// Roots beneath which files may be read, and the one beneath which they may be written and read.
    #[must_use]
    pub fn new(readable: Vec<Arc<Root>>, writable: Option<Arc<Root>>) -> Self {
        Self { readable, writable }
    }

    /// The same for those who may not write: what was written beneath the other root is not theirs.
    #[must_use]
    pub fn read_only(&self) -> Self {
        Self::new(self.readable.clone(), None)
    }

    /// Whether there is one beneath which files may be written.
    #[must_use]
    pub fn may_write(&self) -> bool {
        self.writable.is_some()
    }

    /// What `text` means to who wants to read: an absolute path beneath one of the roots, or a path
    /// relative to the first of them.
    ///
    /// # Errors
    /// `UserInput` (42501) if it is beneath none.
    pub fn locate(&self, text: &str) -> Result<Location> {
        let all = self.readable.iter().chain(&self.writable);
        self.find(all, text)
    }

    /// What `text` means to who wants to write.
    ///
    /// # Errors
    /// As [`Roots::locate`].
    pub fn locate_for_writing(&self, text: &str) -> Result<Location> {
        self.find(self.writable.iter(), text)
    }

    fn find<'a>(
        &self,
        roots: impl Iterator<Item = &'a Arc<Root>> + Clone,
        text: &str,
    ) -> Result<Location> {
        let plain = text.strip_prefix("file://").unwrap_or(text);
        let is_plain = !plain.contains("://") && !plain.starts_with('~') && !plain.is_empty();
        let mut found = roots.clone().filter_map(|root| {
            let path = root.beneath(plain).filter(|_| is_plain)?;
            Some((root, path))
        });
        let Some((root, path)) = found.next() else {
            return Err(outside(text, roots));
        };
        let url = format!("{}://{}", SCHEME.canonical, root.identity);
        Ok(Location {
            text: text.to_owned(),
            scheme: &SCHEME,
            store_url: ObjectStoreUrl::parse(url)?,
            path,
            account: None,
            bucket: String::new(),
            root: Some(Arc::clone(root)),
        })
    }
}

/// The store of the root that `location` is beneath.
///
/// # Errors
/// `Internal` if it is beneath none.
pub(super) fn build(location: &Location) -> Result<Arc<dyn ObjectStore>> {
    let root = location.root.as_ref();
    let root = root.ok_or_else(|| SheafError::internal("a path beneath no root"))?;
    Ok(Arc::new(BeneathStore::new(Arc::clone(root))))
}

fn outside<'a>(text: &str, roots: impl Iterator<Item = &'a Arc<Root>>) -> SheafError {
    let places: Vec<String> = roots.map(|root| root.path.display().to_string()).collect();
    let error = SheafError::user(format!("permission denied for path \"{text}\""))
        .with_state(SqlState::INSUFFICIENT_PRIVILEGE);
    match &places[..] {
        [] => error.with_detail("this session may name no path for that"),
        places => error
            .with_detail(format!("paths lie beneath {}", places.join(", ")))
            .with_hint("a path without a slash in front is relative to the first of them"),
    }
}

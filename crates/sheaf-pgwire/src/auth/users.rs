//! The file of users: a line each, `name role verifier`.
//!
//! The verifier has PostgreSQL's form, so that one can be taken over from `pg_authid`; it is no
//! password, but who has it can try passwords at leisure, so nobody but the file's owner may read it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use sheaf::files::stores::Roots;
use sheaf::{Access, Result, SheafError};

use super::scram::Verifier;
use crate::tls::check_private;

/// Users that one file may hold.
const USERS_MAX: usize = 100_000;

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Read the tables that the server was given.
    Reader,
    /// Also read files beneath the directories that the server was given for it.
    FileReader,
    /// Also write files beneath one directory, and make tables that end with the session.
    Writer,
    /// What the user who started the server may.
    Admin,
}

impl Role {
    /// Every role with its name.
    pub const NAMES: &'static [(Self, &'static str)] = &[
        (Self::Reader, "reader"),
        (Self::FileReader, "file_reader"),
        (Self::Writer, "writer"),
        (Self::Admin, "admin"),
    ];

    /// The role's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(role, _)| *role == self);
        found.map_or("reader", |(_, name)| name)
    }

    /// The role called `name`.
    ///
    /// # Errors
    /// `UserInput` if there is none.
    pub fn from_name(name: &str) -> Result<Self> {
        let found = Self::NAMES.iter().find(|(_, known)| *known == name);
        found.map(|(role, _)| *role).ok_or_else(|| {
            let names: Vec<&str> = Self::NAMES.iter().map(|(_, name)| *name).collect();
            SheafError::user(format!("there is no role \"{name}\""))
                .with_hint(format!("the roles are {}", names.join(", ")))
        })
    }

    /// What statements of a session in this role may reach.
    pub(crate) fn access(self, roots: &Arc<Roots>) -> Access {
        match self {
            Self::Admin => Access::Process,
            Self::Reader => Access::NamedTables,
            Self::FileReader => Access::Beneath(Arc::new(roots.read_only())),
            Self::Writer => Access::Beneath(Arc::clone(roots)),
        }
    }
}

/// The users of a server.
#[derive(Debug, Clone, Default)]
pub struct Users {
    by_name: BTreeMap<String, User>,
}

#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) role: Role,
    pub(crate) verifier: Verifier,
}

impl Users {
    /// Reads a file of users.
    ///
    /// # Errors
    /// `UserInput` if others can read the file, or a line is not `name role verifier`; a file that
    /// is not there is an error too.
    pub fn read(path: &Path) -> Result<Self> {
        check_private(path)?;
        let text = fs::read_to_string(path)
            .map_err(|error| SheafError::from(error).with_context(path.display()))?;
        Self::parse(&text).map_err(|error| error.with_context(path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let mut users = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at = |error: SheafError| error.with_context(format!("line {}", index + 1));
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [name, role, verifier] = fields[..] else {
                return Err(at(SheafError::user("expected: name role verifier")));
            };
            let role = Role::from_name(role).map_err(at)?;
            let verifier = verifier.parse().map_err(at)?;
            users.put(name, role, verifier).map_err(at)?;
        }
        Ok(users)
    }

    /// Every user with its role.
    pub(crate) fn roles(&self) -> impl Iterator<Item = (&str, Role)> {
        self.by_name
            .iter()
            .map(|(name, user)| (name.as_str(), user.role))
    }

    /// Adds a user, or replaces one of the same name.
    ///
    /// # Errors
    /// `UserInput` if the name cannot be one; `Resource` if there are too many.
    pub fn put(&mut self, name: &str, role: Role, verifier: Verifier) -> Result<()> {
        check_name(name)?;
        if self.by_name.len() >= USERS_MAX {
            return Err(SheafError::resource(format!(
                "a file holds at most {USERS_MAX} users"
            )));
        }
        self.by_name
            .insert(name.to_owned(), User { role, verifier });
        Ok(())
    }

    /// Writes the file, whole or not at all; nobody but its owner can read it.
    ///
    /// # Errors
    /// `Resource` if it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let named = |error: std::io::Error| SheafError::from(error).with_context(path.display());
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(named)?;
        }
        let mut staged = path.as_os_str().to_owned();
        staged.push(format!(".{}.new", std::process::id()));
        let staged = std::path::PathBuf::from(staged);
        let written = self
            .write_new(&staged)
            .and_then(|()| fs::rename(&staged, path));
        if written.is_err() {
            let _ = fs::remove_file(&staged);
        }
        written.map_err(named)
    }

    fn write_new(&self, path: &Path) -> std::io::Result<()> {
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(b"# name role verifier; written by `sheaf user add`\n")?;
        for (name, User { role, verifier }) in &self.by_name {
            writeln!(file, "{name} {} {verifier}", role.name())?;
        }
        file.sync_all()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// A verifier for a user that does not exist, which could be that of one of these.
    pub(crate) fn nobody(&self, name: &str, secret: &[u8]) -> Verifier {
        let known: Vec<&Verifier> = self.by_name.values().map(|user| &user.verifier).collect();
        Verifier::of_nobody(name, secret, &known)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&User> {
        self.by_name.get(name)
    }
}

fn check_name(name: &str) -> Result<()> {
    let is_fine = (1..=63).contains(&name.len())
        && !name.starts_with('#')
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || "_.-@".contains(c));
    if is_fine {
        return Ok(());
    }
    Err(
        SheafError::user(format!("a user cannot be called \"{name}\"")).with_hint(
            "a name is at most 63 bytes of letters, digits, \"_\", \".\", \"-\" and \"@\"",
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_written_is_read_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sub/users");
        let mut users = Users::default();
        users
            .put("ann", Role::Admin, Verifier::new("one").unwrap())
            .unwrap();
        users
            .put("bob", Role::Reader, Verifier::new("two").unwrap())
            .unwrap();
        users.write(&path).unwrap();
        users.write(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = Users::read(&path).unwrap();
        assert_eq!(read.get("ann").unwrap().role, Role::Admin);
        assert_eq!(
            read.get("bob").unwrap().verifier,
            users.get("bob").unwrap().verifier
        );
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = Users::read(&path).unwrap_err();
        assert!(
            error.message().contains("others than its owner can read"),
            "{error}"
        );
    }

    #[test]
    fn lines_that_are_wrong_are_named() {
        let error = Users::parse("# fine\nann admin").unwrap_err();
        assert!(error.message().starts_with("line 2"), "{error}");
        assert!(Users::parse("ann king SCRAM-SHA-256$1:AA==$AA==:AA==").is_err());
        assert!(Users::parse("ann admin md5abc").is_err());
        assert!(
            Users::default()
                .put("a b", Role::Admin, Verifier::new("x").unwrap())
                .is_err()
        );
    }
}

//! What the session tells of itself: everything of which the catalogue's rows are made.
//!
//! Facts are collected for each statement and say only what its session may see. Numbers of objects
//! are hashes of their names, so that all connections of a server, and its next start, have the same.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use arrow::datatypes::SchemaRef;

use crate::types::Oid;

/// What is found out when it is first asked for.
pub type Late<T> = LazyLock<T, Box<dyn FnOnce() -> T + Send>>;

/// What a session tells of itself.
#[derive(Debug)]
pub struct Facts {
    /// The only database.
    pub database: String,
    /// Who asks.
    pub identity: Identity,
    /// What `version()` says.
    pub version: String,
    /// Tables and views.
    pub relations: Late<Vec<Relation>>,
    /// Functions, sorted by name.
    pub functions: Late<Vec<Function>>,
    /// Settings.
    pub settings: Late<Vec<Setting>>,
}

/// Who asks, and through which door.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The name.
    pub user: String,
    /// Whether it may everything.
    pub is_superuser: bool,
    /// The number of the connection; 0 without one.
    pub process: i32,
    /// The server, if there is one.
    pub server: Arc<dyn Server>,
    /// The parameters of the client, if there is one.
    pub parameters: Arc<dyn ClientParameters>,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            user: "sheaf".to_owned(),
            is_superuser: true,
            process: 0,
            server: Arc::new(NoServer(SystemTime::now())),
            parameters: Arc::new(NoClient),
        }
    }
}

/// The values that a client has given to [`crate::PARAMETERS`].
pub trait ClientParameters: Any + Send + Sync + fmt::Debug {
    /// The value of a parameter; `None` if it is the default.
    fn value(&self, name: &str) -> Option<String>;
}

#[derive(Debug)]
struct NoClient;

impl ClientParameters for NoClient {
    fn value(&self, _name: &str) -> Option<String> {
        None
    }
}

/// What a front door with several clients knows of them.
pub trait Server: Send + Sync + fmt::Debug {
    /// When it began.
    fn started(&self) -> SystemTime;
    /// Every user that may connect.
    fn roles(&self) -> Vec<Role>;
    /// Who is connected.
    fn connections(&self) -> Vec<Connection>;
    /// Cancels what connection `process` runs, or ends the connection, and says whether there is one.
    fn stop(&self, process: i32, ends: bool) -> bool;
}

/// No server: a program has the session to itself.
#[derive(Debug)]
struct NoServer(SystemTime);

impl Server for NoServer {
    fn started(&self) -> SystemTime {
        self.0
    }

    fn roles(&self) -> Vec<Role> {
        vec![]
    }

    fn connections(&self) -> Vec<Connection> {
        vec![]
    }

    fn stop(&self, _process: i32, _ends: bool) -> bool {
        false
    }
}

/// A user that may connect.
#[derive(Debug, Clone)]
pub struct Role {
    /// The name.
    pub name: String,
    /// Whether it may everything.
    pub is_superuser: bool,
}

/// A client that is connected.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Its number.
    pub process: i32,
    /// Who it is.
    pub user: String,
    /// What it calls itself.
    pub application: String,
    /// Its address; none over a Unix socket.
    pub address: Option<String>,
    /// When it came.
    pub since: SystemTime,
    /// `active`, `idle` or `idle in transaction`.
    pub state: &'static str,
    /// When it began its last statement.
    pub statement_since: Option<SystemTime>,
    /// Its last statement.
    pub statement: String,
}

/// What kind of relation something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    /// A table, or files under a name.
    Table,
    /// A view.
    View,
    /// A view with its rows.
    MaterializedView,
}

/// A table or view.
#[derive(Debug, Clone)]
pub struct Relation {
    /// Its schema: `public`, or `sheaf` for system tables.
    pub schema: &'static str,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: RelationKind,
    /// Its columns.
    pub columns: SchemaRef,
    /// The query of a view.
    pub definition: Option<String>,
}

/// A function of Sheaf.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// `scalar`, `aggregate`, `window` or `table`.
    pub kind: &'static str,
    /// What it does.
    pub description: Option<String>,
    /// Whether the user made it.
    pub is_users: bool,
}

/// A setting.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The value without anybody's word.
    pub default: String,
    /// Where the value comes from, in PostgreSQL's words.
    pub source: &'static str,
    /// What it does.
    pub description: String,
}

/// The numbers below which objects are PostgreSQL's own.
const FIRST_OWN: u64 = 16_384;

/// The number of an object that PostgreSQL does not know, by what it is and its name.
///
/// The hash is FNV-1a (Fowler, Noll and Vo), cut to the numbers from 16,384 to 2³¹.
pub(crate) fn own_oid(what: &str, schema: &str, name: &str) -> Oid {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let parts = [what, "\0", schema, "\0", name];
    for byte in parts.iter().flat_map(|part| part.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    let span = (1 << 31) - FIRST_OWN;
    Oid::try_from(hash % span + FIRST_OWN).unwrap_or(Oid::MAX)
}

/// Microseconds since 1970.
pub(crate) fn micros(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok();
    since
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .unwrap_or(0)
}

//! Who is connected, as `pg_stat_activity` shows it and `pg_terminate_backend` ends it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use sheaf::postgres::{Connection, Role, Server};

use crate::auth::{self, Users};
use crate::cancel::Cancels;
use crate::startup::Login;

/// Bytes of a statement that are shown to others.
const STATEMENT_BYTES_MAX: usize = 1024;

/// The clients that are in.
#[derive(Debug)]
pub(crate) struct Clients {
    started: SystemTime,
    users: Users,
    cancels: Arc<Cancels>,
    list: Mutex<BTreeMap<i32, Connection>>,
}

/// A client's entry; it leaves with this.
pub(crate) struct ClientEntry {
    process: i32,
    clients: Arc<Clients>,
}

impl Clients {
    pub(crate) fn new(users: Users, cancels: Arc<Cancels>) -> Arc<Self> {
        Arc::new(Self {
            started: SystemTime::now(),
            users,
            cancels,
            list: Mutex::default(),
        })
    }

    /// Notes a client, which is connection `process`.
    pub(crate) fn enter(self: &Arc<Self>, login: &Login, process: i32) -> ClientEntry {
        let connection = Connection {
            process,
            user: login.user.clone(),
            application: String::new(),
            address: login.address.map(|address: IpAddr| address.to_string()),
            since: SystemTime::now(),
            state: "idle",
            statement_since: None,
            statement: String::new(),
        };
        self.list.lock().insert(process, connection);
        ClientEntry {
            process,
            clients: Arc::clone(self),
        }
    }
}

impl Server for Clients {
    fn started(&self) -> SystemTime {
        self.started
    }

    fn roles(&self) -> Vec<Role> {
        let users = self.users.roles();
        let roles = users.map(|(name, role)| Role {
            name: name.to_owned(),
            is_superuser: role == auth::Role::Admin,
        });
        roles.collect()
    }

    fn connections(&self) -> Vec<Connection> {
        self.list.lock().values().cloned().collect()
    }

    fn stop(&self, process: i32, ends: bool) -> bool {
        self.cancels.stop(process, ends)
    }
}

impl ClientEntry {
    /// A statement begins.
    pub(crate) fn runs(&self, statement: &str) {
        let end = statement.floor_char_boundary(STATEMENT_BYTES_MAX);
        self.note("active", |connection| {
            connection.statement_since = Some(SystemTime::now());
            connection.statement = statement.get(..end).unwrap_or_default().to_owned();
        });
    }

    /// The client may send the next script.
    pub(crate) fn rests(&self, is_in_block: bool) {
        let state = match is_in_block {
            true => "idle in transaction",
            false => "idle",
        };
        self.note(state, |_| {});
    }

    /// The client is called so from now on.
    pub(crate) fn calls_itself(&self, name: &str) {
        if let Some(connection) = self.clients.list.lock().get_mut(&self.process) {
            name.clone_into(&mut connection.application);
        }
    }

    fn note(&self, state: &'static str, change: impl FnOnce(&mut Connection)) {
        if let Some(connection) = self.clients.list.lock().get_mut(&self.process) {
            connection.state = state;
            change(connection);
        }
    }
}

impl Drop for ClientEntry {
    fn drop(&mut self) {
        self.clients.list.lock().remove(&self.process);
    }
}

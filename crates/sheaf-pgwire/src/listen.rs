//! The server: its sockets, how many connections it has, and how it ends.
//!
//! Each connection is a task of one set, which ends with the server; a panic ends its own task
//! alone. A connection counts as half open until its client has proved who it is; of those that
//! have, some places are kept for admins, so that one can look after a server that is full.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use sheaf::files::stores::Roots;
use sheaf::{Result, Session, SheafError, SqlState};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::auth::backoff::Backoff;
use crate::auth::{Role, Users, scram};
use crate::cancel::Cancels;
use crate::clients::Clients;
use crate::errors::{Failure, Severity};
use crate::half_open::{HalfOpen, HalfOpenPlace};
use crate::message::backend;
use crate::protocol;
use crate::startup::{Accepted, Begun, begin, tell};
use crate::tls::{self, Tls, TlsFiles};

/// The name of the only database.
pub const DATABASE: &str = "sheaf";
/// The port that clients try by themselves.
const PORT_DEFAULT: u16 = 5432;
/// Ports that are tried, from the default one on.
const PORTS_TRIED: u16 = 100;
/// The wait after a socket could not be accepted: files may be short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Time that connections have to say good-bye once nothing of theirs runs any more.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// How a server is set up.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The addresses to listen on.
    pub hosts: Vec<IpAddr>,
    /// The port; without one, 5432 or the next free one.
    pub port: Option<u16>,
    /// The directory of a Unix socket.
    pub socket_directory: Option<PathBuf>,
    /// The certificate and key.
    pub tls: Option<TlsFiles>,
    /// Who may connect; if there are none, everybody on this machine, as a reader.
    pub users: Users,
    /// Beneath which directories users may read and write who may name files.
    pub roots: Arc<Roots>,
    /// Clients of other machines may come without TLS.
    pub allows_plain_text: bool,
    /// How much of everything there may be.
    pub limits: Limits,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            hosts: vec![IpAddr::from([127, 0, 0, 1])],
            port: None,
            socket_directory: None,
            tls: None,
            users: Users::default(),
            roots: Arc::default(),
            allows_plain_text: false,
            limits: Limits::default(),
        }
    }
}

/// How much of everything there may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections whose clients are in.
    pub connections_max: usize,
    /// Those of them that only admins get.
    pub admin_connections: usize,
    /// Connections whose clients are not in yet.
    pub half_open_max: usize,
    /// Those of them that one address may have.
    pub half_open_address_max: usize,
    /// Time to get in.
    pub startup_timeout: Duration,
    /// Time without a statement after which a session is ended.
    pub idle_timeout: Option<Duration>,
    /// The same within a transaction block.
    pub idle_in_transaction_timeout: Option<Duration>,
    /// Time that running statements get when the server is told to stop.
    pub shutdown_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 100,
            admin_connections: 3,
            half_open_max: 256,
            half_open_address_max: 64,
            startup_timeout: Duration::from_secs(10),
            idle_timeout: None,
            idle_in_transaction_timeout: None,
            shutdown_grace: Duration::from_secs(10),
        }
    }
}

/// Where a server can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Over TCP.
    Tcp(SocketAddr),
    /// Over a Unix socket in this directory, with this port.
    Unix(PathBuf, u16),
}

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) session: Session,
    pub(crate) users: Users,
    pub(crate) roots: Arc<Roots>,
    pub(crate) tls: Option<Tls>,
    pub(crate) allows_plain_text: bool,
    pub(crate) limits: Limits,
    pub(crate) backoff: Backoff,
    pub(crate) cancels: Arc<Cancels>,
    pub(crate) clients: Arc<Clients>,
    /// Of which the salts of users that do not exist are made.
    pub(crate) secret: [u8; 32],
    /// No new statement begins.
    pub(crate) stopping: CancellationToken,
    /// What still runs is ended.
    pub(crate) stopped: CancellationToken,
    connections: AtomicUsize,
}

/// A server that listens.
pub struct Server {
    tcp: Vec<TcpListener>,
    unix: Option<UnixSocket>,
    addresses: Vec<Address>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

/// A Unix socket, whose file goes with it.
struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Server {
    /// Opens the sockets. Every connection gets a sibling of `session`: its engine, tables and
    /// settings as they are when the connection begins.
    ///
    /// # Errors
    /// `UserInput` if other machines could reach the server and there are no users or no TLS, or if
    /// the certificate is no good; `Resource` if a socket cannot be had.
    pub async fn bind(options: ServerOptions, session: Session) -> Result<Self> {
        check_policy(&options)?;
        protocol::register_functions(&session)?;
        let tls = options.tls.as_ref().map(tls::open).transpose()?;
        let (tcp, port) = bind_tcp(&options).await?;
        let mut addresses = vec![];
        for listener in &tcp {
            addresses.push(Address::Tcp(listener.local_addr()?));
        }
        let unix = match &options.socket_directory {
            Some(directory) => {
                addresses.push(Address::Unix(directory.clone(), port));
                Some(bind_unix(directory.join(format!(".s.PGSQL.{port}"))).await?)
            }
            None => None,
        };
        let cancels = Arc::<Cancels>::default();
        let shared = Shared {
            clients: Clients::new(options.users.clone(), Arc::clone(&cancels)),
            session,
            users: options.users,
            roots: options.roots,
            tls,
            allows_plain_text: options.allows_plain_text,
            limits: options.limits,
            backoff: Backoff::default(),
            cancels,
            secret: scram::random()?,
            stopping: CancellationToken::new(),
            stopped: CancellationToken::new(),
            connections: AtomicUsize::new(0),
        };
        Ok(Self {
            tcp,
            unix,
            addresses,
            shared: Arc::new(shared),
        })
    }

    /// Where it can be reached.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Serves until `stop` is triggered; then takes no more connections, ends the idle ones, lets
    /// running statements end within the grace time, and returns.
    pub async fn run(self, stop: CancellationToken) {
        let Self {
            tcp, unix, shared, ..
        } = self;
        let limits = shared.limits;
        let half_open = HalfOpen::new(limits.half_open_max, limits.half_open_address_max);
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                // Those that have ended, or panicked: either way they are gone.
                Some(_) = connections.join_next() => continue,
                accepted = accept(&tcp, unix.as_ref()) => accepted,
            };
            let Some(accepted) = accepted else {
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            match half_open.take(accepted.address()) {
                Some(place) => {
                    connections.spawn(serve(accepted, Arc::clone(&shared), place));
                }
                None => refuse(accepted),
            }
        }
        drop((tcp, unix));
        shared.stopping.cancel();
        let grace = shared.limits.shutdown_grace;
        let all_ended = async { while connections.join_next().await.is_some() {} };
        if timeout(grace, all_ended).await.is_ok() {
            return;
        }
        shared.stopped.cancel();
        let all_ended = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(CLOSE_GRACE, all_ended).await;
        connections.shutdown().await;
    }
}

/// Other machines reach only a server that knows its users and encrypts.
fn check_policy(options: &ServerOptions) -> Result<()> {
    let remote = options
        .hosts
        .iter()
        .find(|host| !host.to_canonical().is_loopback());
    let Some(remote) = remote else {
        return Ok(());
    };
    if options.users.is_empty() {
        return Err(SheafError::user(format!(
            "other machines could reach {remote}, and no users are defined"
        ))
        .with_hint("sheaf user add NAME defines one; --host 127.0.0.1 serves this machine alone"));
    }
    if options.tls.is_none() && !options.allows_plain_text {
        return Err(SheafError::user(format!(
            "other machines could reach {remote}, and there is no TLS"
        ))
        .with_hint(
            "--tls-cert FILE --tls-key FILE; or --allow-plain-text, if something else encrypts",
        ));
    }
    Ok(())
}

/// The same port on all addresses.
async fn bind_tcp(options: &ServerOptions) -> Result<(Vec<TcpListener>, u16)> {
    let ports = match options.port {
        Some(port) => port..=port,
        None => PORT_DEFAULT..=PORT_DEFAULT + PORTS_TRIED - 1,
    };
    let mut fault = None;
    for port in ports {
        match bind_all(&options.hosts, port).await {
            Ok(listeners) => {
                let port = match listeners.first() {
                    Some(listener) => listener.local_addr()?.port(),
                    None => port,
                };
                return Ok((listeners, port));
            }
            Err(error) => {
                let is_taken = error.kind() == std::io::ErrorKind::AddrInUse;
                fault = Some(SheafError::from(error).with_context(format!("port {port}")));
                if !is_taken {
                    break;
                }
            }
        }
    }
    Err(fault.unwrap_or_else(|| SheafError::resource("no port is free")))
}

async fn bind_all(hosts: &[IpAddr], port: u16) -> std::io::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = vec![];
    for host in hosts {
        // Port 0 is any free one; all addresses then have the one of the first.
        let port = match listeners.first() {
            Some(first) => first.local_addr()?.port(),
            None => port,
        };
        listeners.push(TcpListener::bind((*host, port)).await?);
    }
    Ok(listeners)
}

async fn bind_unix(path: PathBuf) -> Result<UnixSocket> {
    let named = |error: std::io::Error| SheafError::from(error).with_context(path.display());
    let listener = match UnixListener::bind(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            // A file that nobody listens on was left by a server that is dead.
            if tokio::net::UnixStream::connect(&path).await.is_ok() {
                return Err(named(error));
            }
            std::fs::remove_file(&path).map_err(named)?;
            UnixListener::bind(&path)
        }
        other => other,
    };
    let listener = listener.map_err(named)?;
    Ok(UnixSocket { listener, path })
}

/// The next connection of any socket; `None` if one could not be accepted.
async fn accept(tcp: &[TcpListener], unix: Option<&UnixSocket>) -> Option<Accepted> {
    let mut waiting: Vec<futures::future::BoxFuture<'_, Option<Accepted>>> = vec![];
    for listener in tcp {
        waiting.push(Box::pin(async move {
            let (stream, peer) = listener.accept().await.ok()?;
            Some(Accepted::Tcp(stream, peer.ip()))
        }));
    }
    if let Some(socket) = unix {
        waiting.push(Box::pin(async move {
            let (stream, _) = socket.listener.accept().await.ok()?;
            Some(Accepted::Unix(stream))
        }));
    }
    match waiting.is_empty() {
        true => std::future::pending().await,
        false => futures::future::select_all(waiting).await.0,
    }
}

fn too_many() -> SheafError {
    SheafError::resource("sorry, too many clients already")
        .with_state(SqlState::TOO_MANY_CONNECTIONS)
}

/// Tells a client that there is no place, if its socket takes the words at once.
fn refuse(accepted: Accepted) {
    let mut output = bytes::BytesMut::new();
    backend::error(&mut output, &too_many(), Severity::Fatal, None);
    let _ = match accepted {
        Accepted::Tcp(mut stream, _) => stream.write_all(&output).now_or_never(),
        Accepted::Unix(mut stream) => stream.write_all(&output).now_or_never(),
    };
}

/// One connection from its first byte to its last.
async fn serve(accepted: Accepted, shared: Arc<Shared>, half_open: HalfOpenPlace) {
    let begun = tokio::select! {
        begun = timeout(shared.limits.startup_timeout, begin(accepted, &shared)) => begun,
        () = shared.stopping.cancelled() => return,
    };
    let Ok(Ok(Begun::In(mut connection, login))) = begun else {
        return;
    };
    drop(half_open);
    match Place::take(&shared, login.role) {
        // Boxed, since its state is large and a task has it from its first moment.
        Some(_place) => protocol::serve(connection, login, shared).boxed().await,
        None => tell(&mut connection, &Failure::Fatal(too_many())).await,
    }
}

/// One of the places for clients that are in.
struct Place {
    shared: Arc<Shared>,
}

impl Place {
    fn take(shared: &Arc<Shared>, role: Role) -> Option<Self> {
        let limits = shared.limits;
        let places = match role {
            Role::Admin => limits.connections_max,
            _ => limits
                .connections_max
                .saturating_sub(match shared.users.is_empty() {
                    // Nobody can be an admin then.
                    true => 0,
                    false => limits.admin_connections,
                }),
        };
        let taken = shared.connections.fetch_add(1, Ordering::AcqRel);
        let place = Self {
            shared: Arc::clone(shared),
        };
        (taken < places).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

//! The server of one test file, in a thread of its own.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use sheaf::{Result, Session, SheafError};
use sheaf_pgwire::{Address, Role, Server, ServerOptions, Users, Verifier};
use tokio_util::sync::CancellationToken;

use super::login::{PASSWORD, USER};

/// Stack of the thread: statements are planned on it.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Served {
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// Serves `session` on a free port of this machine.
    ///
    /// # Errors
    /// `Resource` if there is no port or thread.
    pub fn start(session: Session) -> Result<Self> {
        let stop = CancellationToken::new();
        let told = stop.clone();
        let (sender, bound) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("wire-test".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let _ = sender.send(Self::serve(session, told, &sender));
            })?;
        let mut served = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            stop,
            thread: Some(thread),
        };
        let bound = bound.recv();
        served.address = bound.map_err(|_| SheafError::internal("the server has not begun"))??;
        Ok(served)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells `bound` the address, and serves until `stop`; the result is of interest only if that
    /// did not come to pass.
    fn serve(
        session: Session,
        stop: CancellationToken,
        bound: &mpsc::Sender<Result<SocketAddr>>,
    ) -> Result<SocketAddr> {
        let mut users = Users::default();
        users.put(USER, Role::Admin, Verifier::new(PASSWORD)?)?;
        let options = ServerOptions {
            port: Some(0),
            users,
            ..ServerOptions::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let server = Server::bind(options, session).await?;
            let address = server.addresses().iter().find_map(|address| match address {
                Address::Tcp(address) => Some(*address),
                Address::Unix(..) => None,
            });
            let address = address.ok_or_else(|| SheafError::internal("no address"))?;
            let _ = bound.send(Ok(address));
            server.run(stop).await;
            Ok(address)
        })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

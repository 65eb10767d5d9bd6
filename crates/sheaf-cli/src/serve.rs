//! `sheaf serve`: the tables of a directory, or those that are named, behind the Postgres wire; and
//! `sheaf user add`, which lets somebody in.

use std::io::{BufRead, IsTerminal, Write};
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use sheaf::files::stores::{Root, Roots};
use sheaf::{Result, Session, SheafError};
use sheaf_pgwire::{
    Address, DATABASE, Limits, NamedFiles, Role, Server, ServerOptions, TlsFiles, Users, Verifier,
    tables_of,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::console::{Outcome, print_error};
use crate::environment;

/// Threads that talk to clients; queries compute on the engine's own.
const WIRE_THREADS_MAX: usize = 4;
/// Stack of such a thread: statements are parsed, shown and dropped on it, as deep as users write them.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// How to serve.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// The address or name to listen on; may be given several times
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    host: Vec<String>,

    /// The port [default: 5432, or the next free one]
    #[arg(long, value_name = "N")]
    port: Option<u16>,

    /// Listen on a Unix socket in this directory too
    #[arg(long, value_name = "DIR")]
    socket: Option<PathBuf>,

    /// Serve these files as a table, and nothing that has not been named; may be given several times
    #[arg(long = "table", value_name = "NAME=GLOB", value_parser = super::arguments::name_and_value)]
    tables: Vec<(String, String)>,

    /// A directory beneath which users in the roles file_reader and writer may name files to read; may
    /// be given several times
    #[arg(long = "read-root", value_name = "DIR")]
    read_roots: Vec<PathBuf>,

    /// The directory beneath which users in the role writer may write files, and read them
    #[arg(long, value_name = "DIR")]
    export_root: Option<PathBuf>,

    /// The TLS certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The certificate's private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// The file of users [default: $XDG_CONFIG_HOME/sheaf/users, if it is there]
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,

    /// The clients that may be connected at a time
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections_max)]
    connections: usize,

    /// Let clients of other machines in without TLS: something else encrypts
    #[arg(long)]
    allow_plain_text: bool,
}

/// What to do with users.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user, or give one a new password and role; the password is asked for, or read from
    /// standard input
    Add {
        /// The user's name
        name: String,
        /// What the user may do: reader, file_reader, writer or admin
        #[arg(long, value_name = "ROLE", default_value = "reader", value_parser = role)]
        role: Role,
        /// The file of users [default: $XDG_CONFIG_HOME/sheaf/users]
        #[arg(long, value_name = "FILE")]
        users: Option<PathBuf>,
    },
}

fn role(name: &str) -> std::result::Result<Role, String> {
    Role::from_name(name).map_err(|error| {
        let hint = error.hint().map(|hint| format!(" ({hint})"));
        format!("{}{}", error.message(), hint.unwrap_or_default())
    })
}

/// Serves until a signal says otherwise.
///
/// # Errors
/// As [`Server::bind`]; `UserInput` if a table that was named cannot be opened.
pub(crate) fn run(session: Session, arguments: &ServeArguments) -> Result<Outcome> {
    let threads = session.engine().threads().clamp(1, WIRE_THREADS_MAX);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("sheaf-wire")
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let options = options(arguments)?;
        let has_users = !options.users.is_empty();
        let tables = name_tables(&session, arguments).await?;
        let server = Server::bind(options, session).await?;
        let stop = stop_at_signal()?;
        say(&welcome(&tables, server.addresses(), has_users));
        server.run(stop).await;
        Ok(Outcome::Done)
    })
}

fn options(arguments: &ServeArguments) -> Result<ServerOptions> {
    let mut hosts: Vec<IpAddr> = vec![];
    for host in &arguments.host {
        let found = (host.as_str(), 0).to_socket_addrs();
        let found = found.map_err(|error| SheafError::from(error).with_context(host))?;
        for address in found {
            if !hosts.contains(&address.ip()) {
                hosts.push(address.ip());
            }
        }
    }
    let users = match users_path(arguments.users.as_deref()) {
        Ok(path) if arguments.users.is_some() || path.exists() => read_users(&path)?,
        _ => Users::default(),
    };
    let tls = arguments.tls_cert.clone().zip(arguments.tls_key.clone());
    Ok(ServerOptions {
        hosts,
        port: arguments.port,
        socket_directory: arguments.socket.clone(),
        tls: tls.map(|(certificate, key)| TlsFiles { certificate, key }),
        users,
        roots: roots(arguments)?,
        allows_plain_text: arguments.allow_plain_text,
        limits: Limits {
            connections_max: arguments.connections,
            ..Limits::default()
        },
    })
}

/// The directories that roles name files beneath.
fn roots(arguments: &ServeArguments) -> Result<Arc<Roots>> {
    let open = |path: &PathBuf| Root::open(path).map(Arc::new);
    let readable = arguments.read_roots.iter().map(open);
    let writable = arguments.export_root.as_ref().map(open);
    let roots = Roots::new(readable.collect::<Result<_>>()?, writable.transpose()?);
    Ok(Arc::new(roots))
}

/// Where there is a file, somebody wants passwords: without a user in it, nobody may come in without one.
fn read_users(path: &Path) -> Result<Users> {
    let users = Users::read(path)?;
    if users.is_empty() {
        let message = format!("{} names no users", path.display());
        return Err(SheafError::user(message).with_hint(
            "sheaf user add NAME adds one; without the file, everybody on this machine may read",
        ));
    }
    Ok(users)
}

fn users_path(named: Option<&Path>) -> Result<PathBuf> {
    let path = named.map(Path::to_owned).or_else(environment::users_path);
    path.ok_or_else(|| {
        SheafError::user("there is no place for a file of users")
            .with_hint("--users FILE names one")
    })
}

/// Makes the tables; gives their names. One that nobody has named and that cannot be read is left out
/// with a warning.
async fn name_tables(session: &Session, arguments: &ServeArguments) -> Result<Vec<String>> {
    let is_named = !arguments.tables.is_empty();
    let files = match is_named {
        true => {
            let named = arguments.tables.iter();
            named
                .map(|(name, location)| NamedFiles {
                    name: name.to_lowercase(),
                    location: location.clone(),
                })
                .collect()
        }
        false => tables_of(Path::new("."))?,
    };
    let mut names = vec![];
    for NamedFiles { name, location } in files {
        let statement = format!(
            "CREATE EXTERNAL TABLE \"{}\" LOCATION '{}'",
            name.replace('"', "\"\""),
            location.replace('\'', "''")
        );
        match session.sql(&statement).await {
            Ok(_) => names.push(name),
            Err(error) => {
                let error = error
                    .without_position()
                    .with_context(format!("table \"{name}\""));
                if is_named {
                    return Err(error);
                }
                print_error(&error.with_context("left out"), None);
            }
        }
    }
    Ok(names)
}

/// What a first signal triggers; a second one ends the process at once.
fn stop_at_signal() -> Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    std::thread::Builder::new()
        .name("sheaf-signals".to_owned())
        .spawn({
            let handle = tokio::runtime::Handle::current();
            move || {
                let mut next = || {
                    handle.block_on(async {
                        tokio::select! {
                            _ = interrupt.recv() => 130,
                            _ = terminate.recv() => 143,
                            _ = hang_up.recv() => 129,
                        }
                    })
                };
                next();
                told.cancel();
                let code = next();
                std::process::exit(code);
            }
        })?;
    Ok(stop)
}

fn say(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes()); // nobody has to listen
    let _ = std::io::stdout().flush();
}

fn welcome(tables: &[String], addresses: &[Address], has_users: bool) -> String {
    let mut text = match tables {
        [] => "There is nothing to serve here; --table NAME=GLOB names files.\n".to_owned(),
        [only] => format!("Serving the table {only}, read-only.\n"),
        several => format!(
            "Serving {} tables, read-only: {}.\n",
            several.len(),
            several.join(", ")
        ),
    };
    let user = if has_users { "USER" } else { "reader" };
    for address in addresses {
        let (host, port) = match address {
            Address::Tcp(address) => (address.ip().to_string(), address.port()),
            Address::Unix(directory, port) => (directory.display().to_string(), *port),
        };
        text += &format!("  psql -h {host} -p {port} -U {user} {DATABASE}\n");
    }
    text += "Ctrl-C stops.\n";
    text
}

/// Does what `sheaf user …` asks for.
///
/// # Errors
/// `UserInput` if the name or password cannot be one; `Resource` if the file cannot be written.
pub(crate) fn user(command: &UserCommand) -> Result<Outcome> {
    let UserCommand::Add {
        name,
        role,
        users: path,
    } = command;
    let path = users_path(path.as_deref())?;
    let mut users = match path.exists() {
        true => Users::read(&path)?,
        false => Users::default(),
    };
    let password = read_password(name)?;
    users.put(name, *role, Verifier::new(&password)?)?;
    users.write(&path)?;
    say(&format!(
        "{name} is a user with the role {} ({})\n",
        role.name(),
        path.display()
    ));
    Ok(Outcome::Done)
}

/// A password that is typed twice without being shown, or the first line of standard input.
fn read_password(name: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        return read_line();
    }
    let first = ask(&format!("Password of {name}: "))?;
    match ask("Again: ")? == first {
        true => Ok(first),
        false => Err(SheafError::user("the passwords differ")),
    }
}

fn ask(prompt: &str) -> Result<String> {
    let refused = |error: nix::errno::Errno| SheafError::from(std::io::Error::from(error));
    let _ = std::io::stderr().write_all(prompt.as_bytes()); // it is asked all the same
    let shown = tcgetattr(std::io::stdin()).map_err(refused)?;
    let mut hidden = shown.clone();
    hidden.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(std::io::stdin(), SetArg::TCSAFLUSH, &hidden).map_err(refused)?;
    let line = read_line();
    tcsetattr(std::io::stdin(), SetArg::TCSAFLUSH, &shown).map_err(refused)?;
    let _ = std::io::stderr().write_all(b"\n");
    line
}

fn read_line() -> Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

//! The first messages of a connection: TLS or not, a cancel request or a user, and the proof of who
//! that is. Whatever goes wrong here is FATAL and ends the connection.
//!
//! ```text
//! first 8 bytes ─┬─ SSLRequest ──── S, handshake ─┐
//!                ├─ GSSENCRequest ─ N ────────────┤
//!                ├─ CancelRequest ─ (closed)      │ again, each once
//!                └─ StartupMessage <──────────────┘
//!                         └─ SCRAM (if there are users) ─ ready
//! ```
//!
//! Exactly the eight bytes of a request are read before it is answered; a client that has sent more
//! by then is refused, for what it sent in plain text must never count as sent within TLS
//! (CVE-2021-23214).

use std::net::IpAddr;
use std::time::Duration;

use futures::FutureExt;
use sheaf::{SheafError, SqlState};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::auth::scram::{Binding, Exchange, MECHANISM, MECHANISM_PLUS};
use crate::auth::{Role, Verifier};
use crate::connection::Connection;
use crate::errors::{Failure, Flow, Severity, protocol_error, violation};
use crate::listen::{DATABASE, Shared};
use crate::message::backend;
use crate::message::frontend::Fields;
use crate::tls::ALPN;

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;
/// The first byte of a TLS handshake: a client that does not ask first.
const TLS_HANDSHAKE: u8 = 22;
/// Parameters that a startup message may have.
const PARAMETERS_MAX: usize = 1_000;

/// Silence after which a client is asked whether it is there, the time between two questions, and how
/// many without an answer end its connection: two minutes and a half in all.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_RETRIES: u32 = 6;
/// Bytes of the names of users and databases; what is longer is cut off, as in PostgreSQL.
const USER_BYTES_MAX: usize = 63;

/// A socket that was accepted.
pub(crate) enum Accepted {
    Tcp(TcpStream, IpAddr),
    Unix(UnixStream),
}

impl Accepted {
    /// Where it comes from, if that is another place.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(_, address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

/// A client and what it asks for.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) role: Role,
    /// Where it comes from; nothing over a Unix socket.
    pub(crate) address: Option<IpAddr>,
    /// Settings, in the order in which they were given.
    pub(crate) settings: Vec<(String, String)>,
}

/// How a connection has begun.
pub(crate) enum Begun {
    /// A user who has proved who it is.
    In(Connection, Login),
    /// A cancel request, which was done.
    Done,
}

/// What is known of the way to the client.
#[derive(Clone, Copy)]
struct Way {
    address: Option<IpAddr>,
    is_encrypted: bool,
}

/// Brings a connection to where its first statement may come.
///
/// # Errors
/// `Fatal` if it may not go on; the client has been told then.
pub(crate) async fn begin(accepted: Accepted, shared: &Shared) -> Flow<Begun> {
    let (mut connection, way, first) = match accepted {
        Accepted::Tcp(stream, address) => begin_tcp(stream, address, shared).await?,
        Accepted::Unix(stream) => begin_unix(stream).await?,
    };
    match greet(&mut connection, way, first, shared).await {
        Ok(Some(login)) => Ok(Begun::In(connection, login)),
        Ok(None) => Ok(Begun::Done),
        Err(failure) => {
            let failure = failure.fatal();
            tell(&mut connection, &failure).await;
            Err(failure)
        }
    }
}

/// Sends a fatal error and closes.
pub(crate) async fn tell(connection: &mut Connection, failure: &Failure) {
    if let Failure::Fatal(error) | Failure::Error(error) = failure {
        backend::error(&mut connection.output, error, Severity::Fatal, None);
        connection.close().await;
    }
}

type Start = (Connection, Way, [u8; 8]);

async fn begin_tcp(mut stream: TcpStream, address: IpAddr, shared: &Shared) -> Flow<Start> {
    let _ = stream.set_nodelay(true);
    let _ = keep_alive(&stream);
    let mut way = Way {
        address: Some(address),
        is_encrypted: false,
    };
    let mut byte = [0];
    if stream.peek(&mut byte).await? == 1 && byte[0] == TLS_HANDSHAKE {
        // `sslnegotiation=direct`: without a request, the protocol has to be agreed on in TLS.
        let connection = encrypt(stream, shared, true).await?;
        return first_of(
            connection,
            Way {
                is_encrypted: true,
                ..way
            },
        )
        .await;
    }
    let mut has_asked_gss = false;
    loop {
        let first = read_eight(&mut stream).await?;
        match code_of(first) {
            SSL_REQUEST => {
                stream = refuse_early(stream).await?;
                if shared.tls.is_some() {
                    stream.write_all(b"S").await?;
                    way.is_encrypted = true;
                    let connection = encrypt(stream, shared, false).await?;
                    return first_of(connection, way).await;
                }
                stream.write_all(b"N").await?;
                let connection = Connection::new(Box::new(stream));
                return first_of(connection, way).await;
            }
            GSS_REQUEST if !has_asked_gss => {
                stream = refuse_early(stream).await?;
                has_asked_gss = true;
                stream.write_all(b"N").await?;
            }
            _ => return Ok((Connection::new(Box::new(stream)), way, first)),
        }
    }
}

/// A client that is gone without a word is noticed in the end, also while it is written to.
fn keep_alive(stream: &TcpStream) -> std::io::Result<()> {
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(
        KEEPALIVE_IDLE + KEEPALIVE_INTERVAL * KEEPALIVE_RETRIES,
    ))
}

async fn begin_unix(stream: UnixStream) -> Flow<Start> {
    let way = Way {
        address: None,
        is_encrypted: false,
    };
    let mut connection = Connection::new(Box::new(stream));
    // Nothing on the way can be encrypted, and nothing has to.
    for _ in 0..2 {
        let first = connection.read_first().await?;
        if !matches!(code_of(first), SSL_REQUEST | GSS_REQUEST) {
            return Ok((connection, way, first));
        }
        connection.output.extend_from_slice(b"N");
        connection.flush().await?;
    }
    first_of(connection, way).await
}

async fn first_of(mut connection: Connection, way: Way) -> Flow<Start> {
    let first = connection.read_first().await?;
    Ok((connection, way, first))
}

async fn read_eight(stream: &mut TcpStream) -> Flow<[u8; 8]> {
    let mut first = [0; 8];
    stream.read_exact(&mut first).await?;
    Ok(first)
}

/// Whether the client has sent something that it should send only after an answer.
fn has_more(stream: &TcpStream) -> bool {
    let mut byte = [0];
    matches!(stream.peek(&mut byte).now_or_never(), Some(Ok(count)) if count > 0)
}

/// Refuses a client that has not waited for the answer.
async fn refuse_early(stream: TcpStream) -> Flow<TcpStream> {
    if !has_more(&stream) {
        return Ok(stream);
    }
    let failure = violation("received unencrypted data after a request for encryption");
    tell(&mut Connection::new(Box::new(stream)), &failure).await;
    Err(failure)
}

async fn encrypt(stream: TcpStream, shared: &Shared, is_direct: bool) -> Flow<Connection> {
    let Some(tls) = &shared.tls else {
        return Err(violation("this server has no TLS"));
    };
    let stream = tls.acceptor.accept(stream).await?;
    if is_direct && stream.get_ref().1.alpn_protocol() != Some(ALPN) {
        return Err(violation(
            "direct TLS needs the protocol \"postgresql\" in ALPN",
        ));
    }
    Ok(Connection::new(Box::new(stream)))
}

fn code_of(first: [u8; 8]) -> u32 {
    let length = u32::from_be_bytes([first[0], first[1], first[2], first[3]]);
    let code = u32::from_be_bytes([first[4], first[5], first[6], first[7]]);
    match (length, code) {
        (8, SSL_REQUEST | GSS_REQUEST) => code,
        _ => 0,
    }
}

/// Reads the startup message and has the user prove who it is. `None`: it was a cancel request.
async fn greet(
    connection: &mut Connection,
    way: Way,
    first: [u8; 8],
    shared: &Shared,
) -> Flow<Option<Login>> {
    let mut fields = Fields::new(connection.read_startup(first).await?);
    let version = fields.u32()?;
    if version == CANCEL_REQUEST {
        let (process, secret) = (fields.i32()?, fields.i32()?);
        fields.end()?;
        shared.cancels.cancel(process, secret);
        return Ok(None);
    }
    if version >> 16 != 3 {
        return Err(SheafError::unsupported(format!(
            "unsupported frontend protocol {}.{}: server supports 3.0",
            version >> 16,
            version & 0xffff
        ))
        .into());
    }
    let request = Request::read(fields)?;
    if version & 0xffff != 0 || !request.unknown.is_empty() {
        backend::negotiate_version(&mut connection.output, &request.unknown);
    }
    check_way(way, &request.user, shared)?;
    let role = authenticate(connection, way, &request.user, shared).await?;
    if request.database != DATABASE {
        let error = SheafError::user(format!("database \"{}\" does not exist", request.database))
            .with_state(SqlState::INVALID_CATALOG_NAME)
            .with_hint(format!("the database is called \"{DATABASE}\""));
        return Err(error.into());
    }
    connection.trust();
    backend::authentication(&mut connection.output, 0, &[]);
    Ok(Some(Login {
        user: request.user,
        role,
        address: way.address,
        settings: request.settings,
    }))
}

/// What a startup message says.
struct Request {
    user: String,
    database: String,
    settings: Vec<(String, String)>,
    /// Protocol options (`_pq_.…`) that are not known.
    unknown: Vec<String>,
}

impl Request {
    fn read(mut fields: Fields) -> Flow<Self> {
        let (mut user, mut database) = (None, None);
        let (mut settings, mut unknown) = (vec![], vec![]);
        for _ in 0..PARAMETERS_MAX {
            let name = fields.string()?;
            if name.is_empty() {
                fields.end()?;
                let user = user
                    .filter(|user: &String| !user.is_empty())
                    .ok_or_else(|| {
                        SheafError::user("no PostgreSQL user name specified in startup packet")
                            .with_state(SqlState::INVALID_AUTHORIZATION)
                    })?;
                let user = cut(user);
                let database = cut(database.unwrap_or_else(|| user.clone()));
                return Ok(Self {
                    user,
                    database,
                    settings,
                    unknown,
                });
            }
            let value = fields.string()?;
            match name.as_str() {
                "user" => user = Some(value),
                "database" => database = Some(value),
                "options" => settings.extend(command_line_options(&value)?),
                "replication" if matches!(value.as_str(), "false" | "off" | "no" | "0") => {}
                "replication" => {
                    return Err(SheafError::unsupported("replication is not supported").into());
                }
                _ if name.starts_with("_pq_.") => unknown.push(name),
                _ => settings.push((name, value)),
            }
        }
        Err(violation("too many parameters in startup packet"))
    }
}

/// The first bytes of a name, as many as count.
fn cut(mut name: String) -> String {
    name.truncate(name.floor_char_boundary(USER_BYTES_MAX));
    name
}

/// The settings in `-c name=value --name=value`; a backslash keeps a space in a value.
fn command_line_options(text: &str) -> Flow<Vec<(String, String)>> {
    let mut words = vec![String::new()];
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, words.last_mut()) {
            ('\\', Some(word)) => word.extend(characters.next()),
            (c, _) if c.is_whitespace() => words.push(String::new()),
            (c, Some(word)) => word.push(c),
            (_, None) => {}
        }
    }
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    let mut settings = vec![];
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--") {
            Some(setting) => Some(setting.to_owned()),
            None => match word.strip_prefix("-c") {
                Some("") => words.next(),
                other => other.map(str::to_owned),
            },
        };
        let pair = setting
            .as_deref()
            .and_then(|setting| setting.split_once('='));
        let (name, value) = pair.ok_or_else(|| {
            SheafError::user(format!(
                "invalid command-line argument for server process: {word}"
            ))
            .with_state(SqlState::SYNTAX_ERROR)
        })?;
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

/// Off the machine, everything is encrypted.
fn check_way(way: Way, user: &str, shared: &Shared) -> Flow<()> {
    let is_local = way
        .address
        .is_none_or(|address| address.to_canonical().is_loopback());
    if is_local || way.is_encrypted || shared.allows_plain_text {
        return Ok(());
    }
    let address = way.address.map(|a| a.to_string()).unwrap_or_default();
    Err(SheafError::user(format!(
        "no encryption: user \"{user}\" may not connect from {address} without TLS"
    ))
    .with_state(SqlState::INVALID_AUTHORIZATION)
    .with_hint("connect with sslmode=require")
    .into())
}

/// Has the user prove who it is; without users everybody is a reader.
async fn authenticate(
    connection: &mut Connection,
    way: Way,
    user: &str,
    shared: &Shared,
) -> Flow<Role> {
    if shared.users.is_empty() {
        return Ok(Role::Reader);
    }
    tokio::time::sleep(shared.backoff.wait(way.address, user)).await;
    let known = shared.users.get(user);
    let nobody = shared.users.nobody(user, &shared.secret);
    let verifier = known.map_or(&nobody, |known| &known.verifier);
    let tls = shared.tls.as_ref().filter(|_| way.is_encrypted);
    let end_point = tls.and_then(|tls| tls.end_point.as_deref());
    let is_right = prove(connection, verifier, end_point).await?;
    match known.filter(|_| is_right) {
        Some(known) => {
            shared.backoff.succeeded(way.address, user);
            Ok(known.role)
        }
        None => {
            shared.backoff.failed(way.address, user);
            tokio::time::sleep(shared.backoff.wait(way.address, user)).await;
            let message = format!("password authentication failed for user \"{user}\"");
            Err(SheafError::user(message)
                .with_state(SqlState::INVALID_PASSWORD)
                .into())
        }
    }
}

/// The exchange, bound to the TLS connection's `end_point` if there is one and the client wants that;
/// true if the client knows the password.
async fn prove(
    connection: &mut Connection,
    verifier: &Verifier,
    end_point: Option<&[u8]>,
) -> Flow<bool> {
    const SASL: i32 = 10;
    const CONTINUE: i32 = 11;
    const FINAL: i32 = 12;
    let mechanisms = match end_point {
        Some(_) => format!("{MECHANISM_PLUS}\0{MECHANISM}\0\0"),
        None => format!("{MECHANISM}\0\0"),
    };
    backend::authentication(&mut connection.output, SASL, mechanisms.as_bytes());
    connection.flush().await?;
    let mut fields = read_password_message(connection).await?;
    let mechanism = fields.string()?;
    let binding = match (mechanism.as_str(), end_point) {
        (MECHANISM_PLUS, Some(end_point)) => Binding::EndPoint(end_point),
        (MECHANISM, Some(_)) => Binding::Declined,
        (MECHANISM, None) => Binding::Impossible,
        _ => return Err(protocol_error("client selected an invalid SASL mechanism").into()),
    };
    let length = usize::try_from(fields.i32()?)
        .map_err(|_| protocol_error("the client's first SASL message is missing"))?;
    let first = fields.bytes(length)?;
    fields.end()?;
    let exchange = Exchange::begin(verifier, &first, binding)?;
    backend::authentication(
        &mut connection.output,
        CONTINUE,
        exchange.server_first().as_bytes(),
    );
    connection.flush().await?;
    let last = read_password_message(connection).await?.rest();
    let Some(answer) = exchange.finish(&last)? else {
        return Ok(false);
    };
    backend::authentication(&mut connection.output, FINAL, answer.as_bytes());
    Ok(true)
}

async fn read_password_message(connection: &mut Connection) -> Flow<Fields> {
    let message = connection.read_message(|tag| tag == b'p').await?;
    let (_, body) = message.ok_or(Failure::Gone)?;
    Ok(Fields::new(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_postgres_reads_them() {
        let options = command_line_options("-c a=1 --b-c=2 -cd=x\\ y").unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            options,
            [pair("a", "1"), pair("b_c", "2"), pair("d", "x y")]
        );
        assert!(command_line_options("-S").is_err());
        assert!(command_line_options("-c").is_err());
        assert!(command_line_options("").unwrap().is_empty());
    }
}

//! A small client of the wire, which says what it is told to, right or wrong; and servers to talk to.

#![allow(
    dead_code,
    clippy::cast_possible_truncation,
    reason = "each test file uses a part; lengths of messages are small"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};
use sheaf::Session;
use sheaf_pgwire::{Address, Server, ServerOptions};
use tokio_util::sync::CancellationToken;

/// Time after which a test that waits has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server in a thread of its own; it stops when dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) addresses: Vec<Address>,
    pub(crate) session: Session,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// A server without users, as `sheaf serve` starts it.
pub(crate) fn server() -> Running {
    Running::start(ServerOptions::default())
}

impl Running {
    pub(crate) fn start(options: ServerOptions) -> Self {
        let session = Session::builder().setting("threads", "2").unwrap();
        let session = session
            .setting("memory_limit", "200MB")
            .unwrap()
            .build()
            .unwrap();
        Self::with(options, session)
    }

    pub(crate) fn with(options: ServerOptions, session: Session) -> Self {
        let options = ServerOptions {
            port: options.port.or(Some(0)),
            ..options
        };
        let stop = CancellationToken::new();
        let (told, served) = (stop.clone(), session.clone());
        let (sender, addresses) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .thread_stack_size(16 << 20)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let server = Server::bind(options, served).await.unwrap();
                sender.send(server.addresses().to_vec()).unwrap();
                server.run(told).await;
            });
        });
        let addresses = addresses.recv().unwrap();
        let address = addresses
            .iter()
            .find_map(|address| match address {
                Address::Tcp(address) => Some(*address),
                Address::Unix(..) => None,
            })
            .unwrap();
        Self {
            address,
            addresses,
            session,
            stop,
            thread: Some(thread),
        }
    }

    /// Tells the server to stop, without waiting.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    pub(crate) fn wait(mut self) {
        self.thread.take().unwrap().join().unwrap();
    }

    pub(crate) fn connect(&self) -> Client {
        self.connect_as("reader", &[])
    }

    pub(crate) fn connect_as(&self, user: &str, parameters: &[(&str, &str)]) -> Client {
        let mut client = Client::open(self.address);
        client.startup(user, parameters);
        client.expect('R');
        client.until_ready();
        client
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A message of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) tag: char,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// A field of an error or notice.
    pub(crate) fn field(&self, letter: char) -> Option<String> {
        assert!(matches!(self.tag, 'E' | 'N'), "{self:?}");
        let fields = self.body.split(|byte| *byte == 0);
        let found = fields
            .filter(|f| !f.is_empty())
            .find(|field| char::from(field[0]) == letter);
        found.map(|field| String::from_utf8_lossy(&field[1..]).into_owned())
    }

    pub(crate) fn code(&self) -> String {
        self.field('C').unwrap()
    }

    /// The values of a row.
    pub(crate) fn row(&self) -> Vec<Option<Vec<u8>>> {
        assert_eq!(self.tag, 'D');
        let mut rest = &self.body[2..];
        let mut values = vec![];
        while !rest.is_empty() {
            let length = i32::from_be_bytes(rest[..4].try_into().unwrap());
            rest = &rest[4..];
            match usize::try_from(length) {
                Ok(length) => {
                    values.push(Some(rest[..length].to_vec()));
                    rest = &rest[length..];
                }
                Err(_) => values.push(None),
            }
        }
        values
    }

    /// The values of a row, as text; NULL is `NULL`.
    pub(crate) fn texts(&self) -> Vec<String> {
        let text = |value: Option<Vec<u8>>| match value {
            Some(bytes) => String::from_utf8(bytes).unwrap(),
            None => "NULL".to_owned(),
        };
        self.row().into_iter().map(text).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body)
            .trim_end_matches('\0')
            .to_owned()
    }

    /// Names, type numbers and formats of a row description.
    pub(crate) fn columns(&self) -> Vec<(String, u32, i16)> {
        assert_eq!(self.tag, 'T');
        let mut rest = &self.body[2..];
        let mut columns = vec![];
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == 0).unwrap();
            let name = String::from_utf8(rest[..end].to_vec()).unwrap();
            let fixed = &rest[end + 1..end + 19];
            let oid = u32::from_be_bytes(fixed[6..10].try_into().unwrap());
            let format = i16::from_be_bytes(fixed[16..18].try_into().unwrap());
            columns.push((name, oid, format));
            rest = &rest[end + 19..];
        }
        columns
    }
}

/// A client.
pub(crate) struct Client {
    pub(crate) socket: TcpStream,
}

impl Client {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket }
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    pub(crate) fn send(&mut self, tag: char, body: &[u8]) {
        self.send_bytes(&framed(tag, body));
    }

    pub(crate) fn startup(&mut self, user: &str, parameters: &[(&str, &str)]) {
        self.send_bytes(&startup(user, "sheaf", parameters));
    }

    pub(crate) fn query(&mut self, sql: &str) {
        self.send('Q', &[sql.as_bytes(), b"\0"].concat());
    }

    /// The next message; `None` at the end of the connection.
    pub(crate) fn next(&mut self) -> Option<Message> {
        let mut head = [0; 5];
        match self.socket.read_exact(&mut head) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
                ) =>
            {
                return None;
            }
            Err(error) => panic!("no message came: {error}"),
        }
        let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
        let mut body = vec![0; length - 4];
        self.socket.read_exact(&mut body).unwrap();
        Some(Message {
            tag: char::from(head[0]),
            body,
        })
    }

    pub(crate) fn expect(&mut self, tag: char) -> Message {
        let message = self
            .next()
            .unwrap_or_else(|| panic!("closed instead of {tag}"));
        assert_eq!(message.tag, tag, "{:?}", message.text());
        message
    }

    /// Everything up to ReadyForQuery.
    pub(crate) fn until_ready(&mut self) -> Vec<Message> {
        let mut messages = vec![];
        loop {
            let message = self
                .next()
                .unwrap_or_else(|| panic!("closed after {messages:?}"));
            let is_ready = message.tag == 'Z';
            messages.push(message);
            if is_ready {
                return messages;
            }
        }
    }

    /// The answer to a script: its messages up to ReadyForQuery.
    pub(crate) fn run(&mut self, sql: &str) -> Vec<Message> {
        self.query(sql);
        self.until_ready()
    }

    /// The rows of a script as text.
    pub(crate) fn rows(&mut self, sql: &str) -> Vec<Vec<String>> {
        let messages = self.run(sql);
        let error = messages.iter().find(|m| m.tag == 'E');
        assert!(error.is_none(), "{sql}: {:?}", error.map(Message::text));
        messages
            .iter()
            .filter(|m| m.tag == 'D')
            .map(Message::texts)
            .collect()
    }

    /// The SQLSTATE of the error that a script ends with.
    pub(crate) fn error(&mut self, sql: &str) -> Message {
        let messages = self.run(sql);
        let error = messages.into_iter().find(|m| m.tag == 'E');
        error.unwrap_or_else(|| panic!("{sql}: no error"))
    }

    /// Nothing but a FATAL error with this code may come, then the end.
    pub(crate) fn expect_fatal(&mut self, code: &str) {
        let message = self.expect('E');
        assert_eq!(
            (message.field('S').unwrap(), message.code()),
            ("FATAL".to_owned(), code.to_owned())
        );
        assert_eq!(self.next(), None);
    }

    pub(crate) fn parse(&mut self, name: &str, sql: &str, types: &[u32]) {
        let mut body = [name.as_bytes(), b"\0", sql.as_bytes(), b"\0"].concat();
        body.extend(u16::try_from(types.len()).unwrap().to_be_bytes());
        types.iter().for_each(|oid| body.extend(oid.to_be_bytes()));
        self.send('P', &body);
    }

    pub(crate) fn bind(
        &mut self,
        portal: &str,
        statement: &str,
        formats: &[u16],
        values: &[Option<&[u8]>],
        results: &[u16],
    ) {
        let mut body = [portal.as_bytes(), b"\0", statement.as_bytes(), b"\0"].concat();
        let count = |n: usize| u16::try_from(n).unwrap().to_be_bytes();
        body.extend(count(formats.len()));
        formats
            .iter()
            .for_each(|format| body.extend(format.to_be_bytes()));
        body.extend(count(values.len()));
        for value in values {
            match value {
                Some(bytes) => {
                    body.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
                    body.extend(*bytes);
                }
                None => body.extend((-1_i32).to_be_bytes()),
            }
        }
        body.extend(count(results.len()));
        results
            .iter()
            .for_each(|format| body.extend(format.to_be_bytes()));
        self.send('B', &body);
    }

    pub(crate) fn execute(&mut self, portal: &str, rows_max: i32) {
        self.send(
            'E',
            &[portal.as_bytes(), b"\0", &rows_max.to_be_bytes()].concat(),
        );
    }

    pub(crate) fn describe(&mut self, target: char, name: &str) {
        self.send('D', &[&[target as u8], name.as_bytes(), b"\0"].concat());
    }

    pub(crate) fn sync(&mut self) {
        self.send('S', b"");
    }

    /// Does what a client does that knows `password`.
    pub(crate) fn authenticate(&mut self, password: &str) {
        assert_eq!(self.expect('R').body[..4], [0, 0, 0, 10]);
        let bare = "n=,r=clientnonce";
        let first = format!("n,,{bare}");
        self.send_scram_first(&first);
        let server_first = String::from_utf8(self.expect('R').body[4..].to_vec()).unwrap();
        self.send('p', client_final(password, bare, &server_first).as_bytes());
    }

    pub(crate) fn send_scram_first(&mut self, first: &str) {
        let length = i32::try_from(first.len()).unwrap().to_be_bytes();
        self.send(
            'p',
            &[b"SCRAM-SHA-256\0", &length[..], first.as_bytes()].concat(),
        );
    }
}

fn client_final(password: &str, bare: &str, server_first: &str) -> String {
    let field = |letter: &str| {
        let mut fields = server_first.split(',');
        fields
            .find_map(|f| f.strip_prefix(letter))
            .unwrap()
            .to_owned()
    };
    let (nonce, salt) = (field("r="), STANDARD.decode(field("s=")).unwrap());
    let iterations = field("i=").parse().unwrap();
    let mut salted = [0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        &salt,
        password.as_bytes(),
        &mut salted,
    );
    let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    let client_key = sign(&salted, b"Client Key");
    let stored = digest::digest(&digest::SHA256, client_key.as_ref());
    let without_proof = format!("c=biws,r={nonce}");
    let said = format!("{bare},{server_first},{without_proof}");
    let signature = sign(stored.as_ref(), said.as_bytes());
    let proof: Vec<u8> = client_key
        .as_ref()
        .iter()
        .zip(signature.as_ref())
        .map(|(a, b)| a ^ b)
        .collect();
    format!("{without_proof},p={}", STANDARD.encode(proof))
}

pub(crate) fn framed(tag: char, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag as u8], &length[..], body].concat()
}

pub(crate) fn startup(user: &str, database: &str, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    let fixed = [("user", user), ("database", database)];
    for (name, value) in fixed.iter().chain(parameters) {
        body.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    body.push(0);
    [
        &u32::try_from(body.len() + 4).unwrap().to_be_bytes()[..],
        &body,
    ]
    .concat()
}

/// The tags of messages, in order.
pub(crate) fn tags(messages: &[Message]) -> String {
    messages.iter().map(|message| message.tag).collect()
}

/// The texts of the CommandComplete messages.
pub(crate) fn completed(messages: &[Message]) -> Vec<String> {
    messages
        .iter()
        .filter(|m| m.tag == 'C')
        .map(Message::text)
        .collect()
}

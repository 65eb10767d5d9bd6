//! TLS: who asks for it gets it, and nothing that was sent in plain text counts as sent within it.
//! The certificates were made with OpenSSL for these tests alone.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sheaf_pgwire::{Role, ServerOptions, TlsFiles, Users, Verifier};
use support::{Client, Running, startup};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/certificates")
        .join(name)
}

/// The certificate, and its key as it has to be: for its owner alone.
fn tls_files(directory: &Path, mode: u32) -> TlsFiles {
    let key = directory.join("server.key");
    fs::copy(file("server.key"), &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    TlsFiles {
        certificate: file("server.pem"),
        key,
    }
}

fn encrypt(socket: TcpStream, alpn: &[&[u8]]) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(file("ca.pem")).unwrap())
        .unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap());
    StreamOwned::new(connection.unwrap(), socket)
}

fn server(directory: &Path) -> Running {
    let mut users = Users::default();
    users
        .put("ann", Role::Reader, Verifier::new("secret").unwrap())
        .unwrap();
    let tls = Some(tls_files(directory, 0o600));
    Running::start(ServerOptions {
        users,
        tls,
        ..ServerOptions::default()
    })
}

/// The type and first word of the first message.
fn first_message(stream: &mut impl Read) -> (char, [u8; 4]) {
    let mut head = [0; 9];
    stream.read_exact(&mut head).unwrap();
    (char::from(head[0]), head[5..].try_into().unwrap())
}

#[test]
fn clients_that_ask_are_encrypted() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path());
    let mut client = Client::open(server.address);
    client.send_bytes(&SSL_REQUEST);
    let mut answer = [0];
    client.socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"S");
    let mut stream = encrypt(client.socket, &[]);
    stream.write_all(&startup("ann", "sheaf", &[])).unwrap();
    // The request for a SCRAM exchange.
    assert_eq!(first_message(&mut stream), ('R', [0, 0, 0, 10]));
    // Without asking, as PostgreSQL 17's clients can, with the protocol's name.
    let socket = TcpStream::connect(server.address).unwrap();
    let mut stream = encrypt(socket, &[b"postgresql"]);
    stream.write_all(&startup("ann", "sheaf", &[])).unwrap();
    assert_eq!(first_message(&mut stream), ('R', [0, 0, 0, 10]));
    // Another protocol's client gets nowhere.
    for alpn in [&[b"http/1.1".as_slice()][..], &[]] {
        let socket = TcpStream::connect(server.address).unwrap();
        let mut stream = encrypt(socket, alpn);
        let _ = stream.write_all(&startup("ann", "sheaf", &[]));
        assert!(
            !matches!(stream.read(&mut [0; 9]), Ok(count) if count > 0),
            "{alpn:?}"
        );
    }
}

#[test]
fn plain_text_behind_the_request_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path());
    let mut client = Client::open(server.address);
    client.send_bytes(&[&SSL_REQUEST[..], &startup("ann", "sheaf", &[])].concat());
    client.expect_fatal("08P01");
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let tls = Some(tls_files(directory.path(), 0o644));
    let session = sheaf::Session::builder().build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let options = ServerOptions {
        tls,
        port: Some(0),
        ..ServerOptions::default()
    };
    let error = runtime
        .block_on(sheaf_pgwire::Server::bind(options, session))
        .unwrap_err();
    assert!(error.message().contains("others than its owner"), "{error}");
    // A certificate that another key belongs to.
    let files = tls_files(directory.path(), 0o600);
    let tls = Some(TlsFiles {
        certificate: file("ca.pem"),
        key: files.key,
    });
    let session = sheaf::Session::builder().build().unwrap();
    let options = ServerOptions {
        tls,
        port: Some(0),
        ..ServerOptions::default()
    };
    assert!(
        runtime
            .block_on(sheaf_pgwire::Server::bind(options, session))
            .is_err()
    );
}

//! TLS: a certificate with its key, read once when the server starts. What is wrong with them keeps
//! the server from starting; it never falls back to plain text.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sheaf::{Result, SheafError};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::auth::binding;

/// The protocol's name in TLS's negotiation of protocols.
pub(crate) const ALPN: &[u8] = b"postgresql";

/// Files of a certificate and its key, both PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate, followed by those that certify it.
    pub certificate: PathBuf,
    /// The private key; nobody but its owner may read it.
    pub key: PathBuf,
}

/// TLS, ready for connections.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    /// What stands for the certificate in channel binding, where it can.
    pub(crate) end_point: Option<Vec<u8>>,
}

/// Makes TLS ready.
///
/// # Errors
/// `UserInput` if a file cannot be read, is no certificate or key, others can read the key, or the
/// key is not the certificate's.
pub(crate) fn open(files: &TlsFiles) -> Result<Tls> {
    let certificate = read(&files.certificate)?;
    let certificates = CertificateDer::pem_slice_iter(&certificate)
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|error| bad(&files.certificate, &error))?;
    let Some(own) = certificates.first() else {
        return Err(SheafError::user(format!(
            "there is no certificate in {}",
            files.certificate.display()
        )));
    };
    let end_point = binding::end_point(own);
    check_private(&files.key)?;
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?)
        .map_err(|error| bad(&files.key, &error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(&files.certificate, &error))?
        .with_no_client_auth()
        .with_single_cert(certificates, key);
    let mut config = config.map_err(|error| bad(&files.certificate, &error))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Tls {
        acceptor: TlsAcceptor::from(Arc::new(config)),
        end_point,
    })
}

/// Checks that nobody but the owner of a file with secrets can read it; root's may be read by its
/// group, as PostgreSQL has it.
///
/// # Errors
/// `UserInput` if others can.
pub(crate) fn check_private(path: &Path) -> Result<()> {
    let metadata =
        fs::metadata(path).map_err(|error| SheafError::from(error).with_context(path.display()))?;
    let forbidden = match metadata.uid() {
        0 => 0o027,
        _ => 0o077,
    };
    if metadata.mode() & forbidden == 0 {
        return Ok(());
    }
    Err(
        SheafError::user(format!("others than its owner can read {}", path.display()))
            .with_hint(format!("chmod 600 {}", path.display())),
    )
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| SheafError::from(error).with_context(path.display()))
}

fn bad(path: &Path, error: &dyn std::fmt::Display) -> SheafError {
    SheafError::user(format!("{} cannot be used: {error}", path.display()))
}

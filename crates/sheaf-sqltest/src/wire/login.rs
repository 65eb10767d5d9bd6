//! The client's half of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

/// Who the tests are.
pub(super) const USER: &str = "tests";
/// And how they prove it; the server that knows it lives as long as a test.
pub(super) const PASSWORD: &str = "sql-tests";

/// The mechanism's name.
pub(super) const MECHANISM: &str = "SCRAM-SHA-256";
/// The client's first message behind its header `n,,`. The server's nonce alone makes the exchange
/// another one each time, and nobody listens.
pub(super) const FIRST_BARE: &str = "n=,r=sqltest";

/// The client's last message after `server_first`; `None` if that is not as it should be.
pub(super) fn client_final(server_first: &str) -> Option<String> {
    let field = |name: &str| server_first.split(',').find_map(|f| f.strip_prefix(name));
    let nonce = field("r=")?;
    let salt = STANDARD.decode(field("s=")?).ok()?;
    let iterations = field("i=")?.parse().ok()?;
    let mut salted = [0; 32];
    let password = PASSWORD.as_bytes();
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        &salt,
        password,
        &mut salted,
    );
    let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    let client_key = sign(&salted, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
    let without_proof = format!("c=biws,r={nonce}");
    let said = format!("{FIRST_BARE},{server_first},{without_proof}");
    let signature = sign(stored_key.as_ref(), said.as_bytes());
    let proof: Vec<u8> = client_key
        .as_ref()
        .iter()
        .zip(signature.as_ref())
        .map(|(key, signature)| key ^ signature)
        .collect();
    Some(format!("{without_proof},p={}", STANDARD.encode(proof)))
}

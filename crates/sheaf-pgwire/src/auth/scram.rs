//! SCRAM-SHA-256 (RFC 5802, RFC 7677) as PostgreSQL speaks it: the client proves that it knows the
//! password, the server that it has the verifier, and neither says it.
//!
//! The exchange: client-first → server-first → client-final → server-final. The user's name in the
//! client's first message is not looked at: the startup message has named the user.
//!
//! Within TLS, channel binding is offered as a mechanism of its own (`-PLUS`): the client proves that
//! it has seen this server's certificate. One that could do that and was offered nothing says so with
//! `y`, which is right without TLS; with it, somebody has taken the offer away.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};
use sheaf::{Result, SheafError, SqlState};

use crate::errors::protocol_error;

/// The mechanism's name.
pub(crate) const MECHANISM: &str = "SCRAM-SHA-256";
/// The same with channel binding.
pub(crate) const MECHANISM_PLUS: &str = "SCRAM-SHA-256-PLUS";
/// Rounds of hashing in verifiers made here: RFC 7677 advises 15,000 or more.
const ITERATIONS: u32 = 15_000;
/// The most rounds a verifier may have: the client has to do them all.
const ITERATIONS_MAX: u32 = 10_000_000;
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 18;
const KEY_BYTES: usize = digest::SHA256_OUTPUT_LEN;

type Key = [u8; KEY_BYTES];

/// What a server keeps of a password: `SCRAM-SHA-256$iterations:salt$stored key:server key`.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    iterations: NonZeroU32,
    salt: Vec<u8>,
    stored_key: Key,
    server_key: Key,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

impl Verifier {
    /// The verifier of `password`, with a salt of its own.
    ///
    /// # Errors
    /// `UserInput` if the password is empty, or has characters that programs may send differently
    /// (all but ASCII's printable ones).
    pub fn new(password: &str) -> Result<Self> {
        if password.is_empty() {
            return Err(SheafError::user("a password cannot be empty"));
        }
        if !password.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(SheafError::unsupported(
                "a password is made of ASCII's letters, digits, signs and spaces",
            ));
        }
        let iterations = NonZeroU32::new(ITERATIONS).unwrap_or(NonZeroU32::MIN);
        Ok(Self::with(
            password.as_bytes(),
            random::<SALT_BYTES>()?.to_vec(),
            iterations,
        ))
    }

    fn with(password: &[u8], salt: Vec<u8>, iterations: NonZeroU32) -> Self {
        let mut salted = [0; KEY_BYTES];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            iterations,
            &salt,
            password,
            &mut salted,
        );
        Self {
            iterations,
            salt,
            stored_key: sha256(&hmac_sha256(&salted, &[b"Client Key"])),
            server_key: hmac_sha256(&salted, &[b"Server Key"]),
        }
    }

    /// A verifier that no password fits, for users that do not exist: the same for one name as long
    /// as the server runs, and with as many rounds and as long a salt as one of `known`, so that it
    /// cannot be told from a real one.
    pub(crate) fn of_nobody(name: &str, secret: &[u8], known: &[&Self]) -> Self {
        let key = |part: &[u8]| hmac_sha256(secret, &[part, name.as_bytes()]);
        let [a, b, c, d, ..] = key(b"like");
        let chosen = u32::from_be_bytes([a, b, c, d]) as usize % known.len().max(1);
        let like = known.get(chosen);
        let salt_bytes = like.map_or(SALT_BYTES, |like| like.salt.len());
        let parts = (0_u32..).flat_map(|part| key(&[&b"salt"[..], &part.to_be_bytes()].concat()));
        let iterations = like.map(|like| like.iterations);
        Self {
            iterations: iterations
                .unwrap_or(NonZeroU32::new(ITERATIONS).unwrap_or(NonZeroU32::MIN)),
            salt: parts.take(salt_bytes).collect(),
            stored_key: hmac_sha256(secret, &[b"stored", name.as_bytes()]),
            server_key: hmac_sha256(secret, &[b"server", name.as_bytes()]),
        }
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{MECHANISM}${}:{}${}:{}",
            self.iterations,
            STANDARD.encode(&self.salt),
            STANDARD.encode(self.stored_key),
            STANDARD.encode(self.server_key)
        )
    }
}

impl FromStr for Verifier {
    type Err = SheafError;

    fn from_str(text: &str) -> Result<Self> {
        parse_verifier(text).ok_or_else(|| {
            SheafError::user("the verifier is not of PostgreSQL's form")
                .with_hint("SCRAM-SHA-256$iterations:salt$stored key:server key")
        })
    }
}

fn parse_verifier(text: &str) -> Option<Verifier> {
    let rest = text.strip_prefix(MECHANISM)?.strip_prefix('$')?;
    let (cost, keys) = rest.split_once('$')?;
    let (iterations, salt) = cost.split_once(':')?;
    let (stored, server) = keys.split_once(':')?;
    let key = |text: &str| Key::try_from(STANDARD.decode(text).ok()?).ok();
    Some(Verifier {
        iterations: iterations
            .parse()
            .ok()
            .filter(|n: &NonZeroU32| n.get() <= ITERATIONS_MAX)?,
        salt: STANDARD.decode(salt).ok().filter(|salt| !salt.is_empty())?,
        stored_key: key(stored)?,
        server_key: key(server)?,
    })
}

/// What an exchange is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binding<'b> {
    /// Nothing, since the server has nothing to offer.
    Impossible,
    /// Nothing: the client did not take the offer.
    Declined,
    /// The server's certificate, by what stands for it.
    EndPoint(&'b [u8]),
}

/// The server's side of one exchange, after the client's first message.
pub(crate) struct Exchange<'v> {
    verifier: &'v Verifier,
    /// What the client's channel-binding field has to be: its own header, and what it is bound to.
    bound: Vec<u8>,
    client_first_bare: String,
    server_first: String,
    nonce: String,
}

impl<'v> Exchange<'v> {
    /// Reads the client's first message and makes the server's.
    ///
    /// # Errors
    /// `UserInput` (08P01) if it is none, (28000) if it was kept from taking the offer of a binding.
    pub(crate) fn begin(
        verifier: &'v Verifier,
        client_first: &[u8],
        binding: Binding<'_>,
    ) -> Result<Self> {
        let nonce = STANDARD.encode(random::<NONCE_BYTES>()?);
        Self::begin_with(verifier, client_first, binding, &nonce)
    }

    fn begin_with(
        verifier: &'v Verifier,
        client_first: &[u8],
        binding: Binding<'_>,
        nonce: &str,
    ) -> Result<Self> {
        let text = std::str::from_utf8(client_first).map_err(|_| malformed())?;
        let (header, bare) = split_header(text)?;
        let mut bound = header.as_bytes().to_vec();
        match (header, binding) {
            ("n,,", Binding::Impossible | Binding::Declined) | ("y,,", Binding::Impossible) => {}
            ("y,,", Binding::Declined) => return Err(was_kept_from_binding()),
            (BOUND_HEADER, Binding::EndPoint(end_point)) => bound.extend_from_slice(end_point),
            _ => return Err(malformed()),
        }
        let mut fields = bare.split(',');
        let has_name = fields.next().is_some_and(|field| field.starts_with("n="));
        let client_nonce = fields.next().and_then(|field| field.strip_prefix("r="));
        let client_nonce = client_nonce
            .filter(|nonce| {
                has_name && !nonce.is_empty() && nonce.bytes().all(|b| b.is_ascii_graphic())
            })
            .ok_or_else(malformed)?;
        let nonce = format!("{client_nonce}{nonce}");
        let server_first = format!(
            "r={nonce},s={},i={}",
            STANDARD.encode(&verifier.salt),
            verifier.iterations
        );
        Ok(Self {
            verifier,
            bound,
            client_first_bare: bare.to_owned(),
            server_first,
            nonce,
        })
    }

    /// The server's first message.
    pub(crate) fn server_first(&self) -> &str {
        &self.server_first
    }

    /// Checks the client's final message; gives the server's, or `None` if the proof is wrong.
    ///
    /// # Errors
    /// `UserInput` (08P01) if it is no such message.
    pub(crate) fn finish(&self, client_final: &[u8]) -> Result<Option<String>> {
        let text = std::str::from_utf8(client_final).map_err(|_| malformed())?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or_else(malformed)?;
        let mut fields = without_proof.split(',');
        let binding = fields.next().and_then(|field| field.strip_prefix("c="));
        let nonce = fields.next().and_then(|field| field.strip_prefix("r="));
        if binding != Some(STANDARD.encode(&self.bound).as_str()) || nonce != Some(&self.nonce) {
            return Err(malformed());
        }
        let proof = STANDARD.decode(proof).map_err(|_| malformed())?;
        let proof = Key::try_from(proof).map_err(|_| malformed())?;
        let said = format!(
            "{},{},{without_proof}",
            self.client_first_bare, self.server_first
        );
        let signature = hmac_sha256(&self.verifier.stored_key, &[said.as_bytes()]);
        let mut client_key = proof;
        for (byte, mask) in client_key.iter_mut().zip(signature) {
            *byte ^= mask;
        }
        if !are_equal(&sha256(&client_key), &self.verifier.stored_key) {
            return Ok(None);
        }
        let signature = hmac_sha256(&self.verifier.server_key, &[said.as_bytes()]);
        Ok(Some(format!("v={}", STANDARD.encode(signature))))
    }
}

/// Bytes nobody can guess.
///
/// # Errors
/// `Resource` if the system has none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| SheafError::resource("the system gives no random numbers"))?;
    Ok(bytes)
}

/// Equality in a time that does not tell where the first difference is.
fn are_equal(left: &Key, right: &Key) -> bool {
    let difference = left.iter().zip(right).fold(0, |all, (l, r)| all | (l ^ r));
    std::hint::black_box(difference) == 0
}

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Key {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    parts.iter().for_each(|part| context.update(part));
    to_key(context.sign().as_ref())
}

fn sha256(bytes: &[u8]) -> Key {
    to_key(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn to_key(bytes: &[u8]) -> Key {
    let mut key = [0; KEY_BYTES];
    key.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    key
}

/// The header of a client that binds itself.
const BOUND_HEADER: &str = "p=tls-server-end-point,,";

/// The header of a first message (what it is bound to, and an identity to act as, which is not
/// supported), and the rest.
fn split_header(text: &str) -> Result<(&str, &str)> {
    let headers = ["n,,", "y,,", BOUND_HEADER];
    let header = headers.into_iter().find(|header| text.starts_with(header));
    let header = header.ok_or_else(malformed)?;
    Ok(text.split_at(header.len()))
}

fn was_kept_from_binding() -> SheafError {
    SheafError::user("SCRAM channel binding negotiation error")
        .with_state(SqlState::INVALID_AUTHORIZATION)
        .with_detail(
            "the client supports channel binding and thinks that this server does not, but it does",
        )
}

fn malformed() -> SheafError {
    protocol_error("malformed SCRAM message").with_state(SqlState::PROTOCOL_VIOLATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

    /// The example of RFC 7677, section 3: user "user", password "pencil".
    #[test]
    fn the_exchange_is_that_of_the_standard() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let iterations = NonZeroU32::new(4096).unwrap();
        let verifier = Verifier::with(b"pencil", salt, iterations);
        let first = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
        let exchange =
            Exchange::begin_with(&verifier, first, Binding::Impossible, SERVER_NONCE).unwrap();
        assert_eq!(
            exchange.server_first(),
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let answer = exchange.finish(last.as_bytes()).unwrap();
        assert_eq!(
            answer.as_deref(),
            Some("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
        );
        let wrong = last.replace("p=dHz", "p=eHz");
        assert_eq!(exchange.finish(wrong.as_bytes()).unwrap(), None);
        for broken in [
            "",
            "c=biws",
            "c=biws,r=x,p=AAAA",
            "c=eSws,r=x,p=",
            "\u{0},p=",
        ] {
            assert!(exchange.finish(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn first_messages_that_are_none_are_refused() {
        let verifier = Verifier::new("x").unwrap();
        for broken in [
            "",
            "n",
            "n,,",
            "n,,n=,r=",
            "p=tls-unique,,n=,r=a",
            "n,a=b,n=,r=a",
            "n,,r=a",
        ] {
            assert!(
                Exchange::begin(&verifier, broken.as_bytes(), Binding::Impossible).is_err(),
                "{broken}"
            );
        }
        assert!(Exchange::begin(&verifier, b"n,,n=,r=a\xff", Binding::Impossible).is_err());
    }

    /// A client says what it was offered; who was offered a binding and says that there was none has
    /// been lied to.
    #[test]
    fn a_binding_is_to_what_was_offered() {
        let verifier = Verifier::new("x").unwrap();
        let state = |header: &str, binding| {
            let first = format!("{header}n=,r=a");
            match Exchange::begin(&verifier, first.as_bytes(), binding) {
                Ok(_) => "ok".to_owned(),
                Err(error) => error.state().code().to_owned(),
            }
        };
        let (none, declined, bound) = (
            Binding::Impossible,
            Binding::Declined,
            Binding::EndPoint(b"hash"),
        );
        let states = |header| [none, declined, bound].map(|binding| state(header, binding));
        assert_eq!(states("n,,"), ["ok", "ok", "08P01"]);
        assert_eq!(states("y,,"), ["ok", "28000", "08P01"]);
        assert_eq!(states(BOUND_HEADER), ["08P01", "08P01", "ok"]);
        assert_eq!(states("p=tls-unique,,"), ["08P01"; 3]);
    }

    #[test]
    fn a_proof_is_bound_to_the_certificate() {
        let verifier = Verifier::with(b"pencil", vec![1], NonZeroU32::MIN);
        let first = format!("{BOUND_HEADER}n=,r=abc");
        let bound = Binding::EndPoint(b"hash");
        let exchange =
            Exchange::begin_with(&verifier, first.as_bytes(), bound, SERVER_NONCE).unwrap();
        let proof = STANDARD.encode([0; KEY_BYTES]);
        let last = |binding: &str| {
            let binding = STANDARD.encode(format!("{BOUND_HEADER}{binding}"));
            exchange.finish(format!("c={binding},r=abc{SERVER_NONCE},p={proof}").as_bytes())
        };
        assert_eq!(last("hash").unwrap(), None, "bound, and a wrong proof");
        assert!(last("other").is_err() && last("").is_err());
    }

    #[test]
    fn verifiers_are_written_as_postgres_writes_them() {
        let verifier = Verifier::new("secret").unwrap();
        let text = verifier.to_string();
        assert!(text.starts_with("SCRAM-SHA-256$15000:"), "{text}");
        assert_eq!(text.parse::<Verifier>().unwrap(), verifier);
        assert_ne!(Verifier::new("secret").unwrap(), verifier, "salts differ");
        for broken in [
            "",
            "md5",
            "SCRAM-SHA-256$0:AA==$AA==:AA==",
            "SCRAM-SHA-256$1:AA==$AA==:AA==",
        ] {
            assert!(broken.parse::<Verifier>().is_err(), "{broken}");
        }
        assert!(Verifier::new("").is_err());
        assert!(Verifier::new("naïve").is_err());
    }

    #[test]
    fn nobody_looks_the_same_each_time() {
        let nobody = |name| Verifier::of_nobody(name, b"k", &[]);
        assert_eq!(nobody("eve"), nobody("eve"));
        assert_ne!(nobody("eve").salt, nobody("mal").salt);
        assert_eq!(nobody("eve").salt.len(), SALT_BYTES);
    }

    /// Verifiers of other programs have other rounds and salts (PostgreSQL's 4,096): who does not
    /// exist has those of somebody.
    #[test]
    fn nobody_looks_like_somebody() {
        let rounds = |n: u32| NonZeroU32::new(n).unwrap();
        let imported = Verifier::with(b"x", vec![1; 40], rounds(4_096));
        let ours = Verifier::with(b"x", vec![2; 16], rounds(2));
        let mut seen = std::collections::BTreeMap::new();
        for n in 0..100 {
            let name = format!("user{n}");
            let nobody = Verifier::of_nobody(&name, b"k", &[&imported, &ours]);
            *seen
                .entry((nobody.iterations.get(), nobody.salt.len()))
                .or_insert(0) += 1;
        }
        let forms: Vec<_> = seen.keys().copied().collect();
        assert_eq!(forms, [(2, 16), (4_096, 40)]);
        assert!(seen.values().all(|count| *count > 20), "{seen:?}");
    }
}

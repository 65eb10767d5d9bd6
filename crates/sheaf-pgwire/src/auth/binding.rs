//! Channel binding of the type `tls-server-end-point` (RFC 5929, section 4): the hash of the server's
//! certificate, which a client proves to have seen. Somebody between the two has another certificate.
//!
//! The hash is that of the certificate's own signature, SHA-256 where that is MD5 or SHA-1. Of the
//! certificate's DER form nothing but the name of that signature is read here.

use ring::digest::{self, Algorithm, SHA256, SHA384, SHA512};

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// Object identifiers of signatures in their DER form, and the hash for each.
const SIGNATURES: &[(&[u8], &Algorithm)] = &[
    // With RSA (1.2.840.113549.1.1.*): MD5, SHA-1, SHA-256, SHA-384, SHA-512.
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04", &SHA256),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", &SHA256),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", &SHA256),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", &SHA384),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d", &SHA512),
    // With ECDSA (1.2.840.10045.4.*): SHA-1, SHA-256, SHA-384, SHA-512.
    (b"\x2a\x86\x48\xce\x3d\x04\x01", &SHA256),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x02", &SHA256),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x03", &SHA384),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x04", &SHA512),
];
/// RSASSA-PSS, whose parameters name the hash.
const PSS: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";
/// The hashes that those parameters may name.
const HASHES: &[(&[u8], &Algorithm)] = &[
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x01", &SHA256),
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x02", &SHA384),
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x03", &SHA512),
];

/// What a client that binds itself to a server with this certificate has to say; `None` where the
/// standard names no hash, as for Ed25519, so that no binding is offered.
pub(crate) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let algorithm = hash_of(certificate)?;
    Some(digest::digest(algorithm, certificate).as_ref().to_vec())
}

/// `Certificate ::= SEQUENCE { what is certified, signatureAlgorithm, signature }`
fn hash_of(certificate: &[u8]) -> Option<&'static Algorithm> {
    let (body, _) = element(certificate, SEQUENCE)?;
    let (_, behind) = element(body, SEQUENCE)?;
    let (algorithm, _) = element(behind, SEQUENCE)?;
    let (name, parameters) = element(algorithm, OBJECT_IDENTIFIER)?;
    if name != PSS {
        return find(SIGNATURES, |known| known == name);
    }
    // The hash is named before that of the mask, which is the same as a rule.
    let places = HASHES.iter().filter_map(|(hash, algorithm)| {
        let mut windows = parameters.windows(hash.len());
        Some((windows.position(|window| window == *hash)?, *algorithm))
    });
    let first = places.min_by_key(|(at, _)| *at);
    // Without a name it is SHA-1.
    Some(first.map_or(&SHA256, |(_, algorithm)| algorithm))
}

fn find(
    known: &[(&[u8], &'static Algorithm)],
    is_it: impl Fn(&[u8]) -> bool,
) -> Option<&'static Algorithm> {
    let found = known.iter().find(|(name, _)| is_it(name));
    found.map(|(_, algorithm)| *algorithm)
}

/// The content of the DER element that `bytes` begin with, and what is behind it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let [found, length, rest @ ..] = bytes else {
        return None;
    };
    if *found != tag {
        return None;
    }
    let (length, rest) = match length {
        short @ 0..=0x7f => (usize::from(*short), rest),
        long @ 0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let length = digits
                .iter()
                .fold(0, |length: usize, digit| length << 8 | usize::from(*digit));
            (length, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate of nothing, signed by what `algorithm` names.
    fn certificate(algorithm: &[u8]) -> Vec<u8> {
        let size = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
        let mut body = vec![SEQUENCE, 0, SEQUENCE, size(algorithm)];
        body.extend_from_slice(algorithm);
        body.extend_from_slice(&[3, 1, 0]);
        let mut whole = vec![SEQUENCE, 0x81, size(&body)];
        whole.extend_from_slice(&body);
        whole
    }

    fn named(name: &[u8]) -> Vec<u8> {
        let mut algorithm = vec![OBJECT_IDENTIFIER, u8::try_from(name.len()).unwrap()];
        algorithm.extend_from_slice(name);
        algorithm
    }

    /// As RFC 5929 has it: the signature's hash, SHA-256 at least.
    #[test]
    fn the_hash_is_the_signatures() {
        for (name, algorithm) in SIGNATURES {
            let certificate = certificate(&named(name));
            let expected = digest::digest(algorithm, &certificate);
            assert_eq!(end_point(&certificate).unwrap(), expected.as_ref());
        }
        let mut pss = named(PSS);
        pss.extend_from_slice(b"\xa0\x0d\x30\x0b");
        pss.extend_from_slice(&named(HASHES[1].0));
        pss.extend_from_slice(&named(HASHES[0].0));
        assert_eq!(end_point(&certificate(&pss)).unwrap().len(), 48);
    }

    #[test]
    fn what_has_no_hash_and_what_is_none_binds_nobody() {
        // Ed25519, 1.3.101.112.
        assert_eq!(end_point(&certificate(&named(b"\x2b\x65\x70"))), None);
        let whole = certificate(&named(SIGNATURES[2].0));
        for length in 0..whole.len() - 3 {
            assert_eq!(end_point(&whole[..length]), None);
        }
        assert_eq!(end_point(b"\x30\x85\x01\x01\x01\x01\x01"), None);
    }
}

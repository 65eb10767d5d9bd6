//! Encodings of text other than UTF-8: files are decoded as a whole, from their start.

use bytes::Bytes;
use encoding_rs::{CoderResult, Decoder};
use futures::StreamExt;
use sheaf_base::Result;

use crate::request::bad_option;
use crate::scan::bytes::Chunks;

/// The encoding of files.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Encoding {
    /// Records that are not UTF-8 are bad.
    #[default]
    Utf8,
    /// Bytes that are not UTF-8 become the replacement character.
    Lossy,
    /// Anything else.
    Other(&'static encoding_rs::Encoding),
}

impl Encoding {
    /// The encoding called `name`, by the names that web browsers know.
    ///
    /// # Errors
    /// `UserInput` if there is none.
    pub(crate) fn by_name(name: &str) -> Result<Self> {
        if name.eq_ignore_ascii_case("utf-8-lossy") {
            return Ok(Self::Lossy);
        }
        match encoding_rs::Encoding::for_label(name.as_bytes()) {
            Some(encoding) if encoding == encoding_rs::UTF_8 => Ok(Self::Utf8),
            Some(encoding) => Ok(Self::Other(encoding)),
            None => Err(bad_option(
                "encoding",
                "the name of an encoding, such as utf-8, latin1, utf-16 or shift_jis",
            )),
        }
    }

    /// What decodes whole files; `None` if they are read as they are.
    pub(crate) fn transcoder(self) -> Option<&'static encoding_rs::Encoding> {
        match self {
            Self::Utf8 => None,
            Self::Lossy => Some(encoding_rs::UTF_8),
            Self::Other(encoding) => Some(encoding),
        }
    }
}

/// `chunks` of a file, from its start, in UTF-8. A byte order mark says more than `encoding`; it is
/// left out. Bytes that the encoding does not have become the replacement character.
pub(crate) fn decoded(chunks: Chunks, encoding: &'static encoding_rs::Encoding) -> Chunks {
    let mut decoder = encoding.new_decoder();
    let chunks = chunks.map(Some);
    let chunks = chunks.chain(futures::stream::iter([None]));
    let chunks = chunks.map(move |chunk| match chunk {
        Some(chunk) => Ok(decode(&mut decoder, &chunk?, false)),
        None => Ok(decode(&mut decoder, &[], true)),
    });
    chunks.boxed()
}

fn decode(decoder: &mut Decoder, mut bytes: &[u8], is_last: bool) -> Bytes {
    let length = decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(64);
    let mut text = String::with_capacity(length);
    loop {
        let (result, read, _) = decoder.decode_to_string(bytes, &mut text, is_last);
        bytes = bytes.get(read..).unwrap_or_default();
        match result {
            CoderResult::InputEmpty => return Bytes::from(text),
            CoderResult::OutputFull => text.reserve(bytes.len().max(64) * 3),
        }
    }
}

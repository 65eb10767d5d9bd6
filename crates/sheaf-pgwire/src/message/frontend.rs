//! What clients send. Every function takes one whole message, and none reads beyond it.

use bytes::Bytes;
use sheaf::{Result, SheafError, SqlState};

use crate::errors::protocol_error;

/// A message of a client that has proved who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frontend {
    /// Run a script.
    Query(String),
    /// Keep a statement.
    Parse {
        statement: String,
        sql: String,
        /// Types of the parameters; 0 leaves one to the server.
        types: Vec<u32>,
    },
    /// Give a statement its parameters.
    Bind(Bind),
    /// Say what a statement or portal takes and gives.
    Describe(Target),
    /// Run a portal.
    Execute {
        portal: String,
        /// Rows to send before the portal is suspended; 0 or less: all.
        rows_max: i32,
    },
    /// Forget a statement or portal.
    Close(Target),
    /// Send what there is.
    Flush,
    /// End of a sequence of messages.
    Sync,
    /// Good-bye.
    Terminate,
    /// Part of a COPY from the client that has failed already: to be skipped.
    Copy,
}

/// A statement with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bind {
    pub(crate) portal: String,
    pub(crate) statement: String,
    /// None: all text; one: for all; else one each.
    pub(crate) parameter_formats: Vec<Format>,
    /// `None` is NULL.
    pub(crate) parameters: Vec<Option<Bytes>>,
    /// As `parameter_formats`, for the columns of the result.
    pub(crate) result_formats: Vec<Format>,
}

/// What Describe and Close are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Statement(String),
    Portal(String),
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Binary,
}

impl Format {
    /// The format's number in messages.
    pub(crate) fn code(self) -> i16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }

    /// The format of value `index`, where `formats` may be none, one for all, or one each. `None`
    /// if there are too few.
    pub(crate) fn of(formats: &[Format], index: usize) -> Option<Format> {
        match formats {
            [] => Some(Self::Text),
            [all] => Some(*all),
            each => each.get(index).copied(),
        }
    }
}

/// Bytes of a name; PostgreSQL tells names apart by 63.
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// Reads the message of type `tag` whose content is `body`.
///
/// # Errors
/// `UserInput` (08P01) if there is no such message, or it is not as it should be; (22021) if a text
/// is not UTF-8.
pub(crate) fn decode(tag: u8, body: Bytes) -> Result<Frontend> {
    let mut fields = Fields { body };
    let message = match tag {
        b'Q' => Frontend::Query(fields.string()?),
        b'P' => Frontend::Parse {
            statement: fields.name()?,
            sql: fields.string()?,
            types: fields.list(Fields::u32)?,
        },
        b'B' => Frontend::Bind(Bind {
            portal: fields.name()?,
            statement: fields.name()?,
            parameter_formats: fields.list(Fields::format)?,
            parameters: fields.list(Fields::value)?,
            result_formats: fields.list(Fields::format)?,
        }),
        b'D' => Frontend::Describe(fields.target()?),
        b'C' => Frontend::Close(fields.target()?),
        b'E' => Frontend::Execute {
            portal: fields.name()?,
            rows_max: fields.i32()?,
        },
        b'H' => Frontend::Flush,
        b'S' => Frontend::Sync,
        b'X' => Frontend::Terminate,
        b'd' | b'c' | b'f' => return Ok(Frontend::Copy),
        other => {
            return Err(protocol_error(format!(
                "invalid frontend message type {other}"
            )));
        }
    };
    fields.end()?;
    Ok(message)
}

/// Whether `tag` starts a message that a client may send once it is in.
pub(crate) fn is_known(tag: u8) -> bool {
    b"QPBDCEHSXdcf".contains(&tag)
}

/// The fields of one message, read from its front. None reads beyond the end.
pub(crate) struct Fields {
    body: Bytes,
}

impl Fields {
    pub(crate) fn new(body: Bytes) -> Self {
        Self { body }
    }

    /// The next `count` bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<Bytes> {
        if count > self.body.len() {
            return Err(protocol_error("insufficient data left in message"));
        }
        Ok(self.body.split_to(count))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.bytes(N)?;
        <[u8; N]>::try_from(&bytes[..]).map_err(|_| protocol_error("insufficient data in message"))
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// A text up to its zero byte.
    pub(crate) fn string(&mut self) -> Result<String> {
        let end = self.body.iter().position(|byte| *byte == 0);
        let end = end.ok_or_else(|| protocol_error("invalid string in message"))?;
        let text = self.bytes(end)?;
        self.bytes(1)?;
        String::from_utf8(text.to_vec()).map_err(|_| not_utf8())
    }

    /// A list behind its length. What is reserved is bounded by the message.
    fn list<T>(&mut self, item: fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = usize::from(self.u16()?);
        let mut items = Vec::with_capacity(count.min(self.body.len()));
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn format(&mut self) -> Result<Format> {
        match self.u16()? {
            0 => Ok(Format::Text),
            1 => Ok(Format::Binary),
            other => Err(protocol_error(format!("unsupported format code: {other}"))),
        }
    }

    fn value(&mut self) -> Result<Option<Bytes>> {
        let length = self.i32()?;
        match usize::try_from(length) {
            Ok(length) => Ok(Some(self.bytes(length)?)),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(protocol_error("a parameter of negative length")),
        }
    }

    /// The name of a statement or a portal, which the connection keeps.
    fn name(&mut self) -> Result<String> {
        let name = self.string()?;
        match name.len() > NAME_BYTES_MAX {
            true => Err(protocol_error(format!(
                "a name is longer than {NAME_BYTES_MAX} bytes"
            ))),
            false => Ok(name),
        }
    }

    fn target(&mut self) -> Result<Target> {
        match self.u8()? {
            b'S' => Ok(Target::Statement(self.name()?)),
            b'P' => Ok(Target::Portal(self.name()?)),
            other => Err(protocol_error(format!("invalid target {other}"))),
        }
    }

    /// What is left of the message.
    pub(crate) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.body)
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<()> {
        match self.body.is_empty() {
            true => Ok(()),
            false => Err(protocol_error("invalid message format")),
        }
    }
}

fn not_utf8() -> SheafError {
    SheafError::user("invalid byte sequence for encoding \"UTF8\"")
        .with_state(SqlState::UNTRANSLATABLE_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind() -> Vec<u8> {
        let mut body = b"p\0s\0".to_vec();
        body.extend([0, 1, 0, 1]); // one format: binary
        body.extend([0, 2, 0, 0, 0, 2, 7, 8]); // two parameters: two bytes …
        body.extend([255, 255, 255, 255]); // … and NULL
        body.extend([0, 0]); // results as text
        body
    }

    #[test]
    fn messages_are_read_to_their_end() {
        let expected = Frontend::Bind(Bind {
            portal: "p".into(),
            statement: "s".into(),
            parameter_formats: vec![Format::Binary],
            parameters: vec![Some(Bytes::from_static(&[7, 8])), None],
            result_formats: vec![],
        });
        assert_eq!(decode(b'B', bind().into()).unwrap(), expected);
        let execute = decode(b'E', Bytes::from_static(b"\0\xff\xff\xff\xff")).unwrap();
        let portal = String::new();
        assert_eq!(
            execute,
            Frontend::Execute {
                portal,
                rows_max: -1
            }
        );
    }

    #[test]
    fn no_prefix_and_no_tail_is_taken_or_panics() {
        let whole = bind();
        for end in 0..whole.len() {
            let error = decode(b'B', whole[..end].to_vec().into()).unwrap_err();
            assert_eq!(error.state().code(), "08P01", "{end}");
        }
        let mut longer = whole;
        longer.push(0);
        assert!(decode(b'B', longer.into()).is_err());
        assert!(decode(b'Q', Bytes::from_static(b"SELECT 1")).is_err());
        let error = decode(b'Q', Bytes::from_static(b"\xff\0")).unwrap_err();
        assert_eq!(error.state().code(), "22021");
    }

    /// Whatever the bytes are, there is an answer and no panic. The generator is the linear
    /// congruential one of Knuth's MMIX.
    #[test]
    fn noise_never_panics() {
        let mut state = 42_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        for round in 0..20_000_usize {
            let tag = b"QPBDCEHSXdcfZ"[round % 13];
            let length = usize::from(next() % 48);
            let small = round % 2 == 0;
            let body: Vec<u8> = (0..length)
                .map(|_| if small { next() % 4 } else { next() })
                .collect();
            let _ = decode(tag, body.into());
        }
    }
}

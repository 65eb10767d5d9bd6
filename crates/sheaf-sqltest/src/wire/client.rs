//! A client of the wire: messages out, messages in, an answer or an error.
#![expect(
    clippy::cast_possible_truncation,
    reason = "messages are small: texts of statements, and counts of columns"
)]

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use sqllogictest::DefaultColumnType;

use super::login::{FIRST_BARE, MECHANISM, USER, client_final};
use crate::connection::Failure;

/// Time without a message after which a test has failed.
const PATIENCE: Duration = Duration::from_secs(300);
/// The numbers of PostgreSQL's number types, as in `pg_type.dat`.
const INTEGER_OIDS: [u32; 3] = [20, 21, 23];
const FLOAT_OIDS: [u32; 2] = [700, 701];
const NUMERIC_OID: u32 = 1700;
/// The SQLSTATE of statements that cannot be described without running.
const NOT_DESCRIBED: &str = "0A000";
/// The first words of those.
const LATE: [&str; 2] = ["EXECUTE", "SUMMARIZE"];
/// What a numeric's modifier is more than its precision and scale.
const MODIFIER_BASE: i32 = 4;

/// A connection to a server.
pub(super) struct Client {
    input: BufReader<TcpStream>,
    output: TcpStream,
}

/// How the extended protocol is asked to send values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Formats {
    /// All in binary form.
    Binary,
    /// In binary form and as text in turn.
    Mixed,
}

impl Formats {
    /// Whether the column in this place is asked for in binary form.
    fn is_binary(self, index: usize) -> bool {
        match self {
            Self::Binary => true,
            Self::Mixed => index % 2 == 1,
        }
    }
}

/// Whether the columns of a statement are known only when it runs.
fn is_described_late(sql: &str) -> bool {
    let words = sql.split_whitespace();
    let mut words = words.map(str::to_uppercase);
    words.next().is_some_and(|word| LATE.contains(&&*word))
}

/// What columns are, whatever form they have.
fn types_of(columns: &Option<Vec<Column>>) -> Option<Vec<(u32, i32)>> {
    let columns = columns.as_ref()?.iter();
    Some(
        columns
            .map(|column| (column.oid, column.modifier))
            .collect(),
    )
}

/// A column as the row description has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) oid: u32,
    pub(super) is_binary: bool,
    modifier: i32,
}

impl Column {
    /// The type that a test states; as `values::column_type`.
    pub(super) fn test_type(&self) -> DefaultColumnType {
        match self.oid {
            oid if INTEGER_OIDS.contains(&oid) => DefaultColumnType::Integer,
            oid if FLOAT_OIDS.contains(&oid) => DefaultColumnType::FloatingPoint,
            NUMERIC_OID if self.modifier < MODIFIER_BASE => DefaultColumnType::Any,
            NUMERIC_OID if (self.modifier - MODIFIER_BASE) & 0x7ff == 0 => DefaultColumnType::Any,
            NUMERIC_OID => DefaultColumnType::FloatingPoint,
            _ => DefaultColumnType::Text,
        }
    }
}

/// The values of a row; `None` is NULL.
pub(super) type Values = Vec<Option<Vec<u8>>>;

/// What a statement gave, the last one of a script.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) columns: Option<Vec<Column>>,
    pub(super) rows: Vec<Values>,
    pub(super) tag: String,
}

impl Client {
    /// Connects and logs in.
    pub(super) fn connect(address: SocketAddr) -> Result<Self, Failure> {
        let output = TcpStream::connect(address)?;
        output.set_nodelay(true)?;
        output.set_read_timeout(Some(PATIENCE))?;
        let input = BufReader::new(output.try_clone()?);
        let mut client = Self { input, output };
        let mut startup = 196_608_u32.to_be_bytes().to_vec();
        startup.extend(format!("user\0{USER}\0database\0sheaf\0\0").into_bytes());
        client.output.write_all(&length_of(&startup))?;
        client.output.write_all(&startup)?;
        client.authenticate()?;
        client.answer()?;
        Ok(client)
    }

    fn authenticate(&mut self) -> Result<(), Failure> {
        let first = format!("n,,{FIRST_BARE}");
        self.expect_authentication(10)?;
        let mut body = text(MECHANISM);
        body.extend((first.len() as u32).to_be_bytes());
        body.extend(first.into_bytes());
        self.send(&message(b'p', &body))?;
        let server_first = self.expect_authentication(11)?;
        let server_first = String::from_utf8_lossy(&server_first).into_owned();
        let last = client_final(&server_first).ok_or_else(|| broken("SCRAM"))?;
        self.send(&message(b'p', last.as_bytes()))?;
        self.expect_authentication(12)?;
        self.expect_authentication(0)?;
        Ok(())
    }

    fn expect_authentication(&mut self, code: u32) -> Result<Vec<u8>, Failure> {
        let (tag, body) = self.next()?;
        match (tag, body.split_at_checked(4)) {
            (b'R', Some((given, rest))) if given == code.to_be_bytes() => Ok(rest.to_vec()),
            (b'E', _) => Err(failure(&body)),
            _ => Err(broken("authentication")),
        }
    }

    /// Runs a script in the simple protocol.
    pub(super) fn simple(&mut self, sql: &str) -> Result<Answer, Failure> {
        self.send(&message(b'Q', &text(sql)))?;
        self.answer()
    }

    /// Runs a statement in the extended protocol.
    pub(super) fn extended(&mut self, sql: &str, formats: Formats) -> Result<Answer, Failure> {
        let parse = message(b'P', &[text(""), text(sql), vec![0, 0]].concat());
        let sync = message(b'S', &[]);
        let mut formats_sent = vec![0, 1, 0, 1];
        let mut begin = parse;
        let mut told = None;
        if formats == Formats::Mixed {
            let describe = message(b'D', b"S\0");
            self.send(&[begin, describe, sync.clone()].concat())?;
            begin = vec![];
            let described = match self.answer() {
                Err(failure) if failure.state() == NOT_DESCRIBED && is_described_late(sql) => {
                    return self.extended(sql, Formats::Binary);
                }
                described => described?,
            };
            let count = described.columns.as_ref().map_or(0, Vec::len) as u16;
            told = Some(described.columns);
            formats_sent = count.to_be_bytes().to_vec();
            (0..count).for_each(|index| {
                let is_binary = formats.is_binary(index.into());
                formats_sent.extend(u16::from(is_binary).to_be_bytes());
            });
        }
        let bind = message(b'B', &[&[0, 0, 0, 0, 0, 0], &formats_sent[..]].concat());
        let describe = message(b'D', b"P\0");
        let execute = message(b'E', &[0, 0, 0, 0, 0]);
        self.send(&[begin, bind, describe, execute, sync].concat())?;
        let answer = self.answer()?;
        let columns = answer.columns.iter().flatten();
        let mut forms = columns.map(|column| column.is_binary).enumerate();
        if forms.any(|(index, is_binary)| is_binary != formats.is_binary(index)) {
            return Err(broken("a column in a form that nobody asked for"));
        }
        if told.is_some_and(|told| types_of(&told) != types_of(&answer.columns)) {
            return Err(broken("columns of other types than were described"));
        }
        Ok(answer)
    }

    /// Reads up to ReadyForQuery.
    fn answer(&mut self) -> Result<Answer, Failure> {
        let mut answer = Answer::default();
        let mut fault = None;
        loop {
            let (tag, body) = self.next()?;
            match tag {
                b'T' => {
                    answer = Answer {
                        columns: Some(columns(&body)?),
                        ..Answer::default()
                    };
                }
                b'D' => answer.rows.push(values(&body)?),
                b'C' => {
                    // Of a script the last result counts, whatever it is.
                    let tag = String::from_utf8_lossy(&body);
                    let tag = tag.trim_end_matches('\0').to_owned();
                    if !answer.tag.is_empty() && answer.columns.is_some() {
                        answer = Answer::default();
                    }
                    answer.tag = tag;
                }
                b'E' => fault = Some(failure(&body)),
                b'Z' => break,
                b'1' | b'2' | b'3' | b'I' | b'K' | b'N' | b'S' | b'n' | b't' => {}
                _ => return Err(broken("a message that nobody asked for")),
            }
        }
        match fault {
            Some(fault) => Err(fault),
            None => Ok(answer),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.output.write_all(bytes)?)
    }

    fn next(&mut self) -> Result<(u8, Vec<u8>), Failure> {
        let mut head = [0; 5];
        self.input.read_exact(&mut head)?;
        let [tag, length @ ..] = head;
        let length = u32::from_be_bytes(length) as usize;
        let mut body = vec![0; length.checked_sub(4).ok_or_else(|| broken("a length"))?];
        self.input.read_exact(&mut body)?;
        Ok((tag, body))
    }
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag], &length_of(body)[..], body].concat()
}

/// A length counts its own four bytes.
fn length_of(body: &[u8]) -> [u8; 4] {
    (body.len() as u32 + 4).to_be_bytes()
}

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

/// A fault of the server, which no test expects.
pub(super) fn broken(what: &str) -> Failure {
    Failure::new("08P01", &format!("the wire is broken: {what}"))
}

/// The error that an ErrorResponse tells of.
fn failure(body: &[u8]) -> Failure {
    let body = String::from_utf8_lossy(body);
    let field = |letter: char| {
        body.split('\0')
            .find_map(|field| field.strip_prefix(letter))
    };
    let mut text = field('M').unwrap_or_default().to_owned();
    for (label, letter) in [("detail", 'D'), ("hint", 'H')] {
        if let Some(part) = field(letter) {
            text.push_str(&format!(" | {label}: {part}"));
        }
    }
    Failure::new(field('C').unwrap_or_default(), &text)
}

/// The columns of a row description.
fn columns(body: &[u8]) -> Result<Vec<Column>, Failure> {
    let column = |rest: &mut &[u8]| {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let (fixed, after) = rest.get(end + 1..)?.split_at_checked(18)?;
        *rest = after;
        let number = |start: usize| {
            let bytes = fixed.get(start..start + 4)?.try_into().ok()?;
            Some(u32::from_be_bytes(bytes))
        };
        Some(Column {
            oid: number(6)?,
            modifier: number(12)?.cast_signed(),
            is_binary: fixed.ends_with(&[0, 1]),
        })
    };
    list_of(body, column).ok_or_else(|| broken("a row description"))
}

/// The values of a row.
fn values(body: &[u8]) -> Result<Values, Failure> {
    let value = |rest: &mut &[u8]| {
        let (length, after) = rest.split_at_checked(4)?;
        *rest = after;
        let length = i32::from_be_bytes(length.try_into().ok()?);
        let Ok(length) = usize::try_from(length) else {
            return Some(None);
        };
        let (value, after) = rest.split_at_checked(length)?;
        *rest = after;
        Some(Some(value.to_vec()))
    };
    list_of(body, value).ok_or_else(|| broken("a row"))
}

/// As many items as the first two bytes say, and nothing behind them.
fn list_of<T>(body: &[u8], item: impl Fn(&mut &[u8]) -> Option<T>) -> Option<Vec<T>> {
    let (count, mut rest) = body.split_at_checked(2)?;
    let count = u16::from_be_bytes(count.try_into().ok()?);
    let items = (0..count)
        .map(|_| item(&mut rest))
        .collect::<Option<Vec<_>>>()?;
    rest.is_empty().then_some(items)
}

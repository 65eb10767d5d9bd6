//! Conversations out of good ones.

use crate::random::Random;
use crate::support::{framed, startup};

/// Most changes of a conversation.
const CHANGES_MAX: usize = 6;
/// Most bytes of one: less than what a connection may send before it is in, and somewhat more.
const BYTES_MAX: usize = 80 * 1024;

/// What decoders stumble over: lengths and counts.
const ODDITIES: &[&[u8]] = &[
    &[0, 0, 0, 0],
    &[0, 0, 0, 3],
    &[0, 0, 0, 4],
    &[0, 0, 0, 8],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0x80, 0, 0, 0],
    &[0xff, 0xff, 0xff, 0xff],
    &[0x01, 0, 0, 0],
    &[0x7f, 0xff],
    &[0xff, 0xff],
    &[0],
    b"\xc3",
    b"\0\0\0\0\0\0\0\0",
    b"SCRAM-SHA-256-PLUS\0",
    b"p=tls-server-end-point,,n=,r=x",
    b"_pq_.x\0",
    b"replication\0database\0",
    b"options\0-c \\ --x= -c a\0",
];

/// Statements that are short to run.
const STATEMENTS: &[&str] = &[
    "SELECT 1",
    "SELECT $1::int + 1, $2::text",
    "SELECT $1",
    "SELECT * FROM range(0, 50)",
    "BEGIN",
    "COMMIT",
    "ROLLBACK TO SAVEPOINT a",
    "SAVEPOINT a",
    "SET TimeZone = 'Asia/Kolkata'",
    "SHOW ALL",
    "DISCARD ALL",
    "DEALLOCATE ALL",
    "PREPARE p AS SELECT $1::int",
    "EXECUTE p(1)",
    "EXPLAIN SELECT 1",
    "SELECT 1/0",
    "SELECT nowhere",
    "SELEC",
    "",
    ";;",
];

/// Types of parameters, by PostgreSQL's numbers; the last are unknown ones.
const TYPES: &[u32] = &[
    0,
    16,
    17,
    20,
    21,
    23,
    25,
    114,
    700,
    701,
    1042,
    1043,
    1082,
    1083,
    1114,
    1184,
    1186,
    1700,
    2950,
    1000,
    1005,
    1007,
    1016,
    1009,
    1021,
    1022,
    1115,
    1182,
    1231,
    199,
    705,
    4_000_000_000,
];

/// Texts that some types have as values.
const TEXTS: &[&str] = &[
    "",
    "1",
    "-1",
    "t",
    "1.50",
    "NaN",
    "Infinity",
    "1e400",
    "99999999999999999999999999999999999999999999999999999999999999999999999999999999",
    "2024-02-29",
    "24:00:00",
    "2024-02-30 25:00:00",
    "infinity",
    "4714-11-24 BC",
    "1 year 2 mons -3 days +04:05:06.7",
    "{1,2,NULL}",
    "{{1,2},{3}}",
    "{{{{{{{{1}}}}}}}}",
    "{\"a",
    "[0:1]={1,2}",
    "\\x00ff",
    "\\x0",
    "{\"a\":[1,{}]}",
    "{\"a\":",
    "123e4567-e89b-12d3-a456-426614174000",
    "\u{1F600}\u{0301}",
];

/// What a client may send that is not in yet, changed in some places.
pub(crate) fn startup_bytes(random: &mut Random) -> Vec<u8> {
    let code = |code: u32| [&8_u32.to_be_bytes()[..], &code.to_be_bytes()].concat();
    let mut bytes = match random.below(5) {
        0 => code(80_877_103),
        1 => code(80_877_104),
        2 => [
            &16_u32.to_be_bytes()[..],
            &80_877_102_u32.to_be_bytes(),
            &random.bytes(8),
        ]
        .concat(),
        _ => vec![],
    };
    let settings = [
        ("application_name", "x"),
        ("options", "-c a=1"),
        ("TimeZone", "UTC"),
        ("_pq_.a", ""),
    ];
    let count = random.below(settings.len() + 1);
    bytes.extend(startup(
        random.pick(&["ann", "", "nobody"]),
        "sheaf",
        &settings[..count],
    ));
    let first = random.pick(&["n,,n=,r=x", "y,,n=,r=", "p=x,,n=,r=y", ""]);
    let body = [
        b"SCRAM-SHA-256\0\0\0\0",
        &[first.len() as u8][..],
        first.as_bytes(),
    ]
    .concat();
    bytes.extend(framed('p', &body));
    bytes.extend(framed('p', b"c=biws,r=x,p=AAAA"));
    bytes.extend(framed('Q', b"SELECT 1\0"));
    changed(bytes, random)
}

/// A session's messages after a good startup, changed in some places.
pub(crate) fn session(random: &mut Random) -> Vec<u8> {
    let mut messages = vec![];
    for _ in 0..random.below(8) {
        messages.extend(one_message(random));
    }
    messages.extend(framed('S', b""));
    let mut bytes = startup("reader", "sheaf", &[]);
    bytes.extend(changed(messages, random));
    bytes
}

fn one_message(random: &mut Random) -> Vec<u8> {
    let sql = random.pick(STATEMENTS);
    let name = random.pick(&["", "a", "b"]);
    let target = random.pick(&["S", "P", "X"]);
    match random.below(12) {
        0..3 => framed('Q', &[sql.as_bytes(), b"\0"].concat()),
        3 | 4 => parse(name, sql, &[]),
        5 | 6 => bind(random),
        7 => framed('D', &[target.as_bytes(), name.as_bytes(), b"\0"].concat()),
        8 => framed('C', &[target.as_bytes(), name.as_bytes(), b"\0"].concat()),
        9 => execute(name, random),
        10 => framed(random.pick(&['H', 'S', 'd', 'c', 'f', 'X', 'F']), b""),
        _ => {
            let body = random.bytes(40);
            framed(
                random.pick(&['Q', 'P', 'B', 'D', 'E', 'C', 'd', 'p']),
                &body,
            )
        }
    }
}

/// Parse, Bind, Describe, Execute and Sync, each well formed, of types and values that may not fit.
pub(crate) fn bound(random: &mut Random) -> Vec<u8> {
    let type_oid = random.pick(TYPES);
    let sql = match random.below(4) {
        0 => "SELECT $1 AS x".to_owned(),
        1 => "SELECT $1 AS x, $2 AS y, 3 AS z".to_owned(),
        2 => "SELECT n FROM range(0, 30) AS r(n) WHERE n > $1".to_owned(),
        _ => random.pick(STATEMENTS).to_owned(),
    };
    let types: Vec<u32> = (0..random.below(3)).map(|_| type_oid).collect();
    let mut bytes = parse("", &sql, &types);
    for _ in 0..=random.below(2) {
        bytes.extend(bind(random));
        if random.below(2) == 0 {
            bytes.extend(framed('D', b"P\0"));
        }
        bytes.extend(execute("", random));
    }
    bytes.extend(framed('S', b""));
    bytes
}

fn parse(name: &str, sql: &str, types: &[u32]) -> Vec<u8> {
    let mut body = [name.as_bytes(), b"\0", sql.as_bytes(), b"\0"].concat();
    body.extend((types.len() as u16).to_be_bytes());
    types.iter().for_each(|oid| body.extend(oid.to_be_bytes()));
    framed('P', &body)
}

fn execute(name: &str, random: &mut Random) -> Vec<u8> {
    let rows_max = random.pick(&[0, 1, 7, -1, i32::MAX, i32::MIN]);
    framed(
        'E',
        &[name.as_bytes(), b"\0", &rows_max.to_be_bytes()].concat(),
    )
}

fn bind(random: &mut Random) -> Vec<u8> {
    let mut body = b"\0\0".to_vec();
    formats(&mut body, random);
    let count = random.pick(&[0, 1, 1, 1, 2, 2, 3]);
    body.extend((count as u16).to_be_bytes());
    for _ in 0..count {
        let value = value(random);
        body.extend(
            value
                .as_ref()
                .map_or(-1, |value| value.len() as i32)
                .to_be_bytes(),
        );
        body.extend(value.unwrap_or_default());
    }
    formats(&mut body, random);
    framed('B', &body)
}

fn formats(body: &mut Vec<u8>, random: &mut Random) {
    let count = random.pick(&[0, 0, 1, 1, 2, 3, 9]);
    body.extend((count as u16).to_be_bytes());
    for _ in 0..count {
        body.extend(random.pick(&[0_u16, 1, 0, 1, 1, 2]).to_be_bytes());
    }
}

/// NULL, a text, noise, or an array in binary form whose parts may not fit together.
fn value(random: &mut Random) -> Option<Vec<u8>> {
    Some(match random.below(8) {
        0 => return None,
        1..4 => random.pick(TEXTS).as_bytes().to_vec(),
        4 => random.bytes(20),
        5 => vec![random.pick(&[0, 1, 0x7f, 0xff]); random.pick(&[1, 2, 4, 8, 12, 16])],
        6 => {
            let small: [u8; 4] =
                random.pick(&[[0, 0, 0, 1], [0, 0, 0, 2], [0, 0, 0, 0], [0xff; 4]]);
            let element = random.pick(TYPES).to_be_bytes();
            let length = random.pick(&[[0, 0, 0, 1], [0x7f, 0xff, 0xff, 0xff], [0xff; 4]]);
            [
                &small[..],
                &[0, 0, 0, 1],
                &element,
                &length,
                &[0, 0, 0, 1],
                &random.bytes(16),
            ]
            .concat()
        }
        _ => {
            // numeric: digits, weight, sign, scale.
            let word = |random: &mut Random| {
                random.pick(&[0_u16, 1, 9_999, 10_000, 0x4000, 0x7fff, 0xc000, 0xffff])
            };
            let words: Vec<u16> = (0..random.below(8)).map(|_| word(random)).collect();
            words.iter().flat_map(|word| word.to_be_bytes()).collect()
        }
    })
}

fn changed(mut bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    for _ in 0..random.below(CHANGES_MAX + 1) {
        let at = random.below(bytes.len() + 1);
        let longest = 1 << random.below(7);
        let end = (at + 1 + random.below(longest)).min(bytes.len());
        let odd = random.pick(ODDITIES);
        match random.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 | 2 => drop(bytes.splice(at..at, odd.iter().copied())),
            3 => drop(bytes.splice(at..end, odd.iter().copied())),
            4 => drop(bytes.drain(at..end.max(at))),
            5 => {
                let part = bytes[at..end.max(at)].to_vec();
                bytes.splice(at..at, part);
            }
            _ if random.below(3) == 0 => bytes.truncate(at),
            _ => {}
        }
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

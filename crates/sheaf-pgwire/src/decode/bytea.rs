//! Bytes in one of the two forms that PostgreSQL reads: `\x00ff`, or characters with `\\` and `\ooo`.

/// The bytes; `None` if it is neither form.
pub(super) fn read(text: &str) -> Option<Vec<u8>> {
    match text.strip_prefix("\\x") {
        Some(hex) => read_hex(hex),
        None => read_escaped(text),
    }
}

fn read_hex(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = hex
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => {
            let high = char::from(*high).to_digit(16)?;
            let low = char::from(*low).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()
        }
        _ => None,
    });
    pairs.collect()
}

fn read_escaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![];
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'\\', [b'\\', after @ ..]) => {
                bytes.push(b'\\');
                rest = after;
            }
            (
                b'\\',
                [
                    a @ b'0'..=b'3',
                    b @ b'0'..=b'7',
                    c @ b'0'..=b'7',
                    after @ ..,
                ],
            ) => {
                bytes.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = after;
            }
            (b'\\', _) => return None,
            (byte, _) => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    Some(bytes)
}

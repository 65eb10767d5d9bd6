//! Data of COPY, in pieces of any size.

use super::*;

fn shape(format: CopyInput) -> CopyShape {
    CopyShape {
        format,
        header: Header::Row,
        columns: vec!["a".into(), "b".into()],
    }
}

fn text() -> CopyInput {
    CopyInput::Text {
        delimiter: b'\t',
        null: b"\\N".to_vec(),
    }
}

fn csv() -> CopyInput {
    CopyInput::Csv {
        delimiter: b',',
        null: vec![],
        quote: b'"',
        escape: b'"',
        force_null: vec![],
        force_not_null: vec![],
    }
}

/// All rows of `data`, which comes in pieces of `size` bytes; NULL is `-`.
fn rows(shape: CopyShape, data: &[u8], size: usize) -> Result<Vec<String>> {
    let mut reader = CopyReader::new(shape);
    let mut rows = vec![];
    let mut drain = |reader: &mut CopyReader, is_last| {
        while let Some(row) = reader.next(is_last)? {
            let values = row.iter().map(|value| match value {
                Some(value) => String::from_utf8_lossy(value).into_owned(),
                None => "-".to_owned(),
            });
            rows.push(values.collect::<Vec<_>>().join("|"));
        }
        Ok::<_, SheafError>(())
    };
    for piece in data.chunks(size) {
        reader.push(piece)?;
        drain(&mut reader, false)?;
    }
    drain(&mut reader, true)?;
    Ok(rows)
}

#[test]
fn lines_are_cut_wherever_the_pieces_end() {
    let data = b"1\tx\r\n2\t\\N\n3\ta\\tb\\nc\\\\\\x41\\101\\q\n4\tline\\\nbreak\n5\tend";
    let expected = ["1|x", "2|-", "3|a\tb\nc\\AAq", "4|line\nbreak", "5|end"];
    for size in [1, 2, 3, 7, 100] {
        assert_eq!(rows(shape(text()), data, size).unwrap(), expected, "{size}");
    }
    let data = b"1,x\r\n2,\n3,\"\"\n4,\"a \"\"q\"\", b\nc\"\n5,a\"b\"c\n";
    let expected = ["1|x", "2|-", "3|", "4|a \"q\", b\nc", "5|abc"];
    for size in [1, 2, 3, 7, 100] {
        assert_eq!(rows(shape(csv()), data, size).unwrap(), expected, "{size}");
    }
    // The end of the data, and what follows it.
    assert_eq!(rows(shape(text()), b"1\tx\n\\.\nrest", 4).unwrap(), ["1|x"]);
}

#[test]
fn binary_rows_are_cut_wherever_the_pieces_end() {
    let mut data = SIGNATURE.to_vec();
    data.extend([0; 8]);
    data.extend([0, 2, 0, 0, 0, 1, b'x', 255, 255, 255, 255]);
    data.extend([0, 2, 0, 0, 0, 0, 0, 0, 0, 2, b'y', b'z']);
    data.extend([255, 255]);
    for size in [1, 5, 100] {
        let rows = rows(shape(CopyInput::Binary), &data, size).unwrap();
        assert_eq!(rows, ["x|-", "|yz"], "{size}");
    }
    for end in 0..data.len() {
        let error = rows(shape(CopyInput::Binary), &data[..end], 100).unwrap_err();
        assert_eq!(error.state().code(), "22P04", "{end}");
    }
}

#[test]
fn what_is_not_in_its_format_is_said() {
    for (format, data, message) in [
        (text(), &b"1\n"[..], "missing data for column \"b\""),
        (
            text(),
            b"1\t2\t3\n",
            "extra data after last expected column",
        ),
        (csv(), b"1,\"2\n", "unterminated CSV quoted field"),
        (
            CopyInput::Binary,
            b"PGCOPY\nnonsense",
            "COPY file signature not recognized",
        ),
    ] {
        let error = rows(shape(format), data, 100).unwrap_err();
        assert_eq!((error.message(), error.state().code()), (message, "22P04"));
    }
    let mut checked = shape(csv());
    checked.header = Header::CheckedNames;
    assert_eq!(rows(checked.clone(), b"a,b\n1,2\n", 3).unwrap(), ["1|2"]);
    assert!(rows(checked, b"a,c\n1,2\n", 3).is_err());
}

//! Texts in a notation of their own, written plainly for Arrow's reader.

use std::borrow::Cow;

use arrow::datatypes::{DataType, Fields};
use arrow::error::ArrowError;
use sheaf_bags::json::Scanner;
use sheaf_bags::json::scan::Fault;
use sheaf_bags::json::text::{decode, unquoted, write_string};

use crate::notation::Notation;

/// The objects in `text`, which are checked and one after another, with texts that mean NULL, and
/// those that are numbers, dates or timestamps in `notation` where `fields` want such, written plainly.
///
/// # Memory
/// A second copy of `text`.
/// # Errors
/// If a text is not what its field wants; the error reads as those of Arrow's reader do.
pub(super) fn written_plainly(
    text: &str,
    fields: &Fields,
    notation: &Notation,
) -> Result<String, ArrowError> {
    let mut writer = PlainWriter {
        scanner: Scanner::new(text),
        notation,
        out: String::with_capacity(text.len()),
    };
    loop {
        let start = writer.scanner.at();
        writer.scanner.skip_space();
        writer.out.push_str(writer.scanner.since(start));
        match writer.scanner.peek() {
            None => return Ok(writer.out),
            Some(b'{') => writer.object(fields, 0)?,
            Some(_) => writer.value(None, 0)?,
        }
    }
}

/// The error of a text in field `key` that is not what the field wants.
pub(super) fn unfit(key: &str, text: &str) -> ArrowError {
    within(key, &not_wanted(text))
}

fn not_wanted(text: &str) -> ArrowError {
    ArrowError::JsonError(format!("expected another text got {text}"))
}

fn within(key: &str, error: &ArrowError) -> ArrowError {
    ArrowError::JsonError(format!("whilst decoding field '{key}': {error}"))
}

fn no_json(fault: Fault) -> ArrowError {
    ArrowError::JsonError(fault.to_string())
}

struct PlainWriter<'a> {
    scanner: Scanner<'a>,
    notation: &'a Notation,
    out: String,
}

impl PlainWriter<'_> {
    /// Writes the value that begins here, which is to be of type `wanted`, if any is.
    fn value(&mut self, wanted: Option<&DataType>, depth: usize) -> Result<(), ArrowError> {
        let first = self.scanner.peek();
        match (first, wanted) {
            (Some(b'{'), Some(DataType::Struct(fields))) => return self.object(fields, depth),
            (Some(b'['), Some(DataType::List(item))) => return self.array(item.data_type(), depth),
            _ => {}
        }
        let start = self.scanner.at();
        self.scanner.skip_value(depth).map_err(no_json)?;
        let raw = self.scanner.since(start);
        match wanted.filter(|_| first == Some(b'"')) {
            Some(wanted) => self.text(raw, wanted),
            None => {
                self.out.push_str(raw);
                Ok(())
            }
        }
    }

    fn object(&mut self, fields: &Fields, depth: usize) -> Result<(), ArrowError> {
        let mut members = self.scanner.open(depth).map_err(no_json)?;
        let mut before = '{';
        while let Some(key) = self.scanner.next_key(&mut members).map_err(no_json)? {
            self.out.push(before);
            self.out.push('"');
            self.out.push_str(key);
            self.out.push_str("\":");
            before = ',';
            let name = decode(key);
            let wanted = fields.find(&name).map(|(_, field)| field.data_type());
            self.value(wanted, depth + 1)
                .map_err(|error| within(&name, &error))?;
        }
        if before == '{' {
            self.out.push('{');
        }
        self.out.push('}');
        Ok(())
    }

    fn array(&mut self, wanted: &DataType, depth: usize) -> Result<(), ArrowError> {
        let mut items = self.scanner.open(depth).map_err(no_json)?;
        let mut before = '[';
        while self.scanner.next_item(&mut items).map_err(no_json)? {
            self.out.push(before);
            before = ',';
            self.value(Some(wanted), depth + 1)?;
        }
        if before == '[' {
            self.out.push('[');
        }
        self.out.push(']');
        Ok(())
    }

    /// Writes a text, with its quotes in `raw`.
    fn text(&mut self, raw: &str, wanted: &DataType) -> Result<(), ArrowError> {
        let text = decode(unquoted(raw));
        if self.notation.means_null(&text) {
            self.out.push_str("null");
            return Ok(());
        }
        let plain = match wanted {
            number if number.is_numeric() => self.notation.number(&text),
            DataType::Date32 | DataType::Date64 => self.notation.date(&text),
            DataType::Timestamp(..) => self.notation.timestamp(&text),
            _ => Some(Cow::Borrowed(text.as_ref())),
        };
        match plain.ok_or_else(|| not_wanted(&text))? {
            Cow::Borrowed(_) => self.out.push_str(raw),
            Cow::Owned(plain) => write_string(&plain, &mut self.out),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{DataType, Field, Fields};

    use super::written_plainly;
    use crate::notation::Notation;

    #[test]
    fn texts_are_written_as_their_fields_want_them() {
        let day = Field::new("day", DataType::Date32, true);
        let amount = Field::new("amount", DataType::Float64, true);
        let item = Arc::new(Field::new("item", DataType::Int64, true));
        let fields = Fields::from(vec![
            day.clone(),
            amount,
            Field::new("note", DataType::Utf8View, true),
            Field::new("many", DataType::List(item), true),
            Field::new("in", DataType::Struct(vec![day].into()), true),
        ]);
        let notation = Notation {
            decimal: Some(b','),
            thousands: Some(b'.'),
            date_format: Some("%d.%m.%Y".to_owned()),
            nulls: vec!["-".to_owned()],
            ..Notation::default()
        };
        let plain = |text: &str| written_plainly(text, &fields, &notation);
        for (text, expected) in [
            ("{}", "{}"),
            (
                r#"{"day": "31.12.2026", "amount": "1.234,5"} {"amount":1.5}"#,
                r#"{"day":"2026-12-31","amount":"1234.5"} {"amount":1.5}"#,
            ),
            (
                r#"{"note":"1.234,5","x":"31.12.2026","day":"-","note":"-"}"#,
                r#"{"note":"1.234,5","x":"31.12.2026","day":null,"note":null}"#,
            ),
            (
                r#"{"many":["1.000",2,"-",[]],"in":{"day":"01.02.2026"},"note":{"a":[]}}"#,
                r#"{"many":["1000",2,null,[]],"in":{"day":"2026-02-01"},"note":{"a":[]}}"#,
            ),
            (
                r#"{"day": {"a": "b"}, "many": []}"#,
                r#"{"day":{"a": "b"},"many":[]}"#,
            ),
        ] {
            assert_eq!(plain(text).unwrap(), expected, "{text}");
        }
        let error = plain(r#"{"in":{"day":"2026-12-31"}}"#)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("field 'in'") && error.contains("'day'"),
            "{error}"
        );
        assert!(error.ends_with("got 2026-12-31"), "{error}");
    }
}

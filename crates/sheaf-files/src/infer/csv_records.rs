//! Records of CSV out of the beginnings of files.

use std::borrow::Cow;

use csv_core::ReadRecordResult;

use crate::scan::csv::CsvLayout;
use crate::scan::records::LONG_RECORD_BYTES;

/// Bytes of one record, and values in it, beyond which a file is no CSV.
const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Whether `value` is read as NULL.
pub(crate) fn is_null(layout: &CsvLayout, value: &str) -> bool {
    value.is_empty() || layout.notation.means_null(value)
}

/// The first records of `body`, `rows_max` at most; a record that the end cuts off only if
/// `is_whole`.
pub(crate) fn csv_records(
    layout: &CsvLayout,
    body: &[u8],
    is_whole: bool,
    rows_max: usize,
) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let mut splitter = RecordReader::new(layout);
    let mut take = |values: &[&str]| {
        records.push(values.iter().map(|value| (*value).to_owned()).collect());
        records.len() < rows_max
    };
    if splitter.feed(body, &mut take) && is_whole {
        splitter.finish(take);
    }
    records
}

/// Reads records of unquoted values out of chunks.
pub(super) struct RecordReader {
    reader: csv_core::Reader,
    output: Vec<u8>,
    ends: Vec<usize>,
    written: usize,
    values: usize,
    /// Bytes of complete records.
    pub(super) consumed: u64,
    pub(super) resists_cuts: bool,
}

impl RecordReader {
    pub(super) fn new(layout: &CsvLayout) -> Self {
        Self {
            reader: layout.record_reader(),
            output: vec![0; 16 * 1024],
            ends: vec![0; 256],
            written: 0,
            values: 0,
            consumed: 0,
            resists_cuts: false,
        }
    }

    /// Takes bytes and visits each record that ends in them; false once `visit` wants no more, or
    /// a record is larger than [`RECORD_BYTES_MAX`].
    pub(super) fn feed(&mut self, bytes: &[u8], mut visit: impl FnMut(&[&str]) -> bool) -> bool {
        let mut at = 0;
        while at < bytes.len() {
            let before = at;
            let goes_on = self.step(bytes, &mut at, &mut visit);
            self.consumed += (at - before) as u64;
            if !goes_on {
                return false;
            }
        }
        true
    }

    /// Visits the record that the end of the input ends.
    pub(super) fn finish(&mut self, mut visit: impl FnMut(&[&str]) -> bool) {
        let mut at = 0;
        self.step(&[], &mut at, &mut visit);
    }

    fn step(
        &mut self,
        bytes: &[u8],
        at: &mut usize,
        visit: &mut impl FnMut(&[&str]) -> bool,
    ) -> bool {
        let (result, read, written, ends) = self.reader.read_record(
            &bytes[*at..],
            &mut self.output[self.written..],
            &mut self.ends[self.values..],
        );
        *at += read;
        self.written += written;
        self.values += ends;
        match result {
            ReadRecordResult::InputEmpty | ReadRecordResult::End => true,
            ReadRecordResult::OutputFull => {
                self.output.resize(self.output.len() * 2, 0);
                self.output.len() <= RECORD_BYTES_MAX
            }
            ReadRecordResult::OutputEndsFull => {
                self.ends.resize(self.ends.len() * 2, 0);
                self.ends.len() <= RECORD_BYTES_MAX
            }
            ReadRecordResult::Record => {
                let kept = &self.output[..self.written];
                let is_long = self.written > LONG_RECORD_BYTES;
                self.resists_cuts |= is_long || memchr::memchr2(b'\n', b'\r', kept).is_some();
                let ends = &self.ends[..self.values];
                let goes_on = match std::str::from_utf8(kept) {
                    Ok(text) => visit(&values_of(text, ends)),
                    // The reader will say where such bytes are.
                    Err(_) => {
                        let values = lossy_values_of(kept, ends);
                        visit(&values.iter().map(AsRef::as_ref).collect::<Vec<_>>())
                    }
                };
                self.written = 0;
                self.values = 0;
                goes_on
            }
        }
    }
}

fn values_of<'a>(text: &'a str, ends: &[usize]) -> Vec<&'a str> {
    let mut start = 0;
    let values = ends.iter().map(|end| {
        let value = text.get(start..*end).unwrap_or_default();
        start = *end;
        value
    });
    values.collect()
}

/// The values of a record, in which bytes that are not UTF-8 are replaced.
fn lossy_values_of<'a>(kept: &'a [u8], ends: &[usize]) -> Vec<Cow<'a, str>> {
    let mut start = 0;
    let values = ends.iter().map(|end| {
        let value = kept.get(start..*end).unwrap_or_default();
        start = *end;
        String::from_utf8_lossy(value)
    });
    values.collect()
}

//! What rows are sorted by, as bytes that compare as the sort expressions do.
//!
//! The first bytes of a key are kept as a number, its *head*: two rows are told apart by one comparison
//! of numbers, mostly. Where no key of a batch has more bytes than that, heads are all that is kept.
//!
//! Where all sort expressions are numbers, dates or times, heads are of [short keys](super::short_keys),
//! else of arrow's row format, in which whole keys are kept. Keys with equal heads are the same if
//! one of them ends in its head, since none begins another: wherever whole keys are compared there are both.

use std::cmp::Ordering;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::row::{Row, RowConverter, Rows, SortField};
use datafusion::common::Result;
use datafusion::physical_expr::LexOrdering;

use super::short_keys;

/// Bytes of a key in its head.
pub(super) const HEAD_BYTES: usize = size_of::<u128>();

/// Makes keys of rows.
#[derive(Debug)]
pub(super) struct KeyEncoder {
    ordering: LexOrdering,
    converter: RowConverter,
    /// Whether all sort expressions have short keys.
    are_short: bool,
}

/// The keys of the rows of a batch.
#[derive(Debug)]
pub(super) struct Keys {
    heads: Vec<u128>,
    /// The whole keys, unless the heads say it all.
    whole: Option<Rows>,
}

/// A row on its way into a chunk's order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    head: u128,
    piece: u32,
    row: u32,
}

impl KeyEncoder {
    pub(super) fn supports(ordering: &LexOrdering, schema: &Schema) -> bool {
        sort_fields(ordering, schema).is_ok_and(|fields| RowConverter::supports_fields(&fields))
    }

    pub(super) fn new(ordering: &LexOrdering, schema: &Schema) -> Result<Self> {
        let fields = sort_fields(ordering, schema)?;
        let mut are_short = true;
        for key in ordering {
            are_short &= short_keys::supports(&key.expr.data_type(schema)?);
        }
        Ok(Self {
            ordering: ordering.clone(),
            converter: RowConverter::new(fields)?,
            are_short,
        })
    }

    /// The keys of the rows of `batch`.
    pub(super) fn encode(&self, batch: &RecordBatch) -> Result<Keys> {
        let mut columns = Vec::with_capacity(self.ordering.len());
        for key in &self.ordering {
            let value = key.expr.evaluate(batch)?;
            columns.push(value.into_array(batch.num_rows())?);
        }
        if self.are_short {
            let options = self.ordering.iter().map(|key| key.options);
            let short = short_keys::heads(columns.iter().zip(options), batch.num_rows());
            let whole = (!short.are_whole).then(|| self.converter.convert_columns(&columns));
            return Ok(Keys {
                heads: short.heads,
                whole: whole.transpose()?,
            });
        }
        let whole = self.converter.convert_columns(&columns)?;
        Ok(Keys {
            heads: whole.iter().map(head).collect(),
            whole: Some(whole),
        })
    }

    /// The keys that `order` names, in that order, out of those of `pieces`.
    pub(super) fn gather(&self, order: &[Entry], pieces: &[&Keys]) -> Keys {
        let heads = order.iter().map(|entry| entry.head).collect();
        let has_whole = pieces.iter().any(|keys| keys.whole.is_some());
        let whole = has_whole.then(|| {
            let parser = self.converter.parser();
            let nothing = parser.parse(&[]);
            let keys = || {
                order
                    .iter()
                    .map(|entry| entry.key(pieces).unwrap_or(nothing))
            };
            let bytes = keys().map(|key| key.data().len()).sum();
            let mut rows = self.converter.empty_rows(order.len(), bytes);
            keys().for_each(|key| rows.push(key));
            rows
        });
        Keys { heads, whole }
    }
}

impl Keys {
    pub(super) fn len(&self) -> usize {
        self.heads.len()
    }

    pub(super) fn head(&self, row: usize) -> u128 {
        self.heads[row]
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> usize {
        self.heads.capacity() * HEAD_BYTES + self.whole.as_ref().map_or(0, Rows::size)
    }

    /// Compares two keys whose heads are equal.
    pub(super) fn compare_whole(&self, row: usize, other: &Self, other_row: usize) -> Ordering {
        compare_whole(self.row(row), other.row(other_row))
    }

    fn row(&self, row: usize) -> Option<Row<'_>> {
        self.whole.as_ref().map(|whole| whole.row(row))
    }

    /// Puts the rows into `entries`, as those of piece `piece`, but for those whose heads say that
    /// they lie behind `last`.
    pub(super) fn list(&self, piece: u32, last: Option<u128>, entries: &mut Vec<Entry>) {
        let last = last.unwrap_or(u128::MAX);
        let rows = (0..).zip(&self.heads).filter(|(_, head)| **head <= last);
        entries.extend(rows.map(|(row, head)| Entry {
            head: *head,
            piece,
            row,
        }));
    }
}

impl Entry {
    /// Where the row is: the number of the piece, and of the row in it.
    pub(super) fn place(&self) -> (usize, usize) {
        (self.piece as usize, self.row as usize)
    }

    pub(super) fn head(&self) -> u128 {
        self.head
    }

    fn key<'a>(&self, pieces: &[&'a Keys]) -> Option<Row<'a>> {
        let (piece, row) = self.place();
        pieces[piece].row(row)
    }
}

/// Sorts rows of `pieces`; equal ones stay as they came.
pub(super) fn sort(entries: &mut [Entry], pieces: &[&Keys]) {
    let by_place = |a: &Entry, b: &Entry| (a.piece, a.row).cmp(&(b.piece, b.row));
    if pieces.iter().all(|keys| keys.whole.is_none()) {
        entries.sort_unstable_by(|a, b| a.head.cmp(&b.head).then_with(|| by_place(a, b)));
    } else {
        entries.sort_unstable_by(|a, b| {
            let heads = a.head.cmp(&b.head);
            heads
                .then_with(|| compare_whole(a.key(pieces), b.key(pieces)))
                .then_with(|| by_place(a, b))
        });
    }
}

/// Compares two keys whose heads are equal: they are the same if one ends in its head, for which there is
/// no whole key, or an empty one.
fn compare_whole(a: Option<Row<'_>>, b: Option<Row<'_>>) -> Ordering {
    let has_bytes = |key: &Row<'_>| !key.data().is_empty();
    let both = a.filter(has_bytes).zip(b.filter(has_bytes));
    both.map_or(Ordering::Equal, |(a, b)| a.cmp(&b))
}

fn head(key: Row<'_>) -> u128 {
    let bytes = key.data();
    if let Some(head) = bytes.first_chunk::<HEAD_BYTES>() {
        return u128::from_be_bytes(*head);
    }
    let mut head = [0; HEAD_BYTES];
    head[..bytes.len()].copy_from_slice(bytes);
    u128::from_be_bytes(head)
}

fn sort_fields(ordering: &LexOrdering, schema: &Schema) -> Result<Vec<SortField>> {
    let fields = ordering.iter().map(|key| {
        let data_type = key.expr.data_type(schema)?;
        Ok(SortField::new_with_options(data_type, key.options))
    });
    fields.collect()
}

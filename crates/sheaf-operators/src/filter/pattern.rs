//! LIKE where `%` is all that the pattern has: pieces of text that must follow one another.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, internal_err};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, LikeExpr, Literal};
use memchr::memmem::Finder;

use super::selection::Mask;

/// `column LIKE 'first%middle%…%last'` or its negation.
#[derive(Debug)]
pub(super) struct PatternTest {
    pub(super) column: usize,
    pattern: Pattern,
    is_negated: bool,
}

/// A text begins with the first piece and ends with the last; the others follow one another between.
#[derive(Debug)]
struct Pattern {
    first: Vec<u8>,
    middle: Vec<Finder<'static>>,
    last: Vec<u8>,
}

impl PatternTest {
    /// The test that `expr` is, if it is one.
    pub(super) fn of(expr: &dyn PhysicalExpr, column_type: &DataType) -> Option<Self> {
        let like = expr.downcast_ref::<LikeExpr>()?;
        let column = like.expr().downcast_ref::<Column>()?;
        let literal = like.pattern().downcast_ref::<Literal>()?;
        let pattern = literal.value().try_as_str()??;
        let is_text = matches!(
            column_type,
            DataType::Utf8View | DataType::Utf8 | DataType::LargeUtf8
        );
        (is_text && !like.case_insensitive()).then_some(())?;
        Some(Self {
            column: column.index(),
            pattern: Pattern::of(pattern)?,
            is_negated: like.negated(),
        })
    }

    /// Keeps the rows of `mask` whose text in `texts` fits; looks at no others.
    pub(super) fn and_into(&self, texts: &ArrayRef, mask: &mut Mask) -> Result<()> {
        if let Some(nulls) = texts.nulls() {
            mask.and(nulls.inner());
        }
        let fits = |text: &str| self.pattern.fits(text.as_bytes()) != self.is_negated;
        match texts.data_type() {
            DataType::Utf8View => {
                let texts = texts.as_string_view();
                mask.retain(|row| fits(texts.value(row)));
            }
            DataType::Utf8 => {
                let texts = texts.as_string::<i32>();
                mask.retain(|row| fits(texts.value(row)));
            }
            DataType::LargeUtf8 => {
                let texts = texts.as_string::<i64>();
                mask.retain(|row| fits(texts.value(row)));
            }
            other => return internal_err!("LIKE over {other}"),
        }
        Ok(())
    }
}

impl Pattern {
    /// `None` if there is more in it than `%`, or no `%`.
    fn of(pattern: &str) -> Option<Self> {
        if pattern.contains(['_', '\\']) {
            return None;
        }
        let (first, rest) = pattern.split_once('%')?;
        let (middle, last) = rest.rsplit_once('%').unwrap_or(("", rest));
        let pieces = middle.split('%').filter(|piece| !piece.is_empty());
        Some(Self {
            first: first.as_bytes().to_vec(),
            middle: pieces
                .map(|piece| Finder::new(piece.as_bytes()).into_owned())
                .collect(),
            last: last.as_bytes().to_vec(),
        })
    }

    #[inline]
    fn fits(&self, text: &[u8]) -> bool {
        let Some(mut rest) = text.strip_prefix(self.first.as_slice()) else {
            return false;
        };
        for piece in &self.middle {
            match piece.find(rest) {
                Some(at) => rest = &rest[at + piece.needle().len()..],
                None => return false,
            }
        }
        rest.ends_with(&self.last)
    }
}

//! Compares the keys of pairs of rows, a column at a time.
//!
//! Made once a table: the typed values of all chunks stand ready, so a comparison is two loads.
//! Floating point and nested types go the engine's way, for which the candidates are copied
//! together first; there zero equals minus zero and NaN equals NaN.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryArray, BinaryViewArray, BooleanArray,
    LargeBinaryArray, LargeStringArray, PrimitiveArray, StringArray, StringViewArray, UInt32Array,
    downcast_primitive,
};
use arrow::compute::{SortOptions, interleave, take};
use arrow::datatypes::DataType;
use datafusion::common::{NullEquality, Result, internal_datafusion_err};
use datafusion::physical_plan::joins::utils::JoinKeyComparator;

use super::chunk::Chunk;
use super::index::{Pairs, locate};

/// Compares one key column.
pub(super) trait KeyMatcher: fmt::Debug + Send + Sync {
    /// Keeps the pairs whose keys are equal; `probe` is the probe side's key column.
    fn retain(&self, probe: &ArrayRef, pairs: &mut Pairs) -> Result<()>;

    /// Whether two build rows are known to have one key; neither is NULL unless NULL equals NULL.
    fn is_same(&self, a: u32, b: u32) -> bool;
}

/// One for each key column.
pub(super) type Matchers = Arc<Vec<Box<dyn KeyMatcher>>>;

/// The matcher for key column `key` of `chunks`, to be compared with columns of `probe_type`.
pub(super) fn key_matcher(
    chunks: &[Chunk],
    key: usize,
    probe_type: &DataType,
    null_equality: NullEquality,
) -> Box<dyn KeyMatcher> {
    let arrays: Vec<ArrayRef> = chunks.iter().map(|c| c.keys.arrays[key].clone()).collect();
    macro_rules! primitive {
        ($t:ty) => {
            typed::<PrimitiveArray<$t>>(arrays, null_equality)
        };
    }
    let is_float = probe_type.is_floating();
    if is_float || arrays.iter().any(|array| array.data_type() != probe_type) {
        return any(arrays, null_equality);
    }
    downcast_primitive! {
        probe_type => (primitive),
        DataType::Boolean => typed::<BooleanArray>(arrays, null_equality),
        DataType::Utf8 => typed::<StringArray>(arrays, null_equality),
        DataType::LargeUtf8 => typed::<LargeStringArray>(arrays, null_equality),
        DataType::Utf8View => typed::<StringViewArray>(arrays, null_equality),
        DataType::Binary => typed::<BinaryArray>(arrays, null_equality),
        DataType::LargeBinary => typed::<LargeBinaryArray>(arrays, null_equality),
        DataType::BinaryView => typed::<BinaryViewArray>(arrays, null_equality),
        _ => any(arrays, null_equality),
    }
}

/// An array whose values can be compared where they are.
trait Values: Array + Clone + 'static {
    fn is_equal(&self, at: usize, other: &Self, other_at: usize) -> bool;
}

impl<T: ArrowPrimitiveType> Values for PrimitiveArray<T> {
    fn is_equal(&self, at: usize, other: &Self, other_at: usize) -> bool {
        self.values()[at] == other.values()[other_at]
    }
}

macro_rules! values {
    ($($array:ty),*) => {
        $(impl Values for $array {
            fn is_equal(&self, at: usize, other: &Self, other_at: usize) -> bool {
                self.value(at) == other.value(other_at)
            }
        })*
    };
}

values!(
    BooleanArray,
    StringArray,
    LargeStringArray,
    StringViewArray,
    BinaryArray,
    LargeBinaryArray,
    BinaryViewArray
);

fn typed<A: Values>(arrays: Vec<ArrayRef>, null_equality: NullEquality) -> Box<dyn KeyMatcher> {
    let chunks: Option<Vec<A>> = arrays
        .iter()
        .map(|array| array.as_any().downcast_ref::<A>().cloned())
        .collect();
    match chunks {
        Some(chunks) => Box::new(TypedKey {
            chunks,
            null_equality,
        }),
        None => any(arrays, null_equality),
    }
}

fn any(arrays: Vec<ArrayRef>, null_equality: NullEquality) -> Box<dyn KeyMatcher> {
    Box::new(AnyKey {
        arrays,
        null_equality,
    })
}

#[derive(Debug)]
struct TypedKey<A> {
    chunks: Vec<A>,
    null_equality: NullEquality,
}

impl<A: Values> KeyMatcher for TypedKey<A> {
    fn retain(&self, probe: &ArrayRef, pairs: &mut Pairs) -> Result<()> {
        let probe = probe.as_any().downcast_ref::<A>().ok_or_else(|| {
            internal_datafusion_err!("a join key changed its type to {}", probe.data_type())
        })?;
        // Rows with a NULL key are not looked up at all unless NULL equals NULL.
        let plain = self.null_equality == NullEquality::NullEqualsNothing;
        pairs.retain(|probe_row, build_row| {
            let (chunk, row) = locate(build_row);
            let (build, probe_row) = (&self.chunks[chunk], probe_row as usize);
            if plain {
                return build.is_equal(row, probe, probe_row);
            }
            match (build.is_null(row), probe.is_null(probe_row)) {
                (false, false) => build.is_equal(row, probe, probe_row),
                (build_null, probe_null) => build_null && probe_null,
            }
        });
        Ok(())
    }

    fn is_same(&self, a: u32, b: u32) -> bool {
        let ((chunk, row), (other_chunk, other_row)) = (locate(a), locate(b));
        let (values, others) = (&self.chunks[chunk], &self.chunks[other_chunk]);
        match (values.is_null(row), others.is_null(other_row)) {
            (false, false) => values.is_equal(row, others, other_row),
            (is_null, other_is_null) => is_null && other_is_null,
        }
    }
}

#[derive(Debug)]
struct AnyKey {
    arrays: Vec<ArrayRef>,
    null_equality: NullEquality,
}

impl KeyMatcher for AnyKey {
    fn retain(&self, probe: &ArrayRef, pairs: &mut Pairs) -> Result<()> {
        if pairs.is_empty() {
            return Ok(());
        }
        let arrays: Vec<&dyn Array> = self.arrays.iter().map(AsRef::as_ref).collect();
        let places: Vec<(usize, usize)> = pairs.build.iter().map(|id| locate(*id)).collect();
        let build = interleave(&arrays, &places)?;
        let probe_rows = UInt32Array::from_iter_values(pairs.probe.iter().copied());
        let probe = take(probe, &probe_rows, None)?;
        let comparator = JoinKeyComparator::new(
            &[build],
            &[probe],
            &[SortOptions::default()],
            self.null_equality,
        )?;
        let mut at = 0;
        pairs.retain(|_, _| {
            at += 1;
            comparator.is_equal(at - 1, at - 1)
        });
        Ok(())
    }
    /// Not known without copying them.
    fn is_same(&self, _a: u32, _b: u32) -> bool {
        false
    }
}

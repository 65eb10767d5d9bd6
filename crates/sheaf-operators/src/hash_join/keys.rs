//! Key columns of a batch: their values, hashes, and which rows can match at all.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::common::{NullEquality, Result};
use datafusion::physical_expr::PhysicalExprRef;

/// Hashes of the first level; buckets that are cut again add their level. Other than the seeds of
/// the engine's repartitioning, whose partitions would otherwise have few distinct bits left.
const SEED: u64 = 0x5EAF_10AD;

/// The keys of one batch.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) arrays: Vec<ArrayRef>,
    /// One a row; empty if they were not asked for.
    pub(super) hashes: Vec<u64>,
    /// Rows whose keys can equal others; `None` if all can.
    pub(super) valid: Option<NullBuffer>,
}

impl Keys {
    /// Evaluates `keys` over `batch`; hashes are those of `level`, or none.
    pub(super) fn evaluate(
        keys: &[PhysicalExprRef],
        batch: &RecordBatch,
        null_equality: NullEquality,
        level: Option<u32>,
    ) -> Result<Self> {
        let rows = batch.num_rows();
        let arrays = keys
            .iter()
            .map(|key| key.evaluate(batch)?.into_array(rows))
            .collect::<Result<Vec<_>>>()?;
        let mut hashes = Vec::new();
        if let Some(level) = level {
            hashes.resize(rows, 0);
            create_hashes(
                &arrays,
                &RandomState::with_seed(SEED + u64::from(level)),
                &mut hashes,
            )?;
        }
        let valid = match null_equality {
            NullEquality::NullEqualsNothing => valid_rows(&arrays),
            NullEquality::NullEqualsNull => None,
        };
        Ok(Self {
            arrays,
            hashes,
            valid,
        })
    }

    /// Whether the keys of `row` can equal others.
    pub(super) fn is_valid(&self, row: usize) -> bool {
        self.valid.as_ref().is_none_or(|valid| valid.is_valid(row))
    }

    /// The keys of some rows.
    pub(super) fn take(&self, rows: &arrow::array::UInt32Array) -> Result<Self> {
        let arrays = self
            .arrays
            .iter()
            .map(|array| Ok(take(array, rows, None)?))
            .collect::<Result<Vec<_>>>()?;
        let at = || rows.values().iter().map(|row| *row as usize);
        let hashes = if self.hashes.is_empty() {
            Vec::new()
        } else {
            at().map(|row| self.hashes[row]).collect()
        };
        let valid = self
            .valid
            .as_ref()
            .map(|valid| at().map(|row| valid.is_valid(row)).collect::<NullBuffer>());
        Ok(Self {
            arrays,
            hashes,
            valid,
        })
    }
}

/// Rows in which no key is NULL; `None` if that is all of them.
pub(super) fn valid_rows(arrays: &[ArrayRef]) -> Option<NullBuffer> {
    let nulls: Vec<_> = arrays.iter().map(|array| array.logical_nulls()).collect();
    NullBuffer::union_many(nulls.iter().map(Option::as_ref)).filter(|nulls| nulls.null_count() > 0)
}

/// Rows of `batch` in which no key is NULL; `None` if that is all of them.
pub(super) fn valid_keys_of(
    keys: &[PhysicalExprRef],
    batch: &RecordBatch,
) -> Result<Option<NullBuffer>> {
    let nothing = NullEquality::NullEqualsNothing;
    Ok(Keys::evaluate(keys, batch, nothing, None)?.valid)
}

/// Whether keys of this type can address an array.
pub(super) fn is_integer(data_type: &DataType) -> bool {
    use DataType::{Date32, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32};
    matches!(
        data_type,
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | Date32
    )
}

/// The values of an array whose type [`is_integer`]; at NULLs anything.
pub(super) fn integers(array: &ArrayRef) -> Result<ScalarBuffer<i64>> {
    let array = match array.data_type() {
        DataType::Int64 => array.clone(),
        DataType::Date32 => cast(&cast(array, &DataType::Int32)?, &DataType::Int64)?,
        _ => cast(array, &DataType::Int64)?,
    };
    Ok(array.as_primitive::<Int64Type>().values().clone())
}

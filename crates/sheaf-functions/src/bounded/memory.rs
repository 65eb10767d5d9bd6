//! What the result of a call may take, and who answers for it.
//!
//! | | at most | else |
//! |---|---|---|
//! | one value | [`VALUE_BYTES_MAX`] | 54000 |
//! | the result for one batch of rows | [`BATCH_BYTES_MAX`], and what the query's memory has left | 54000, 53200 |
//! | a constant that is folded into a plan | what `sheaf_runtime` lets a statement fold | it is computed when the query runs |
//!
//! Results of more than [`UNCOUNTED_BYTES_MAX`] are reserved in the query's pool, from before they are
//! made until the last array that shares them is dropped.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, make_array};
use arrow::buffer::Buffer;
use bytes::Bytes;
use datafusion::common::Result;
use datafusion::common::config::{ConfigEntry, ConfigExtension, ConfigOptions, ExtensionOptions};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::logical_expr::ColumnarValue;
use sheaf_base::error::SqlState;
use sheaf_base::{ByteCount, SheafError, VALUE_BYTES_MAX};
use sheaf_runtime::engine::planning::may_fold;
use sheaf_udf::CallContext;

/// Bytes that a call may make of one batch: offsets into it have 32 bits.
pub const BATCH_BYTES_MAX: usize = (1 << 31) - 1;

/// Bytes of a result that nobody counts; there are a few of each operator at a time.
const UNCOUNTED_BYTES_MAX: usize = 1024 * 1024;

/// The memory that the calls of a query take theirs from: an extension of its options.
#[derive(Clone)]
pub struct CallMemory(Arc<dyn MemoryPool>);

impl CallMemory {
    /// Calls take their memory from `pool`.
    #[must_use]
    pub fn new(pool: Arc<dyn MemoryPool>) -> Self {
        Self(pool)
    }
}

impl fmt::Debug for CallMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallMemory")
    }
}

impl ConfigExtension for CallMemory {
    const PREFIX: &'static str = "sheaf_call_memory";
}

impl ExtensionOptions for CallMemory {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _value: &str) -> Result<()> {
        Err(SheafError::user(format!("there is no setting \"{key}\"")).into())
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        vec![]
    }
}

/// What a call needs, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needed {
    /// For all rows of the batch.
    pub(crate) total: usize,
    /// For the largest value, if that may be above [`VALUE_BYTES_MAX`].
    pub(crate) largest: usize,
}

/// A call that may be made, and the memory of its result.
pub(crate) struct Admitted(Option<Arc<MemoryReservation>>);

/// Asks for the result of a call of `function`.
///
/// # Errors
/// `Resource` (54000) if a value or the whole would be too large, (53200) if memory has not as much;
/// while a statement is planned any error, if the result is too large for its plan.
pub(crate) fn admit(function: &str, needed: Needed, options: &ConfigOptions) -> Result<Admitted> {
    if needed.total > 0 && may_fold(needed.total) == Some(false) {
        return Err(too_large(function, needed.total, "a plan may hold of it").into());
    }
    admit_unfolded(function, needed, options)
}

/// As [`admit`], where the result is only on the way to another one.
///
/// # Errors
/// As [`admit`].
pub(crate) fn admit_unfolded(
    function: &str,
    needed: Needed,
    options: &ConfigOptions,
) -> Result<Admitted> {
    check_limits(function, needed)?;
    let pool = options.extensions.get::<CallMemory>();
    let Some(CallMemory(pool)) = pool.filter(|_| needed.total > UNCOUNTED_BYTES_MAX) else {
        return Ok(Admitted(None));
    };
    let reservation = MemoryConsumer::new(format!("{function}()")).register(pool);
    reservation.try_grow(needed.total).map_err(|error| {
        let bytes = ByteCount::from(needed.total);
        SheafError::from(error).with_context(format!("the result of {function}, {bytes}"))
    })?;
    Ok(Admitted(Some(Arc::new(reservation))))
}

fn check_limits(function: &str, needed: Needed) -> sheaf_base::Result<()> {
    if needed.largest > VALUE_BYTES_MAX {
        let limit = format!("a value may have ({})", ByteCount::from(VALUE_BYTES_MAX));
        return Err(too_large(function, needed.largest, &limit));
    }
    if needed.total > BATCH_BYTES_MAX {
        let limit = format!(
            "a batch of rows may have ({})",
            ByteCount::from(BATCH_BYTES_MAX)
        );
        return Err(too_large(function, needed.total, &limit)
            .with_hint("SET batch_size = 1024 makes batches of fewer rows"));
    }
    Ok(())
}

/// Checks a value that is the same in each of `rows` rows and may have to be written for each.
///
/// # Errors
/// `Resource` (54000) if the whole would be too large.
pub(super) fn check_repeated(function: &str, needed: Needed, rows: usize) -> Result<()> {
    let total = needed.total.saturating_mul(rows);
    let whole = Needed { total, ..needed };
    check_limits(function, whole).map_err(Into::into)
}

fn too_large(function: &str, bytes: usize, limit: &str) -> SheafError {
    let bytes = ByteCount::from(bytes);
    SheafError::resource(format!(
        "the result of {function} would have {bytes}, more than {limit}"
    ))
    .with_state(SqlState::PROGRAM_LIMIT)
}

impl Admitted {
    /// The result, which keeps its memory reserved as long as it is there.
    ///
    /// # Errors
    /// `Internal` if the result is not a sound array.
    pub(crate) fn keep(self, result: ColumnarValue, rows: usize) -> Result<ColumnarValue> {
        let Some(reservation) = self.0 else {
            return Ok(result);
        };
        let array = result.into_array(rows)?;
        // Of what was thought at most, as much as it is.
        let bytes = array.get_array_memory_size();
        if bytes < reservation.size() {
            reservation.shrink(reservation.size() - bytes);
        }
        let data = held(array.to_data(), &reservation)?;
        Ok(ColumnarValue::Array(make_array(data)))
    }
}

/// The result of a call of a function that makes it first and is asked then: as [`admit`] has it.
///
/// # Errors
/// As [`admit`].
pub(crate) fn kept(function: &str, array: ArrayRef, context: &CallContext) -> Result<ArrayRef> {
    let total = array.get_array_memory_size();
    if may_fold(total) == Some(false) {
        return Err(too_large(function, total, "a plan may hold of it").into());
    }
    check_limits(function, Needed { total, largest: 0 })?;
    if total <= UNCOUNTED_BYTES_MAX {
        return Ok(array);
    }
    let reservation = context.reservation(&format!("{function}()"));
    reservation.try_grow(total).map_err(|error| {
        let bytes = ByteCount::from(total);
        SheafError::from(error).with_context(format!("the result of {function}, {bytes}"))
    })?;
    let data = held(array.to_data(), &Arc::new(reservation))?;
    Ok(make_array(data))
}

/// A buffer and the reservation of its memory.
struct Held {
    buffer: Buffer,
    _reservation: Arc<MemoryReservation>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.buffer.as_slice()
    }
}

/// The same array, each buffer of which holds `reservation`.
fn held(data: ArrayData, reservation: &Arc<MemoryReservation>) -> Result<ArrayData> {
    let hold = |buffer: &Buffer| {
        let held = Held {
            buffer: buffer.clone(),
            _reservation: Arc::clone(reservation),
        };
        Buffer::from(Bytes::from_owner(held))
    };
    let buffers = data.buffers().iter().map(hold).collect();
    let children = data.child_data().iter();
    let children = children.map(|child| held(child.clone(), reservation));
    let children = children.collect::<Result<_>>()?;
    let builder = data.into_builder().buffers(buffers).child_data(children);
    Ok(builder.build()?)
}

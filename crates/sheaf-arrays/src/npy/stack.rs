//! Stacks: directories of `0.npy`, `1.npy`, …, as Dask writes them. What their file `info` holds is Python's
//! code as much as its data, and is not read: the axis is told by the caller, the rest by the files.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::read_object;
use crate::grid::{AXIS_CHUNKS_MAX, tuple};
use crate::objects::{Objects, always};
use crate::store::Array;
use crate::view::{axis_of, concat};

/// Files whose headers are read at a time.
const FILES_IN_FLIGHT_MAX: usize = 16;

/// The arrays in `0.npy`, `1.npy`, … one behind the other along `axis`, each a chunk or several.
///
/// # Errors
/// `UserInput` if there is no `0.npy` or no such axis; `Data` if a file between is missing, or has another
/// type or other lengths along the other axes.
pub fn read_npy_stack(objects: Arc<dyn Objects>, axis: i64) -> Result<Array> {
    let name = objects.name();
    let (names, _) = objects.names("", &always)?;
    let number = |name: &str| {
        let number: usize = name.strip_suffix(".npy")?.parse().ok()?;
        (format!("{number}.npy") == name).then_some(number)
    };
    let mut numbers: Vec<usize> = names.iter().filter_map(|name| number(name)).collect();
    numbers.sort_unstable();
    if numbers.is_empty() {
        return Err(
            SheafError::user(format!("{name} is no stack: it has no file 0.npy"))
                .with_state(SqlState::UNDEFINED_FILE),
        );
    }
    if let Some((missing, _)) = (0..).zip(&numbers).find(|(at, number)| at != *number) {
        return Err(SheafError::data(format!("{name}/{missing}.npy is missing")));
    }
    if numbers.len() > AXIS_CHUNKS_MAX {
        return Err(SheafError::data(format!(
            "{name} has {} files, and a stack may have {AXIS_CHUNKS_MAX}",
            numbers.len()
        )));
    }
    let arrays = open_all(&objects, numbers.len())?;
    let axis = axis_of("read_npy_stack", axis, arrays[0].rank())
        .map_err(|error| error.with_context(&name))?;
    check(&name, &arrays, axis)?;
    concat(&arrays, i64::try_from(axis).unwrap_or(0)).map_err(|error| error.with_context(&name))
}

/// Opens the files, a few at a time: in a store each takes as long as a request or two.
fn open_all(objects: &Arc<dyn Objects>, count: usize) -> Result<Vec<Array>> {
    let next = AtomicUsize::new(0);
    let opened: Mutex<Vec<(usize, Array)>> = Mutex::default();
    let failed = Mutex::new(None);
    let open = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count || failed.lock().is_some() {
                return;
            }
            let key = format!("{number}.npy");
            match read_object(Arc::clone(objects), &key, None, &always) {
                Ok(array) => opened.lock().push((number, array)),
                Err(error) => *failed.lock() = Some(error),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..FILES_IN_FLIGHT_MAX.min(count) {
            scope.spawn(open);
        }
        open();
    });
    if let Some(error) = failed.into_inner() {
        return Err(error);
    }
    let mut opened = opened.into_inner();
    opened.sort_unstable_by_key(|(number, _)| *number);
    Ok(opened.into_iter().map(|(_, array)| array).collect())
}

fn check(name: &str, arrays: &[Array], axis: usize) -> Result<()> {
    let first = &arrays[0];
    for (number, array) in arrays.iter().enumerate() {
        if array.dtype() != first.dtype() {
            return Err(SheafError::data(format!(
                "{name}/{number}.npy has elements of type {}, and 0.npy of type {}",
                array.dtype(),
                first.dtype()
            )));
        }
        let (own, others) = (array.shape(), first.shape());
        let fits = own.len() == others.len()
            && (0..own.len()).all(|at| at == axis || own[at] == others[at]);
        if !fits {
            return Err(SheafError::data(format!(
                "{name}/{number}.npy has the shape {}, and 0.npy {}: they differ beside axis {axis}",
                tuple(&own),
                tuple(&others)
            ))
            .with_hint("name the axis along which the files follow each other"));
        }
    }
    Ok(())
}

//! A module's memory where there is none: an arena of the thread, for tests of what is exported.
//!
//! ```
//! use sheaf_guest::{native, scalar};
//!
//! #[scalar]
//! fn half(x: f64) -> f64 {
//!     x / 2.0
//! }
//!
//! native::reset();
//! let columns = native::numbers(11, &[3.0_f64, 5.0]);
//! let result = native::room(11, 2, 8);
//! assert_eq!(half_batch(2, columns, result), 0);
//! assert_eq!(native::read_numbers::<f64>(result, 2), [1.5, 2.5]);
//! ```

#![expect(unsafe_code, reason = "the arena gives addresses away")]

use alloc::string::String;
use alloc::vec::Vec;
use std::cell::RefCell;

use crate::memory::{self, Bits, Kept};

/// What an arena has.
const ARENA_BYTES: usize = 16 << 20;

struct Arena {
    /// In units that begin at multiples of 16.
    memory: Vec<u128>,
    used: usize,
}

std::thread_local! {
    static ARENA: RefCell<Arena> = RefCell::new(Arena { memory: alloc::vec![0; ARENA_BYTES / 16], used: 16 });
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept { buffers: Vec::new(), running: None }) };
}

/// Forgets all that is in the arena of this thread.
pub fn reset() {
    ARENA.with_borrow_mut(|arena| arena.used = 16);
    KEPT.with_borrow_mut(|kept| kept.running = None);
}

/// The address of `bytes` new bytes.
///
/// # Panics
/// If the arena is full.
#[must_use]
pub fn alloc(bytes: usize) -> u32 {
    ARENA.with_borrow_mut(|arena| {
        let at = arena.used;
        arena.used = (at + bytes).next_multiple_of(16);
        assert!(arena.used <= ARENA_BYTES, "the arena is full");
        at as u32
    })
}

pub(crate) fn pointer(address: u32) -> *mut u8 {
    ARENA.with_borrow_mut(|arena| {
        assert!(
            (address as usize) < ARENA_BYTES,
            "address {address} is outside of the arena"
        );
        // SAFETY: it is inside, as was just looked at.
        unsafe { arena.memory.as_mut_ptr().cast::<u8>().add(address as usize) }
    })
}

pub(crate) fn kept<T>(with: impl FnOnce(&mut Kept) -> T) -> T {
    KEPT.with_borrow_mut(with)
}

fn store<T: Bits>(values: &[T]) -> u32 {
    let address = alloc(size_of_val(values));
    memory::room(address, values.len()).copy_from_slice(values);
    address
}

/// A column of numbers of the type `code`; gives the address of its descriptor.
#[must_use]
pub fn numbers<T: Bits>(code: u32, values: &[T]) -> u32 {
    let at = store(values);
    let (rows, bytes) = (values.len() as u32, size_of_val(values) as u32);
    store(&[code, 0, rows, 0, at, bytes, 0, 0])
}

/// A column of texts, some NULL; gives the address of its descriptor.
#[must_use]
pub fn texts(values: &[Option<&str>]) -> u32 {
    let (mut bytes, mut offsets) = (String::new(), alloc::vec![0_u32]);
    for value in values {
        bytes.push_str(value.unwrap_or_default());
        offsets.push(bytes.len() as u32);
    }
    let validity: Vec<u8> = values
        .iter()
        .map(|value| u8::from(value.is_some()))
        .collect();
    let (validity, at, offsets) = (store(&validity), store(bytes.as_bytes()), store(&offsets));
    let (rows, length) = (values.len() as u32, bytes.len() as u32);
    store(&[18, 0, rows, validity, at, length, offsets, 0])
}

/// Room for `rows` results of the type `code`: `width` bytes each, or texts if that is 0.
#[must_use]
pub fn room(code: u32, rows: usize, width: usize) -> u32 {
    let validity = store(&alloc::vec![1_u8; rows]);
    let values = alloc(rows * width);
    let offsets = store(&alloc::vec![0_u32; rows + 1]);
    let offsets = if width == 0 { offsets } else { 0 };
    let bytes = (rows * width) as u32;
    store(&[code, 0, rows as u32, validity, values, bytes, offsets, 0])
}

/// Descriptors that follow one another, copied from where they are.
#[must_use]
pub fn side_by_side(descriptors: &[u32]) -> u32 {
    let numbers: Vec<u32> = descriptors
        .iter()
        .flat_map(|address| memory::values::<u32>(*address, 8).iter().copied())
        .collect();
    store(&numbers)
}

/// An output for `rows_max` rows, with room for these columns.
#[must_use]
pub fn output(rows_max: usize, columns: &[u32]) -> u32 {
    let columns = side_by_side(columns);
    let origin = store(&alloc::vec![0_u32; rows_max]);
    store(&[0, origin, columns])
}

/// The number of rows, their origins, and the address of the columns of an output.
#[must_use]
pub fn read_output(output: u32) -> (usize, Vec<u32>, u32) {
    let numbers = memory::values::<u32>(output, 3);
    let rows = numbers[0] as usize;
    (rows, memory::values(numbers[1], rows).to_vec(), numbers[2])
}

/// Numbers of 32 bits at an address of their own: the groups of rows.
#[must_use]
pub fn groups(groups: &[u32]) -> u32 {
    store(groups)
}

/// The numbers of a result, whatever is NULL.
#[must_use]
pub fn read_numbers<T: Bits>(descriptor: u32, rows: usize) -> Vec<T> {
    memory::values(memory::values::<u32>(descriptor, 8)[4], rows).to_vec()
}

/// Which values of a result are not NULL.
#[must_use]
pub fn read_validity(descriptor: u32, rows: usize) -> Vec<bool> {
    let validity = memory::values::<u8>(memory::values::<u32>(descriptor, 8)[3], rows);
    validity.iter().map(|valid| *valid != 0).collect()
}

/// The texts of a result, an empty one where it is NULL.
#[must_use]
pub fn read_texts(descriptor: u32, rows: usize) -> Vec<String> {
    let numbers = memory::values::<u32>(descriptor, 8);
    let offsets = memory::values::<u32>(numbers[6], rows + 1);
    let bytes = memory::values::<u8>(numbers[4], numbers[5] as usize);
    let texts = offsets
        .windows(2)
        .map(|ends| &bytes[ends[0] as usize..ends[1] as usize]);
    texts
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect()
}

/// What a status says.
#[must_use]
pub fn read_message(status: u32) -> String {
    let bytes = (status..).map_while(|at| match memory::values::<u8>(at, 1) {
        [0] | [] => None,
        [byte, ..] => Some(*byte),
    });
    String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
}

//! Addresses: the one place where numbers of the host become memory.
//!
//! In WebAssembly an address is a pointer. Elsewhere it is a place in an arena of the thread, so that what
//! is exported can be called in tests.

#![expect(
    unsafe_code,
    reason = "the host hands over addresses; the types of this crate begin here"
)]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::slice;

/// Types that are nothing but their bits, so that any bytes are values.
///
/// # Safety
/// Every pattern of bits is a value, and there is no padding.
pub unsafe trait Bits: Copy + 'static {}

macro_rules! bits {
    ($($number:ty),*) => {
        $(
            // SAFETY: it is a number.
            unsafe impl Bits for $number {}
        )*
    };
}
bits!(u8, i8, u16, i16, u32, i32, u64, i64, i128, f32, f64);

#[cfg(target_arch = "wasm32")]
fn pointer(address: u32) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut(address as usize)
}

#[cfg(not(target_arch = "wasm32"))]
use crate::native::pointer;

/// `count` values at `address`. The host promises that they are there until the function returns; of a
/// batch that a table function was pushed, until the next is.
pub(crate) fn values<T: Bits>(address: u32, count: usize) -> &'static [T] {
    if count == 0 {
        return &[];
    }
    // SAFETY: the host gives `count` values at a multiple of 16 and leaves them alone; any bits are values.
    unsafe { slice::from_raw_parts(pointer(address).cast::<T>().cast_const(), count) }
}

/// The same to be written: room that the host gave for a result, which nothing else refers to.
pub(crate) fn room<T: Bits>(address: u32, count: usize) -> &'static mut [T] {
    if count == 0 {
        return &mut [];
    }
    // SAFETY: as above, and every region of a result is given out once a call.
    unsafe { slice::from_raw_parts_mut(pointer(address).cast::<T>(), count) }
}

/// The states of an aggregate: `count` of them at `address`.
pub(crate) fn states<S: Copy + 'static>(address: u32, count: usize) -> &'static mut [S] {
    if count == 0 {
        return &mut [];
    }
    // SAFETY: the host keeps states as `S` left them, side by side at a multiple of 16; new ones are
    // written by `init` before anything reads them.
    unsafe { slice::from_raw_parts_mut(pointer(address).cast::<S>(), count) }
}

/// Writes new states.
pub(crate) fn write_states<S: Copy + 'static>(address: u32, count: usize, state: S) {
    for number in 0..count {
        // SAFETY: the host made room for `count` states.
        unsafe { pointer(address).cast::<S>().add(number).write(state) };
    }
}

/// Rows of a call that runs, whose arguments stay until it is given more.
pub(crate) type Running =
    Box<dyn FnMut(usize, &mut crate::tables::Sink) -> Result<(), alloc::string::String>>;

/// What a module keeps between calls: texts of results, and the call of a table function.
pub(crate) struct Kept {
    pub(crate) buffers: Vec<Vec<u8>>,
    pub(crate) running: Option<Running>,
}

#[cfg(target_arch = "wasm32")]
mod module {
    use super::Kept;
    use core::cell::UnsafeCell;

    struct Module(UnsafeCell<Kept>);
    // SAFETY: a module has one thread.
    unsafe impl Sync for Module {}
    static KEPT: Module = Module(UnsafeCell::new(Kept {
        buffers: alloc::vec::Vec::new(),
        running: None,
    }));

    pub(crate) fn kept<T>(with: impl FnOnce(&mut Kept) -> T) -> T {
        // SAFETY: one thread, and no `with` of this crate calls `kept`.
        with(unsafe { &mut *KEPT.0.get() })
    }

    /// Where the host may write; exported.
    #[unsafe(no_mangle)]
    extern "C" fn sheaf_alloc(bytes: u32) -> u32 {
        match alloc::alloc::Layout::from_size_align((bytes as usize).max(16), 16) {
            // SAFETY: the size is not 0.
            Ok(layout) => unsafe { alloc::alloc::alloc(layout) }.expose_provenance() as u32,
            Err(_) => 0,
        }
    }

    /// The host is done with what `sheaf_alloc` gave; exported.
    #[unsafe(no_mangle)]
    extern "C" fn sheaf_free(address: u32, bytes: u32) {
        if let Ok(layout) = alloc::alloc::Layout::from_size_align((bytes as usize).max(16), 16) {
            // SAFETY: the host gives back what it was given, with the size that it asked for.
            unsafe { alloc::alloc::dealloc(super::pointer(address), layout) };
        }
    }
}

#[cfg(target_arch = "wasm32")]
pub(crate) use module::kept;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::native::kept;

/// Keeps `bytes` until the next call; gives their address.
pub(crate) fn keep(bytes: Vec<u8>) -> u32 {
    #[cfg(target_arch = "wasm32")]
    {
        let address = bytes.as_ptr().expose_provenance() as u32;
        kept(|kept| kept.buffers.push(bytes));
        address
    }
    #[cfg(not(target_arch = "wasm32"))]
    {
        let address = crate::native::alloc(bytes.len());
        room(address, bytes.len()).copy_from_slice(&bytes);
        address
    }
}

/// A call begins: what the last one kept is gone.
pub(crate) fn begin() {
    kept(|kept| kept.buffers.clear());
}

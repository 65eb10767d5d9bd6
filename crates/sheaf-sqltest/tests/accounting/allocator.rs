//! An allocator that counts: the system's, and how many bytes it has given out.
//!
//! Counts what was asked for. What an allocator adds to that (size classes, pages kept for later)
//! is not the operators' and is seen in resident memory alone. Bytes count until the allocator has them
//! back: it may return many pages to the system at once then, which takes milliseconds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts every allocation of the process.
pub(crate) struct Counting;

static ALLOCATED_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Bytes that are allocated now.
pub(crate) fn allocated_bytes() -> usize {
    ALLOCATED_BYTES.load(Ordering::Relaxed)
}

fn add(bytes: usize) {
    ALLOCATED_BYTES.fetch_add(bytes, Ordering::Relaxed);
}

fn subtract(bytes: usize) {
    ALLOCATED_BYTES.fetch_sub(bytes, Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "the only way to see every allocation")]
// SAFETY: every call goes to the system's allocator with the arguments as they came; the counters
// beside it touch no memory that was given out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps `alloc`'s contract, which is the system's too.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: `place` came from the system's allocator with this layout.
        unsafe { System.dealloc(place, layout) };
        subtract(layout.size());
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(size);
        // SAFETY: `place` came from the system's allocator with this layout.
        let moved = unsafe { System.realloc(place, layout, size) };
        subtract(layout.size());
        moved
    }
}

//! The allocator of the process.
//!
//! mimalloc: batches are allocated on one thread and freed on another, which it is made for. It
//! gives freed pages back to the system after a while; those of a query's batches are wanted again
//! at once, and to get a page anew costs more than to decode what goes into it.

use libmimalloc_sys::{mi_option_set, mi_option_t};
use sheaf::ByteCount;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc's header, versions 2 and 3, which the crate does not name.
const PURGE_DELAY: mi_option_t = 15;

/// How long freed pages stay with the process where memory is plenty, in milliseconds; the
/// allocator's own choice is a second.
const KEPT_MILLISECONDS: std::ffi::c_long = 10_000;

/// The same where memory is scarce. What is kept for later shows in what the process holds: with the
/// allocator's own second, 200 MB more under 1 GB. Shorter costs time and saves little.
const KEPT_MILLISECONDS_IF_SCARCE: std::ffi::c_long = 50;

/// With a lower limit, memory is scarce.
const PLENTY: ByteCount = ByteCount(4 << 30);

/// Keeps freed pages for as long as suits queries that may take `memory_limit`. To be called once,
/// before there are threads.
pub(crate) fn keep_freed_pages(memory_limit: ByteCount) {
    let kept = match memory_limit < PLENTY {
        true => KEPT_MILLISECONDS_IF_SCARCE,
        false => KEPT_MILLISECONDS,
    };
    #[expect(unsafe_code, reason = "the allocator is written in C")]
    // SAFETY: sets a number that the allocator reads when it frees pages; the option exists in
    // both versions that the crate can be built with, and the value is one of those it documents.
    unsafe {
        mi_option_set(PURGE_DELAY, kept);
    }
}

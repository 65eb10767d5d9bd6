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

/// Keeps freed pages for as long as suits queries that may take `memory_limit`, and has small pages where
/// that is little. To be called once, before there are threads.
pub(crate) fn suit(memory_limit: ByteCount) {
    let is_scarce = memory_limit < PLENTY;
    if is_scarce {
        refuse_huge_pages();
    }
    let kept = match is_scarce {
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

/// Asks the system for pages of its usual size. Of a huge one (2 MB) all is cleared and resident once a
/// byte of it is used: TPC-H query 2 at scale 10 had 369 MB resident with them and 145 without, and spent
/// 42 % of its time on clearing. Queries that use much memory again and again are faster with them, by some
/// per cent, so that they stay where memory is plenty.
fn refuse_huge_pages() {
    #[cfg(target_os = "linux")]
    {
        let (yes, unused): (libc::c_ulong, libc::c_ulong) = (1, 0);
        #[expect(unsafe_code, reason = "there is no safe call of the system for it")]
        // SAFETY: sets a flag of this process, with the four numbers that `PR_SET_THP_DISABLE` asks for;
        // no memory is touched. If it is refused, all stays as it was.
        unsafe {
            libc::prctl(libc::PR_SET_THP_DISABLE, yes, unused, unused, unused);
        }
    }
}

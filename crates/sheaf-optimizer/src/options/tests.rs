//! Options that follow the memory limit.

use super::*;

#[test]
fn buffers_and_batches_follow_memory_and_threads() {
    let mut options = ConfigOptions::new();
    engine_options(&mut options);
    options.execution.target_partitions = 4;
    set_memory_limit(&mut options, ByteCount(32_000_000));
    assert_eq!(options.execution.sort_pushdown_buffer_capacity, 1_000_000);
    // A quarter of a thread's 8 MB in KiB.
    assert_eq!(options.execution.batch_size.get(), 1_953);
    let mut options = ConfigOptions::new();
    options.execution.target_partitions = 4;
    set_memory_limit(&mut options, ByteCount(1_000_000_000));
    assert_eq!(options.execution.batch_size.get(), 8_192);
}

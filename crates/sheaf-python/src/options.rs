//! What workers are started with.

use std::time::Duration;

/// The interpreter, and what its processes may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonOptions {
    /// The interpreter: a path, or a name that the system looks up. It has pyarrow.
    pub executable: String,
    /// Workers that are in calls at once, and that one query may keep; at least 1.
    pub workers_max: usize,
    /// Memory in bytes that a worker may hold beyond what the interpreter takes when it starts.
    pub memory_bytes_max: usize,
    /// The longest that one call of a worker may take: that of a batch of rows.
    pub call_timeout: Option<Duration>,
}

impl Default for PythonOptions {
    /// `python3`, a worker a processor.
    fn default() -> Self {
        Self {
            executable: "python3".to_owned(),
            workers_max: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes_max: 4_000_000_000,
            call_timeout: None,
        }
    }
}

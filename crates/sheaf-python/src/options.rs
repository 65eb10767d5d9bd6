//! What workers are started with.

use std::time::Duration;

use sheaf_base::ByteCount;
use sheaf_base::settings::Settings;
use sheaf_runtime::MachineLimits;

/// What a worker may hold at least, where memory is shared out: address space is counted, of which
/// libraries take more than they use.
const MEMORY_BYTES_MIN: ByteCount = ByteCount(1_000_000_000);

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

impl PythonOptions {
    /// What `settings` say.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let machine = MachineLimits::detect();
        let threads = settings.count("threads").unwrap_or(machine.threads);
        let workers_max = match settings.count("python_workers") {
            Some(workers) => workers,
            None if settings.is("scheduler", "synchronous") => 1,
            None => threads,
        }
        .max(1);
        let memory = settings
            .bytes("memory_limit")
            .unwrap_or_else(|| machine.memory_limit_auto());
        let shared = ByteCount(memory.0 / workers_max as u64);
        let memory = settings
            .bytes("python_memory_limit")
            .unwrap_or_else(|| ByteCount(shared.0.max(MEMORY_BYTES_MIN.0)));
        Self {
            executable: settings
                .string("python_executable")
                .unwrap_or("python3")
                .to_owned(),
            workers_max,
            memory_bytes_max: memory.as_usize(),
            call_timeout: settings.duration("python_timeout"),
        }
    }
}

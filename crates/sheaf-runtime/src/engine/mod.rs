//! The threads of the engine, and the way of a physical plan to a stream of batches.
//!
//! ```text
//! caller's thread          │ CPU runtime (`threads` workers)
//!                          │
//! QueryStream <─ channel ──┼── root task ── plan's partitions, each a task
//!      │                   │      │
//!      └── stop token ─────┼──────┘   <── I/O runtime: time limits, network
//! ```
//!
//! Plans run on the CPU runtime whatever thread asked for them; the caller may live on any other
//! runtime, or on none. Time limits are kept on the I/O runtime, whose thread never computes, so
//! that they fire however busy the workers are; object stores are to put their network traffic
//! there too. Statements are planned on threads of their own ([`planning`]). One process has one
//! [`EngineRuntime`].

mod ending;
pub mod planning;
mod stream;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::execution::TaskContext;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use sheaf_base::{ByteCount, Result, SheafError};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::limits::MachineLimits;
use crate::memory::MemoryBudget;
use crate::registry::{Query, QueryRegistry};
use crate::spill::SpillStore;
use planning::{PLANNING_STACK_BYTES, PLANNING_THREADS};
use stream::QueryStream;

/// Stack of a worker in bytes. Plans and expressions nest as deep as users write them.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Threads for blocking file operations. Each waits for a disk, so there may be more than
/// processors; each may hold a buffer, so not many more.
const BLOCKING_THREADS_MAX: usize = 64;

/// Threads of the I/O runtime.
const IO_THREADS: usize = 1;

/// Bytes of file footers (Parquet metadata, page indexes) that are remembered.
const METADATA_CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of statistics of files that are remembered.
const STATISTICS_CACHE_BYTES: usize = 20 * 1024 * 1024;

/// A cache takes at most one in this many bytes of `memory_limit`.
const CACHE_PART: usize = 32;

/// Merge passes open at most this many spill files at a time: descriptors are limited too.
const SPILL_MERGE_FILES_MAX: usize = 256;

/// And no fewer, however small memory is: the passes would become many.
const SPILL_MERGE_FILES_MIN: u64 = 4;

/// A merge pass opens a file for each so many bytes of a thread's memory. The engine's merge takes
/// as many files as there is memory for when it begins, which leaves too little to the merges
/// beside it; each file takes four batches.
const SPILL_MERGE_FILE_BYTES: u64 = 2 * 1024 * 1024;

/// How the engine of a process is set up.
#[derive(Debug, Clone)]
pub struct RuntimeOptions {
    /// Workers that compute; at least 1.
    pub threads: usize,
    /// Memory that all queries together may hold.
    pub memory_limit: ByteCount,
    /// Where spilled data goes; the system's directory for temporary files if `None`.
    pub temp_directory: Option<PathBuf>,
    /// Disk space that spilled data may take.
    pub temp_bytes_max: ByteCount,
}

/// Disk space that spilled data may take where nobody says otherwise.
const TEMP_BYTES_MAX_DEFAULT: ByteCount = ByteCount(100_000_000_000);

impl Default for RuntimeOptions {
    /// What `auto` gives on this machine.
    fn default() -> Self {
        let limits = MachineLimits::detect();
        Self {
            threads: limits.threads,
            memory_limit: limits.memory_limit_auto(),
            temp_directory: None,
            temp_bytes_max: TEMP_BYTES_MAX_DEFAULT,
        }
    }
}

/// Threads, memory, disk and queries of a process. Shared by its sessions.
#[derive(Debug)]
pub struct EngineRuntime {
    /// `None` only while being dropped.
    cpu: Option<Runtime>,
    io: Option<Runtime>,
    planning: Option<Runtime>,
    cpu_handle: Handle,
    io_handle: Handle,
    planning_handle: Handle,
    threads: usize,
    memory: Arc<MemoryBudget>,
    spill: Arc<SpillStore>,
    env: Arc<RuntimeEnv>,
    registry: QueryRegistry,
}

impl EngineRuntime {
    /// Starts the threads. Makes no files; removes spill directories that dead processes left.
    ///
    /// # Errors
    /// `Resource` if the operating system gives no threads.
    pub fn new(options: RuntimeOptions) -> Result<Arc<Self>> {
        let threads = options.threads.max(1);
        let cpu = start("sheaf-cpu", threads, STACK_BYTES)?;
        let io = start("sheaf-io", IO_THREADS, STACK_BYTES)?;
        let planning = start("sheaf-plan", PLANNING_THREADS, PLANNING_STACK_BYTES)?;
        let memory = Arc::new(MemoryBudget::new(options.memory_limit));
        let spill = Arc::new(SpillStore::new(
            options.temp_directory,
            options.temp_bytes_max,
            io.handle().clone(),
        ));
        let cache_bytes_max = options.memory_limit.as_usize() / CACHE_PART;
        let env = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::clone(&memory) as _)
            .with_disk_manager_builder(
                DiskManagerBuilder::default()
                    .with_mode(DiskManagerMode::Custom(Arc::clone(&spill) as _))
                    .with_max_spill_merge_fan_in(merge_files_max(options.memory_limit, threads)),
            )
            .with_metadata_cache_limit(METADATA_CACHE_BYTES.min(cache_bytes_max))
            .with_file_statistics_cache_limit(STATISTICS_CACHE_BYTES.min(cache_bytes_max))
            // Directories change between statements; a listing is read anew each time.
            .with_object_list_cache_limit(0)
            .build_arc()?;
        let registry = QueryRegistry::new(Arc::clone(&memory), io.handle().clone());
        Ok(Arc::new(Self {
            cpu_handle: cpu.handle().clone(),
            io_handle: io.handle().clone(),
            planning_handle: planning.handle().clone(),
            cpu: Some(cpu),
            io: Some(io),
            planning: Some(planning),
            threads,
            memory,
            spill,
            env,
            registry,
        }))
    }

    /// The engine's environment: memory, disk, caches, object stores.
    #[must_use]
    pub fn runtime_env(&self) -> Arc<RuntimeEnv> {
        Arc::clone(&self.env)
    }

    /// The queries of the process.
    #[must_use]
    pub fn registry(&self) -> &QueryRegistry {
        &self.registry
    }

    /// The memory of the process.
    #[must_use]
    pub fn memory(&self) -> &Arc<MemoryBudget> {
        &self.memory
    }

    /// The spilled data of the process.
    #[must_use]
    pub fn spill(&self) -> &Arc<SpillStore> {
        &self.spill
    }

    /// Changes `memory_limit`, for running queries too.
    pub fn set_memory_limit(&self, limit: ByteCount) {
        self.memory.set_limit(limit);
        self.env
            .disk_manager
            .set_max_spill_merge_fan_in(merge_files_max(limit, self.threads));
    }

    /// Workers that compute.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The runtime that computes.
    #[must_use]
    pub fn cpu(&self) -> &Handle {
        &self.cpu_handle
    }

    /// The runtime that waits: for the network and for time limits. Nothing may compute on it.
    #[must_use]
    pub fn io(&self) -> &Handle {
        &self.io_handle
    }

    /// Runs `plan` for `query`, and ends `query` when the result has been handed over, has failed
    /// or is dropped.
    ///
    /// All partitions run at once on the CPU runtime and are merged as they come; order is kept
    /// where the plan has one partition. Batches wait in a bounded channel until they are asked
    /// for. When `query` is told to stop, the stream gives the cancellation as its one error and
    /// the tasks stop at their next batch. A panic in the plan becomes an internal error.
    ///
    /// # Memory
    /// What operators reserve is charged to the query's pool, whatever pool `task` has.
    ///
    /// # Errors
    /// `Cancelled` if the query was told to stop before it began.
    pub fn execute(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        task: Arc<TaskContext>,
        query: Arc<Query>,
    ) -> Result<SendableRecordBatchStream> {
        self.stream(plan, task, query, true)
    }

    /// Like [`execute`](Self::execute) for a plan that is a part of `query`'s work: the end of
    /// the stream does not end `query`, its owner does.
    ///
    /// # Errors
    /// `Cancelled` if the query was told to stop before it began.
    pub fn execute_part(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        task: Arc<TaskContext>,
        query: Arc<Query>,
    ) -> Result<SendableRecordBatchStream> {
        self.stream(plan, task, query, false)
    }

    fn stream(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        task: Arc<TaskContext>,
        query: Arc<Query>,
        ends_query: bool,
    ) -> Result<SendableRecordBatchStream> {
        if query.is_cancelled() {
            let error = query.cancel_error();
            query.fail(&error);
            return Err(error);
        }
        query.set_plan(&plan);
        let env = RuntimeEnv {
            memory_pool: Arc::clone(query.pool()) as _,
            ..task.runtime_env().as_ref().clone()
        };
        let task = with_runtime_env(task, env);
        Ok(Box::pin(QueryStream::start(
            &self.cpu_handle,
            plan,
            task,
            query,
            ends_query,
        )))
    }
}

impl Drop for EngineRuntime {
    fn drop(&mut self) {
        // Tasks end some time after this, at the latest with the process; their files go now.
        self.spill.close();
        // Dropping a runtime waits for its threads, which is not allowed on a thread of another.
        let runtimes = [self.cpu.take(), self.io.take(), self.planning.take()];
        runtimes.into_iter().flatten().for_each(ending::end);
    }
}

/// Spill files that one merge pass may open.
fn merge_files_max(limit: ByteCount, threads: usize) -> usize {
    let files = limit.0 / threads.max(1) as u64 / SPILL_MERGE_FILE_BYTES;
    ByteCount(files.max(SPILL_MERGE_FILES_MIN))
        .as_usize()
        .min(SPILL_MERGE_FILES_MAX)
}

fn start(name: &str, threads: usize, stack_bytes: usize) -> Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_name(name)
        .thread_stack_size(stack_bytes)
        .enable_all()
        .build()
        .map_err(|error| SheafError::resource(format!("cannot start threads: {error}")))
}

fn with_runtime_env(task: Arc<TaskContext>, env: RuntimeEnv) -> Arc<TaskContext> {
    let task = Arc::try_unwrap(task).unwrap_or_else(|task| {
        TaskContext::new(
            task.task_id(),
            task.session_id(),
            task.session_config().clone(),
            task.scalar_functions().clone(),
            task.higher_order_functions().clone(),
            task.aggregate_functions().clone(),
            task.window_functions().clone(),
            task.runtime_env(),
        )
    });
    Arc::new(task.with_runtime(Arc::new(env)))
}

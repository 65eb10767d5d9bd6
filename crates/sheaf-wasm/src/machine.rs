//! The machine that runs modules: one a process, since it has a thread and handlers of signals.
//!
//! It compiles modules, and keeps the last of what it compiled. Code that was compiled before is never
//! read from a file: who can write that could run anything.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_udf::Code;
use wasmtime::{Config, Engine, Linker, Module, OptLevel};

use crate::host::{self, Host};

/// What a module may weigh. Compiled code is a few times as large.
const CODE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Modules that are kept compiled, the bytes they were compiled from, and with them at most so many bytes.
const MODULES_KEPT_MAX: usize = 64;
const MODULES_KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Instances in the process, whoever has them. Each takes 4 GiB of addresses, of which there are 128 TiB.
const INSTANCES_MAX: usize = 4096;
/// What a guest's calls may take of a thread's stack, which is 8 MiB.
const STACK_BYTES_MAX: usize = 1024 * 1024;
/// How often calls look whether they should go on.
const TICK: Duration = Duration::from_millis(5);

/// The machine.
pub(crate) struct Machine {
    engine: Engine,
    linker: Linker<Host>,
    modules: Mutex<Modules>,
    clock: Arc<Clock>,
    instances: AtomicUsize,
}

/// Compiled modules by what they were compiled from, with when each was last asked for.
#[derive(Default)]
struct Modules {
    by_code: HashMap<Arc<[u8]>, (Module, u64)>,
    asked: u64,
}

/// Ticks while calls run: a thread that sleeps otherwise.
struct Clock {
    calls: Mutex<usize>,
    begun: Condvar,
}

/// A call that runs: the clock ticks for it.
pub(crate) struct Ticking(Arc<Clock>);

/// A place among the instances of the process.
#[derive(Debug)]
pub(crate) struct Place(&'static AtomicUsize);

impl Machine {
    /// The process's machine.
    ///
    /// # Errors
    /// `Resource` if there are no threads left for it.
    pub(crate) fn get() -> Result<&'static Self> {
        static MACHINE: OnceLock<Result<Machine>> = OnceLock::new();
        let machine = MACHINE.get_or_init(Self::start);
        machine.as_ref().map_err(Clone::clone)
    }

    fn start() -> Result<Self> {
        let engine = Engine::new(&config())
            .map_err(|error| SheafError::resource(format!("cannot start WebAssembly: {error}")))?;
        let linker = host::imports(&engine)?;
        let clock = Arc::new(Clock {
            calls: Mutex::new(0),
            begun: Condvar::new(),
        });
        let (ticking, ticked) = (Arc::clone(&clock), engine.clone());
        thread::Builder::new()
            .name("sheaf-wasm-clock".to_owned())
            .spawn(move || {
                loop {
                    ticking.wait();
                    thread::sleep(TICK);
                    ticked.increment_epoch();
                }
            })
            .map_err(|error| SheafError::resource(format!("cannot start a thread: {error}")))?;
        Ok(Self {
            engine,
            linker,
            modules: Mutex::default(),
            clock,
            instances: AtomicUsize::new(0),
        })
    }

    /// The module that `code` is, as text or in binary form; compiled unless it is kept.
    ///
    /// # Errors
    /// `UserInput` or `Data` if it is none, or one that imports what there is not.
    pub(crate) fn module(&self, code: &Code) -> Result<Module> {
        if code.bytes.len() > CODE_BYTES_MAX {
            let bytes = code.bytes.len();
            return Err(SheafError::data(format!(
                "{} has {bytes} bytes, and a module may have {CODE_BYTES_MAX}",
                file(code)
            ))
            .with_state(SqlState::PROGRAM_LIMIT));
        }
        if let Some(module) = self.modules().get(&code.bytes) {
            return Ok(module);
        }
        let module = self.compile(code)?;
        self.modules().keep(&code.bytes, &module);
        Ok(module)
    }

    fn compile(&self, code: &Code) -> Result<Module> {
        let binary = wat::parse_bytes(&code.bytes).map_err(|error| {
            not_a_module(code, "neither a WebAssembly module nor the text of one")
                .with_detail(error.to_string())
        })?;
        let module = Module::new(&self.engine, &binary).map_err(|error| {
            not_a_module(code, "no WebAssembly module that can be run")
                .with_detail(format!("{error:#}"))
        })?;
        for import in module.imports() {
            let (from, name) = (import.module(), import.name());
            if (from, name) != host::ABORT {
                return Err(SheafError::user(format!(
                    "{} imports {from}.{name}, and functions may import nothing but env.abort",
                    file(code)
                ))
                .with_state(SqlState::INVALID_FUNCTION_DEFINITION)
                .with_hint(
                    "compile it as a library without a system interface: clang --target=wasm32 -nostdlib, \
                     asc --runtime minimal, or Rust's wasm32-unknown-unknown",
                ));
            }
        }
        Ok(module)
    }

    /// What runs modules.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What modules may import.
    pub(crate) fn linker(&self) -> &Linker<Host> {
        &self.linker
    }

    /// Lets the clock tick until what is given is dropped.
    pub(crate) fn tick(&self) -> Ticking {
        *self.clock.calls() += 1;
        self.clock.begun.notify_one();
        Ticking(Arc::clone(&self.clock))
    }

    /// A place for one more instance.
    ///
    /// # Errors
    /// `Resource` if there are as many as may be.
    pub(crate) fn place(&'static self) -> Result<Place> {
        let place = Place(&self.instances);
        match self.instances.fetch_add(1, Ordering::Relaxed) {
            others if others < INSTANCES_MAX => Ok(place),
            _ => Err(SheafError::resource(format!(
                "there are {INSTANCES_MAX} instances of WebAssembly functions already"
            ))
            .with_state(SqlState::PROGRAM_LIMIT)
            .with_hint("run fewer such queries at once")),
        }
    }

    fn modules(&self) -> MutexGuard<'_, Modules> {
        self.modules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Modules {
    fn get(&mut self, code: &Arc<[u8]>) -> Option<Module> {
        self.asked += 1;
        let asked = self.asked;
        self.by_code.get_mut(code).map(|(module, last)| {
            *last = asked;
            module.clone()
        })
    }

    /// Keeps `module`, for which those go that were not asked for the longest.
    fn keep(&mut self, code: &Arc<[u8]>, module: &Module) {
        self.asked += 1;
        self.by_code
            .insert(Arc::clone(code), (module.clone(), self.asked));
        loop {
            let bytes: usize = self.by_code.keys().map(|code| code.len()).sum();
            if self.by_code.len() <= MODULES_KEPT_MAX && bytes <= MODULES_KEPT_BYTES_MAX {
                return;
            }
            let oldest = self.by_code.iter().min_by_key(|(_, (_, asked))| *asked);
            let Some(oldest) = oldest.map(|(code, _)| Arc::clone(code)) else {
                return;
            };
            self.by_code.remove(&oldest);
        }
    }
}

impl Clock {
    fn calls(&self) -> MutexGuard<'_, usize> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a call runs.
    fn wait(&self) {
        let mut calls = self.calls();
        while *calls == 0 {
            calls = self
                .begun
                .wait(calls)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        *self.0.calls() -= 1;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How `code` is called in errors.
pub(crate) fn file(code: &Code) -> &str {
    code.file.as_deref().unwrap_or("the function's code")
}

fn not_a_module(code: &Code, what: &str) -> SheafError {
    SheafError::data(format!("{} is {what}", file(code)))
        .with_state(SqlState::INVALID_FUNCTION_DEFINITION)
}

/// WebAssembly as compilers make it by default today, without what lets results differ between machines,
/// and with nothing that reaches out of an instance.
fn config() -> Config {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(true)
        .max_wasm_stack(STACK_BYTES_MAX)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false);
    config
}

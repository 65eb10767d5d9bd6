//! A worker: an interpreter in a process of its own, in a process group of its own.
//!
//! It ends in one of these ways:
//! - it is dropped: the whole group is killed, and with it what functions have started;
//! - Sheaf ends, be it killed: the worker's end of the pipe says so, and a process that it left to watch
//!   that pipe kills the group, whatever a function is doing;
//! - a function ends it (`os._exit`, a crash): the call's error says how;
//! - a call is cancelled or takes too long: it is killed, for nothing else stops a function surely.

mod answer;
mod exchange;
mod pipes;
mod printed;

use std::collections::HashMap;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use arrow::buffer::Buffer;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use crate::function::{Loadable, definition_error};
use crate::options::PythonOptions;
use crate::program;
use crate::wire::Sender;
pub(crate) use answer::Answer;
pub(crate) use exchange::Call;
use exchange::{Exchange, Interruption};
use pipes::Pipes;

/// The longest that an interpreter may take to start and import pyarrow.
const START_MAX: Duration = Duration::from_secs(60);

/// The longest that a function's code may take to be run once, with all that it imports.
const LOAD_MAX: Duration = Duration::from_secs(120);

/// Functions that a worker holds; one that has held so many is not used again.
const FUNCTIONS_MAX: usize = 256;

/// How long a worker that has closed its pipe has to end by itself, so that its status is its own.
const END_MAX: Duration = Duration::from_millis(200);

/// Variables that a worker has of Sheaf's own environment, beside those that begin with one of
/// [`VARIABLE_PREFIXES`]. Keys and passwords that Sheaf was given are none of a function's business.
const VARIABLES: &[&str] = &[
    "HOME",
    "LANG",
    "LD_LIBRARY_PATH",
    "LOGNAME",
    "PATH",
    "PYTHONPATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
    "USER",
    "VIRTUAL_ENV",
];

/// See [`VARIABLES`].
const VARIABLE_PREFIXES: &[&str] = &["LC_", "PYENV_"];

/// A worker is one of as many as there are processors: libraries in it start no threads of their own.
const THREAD_VARIABLES: &[&str] = &[
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
];

/// A process that runs functions.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    pipes: Pipes,
    options: PythonOptions,
    /// Encoders of the arguments of the functions that it has loaded, by their numbers.
    loaded: HashMap<u64, Sender>,
    /// What it had resident in bytes when it had loaded the last function.
    resident_start: usize,
    /// The number of the last request, which its reply bears too.
    number: u64,
    /// Whether the protocol is where it should be: it is not after an error of the pipe.
    is_sound: bool,
}

impl Worker {
    /// Starts a process and waits until it has pyarrow.
    ///
    /// # Errors
    /// `UserInput` if the interpreter cannot be started or has no pyarrow; `Cancelled` as `call` says.
    pub(crate) fn start(options: &PythonOptions, call: &Call<'_>) -> Result<Self> {
        let mut child = command(options).spawn().map_err(|error| {
            let message = format!("cannot start \"{}\": {error}", options.executable);
            SheafError::user(message)
                .with_state(SqlState::UNDEFINED_FILE)
                .with_hint("SET python_executable names an interpreter that has pyarrow")
        })?;
        let pipes = Pipes::new(&mut child).inspect_err(|_| kill(&mut child))?;
        let mut worker = Self {
            child,
            pipes,
            options: options.clone(),
            loaded: HashMap::new(),
            resident_start: 0,
            number: 0,
            is_sound: true,
        };
        let call = call.within(START_MAX);
        let program = Exchange::frame(&program::modules(), Vec::new());
        let limits = json!({ "memory_bytes": options.memory_bytes_max });
        worker
            .exchange(program, limits, Vec::new(), &call)
            .and_then(|answer| answer.checked(""))
            .map_err(|error| start_error(error, &options.executable))?;
        Ok(worker)
    }

    /// Whether it may be used by another call: it was started as `options` say, and is as new.
    pub(crate) fn is_fit(&mut self, options: &PythonOptions) -> bool {
        self.is_sound
            && self.pipes.is_quiet()
            && self.options == *options
            && self.loaded.len() < FUNCTIONS_MAX
            && matches!(self.child.try_wait(), Ok(None))
    }

    /// Whether it can be asked anything.
    pub(crate) fn is_sound(&self) -> bool {
        self.is_sound
    }

    /// Bytes that it holds beyond what it had when the last function was loaded.
    pub(crate) fn grown(&self, answer: &Answer) -> usize {
        answer.resident().saturating_sub(self.resident_start)
    }

    /// Loads `function` if it is not, and says what it is like (`None` if it was).
    ///
    /// # Errors
    /// `UserInput` if the code has no such function or cannot be run; `Cancelled` as `call` says.
    pub(crate) fn load(
        &mut self,
        function: &dyn Loadable,
        call: &Call<'_>,
    ) -> Result<Option<Answer>> {
        if self.loaded.contains_key(&function.id()) {
            return Ok(None);
        }
        for needed in function.needed() {
            self.load(needed, call)?;
        }
        let (header, body) = function.load_request()?;
        let answer = self
            .exchange(Vec::new(), header, body, &call.within(LOAD_MAX))?
            .checked(&self.pipes.printed_text())
            .map_err(definition_error)?;
        self.resident_start = self.resident_start.max(answer.resident());
        let sender = Sender::new(function.arguments())?;
        self.loaded.insert(function.id(), sender);
        Ok(Some(answer))
    }

    /// Encodes arguments of `function`, which is loaded.
    ///
    /// # Errors
    /// `Unsupported` if they cannot be sent.
    pub(crate) fn encode(
        &mut self,
        function: &dyn Loadable,
        batch: &arrow::array::RecordBatch,
    ) -> Result<Vec<Buffer>> {
        match self.loaded.get_mut(&function.id()) {
            Some(sender) => sender.encode(batch),
            None => Err(SheafError::internal("a function that is not loaded")),
        }
    }

    /// Sends a request and waits for its reply.
    ///
    /// # Errors
    /// What the function raised; `Data` if the process ended; `Cancelled` as `call` says.
    pub(crate) fn ask(
        &mut self,
        header: Value,
        body: Vec<Buffer>,
        call: &Call<'_>,
    ) -> Result<Answer> {
        let answer = self.exchange(Vec::new(), header, body, call)?;
        let printed = self.pipes.printed_text();
        let answer = answer.checked(&printed)?;
        if !printed.is_empty() {
            call.notify(&printed);
        }
        Ok(answer)
    }

    /// Sends a request behind `before`, and waits for its reply.
    fn exchange(
        &mut self,
        before: Vec<Buffer>,
        mut header: Value,
        body: Vec<Buffer>,
        call: &Call<'_>,
    ) -> Result<Answer> {
        if !self.is_sound {
            return Err(
                SheafError::data("its worker process ended in another call of this query")
                    .with_state(SqlState::EXTERNAL_ROUTINE),
            );
        }
        self.pipes.clear_printed();
        self.number += 1;
        header["number"] = self.number.into();
        let frames = [before, Exchange::frame(&header, body)].concat();
        Exchange::new(frames, self.options.memory_bytes_max)
            .run(&mut self.pipes, call)
            .and_then(|frame| Answer::read(frame, self.number))
            .map_err(|interruption| self.interrupted(interruption, call))
    }

    /// The error for a call that has no reply; the process is ended.
    fn interrupted(&mut self, interruption: Interruption, call: &Call<'_>) -> SheafError {
        self.is_sound = false;
        let error = match interruption {
            Interruption::Stopped => SheafError::cancelled("the query was cancelled"),
            Interruption::Late => call.late_error(),
            Interruption::Refused(error) => error,
            Interruption::Broken(what) => SheafError::data(format!(
                "its worker process broke the protocol: {what}; its code must leave the descriptors alone that it did not open"
            ))
            .with_state(SqlState::EXTERNAL_ROUTINE),
            Interruption::Closed => self.end_error(),
        };
        kill(&mut self.child);
        self.pipes.with_printed(error)
    }

    /// How the process ended that has closed its pipe.
    fn end_error(&mut self) -> SheafError {
        let end = Instant::now() + END_MAX;
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(2)),
                _ => break None,
            }
        };
        let (message, hint) = end_text(status);
        let error = SheafError::data(message).with_state(SqlState::EXTERNAL_ROUTINE);
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        kill(&mut self.child);
    }
}

fn command(options: &PythonOptions) -> Command {
    let mut command = Command::new(&options.executable);
    command
        .args(["-s", "-c", program::BOOTSTRAP])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| is_passed_on(&name.to_string_lossy())))
        .envs(THREAD_VARIABLES.iter().map(|name| (name, "1")))
        .env("PYTHONIOENCODING", "utf-8:backslashreplace")
        .process_group(0);
    command
}

fn is_passed_on(name: &str) -> bool {
    VARIABLES.contains(&name)
        || VARIABLE_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// Kills the process group of `child` and waits for `child`, which is gone at once.
fn kill(child: &mut Child) {
    // Until it is waited for, no other process has its number.
    if let Ok(group) = i32::try_from(child.id())
        && let Err(_gone) = killpg(Pid::from_raw(group), Signal::SIGKILL)
    {
        let _ = child.kill();
    }
    let _ = child.wait();
}

fn end_text(status: Option<ExitStatus>) -> (String, Option<&'static str>) {
    let Some(status) = status else {
        return ("its worker process closed its connection".to_owned(), None);
    };
    match (status.code(), status.signal()) {
        (_, Some(signal)) => {
            let name = Signal::try_from(signal).map_or("a signal", Signal::as_str);
            let hint = (signal == Signal::SIGKILL as i32)
                .then_some("the system kills processes when memory runs out");
            (
                format!("its worker process was killed by {name} ({signal})"),
                hint,
            )
        }
        (Some(code), None) => (
            format!("its worker process ended with exit code {code}"),
            Some("code that is called must return, not exit"),
        ),
        (None, None) => ("its worker process ended".to_owned(), None),
    }
}

fn start_error(error: SheafError, executable: &str) -> SheafError {
    let error = error.with_context(format!("cannot use \"{executable}\""));
    match error.hint() {
        Some(_) => error,
        None => error.with_hint(format!(
            "install pyarrow for it ({executable} -m pip install pyarrow), or SET python_executable to an interpreter that has it"
        )),
    }
}

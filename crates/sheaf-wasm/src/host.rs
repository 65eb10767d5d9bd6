//! What an instance may use: memory of the query, time, and tables; and what it may call.

use std::time::{Duration, Instant};

use datafusion::execution::memory_pool::MemoryReservation;
use sheaf_base::error::{ErrorKind, SqlState};
use sheaf_base::{Result, SheafError};
use tokio_util::sync::CancellationToken;
use wasmtime::{Caller, Engine, Extern, Linker, ResourceLimiter, Store, UpdateDeadline};

use crate::CALL_SECONDS_MAX;

/// Elements of an instance's tables: functions that it calls by address.
const TABLE_ELEMENTS_MAX: usize = 100_000;
/// Instances in a store: the module's own and the loop around it.
const STORE_INSTANCES_MAX: usize = 2;
/// Memories and tables in a store.
const STORE_MEMORIES_MAX: usize = 2;
const STORE_TABLES_MAX: usize = 8;
/// Characters of what a guest says of its failure.
const MESSAGE_CHARACTERS_MAX: usize = 1000;

/// What AssemblyScript calls when an assertion fails: the one function that modules may import.
pub(crate) const ABORT: (&str, &str) = ("env", "abort");

/// What an instance may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of memory.
    pub(crate) memory_bytes_max: usize,
    /// How long one call may take.
    pub(crate) call_max: Duration,
}

/// In a query: all that WebAssembly can address, as far as the query has it.
pub(crate) const IN_QUERY: Limits = Limits {
    memory_bytes_max: 4 << 30,
    call_max: Duration::from_secs(CALL_SECONDS_MAX),
};

/// Where CREATE FUNCTION tries it, outside of any query's memory and with nobody to stop it.
pub(crate) const IN_TRIAL: Limits = Limits {
    memory_bytes_max: 256 << 20,
    call_max: Duration::from_secs(5),
};

/// What an instance has beside its memory: the store's data.
pub(crate) struct Host {
    /// What of the query's memory the instance's memories take.
    reservation: MemoryReservation,
    memory_bytes: usize,
    limits: Limits,
    stop: CancellationToken,
    deadline: Instant,
    /// Why the host stopped the call, or refused what it asked for.
    failure: Option<SheafError>,
}

impl Host {
    /// An instance within `limits`, with all its memory from `reservation`.
    pub(crate) fn new(
        reservation: MemoryReservation,
        limits: Limits,
        stop: CancellationToken,
    ) -> Self {
        Self {
            reservation,
            memory_bytes: 0,
            limits,
            stop,
            deadline: Instant::now(),
            failure: None,
        }
    }

    /// Lets `store` ask the host for memory and time.
    pub(crate) fn govern(store: &mut Store<Self>) {
        store.limiter(|host| host);
        store.epoch_deadline_callback(|mut store| store.data_mut().on_tick());
    }

    /// A call begins.
    pub(crate) fn begin(&mut self) {
        self.deadline = Instant::now() + self.limits.call_max;
        self.failure = None;
    }

    /// Why the host stopped the call that failed, if it did.
    pub(crate) fn take_failure(&mut self) -> Option<SheafError> {
        self.failure.take()
    }

    /// What the instance's memories take.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Gives the query back what was reserved, for somebody who reserves it in the instance's place.
    pub(crate) fn hand_over_memory(&mut self) {
        self.reservation.free();
    }

    fn on_tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        let failure = if self.stop.is_cancelled() {
            SheafError::cancelled("the query was cancelled")
        } else if Instant::now() > self.deadline {
            SheafError::resource(format!(
                "one call took longer than {} seconds, and was stopped",
                self.limits.call_max.as_secs()
            ))
            .with_state(SqlState::EXTERNAL_ROUTINE)
            .with_hint("does it loop forever? if not, let it do less in a call")
        } else {
            return Ok(UpdateDeadline::Continue(1));
        };
        self.failure = Some(failure);
        Ok(UpdateDeadline::Interrupt)
    }
}

impl ResourceLimiter for Host {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let more = desired.saturating_sub(current);
        let total = self.memory_bytes.saturating_add(more);
        if total > self.limits.memory_bytes_max {
            let max = self.limits.memory_bytes_max;
            let failure = SheafError::new(
                ErrorKind::Resource,
                format!("it wants {total} bytes of memory, and an instance may have {max}"),
            );
            self.failure = Some(failure.with_state(SqlState::OUT_OF_MEMORY));
            return Ok(false);
        }
        if let Err(refusal) = self.reservation.try_grow(more) {
            self.failure = Some(refusal.into());
            return Ok(false);
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX && maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn instances(&self) -> usize {
        STORE_INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        STORE_TABLES_MAX
    }

    fn memories(&self) -> usize {
        STORE_MEMORIES_MAX
    }
}

/// What modules may import.
///
/// # Errors
/// None in fact: there is one name.
pub(crate) fn imports(engine: &Engine) -> Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    let (module, name) = ABORT;
    linker
        .func_wrap(
            module,
            name,
            |mut caller: Caller<'_, Host>, message: u32, file: u32, line: u32, column: u32| {
                let text = |caller: &mut Caller<'_, Host>, at| script_text(caller, at);
                let said = text(&mut caller, message).unwrap_or_else(|| "it aborted".to_owned());
                let place = text(&mut caller, file)
                    .map_or_else(String::new, |file| format!(" ({file}:{line}:{column})"));
                let failure = SheafError::data(format!("{said}{place}"))
                    .with_state(SqlState::EXTERNAL_ROUTINE);
                caller.data_mut().failure = Some(failure);
                Err::<(), _>(wasmtime::Error::msg("aborted"))
            },
        )
        .map_err(|error| SheafError::internal(format!("env.abort: {error}")))?;
    Ok(linker)
}

/// A text of AssemblyScript's: UTF-16, its length in bytes before it.
fn script_text(caller: &mut Caller<'_, Host>, at: u32) -> Option<String> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory)?;
    let memory = memory.data(&caller);
    let at = usize::try_from(at).ok()?;
    let bytes: [u8; 4] = memory.get(at.checked_sub(4)?..at)?.try_into().ok()?;
    let bytes = usize::try_from(u32::from_le_bytes(bytes)).ok()?;
    let bytes = bytes.min(2 * MESSAGE_CHARACTERS_MAX);
    let units = memory.get(at..at.checked_add(bytes)?)?.chunks_exact(2);
    let units = units.filter_map(|unit| Some(u16::from_le_bytes(unit.try_into().ok()?)));
    let text: String = char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    (!text.is_empty()).then_some(text)
}

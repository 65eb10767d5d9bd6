//! An instance of a module: its memory, calls into it, and what a call that ended badly means.

use std::sync::Arc;

use sheaf_base::error::SqlState;
use sheaf_base::{ErrorKind, Result, SheafError};
use sheaf_udf::CallContext;
use wasmtime::{
    Extern, InstancePre, Memory, Store, Trap, TypedFunc, WasmBacktrace, WasmParams, WasmResults,
};

use crate::columns::{Reader, Region, lie};
use crate::host::{Host, Limits};
use crate::machine::{Machine, Place};

/// Bytes of what a guest says of its failure.
const MESSAGE_BYTES_MAX: usize = 4000;
/// Calls that the detail of an error lists.
const FRAMES_MAX: usize = 8;
/// Characters of a name that a guest gives.
const NAME_CHARACTERS_MAX: usize = 100;
/// What room for arguments is a multiple of, so that it is seldom made anew.
const ROOM_BYTES: usize = 64 * 1024;

/// An instance. What it did wrong once it may have left in disorder: after an error it is thrown away.
pub(crate) struct Instance {
    machine: &'static Machine,
    store: Store<Host>,
    instance: wasmtime::Instance,
    memory: Option<Memory>,
    /// Where it is, for errors: its file, and the batch that it is at.
    at: String,
    /// What [`Instance::place`] has put its things into, for each use.
    rooms: [Room; 2],
    _place: Place,
}

/// A region of the guest's memory that it gave away.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Room {
    /// Where it begins.
    pub(crate) address: u32,
    /// What it has.
    pub(crate) bytes: usize,
}

/// What a region is for: each use has one, which is filled anew each time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Use {
    /// What a function is called with.
    Arguments = 0,
    /// What the rows of a table function go into, while what it was called with stays.
    Results = 1,
}

impl Instance {
    /// A new instance of `module`, for calls of the query `context`.
    ///
    /// # Errors
    /// `Data` if it does not start; `Resource` if the query has no memory for it.
    pub(crate) fn new(
        machine: &'static Machine,
        module: &InstancePre<Host>,
        file: &Arc<str>,
        limits: Limits,
        context: &CallContext,
    ) -> Result<Self> {
        let place = machine.place()?;
        let host = Host::new(
            context.reservation("WebAssembly"),
            limits,
            context.stop_token().clone(),
        );
        let mut store = Store::new(machine.engine(), host);
        Host::govern(&mut store);
        store.data_mut().begin();
        store.set_epoch_deadline(1);
        let ticking = machine.tick();
        let instance = module.instantiate(&mut store);
        drop(ticking);
        let instance = match instance {
            Ok(instance) => instance,
            Err(error) => return Err(placed(explain(&mut store, &error), file)),
        };
        let memory = instance.get_memory(&mut store, "memory");
        Ok(Self {
            machine,
            store,
            instance,
            memory,
            at: file.to_string(),
            rooms: Default::default(),
            _place: place,
        })
    }

    /// The module that calls into this one, in the same store.
    ///
    /// # Errors
    /// As [`Instance::new`].
    pub(crate) fn wrap(&mut self, module: &wasmtime::Module, function: &str) -> Result<()> {
        let imported = self.instance.get_export(&mut self.store, function);
        let imported = imported.ok_or_else(|| self.lacks(function))?;
        let instance = wasmtime::Instance::new(&mut self.store, module, &[imported]);
        self.instance =
            instance.map_err(|error| placed(explain(&mut self.store, &error), &self.at))?;
        self.memory = self.instance.get_memory(&mut self.store, "memory");
        Ok(())
    }

    /// The batch `number` of the query begins.
    pub(crate) fn begin_batch(&mut self, file: &str, number: u64) {
        self.at = format!("{file}, batch {number}");
    }

    /// The exported function `name`.
    ///
    /// # Errors
    /// `UserInput` if there is none that takes and gives this.
    pub(crate) fn function<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &str,
    ) -> Result<TypedFunc<P, R>> {
        match self.instance.get_export(&mut self.store, name) {
            Some(Extern::Func(function)) => function.typed(&self.store).map_err(|_| {
                let text =
                    format!("its export {name} takes or gives other values than ABI.md says");
                SheafError::user(text)
                    .with_state(SqlState::INVALID_FUNCTION_DEFINITION)
                    .with_context(&self.at)
            }),
            _ => Err(self.lacks(name)),
        }
    }

    /// The exported function `name`, if there is one.
    ///
    /// # Errors
    /// As [`Instance::function`] for one that is not as it should be.
    pub(crate) fn function_if_any<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &str,
    ) -> Result<Option<TypedFunc<P, R>>> {
        match self.instance.get_export(&mut self.store, name) {
            Some(_) => self.function(name).map(Some),
            None => Ok(None),
        }
    }

    /// Calls `function`.
    ///
    /// # Errors
    /// Whatever ended the call.
    pub(crate) fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        function: &TypedFunc<P, R>,
        parameters: P,
    ) -> Result<R> {
        let _ticking = self.machine.tick();
        self.store.data_mut().begin();
        self.store.set_epoch_deadline(1);
        let result = function.call(&mut self.store, parameters);
        result.map_err(|error| placed(explain(&mut self.store, &error), &self.at))
    }

    /// Calls `function`, which gives 0 or the address of what it says of its failure.
    ///
    /// # Errors
    /// What the guest says; whatever ended the call.
    pub(crate) fn run<P: WasmParams>(
        &mut self,
        function: &TypedFunc<P, u32>,
        parameters: P,
    ) -> Result<()> {
        let message = self.call(function, parameters)?;
        if message == 0 {
            return Ok(());
        }
        // A guest that was refused memory says so in its own words; ours say what to do.
        if let Some(failure) = self.store.data_mut().take_failure() {
            return Err(placed(failure, &self.at));
        }
        let message = self.reader().message(message, MESSAGE_BYTES_MAX);
        Err(SheafError::data(printable(&message, MESSAGE_BYTES_MAX))
            .with_state(SqlState::EXTERNAL_ROUTINE)
            .with_context(&self.at))
    }

    /// Puts what `write` writes into the region for `used_for`. What was there is gone then.
    ///
    /// # Errors
    /// Those of `write`; `Resource` or `Data` if the guest has no room for it.
    pub(crate) fn place<T>(
        &mut self,
        used_for: Use,
        write: impl Fn(&mut Region<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut measure = Region::measure();
        write(&mut measure)?;
        let bytes = measure.used();
        let mut room = self.rooms[used_for as usize];
        if room.bytes < bytes {
            self.rooms[used_for as usize] = Room::default();
            self.release(room)?;
            room = self.allocate(bytes.next_multiple_of(ROOM_BYTES))?;
            self.rooms[used_for as usize] = room;
        }
        write(&mut Region::fill(self.bytes_mut(room)?, room.address))
    }

    /// `bytes` of the guest's memory, for as long as the host wants.
    ///
    /// # Errors
    /// `Resource` if it has none; `Data` if it gives what it does not have.
    pub(crate) fn allocate(&mut self, bytes: usize) -> Result<Room> {
        let allocate = self.function::<u32, u32>("sheaf_alloc")?;
        let wanted = u32::try_from(bytes)
            .map_err(|_| SheafError::resource("more than a guest can address"))?;
        let address = self.call(&allocate, wanted)?;
        if address == 0 {
            let failure = self.store.data_mut().take_failure();
            let failure = failure.unwrap_or_else(|| {
                SheafError::resource(format!("it has no {bytes} bytes left"))
                    .with_state(SqlState::OUT_OF_MEMORY)
            });
            return Err(placed(failure, &self.at));
        }
        if !address.is_multiple_of(16) {
            let what = lie(format!(
                "sheaf_alloc gave address {address}, no multiple of 16"
            ));
            return Err(what.with_context(&self.at));
        }
        let room = Room { address, bytes };
        self.bytes_mut(room)?;
        Ok(room)
    }

    /// Gives `room` back to the guest.
    ///
    /// # Errors
    /// Whatever ended the call.
    pub(crate) fn release(&mut self, room: Room) -> Result<()> {
        if room.bytes == 0 {
            return Ok(());
        }
        let free = self.function::<(u32, u32), ()>("sheaf_free")?;
        let bytes = u32::try_from(room.bytes).unwrap_or(u32::MAX);
        self.call(&free, (room.address, bytes))
    }

    /// Copies what is in `from` to where `to` begins, which has at least as many bytes.
    ///
    /// # Errors
    /// `Data` if they are not in the guest's memory.
    pub(crate) fn copy(&mut self, from: Room, to: Room) -> Result<()> {
        self.bytes_mut(from)?;
        let to = Room {
            bytes: from.bytes,
            ..to
        };
        self.bytes_mut(to)?;
        let start = |room: Room| usize::try_from(room.address).unwrap_or(usize::MAX);
        if let Some(memory) = self.memory {
            let bytes = start(from)..start(from).saturating_add(from.bytes);
            memory
                .data_mut(&mut self.store)
                .copy_within(bytes, start(to));
        }
        Ok(())
    }

    /// The bytes of `room`.
    ///
    /// # Errors
    /// `Data` if they are not in the guest's memory.
    pub(crate) fn bytes_mut(&mut self, room: Room) -> Result<&mut [u8]> {
        let start = usize::try_from(room.address).unwrap_or(usize::MAX);
        let memory = match self.memory {
            Some(memory) => memory.data_mut(&mut self.store),
            None => &mut [],
        };
        let size = memory.len();
        memory
            .get_mut(start..start.saturating_add(room.bytes))
            .ok_or_else(|| {
                let (bytes, address) = (room.bytes, room.address);
                lie(format!(
                    "{bytes} bytes at address {address}, where its memory has {size}"
                ))
                .with_context(&self.at)
            })
    }

    /// What its memory holds now.
    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader(match self.memory {
            Some(memory) => memory.data(&self.store),
            None => &[],
        })
    }

    /// Reads its memory; what is wrong there is said to be in its file.
    ///
    /// # Errors
    /// Those of `read`.
    pub(crate) fn read<T>(&self, read: impl FnOnce(Reader<'_>) -> Result<T>) -> Result<T> {
        read(self.reader()).map_err(|error| error.with_context(&self.at))
    }

    /// What it takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.store.data().memory_bytes()
    }

    /// Lets the caller reserve what the instance takes in its place.
    pub(crate) fn hand_over_memory(&mut self) {
        self.store.data_mut().hand_over_memory();
    }

    /// The number in the exported global `name`.
    pub(crate) fn global(&mut self, name: &str) -> Option<u32> {
        let global = self.instance.get_global(&mut self.store, name)?;
        let value = global.get(&mut self.store).i32()?;
        Some(value.cast_unsigned())
    }

    fn lacks(&self, name: &str) -> SheafError {
        SheafError::user(format!("it exports no function {name}"))
            .with_state(SqlState::INVALID_FUNCTION_DEFINITION)
            .with_context(&self.at)
    }
}

/// `error`, which happened at `place`; that a query was cancelled happened nowhere.
fn placed(error: SheafError, place: &str) -> SheafError {
    match error.kind() {
        ErrorKind::Cancelled => error,
        _ => error.with_context(place),
    }
}

/// What a call that ended with `error` means.
fn explain(store: &mut Store<Host>, error: &wasmtime::Error) -> SheafError {
    if let Some(failure) = store.data_mut().take_failure() {
        return failure;
    }
    let Some(trap) = error.downcast_ref::<Trap>() else {
        let text = printable(&format!("{error:#}"), MESSAGE_BYTES_MAX);
        return SheafError::data(text).with_state(SqlState::EXTERNAL_ROUTINE);
    };
    let failure = SheafError::data(format!("the code trapped: {}", meaning(*trap)))
        .with_state(SqlState::EXTERNAL_ROUTINE);
    let frames = error.downcast_ref::<WasmBacktrace>();
    let names: Vec<String> = frames
        .map_or(&[][..], WasmBacktrace::frames)
        .iter()
        .take(FRAMES_MAX)
        .filter_map(|frame| frame.func_name())
        .map(|name| printable(name, NAME_CHARACTERS_MAX))
        .collect();
    match names.is_empty() {
        true => failure,
        false => failure.with_detail(format!("in {}", names.join(", called by "))),
    }
}

fn meaning(trap: Trap) -> String {
    match trap {
        Trap::UnreachableCodeReached => {
            "it came to an instruction that says so (unreachable)".into()
        }
        Trap::StackOverflow => "its calls are nested too deeply".into(),
        Trap::MemoryOutOfBounds => "it reached outside of its memory".into(),
        Trap::IntegerDivisionByZero => "division of an integer by zero".into(),
        Trap::IntegerOverflow => "an integer overflowed".into(),
        other => other.to_string(),
    }
}

/// `text` of a guest's as it can be shown: no control characters, not too long.
fn printable(text: &str, characters_max: usize) -> String {
    text.chars()
        .take(characters_max)
        .map(
            |character| match character.is_control() && character != '\n' {
                true => char::REPLACEMENT_CHARACTER,
                false => character,
            },
        )
        .collect()
}

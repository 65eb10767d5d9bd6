//! The modes in which every SQL test runs: the same statements must give the same rows in all.

use std::sync::Arc;

use sheaf::{Result, Session};

use crate::language::{self, TestLanguage};

/// The door through which a mode's statements go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// A session in this process.
    Process,
    /// The Postgres wire, whose simple protocol sends text.
    Simple,
    /// The Postgres wire, whose extended protocol sends binary values, and both forms side by side.
    Extended,
}

/// One way of running a test file.
#[derive(Debug, Clone, Copy)]
pub struct Mode {
    /// The label for `onlyif` and `skipif`, shown in brackets behind the file's name.
    pub name: &'static str,
    /// Settings of each session, as `(name, value)`.
    pub settings: &'static [(&'static str, &'static str)],
    /// How statements reach the session.
    pub door: Door,
}

/// Every mode, in the order in which they are run.
pub static MODES: &[Mode] = &[
    Mode {
        name: "one",
        settings: &[("threads", "1")],
        door: Door::Process,
    },
    Mode {
        name: "four",
        settings: &[("threads", "4")],
        door: Door::Process,
    },
    Mode {
        name: "tiny",
        settings: &[("threads", "4"), ("memory_limit", "32MB")],
        door: Door::Process,
    },
    Mode {
        name: "wire",
        settings: &[("threads", "4")],
        door: Door::Simple,
    },
    Mode {
        name: "wire_extended",
        settings: &[("threads", "4")],
        door: Door::Extended,
    },
];

/// The label of both modes over the wire.
const WIRE_LABEL: &str = "wire";

impl Mode {
    /// A fresh session with the mode's settings, deaf to the environment and to settings files, but for the
    /// interpreter of functions in Python.
    ///
    /// # Errors
    /// Whatever the session's builder refuses.
    pub fn session(&self) -> Result<Session> {
        let language = Arc::new(TestLanguage);
        let mut builder = Session::builder().language(language::NAME, language);
        for (name, value) in self.settings {
            builder = builder.setting(name, value)?;
        }
        builder
            .setting("python_executable", &interpreter())?
            .build()
    }

    /// What holds in `onlyif` and not in `skipif`: its name, and `wire` for both modes over the wire.
    pub fn labels(&self) -> impl Iterator<Item = &'static str> {
        let is_wire = self.door != Door::Process;
        [Some(self.name), is_wire.then_some(WIRE_LABEL)]
            .into_iter()
            .flatten()
    }
}

/// An interpreter with pyarrow: that of SHEAF_PYTHON_EXECUTABLE, else the one that `cargo xtask test` has
/// made in the target directory, else `python3`.
fn interpreter() -> String {
    if let Some(given) = std::env::var_os("SHEAF_PYTHON_EXECUTABLE") {
        return given.to_string_lossy().into_owned();
    }
    let program = std::env::current_exe().unwrap_or_default();
    let made = program
        .ancestors()
        .nth(3)
        .map(|target| target.join("python/functions/bin/python"))
        .filter(|python| python.exists());
    made.map_or_else(
        || "python3".to_owned(),
        |python| python.display().to_string(),
    )
}

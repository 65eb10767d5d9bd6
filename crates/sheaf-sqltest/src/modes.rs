//! The modes in which every SQL test runs: the same statements must give the same rows in all.

use sheaf::{Result, Session};

/// One way of running a test file.
#[derive(Debug, Clone, Copy)]
pub struct Mode {
    /// The label for `onlyif` and `skipif`, shown in brackets behind the file's name.
    pub name: &'static str,
    /// Settings of each session, as `(name, value)`.
    pub settings: &'static [(&'static str, &'static str)],
}

/// Every mode, in the order in which they are run.
pub static MODES: &[Mode] = &[
    Mode {
        name: "one",
        settings: &[("threads", "1")],
    },
    Mode {
        name: "four",
        settings: &[("threads", "4")],
    },
    Mode {
        name: "tiny",
        settings: &[("threads", "4"), ("memory_limit", "32MB")],
    },
];

impl Mode {
    /// A fresh session with the mode's settings, deaf to the environment and to settings files.
    ///
    /// # Errors
    /// Whatever the session's builder refuses.
    pub fn session(&self) -> Result<Session> {
        let mut builder = Session::builder();
        for (name, value) in self.settings {
            builder = builder.setting(name, value)?;
        }
        builder.build()
    }
}

//! Ctrl-C: a thread of its own listens for SIGINT and tells whoever runs a statement.
//!
//! It is a thread, and not a task of the front's runtime, since that runtime may be blocked writing
//! to a terminal or pipe just when the user presses the keys. In a script the first Ctrl-C cancels
//! the statement; if the program has not ended [`GRACE`] later, or at a second Ctrl-C, the process
//! exits with 130. At the prompt Ctrl-C never ends the process.

use std::time::Duration;

use sheaf::{Result, SheafError};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// What a shell expects of a program that SIGINT ended: 128 + 2.
pub(crate) const EXIT_CODE: u8 = 130;

/// Time that a cancelled script gets to clean up.
const GRACE: Duration = Duration::from_secs(5);

/// A count of the Ctrl-C seen so far, which can be waited on.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt {
    count: watch::Receiver<u64>,
}

impl Interrupt {
    /// Starts to listen. `exits`: whether Ctrl-C is to end the process in the end.
    ///
    /// # Errors
    /// `Data` if the system refuses the thread or the signal handler.
    pub(crate) fn listen(exits: bool) -> Result<Self> {
        let (sender, count) = watch::channel(0);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut interrupts = {
            let _entered = runtime.enter();
            signal(SignalKind::interrupt())?
        };
        std::thread::Builder::new()
            .name("sheaf-interrupt".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    while interrupts.recv().await.is_some() {
                        sender.send_modify(|count| *count += 1);
                        if exits {
                            let _ = tokio::time::timeout(GRACE, interrupts.recv()).await;
                            std::process::exit(i32::from(EXIT_CODE));
                        }
                    }
                });
            })?;
        Ok(Self { count })
    }

    /// Forgets what was pressed before now.
    pub(crate) fn reset(&mut self) {
        self.count.mark_unchanged();
    }

    /// Whether Ctrl-C was pressed since the last [`Self::reset`].
    pub(crate) fn is_raised(&self) -> bool {
        self.count.has_changed().unwrap_or(false)
    }

    /// Waits until Ctrl-C is pressed; at once if it was since the last [`Self::reset`].
    pub(crate) async fn raised(&mut self) {
        if self.count.changed().await.is_ok() {
            self.count.mark_changed(); // stays raised until somebody resets it
        } else {
            std::future::pending::<()>().await; // the listener is gone: nothing can be pressed
        }
    }

    /// The error of a statement that Ctrl-C ended.
    pub(crate) fn error() -> SheafError {
        SheafError::cancelled("cancelled by Ctrl-C")
    }
}

//! Signals: Ctrl-C cancels a statement, SIGTERM and SIGHUP end the process.
//!
//! A thread of its own listens and tells whoever runs a statement. It is a thread, and not a task
//! of the front's runtime, since that runtime may be blocked writing to a terminal or pipe just when
//! the user presses the keys.
//!
//! | signal | in a script | at the prompt |
//! |---|---|---|
//! | SIGINT (Ctrl-C) | ends the process, with 130 | cancels the statement, clears the line |
//! | SIGTERM, SIGHUP | ends the process, with 143 or 129 | the same |
//!
//! To end, a process cancels its statement and cleans up. If it has not ended [`GRACE`] later, or
//! when the signal comes once more, it exits at once. All three have to be handled, since the system
//! keeps from the first process of a container whatever it does not handle. A SIGHUP that the process
//! was started to ignore (`nohup`) stays ignored.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use sheaf::{Result, SheafError};
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Time that a process gets to clean up when it is told to end; `docker stop` waits ten seconds.
const GRACE: Duration = Duration::from_secs(5);
/// Time between two attempts to wake the line editor.
const WAKE_INTERVAL: Duration = Duration::from_millis(50);

/// A signal that is listened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGINT, which Ctrl-C sends.
    Interrupt,
    /// SIGTERM, which supervisors send.
    Terminate,
    /// SIGHUP: the terminal has gone.
    HangUp,
}

impl Signal {
    const ALL: [Self; 3] = [Self::Interrupt, Self::Terminate, Self::HangUp];

    fn kind(self) -> SignalKind {
        match self {
            Self::Interrupt => SignalKind::interrupt(),
            Self::Terminate => SignalKind::terminate(),
            Self::HangUp => SignalKind::hangup(),
        }
    }

    /// What a shell expects of a program that the signal ended: 128 and the signal's number.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
            Self::HangUp => 129,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "Ctrl-C",
            Self::Terminate => "SIGTERM",
            Self::HangUp => "SIGHUP",
        }
    }
}

/// What has been heard so far.
#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    signals: u64,
    /// The signal that ends the process, if there was one.
    ending: Option<Signal>,
}

/// What has been heard, which can be waited on.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt {
    heard: watch::Receiver<Heard>,
}

impl Interrupt {
    /// Starts to listen. `has_prompt`: Ctrl-C does not end the process.
    ///
    /// # Errors
    /// `Data` if the system refuses the thread or the signal handlers.
    pub(crate) fn listen(has_prompt: bool) -> Result<Self> {
        let (sender, heard) = watch::channel(Heard::default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut signals = {
            let _entered = runtime.enter();
            Signals::listen()?
        };
        std::thread::Builder::new()
            .name("sheaf-interrupt".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    loop {
                        let signal = signals.next().await;
                        let ends = !has_prompt || signal != Signal::Interrupt;
                        sender.send_modify(|heard| {
                            heard.signals += 1;
                            heard.ending = heard.ending.or(ends.then_some(signal));
                        });
                        if ends {
                            await_end(signal, &mut signals, has_prompt).await;
                            std::process::exit(i32::from(signal.exit_code()));
                        }
                    }
                });
            })?;
        Ok(Self { heard })
    }

    /// Forgets what was pressed before now; a signal that ends the process is not forgotten.
    pub(crate) fn reset(&mut self) {
        self.heard.mark_unchanged();
    }

    /// The signal that ends the process, if there was one.
    pub(crate) fn ending(&self) -> Option<Signal> {
        self.heard.borrow().ending
    }

    /// What was heard since the last [`Self::reset`], if anything.
    pub(crate) fn raised(&self) -> Option<Signal> {
        let is_new = self.heard.has_changed().unwrap_or(false);
        self.ending().or(is_new.then_some(Signal::Interrupt))
    }

    /// Waits for a signal; returns at once if there was one since the last [`Self::reset`].
    pub(crate) async fn wait(&mut self) {
        if self.raised().is_some() {
            return;
        }
        if self.heard.changed().await.is_ok() {
            self.heard.mark_changed(); // stays raised until somebody resets it
        } else {
            std::future::pending::<()>().await; // the listener is gone: nothing can be heard
        }
    }

    /// The error of a statement that a signal ended.
    pub(crate) fn error(&self) -> SheafError {
        let signal = self.raised().unwrap_or(Signal::Interrupt);
        SheafError::cancelled(format!("cancelled by {}", signal.name()))
    }
}

/// Returns when the process has had its time to end, or `signal` comes once more.
async fn await_end(signal: Signal, signals: &mut Signals, has_prompt: bool) {
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline {
        let mut step_end = deadline;
        if has_prompt {
            wake_line_editor();
            step_end = deadline.min(Instant::now() + WAKE_INTERVAL);
        }
        // What wakes the editor may come back here, as an Interrupt.
        if timeout_at(step_end, signals.next()).await == Ok(signal) {
            return;
        }
    }
}

/// Makes the line editor return, so that it gives back the terminal as it found it: SIGINT ends its
/// reading. At other times the signal does nothing. It is sent to the process, not to this thread,
/// since it has to interrupt the thread that reads: the first one, which is the one that gets it.
fn wake_line_editor() {
    #[expect(unsafe_code, reason = "the system's interface is in C")]
    // SAFETY: takes numbers and touches no memory; whether ours or the editor's, a handler of
    // SIGINT has been there since before the thread began that calls this.
    unsafe {
        libc::kill(libc::getpid(), libc::SIGINT);
    }
}

/// The signals listened for.
struct Signals(Vec<(Signal, unix::Signal)>);

impl Signals {
    fn listen() -> Result<Self> {
        let mut signals = vec![];
        for signal in Signal::ALL {
            if signal == Signal::HangUp && is_ignored(signal.kind()) {
                continue;
            }
            signals.push((signal, unix::signal(signal.kind())?));
        }
        Ok(Self(signals))
    }

    async fn next(&mut self) -> Signal {
        poll_fn(|context| {
            self.0
                .iter_mut()
                .find_map(|(signal, stream)| {
                    stream.poll_recv(context).is_ready().then_some(*signal)
                })
                .map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// Whether the process was started with the signal ignored.
fn is_ignored(kind: SignalKind) -> bool {
    #[expect(unsafe_code, reason = "the system's interface is in C")]
    // SAFETY: all zeros are a value of the structure; without a new action the call changes
    // nothing but the structure it is given.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(kind.as_raw_value(), std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

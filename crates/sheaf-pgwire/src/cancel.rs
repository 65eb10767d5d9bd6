//! Cancel requests: they come on a connection of their own and name another one by its number and
//! secret.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use ring::rand::{SecureRandom, SystemRandom};
use sheaf::{Result, SheafError};
use tokio_util::sync::CancellationToken;

/// The connections that can be asked to cancel, by their numbers.
#[derive(Default)]
pub(crate) struct Cancels {
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    last: i32,
    by_process: HashMap<i32, (i32, Arc<Running>)>,
}

/// The statement that a connection runs, if it runs one.
#[derive(Default)]
pub(crate) struct Running {
    stop: Mutex<Option<CancellationToken>>,
    /// The connection is to end.
    pub(crate) ended: CancellationToken,
}

/// A connection's entry; it leaves with this.
pub(crate) struct CancelKey {
    pub(crate) process: i32,
    pub(crate) secret: i32,
    pub(crate) running: Arc<Running>,
    cancels: Arc<Cancels>,
}

impl Running {
    /// A statement begins: what stops it until the next one does.
    pub(crate) fn begin(&self) -> CancellationToken {
        let token = CancellationToken::new();
        *self.stop.lock() = Some(token.clone());
        token
    }

    /// The statement has ended: a request that comes now is too late.
    pub(crate) fn end(&self) {
        *self.stop.lock() = None;
    }

    fn cancel(&self) {
        if let Some(stop) = &*self.stop.lock() {
            stop.cancel();
        }
    }
}

impl Cancels {
    /// Gives a connection a number and a secret.
    ///
    /// # Errors
    /// `Resource` if the system has no random numbers.
    pub(crate) fn register(self: &Arc<Self>) -> Result<CancelKey> {
        let mut secret = [0; 4];
        SystemRandom::new()
            .fill(&mut secret)
            .map_err(|_| SheafError::resource("the system gives no random numbers"))?;
        let secret = i32::from_be_bytes(secret);
        let running = Arc::new(Running::default());
        let mut keys = self.keys.lock();
        let process = loop {
            keys.last = keys.last.checked_add(1).unwrap_or(1);
            if !keys.by_process.contains_key(&keys.last) {
                break keys.last;
            }
        };
        keys.by_process
            .insert(process, (secret, Arc::clone(&running)));
        Ok(CancelKey {
            process,
            secret,
            running,
            cancels: Arc::clone(self),
        })
    }

    /// Cancels what connection `process` runs, and ends it if that is wanted; says whether there is
    /// one. Who may ask is decided before.
    pub(crate) fn stop(&self, process: i32, ends: bool) -> bool {
        let keys = self.keys.lock();
        let Some((_, running)) = keys.by_process.get(&process) else {
            return false;
        };
        if ends {
            running.ended.cancel();
        }
        running.cancel();
        true
    }

    /// Cancels what connection `process` runs, if the secret is right. Nobody is told whether it was.
    pub(crate) fn cancel(&self, process: i32, secret: i32) {
        let running = match self.keys.lock().by_process.get(&process) {
            Some((known, running)) if *known == secret => Arc::clone(running),
            _ => return,
        };
        running.cancel();
    }
}

impl std::fmt::Debug for Cancels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cancels")
    }
}

impl Drop for CancelKey {
    fn drop(&mut self) {
        self.cancels.keys.lock().by_process.remove(&self.process);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_secret_cancels_and_only_what_runs() {
        let cancels = Arc::new(Cancels::default());
        let key = cancels.register().unwrap();
        cancels.cancel(key.process, key.secret);
        let stop = key.running.begin();
        assert!(!stop.is_cancelled(), "it came before the statement");
        cancels.cancel(key.process, key.secret.wrapping_add(1));
        assert!(!stop.is_cancelled());
        cancels.cancel(key.process, key.secret);
        assert!(stop.is_cancelled());
        drop(key);
        assert!(cancels.keys.lock().by_process.is_empty());
    }
}

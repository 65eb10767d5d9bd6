//! Waiting times for those who guess passwords: each failure doubles the wait of its address, and of
//! its user from that address, up to [`WAIT_MAX`]; each minute without one forgets one.
//!
//! A user's name alone gets no wait, or anybody could lock a user out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The wait after a first failure.
const WAIT_MIN: Duration = Duration::from_millis(100);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Doublings that matter: 100 ms × 2⁶ is over the longest wait.
const FAILURES_MAX: u32 = 6;
/// Time in which one failure is forgotten.
const FORGET: Duration = Duration::from_secs(60);
/// Addresses and users that are remembered; beyond that those go that have failed the least, of these
/// the ones of longest ago: who has to wait long cannot make itself forgotten with other names.
const ENTRIES_MAX: usize = 10_000;
/// How many of them go at a time.
const EVICTED: usize = ENTRIES_MAX / 10;

/// An address and perhaps a user; a Unix socket has no address.
type Key = (Option<IpAddr>, Option<String>);

/// Who has failed how often.
#[derive(Default)]
pub(crate) struct Backoff {
    failures: Mutex<HashMap<Key, (u32, Instant)>>,
}

impl Backoff {
    /// How long an attempt has to wait before it is answered.
    pub(crate) fn wait(&self, address: Option<IpAddr>, user: &str) -> Duration {
        let now = Instant::now();
        let failures = self.failures.lock();
        let count = keys(address, user)
            .iter()
            .filter_map(|key| failures.get(key))
            .map(|(count, last)| remaining(*count, *last, now))
            .max()
            .unwrap_or(0);
        wait_after(count)
    }

    /// An attempt has failed.
    pub(crate) fn failed(&self, address: Option<IpAddr>, user: &str) {
        let now = Instant::now();
        let mut failures = self.failures.lock();
        if failures.len() + 2 > ENTRIES_MAX {
            failures.retain(|_, (count, last)| remaining(*count, *last, now) > 0);
        }
        if failures.len() + 2 > ENTRIES_MAX {
            evict(&mut failures, now);
        }
        for key in keys(address, user) {
            let entry = failures.entry(key).or_insert((0, now));
            let count = remaining(entry.0, entry.1, now) + 1;
            *entry = (count.min(FAILURES_MAX), now);
        }
    }

    /// The user got in: what it failed before is forgotten.
    pub(crate) fn succeeded(&self, address: Option<IpAddr>, user: &str) {
        self.failures
            .lock()
            .remove(&(address, Some(user.to_owned())));
    }
}

fn evict(failures: &mut HashMap<Key, (u32, Instant)>, now: Instant) {
    let rank = |(count, last): &(u32, Instant)| (remaining(*count, *last, now), *last);
    let mut ranks: Vec<_> = failures.values().map(rank).collect();
    let (_, limit, _) = ranks.select_nth_unstable(EVICTED.min(failures.len() - 1));
    let limit = *limit;
    failures.retain(|_, entry| rank(entry) > limit);
}

fn keys(address: Option<IpAddr>, user: &str) -> [Key; 2] {
    [(address, None), (address, Some(user.to_owned()))]
}

fn remaining(count: u32, last: Instant, now: Instant) -> u32 {
    let minutes = now.saturating_duration_since(last).as_secs() / FORGET.as_secs();
    count.saturating_sub(u32::try_from(minutes).unwrap_or(u32::MAX))
}

fn wait_after(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        n => (WAIT_MIN * 2_u32.pow(n.min(FAILURES_MAX) - 1)).min(WAIT_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end_with_success() {
        let backoff = Backoff::default();
        let here = Some(IpAddr::from([127, 0, 0, 1]));
        assert_eq!(backoff.wait(here, "ann"), Duration::ZERO);
        backoff.failed(here, "ann");
        backoff.failed(here, "ann");
        assert_eq!(backoff.wait(here, "ann"), Duration::from_millis(200));
        assert_eq!(
            backoff.wait(here, "bob"),
            Duration::from_millis(200),
            "same address"
        );
        assert_eq!(backoff.wait(None, "ann"), Duration::ZERO, "another address");
        (0..50).for_each(|_| backoff.failed(here, "ann"));
        assert_eq!(backoff.wait(here, "ann"), Duration::from_millis(3200));
        let long_ago = Instant::now();
        let later = long_ago + FORGET * 5;
        assert_eq!(remaining(6, long_ago, later), 1);
        backoff.succeeded(here, "ann");
        assert!(backoff.failures.lock().len() == 1);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let backoff = Backoff::default();
        for n in 0..ENTRIES_MAX {
            backoff.failed(None, &n.to_string());
        }
        assert!(backoff.failures.lock().len() <= ENTRIES_MAX);
        // Whoever has failed often is remembered through any number of others.
        let guesser = Some(IpAddr::from([192, 0, 2, 1]));
        (0..6).for_each(|_| backoff.failed(guesser, "ann"));
        for n in 0..2 * ENTRIES_MAX {
            backoff.failed(guesser, &n.to_string());
        }
        let elsewhere = Some(IpAddr::from([192, 0, 2, 2]));
        for n in 0..2 * ENTRIES_MAX {
            backoff.failed(elsewhere, &n.to_string());
        }
        assert_eq!(backoff.wait(guesser, "ann"), Duration::from_millis(3200));
        let key = (guesser, Some("ann".to_owned()));
        assert!(backoff.failures.lock().contains_key(&key));
    }
}

//! Readers on files that nobody would write: pieces of good files, cut, doubled and strewn with what
//! formats stumble over.
//!
//! Each reader gets the same file in several ways: whole, in pieces of [`PIECE`], compressed. It must
//! end in time, without a panic and without an error that is Sheaf's own fault; and however the file is
//! cut or compressed, the rows are the same or it is an error each time.
//!
//! `cargo test` runs a few hundred files that are the same each time; `cargo xtask fuzz --minutes 10`
//! goes on with others. A file that fails is kept, and the seed by which it is made again is told.

mod mutate;
mod random;
mod readers;

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use libtest_mimic::{Arguments, Failed, Trial};

use mutate::mutated;
use random::Random;
use readers::{READERS, Reader, Sessions};

/// Files of each reader in a run of the tests.
const FILES: u64 = 60;

/// Seconds in all, in place of a number of files; set by `cargo xtask fuzz`.
const SECONDS: &str = "SHEAF_FUZZ_SECONDS";

/// One seed to run again.
const SEED: &str = "SHEAF_FUZZ_SEED";

/// Bytes of a piece, the fewest that the setting takes.
const PIECE: &str = "1024B";

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(2);
    let plan = Plan::new();
    let trials = READERS.iter().map(|reader| {
        Trial::test(format!("fuzz/{}", reader.name), move || {
            fuzz(reader, plan).map_err(Failed::from)
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Which files a reader gets.
#[derive(Debug, Clone, Copy)]
enum Plan {
    /// Those of so many seeds from 0.
    Fixed,
    /// Those of other seeds, for so long.
    Time(Duration),
    /// That of one seed.
    One(u64),
}

impl Plan {
    #[expect(
        clippy::disallowed_methods,
        reason = "no setting of Sheaf's: cargo xtask fuzz tells its test so"
    )]
    fn new() -> Self {
        let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        if let Some(seed) = number(SEED) {
            return Self::One(seed);
        }
        match number(SECONDS) {
            // Two readers at a time.
            Some(seconds) => {
                let each =
                    Duration::from_secs(seconds) * 2 / u32::try_from(READERS.len()).unwrap_or(1);
                Self::Time(each)
            }
            None => Self::Fixed,
        }
    }
}

fn fuzz(reader: &Reader, plan: Plan) -> Result<(), String> {
    let sessions = Sessions::new()?;
    let start = Instant::now();
    let first = match plan {
        Plan::Fixed => 0,
        Plan::One(seed) => seed,
        Plan::Time(_) => {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            u64::try_from(now.map_err(|e| e.to_string())?.as_nanos() >> 10).unwrap_or_default()
        }
    };
    for seed in first.. {
        let is_over = match plan {
            Plan::Fixed => seed >= FILES,
            Plan::One(_) => seed > first,
            Plan::Time(most) => start.elapsed() > most,
        };
        if is_over {
            break;
        }
        let mut random = Random::new(seed);
        let bytes = mutated(reader.seeds, &mut random);
        sessions.check(reader, seed, &bytes)?;
    }
    Ok(())
}

//! Whether what operators say they hold is what they hold.
//!
//! Each plan runs under a limit on data larger than it. A thread looks many times a millisecond at
//! the bytes that are allocated and at the bytes that are accounted for, and keeps the largest
//! difference either way. It must stay under [`DIFFERENCE_PERCENT_MAX`] of the limit: bytes nobody
//! accounts for make a process outgrow its memory, bytes accounted for and not held make operators
//! spill for nothing.
//!
//! A thread that the system stops between a reservation and what it is for makes a difference in one
//! run; wrong books are wrong in most. A plan over its figure runs [`MORE_RUNS`] times more, and must be
//! within it in all of those but one.

mod allocator;
mod data;
mod plans;
mod watch;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use sheaf::{Result, Session};
use tempfile::TempDir;

use allocator::Counting;
use plans::{PLANS, Plan};
use watch::Watch;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The limit of each plan.
const MEMORY_LIMIT_BYTES: usize = 128_000_000;

/// How much of the limit allocated and accounted bytes may differ by, where a plan has no figure of
/// its own.
const DIFFERENCE_PERCENT_MAX: usize = 15;

/// Further runs of a plan that was over its figure.
const MORE_RUNS: usize = 3;

fn main() -> Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    // Allocations are the process's: one plan at a time.
    arguments.test_threads = Some(1);
    let data = Arc::new(data::write()?);
    let trials = PLANS.iter().map(|plan| {
        let data = Arc::clone(&data);
        Trial::test(plan.name, move || check(plan, &data))
    });
    Ok(libtest_mimic::run(&arguments, trials.collect()).exit_code())
}

/// Fails if the books of `plan` are wrong, and not in one run alone.
fn check(plan: &Plan, data: &TempDir) -> std::result::Result<(), Failed> {
    if is_right(plan, data)? {
        return Ok(());
    }
    let mut wrong = 0;
    for _ in 0..MORE_RUNS {
        wrong += usize::from(!is_right(plan, data)?);
    }
    match wrong {
        0 | 1 => Ok(()),
        _ => Err(Failed::from(format!(
            "wrong in {wrong} of {MORE_RUNS} more runs"
        ))),
    }
}

/// Runs `plan`, tells its figures, and whether they are within theirs.
#[expect(clippy::print_stdout, reason = "the figures are what one looks for")]
fn is_right(plan: &Plan, data: &TempDir) -> std::result::Result<bool, Failed> {
    let watch = run(plan, data).map_err(|error| Failed::from(format!("{error:?}")))?;
    let percent = |bytes: usize| bytes * 100 / MEMORY_LIMIT_BYTES;
    let (missing, idle) = (percent(watch.missing_bytes), percent(watch.idle_bytes));
    println!(
        "{:<18} not accounted {missing:>3} %, not held {idle:>3} %, allocated at most {:>4} MB, \
         accounted {:>4} MB",
        plan.name,
        watch.allocated_peak_bytes / 1_000_000,
        watch.accounted_peak_bytes / 1_000_000
    );
    let missing_max = plan.missing_percent_max.unwrap_or(DIFFERENCE_PERCENT_MAX);
    let idle_max = plan.idle_percent_max.unwrap_or(DIFFERENCE_PERCENT_MAX);
    if idle > idle_max {
        println!("it was held by {:?}", watch.idle_holders);
    }
    Ok(missing <= missing_max && idle <= idle_max)
}

fn run(plan: &Plan, data: &TempDir) -> Result<watch::Differences> {
    sheaf::block_on(async {
        let session = Session::builder()
            .setting("memory_limit", &format!("{MEMORY_LIMIT_BYTES}B"))?
            .setting("threads", "2")?
            .build()?;
        session.sql(&data::views(data)).await?.drain().await?;
        let folder = TempDir::new()?;
        let text = plan
            .sql
            .replace("{folder}", &folder.path().display().to_string());
        let watch = Watch::start(Arc::clone(session.engine()));
        session.sql(&text).await?.drain().await?;
        Ok(watch.stop())
    })
}

//! Whether what operators say they hold is what they hold.
//!
//! Each plan runs under a limit on data larger than it. A thread looks many times a millisecond at
//! the bytes that are allocated and at the bytes that are accounted for, and keeps the largest
//! difference either way. It must stay under [`DIFFERENCE_PERCENT_MAX`] of the limit: bytes nobody
//! accounts for make a process outgrow its memory, bytes accounted for and not held make operators
//! spill for nothing.
//!
//! Wrong books are wrong in every run. A thread that the system stops between a reservation and what
//! it is for makes a difference in one: a plan over its figure runs again, [`RUNS_MAX`] times at most.

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

/// How often a plan may run until its books are right.
const RUNS_MAX: usize = 4;

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

/// Fails if the books of `plan` are wrong in each of its runs.
#[expect(clippy::print_stdout, reason = "the figures are what one looks for")]
fn check(plan: &Plan, data: &TempDir) -> std::result::Result<(), Failed> {
    let missing_max = plan.missing_percent_max.unwrap_or(DIFFERENCE_PERCENT_MAX);
    let idle_max = plan.idle_percent_max.unwrap_or(DIFFERENCE_PERCENT_MAX);
    let percent = |bytes: usize| bytes * 100 / MEMORY_LIMIT_BYTES;
    let mut told = String::new();
    for _ in 0..RUNS_MAX {
        let watch = run(plan, data).map_err(|error| Failed::from(format!("{error:?}")))?;
        let (missing, idle) = (percent(watch.missing_bytes), percent(watch.idle_bytes));
        told = format!(
            "{:<18} not accounted {missing:>3} %, not held {idle:>3} %, allocated at most {:>4} MB, \
             accounted {:>4} MB",
            plan.name,
            watch.allocated_peak_bytes / 1_000_000,
            watch.accounted_peak_bytes / 1_000_000
        );
        println!("{told}");
        if missing <= missing_max && idle <= idle_max {
            return Ok(());
        }
    }
    Err(Failed::from(told))
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

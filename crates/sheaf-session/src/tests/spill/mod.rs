//! Queries that spill, on a disk that fails, is full, damages what it is given, or stands still;
//! and cancelled at each step. Whatever happens, the query ends with that error or with the right
//! rows, and nothing stays: no file, no memory.

mod disk;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use datafusion::execution::TaskContext;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::ExecutionPlan;
use futures::TryStreamExt;
use sheaf_base::error::SqlState;
use sheaf_base::{ByteCount, ErrorKind, SheafError};
use sheaf_runtime::{Query, QueryLimits};
use sheaf_sql::StatementKind;

use self::disk::{FaultyDisk, Kind};
use super::block_on;
use crate::Session;

/// Rows of each input.
const ROWS: i64 = 15_000;

/// Rows of its batches.
const BATCH_ROWS: i64 = 100;

/// What waits for threads of the engine gives up after this.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The first column of the answer is 0, 1, …, rows - 1 in some order, each `copies` times.
struct Case {
    name: &'static str,
    sql: &'static str,
    rows: i64,
    copies: i64,
    threads: usize,
    memory: ByteCount,
}

/// Numbers, and for each a text of its own that does not compress: odd factors permute the numbers
/// of 64 bits.
fn input() -> Vec<RecordBatch> {
    let text = |n: i64| {
        let bits = n.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        format!("{:016x}{:016x}", bits ^ (bits >> 29), bits.rotate_left(31))
    };
    (0..ROWS / BATCH_ROWS)
        .map(|batch| {
            let numbers = batch * BATCH_ROWS..(batch + 1) * BATCH_ROWS;
            let texts = StringArray::from_iter_values(numbers.clone().map(text));
            let numbers = Int64Array::from_iter_values(numbers);
            let columns = [("n", Arc::new(numbers) as ArrayRef), ("m", Arc::new(texts))];
            RecordBatch::try_from_iter(columns).unwrap()
        })
        .collect()
}

const CASES: &[Case] = &[
    Case {
        name: "sort",
        sql: "SELECT n, m FROM r ORDER BY m, n",
        rows: ROWS,
        copies: 1,
        threads: 1,
        memory: ByteCount(1_000_000),
    },
    Case {
        name: "join",
        sql: "SELECT a.n, b.m FROM r a JOIN r b ON a.m = b.m",
        rows: ROWS,
        copies: 1,
        threads: 2,
        memory: ByteCount(400_000),
    },
    Case {
        name: "aggregate",
        sql: "SELECT max(n), m FROM r GROUP BY m",
        rows: ROWS,
        copies: 1,
        threads: 2,
        memory: ByteCount(400_000),
    },
    Case {
        name: "window",
        sql: "SELECT n, m, count(*) OVER () FROM r",
        rows: ROWS,
        copies: 1,
        threads: 2,
        memory: ByteCount(400_000),
    },
    Case {
        name: "nested loop",
        sql: "WITH wide AS (SELECT n, repeat(m, 32) AS w FROM r WHERE n < 600) \
              SELECT a.n FROM wide a FULL JOIN wide b ON a.w <> b.w || '!'",
        rows: 600,
        copies: 600,
        threads: 1,
        memory: ByteCount(500_000),
    },
    Case {
        name: "shared",
        sql: "WITH t AS MATERIALIZED (SELECT n, m FROM r) \
              SELECT n, m FROM t UNION ALL SELECT n, m FROM t",
        rows: ROWS,
        copies: 2,
        threads: 2,
        memory: ByteCount(400_000),
    },
];

/// An engine with a spill directory of its own, and table `r`.
struct Bench {
    session: Session,
    directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut builder = Session::builder();
        for (name, value) in [
            ("threads", "2"),
            ("memory_limit", "16MB"),
            ("batch_size", "100"),
            ("temp_directory", directory.path().to_str().unwrap()),
        ] {
            builder = builder.setting(name, value).unwrap();
        }
        let session = builder.build().unwrap();
        session.register_batches("r", input()).unwrap();
        Self { session, directory }
    }

    async fn plan(&self, sql: &str, query: &Query) -> Arc<dyn ExecutionPlan> {
        let statement = sheaf_sql::parse(sql).unwrap().remove(0);
        let StatementKind::Query(select) = statement.kind else {
            panic!("{sql} is no query");
        };
        let state = self.session.state_for(query);
        let plan = self.session.binder(&state).plan_query(*select);
        state
            .create_physical_plan(&plan.await.unwrap())
            .await
            .unwrap()
    }

    fn begin(&self, case: &Case) -> Arc<Query> {
        let set = format!("SET threads = {}", case.threads);
        block_on(self.session.sql(&set)).unwrap();
        let limits = QueryLimits {
            memory: Some(case.memory),
            ..QueryLimits::default()
        };
        self.session.engine().registry().begin(case.name, limits)
    }

    /// Runs `case` on `disk`; the rows of the answer.
    fn run(
        &self,
        case: &Case,
        disk: FaultyDisk,
        query: &Arc<Query>,
    ) -> Result<Vec<i64>, SheafError> {
        let mode = DiskManagerMode::Custom(Arc::new(disk));
        let manager = DiskManagerBuilder::default()
            .with_mode(mode)
            .with_max_spill_merge_fan_in(4);
        let engine = self.session.engine();
        let env = RuntimeEnv {
            disk_manager: Arc::new(manager.build().unwrap()),
            ..engine.runtime_env().as_ref().clone()
        };
        block_on(async {
            let plan = self.plan(case.sql, query).await;
            let state = self.session.state_for(query);
            let task = TaskContext::from(&state).with_runtime(Arc::new(env));
            let stream = engine.execute(plan, Arc::new(task), Arc::clone(query))?;
            let batches: Vec<RecordBatch> = stream.try_collect().await?;
            let numbers =
                |b: &RecordBatch| b.column(0).as_primitive::<Int64Type>().values().to_vec();
            Ok(batches.iter().flat_map(numbers).collect())
        })
    }

    /// Waits until nothing is left of `query`; its tasks end some time after its stream.
    fn assert_nothing_left(&self, query: &Arc<Query>, what: &str) {
        let engine = self.session.engine();
        let asked = Instant::now();
        let left = || {
            (
                engine.spill().files(),
                engine.spill().bytes(),
                query.pool().reserved(),
            )
        };
        while left() != (0, ByteCount(0), 0) {
            assert!(asked.elapsed() < WAIT_MAX, "{what}: {:?} left", left());
            std::thread::yield_now();
        }
        let directory = engine.spill().path();
        let files = directory.map_or(0, |d| std::fs::read_dir(d).unwrap().count());
        assert_eq!(files, 0, "{what}");
    }
}

fn assert_complete(case: &Case, mut numbers: Vec<i64>) {
    numbers.sort_unstable();
    let expected: Vec<i64> = (0..case.rows * case.copies)
        .map(|i| i / case.copies)
        .collect();
    assert!(numbers == expected, "{}: {} rows", case.name, numbers.len());
}

/// Runs each case with `kind` of fault at the first, second, … event, until it has fewer of them;
/// gives what came out to `check`.
fn at_every_step(kind: Kind, steps_min: usize, check: impl Fn(&str, SheafError)) {
    let bench = Bench::new();
    let mut too_few = vec![];
    for case in CASES {
        let mut steps = 0;
        for step in (1..6).chain((3..).map(|power| 1 << power)) {
            let what = format!("{}, {kind:?} {step}", case.name);
            let query = bench.begin(case);
            let spill = Arc::clone(bench.session.engine().spill());
            let disk = FaultyDisk::new(spill, kind, step, &query);
            let fault = disk.fault();
            let result = bench.run(case, disk, &query);
            match result {
                Err(error) if fault.has_struck() => check(&what, error),
                Err(error) => panic!("{what}: {error:?}"),
                // What is read in vain, or written and not read, may fail unnoticed.
                Ok(numbers) => assert_complete(case, numbers),
            }
            bench.assert_nothing_left(&query, &what);
            if !fault.has_struck() {
                break;
            }
            steps = step;
        }
        if steps < steps_min {
            too_few.push(format!("{}: {steps} times", case.name));
        }
    }
    assert_eq!(too_few, [""; 0], "{kind:?}");
    let parent = bench.directory.path().to_owned();
    drop(bench.session);
    assert_eq!(std::fs::read_dir(parent).unwrap().count(), 0);
}

#[test]
fn files_that_cannot_be_made_end_the_query() {
    at_every_step(Kind::Create, 1, |what, error| {
        assert!(error.message().contains("injected"), "{what}: {error:?}");
    });
}

#[test]
fn every_write_that_fails_ends_the_query() {
    at_every_step(Kind::Write, 5, |what, error| {
        assert!(error.message().contains("injected"), "{what}: {error:?}");
    });
}

#[test]
fn every_read_that_fails_ends_the_query() {
    at_every_step(Kind::Read, 2, |what, error| {
        assert!(error.message().contains("injected"), "{what}: {error:?}");
    });
}

#[test]
fn a_disk_that_is_full_is_named_with_operator_and_setting() {
    at_every_step(Kind::Full, 1, |what, error| {
        assert_eq!(error.state(), SqlState::DISK_FULL, "{what}: {error:?}");
        let message = error.message();
        assert!(message.starts_with("the "), "{what}: {error:?}");
        assert!(message.contains(" cannot write "), "{what}: {error:?}");
        assert!(error.hint().unwrap().contains("temp_directory"), "{what}");
    });
}

#[test]
fn damage_is_noticed_wherever_it_is() {
    at_every_step(Kind::Damage, 1, |what, error| {
        assert_eq!(error.state(), SqlState::IO_ERROR, "{what}: {error:?}");
        let message = error.message();
        assert!(
            message.contains("since it was written"),
            "{what}: {error:?}"
        );
        assert!(error.hint().unwrap().contains("temp_directory"), "{what}");
    });
}

#[test]
fn a_query_can_be_cancelled_at_every_write_and_read() {
    for kind in [Kind::CancelWrite, Kind::CancelRead] {
        at_every_step(kind, 2, |what, error| {
            assert_eq!(error.kind(), ErrorKind::Cancelled, "{what}: {error:?}");
        });
    }
}

#[test]
fn a_query_can_be_cancelled_while_the_disk_stands_still() {
    let bench = Bench::new();
    for case in CASES {
        for step in 1..4 {
            let what = format!("{}, stalled {step}", case.name);
            let query = bench.begin(case);
            let spill = Arc::clone(bench.session.engine().spill());
            let disk = FaultyDisk::new(spill, Kind::Stall, step, &query);
            let fault = disk.fault();
            let begun = Instant::now();
            let canceller = std::thread::spawn({
                let (fault, query) = (Arc::clone(&fault), Arc::clone(&query));
                move || {
                    while !fault.has_struck() && !query.progress().state.has_ended() {
                        std::thread::yield_now();
                    }
                    std::thread::sleep(Duration::from_millis(30));
                    query.cancel();
                }
            });
            let result = bench.run(case, disk, &query);
            canceller.join().unwrap();
            assert!(begun.elapsed() < WAIT_MAX, "{what}");
            match result {
                Err(error) => assert_eq!(error.kind(), ErrorKind::Cancelled, "{what}: {error:?}"),
                // It has ended before, without reading what stands still.
                Ok(numbers) => assert_complete(case, numbers),
            }
            fault.release();
            bench.assert_nothing_left(&query, &what);
        }
    }
}

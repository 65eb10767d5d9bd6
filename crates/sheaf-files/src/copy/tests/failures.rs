//! Queries that fail, are dropped or panic leave every byte as it was.

use std::time::{Duration, Instant};

use datafusion::prelude::ParquetReadOptions;

use super::*;

/// What tests wait for at most.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Targets of every kind, with the options they need.
const TARGETS: &[(&str, &[(&str, &str)])] = &[
    ("new.csv", &[]),
    ("old.csv", &[]),
    ("new.parquet", &[("row_group_size", "100")]),
    ("new/dir", &[("format", "csv")]),
    ("old/", &[("format", "json"), ("overwrite", "true")]),
    (
        "old/",
        &[
            ("format", "json"),
            ("append", "true"),
            ("partition_by", "flag"),
        ],
    ),
];

fn prepared() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("old.csv"), "precious\n").unwrap();
    fs::create_dir(directory.path().join("old")).unwrap();
    fs::write(directory.path().join("old/data_0.json"), "{}\n").unwrap();
    directory
}

async fn ending(end: End, context: &SessionContext) -> Arc<dyn ExecutionPlan> {
    let well = (vec![sample()], End::Well);
    plan_of(vec![(vec![sample(), sample()], end), well], context).await
}

/// Yields until `is_so`; fails the test when it takes too long.
async fn until(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < WAIT_MAX, "it does not come about");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_midway_leaves_everything_as_it_was() {
    let directory = prepared();
    let before = tree(directory.path());
    let context = SessionContext::new();
    for (target, options) in TARGETS {
        let input = ending(End::Error, &context).await;
        let request = request(at(target, directory.path()), options);
        let error = run(&request, input, &context).await.unwrap_err();
        assert_eq!(error.message(), "line 17 is bad");
        until(|| tree(directory.path()) == before).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_midway_leaves_everything_as_it_was() {
    let directory = prepared();
    let before = tree(directory.path());
    let context = SessionContext::new();
    for (target, options) in TARGETS {
        let input = ending(End::Panic, &context).await;
        let request = request(at(target, directory.path()), options);
        assert!(run(&request, input, &context).await.is_err());
        until(|| tree(directory.path()) == before).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_query_leaves_everything_as_it_was() {
    let directory = prepared();
    let before = tree(directory.path());
    let context = SessionContext::new();
    for (target, options) in TARGETS {
        let input = ending(End::Never, &context).await;
        let request = request(at(target, directory.path()), options);
        let plan = plan_copy(&request, input, &context.state()).await.unwrap();
        let mut stream = plan.execute(0, context.task_ctx()).unwrap();
        let mut next = stream.next();
        // Driven until rows are in a staging place, then dropped.
        let start = Instant::now();
        while tree(directory.path()) == before {
            assert!(start.elapsed() < WAIT_MAX, "nothing is staged for {target}");
            assert!(futures::poll!(&mut next).is_pending());
            tokio::task::yield_now().await;
        }
        let staged = tree(directory.path())
            .into_keys()
            .find(|name| !before.contains_key(name));
        let staged = staged.unwrap();
        let process = format!(".sheaf-{}-", std::process::id());
        assert!(
            staged.starts_with('.') && staged.contains(&process),
            "{staged}"
        );
        drop(stream);
        until(|| tree(directory.path()) == before).await;
    }
}

#[tokio::test]
async fn planning_alone_touches_nothing() {
    let directory = prepared();
    let before = tree(directory.path());
    let context = SessionContext::new();
    for (target, options) in TARGETS {
        let input = ending(End::Well, &context).await;
        let request = request(at(target, directory.path()), options);
        let plan = plan_copy(&request, input, &context.state()).await.unwrap();
        let text = datafusion::physical_plan::displayable(plan.as_ref())
            .indent(false)
            .to_string();
        assert!(
            text.starts_with(&format!("CopyExec: to={target}")),
            "{text}"
        );
    }
    assert_eq!(tree(directory.path()), before);
}

#[tokio::test]
async fn a_statement_may_write_the_file_it_reads() {
    let directory = tempfile::tempdir().unwrap();
    copy_sample(directory.path(), "a.parquet", &[])
        .await
        .unwrap();
    let path = directory.path().join("a.parquet");
    let context = SessionContext::new();
    for _ in 0..2 {
        let frame = context
            .read_parquet(path.to_str().unwrap(), ParquetReadOptions::default())
            .await
            .unwrap();
        let twice = frame.clone().union(frame).unwrap();
        let input = twice.create_physical_plan().await.unwrap();
        run(
            &request(at("a.parquet", directory.path()), &[]),
            input,
            &context,
        )
        .await
        .unwrap();
        // Its statistics are cached by path, size and time.
        context
            .runtime_env()
            .cache_manager
            .get_file_metadata_cache()
            .clear();
    }
    assert_eq!(rows_of(&path), 4000);
    assert_eq!(names(directory.path()), ["a.parquet"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_filled_meanwhile_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let context = SessionContext::new();
    let input = ending(End::Well, &context).await;
    let request = request(at("out", directory.path()), &[("format", "csv")]);
    let plan = plan_copy(&request, input, &context.state()).await.unwrap();
    fs::create_dir(directory.path().join("out")).unwrap();
    fs::write(directory.path().join("out/theirs"), "x").unwrap();
    let before = tree(directory.path());
    let error = datafusion::physical_plan::collect(plan, context.task_ctx())
        .await
        .unwrap_err();
    assert!(SheafError::from(error).message().contains("meanwhile"));
    assert_eq!(tree(directory.path()), before);
}

/// What a killed process leaves is unlocked; what a running COPY holds is not.
#[tokio::test]
async fn leftovers_of_killed_processes_are_swept() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let dead = ".sales.csv.sheaf-4711-0123456789abcdef.tmp";
    let dead_directory = ".out.sheaf-4711-fedcba9876543210.tmp";
    let others = [
        ".sales.sheaf-x-0123456789abcdef.tmp",
        ".sheaf.tmp",
        "kept.tmp",
    ];
    for name in others.iter().chain([&dead]) {
        fs::write(path(name), "x").unwrap();
    }
    fs::create_dir_all(path(dead_directory).join("k=1")).unwrap();
    let context = SessionContext::new();
    let running = plan_of(vec![(vec![sample()], End::Never)], &context).await;
    let live = request(at("live/", directory.path()), &[("format", "csv")]);
    let state = context.state();
    let running = plan_copy(&live, running, &state).await.unwrap();
    let mut running = running.execute(0, context.task_ctx()).unwrap();
    let waits = tokio::time::timeout(std::time::Duration::from_millis(300), running.next());
    assert!(waits.await.is_err());
    copy_sample(directory.path(), "sales.csv", &[])
        .await
        .unwrap();
    let tree = tree(directory.path());
    let hidden: Vec<_> = tree.keys().filter(|name| name.starts_with('.')).collect();
    assert!(!tree.contains_key(dead) && !tree.contains_key(&format!("{dead_directory}/")));
    assert!(
        hidden.iter().any(|name| name.starts_with(".live.sheaf-")),
        "{hidden:?}"
    );
    assert!(
        others.iter().all(|name| tree.contains_key(*name)),
        "{hidden:?}"
    );
    drop(running);
}

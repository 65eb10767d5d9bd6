//! When joins change, and that they give the same rows after.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, StringArray};
use arrow::datatypes::{Field, Schema};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::{JoinSide, JoinType, NullEquality};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, col};
use datafusion::physical_plan::displayable;
use datafusion::physical_plan::joins::PartitionMode;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion::prelude::{CsvReadOptions, ParquetReadOptions, SessionConfig, SessionContext};
use futures::TryStreamExt;
use futures::executor::block_on;
use sheaf_base::{ErrorKind, SheafError};
use sheaf_runtime::{EngineRuntime, QueryLimits, RuntimeOptions};

use super::*;
use crate::options::{engine_options, set_memory_limit};
use crate::physical::physical_rules;

const JOIN_TYPES: [JoinType; 10] = [
    JoinType::Inner,
    JoinType::Left,
    JoinType::Right,
    JoinType::Full,
    JoinType::LeftSemi,
    JoinType::RightSemi,
    JoinType::LeftAnti,
    JoinType::RightAnti,
    JoinType::LeftMark,
    JoinType::RightMark,
];

const ENOUGH: ByteCount = ByteCount(10_000_000_000);
const TINY: ByteCount = ByteCount(1_000);

/// Rows with an integer and a text key, both with NULLs and repetitions, and a value.
fn table(prefix: &str, rows: i64, seed: i64) -> Arc<dyn ExecutionPlan> {
    let number = |i: i64, m: i64| (i * 7_919 + seed).rem_euclid(m);
    let k = Int32Array::from_iter((0..rows).map(|i| {
        let key = i32::try_from(number(i, 41)).unwrap();
        (key % 9 != 0).then_some(key)
    }));
    let s = StringArray::from_iter((0..rows).map(|i| {
        let key = number(i, 5);
        (key != 0).then(|| format!("s{key}"))
    }));
    let v = Int64Array::from_iter_values((0..rows).map(|i| number(i * i, 100)));
    let columns: Vec<(String, ArrayRef)> = vec![
        (format!("{prefix}k"), Arc::new(k)),
        (format!("{prefix}s"), Arc::new(s)),
        (format!("{prefix}v"), Arc::new(v)),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(name, array.data_type().clone(), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let all = RecordBatch::try_new(Arc::clone(&schema), arrays).unwrap();
    // Small batches, so that equal keys lie across them.
    let batches: Vec<RecordBatch> = (0..all.num_rows())
        .step_by(16)
        .map(|at| all.slice(at, 16.min(all.num_rows() - at)))
        .collect();
    let (first, second) = batches.split_at(batches.len() / 2);
    MemorySourceConfig::try_new_exec(&[first.to_vec(), second.to_vec()], schema, None).unwrap()
}

/// `lv < rv`
fn filter(left: &Arc<dyn ExecutionPlan>, right: &Arc<dyn ExecutionPlan>) -> JoinFilter {
    let schema = Arc::new(Schema::new(vec![
        left.schema().field(2).clone(),
        right.schema().field(2).clone(),
    ]));
    let less = BinaryExpr::new(
        col("lv", &schema).unwrap(),
        Operator::Lt,
        col("rv", &schema).unwrap(),
    );
    let indices = vec![
        ColumnIndex {
            index: 2,
            side: JoinSide::Left,
        },
        ColumnIndex {
            index: 2,
            side: JoinSide::Right,
        },
    ];
    JoinFilter::new(Arc::new(less), indices, schema)
}

struct Join {
    join_type: JoinType,
    keys: &'static [&'static str],
    filtered: bool,
    null_equality: NullEquality,
    null_aware: bool,
}

impl Join {
    fn of(join_type: JoinType) -> Self {
        Self {
            join_type,
            keys: &["k"],
            filtered: false,
            null_equality: NullEquality::NullEqualsNothing,
            null_aware: false,
        }
    }

    fn plan(&self) -> Arc<dyn ExecutionPlan> {
        self.between(table("l", 300, 3), table("r", 400, 11))
    }

    fn between(
        &self,
        left: Arc<dyn ExecutionPlan>,
        right: Arc<dyn ExecutionPlan>,
    ) -> Arc<dyn ExecutionPlan> {
        let on = self
            .keys
            .iter()
            .map(|key| {
                let l = col(&format!("l{key}"), &left.schema()).unwrap();
                let r = col(&format!("r{key}"), &right.schema()).unwrap();
                (l, r)
            })
            .collect();
        let filter = self.filtered.then(|| filter(&left, &right));
        let join = HashJoinExec::try_new(
            left,
            right,
            on,
            filter,
            &self.join_type,
            None,
            PartitionMode::Auto,
            self.null_equality,
            self.null_aware,
        );
        Arc::new(join.unwrap())
    }
}

fn config(limit: ByteCount) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_batch_size(32)
        .with_target_partitions(3);
    // Small tables must not be too small to be partitioned.
    config
        .options_mut()
        .optimizer
        .hash_join_single_partition_threshold = 0;
    config
        .options_mut()
        .optimizer
        .hash_join_single_partition_threshold_rows = 0;
    engine_options(config.options_mut());
    set_memory_limit(config.options_mut(), limit);
    config
}

fn optimize(plan: Arc<dyn ExecutionPlan>, config: &SessionConfig) -> Arc<dyn ExecutionPlan> {
    physical_rules()
        .iter()
        .try_fold(plan, |plan, rule| rule.optimize(plan, config.options()))
        .unwrap()
}

fn shape(plan: &Arc<dyn ExecutionPlan>) -> String {
    displayable(plan.as_ref()).indent(false).to_string()
}

/// The rows as sorted text.
fn rows(plan: Arc<dyn ExecutionPlan>, config: SessionConfig) -> Vec<String> {
    let task = Arc::new(TaskContext::default().with_session_config(config));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let batches = runtime
        .block_on(datafusion::physical_plan::collect(plan, task))
        .unwrap();
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in &batches {
        let columns: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let values: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
            rows.push(values.join("|"));
        }
    }
    rows.sort();
    rows
}

#[test]
fn both_joins_give_the_same_rows() {
    for join_type in JOIN_TYPES {
        for keys in [&["k"][..], &["s"], &["k", "s"]] {
            for filtered in [false, true] {
                for null_equality in [
                    NullEquality::NullEqualsNothing,
                    NullEquality::NullEqualsNull,
                ] {
                    let join = Join {
                        keys,
                        filtered,
                        null_equality,
                        ..Join::of(join_type)
                    };
                    let context = format!(
                        "{join_type}, keys {keys:?}, filtered {filtered}, {null_equality:?}"
                    );
                    let hash = optimize(join.plan(), &config(ENOUGH));
                    let merge = optimize(join.plan(), &config(TINY));
                    assert!(shape(&hash).contains("HashJoinExec"), "{context}");
                    assert!(!shape(&merge).contains("HashJoinExec"), "{context}");
                    assert!(shape(&merge).contains("SortMergeJoin"), "{context}");
                    assert_eq!(hash.schema(), merge.schema(), "{context}");
                    let expected = rows(hash, config(ENOUGH));
                    assert_eq!(rows(merge, config(TINY)), expected, "{context}");
                }
            }
        }
    }
}

#[test]
fn an_inner_join_gives_the_rows_of_a_nested_loop() {
    // The hash join above is no second source: count the matches by hand.
    let key = |i: i64, seed: i64| (i * 7_919 + seed).rem_euclid(41);
    let pairs = (0..300_i64)
        .flat_map(|l| (0..400_i64).map(move |r| (key(l, 3), key(r, 11))))
        .filter(|(l, r)| l == r && l % 9 != 0)
        .count();
    let merge = optimize(Join::of(JoinType::Inner).plan(), &config(TINY));
    assert_eq!(rows(merge, config(TINY)).len(), pairs);
}

#[test]
fn nothing_changes_without_a_limit_or_with_enough() {
    for config in [SessionConfig::new(), config(ENOUGH)] {
        let plan = Join::of(JoinType::Inner).plan();
        let same = SpillableJoinRule::new()
            .optimize(Arc::clone(&plan), config.options())
            .unwrap();
        assert!(Arc::ptr_eq(&plan, &same));
    }
}

#[test]
fn joins_without_a_counterpart_stay() {
    let null_aware = Join {
        null_aware: true,
        ..Join::of(JoinType::LeftAnti)
    };
    let plan = optimize(null_aware.plan(), &config(TINY));
    assert!(shape(&plan).contains("HashJoinExec"), "{}", shape(&plan));
    for key in [
        DataType::Float64,
        DataType::Null,
        DataType::Decimal256(50, 2),
    ] {
        assert!(!is_ordered_key(&key), "{key}");
    }
}

#[test]
fn the_largest_build_side_changes_first() {
    let inner = Join::of(JoinType::Inner).between(table("l", 50, 3), table("r", 400, 11));
    let columns: Vec<ProjectionExpr> = ["rk", "rs", "rv"]
        .into_iter()
        .map(|name| ProjectionExpr {
            expr: col(name, &inner.schema()).unwrap(),
            alias: name.to_owned(),
        })
        .collect();
    let right = Arc::new(ProjectionExec::try_new(columns, inner).unwrap());
    let outer = Join::of(JoinType::Inner).between(table("l", 5_000, 3), right);
    // 40 % of the limit hold 50 rows of at most 80 bytes, but not 5,000 of them.
    let options = config(ByteCount(20_000));
    let plan = SpillableJoinRule::new()
        .optimize(outer, options.options())
        .unwrap();
    let shape = shape(&plan);
    assert!(shape.starts_with("SortMergeJoin"), "{shape}");
    assert!(shape.contains("HashJoinExec"), "{shape}");
}

#[test]
fn projections_in_the_join_are_kept() {
    let plan = Join::of(JoinType::Inner).plan();
    let join = plan.downcast_ref::<HashJoinExec>().unwrap();
    let projected = Arc::new(join.with_projection(Some(vec![5, 0])).unwrap());
    let options = config(TINY);
    let merged = SpillableJoinRule::new()
        .optimize(Arc::clone(&projected) as _, options.options())
        .unwrap();
    assert_eq!(merged.schema(), projected.schema());
    assert!(
        shape(&merged).contains("SortMergeJoin"),
        "{}",
        shape(&merged)
    );
}

#[test]
fn files_are_weighed_by_their_rows_or_their_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let csv = directory.path().join("a.csv");
    let mut text = "a,b\n".to_owned();
    for row in 0..10_000 {
        text.push_str(&format!("{row},{row}\n"));
    }
    std::fs::write(&csv, &text).unwrap();
    let parquet = directory.path().join("a.parquet");
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let (from_csv, from_parquet) = runtime.block_on(async {
        let context = SessionContext::new();
        let frame = context
            .read_csv(csv.to_str().unwrap(), CsvReadOptions::new())
            .await
            .unwrap();
        let from_csv = frame.clone().create_physical_plan().await.unwrap();
        let target = parquet.to_str().unwrap();
        frame
            .write_parquet(target, Default::default(), None)
            .await
            .unwrap();
        let frame = context
            .read_parquet(target, ParquetReadOptions::default())
            .await
            .unwrap();
        (from_csv, frame.create_physical_plan().await.unwrap())
    });
    let estimator = Estimator::default();
    // Two columns of text, twice its bytes; or 10,000 rows of two 8-byte columns and an entry.
    assert_eq!(
        estimator.build_bytes(&from_csv),
        Some(text.len() as u64 * 2)
    );
    assert_eq!(
        estimator.build_bytes(&from_parquet),
        Some(10_000 * (16 + 24))
    );
}

#[test]
fn a_join_larger_than_memory_ends() {
    let rows = 1_500_000;
    let side = |name: &str, step: i64| {
        let schema = Arc::new(Schema::new(vec![
            Field::new(format!("{name}k"), DataType::Int64, false),
            Field::new(format!("{name}v"), DataType::Int64, false),
        ]));
        let batches: Vec<RecordBatch> = (0..rows)
            .step_by(8_192)
            .map(|at| {
                let numbers = || at..(at + 8_192).min(rows);
                // A permutation of the keys: 7 and 11 do not divide 1,500,000.
                let keys = Int64Array::from_iter_values(numbers().map(|i| i * step % rows));
                let values = Int64Array::from_iter_values(numbers());
                RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(keys), Arc::new(values)])
                    .unwrap()
            })
            .collect();
        MemorySourceConfig::try_new_exec(&[batches], schema, None).unwrap()
            as Arc<dyn ExecutionPlan>
    };
    let limit = ByteCount(24_000_000);
    let temp = tempfile::tempdir().unwrap();
    let engine = EngineRuntime::new(RuntimeOptions {
        threads: 2,
        memory_limit: limit,
        temp_directory: Some(temp.path().to_owned()),
        temp_bytes_max: ByteCount(1_000_000_000),
    })
    .unwrap();
    let run = |plan_for: ByteCount| {
        let plan = Join::of(JoinType::Inner).between(side("l", 7), side("r", 11));
        let mut config = SessionConfig::new().with_target_partitions(2);
        engine_options(config.options_mut());
        set_memory_limit(config.options_mut(), limit);
        let run_config = config.clone();
        set_memory_limit(config.options_mut(), plan_for);
        let plan = optimize(plan, &config);
        let task = TaskContext::default()
            .with_session_config(run_config)
            .with_runtime(engine.runtime_env());
        let query = engine.registry().begin("join", QueryLimits::default());
        let stream = engine
            .execute(plan, Arc::new(task), Arc::clone(&query))
            .unwrap();
        let batches: Result<Vec<RecordBatch>, _> = block_on(stream.try_collect());
        batches
            .map(|batches| batches.iter().map(RecordBatch::num_rows).sum::<usize>())
            .map_err(SheafError::from)
            .map(|rows| (rows, query.progress()))
    };
    let error = run(ENOUGH).expect_err("the hash join does not fit");
    assert_eq!(error.kind(), ErrorKind::Resource, "{error:?}");
    let (joined, progress) = run(limit).unwrap();
    assert_eq!(joined, 1_500_000, "every key is on both sides once");
    assert!(progress.spilled_bytes > 1_000_000, "{progress:?}");
    assert!(progress.memory_peak_bytes <= limit.0, "{progress:?}");
}

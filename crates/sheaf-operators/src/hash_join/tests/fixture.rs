//! Random tables, joins of them, and the reference.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::{JoinSide, JoinType, NullEquality, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, col};
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::{ExecutionPlan, collect_partitioned};
use datafusion::prelude::SessionConfig;

use sheaf_base::ByteCount;
use sheaf_runtime::memory::{MemoryBudget, POOL_PERCENT, QueryPool};

use crate::hash_join::HybridHashJoinExec;
use crate::testing::Lottery;

pub(super) const JOIN_TYPES: [JoinType; 10] = [
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

/// A key or value as the reference knows it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Float(f64),
    Text(String),
}

pub(super) type Row = Vec<Value>;

/// The columns of every table: a sparse and a dense integer, a text, a float, a value.
pub(super) const COLUMNS: [&str; 5] = ["k", "d", "s", "f", "v"];

/// Random rows. One in `one_in` keys is NULL; keys are among `keys`, the first of which is in
/// half of the rows if `skewed`.
pub(super) fn rows(count: usize, keys: u64, one_in: u64, skewed: bool, seed: u64) -> Vec<Row> {
    let mut lottery = Lottery::new(seed);
    let key = |lottery: &mut Lottery| match lottery.maybe(keys, one_in) {
        Some(_) if skewed && lottery.below(2) == 0 => Some(0),
        other => other,
    };
    let integer = |key: Option<u64>, factor: i64| {
        key.map_or(Value::Null, |key| Value::Integer(key as i64 * factor))
    };
    (0..count)
        .map(|_| {
            let (k, d) = (key(&mut lottery), key(&mut lottery));
            let (s, f) = (key(&mut lottery), key(&mut lottery));
            vec![
                integer(k, 1_000_000_007),
                integer(d, 1),
                s.map_or(Value::Null, |key| {
                    Value::Text(format!(
                        "{}{key}",
                        "a long name ".repeat((key % 3) as usize)
                    ))
                }),
                // Zero and minus zero are equal, as are NaN and NaN.
                f.map_or(Value::Null, |key| match key {
                    0 => Value::Float(if lottery.below(2) == 0 { 0.0 } else { -0.0 }),
                    key => Value::Float(key as f64 / 2.0),
                }),
                Value::Integer(lottery.below(100) as i64),
            ]
        })
        .collect()
}

fn array(rows: &[Row], column: usize) -> ArrayRef {
    let values = || rows.iter().map(|row| &row[column]);
    match COLUMNS[column] {
        "s" => Arc::new(StringViewArray::from_iter(values().map(|v| match v {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        }))),
        "f" => Arc::new(Float64Array::from_iter(values().map(|v| match v {
            Value::Float(float) => Some(*float),
            _ => None,
        }))),
        _ => Arc::new(Int64Array::from_iter(values().map(|v| match v {
            Value::Integer(integer) => Some(*integer),
            _ => None,
        }))),
    }
}

/// The rows in batches of various sizes; their columns have `prefix` before their names.
pub(super) fn batches(prefix: &str, rows: &[Row]) -> (SchemaRef, Vec<RecordBatch>) {
    let fields: Vec<Field> = COLUMNS
        .iter()
        .map(|name| {
            let data_type = match *name {
                "s" => DataType::Utf8View,
                "f" => DataType::Float64,
                _ => DataType::Int64,
            };
            Field::new(format!("{prefix}{name}"), data_type, true)
        })
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let sizes = [1, 40, 17, 60, 33, 2, 9];
    let mut batches = Vec::new();
    let mut rest = rows;
    while !rest.is_empty() {
        let (some, others) = rest.split_at(rest.len().min(sizes[rest.len() % sizes.len()]));
        let columns = (0..COLUMNS.len())
            .map(|column| array(some, column))
            .collect();
        batches.push(RecordBatch::try_new(Arc::clone(&schema), columns).unwrap());
        rest = others;
    }
    (schema, batches)
}

/// A table of `rows`, whose columns have `prefix` before their names, in batches of various sizes.
pub(super) fn table(prefix: &str, rows: &[Row], partitions: usize) -> Arc<dyn ExecutionPlan> {
    let (schema, batches) = batches(prefix, rows);
    let mut parts = vec![Vec::new(); partitions];
    for (number, batch) in batches.into_iter().enumerate() {
        parts[number * 7 % partitions].push(batch);
    }
    MemorySourceConfig::try_new_exec(&parts, schema, None).unwrap()
}

/// A join of two tables, to be run by the operator and by the reference.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) join_type: JoinType,
    /// Columns that are to be equal.
    pub(super) keys: &'static [usize],
    /// Whether also the left `v` must be below the right one.
    pub(super) filtered: bool,
    pub(super) nulls_equal: bool,
    pub(super) null_aware: bool,
    pub(super) projection: Option<Vec<usize>>,
}

impl Case {
    pub(super) fn of(join_type: JoinType, keys: &'static [usize]) -> Self {
        Self {
            join_type,
            keys,
            filtered: false,
            nulls_equal: false,
            null_aware: false,
            projection: None,
        }
    }

    pub(super) fn plan(&self, left: &[Row], right: &[Row]) -> Arc<dyn ExecutionPlan> {
        self.plan_of(table("l", left, 2), table("r", right, 3))
    }

    pub(super) fn plan_of(
        &self,
        left: Arc<dyn ExecutionPlan>,
        right: Arc<dyn ExecutionPlan>,
    ) -> Arc<dyn ExecutionPlan> {
        let key = |at: &usize| {
            let name = COLUMNS[*at];
            let l = col(&format!("l{name}"), &left.schema()).unwrap();
            (l, col(&format!("r{name}"), &right.schema()).unwrap())
        };
        let on = self.keys.iter().map(key).collect();
        let join = HashJoinExec::try_new(
            Arc::clone(&left),
            Arc::clone(&right),
            on,
            self.filtered.then(|| less(&left, &right)),
            &self.join_type,
            self.projection.clone(),
            PartitionMode::Auto,
            if self.nulls_equal {
                NullEquality::NullEqualsNull
            } else {
                NullEquality::NullEqualsNothing
            },
            self.null_aware,
        );
        Arc::new(HybridHashJoinExec::try_new(&join.unwrap()).unwrap())
    }

    pub(super) fn matches(&self, left: &Row, right: &Row) -> bool {
        let equal = self
            .keys
            .iter()
            .all(|key| match (&left[*key], &right[*key]) {
                (Value::Null, Value::Null) => self.nulls_equal,
                (l, r) => l == r,
            });
        let below = match (&left[4], &right[4]) {
            (Value::Integer(l), Value::Integer(r)) => l < r,
            _ => false,
        };
        equal && (below || !self.filtered)
    }

    /// The rows of the join as sorted text.
    pub(super) fn expected(&self, left: &[Row], right: &[Row]) -> Vec<String> {
        let nothing = vec![Value::Null; COLUMNS.len()];
        let mut out = Vec::new();
        let mut right_matched = vec![false; right.len()];
        for l in left {
            let mut found = false;
            for (at, r) in right.iter().enumerate() {
                if self.matches(l, r) {
                    found = true;
                    right_matched[at] = true;
                    if matches!(
                        self.join_type,
                        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full
                    ) {
                        out.push(self.shown(&[l, r], None));
                    }
                }
            }
            let unknown = self.null_aware && {
                let is_null = |row: &Row| row[self.keys[0]] == Value::Null;
                right.iter().any(is_null) || is_null(l) && !right.is_empty()
            };
            match self.join_type {
                JoinType::Left | JoinType::Full if !found => {
                    out.push(self.shown(&[l, &nothing], None));
                }
                JoinType::LeftSemi if found => out.push(self.shown(&[l], None)),
                JoinType::LeftAnti if !found && !unknown => out.push(self.shown(&[l], None)),
                JoinType::LeftMark => out.push(self.shown(&[l], Some(found))),
                _ => {}
            }
        }
        for (r, found) in right.iter().zip(right_matched) {
            match self.join_type {
                JoinType::Right | JoinType::Full if !found => {
                    out.push(self.shown(&[&nothing, r], None));
                }
                JoinType::RightSemi if found => out.push(self.shown(&[r], None)),
                JoinType::RightAnti if !found => out.push(self.shown(&[r], None)),
                JoinType::RightMark => out.push(self.shown(&[r], Some(found))),
                _ => {}
            }
        }
        out.sort();
        out
    }

    fn shown(&self, rows: &[&Row], mark: Option<bool>) -> String {
        let mut values: Vec<String> = rows.iter().flat_map(|row| row.iter()).map(text).collect();
        values.extend(mark.map(|mark| mark.to_string()));
        match &self.projection {
            Some(shown) => {
                let shown: Vec<&str> = shown.iter().map(|at| values[*at].as_str()).collect();
                shown.join("|")
            }
            None => values.join("|"),
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(integer) => integer.to_string(),
        Value::Float(float) => format!("{float:?}"),
        Value::Text(text) => text.clone(),
    }
}

fn less(left: &Arc<dyn ExecutionPlan>, right: &Arc<dyn ExecutionPlan>) -> JoinFilter {
    let schema = Arc::new(Schema::new(vec![
        left.schema().field(4).clone(),
        right.schema().field(4).clone(),
    ]));
    let l = col("lv", &schema).unwrap();
    let less = BinaryExpr::new(l, Operator::Lt, col("rv", &schema).unwrap());
    let indices = [JoinSide::Left, JoinSide::Right]
        .map(|side| ColumnIndex { index: 4, side })
        .to_vec();
    JoinFilter::new(Arc::new(less), indices, schema)
}

/// The memory of a query that may reserve so many bytes.
pub(super) fn pool(memory_bytes: usize) -> Arc<dyn MemoryPool> {
    let limit = (memory_bytes as u64).saturating_mul(100) / POOL_PERCENT;
    let budget = Arc::new(MemoryBudget::new(ByteCount(limit)));
    Arc::new(QueryPool::new(budget, 1, None))
}

pub(super) fn environment(memory_bytes: usize) -> Arc<RuntimeEnv> {
    RuntimeEnvBuilder::new()
        .with_memory_pool(pool(memory_bytes))
        .build_arc()
        .unwrap()
}

pub(super) fn context(batch_rows: usize, environment: &Arc<RuntimeEnv>) -> Arc<TaskContext> {
    let config = SessionConfig::new()
        .with_batch_size(batch_rows)
        .with_target_partitions(3);
    Arc::new(
        TaskContext::default()
            .with_session_config(config)
            .with_runtime(Arc::clone(environment)),
    )
}

/// The rows as sorted text. No batch may have more than `batch_rows` rows.
pub(super) async fn run(
    plan: Arc<dyn ExecutionPlan>,
    batch_rows: usize,
    environment: &Arc<RuntimeEnv>,
) -> Result<Vec<String>> {
    let context = context(batch_rows, environment);
    let parts = collect_partitioned(plan, context).await?;
    let batches: Vec<RecordBatch> = parts.into_iter().flatten().collect();
    for batch in &batches {
        assert!(batch.num_rows() <= batch_rows, "{} rows", batch.num_rows());
    }
    Ok(text_of(&batches))
}

/// The rows as sorted text.
pub(super) fn text_of(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
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

/// How often the operators of a plan that has run wrote files.
pub(super) fn spills(plan: &Arc<dyn ExecutionPlan>) -> usize {
    plan.metrics().and_then(|m| m.spill_count()).unwrap_or(0)
}

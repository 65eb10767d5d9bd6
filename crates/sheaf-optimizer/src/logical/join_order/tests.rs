//! Orders are chosen by what tables say of themselves; whatever they say, the rows stay the same.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::util::pretty::pretty_format_batches;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Result, ScalarValue, Statistics};
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, TableType};
use datafusion::optimizer::Optimizer;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::SessionContext;

use super::JoinOrder;

/// A table that claims to have so many rows, with keys from 1 to so many.
#[derive(Debug)]
struct Claimed {
    table: MemTable,
    rows: usize,
    keys: i64,
}

#[async_trait]
impl TableProvider for Claimed {
    fn schema(&self) -> arrow::datatypes::SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn statistics(&self) -> Option<Statistics> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        statistics.num_rows = Precision::Exact(self.rows);
        statistics.column_statistics = vec![
            ColumnStatistics {
                min_value: Precision::Exact(ScalarValue::Int64(Some(1))),
                max_value: Precision::Exact(ScalarValue::Int64(Some(self.keys))),
                ..ColumnStatistics::new_unknown()
            };
            self.schema().fields().len()
        ];
        Some(statistics)
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.table.scan(session, projection, filters, limit).await
    }
}

/// Numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % end
    }

    fn letter(&mut self) -> &'static str {
        match self.below(3) {
            0 => "a",
            1 => "b",
            _ => "c",
        }
    }
}

fn register(context: &SessionContext, name: &str, rows: usize, keys: i64, numbers: &mut Numbers) {
    let column = |numbers: &mut Numbers| {
        let value = |numbers: &mut Numbers| match numbers.below(9) {
            0 => None,
            key => Some(key as i64),
        };
        let values: Vec<Option<i64>> = (0..14).map(|_| value(numbers)).collect();
        Arc::new(Int64Array::from(values)) as ArrayRef
    };
    let columns = ["a", "b", "c"].map(|name| (name, column(numbers)));
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
    let claimed = Claimed { table, rows, keys };
    #[expect(
        clippy::disallowed_methods,
        reason = "a test of one crate has no catalogue"
    )]
    context.register_table(name, Arc::new(claimed)).unwrap();
}

fn with_rule() -> SessionState {
    let mut rules = Optimizer::new().rules;
    rules.insert(rules.len() - 5, Arc::new(JoinOrder));
    SessionStateBuilder::new()
        .with_default_features()
        .with_optimizer_rules(rules)
        .build()
}

async fn rows_of(context: &SessionContext, sql: &str) -> (LogicalPlan, Vec<String>) {
    let state = context.state();
    let plan = state.create_logical_plan(sql).await.unwrap();
    let plan = state
        .optimize(&plan)
        .unwrap_or_else(|e| panic!("{sql}: {e}"));
    let physical = state.create_physical_plan(&plan).await;
    let physical = physical.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let batches = collect(physical, context.task_ctx()).await.unwrap();
    let text = pretty_format_batches(&batches).unwrap().to_string();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    (plan, lines)
}

/// Joins of two to six tables, of any kind, on one or two columns or on none.
fn statement(numbers: &mut Numbers) -> String {
    let tables = 2 + numbers.below(5);
    let column = |numbers: &mut Numbers, at: u64| format!("t{at}.{}", numbers.letter());
    let mut from = "t0".to_owned();
    for at in 1..tables {
        let kind = match numbers.below(8) {
            0 => "LEFT JOIN",
            1 => "RIGHT JOIN",
            2 => "FULL JOIN",
            _ => "JOIN",
        };
        let other = numbers.below(at);
        let mut on = format!("{} = {}", column(numbers, other), column(numbers, at));
        match numbers.below(4) {
            0 => {
                let other = numbers.below(at);
                let (left, right) = (column(numbers, other), column(numbers, at));
                on = format!("{on} AND {left} = {right}");
            }
            1 => {
                let (left, right) = (column(numbers, other), column(numbers, at));
                on = format!("{on} AND {left} < {right}");
            }
            _ => {}
        }
        from = format!("{from} {kind} t{at} ON {on}");
    }
    let mut conditions = Vec::new();
    for at in 0..numbers.below(3) {
        let not = if numbers.below(2) == 0 { "NOT " } else { "" };
        let outer = numbers.below(tables);
        let (own, outer) = (numbers.letter(), column(numbers, outer));
        conditions.push(format!(
            "{not}EXISTS (SELECT 1 FROM t{at} AS x{at} WHERE x{at}.{own} = {outer})"
        ));
    }
    if numbers.below(2) == 0 {
        let at = numbers.below(tables);
        conditions.push(format!("{} > 3", column(numbers, at)));
    }
    let filter = if conditions.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", conditions.join(" AND "))
    };
    let shown = (0..tables).map(|at| format!("t{at}.b AS b{at}"));
    format!(
        "SELECT {} FROM {from}{filter}",
        shown.collect::<Vec<_>>().join(", ")
    )
}

#[tokio::test]
async fn rows_do_not_depend_on_what_tables_claim() {
    let mut reordered = 0;
    for seed in 0..150 {
        let mut numbers = Numbers(seed);
        let sql = statement(&mut numbers);
        let plain = SessionContext::new();
        let ours = SessionContext::new_with_state(with_rule());
        for context in [&plain, &ours] {
            let mut numbers = Numbers(seed + 1_000);
            for at in 0..6 {
                let rows = 10_usize.pow(u32::try_from(numbers.below(7)).unwrap());
                let keys = 1 + numbers.below(100_000) as i64;
                register(context, &format!("t{at}"), rows, keys, &mut numbers);
            }
        }
        let (plan, expected) = rows_of(&plain, &sql).await;
        let (ordered, rows) = rows_of(&ours, &sql).await;
        assert_eq!(rows, expected, "{sql}\n{}", ordered.display_indent());
        let (plan, ordered) = (plan.display_indent(), ordered.display_indent());
        reordered += usize::from(plan.to_string() != ordered.to_string());
    }
    assert!(reordered > 50, "{reordered} of 150 have another order");
}

/// The tables of a plan from the top down, build sides first.
fn order(plan: &LogicalPlan) -> Vec<String> {
    match plan {
        LogicalPlan::TableScan(scan) => vec![scan.table_name.to_string()],
        other => other.inputs().into_iter().flat_map(order).collect(),
    }
}

#[tokio::test]
async fn small_tables_come_first_and_are_built() {
    let context = SessionContext::new_with_state(with_rule());
    let mut numbers = Numbers(1);
    register(&context, "fact", 6_000_000, 1_000_000, &mut numbers);
    register(&context, "middle", 1_000_000, 1_000_000, &mut numbers);
    register(&context, "tiny", 10, 10, &mut numbers);
    let sql = "SELECT fact.c FROM fact JOIN middle ON fact.a = middle.a \
               JOIN tiny ON middle.b = tiny.b";
    let (plan, _) = rows_of(&context, sql).await;
    assert_eq!(order(&plan), ["tiny", "middle", "fact"]);

    let outer = "SELECT fact.c, tiny.c FROM tiny RIGHT JOIN fact ON tiny.a = fact.a";
    let (plan, _) = rows_of(&context, outer).await;
    assert_eq!(order(&plan), ["tiny", "fact"]);
    let outer = "SELECT fact.c, tiny.c FROM fact LEFT JOIN tiny ON tiny.a = fact.a";
    let (plan, _) = rows_of(&context, outer).await;
    assert_eq!(order(&plan), ["tiny", "fact"]);

    // What is left of the fact table by a few keys is looked up in nothing larger than itself.
    let reduced = "SELECT fact.c FROM fact JOIN middle ON fact.a = middle.a \
                   WHERE middle.c IN (SELECT c FROM tiny)";
    let (plan, _) = rows_of(&context, reduced).await;
    assert_eq!(order(&plan), ["tiny", "middle", "fact"]);
}

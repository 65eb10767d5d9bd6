//! Which scans are told which filters.

use std::fmt;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{NullEquality, not_impl_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_expr::expressions::{BinaryExpr, lit};
use datafusion::physical_optimizer::filter_pushdown::FilterPushdown;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::filter::FilterExecBuilder;
use datafusion::physical_plan::joins::PartitionMode;
use datafusion::physical_plan::projection::ProjectionExpr;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Partitioning, PlanProperties, ReplaceChildrenOptions, displayable,
};

use super::*;

/// A scan that takes every filter, and shows those that it took.
#[derive(Debug, Clone)]
struct Scan {
    name: &'static str,
    taken: Vec<Filter>,
    properties: Arc<PlanProperties>,
}

fn scan(name: &'static str, columns: &[&str]) -> Arc<dyn ExecutionPlan> {
    let fields = columns
        .iter()
        .map(|c| Field::new(*c, DataType::Int64, true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let properties = PlanProperties::new(
        EquivalenceProperties::new(schema),
        Partitioning::UnknownPartitioning(1),
        EmissionType::Incremental,
        Boundedness::Bounded,
    );
    Arc::new(Scan {
        name,
        taken: Vec::new(),
        properties: Arc::new(properties),
    })
}

impl DisplayAs for Scan {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let taken: Vec<String> = self.taken.iter().map(ToString::to_string).collect();
        write!(f, "{}: {}", self.name, taken.join(", "))
    }
}

impl ExecutionPlan for Scan {
    fn name(&self) -> &'static str {
        "Scan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Filter) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for filter in &self.taken {
            f(filter)?;
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        _partition: usize,
        _context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        not_impl_err!("only filters are looked at")
    }

    fn handle_child_pushdown_result(
        &self,
        _phase: FilterPushdownPhase,
        result: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> Result<Pushed> {
        let filters = result
            .parent_filters
            .into_iter()
            .map(|result| result.filter);
        let taken: Vec<Filter> = filters.collect();
        Ok(Pushed {
            filters: vec![PushedDown::Yes; taken.len()],
            updated_node: Some(Arc::new(Self {
                taken,
                ..self.clone()
            })),
        })
    }
}

fn column(plan: &Arc<dyn ExecutionPlan>, at: usize) -> Filter {
    Arc::new(Column::new(plan.schema().field(at).name(), at))
}

fn join(
    left: &Arc<dyn ExecutionPlan>,
    right: &Arc<dyn ExecutionPlan>,
    on: (usize, usize),
    join_type: JoinType,
) -> Arc<dyn ExecutionPlan> {
    let join = HashJoinExec::try_new(
        Arc::clone(left),
        Arc::clone(right),
        vec![(column(left, on.0), column(right, on.1))],
        None,
        &join_type,
        None,
        PartitionMode::CollectLeft,
        NullEquality::NullEqualsNothing,
        false,
    );
    Arc::new(HybridHashJoinExec::try_new(&join.unwrap()).unwrap())
}

fn repartitioned(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let partitioning = Partitioning::RoundRobinBatch(4);
    Arc::new(RepartitionExec::try_new(input, partitioning).unwrap())
}

/// `input` where its column `at` is above 5.
fn filtered(input: Arc<dyn ExecutionPlan>, at: usize) -> Arc<dyn ExecutionPlan> {
    let above = BinaryExpr::new(column(&input, at), Operator::Gt, lit(5_i64));
    Arc::new(FilterExec::try_new(Arc::new(above), input).unwrap())
}

/// The scans of `plan` after `rule`, and the filters that still stand above them.
fn scans(rule: &dyn PhysicalOptimizerRule, plan: Arc<dyn ExecutionPlan>) -> Vec<String> {
    let plan = rule.optimize(plan, &ConfigOptions::new()).unwrap();
    let shown = displayable(plan.as_ref()).indent(false).to_string();
    let lines = shown.lines().map(|line| line.trim().to_owned());
    lines
        .filter(|line| {
            ["a:", "b:", "Filter"]
                .iter()
                .any(|begin| line.starts_with(begin))
        })
        .collect()
}

/// `a (k, x)` joined with `b (y, k)` on `a.x = b.y`: of its columns, 0 and 3 are called `k`.
fn two_ks() -> Arc<dyn ExecutionPlan> {
    let (a, b) = (scan("a", &["k", "x"]), scan("b", &["y", "k"]));
    join(&a, &b, (1, 0), JoinType::Inner)
}

#[test]
fn a_join_knows_the_side_of_a_column() {
    let rule = FilterPushdownRule::new();
    assert_eq!(scans(&rule, filtered(two_ks(), 3)), ["a:", "b: k@1 > 5"]);
    assert_eq!(scans(&rule, filtered(two_ks(), 0)), ["a: k@0 > 5", "b:"]);
}

#[test]
fn the_second_column_of_a_name_is_not_taken_for_the_first() {
    let plan = || filtered(repartitioned(two_ks()), 3);
    let ours = scans(&FilterPushdownRule::new(), plan());
    assert_eq!(ours, ["FilterExec: k@3 > 5", "a:", "b:"]);
    // When this fails the engine has no need of our rule any more.
    let engines = scans(&FilterPushdown::new(), plan());
    assert_eq!(engines, ["a: k@0 > 5", "b:"], "the wrong column");
}

#[test]
fn the_first_column_of_a_name_goes_down() {
    let plan = filtered(repartitioned(two_ks()), 0);
    let ours = scans(&FilterPushdownRule::new(), plan);
    assert_eq!(ours, ["a: k@0 > 5", "b:"]);
}

#[test]
fn a_filter_that_shows_some_columns_does_not_take_the_wrong_one_over() {
    // Shows columns 3 and 1, so that `k` is the second of that name below.
    let below = two_ks();
    let holds = BinaryExpr::new(column(&below, 1), Operator::Gt, lit(7_i64));
    let shows = FilterExecBuilder::new(Arc::new(holds), below)
        .apply_projection(Some(vec![3, 1]))
        .unwrap()
        .build()
        .unwrap();
    let plan = filtered(Arc::new(shows), 0);
    let ours = scans(&FilterPushdownRule::new(), plan);
    assert_eq!(ours, ["FilterExec: k@0 > 5", "a: x@1 > 7", "b:"]);
}

#[test]
fn columns_of_one_name_in_a_projection_are_left_alone() {
    let (a, b) = (scan("a", &["k", "x"]), scan("b", &["y", "k"]));
    let below = join(&a, &b, (1, 0), JoinType::Inner);
    let shown = [0, 3].map(|at| ProjectionExpr {
        expr: column(&below, at),
        alias: "k".to_owned(),
    });
    let shown = || Arc::new(ProjectionExec::try_new(shown.clone(), Arc::clone(&below)).unwrap());
    let rule = FilterPushdownRule::new();
    for (at, above) in [(0, "FilterExec: k@0 > 5"), (1, "FilterExec: k@1 > 5")] {
        assert_eq!(scans(&rule, filtered(shown(), at)), [above, "a:", "b:"]);
    }
    // When this fails the engine tells them apart, and so may we.
    let engines = scans(&FilterPushdown::new(), filtered(shown(), 0));
    assert_eq!(engines, ["a:", "b: k@1 > 5"], "the wrong column");
}

/// What holds for the key of one side holds for that of the other, whatever that is called; not for
/// another column that happens to have the name.
#[test]
fn a_semi_join_passes_its_key_to_the_side_that_it_does_not_show() {
    let rule = FilterPushdownRule::new();
    let (a, b) = (scan("a", &["k"]), scan("b", &["j", "k"]));
    let by_other_name = join(&a, &b, (0, 0), JoinType::LeftSemi);
    assert_eq!(
        scans(&rule, filtered(by_other_name, 0)),
        ["a: k@0 > 5", "b:"]
    );
    let by_name = join(&a, &b, (0, 1), JoinType::LeftSemi);
    assert_eq!(
        scans(&rule, filtered(by_name, 0)),
        ["a: k@0 > 5", "b: k@1 > 5"]
    );
}

/// A union goes by position, and the engine casts and renames what its inputs call otherwise.
#[test]
fn inputs_of_a_union_may_name_their_columns_otherwise() {
    let inputs = vec![scan("a", &["k", "x"]), scan("b", &["x", "k"])];
    let plan = filtered(UnionExec::try_new(inputs).unwrap(), 0);
    let ours = scans(&FilterPushdownRule::new(), plan);
    assert_eq!(ours, ["a: k@0 > 5", "b: CAST(x@0 AS Int64) > 5"]);
}

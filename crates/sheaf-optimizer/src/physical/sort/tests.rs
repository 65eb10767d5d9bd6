//! When a sort is ours.

use arrow::datatypes::{DataType, Field};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::{ExecutionPlanProperties, displayable};
use sheaf_base::ByteCount;

use super::*;
use crate::options::set_memory_limit;

/// The plan of `ORDER BY a LIMIT k` after the rule, with 16 MB a thread.
fn planned(k: Option<usize>, has_partitions: bool) -> String {
    let schema = Arc::new(Schema::new(vec![
        Field::new("a", DataType::Int64, true),
        Field::new("b", DataType::Utf8View, true),
    ]));
    let key = PhysicalSortExpr::new_default(col("a", &schema).unwrap());
    let input = Arc::new(EmptyExec::new(schema).with_partitions(2));
    let sort = SortExec::new(LexOrdering::new([key]).unwrap(), input)
        .with_preserve_partitioning(has_partitions)
        .with_fetch(k);
    let mut options = ConfigOptions::new();
    options.execution.target_partitions = 2;
    set_memory_limit(&mut options, ByteCount(32_000_000));
    let plan = SortRule.optimize(Arc::new(sort), &options).unwrap();
    displayable(plan.as_ref()).indent(false).to_string()
}

#[test]
fn it_is_where_the_rows_are_many() {
    // A sixteenth of 16 MB holds 7,352 rows of 8 + 64 + 64 bytes.
    assert!(planned(Some(7_352), true).starts_with("SortExec: TopK(fetch=7352)"));
    for (k, has_partitions, expected) in [
        (
            Some(7_353),
            true,
            "preserve_partitioning=[true], fetch=7353\n",
        ),
        (
            Some(7_353),
            false,
            "preserve_partitioning=[false], fetch=7353\n",
        ),
        (None, true, "preserve_partitioning=[true]\n"),
    ] {
        let plan = planned(k, has_partitions);
        let expected = format!("ExternalSortExec: expr=[a@0 ASC], {expected}");
        assert!(plan.starts_with(&expected), "{plan}");
    }
}

#[test]
fn a_merge_above_is_part_of_it() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("a", DataType::Int64, true),
        Field::new("b", DataType::Int64, true),
    ]));
    let order = |name: &str| {
        let key = PhysicalSortExpr::new_default(col(name, &schema).unwrap());
        LexOrdering::new([key]).unwrap()
    };
    let merged = |by: &str, fetch| {
        let input = Arc::new(EmptyExec::new(Arc::clone(&schema)).with_partitions(3));
        let sort = SortExec::new(order("a"), input).with_preserve_partitioning(true);
        let merge = SortPreservingMergeExec::new(order(by), Arc::new(sort)).with_fetch(fetch);
        let plan = SortRule
            .optimize(Arc::new(merge), &ConfigOptions::new())
            .unwrap();
        assert_eq!(plan.output_partitioning().partition_count(), 1);
        let orders = plan.equivalence_properties();
        assert!(orders.ordering_satisfy(order(by)).unwrap());
        displayable(plan.as_ref()).indent(false).to_string()
    };
    let expected = "ExternalSortExec: expr=[a@0 ASC], preserve_partitioning=[false]";
    assert!(merged("a", None).starts_with(&format!("{expected}\n")));
    assert!(merged("a", Some(9)).starts_with(&format!("{expected}, fetch=9\n")));
    // What merges by something else stays.
    assert!(merged("b", None).starts_with("SortPreservingMergeExec: [b@1 ASC]\n"));
}

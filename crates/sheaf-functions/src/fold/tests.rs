//! Folds beside loops: by groups, in batches and partitions, with states that are merged.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, LargeStringArray};
use arrow::datatypes::{DataType, Field, Fields, Int64Type, Schema};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::{Accumulator, EmitTo, Expr, GroupsAccumulator, col, lit};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::prelude::concat;

use super::accumulators::{FoldGroups, FoldOne};
use super::lanes::{Layers, steps_along};
use super::{Fold, FoldParts, Merge};

fn fields(columns: &[(&str, DataType)]) -> Fields {
    let fields = columns
        .iter()
        .map(|(name, data_type)| Field::new(*name, data_type.clone(), true));
    fields.collect()
}

fn physical(state: &SessionState, expr: Expr, over: &[&Fields]) -> Arc<dyn PhysicalExpr> {
    let all: Fields = over
        .iter()
        .flat_map(|fields| fields.iter().cloned())
        .collect();
    let schema = DFSchema::try_from(Schema::new(all)).unwrap();
    state.create_physical_expr(expr, &schema).unwrap()
}

/// Joins the texts of its rows, which shows their order, and counts them.
fn joined(init: &str) -> Fold {
    let state = SessionStateBuilder::new().with_default_features().build();
    let arguments = fields(&[("x", DataType::LargeUtf8)]);
    let states = [("t", DataType::LargeUtf8), ("n", DataType::Int64)];
    let others = [("t2", DataType::LargeUtf8), ("n2", DataType::Int64)];
    let (states, others) = (fields(&states), fields(&others));
    let init = vec![
        Arc::new(LargeStringArray::from(vec![init])) as ArrayRef,
        Arc::new(Int64Array::from(vec![0])),
    ];
    let over = [&arguments, &states];
    let both = [&states, &others];
    Fold::new(FoldParts {
        name: "joined".to_owned(),
        accumulate: vec![
            physical(&state, concat(vec![col("t"), col("x")]), &over),
            physical(&state, col("n") + lit(1_i64), &over),
        ],
        merge: Some(Merge {
            exprs: vec![
                physical(&state, concat(vec![col("t"), col("t2")]), &both),
                physical(&state, col("n") + col("n2"), &both),
            ],
            neutral: init.clone(),
            adds_init: false,
        }),
        finish: physical(&state, col("t"), &[&states]),
        result: DataType::LargeUtf8,
        arguments,
        state: states,
        init,
    })
}

fn texts(values: &[String]) -> ArrayRef {
    Arc::new(LargeStringArray::from_iter_values(values))
}

fn results(array: &ArrayRef) -> Vec<String> {
    let texts = array.as_string::<i64>().iter();
    texts.map(|text| text.unwrap().to_owned()).collect()
}

/// Numbers that look random.
fn numbers(count: usize, bound: u64) -> Vec<usize> {
    let mut state = 11_u64;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((state >> 33) % bound).unwrap()
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// Few groups, one of which has most rows, in batches of uneven length.
fn rows() -> Vec<(usize, String)> {
    let groups = numbers(3000, 40).into_iter();
    let groups = groups.map(|number| if number < 25 { 0 } else { number - 24 });
    let rows = groups.enumerate();
    rows.map(|(index, group)| (group, format!("{index};")))
        .collect()
}

fn expected(rows: &[(usize, String)], group_count: usize) -> Vec<String> {
    let mut texts = vec![String::new(); group_count];
    for (group, text) in rows {
        texts[*group].push_str(text);
    }
    texts
}

fn update(folds: &mut FoldGroups, rows: &[(usize, String)], group_count: usize) {
    let groups: Vec<usize> = rows.iter().map(|(group, _)| *group).collect();
    let values: Vec<String> = rows.iter().map(|(_, text)| text.clone()).collect();
    folds
        .update_batch(&[texts(&values)], &groups, None, group_count)
        .unwrap();
}

#[test]
fn batches_keep_the_order_of_rows() {
    let rows = rows();
    for batch_rows in [1, 7, 64, 3000] {
        let mut folds = FoldGroups::new(&Arc::new(joined("")));
        for batch in rows.chunks(batch_rows) {
            update(&mut folds, batch, 16);
        }
        let found = results(&folds.evaluate(EmitTo::All).unwrap());
        assert_eq!(found, expected(&rows, 16), "{batch_rows}");
    }
}

#[test]
fn partitions_are_merged_in_their_order() {
    let rows = rows();
    let fold = Arc::new(joined(""));
    let mut merged = FoldGroups::new(&fold);
    for partition in rows.chunks(400) {
        let mut folds = FoldGroups::new(&fold);
        for batch in partition.chunks(150) {
            update(&mut folds, batch, 16);
        }
        let states = folds.state(EmitTo::All).unwrap();
        let groups: Vec<usize> = (0..16).collect();
        merged.merge_batch(&states, &groups, 16).unwrap();
    }
    let found = results(&merged.evaluate(EmitTo::All).unwrap());
    assert_eq!(found, expected(&rows, 16));
}

#[test]
fn several_states_of_a_group_come_at_once() {
    let rows = rows();
    let fold = Arc::new(joined(""));
    let values: Vec<String> = rows.iter().map(|(_, text)| text.clone()).collect();
    let groups: Vec<usize> = rows.iter().map(|(group, _)| *group).collect();
    let folds = FoldGroups::new(&fold);
    // Every third row is left out.
    let filter: BooleanArray = (0..rows.len()).map(|row| Some(row % 3 > 0)).collect();
    let states = folds
        .convert_to_state(&[texts(&values)], Some(&filter))
        .unwrap();
    let mut merged = FoldGroups::new(&fold);
    merged.merge_batch(&states, &groups, 17).unwrap();
    let kept = rows.iter().enumerate().filter(|(row, _)| row % 3 > 0);
    let kept: Vec<_> = kept.map(|(_, row)| row.clone()).collect();
    let found = results(&merged.evaluate(EmitTo::All).unwrap());
    // Group 16 has no row.
    assert_eq!(found, expected(&kept, 17));
}

#[test]
fn first_groups_are_taken_out_and_the_others_go_on() {
    let rows = rows();
    let mut folds = FoldGroups::new(&Arc::new(joined("")));
    update(&mut folds, &rows[..1000], 16);
    let first = results(&folds.evaluate(EmitTo::First(6)).unwrap());
    assert_eq!(first, expected(&rows[..1000], 16)[..6]);
    // What was group 6 is group 0.
    let of_rest = |rows: &[(usize, String)]| -> Vec<_> {
        let rest = rows.iter().filter(|(group, _)| *group >= 6);
        rest.map(|(group, text)| (group - 6, text.clone()))
            .collect()
    };
    let rest = of_rest(&rows[1000..]);
    update(&mut folds, &rest, 10);
    let found = results(&folds.evaluate(EmitTo::All).unwrap());
    assert_eq!(found, expected(&of_rest(&rows), 10));
}

#[test]
fn one_group_may_be_asked_again_and_again() {
    let mut one = FoldOne::new(&Arc::new(joined("")));
    let value = |one: &mut FoldOne| one.evaluate().unwrap().to_string();
    assert_eq!(value(&mut one), "");
    one.update_batch(&[texts(&["a".to_owned(), "b".to_owned()])])
        .unwrap();
    assert_eq!(value(&mut one), "ab");
    one.update_batch(&[texts(&["c".to_owned()])]).unwrap();
    assert_eq!(value(&mut one), "abc");
    assert_eq!(one.state().unwrap()[0], ScalarValue::from(true));
}

#[test]
fn without_merge_rows_come_one_after_another() {
    let Fold { mut parts, .. } = joined("start:");
    parts.merge = None;
    let rows = rows();
    let mut folds = FoldGroups::new(&Arc::new(Fold::new(parts)));
    for batch in rows.chunks(170) {
        update(&mut folds, batch, 16);
    }
    let found = results(&folds.evaluate(EmitTo::All).unwrap());
    let expected = expected(&rows, 16).into_iter();
    let expected: Vec<_> = expected.map(|text| format!("start:{text}")).collect();
    assert_eq!(found, expected);
}

#[test]
fn init_that_counts_twice_is_found_out() {
    assert!(joined("").merges_as_it_folds());
    assert!(!joined("x").merges_as_it_folds());
}

#[test]
fn the_states_of_many_groups_are_accounted_and_stay_bounded() {
    let fold = Arc::new(joined(""));
    let mut folds = FoldGroups::new(&fold);
    let empty = folds.size();
    let group_count = 20_000;
    for round in 0..20 {
        let rows: Vec<_> = (0..group_count / 4)
            .map(|row| ((row * 4 + round) % group_count, "x".repeat(10)))
            .collect();
        update(&mut folds, &rows, group_count);
    }
    let live = group_count * (50 + 8 + 8);
    let size = folds.size() - empty;
    assert!(size > live, "{size}");
    assert!(size < 6 * live, "{size}");
}

#[test]
fn steps_go_along_lists_of_any_length() {
    let lists = arrow::array::ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
        Some(vec![Some(1), Some(2), Some(3)]),
        None,
        Some(vec![]),
        Some(vec![Some(4)]),
    ]);
    let lists = lists.slice(1, 3);
    let steps: Vec<_> = steps_along(&lists, 0).collect();
    assert_eq!(steps.len(), 1);
    assert_eq!(
        (&steps[0].lanes[..], &steps[0].rows[..]),
        (&[2][..], &[3][..])
    );
}

#[test]
fn a_layer_that_is_asked_for_whole_is_not_copied() {
    let mut layers = Layers::default();
    layers.push(vec![Arc::new(Int64Array::from(vec![0])) as ArrayRef]);
    let layer: ArrayRef = Arc::new(Int64Array::from(vec![5, 6]));
    layers.push(vec![Arc::clone(&layer)]);
    let whole = layers.at(&[(1, 0), (1, 1)]).unwrap();
    assert!(Arc::ptr_eq(&whole[0], &layer));
    let mixed = layers.at(&[(1, 1), (0, 0), (1, 1)]).unwrap();
    assert_eq!(mixed[0].as_primitive::<Int64Type>().values(), &[6, 0, 6]);
    assert_eq!(layers.at(&[]).unwrap()[0].len(), 0);
}

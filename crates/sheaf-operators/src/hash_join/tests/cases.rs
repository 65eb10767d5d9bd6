//! All join types, keys, filters, NULLs, skew and empty sides; with much memory and with little.

use datafusion::common::JoinType;

use super::fixture::{Case, JOIN_TYPES, Row, environment, rows, run, spills};

/// Of one sparse integer, one dense, one text, one float; of two and of four columns.
const KEYS: [&[usize]; 6] = [&[0], &[1], &[2], &[3], &[1, 2], &[0, 1, 2, 3]];

const PLENTY: usize = usize::MAX;

/// Less than the build sides below take.
const LITTLE: usize = 20_000;

/// What some rows of a block and their index take.
const SCARCELY_ANY: usize = 6_000;

async fn check(case: &Case, left: &[Row], right: &[Row], memory_bytes: usize) {
    let environment = environment(memory_bytes);
    let rows = run(case.plan(left, right), 32, &environment).await.unwrap();
    let expected = case.expected(left, right);
    assert_eq!(
        rows.len(),
        expected.len(),
        "{case:?} in {memory_bytes} bytes"
    );
    assert_eq!(rows, expected, "{case:?} in {memory_bytes} bytes");
    assert_eq!(environment.memory_pool.reserved(), 0, "{case:?}");
}

async fn check_all(left: &[Row], right: &[Row], memory_bytes: usize) {
    for join_type in JOIN_TYPES {
        for keys in KEYS {
            for (filtered, nulls_equal) in
                [(false, false), (true, false), (false, true), (true, true)]
            {
                let case = Case {
                    filtered,
                    nulls_equal,
                    ..Case::of(join_type, keys)
                };
                check(&case, left, right, memory_bytes).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_rows() {
    let (left, right) = (rows(230, 60, 9, false, 1), rows(300, 60, 9, false, 2));
    check_all(&left, &right, PLENTY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_rows_in_little_memory() {
    let (left, right) = (rows(230, 60, 9, false, 3), rows(300, 60, 9, false, 4));
    check_all(&left, &right, LITTLE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_in_half_of_the_rows() {
    let (left, right) = (rows(160, 20, 9, true, 5), rows(120, 20, 9, true, 6));
    check_all(&left, &right, PLENTY).await;
    check_all(&left, &right, LITTLE / 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_null_and_memory_for_a_few_rows() {
    let (left, right) = (
        rows(30, 10, 1_000_000, false, 7),
        rows(25, 10, 1_000_000, false, 8),
    );
    check_all(&left, &right, SCARCELY_ANY).await;
}

/// Nothing is held that has not been granted, so one row has to be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_memory_at_all_is_an_error() {
    let some = rows(30, 10, 1_000_000, false, 7);
    let environment = environment(1);
    let plan = Case::of(JoinType::Inner, &[0]).plan(&some, &some);
    let error = run(plan, 32, &environment).await.unwrap_err();
    assert!(error.to_string().contains("HashJoin"), "{error}");
    assert_eq!(environment.memory_pool.reserved(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_sides() {
    let some = rows(50, 10, 5, false, 9);
    for (left, right) in [
        (&some[..], &[][..]),
        (&[][..], &some[..]),
        (&[][..], &[][..]),
    ] {
        check_all(left, right, PLENTY).await;
        check_all(left, right, SCARCELY_ANY).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_nulls() {
    let nulls = rows(40, 10, 1, false, 10);
    let some = rows(50, 10, 5, false, 11);
    check_all(&nulls, &some, PLENTY).await;
    check_all(&some, &nulls, 5_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_in() {
    let with_nulls = rows(100, 30, 7, false, 12);
    let without: Vec<Row> = rows(60, 30, 1_000_000, false, 13);
    let few = rows(5, 30, 1_000_000, false, 14);
    let case = Case {
        null_aware: true,
        ..Case::of(JoinType::LeftAnti, &[0])
    };
    for memory_bytes in [PLENTY, LITTLE / 4, SCARCELY_ANY] {
        for left in [&with_nulls, &without] {
            for right in [&with_nulls[..], &without, &few, &[]] {
                check(&case, left, right, memory_bytes).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_columns_are_chosen() {
    let (left, right) = (rows(120, 30, 9, false, 15), rows(110, 30, 9, false, 16));
    for join_type in JOIN_TYPES {
        for projection in [vec![3, 0, 3], vec![4], vec![]] {
            for memory_bytes in [PLENTY, LITTLE / 2] {
                let case = Case {
                    projection: Some(projection.clone()),
                    ..Case::of(join_type, &[1])
                };
                check(&case, &left, &right, memory_bytes).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn little_memory_is_little_and_plenty_is_plenty() {
    let (left, right) = (rows(230, 60, 9, false, 3), rows(300, 60, 9, false, 4));
    for (memory_bytes, spilled) in [(PLENTY, false), (LITTLE, true)] {
        let plan = Case::of(JoinType::Full, &[0]).plan(&left, &right);
        let environment = environment(memory_bytes);
        run(plan.clone(), 32, &environment).await.unwrap();
        assert_eq!(spills(&plan) > 0, spilled, "{memory_bytes} bytes");
    }
}

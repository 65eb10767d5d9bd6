//! Functions from text to values, through a whole plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray};
use arrow::util::display::array_value_to_string;
use datafusion::catalog::MemTable;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionConfig;
use sheaf_base::SheafError;

fn state() -> SessionState {
    let config = SessionConfig::new()
        .with_target_partitions(3)
        .with_batch_size(4);
    let mut state = SessionStateBuilder::new()
        .with_expr_planners(crate::expression_planners())
        .with_default_features()
        .with_config(config)
        .build();
    crate::register(&mut state).unwrap();
    state
}

fn table(state: &SessionState, name: &str, columns: Vec<(&str, ArrayRef)>, partitions: usize) {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    let rows = batch.num_rows().div_ceil(partitions);
    let parts = (0..partitions)
        .map(|p| vec![batch.slice(p * rows, rows.min(batch.num_rows() - p * rows))])
        .collect();
    let table = MemTable::try_new(batch.schema(), parts).unwrap();
    let schema = state.schema_for_ref(name).unwrap();
    schema
        .register_table(name.to_owned(), Arc::new(table))
        .unwrap();
}

async fn try_run(state: &SessionState, sql: &str) -> Result<Vec<String>, SheafError> {
    let plan = state.create_logical_plan(sql).await?;
    let plan = state.create_physical_plan(&plan).await?;
    let batches = collect(plan, state.task_ctx()).await?;
    let row = |batch: &RecordBatch, row: usize| {
        let values = batch.columns().iter().map(|column| {
            if column.is_null(row) {
                "NULL".to_owned()
            } else {
                array_value_to_string(column, row).unwrap()
            }
        });
        values.collect::<Vec<_>>().join("|")
    };
    Ok(batches
        .iter()
        .flat_map(|b| (0..b.num_rows()).map(|r| row(b, r)).collect::<Vec<_>>())
        .collect())
}

async fn run(state: &SessionState, sql: &str) -> Vec<String> {
    match try_run(state, sql).await {
        Ok(rows) => rows,
        Err(error) => panic!("{sql}: {error:?}"),
    }
}

/// Expressions with their values; `{t}` is 2026-02-03 04:05:06.789.
const SCALAR: &[(&str, &str)] = &[
    ("if(1 < 2, 'yes', 'no')", "yes"),
    ("iif(NULL, 1, 2.5)", "2.5"),
    ("if(true, 1, 1 / 0)", "1"),
    ("len('häuser')", "6"),
    ("len([1, 2, 3])", "3"),
    ("len(['a'])", "1"),
    ("len(NULL::text)", "NULL"),
    ("mod(-7, 3)", "-1"),
    ("mod(7.5, 2)", "1.5"),
    ("typeof(1)", "BIGINT"),
    ("typeof([1.5])", "DOUBLE[]"),
    ("year({t})", "2026"),
    ("quarter({t})", "1"),
    ("month({t})", "2"),
    ("week({t})", "6"),
    ("day({t})", "3"),
    // A Tuesday.
    ("dayofweek({t})", "2"),
    ("isodow({t})", "2"),
    ("isodow(DATE '2026-02-01')", "7"),
    ("dayofyear({t})", "34"),
    (
        "hour({t}) * 10000 + minute({t}) * 100 + second({t})",
        "40506",
    ),
    ("year('2026-02-03'::date)", "2026"),
    ("epoch(TIMESTAMP '1970-01-02 00:00:01.5')", "86401.5"),
    ("epoch_ms(TIMESTAMP '1970-01-02 00:00:01.5')", "86401500"),
    ("dayname({t})", "Tuesday"),
    ("monthname(DATE '2026-02-03')", "February"),
    ("last_day(DATE '2024-02-03')", "2024-02-29"),
    ("last_day({t})", "2026-02-28"),
    (
        "date_diff('day', DATE '2024-02-28', DATE '2024-03-01')",
        "2",
    ),
    (
        "date_diff('month', DATE '2023-12-31', DATE '2024-03-01')",
        "3",
    ),
    (
        "datediff('years', DATE '2023-12-31', DATE '2024-01-01')",
        "1",
    ),
    (
        "date_diff('quarter', DATE '2023-12-31', DATE '2024-07-01')",
        "3",
    ),
    (
        "date_diff('hour', TIMESTAMP '2024-01-01 10:59:59', TIMESTAMP '2024-01-01 12:00:00')",
        "2",
    ),
    (
        "date_diff('week', DATE '2026-02-01', DATE '2026-02-02')",
        "1",
    ),
    (
        "date_diff('day', DATE '2024-03-01', DATE '2024-02-28')",
        "-2",
    ),
    ("regexp_extract('ab=12; c=3', '([a-z]+)=([0-9]+)')", "ab=12"),
    ("regexp_extract('ab=12; c=3', '([a-z]+)=([0-9]+)', 2)", "12"),
    ("regexp_extract('ab', '[0-9]')", ""),
    ("regexp_extract(NULL, '[0-9]')", "NULL"),
    ("regexp_extract('ab', '(x)?b', 1)", ""),
    ("regexp_matches('abc', 'b')", "true"),
    ("strftime({t}, '%Y/%m')", "2026/02"),
    ("strptime('03.02.2026', '%d.%m.%Y')", "2026-02-03T00:00:00"),
    ("time_bucket(INTERVAL '1 hour', {t})", "2026-02-03T04:00:00"),
    ("string_split('a,b', ',')", "[a, b]"),
    ("list_value(1, 2)", "[1, 2]"),
    ("list_min([2, 1])", "1"),
    ("hex(255)", "FF"),
    ("prefix('abc', 'ab')", "true"),
    ("sign(-2.5)", "-1.0"),
    ("hamming('duck', 'luck')", "1"),
    ("damerau_levenshtein('ab', 'ba')", "1"),
    ("jaccard('duck', 'luck')", "0.6"),
    (
        "jaro_winkler_similarity('duck', 'duckdb')",
        "0.9333333333333333",
    ),
    ("regexp_split_to_array('a1b22c', '[0-9]+')", "[a, b, c]"),
    ("regexp_extract_all('a1b22', '[a-z]([0-9]+)', 1)", "[1, 22]"),
    ("regexp_full_match('abc', 'a.c')", "true"),
    ("regexp_full_match('abcd', 'a.c')", "false"),
    ("width_bucket(35.0, 0, 100, 10)", "4"),
    ("width_bucket(-1.0, 0, 100, 10)", "0"),
    ("width_bucket(100.0, 0, 100, 10)", "11"),
    ("width_bucket(35.0, 100, 0, 10)", "7"),
    ("div(-7, 2)", "-3"),
    ("even(2.5)", "4.0"),
    ("bit_count(7)", "3"),
    ("bin(5)", "101"),
    ("to_base(255, 16)", "FF"),
    ("unicode('ä')", "228"),
    ("isinf('inf'::double)", "true"),
    ("isfinite(1.5)", "true"),
    ("format_bytes(16384)", "16.0 KiB"),
    ("format_bytes(1)", "1 byte"),
    (
        "printf('%05.1f|%-4d|%+d|%x', 12.34, 7, 7, 255)",
        "012.3|7   |+7|ff",
    ),
    (
        "format('%2$s-%1$s %L %I', 'a', 'b', 'it''s', 'A b')",
        "b-a 'b' \"it's\"",
    ),
    ("quote_ident('select')", "\"select\""),
    ("hex('abc')", "616263"),
    ("hex(unhex('0a'))", "0A"),
    ("to_base64('a')", "YQ=="),
    (
        "to_char({t}, 'FMMonth DDth, HH12:MI AM')",
        "February 03rd, 04:05 AM",
    ),
    ("to_char({t}, 'YYYY-\"Q\"Q MS')", "2026-Q1 789"),
    ("to_char({t}, '%H:%M')", "04:05"),
    (
        "make_timestamp(2024, 2, 29, 12, 30, 1.5)",
        "2024-02-29T12:30:01.500",
    ),
    (
        "date_sub('month', DATE '2024-01-31', DATE '2024-03-30')",
        "1",
    ),
    (
        "date_add(DATE '2024-01-31', INTERVAL '1 month')",
        "2024-02-29T00:00:00",
    ),
    ("epoch_us(TIMESTAMP '1970-01-01 00:00:01')", "1000000"),
    ("yearweek(DATE '2024-02-14')", "202407"),
    ("century(DATE '2000-01-01')", "20"),
    (
        "make_timestamp(2024, 1, 31, 0, 0, 0) + age(TIMESTAMP '2024-03-30', TIMESTAMP '2024-01-31')",
        // One month and 30 days, borrowed from January: 2024-02-29 and 30 days.
        "2024-03-30T00:00:00",
    ),
    ("DATE '2024-01-01' + to_hours(36)", "2024-01-02T12:00:00"),
    ("list_last([1, 2])", "2"),
    ("list_count([1, NULL])", "1"),
    ("list_unique([1, 1, 2, NULL])", "2"),
    ("list_reverse_sort([1, 3, NULL, 2])", "[3, 2, 1, ]"),
    ("array_length([[1, 2], [3, 4]], 2) - 3", "-1"),
    ("cardinality([1]) - 2", "-1"),
    ("trim_array([1, 2, 3], 1)", "[1, 2]"),
    ("current_schema()", "public"),
];

#[tokio::test]
async fn scalar_functions() {
    let state = state();
    let time = "TIMESTAMP '2026-02-03 04:05:06.789'";
    let mut wrong = Vec::new();
    for (expression, wanted) in SCALAR {
        let sql = format!("SELECT {} AS x", expression.replace("{t}", time));
        match try_run(&state, &sql).await {
            Ok(rows) if rows == [*wanted] => {}
            other => wrong.push(format!("{sql}: {other:?}, not {wanted}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Its text is the session's to make.
    let uuid = run(&state, "SELECT gen_random_uuid() IS NOT NULL").await;
    assert_eq!(uuid, ["true"]);
}

/// Documented examples say what they give: `SELECT …; -- value`.
#[tokio::test]
async fn examples_of_variants_give_what_they_say() {
    let state = state();
    for function in sheaf_bags::functions::functions() {
        let example = function.documentation().and_then(|d| d.sql_example.clone());
        let example = example.unwrap_or_default();
        let (sql, wanted) = example.split_once("; -- ").unwrap();
        assert_eq!(run(&state, sql).await, [wanted.trim()], "{sql}");
    }
}

#[tokio::test]
async fn examples_of_aggregates_give_what_they_say() {
    let state = state();
    let mut count = 0;
    for function in crate::aggregate::functions() {
        let example = function.documentation().and_then(|d| d.sql_example.clone());
        if let Some((sql, wanted)) = example.unwrap_or_default().split_once("; -- ") {
            assert_eq!(run(&state, sql).await, [wanted], "{sql}");
            count += 1;
        }
    }
    assert!(count >= 8, "{count} examples");
}

#[tokio::test]
async fn functions_of_columns() {
    let state = state();
    let text: StringViewArray = [Some("a1"), None, Some("b22"), Some("c"), Some("d4 d5")]
        .into_iter()
        .collect();
    let pattern: StringViewArray = [
        Some("[0-9]+"),
        Some("x"),
        Some("([a-z])(2)"),
        None,
        Some("d(5)"),
    ]
    .into_iter()
    .collect();
    let group: Int64Array = [Some(0), Some(0), Some(2), Some(0), Some(1)]
        .into_iter()
        .collect();
    table(
        &state,
        "t",
        vec![
            ("s", Arc::new(text)),
            ("p", Arc::new(pattern)),
            ("g", Arc::new(group)),
        ],
        1,
    );
    let sql = "SELECT regexp_extract(s, p, g), regexp_extract(s, '[0-9]'), len(s), if(len(s) > 2, s, '-') FROM t";
    assert_eq!(
        run(&state, sql).await,
        [
            "1|1|2|-",
            "NULL|NULL|NULL|-",
            "2|2|3|b22",
            "NULL||1|-",
            "5|4|5|d4 d5"
        ]
    );
}

#[tokio::test]
async fn errors() {
    let state = state();
    for (expression, message) in [
        ("regexp_extract('a', '(')", "not a regular expression"),
        ("regexp_extract('a', 'a', 1)", "has no group 1"),
        ("regexp_extract('a', 'a', -1)", "has no group -1"),
        (
            "date_diff('fortnight', DATE '2024-01-01', DATE '2024-01-02')",
            "does not know the part",
        ),
        ("if(true, 1, [2])", "no common type"),
    ] {
        let error = try_run(&state, &format!("SELECT {expression}"))
            .await
            .unwrap_err();
        assert!(
            format!("{error:?}").contains(message),
            "{expression}: {error:?}"
        );
    }
}

/// The aggregates of one group, by hand.
#[derive(Default)]
struct Naive {
    counts: BTreeMap<i64, u64>,
    largest: Option<(i64, i64)>,
    smallest: Option<(i64, i64)>,
    large: u64,
}

#[tokio::test]
async fn aggregates_agree_with_loops() {
    let state = state();
    let mut number = 7_u64;
    let mut random = |bound: u64| {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((number >> 33) % bound).unwrap()
    };
    // `by` has no duplicates, so that the row with the largest is one.
    let rows: Vec<(i64, Option<i64>, Option<i64>)> = (0..500)
        .map(|n| {
            let (x, by) = (random(6), random(1_000_000) * 1000 + n);
            (
                random(5),
                (x > 0).then_some(x),
                (random(7) > 0).then_some(by),
            )
        })
        .collect();
    let mut naive: BTreeMap<i64, Naive> = BTreeMap::new();
    for (group, x, by) in &rows {
        let entry = naive.entry(*group).or_default();
        if let Some(x) = x {
            *entry.counts.entry(*x).or_default() += 1;
            entry.large += u64::from(*x > 3);
            if let Some(by) = by {
                entry.largest = entry.largest.max(Some((*by, *x)));
                entry.smallest = Some(entry.smallest.map_or((*by, *x), |s| s.min((*by, *x))));
            }
        }
    }
    let wanted: Vec<String> = naive
        .iter()
        .map(|(group, n)| {
            let most = n.counts.values().max().unwrap();
            let mode = n.counts.iter().find(|(_, count)| *count == most).unwrap().0;
            format!(
                "{group}|{mode}|{}|{}|{}",
                n.largest.unwrap().1,
                n.smallest.unwrap().1,
                n.large
            )
        })
        .collect();
    let g: Int64Array = rows.iter().map(|r| Some(r.0)).collect();
    let x: Int64Array = rows.iter().map(|r| r.1).collect();
    let by: Int64Array = rows.iter().map(|r| r.2).collect();
    table(
        &state,
        "t",
        vec![("g", Arc::new(g)), ("x", Arc::new(x)), ("by", Arc::new(by))],
        4,
    );
    let sql = "SELECT g, mode(x), arg_max(x, by), min_by(x, by), count_if(x > 3) FROM t GROUP BY g ORDER BY g";
    assert_eq!(run(&state, sql).await, wanted);
}

#[tokio::test]
async fn aggregates_of_little() {
    let state = state();
    for (sql, wanted) in [
        (
            "SELECT mode(x), arg_max(x, x), count_if(x > 1) FROM (SELECT 1 AS x WHERE false)",
            "NULL|NULL|0",
        ),
        (
            "SELECT mode(x) FROM (VALUES ('b'), ('a'), (NULL), ('b'), ('a')) AS t(x)",
            "a",
        ),
        (
            "SELECT max_by(x, y), arg_min(y, x) FROM (VALUES ('b', 1), ('a', 3), (NULL, 9)) AS t(x, y)",
            "a|3",
        ),
        (
            "SELECT arg_max(x, y) FILTER (WHERE y < 3) FROM (VALUES ('b', 1), ('a', 3)) AS t(x, y)",
            "b",
        ),
        (
            "SELECT list(x ORDER BY x), group_concat(x, '-' ORDER BY x), first(x ORDER BY x) FROM (VALUES ('b'), ('a')) AS t(x)",
            "[a, b]|a-b|a",
        ),
        (
            "SELECT product(x), round(geomean(x), 6), quantile_disc(x, 0.5), round(skewness(x), 6), round(kurtosis(x), 6) FROM (VALUES (1), (2), (3), (4), (7)) AS t(x)",
            // DuckDB 2.0.
            "168.0|2.786518|3|1.032659|1.128515",
        ),
        (
            "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY x), percentile_disc(0.51) WITHIN GROUP (ORDER BY x), percentile_disc(0.25) WITHIN GROUP (ORDER BY x DESC) FROM (VALUES (1), (2), (3), (4), (NULL)) AS t(x)",
            "2|3|4",
        ),
        (
            "SELECT mode() WITHIN GROUP (ORDER BY x) FROM (VALUES (1), (2), (2), (3)) AS t(x)",
            "2",
        ),
        (
            "SELECT every(x > 0), variance(x), approx_count_distinct(x) FROM (VALUES (1), (3)) AS t(x)",
            "true|2.0|2",
        ),
    ] {
        assert_eq!(run(&state, sql).await, [wanted], "{sql}");
    }
}

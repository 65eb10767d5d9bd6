//! PIVOT, UNPIVOT and UNNEST WITH ORDINALITY, from text to rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringViewArray};

use crate::testing::{Lottery, TestSession};

async fn session() -> TestSession {
    let session = TestSession::new(3, 2);
    session
        .create(
            "sales",
            "SELECT * FROM (VALUES ('n', 2020, 'JAN', 10), ('n', 2020, 'FEB', 20), ('s', 2021, 'JAN', 5),
             ('n', 2020, 'JAN', 1), ('s', 2021, NULL, 7)) AS t(region, year, month, amount)",
        )
        .await;
    session
        .create(
            "wide",
            "SELECT * FROM (VALUES (1, 10, NULL, 'p'), (2, NULL, CAST(2.5 AS DOUBLE), 'q')) AS t(id, jan, feb, txt)",
        )
        .await;
    session
}

#[tokio::test]
async fn pivot() {
    let session = session().await;
    for (sql, wanted) in [
        (
            "SELECT * FROM sales PIVOT (sum(amount) FOR month IN ('JAN', 'FEB')) ORDER BY region",
            "region|year|JAN|FEB\nn|2020|11|20\ns|2021|5|NULL",
        ),
        (
            "SELECT * FROM sales PIVOT (sum(amount) AS total, count(*) AS n FOR month IN ('JAN' AS j, 'FEB')) \
             AS p ORDER BY p.region",
            "region|year|j_total|j_n|FEB_total|FEB_n\nn|2020|11|2|20|1\ns|2021|5|1|NULL|0",
        ),
        (
            "SELECT * FROM sales PIVOT (sum(amount), max(amount) FOR month IN ('JAN')) ORDER BY region",
            "region|year|JAN_sum(amount)|JAN_max(amount)\nn|2020|11|10\ns|2021|5|5",
        ),
        (
            "SELECT * FROM (SELECT month, amount FROM sales) PIVOT (sum(amount) FOR month IN ('JAN', NULL))",
            "JAN|NULL\n16|7",
        ),
        (
            "SELECT region, \"2020\", \"2021\" FROM sales \
             PIVOT (sum(amount) FOR year IN (2020, 2021) DEFAULT ON NULL (0)) WHERE month = 'JAN' ORDER BY region",
            "region|2020|2021\nn|11|0\ns|0|5",
        ),
        (
            "SELECT * FROM (SELECT * EXCLUDE (region) FROM sales) \
             PIVOT (sum(amount) FOR (year, month) IN ((2020, 'JAN'), (2021, 'JAN') AS late))",
            "2020_JAN|late\n11|5",
        ),
        (
            "SELECT * FROM sales PIVOT (count(DISTINCT amount) FILTER (WHERE amount > 1) FOR month IN ('JAN')) ORDER BY region",
            "region|year|JAN\nn|2020|1\ns|2021|1",
        ),
    ] {
        assert_eq!(session.run(sql).await.to_string(), wanted, "{sql}");
    }
}

#[tokio::test]
async fn pivot_agrees_with_sums_by_hand() {
    let mut lottery = Lottery::new(11);
    let rows: Vec<(Option<u64>, Option<u64>, Option<u64>)> = (0..2000)
        .map(|_| {
            (
                lottery.maybe(5, 9),
                lottery.maybe(4, 9),
                lottery.maybe(100, 9),
            )
        })
        .collect();
    let number = |v: Option<u64>| v.map(|v| i64::try_from(v).unwrap());
    let group: Int64Array = rows.iter().map(|r| number(r.0)).collect();
    let kind: StringViewArray = rows.iter().map(|r| r.1.map(|v| format!("k{v}"))).collect();
    let value: Int64Array = rows.iter().map(|r| number(r.2)).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("g", Arc::new(group)),
        ("kind", Arc::new(kind)),
        ("v", Arc::new(value)),
    ];
    let session = TestSession::new(4, 7);
    session.table("t", columns, 3, 13);

    let mut sums: BTreeMap<Option<u64>, [Option<u64>; 2]> = BTreeMap::new();
    for (group, kind, value) in &rows {
        let entry = sums.entry(*group).or_default();
        if let (Some(kind @ (0 | 2)), Some(value)) = (kind, value) {
            let sum = &mut entry[usize::from(*kind == 2)];
            *sum = Some(sum.unwrap_or(0) + value);
        }
    }
    let show = |v: &Option<u64>| v.map_or("NULL".to_owned(), |v| v.to_string());
    let wanted: Vec<String> = sums
        .iter()
        .map(|(g, [a, b])| format!("{}|{}|{}", show(g), show(a), show(b)))
        .collect();
    let sql = "SELECT * FROM t PIVOT (sum(v) FOR kind IN ('k0', 'k2')) ORDER BY g NULLS FIRST";
    assert_eq!(session.run(sql).await.rows, wanted);
}

#[tokio::test]
async fn pivot_errors() {
    let session = session().await;
    for (clause, message) in [
        (
            "sum(amount) FOR month IN (ANY)",
            "PIVOT needs its values listed",
        ),
        (
            "sum(amount) FOR month IN (SELECT month FROM sales)",
            "PIVOT needs its values listed",
        ),
        (
            "sum(amount) FOR month IN (JAN)",
            "is a name, not a constant",
        ),
        ("upper(region) FOR month IN ('JAN')", "is none"),
        (
            "sum(amount) FOR month IN ('JAN', 'JAN')",
            "two columns called \"JAN\"",
        ),
        ("sum(amount) FOR (year, month) IN ('JAN')", "has 1 parts"),
        ("sum(amuont) FOR month IN ('JAN')", "amuont"),
    ] {
        let error = session
            .error(&format!("SELECT * FROM sales PIVOT ({clause})"))
            .await;
        assert!(error.message().contains(message), "{clause}: {error:?}");
    }
}

#[tokio::test]
async fn unpivot() {
    let session = session().await;
    for (sql, wanted) in [
        (
            "SELECT * FROM wide UNPIVOT (amount FOR month IN (jan, feb AS 'Feb'))",
            "id|txt|month|amount\n1|p|jan|10.0\n2|q|Feb|2.5",
        ),
        (
            "SELECT * FROM wide UNPIVOT INCLUDE NULLS (amount FOR month IN (jan, feb)) AS u ORDER BY u.id, month",
            "id|txt|month|amount\n1|p|feb|NULL\n1|p|jan|10.0\n2|q|feb|2.5\n2|q|jan|NULL",
        ),
        (
            "SELECT id, name, v, w FROM wide UNPIVOT ((v, w) FOR name IN ((jan, txt) AS 'one', (feb, txt))) ORDER BY id, name",
            "id|name|v|w\n1|feb_txt|NULL|p\n1|one|10.0|p\n2|feb_txt|2.5|q\n2|one|NULL|q",
        ),
        (
            "SELECT id FROM wide UNPIVOT (v FOR n IN (jan, feb)) WHERE n = 'feb'",
            "id\n2",
        ),
    ] {
        let answer = session.run(sql).await;
        let answer = if sql.contains("ORDER") {
            answer
        } else {
            answer.sorted()
        };
        assert_eq!(answer.to_string(), wanted, "{sql}");
    }
    let plan = session
        .explain("SELECT * FROM wide UNPIVOT (v FOR n IN (jan, feb))")
        .await;
    assert_eq!(plan.matches("DataSourceExec").count(), 1, "{plan}");
}

#[tokio::test]
async fn unpivot_of_many_rows() {
    let session = TestSession::new(4, 16);
    let numbers: Int64Array = (0..1000).map(|n| (n % 3 > 0).then_some(n)).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..1000))),
        ("a", Arc::new(numbers.clone())),
        ("b", Arc::new(Int64Array::from_iter_values(0..1000))),
        ("c", Arc::new(numbers)),
    ];
    session.table("t", columns, 3, 10);
    let sql =
        "SELECT n, count(*), sum(v) FROM t UNPIVOT (v FOR n IN (a, b, c)) GROUP BY n ORDER BY n";
    let third: i64 = (0..1000).filter(|n| n % 3 > 0).sum();
    assert_eq!(
        session.run(sql).await.rows,
        [
            format!("a|666|{third}"),
            "b|1000|499500".to_owned(),
            format!("c|666|{third}")
        ]
    );
}

#[tokio::test]
async fn unpivot_errors() {
    let session = session().await;
    for (clause, message) in [
        ("v FOR n IN (jan, fbe)", "fbe"),
        ("v FOR id IN (jan, feb)", "a second column called \"id\""),
        ("v FOR v IN (jan, feb)", "a second column called \"v\""),
        ("(v, w) FOR n IN (jan, feb)", "has 2 value columns"),
        ("v FOR n IN (jan + 1)", "takes columns"),
        ("'v' FOR n IN (jan)", "needs a name"),
    ] {
        let error = session
            .error(&format!("SELECT * FROM wide UNPIVOT ({clause})"))
            .await;
        assert!(error.message().contains(message), "{clause}: {error:?}");
    }
}

#[tokio::test]
async fn ordinality() {
    let session = session().await;
    for (sql, wanted) in [
        (
            "SELECT * FROM UNNEST(['a', 'b']) WITH ORDINALITY AS t(x, n) ORDER BY n DESC",
            "x|n\nb|2\na|1",
        ),
        (
            "SELECT * FROM UNNEST(['a', 'b']) WITH ORDINALITY AS t(x) ORDER BY ordinality",
            "x|ordinality\na|1\nb|2",
        ),
        (
            "SELECT ordinality FROM UNNEST([5, 6], [7, 8, 9]) WITH ORDINALITY ORDER BY ALL",
            "ordinality\n1\n2\n3",
        ),
        (
            "SELECT x, o FROM UNNEST([5]) AS t(x) WITH OFFSET AS o",
            "x|o\n5|0",
        ),
        (
            "SELECT s.id, t.* FROM wide s CROSS JOIN UNNEST(['a']) WITH ORDINALITY AS t(x, n) ORDER BY id",
            "id|x|n\n1|a|1\n2|a|1",
        ),
    ] {
        assert_eq!(session.run(sql).await.to_string(), wanted, "{sql}");
    }
}

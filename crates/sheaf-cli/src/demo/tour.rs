//! The questions of the demo, in order. `DIR` stands for the data's directory.
//!
//! What must come out, by arithmetic over the data's formulas:
//! - access log: 16,000 requests for each of the five endpoints; `/metrics` (numbers ≡ 4 mod 5)
//!   has durations 14 … 809 in steps of 5, each as often as the others, hence 411.5 on average,
//!   each endpoint before it 1 ms less; 22,856 of 80,000 answered with 400 or more (numbers ≡ 4 or
//!   5 mod 7); 30,900 took longer than 500 ms (`e % 800 > 490`: 309 of 800, a hundred times);
//! - events: 333 of each shard's 1,000 records are errors (`j % 3 = 2`: 2, 5, …, 998), 1,665 in
//!   all; those of one service have `j` in steps of 12, from 5 (api), 8 (auth), 11 (db), 2 (worker):
//!   83 a shard, 84 for the worker; their average of `10 + j % 500` is taken to one digit;
//! - sales: the amounts of region r (0 north, 1 east, 2 south, 3 west) are `i % 100 + 0.25` for
//!   `i ≡ r mod 4`: each of r, r+4, …, r+96 forty times, hence 1000 r + 48,000, and 250 from the
//!   quarters.

/// A step: what it shows, and the statement.
pub(super) struct Step {
    /// One line for people.
    pub(super) title: &'static str,
    /// The statement, without its semicolon.
    pub(super) sql: &'static str,
}

/// Every step, in order.
pub(super) static STEPS: &[Step] = &[
    Step {
        title: "A path is a table: the first lines of eight log files.",
        sql: "FROM 'DIR/access_*.jsonl' ORDER BY id LIMIT 5",
    },
    Step {
        title: "Requests, times and errors by endpoint.",
        sql: "SELECT endpoint,
       count(*) AS requests,
       avg(duration_ms) AS avg_ms,
       max(duration_ms) AS peak_ms,
       count(*) FILTER (WHERE status >= 400) AS errors,
       round(100.0 * count(*) FILTER (WHERE status >= 400) / count(*), 2) AS error_rate_pct
FROM 'DIR/access_*.jsonl'
GROUP BY endpoint
ORDER BY avg_ms DESC",
    },
    Step {
        title: "All requests, failed ones and slow ones.",
        sql: "SELECT count(*) AS requests,
       count(*) FILTER (WHERE status >= 400) AS errors,
       count(*) FILTER (WHERE duration_ms > 500) AS slower_than_500_ms
FROM 'DIR/access_*.jsonl'",
    },
    Step {
        title: "Another log: the errors by service.",
        sql: "SELECT service, round(avg(duration_ms), 1) AS avg_ms, count(*) AS errors
FROM 'DIR/events_*.jsonl'
WHERE level = 'ERROR'
GROUP BY ALL
ORDER BY service",
    },
    Step {
        title: "And all of them.",
        sql: "SELECT count(*) AS errors FROM 'DIR/events_*.jsonl' WHERE level = 'ERROR'",
    },
    Step {
        title: "CSV works the same way: sales by region, over four months' files.",
        sql: "SELECT region, count(*) AS sales, sum(amount) AS amount
FROM 'DIR/sales_data_*.csv'
GROUP BY ALL
ORDER BY region",
    },
    Step {
        title: "Results become files: the summary as Parquet.",
        sql: "COPY (
    SELECT endpoint, count(*) AS requests, avg(duration_ms) AS avg_ms
    FROM 'DIR/access_*.jsonl'
    GROUP BY endpoint
) TO 'DIR/summary.parquet' (FORMAT parquet)",
    },
    Step {
        title: "And they are read back.",
        sql: "FROM 'DIR/summary.parquet' ORDER BY endpoint",
    },
];

//! Functions of a program: what it registers, what becomes of queries that are stopped, and who may
//! create functions of code. What statements say of them is tested in `sql-tests/function/`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef};
use datafusion::scalar::ScalarValue;
use sheaf_base::{ErrorKind, Result, SheafError};
use sheaf_udf::{
    AggregateFunction, CallContext, Code, Declaration, Groups, Language, ScalarFunction, TableCall,
    TableFunction, TableInstance, TableOutput, Volatility,
};

use super::{block_on, number, session};
use crate::{Access, Session};

/// `x * by`.
#[derive(Debug)]
struct Scaled;

impl ScalarFunction for Scaled {
    fn call(&self, arguments: &[ArrayRef], _: usize, _: &CallContext) -> Result<ArrayRef> {
        let [x, by] = [0, 1].map(|at| arguments[at].as_primitive::<Float64Type>());
        let values = x.iter().zip(by).map(|(x, by)| Some(x? * by?));
        Ok(Arc::new(values.collect::<Float64Array>()))
    }
}

/// `x * 2` of many rows at once.
#[derive(Debug, Default)]
struct Doubled {
    /// The most that a call had.
    rows_most: AtomicUsize,
}

impl ScalarFunction for Doubled {
    fn call(&self, arguments: &[ArrayRef], rows: usize, _: &CallContext) -> Result<ArrayRef> {
        self.rows_most.fetch_max(rows, Ordering::Relaxed);
        let x = arguments[0].as_primitive::<Float64Type>();
        let values = x.iter().map(|x| Some(x? * 2.0));
        Ok(Arc::new(values.collect::<Float64Array>()))
    }

    fn rows_wanted(&self) -> Option<usize> {
        Some(64 * 1024)
    }
}

/// The largest value.
#[derive(Debug)]
struct Largest;

#[derive(Default)]
struct LargestOf(Vec<Option<f64>>);

impl AggregateFunction for Largest {
    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Float64]
    }

    fn groups(&self, _: &CallContext) -> Result<Box<dyn Groups>> {
        Ok(Box::new(LargestOf::default()))
    }
}

impl Groups for LargestOf {
    fn update(&mut self, arguments: &[ArrayRef], group: &[usize], groups: usize) -> Result<()> {
        self.0.resize(groups, None);
        for (value, group) in arguments[0].as_primitive::<Float64Type>().iter().zip(group) {
            let largest = &mut self.0[*group];
            *largest = largest.iter().copied().chain(value).reduce(f64::max);
        }
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], group: &[usize], groups: usize) -> Result<()> {
        self.update(states, group, groups)
    }

    fn take_states(&mut self, count: usize) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.take_results(count)?])
    }

    fn take_results(&mut self, count: usize) -> Result<ArrayRef> {
        let taken = self.0.drain(..count);
        Ok(Arc::new(taken.collect::<Float64Array>()))
    }

    fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Option<f64>>()
    }
}

/// `n` numbers from 0, `at_once` of them in a batch.
#[derive(Debug)]
struct Numbers {
    at_once: i64,
}

struct NumbersOf {
    at_once: i64,
    waiting: Vec<(u32, i64, i64)>,
}

impl TableFunction for Numbers {
    fn columns(&self, _: &TableCall) -> Result<SchemaRef> {
        let number = Field::new("i", DataType::Int64, false);
        Ok(Arc::new(Schema::new(vec![number])))
    }

    fn open(&self, _: &TableCall, _: &CallContext) -> Result<Box<dyn TableInstance>> {
        Ok(Box::new(NumbersOf {
            at_once: self.at_once,
            waiting: vec![],
        }))
    }
}

impl TableInstance for NumbersOf {
    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let counts = batch.column(0).as_primitive::<Int64Type>();
        let rows = (0..).zip(counts);
        self.waiting = rows
            .filter_map(|(row, count)| Some((row, 0, count?)))
            .collect();
        self.waiting.reverse();
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }

    fn next(&mut self) -> Result<Option<TableOutput>> {
        let Some((row, first, end)) = self.waiting.pop() else {
            return Ok(None);
        };
        let last = end.min(first + self.at_once);
        if last < end {
            self.waiting.push((row, last, end));
        }
        let numbers = Int64Array::from_iter_values(first..last);
        let origin = UInt32Array::from(vec![row; numbers.len()]);
        let numbers = Arc::new(numbers) as ArrayRef;
        Ok(Some(TableOutput {
            rows: RecordBatch::try_from_iter([("i", numbers)])?,
            origin: Some(origin),
        }))
    }
}

fn registered(session: &Session) {
    let scaled = Declaration::new("scaled")
        .value("x", DataType::Float64)
        .value_or("by", ScalarValue::Float64(Some(2.0)))
        .volatility(Volatility::Immutable);
    session
        .add_scalar_function(scaled, DataType::Float64, Arc::new(Scaled))
        .unwrap();
    let largest = Declaration::new("largest").value("x", DataType::Float64);
    session
        .add_aggregate_function(largest, DataType::Float64, Arc::new(Largest))
        .unwrap();
    for (name, at_once) in [("numbers", 100), ("numbers_at_once", 50_000_000)] {
        let declared = Declaration::new(name).value("n", DataType::Int64);
        session
            .add_table_function(declared, Arc::new(Numbers { at_once }))
            .unwrap();
    }
}

#[test]
fn what_is_registered_is_called_as_any_function() {
    let session = session();
    registered(&session);
    block_on(async {
        let one = |sql| number(&session, sql);
        assert_eq!(one("SELECT scaled(21)::bigint").await, 42);
        assert_eq!(one("SELECT scaled(by => 3, x => 14)::bigint").await, 42);
        let sql = "SELECT largest(value % 43)::bigint FROM range(0, 100000)";
        assert_eq!(one(sql).await, 42);
        let sql =
            "SELECT count(*) FROM (SELECT value % 7 AS k, largest(value) AS m FROM range(0, 70000)
            GROUP BY value % 7) WHERE m = 69993 + k";
        assert_eq!(one(sql).await, 7);
        let sql =
            "SELECT sum(i + n)::bigint FROM (VALUES (3), (0), (NULL), (2)) AS v(n), numbers(n)";
        assert_eq!(one(sql).await, (3 + 4 + 5) + (2 + 3));
        assert_eq!(one("SELECT count(*) FROM numbers(100000)").await, 100_000);
        // The plan of a statement that is run again calls for the statement that runs.
        session
            .sql("PREPARE p AS SELECT scaled($1)::bigint")
            .await
            .unwrap();
        for _ in 0..4 {
            assert_eq!(one("EXECUTE p(4)").await, 8);
        }
    });
    let kinds =
        "SELECT count(*) FROM sheaf.functions WHERE name IN ('scaled', 'largest', 'numbers')
        AND description = 'is written in rust'";
    assert_eq!(block_on(number(&session, kinds)), 3);
    let error = block_on(session.sql("SHOW CREATE FUNCTION scaled")).unwrap_err();
    assert!(error.message().contains("made by no statement"), "{error}");
    // Siblings call them, and drop their own only.
    let reader = session.sibling(Access::NamedTables);
    assert_eq!(block_on(number(&reader, "SELECT scaled(21)::bigint")), 42);
    block_on(session.sql("DROP FUNCTION scaled")).unwrap();
    assert_eq!(block_on(number(&reader, "SELECT scaled(21)::bigint")), 42);
    assert!(block_on(session.sql("SELECT scaled(1)")).is_err());
}

#[test]
fn a_function_that_wants_many_rows_has_larger_batches() {
    let session = session();
    let doubled = Arc::new(Doubled::default());
    let declared = Declaration::new("doubled").value("x", DataType::Float64);
    let function: Arc<dyn ScalarFunction> = Arc::<Doubled>::clone(&doubled);
    session
        .add_scalar_function(declared, DataType::Float64, function)
        .unwrap();
    block_on(async {
        for (sql, wanted) in [
            (
                "SELECT sum(doubled(value))::bigint FROM range(0, 1000000)",
                999_999_000_000,
            ),
            (
                "SELECT count(*) FROM range(0, 1000000) WHERE doubled(value) >= 1000000",
                500_000,
            ),
        ] {
            doubled.rows_most.store(0, Ordering::Relaxed);
            assert_eq!(number(&session, sql).await, wanted);
            // The engine's have 8,192 rows.
            let rows_most = doubled.rows_most.load(Ordering::Relaxed);
            assert!(rows_most > 8192, "{sql}: {rows_most} rows at most");
        }
    });
}

#[test]
fn names_that_are_taken_are_told() {
    let session = session();
    let declared = |name: &str| Declaration::new(name).value("x", DataType::Float64);
    let add = |declared| session.add_scalar_function(declared, DataType::Float64, Arc::new(Scaled));
    let error = add(declared("abs")).unwrap_err();
    assert_eq!(error.state().code(), "42723");
    let error = add(declared("f").value("x", DataType::Int64)).unwrap_err();
    assert!(error.message().contains("declared twice"), "{error}");
    let error = add(declared("f").relation("r", None)).unwrap_err();
    assert!(error.message().contains("table function"), "{error}");
    add(declared("f")).unwrap();
    let error = session
        .add_aggregate_function(declared("f"), DataType::Float64, Arc::new(Largest))
        .map(|()| "replaced");
    // Of the same parameters it is replaced.
    assert_eq!(error.unwrap(), "replaced");
}

#[test]
fn a_call_without_end_is_stopped() {
    let session = session();
    registered(&session);
    let start = Instant::now();
    block_on(async {
        session
            .sql("SET statement_timeout = '300ms'")
            .await
            .unwrap();
        let sql = "SELECT sum(i) FROM numbers(9000000000000000000)";
        let error = match session.sql(sql).await {
            Ok(result) => result.collect().await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    });
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn what_is_given_at_once_takes_memory() {
    let session = session();
    registered(&session);
    block_on(async {
        // 400 MB of 200 MB.
        let result = session
            .sql("SELECT sum(i) FROM numbers_at_once(50000000)")
            .await;
        let error = match result {
            Ok(result) => result.collect().await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.kind(), ErrorKind::Resource, "{error}");
        assert!(error.message().contains("numbers_at_once"), "{error}");
        // A little at a time is no more than that.
        assert_eq!(
            number(&session, "SELECT count(*) FROM numbers(2000000)").await,
            2_000_000
        );
        // Many groups of an aggregate are more than memory, and go to disk.
        let sql = "SELECT count(*) FROM (SELECT value AS k, largest(value) FROM range(0, 3000000)
            GROUP BY value)";
        assert_eq!(number(&session, sql).await, 3_000_000);
    });
}

/// Any code is [`Scaled`].
#[derive(Debug)]
struct AnyLanguage;

impl Language for AnyLanguage {
    fn scalar(
        &self,
        _code: &Code,
        _declaration: &Declaration,
        _returns: &DataType,
    ) -> Result<Arc<dyn ScalarFunction>> {
        Ok(Arc::new(Scaled))
    }

    fn aggregate(
        &self,
        _code: &Code,
        _declaration: &Declaration,
        _returns: &DataType,
    ) -> Result<Arc<dyn AggregateFunction>> {
        Err(SheafError::unsupported("no aggregates"))
    }

    fn table(
        &self,
        _code: &Code,
        _declaration: &Declaration,
        _returns: &SchemaRef,
    ) -> Result<Arc<dyn TableFunction>> {
        Err(SheafError::unsupported("no tables"))
    }
}

/// Whoever may create functions may create those of code; others may call them, and read no code.
#[test]
fn who_may_create_functions_of_code() {
    let builder = Session::builder().language("any", Arc::new(AnyLanguage));
    let session = builder.build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("code.any");
    std::fs::write(&file, "code").unwrap();
    let create = |name: &str, code: &str| {
        format!("CREATE FUNCTION {name}(x DOUBLE, by DOUBLE) RETURNS DOUBLE LANGUAGE any AS {code}")
    };
    let in_file = format!("'{}#scaled'", file.display());
    block_on(session.sql(&create("f", &in_file))).unwrap();
    assert_eq!(block_on(number(&session, "SELECT f(21, 2)::bigint")), 42);
    let admin = session.sibling(Access::Process);
    block_on(admin.sql(&create("g", "$$code$$"))).unwrap();
    let reader = session.sibling(Access::NamedTables);
    assert_eq!(block_on(number(&reader, "SELECT f(21, 2)::bigint")), 42);
    for code in ["$$code$$", in_file.as_str()] {
        let error = block_on(reader.sql(&create("h", code))).unwrap_err();
        assert_eq!(error.state().code(), "42501", "{error}");
        assert!(error.message().contains("\"h\""), "{error}");
    }
    let told = "SELECT count(*) FROM sheaf.functions WHERE name = 'f' AND body IS NOT NULL";
    assert_eq!(block_on(number(&reader, told)), 0);
    assert_eq!(block_on(number(&session, told)), 1);
    let error = block_on(reader.sql("SHOW CREATE FUNCTION f")).unwrap_err();
    assert!(!error.to_string().contains("code.any"), "{error}");
    // Too large.
    let large = std::fs::File::create(directory.path().join("large.any")).unwrap();
    large.set_len(65 * 1024 * 1024).unwrap();
    let large = format!("'{}/large.any'", directory.path().display());
    let error = block_on(session.sql(&create("k", &large))).unwrap_err();
    assert_eq!(error.state().code(), "54000", "{error}");
    assert!(error.message().contains("large.any"), "{error}");
}

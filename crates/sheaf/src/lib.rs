//! Sheaf: SQL over partitioned files, as a library.
//!
//! A [`Session`] takes SQL and gives a stream of Arrow record batches. Paths are tables: there is
//! nothing to set up.
//!
//! ```no_run
//! # async fn example() -> sheaf::Result<()> {
//! use sheaf::Session;
//!
//! let session = Session::builder().setting("memory_limit", "1GB")?.build()?;
//! let result = session.sql("SELECT region, sum(amount) FROM 'sales_*.csv' GROUP BY ALL").await?;
//! println!("{}", result.rows().await?);
//! # Ok(())
//! # }
//! ```
//!
//! A result can be read batch by batch while the query runs, with back-pressure down to the scan:
//!
//! ```
//! # fn main() -> sheaf::Result<()> {
//! # sheaf::block_on(async {
//! let session = sheaf::Session::builder().build()?;
//! let mut result = session.sql("SELECT * FROM range(1, 100001)").await?;
//! let mut rows = 0;
//! while let Some(batch) = result.next_batch().await {
//!     rows += batch?.num_rows();
//! }
//! assert_eq!(rows, 100_000);
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! Everything that front doors (the command line, the wire) need is exported here; they import
//! this crate alone.

pub use arrow;
pub use datafusion;
pub use parquet;

pub use datafusion::scalar::ScalarValue;
pub use sheaf_base::error::{ErrorKind, Position, SqlState};
pub use sheaf_base::settings::{Layer, SETTINGS, Setting, SettingKind, Settings};
pub use sheaf_base::{
    ByteCount, Result, RowCount, SheafError, list_text, sql_field_type_name, sql_type_name,
    suggest, units, uuid,
};
pub use sheaf_files as files;
pub use sheaf_pgcatalog as postgres;
pub use sheaf_runtime::{EngineRuntime, MachineLimits, Progress, Query, QueryState};
pub use sheaf_session::{
    Access, CollectedRows, Description, FunctionName, KeptPlace, Names, PreparedStatement,
    QueryResult, ScrolledRows, Session, SessionBuilder, TableName,
};
pub use sheaf_sql::{self as sql, Statement, StatementKind};
pub use sheaf_udf as udf;

/// Runs a future to its end on a small runtime of its own, for programs that are not
/// asynchronous. Queries compute on the session's own threads all the same.
///
/// # Errors
/// Those of the future; `Resource` if no runtime can be made.
pub fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(future)
}

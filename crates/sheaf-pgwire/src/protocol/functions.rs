//! Functions by which clients ask where they are.

use std::sync::Arc;

use sheaf::arrow::datatypes::DataType;
use sheaf::datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use sheaf::{Result, ScalarValue, Session};

use crate::listen::DATABASE;
use crate::parameters::SERVER_VERSION;

/// Adds them to a session of `user`, which is connection `process`.
///
/// # Errors
/// `Internal` if the engine refuses one.
pub(super) fn register(session: &Session, user: &str, process: i32) -> Result<()> {
    let version = format!(
        "PostgreSQL {SERVER_VERSION} (Sheaf {})",
        env!("CARGO_PKG_VERSION")
    );
    for (name, value) in [
        ("version", version.as_str()),
        ("current_database", DATABASE),
        ("current_catalog", DATABASE),
        ("current_schema", "public"),
        ("current_user", user),
        ("session_user", user),
        ("user", user),
    ] {
        let value = ScalarValue::Utf8(Some(value.to_owned()));
        session.register_function(constant(name, value))?;
    }
    session.register_function(constant(
        "pg_backend_pid",
        ScalarValue::Int32(Some(process)),
    ))?;
    Ok(())
}

fn constant(name: &str, value: ScalarValue) -> ScalarUDF {
    let returns: DataType = value.data_type();
    create_udf(
        name,
        vec![],
        returns,
        Volatility::Stable,
        Arc::new(move |_| Ok(ColumnarValue::Scalar(value.clone()))),
    )
}

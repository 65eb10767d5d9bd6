//! What drivers and BI tools ask of a session: `current_database()`, `current_schema()`,
//! `current_user`. One catalogue and one schema are all there is, and nobody logs in.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewArray};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use crate::kernel::{Compute, Kernel};

const SECTION: &str = "Session Functions";

pub(super) fn functions() -> Vec<ScalarUDF> {
    let functions: [(&str, &[&str], Compute, &str); 3] = [
        (
            "current_database",
            &["current_catalog"],
            |_, rows, _| repeated("sheaf", rows),
            "The name of the catalogue.",
        ),
        (
            "current_schema",
            &[],
            |_, rows, _| repeated("public", rows),
            "The schema in which names are looked for.",
        ),
        (
            "current_user",
            &["session_user", "current_role"],
            |_, rows, _| repeated("sheaf", rows),
            "The name of the user.",
        ),
    ];
    functions
        .into_iter()
        .map(|(name, aliases, compute, sentence)| {
            Kernel::new(name, &[&[]], |_| Ok(DataType::Utf8View), compute)
                .with_aliases(aliases)
                .documented(
                    SECTION,
                    sentence,
                    &format!("{name}()"),
                    &format!("SELECT {name}();"),
                )
                .build()
        })
        .collect()
}

fn repeated(text: &str, rows: usize) -> Result<ArrayRef> {
    let texts = std::iter::repeat_n(text, rows);
    Ok(Arc::new(StringViewArray::from_iter_values(texts)))
}

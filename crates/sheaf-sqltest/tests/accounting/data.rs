//! The data of the plans: the same rows in every format, written once by Sheaf itself.

use sheaf::{Result, Session};
use tempfile::TempDir;

/// Some 110 bytes each in memory, so that the rows are larger than the limit.
const ROWS: usize = 800_000;

/// The formats, each a file `rows.FORMAT`.
const FORMATS: [&str; 3] = ["parquet", "csv", "json"];

/// Writes the files to a folder of their own, removed at the end.
///
/// # Errors
/// A folder that cannot be written.
pub(crate) fn write() -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    sheaf::block_on(async {
        let session = Session::builder().setting("threads", "2")?.build()?;
        let rows = format!(
            "SELECT g AS id, (g * 7919) % {ROWS} AS key, g % 100 AS category, \
                    (g * 31 % 1000)::double AS value, \
                    lpad(((g * 7919) % {ROWS})::varchar, 60, 'x') AS note \
             FROM generate_series(1, {ROWS}) AS s(g)"
        );
        for format in FORMATS {
            let path = folder.path().join(format!("rows.{format}"));
            let source = match format {
                "parquet" => rows.clone(),
                _ => format!(
                    "SELECT * FROM '{}'",
                    folder.path().join("rows.parquet").display()
                ),
            };
            let copy = format!("COPY ({source}) TO '{}'", path.display());
            session.sql(&copy).await?.drain().await?;
        }
        Ok(())
    })?;
    Ok(folder)
}

/// Statements that give each file a name.
pub(crate) fn views(folder: &TempDir) -> String {
    let view = |format: &&str| {
        let path = folder.path().join(format!("rows.{format}"));
        format!("CREATE VIEW {format}_rows AS FROM '{}';", path.display())
    };
    FORMATS.iter().map(view).collect()
}

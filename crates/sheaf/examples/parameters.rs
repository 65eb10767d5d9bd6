//! Parameters: values that never become part of the SQL text.
//!
//! `cargo run --example parameters -p sheaf`

#![allow(clippy::print_stdout, reason = "an example prints")]

use sheaf::{Result, ScalarValue, Session};

fn main() -> Result<()> {
    sheaf::block_on(async {
        let session = Session::builder().build()?;
        session
            .sql("CREATE TABLE people AS VALUES ('Ada', 36), ('Robert''); DROP TABLE people', 7)")
            .await?;
        let name = ScalarValue::from("Robert'); DROP TABLE people");
        let least = ScalarValue::Int64(Some(5));
        let table = session
            .sql_with(
                "SELECT column2 AS age FROM people WHERE column1 = $1 AND column2 > $2",
                vec![name, least],
            )
            .await?
            .rows()
            .await?;
        println!("{table}");
        assert!(table.to_string().contains("| 7   |"));
        Ok(())
    })
}

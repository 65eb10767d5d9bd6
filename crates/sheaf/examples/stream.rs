//! Reads a result batch by batch while the query runs, and leaves early: the scan stops too.
//!
//! `cargo run --example stream -p sheaf`

#![allow(clippy::print_stdout, reason = "an example prints")]

use sheaf::{Result, Session};

fn main() -> Result<()> {
    sheaf::block_on(async {
        let session = Session::builder()
            .setting("memory_limit", "256MB")?
            .build()?;
        let mut result = session.sql("SELECT * FROM range(1, 1000000000)").await?;
        let mut rows = 0;
        while let Some(batch) = result.next_batch().await {
            rows += batch?.num_rows();
            if rows > 50_000 {
                break;
            }
        }
        let progress = result.query().progress();
        println!("read {rows} rows of a billion in {:?}", progress.elapsed);
        drop(result); // cancels what is left of the query
        assert!(rows < 1_000_000);
        Ok(())
    })
}

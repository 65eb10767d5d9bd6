//! Asks a question of CSV files and prints the answer.
//!
//! `cargo run --example query -p sheaf`

#![allow(clippy::print_stdout, reason = "an example prints")]

use sheaf::{Result, Session};

fn main() -> Result<()> {
    let directory =
        std::env::temp_dir().join(format!("sheaf-example-query-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    for (year, amount) in [(2024, 10), (2025, 32)] {
        let path = directory.join(format!("sales_{year}.csv"));
        std::fs::write(path, format!("region,amount\nnorth,{amount}\nsouth,1\n"))?;
    }

    let glob = directory.join("sales_*.csv");
    let table = sheaf::block_on(async {
        let session = Session::builder().build()?;
        let sql = format!(
            "SELECT region, sum(amount) AS total FROM '{}' GROUP BY ALL ORDER BY ALL",
            glob.display()
        );
        session.sql(&sql).await?.rows().await
    })?;
    println!("{table}");
    assert!(table.to_string().contains("| north  | 42    |"));
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}

//! Rust's two clients, `tokio-postgres` and `sqlx`: one part of the tests a run, its result as JSON.

mod sqlx_client;
mod tokio_client;

use std::error::Error;

use serde_json::Value;

type Outcome = Result<Value, Box<dyn Error>>;

/// Where the server is.
pub struct Place {
    host: String,
    port: u16,
    user: String,
    password: String,
    database: String,
}

impl Place {
    fn read(text: &str) -> Result<Self, Box<dyn Error>> {
        let value: Value = serde_json::from_str(text)?;
        let field = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        Ok(Self {
            host: field("host"),
            port: u16::try_from(value["port"].as_u64().unwrap_or_default())?,
            user: field("user"),
            password: field("password"),
            database: field("database"),
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (task, place) = (arguments.next(), arguments.next());
    let (Some(task), Some(place)) = (task, place) else {
        return Err("the task and the place are missing".into());
    };
    let place = Place::read(&place)?;
    let found = match task.split_once(' ') {
        Some(("tokio-postgres", part)) => tokio_client::run(part, &place).await?,
        Some(("sqlx", part)) => sqlx_client::run(part, &place).await?,
        _ => return Err(format!("there is no task {task}").into()),
    };
    println!("{found}");
    Ok(())
}

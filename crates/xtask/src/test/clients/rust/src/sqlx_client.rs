//! `sqlx`.

use chrono::NaiveDate;
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions, PgRow, PgSslMode};
use sqlx::{Column, Connection, Executor, Row, TypeInfo};
use uuid::Uuid;

use crate::{Outcome, Place};

pub async fn run(part: &str, place: &Place) -> Outcome {
    let options = PgConnectOptions::new()
        .host(&place.host)
        .port(place.port)
        .username(&place.user)
        .password(&place.password)
        .database(&place.database)
        .ssl_mode(PgSslMode::Disable);
    if part == "a pool" {
        return pool(options).await;
    }
    let mut connection = PgConnection::connect_with(&options).await?;
    match part {
        "types" => types(&mut connection).await,
        "parameters" => parameters(&mut connection).await,
        "faults" => faults(&mut connection).await,
        "transactions" => transactions(&mut connection).await,
        "what a statement takes and gives" => described(&mut connection).await,
        "rows one by one" => stream(&mut connection).await,
        other => Err(format!("there is no part {other}").into()),
    }
}

async fn types(connection: &mut PgConnection) -> Outcome {
    let rows = sqlx::query("SELECT * FROM types ORDER BY id").fetch_all(connection).await?;
    let columns: Vec<_> = rows[0]
        .columns()
        .iter()
        .map(|column| json!([column.name(), column.type_info().name()]))
        .collect();
    let mut values = vec![];
    for row in &rows {
        values.push(json!([
            row.try_get::<i32, _>("id")?,
            row.try_get::<Option<bool>, _>("b")?,
            row.try_get::<Option<i64>, _>("i8")?,
            row.try_get::<Option<f64>, _>("f8")?.map(|value| value.to_string()),
            row.try_get::<Option<String>, _>("t")?,
            row.try_get::<Option<Vec<u8>>, _>("by")?,
            row.try_get::<Option<NaiveDate>, _>("d")?.map(|value| value.to_string()),
            row.try_get::<Option<Vec<Option<String>>>, _>("at")?,
        ]));
    }
    Ok(json!([columns, values]))
}

async fn parameters(connection: &mut PgConnection) -> Outcome {
    let id: i32 = sqlx::query_scalar("SELECT id FROM types WHERE id = $1 AND i8 = $2")
        .bind(1_i32)
        .bind(1_i64)
        .fetch_one(&mut *connection)
        .await?;
    let orders: i64 = sqlx::query_scalar("SELECT count(*) FROM orders WHERE note = ANY($1)")
        .bind(vec!["note 1", "note 2"])
        .fetch_one(&mut *connection)
        .await?;
    let uuid: Uuid = sqlx::query_scalar("SELECT $1::uuid")
        .bind(Uuid::from_u128(5))
        .fetch_one(&mut *connection)
        .await?;
    let text: Option<String> = sqlx::query_scalar("SELECT $1 || $2")
        .bind("a")
        .bind("ß")
        .fetch_one(&mut *connection)
        .await?;
    let none: Option<i32> = sqlx::query_scalar("SELECT $1::int")
        .bind(None::<i32>)
        .fetch_one(connection)
        .await?;
    Ok(json!([id, orders, uuid.to_string(), text, none]))
}

fn fault(outcome: Result<PgRow, sqlx::Error>) -> Value {
    match outcome {
        Ok(_) => json!("no error"),
        Err(error) => match error.as_database_error() {
            Some(error) => json!([error.code()]),
            None => json!(error.to_string()),
        },
    }
}

async fn faults(connection: &mut PgConnection) -> Outcome {
    let mut found = vec![];
    for sql in ["SELECT nowhere FROM types", "SELECT * FROM nowhere", "SELEC", "SELECT 1/0"] {
        found.push(fault(sqlx::query(sql).fetch_one(&mut *connection).await));
    }
    let after: String = sqlx::query_scalar("SELECT 'on'").fetch_one(connection).await?;
    Ok(json!([found, after]))
}

async fn transactions(connection: &mut PgConnection) -> Outcome {
    let mut transaction = connection.begin().await?;
    let mut inner = transaction.begin().await?;
    let failed = fault(sqlx::query("SELECT 1/0").fetch_one(&mut *inner).await);
    inner.rollback().await?;
    let after: String = sqlx::query_scalar("SELECT 'on'").fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(json!([failed, after]))
}

/// What its macros ask while a program is compiled.
async fn described(connection: &mut PgConnection) -> Outcome {
    let about = connection
        .describe("SELECT id, t, price FROM orders JOIN types USING (id) WHERE id = $1")
        .await?;
    let columns: Vec<_> = about
        .columns()
        .iter()
        .map(|column| json!([column.name(), column.type_info().name()]))
        .collect();
    Ok(json!([columns, format!("{:?}", about.parameters().map(|either| either.map_right(|n| n)))]))
}

async fn stream(connection: &mut PgConnection) -> Outcome {
    let mut rows = sqlx::query("SELECT id FROM orders").fetch(connection);
    let mut total = 0;
    while let Some(row) = rows.try_next().await? {
        total += row.try_get::<i64, _>(0)?;
    }
    Ok(json!(total))
}

/// Each statement is prepared once a connection, and runs many times.
async fn pool(options: PgConnectOptions) -> Outcome {
    let pool = PgPoolOptions::new().max_connections(3).connect_with(options).await?;
    let mut texts = vec![];
    for n in 0..60_i32 {
        let text: Option<String> = sqlx::query_scalar("SELECT t FROM types WHERE id = $1")
            .bind(n % 5 + 1)
            .fetch_one(&pool)
            .await?;
        texts.push(text);
    }
    pool.close().await;
    Ok(json!(texts))
}

//! `tokio-postgres`.

use std::time::Duration;

use chrono::{NaiveDate, NaiveDateTime};
use futures_util::{StreamExt, TryStreamExt, future, pin_mut};
use serde_json::{Value, json};
use tokio_postgres::error::ErrorPosition;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};
use uuid::Uuid;

use crate::{Outcome, Place};

pub async fn run(part: &str, place: &Place) -> Outcome {
    let client = connect(place).await?;
    match part {
        "types" => types(&client).await,
        "parameters" => parameters(&client).await,
        "typed parameters" => typed(&client).await,
        "faults" => faults(&client).await,
        "transactions" => transactions(client).await,
        "portals" => portals(client).await,
        "pipeline" => pipeline(&client).await,
        "simple" => simple(&client).await,
        "copy" => copy(&client).await,
        "cancel" => cancel(&client).await,
        "rows one by one" => stream(&client).await,
        other => Err(format!("there is no part {other}").into()),
    }
}

async fn connect(place: &Place) -> Result<Client, tokio_postgres::Error> {
    let mut config = Config::new();
    config
        .host(&place.host)
        .port(place.port)
        .user(&place.user)
        .password(&place.password)
        .dbname(&place.database);
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Everything is sent in binary form, and read by the type that was told.
async fn types(client: &Client) -> Outcome {
    let statement = client.prepare("SELECT * FROM types ORDER BY id").await?;
    let columns: Vec<_> = statement
        .columns()
        .iter()
        .map(|column| json!([column.name(), column.type_().name(), column.type_().oid()]))
        .collect();
    let mut rows = vec![];
    for row in client.query(&statement, &[]).await? {
        rows.push(json!([
            row.get::<_, i32>("id"),
            row.get::<_, Option<bool>>("b"),
            row.get::<_, Option<i16>>("i2"),
            row.get::<_, Option<i64>>("i8"),
            row.get::<_, Option<f32>>("f4").map(|value| value.to_string()),
            row.get::<_, Option<f64>>("f8").map(|value| value.to_string()),
            row.get::<_, Option<&str>>("t"),
            row.get::<_, Option<&[u8]>>("by"),
            row.get::<_, Option<NaiveDate>>("d").map(|value| value.to_string()),
            row.get::<_, Option<NaiveDateTime>>("ts").map(|value| value.to_string()),
            row.get::<_, Option<Vec<Option<i32>>>>("ai"),
            row.get::<_, Option<Vec<Option<String>>>>("at"),
        ]));
    }
    Ok(json!([columns, rows]))
}

async fn parameters(client: &Client) -> Outcome {
    let mut found = vec![];
    let day = NaiveDate::from_ymd_opt(2024, 6, 1);
    let statements: [(&str, &[&(dyn ToSql + Sync)]); 7] = [
        ("SELECT id FROM types WHERE id = $1 AND i8 = $2", &[&1_i32, &1_i64]),
        ("SELECT count(*) FROM orders WHERE day > $1", &[&day]),
        ("SELECT count(*) FROM orders WHERE note = ANY($1)", &[&vec!["note 1", "note 2"]]),
        ("SELECT $1::uuid::text", &[&Uuid::from_u128(5)]),
        ("SELECT $1::text || $2::text", &[&"a", &"ß"]),
        ("SELECT $1::bytea", &[&&b"\x00\xff"[..]]),
        ("SELECT $1::int[]", &[&vec![Some(1), None]]),
    ];
    for (sql, values) in statements {
        let statement = client.prepare(sql).await?;
        let asked: Vec<_> = statement.params().iter().map(Type::name).collect();
        let rows = client.query(&statement, values).await?;
        let given: Vec<_> = rows.iter().map(|row| first(row)).collect();
        found.push(json!([sql, asked, given]));
    }
    Ok(json!(found))
}

/// The first value of a row, by its type.
fn first(row: &tokio_postgres::Row) -> Value {
    let column = &row.columns()[0];
    let value = match *column.type_() {
        Type::INT4 => json!(row.get::<_, Option<i32>>(0)),
        Type::INT8 => json!(row.get::<_, Option<i64>>(0)),
        Type::BYTEA => json!(row.get::<_, Option<&[u8]>>(0)),
        Type::INT4_ARRAY => json!(row.get::<_, Option<Vec<Option<i32>>>>(0)),
        Type::UUID => json!(row.get::<_, Option<Uuid>>(0).map(|uuid| uuid.to_string())),
        _ => json!(row.get::<_, Option<&str>>(0)),
    };
    json!([column.name(), column.type_().name(), value])
}

/// Types are declared, and nothing is prepared by name.
async fn typed(client: &Client) -> Outcome {
    let texts = client
        .query_typed("SELECT $1 || $2", &[(&"a", Type::TEXT), (&"ß", Type::TEXT)])
        .await?;
    let numbers = client
        .query_typed("SELECT id FROM types WHERE id < $1 ORDER BY 1", &[(&3_i32, Type::INT4)])
        .await?;
    let rows = texts.iter().chain(&numbers);
    Ok(rows.map(|row| first(row)).collect())
}

fn fault(error: &tokio_postgres::Error) -> Value {
    let Some(error) = error.as_db_error() else {
        return json!("no answer of the server's");
    };
    let position = error.position().map(|position| match position {
        ErrorPosition::Original(at) => *at,
        ErrorPosition::Internal { position, .. } => *position,
    });
    json!([error.code().code(), error.severity(), position])
}

async fn faults(client: &Client) -> Outcome {
    let mut found = vec![];
    for sql in ["SELECT nowhere FROM types", "SELECT * FROM nowhere", "SELEC", "SELECT 1/0"] {
        found.push(match client.query(sql, &[]).await {
            Ok(_) => json!("no error"),
            Err(error) => fault(&error),
        });
    }
    let after = client.query_one("SELECT 'on'", &[]).await?;
    Ok(json!([found, first(&after)]))
}

async fn transactions(mut client: Client) -> Outcome {
    let mut found = vec![];
    let mut transaction = client
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    let inner = transaction.savepoint("mark").await?;
    found.push(match inner.query("SELECT 1/0", &[]).await {
        Ok(_) => json!("no error"),
        Err(error) => fault(&error),
    });
    inner.rollback().await?;
    found.push(first(&transaction.query_one("SELECT 'on'", &[]).await?));
    transaction.commit().await?;
    Ok(json!(found))
}

async fn portals(mut client: Client) -> Outcome {
    let transaction = client.transaction().await?;
    let statement = transaction.prepare("SELECT id FROM orders ORDER BY id").await?;
    let portal = transaction.bind(&statement, &[]).await?;
    let mut counts = vec![];
    loop {
        let rows = transaction.query_portal(&portal, 1_700).await?;
        counts.push(rows.len());
        if rows.len() < 1_700 {
            return Ok(json!(counts));
        }
    }
}

async fn pipeline(client: &Client) -> Outcome {
    let statement = client.prepare("SELECT t FROM types WHERE id = $1").await?;
    let asked = (0..50_i32).map(|n| {
        let statement = &statement;
        async move { client.query(statement, &[&(n % 5 + 1)]).await }
    });
    let answers = future::try_join_all(asked).await?;
    let texts = answers.iter().map(|rows| rows.iter().map(|row| first(row)).collect::<Value>());
    Ok(texts.collect())
}

async fn simple(client: &Client) -> Outcome {
    let script = "SELECT id, t FROM types WHERE id < 3 ORDER BY id; SELECT count(*) FROM orders";
    let messages = client.simple_query(script).await?.into_iter().map(|message| match message {
        SimpleQueryMessage::Row(row) => json!([row.get(0), row.columns().len()]),
        SimpleQueryMessage::CommandComplete(rows) => json!(rows),
        _ => json!("columns"),
    });
    Ok(messages.collect())
}

async fn copy(client: &Client) -> Outcome {
    let blocks = client
        .copy_out("COPY (SELECT id, t FROM types ORDER BY id) TO STDOUT")
        .await?;
    let blocks: Vec<_> = blocks.try_collect().await?;
    Ok(json!(String::from_utf8(blocks.concat())?))
}

async fn cancel(client: &Client) -> Outcome {
    let token = client.cancel_token();
    let slow = "SELECT count(*) FROM generate_series(1::bigint, 300000) a, \
                generate_series(1::bigint, 300000) b";
    let ask = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        token.cancel_query(NoTls).await
    };
    let (answer, asked) = future::join(client.query(slow, &[]), ask).await;
    asked?;
    Ok(match answer {
        Ok(_) => json!("no error"),
        Err(error) => fault(&error),
    })
}

async fn stream(client: &Client) -> Outcome {
    let none: [&str; 0] = [];
    let rows = client.query_raw("SELECT id FROM orders", none).await?;
    pin_mut!(rows);
    let mut total = 0;
    while let Some(row) = rows.next().await {
        total += row?.get::<_, i64>(0);
    }
    Ok(json!(total))
}

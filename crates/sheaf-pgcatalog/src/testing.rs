//! A session's facts for tests.

use std::sync::Arc;

use ::arrow::datatypes::{DataType, Field, Schema};

use crate::facts::{Facts, Identity, Late, Relation, RelationKind};

fn late<T: Send + 'static>(value: T) -> Late<T> {
    Late::new(Box::new(move || value))
}

/// A database with one table and one view.
pub(crate) fn facts() -> Facts {
    let columns = Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("region", DataType::Utf8, true),
    ]);
    let columns = Arc::new(columns);
    let relation = |name: &str, kind, definition: Option<&str>| Relation {
        schema: "public",
        name: name.to_owned(),
        kind,
        columns: Arc::clone(&columns),
        definition: definition.map(str::to_owned),
    };
    Facts {
        database: "sheaf".to_owned(),
        identity: Identity::default(),
        version: "PostgreSQL 18.6 (Sheaf)".to_owned(),
        relations: late(vec![
            relation("big", RelationKind::View, Some(" SELECT 1;")),
            relation("sales", RelationKind::Table, None),
        ]),
        functions: late(vec![]),
        settings: late(vec![]),
    }
}

//! SHOW TABLES and SHOW PARTITIONS.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use datafusion::catalog::TableProvider;
use datafusion::sql::sqlparser::ast;
use sheaf_array_relations::{ArrayTable, partitions as chunks_of};
use sheaf_base::{Result, SheafError};

use super::Running;
use super::settings::rows;
use crate::catalog::PUBLIC_SCHEMA;
use crate::result::QueryResult;

pub(super) fn tables(running: &Running<'_>, pattern: Option<&str>) -> Result<QueryResult> {
    let matches = |name: &str| pattern.is_none_or(|pattern| like(name, pattern));
    let all = running.session.inner.catalog.list();
    let found = all
        .into_iter()
        .filter(|(name, _)| matches(name))
        .map(|(name, relation)| vec![PUBLIC_SCHEMA.to_owned(), name, relation.kind().to_owned()]);
    rows(
        running,
        &["table_schema", "table_name", "table_type"],
        found.collect(),
    )
}

pub(super) fn functions(running: &Running<'_>, pattern: Option<&str>) -> Result<QueryResult> {
    let matches = |name: &str| pattern.is_none_or(|pattern| like(name, pattern));
    let all = running.session.names().functions;
    let found = all.into_iter().filter(|f| matches(&f.name)).map(|f| {
        vec![
            f.name,
            f.kind.to_owned(),
            f.syntax.unwrap_or_default(),
            f.description.unwrap_or_default(),
        ]
    });
    rows(
        running,
        &["name", "kind", "syntax", "description"],
        found.collect(),
    )
}

pub(super) async fn partitions(
    running: Running<'_>,
    relation: &ast::TableFactor,
) -> Result<QueryResult> {
    let state = running.session.state_for(running.query);
    let binder = running.binder(&state);
    if let Some(array) = binder.array_if_any(relation).await? {
        // Rows that become elements are not read: where chunks are does not depend on them.
        let table = ArrayTable::new(chunks_of(array.array), vec![]);
        let plan = table.scan(&state, None, &[], None).await?;
        return running
            .session
            .execute_physical(plan, &state, running.query);
    }
    let table = binder.open_files(relation).await?.ok_or_else(|| {
        SheafError::user(format!(
            "{relation} does not read files, so it has no partitions"
        ))
        .with_hint("name a path in quotes, a read_… call, an external table or an array")
    })?;
    let partitions = table.partitions();
    let numbers = |value: fn(&sheaf_files::PartitionInfo) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(partitions.iter().map(value)))
    };
    let rows: UInt64Array = partitions.iter().map(|p| p.rows).collect();
    let batch = RecordBatch::try_from_iter_with_nullable(vec![
        ("partition", numbers(|p| p.partition), false),
        (
            "path",
            Arc::new(StringArray::from_iter_values(
                partitions.iter().map(|p| &*p.path),
            )) as ArrayRef,
            false,
        ),
        ("offset", numbers(|p| p.offset), false),
        ("bytes", numbers(|p| p.length), false),
        ("rows", Arc::new(rows) as ArrayRef, true),
    ])?;
    Ok(QueryResult::batch(batch, Arc::clone(running.query)))
}

/// SQL's LIKE without regard to case: `%` is any text, `_` any character.
fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (
        text.to_lowercase().chars().collect(),
        pattern.to_lowercase().chars().collect(),
    );
    // fits[i]: the pattern so far matches the first i characters.
    let mut fits = vec![false; text.len() + 1];
    fits[0] = true;
    for part in pattern {
        if part == '%' {
            for i in 1..=text.len() {
                fits[i] |= fits[i - 1];
            }
        } else {
            for i in (1..=text.len()).rev() {
                fits[i] = fits[i - 1] && (part == '_' || part == text[i - 1]);
            }
            fits[0] = false;
        }
    }
    fits[text.len()]
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn like_knows_both_wildcards() {
        assert!(like("sales_2023", "sales%"));
        assert!(like("Sales", "s_l%s"));
        assert!(!like("sales", "s_ls"));
        assert!(like("", "%"));
        assert!(!like("a", ""));
    }
}

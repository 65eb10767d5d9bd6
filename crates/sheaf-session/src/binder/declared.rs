//! Declared columns: what CREATE TABLE and CREATE EXTERNAL TABLE say of names and types.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::sql::planner::{ParserOptions, SqlToRel};
use datafusion::sql::sqlparser::ast::ColumnDef;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_sql::PartitionColumn;

use super::context::BoundContext;
use super::{Binder, Bound, normalize};

impl Binder<'_> {
    /// The schema that column definitions declare; `None` if there are none.
    ///
    /// # Errors
    /// `UserInput` if a type is unknown.
    pub(crate) fn declared_columns(self, columns: &[ColumnDef]) -> Result<Option<SchemaRef>> {
        if columns.is_empty() {
            return Ok(None);
        }
        let nothing = Bound::default();
        let context = BoundContext::new(self.access, self.state, self.catalog, &nothing);
        let options = ParserOptions::from(&self.state.config_options().sql_parser);
        let planner = SqlToRel::new_with_options(&context, options);
        Ok(Some(Arc::new(planner.build_schema(columns.to_vec())?)))
    }

    /// Partition columns with their types: from their own declaration, else from the table's
    /// columns, else text.
    ///
    /// # Errors
    /// `UserInput` if a type is unknown.
    pub(crate) fn partition_columns(
        self,
        partitions: &[PartitionColumn],
        declared: Option<&Schema>,
    ) -> Result<Vec<(String, DataType)>> {
        partitions
            .iter()
            .map(|partition| {
                let name = normalize(&partition.name);
                let data_type = match &partition.data_type {
                    Some(data_type) => {
                        let column = ColumnDef {
                            name: partition.name.clone(),
                            data_type: data_type.clone(),
                            options: vec![],
                        };
                        let schema = self.declared_columns(&[column])?;
                        schema.map(|schema| schema.field(0).data_type().clone())
                    }
                    None => declared
                        .and_then(|schema| schema.field_with_name(&name).ok())
                        .map(|field| field.data_type().clone()),
                };
                Ok((name, data_type.unwrap_or(DataType::Utf8)))
            })
            .collect()
    }
}

/// `schema` without the partition columns, which are not in the files.
///
/// # Errors
/// `UserInput` if no column is left.
pub(crate) fn without_partition_columns(
    schema: &Schema,
    partitions: &[(String, DataType)],
) -> Result<SchemaRef> {
    let is_partition = |name: &str| partitions.iter().any(|(partition, _)| partition == name);
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .filter(|f| !is_partition(f.name()))
        .cloned()
        .collect();
    if fields.is_empty() {
        return Err(
            SheafError::user("the files have no column besides the partition columns")
                .with_state(SqlState::SYNTAX_ERROR_OR_ACCESS_RULE),
        );
    }
    Ok(Arc::new(Schema::new(fields)))
}

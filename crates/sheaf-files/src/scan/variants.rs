//! VARIANTs in Parquet files: each file's own way to store them, read as the table's text.

use std::sync::Arc;

use ::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result as EngineResult;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};
use parquet::basic::LogicalType;
use parquet::schema::types::SchemaDescriptor;
use sheaf_bags::stored::stored_variant;
use sheaf_base::type_names::{is_variant, variant_field};

/// The columns of a file's schema, VARIANTs as the table has them.
pub(crate) fn table_columns(schema: &Schema, stored: &SchemaDescriptor) -> Schema {
    let is_stored_variant = |name: &str| {
        let columns = stored.root_schema().get_fields().iter();
        columns
            .filter(|column| column.name() == name)
            .any(|column| {
                let logical = column.get_basic_info().logical_type_ref();
                matches!(logical, Some(LogicalType::Variant { .. }))
            })
    };
    let fields = schema.fields().iter().map(|field| {
        let is_struct = matches!(field.data_type(), DataType::Struct(_));
        match is_struct && is_stored_variant(field.name()) {
            true => Arc::new(variant_field(field.name(), field.is_nullable())),
            false => Arc::clone(field),
        }
    });
    Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone())
}

/// Whether a filter looks at a VARIANT of `schema`: the engine's reader cannot decide by those, which it
/// knows as structs.
pub(crate) fn looks_at_variants(filter: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    let columns = datafusion::physical_expr::utils::collect_columns(filter);
    let mut fields = columns
        .iter()
        .filter_map(|column| schema.field_with_name(column.name()).ok());
    fields.any(is_variant)
}

/// Makes expressions over the table's columns ones over a file's.
#[derive(Debug)]
pub(crate) struct VariantAdapters;

#[derive(Debug)]
struct VariantAdapter {
    logical: SchemaRef,
    physical: SchemaRef,
    engines: Arc<dyn PhysicalExprAdapter>,
}

impl PhysicalExprAdapterFactory for VariantAdapters {
    fn create(
        &self,
        logical: SchemaRef,
        physical: SchemaRef,
    ) -> EngineResult<Arc<dyn PhysicalExprAdapter>> {
        let is_stored = |field: &Arc<Field>| stored(field, &physical).is_some();
        if !logical.fields().iter().any(is_stored) {
            return DefaultPhysicalExprAdapterFactory.create(logical, physical);
        }
        // To the engine's adapter a stored VARIANT is of the type that it has in the file.
        let fields = logical
            .fields()
            .iter()
            .map(|field| match stored(field, &physical) {
                Some(stored) => Arc::new(stored.clone()),
                None => Arc::clone(field),
            });
        let as_stored =
            Schema::new_with_metadata(fields.collect::<Vec<_>>(), logical.metadata().clone());
        let engines =
            DefaultPhysicalExprAdapterFactory.create(Arc::new(as_stored), Arc::clone(&physical))?;
        Ok(Arc::new(VariantAdapter {
            logical,
            physical,
            engines,
        }))
    }
}

/// The column of a file that holds the VARIANTs of the table's `field`.
fn stored<'a>(field: &Field, physical: &'a Schema) -> Option<&'a Field> {
    let stored = physical.field_with_name(field.name()).ok()?;
    let is_struct = matches!(stored.data_type(), DataType::Struct(_));
    (is_variant(field) && is_struct).then_some(stored)
}

impl PhysicalExprAdapter for VariantAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> EngineResult<Arc<dyn PhysicalExpr>> {
        let adapted = self.engines.rewrite(expr)?.transform_up(|expr| {
            let field = expr
                .downcast_ref::<Column>()
                .and_then(|column| self.logical.field_with_name(column.name()).ok());
            let is_stored = field.is_some_and(|field| stored(field, &self.physical).is_some());
            if !is_stored {
                return Ok(Transformed::no(expr));
            }
            let read = ScalarFunctionExpr::try_new(
                Arc::new(stored_variant()),
                vec![expr],
                &self.physical,
                Arc::new(ConfigOptions::default()),
            )?;
            Ok(Transformed::yes(Arc::new(read) as Arc<dyn PhysicalExpr>))
        })?;
        Ok(adapted.data)
    }
}

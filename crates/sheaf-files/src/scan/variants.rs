//! VARIANTs in Parquet files: each file's own way to store them, read as the table's text. UUIDs beside
//! them, which only the file can tell from other values of 16 bytes.
//!
//! Of a VARIANT of which a scan needs paths alone, only the columns that these need are read: the file's
//! column is cast to a type that has no others, which the engine's reader takes as what to read.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::error::Result as EngineResult;
use datafusion::physical_expr::expressions::{CastExpr, Column, lit};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};
use parquet::basic::LogicalType;
use parquet::schema::types::{SchemaDescriptor, Type};
use sheaf_bags::extract::Extract;
use sheaf_bags::json::Path;
use sheaf_bags::stored::{
    holds_variants, narrowed, stored_nested, stored_variant, stores_variants,
};
use sheaf_base::type_names::{is_variant, variant_field};
use sheaf_base::uuid::is_uuid;

/// The columns of a file's schema, VARIANTs and UUIDs as the table has them, also those in lists and
/// structs.
pub(crate) fn table_columns(schema: &Schema, stored: &SchemaDescriptor) -> Schema {
    let columns = stored.root_schema().get_fields();
    let fields = schema.fields().iter().map(|field| {
        let stored = columns.iter().find(|column| column.name() == field.name());
        stored.map_or_else(|| Arc::clone(field), |stored| table_field(field, stored))
    });
    Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone())
}

fn table_field(field: &Arc<Field>, stored: &Type) -> Arc<Field> {
    let retyped = |data_type| Arc::new(field.as_ref().clone().with_data_type(data_type));
    match field.data_type() {
        DataType::Struct(_) if is_stored_variant(stored) => {
            Arc::new(variant_field(field.name(), field.is_nullable()))
        }
        DataType::Struct(fields) if stored.is_group() => {
            let fields = fields.iter().map(|field| {
                let mut stored = stored.get_fields().iter();
                let stored = stored.find(|stored| stored.name() == field.name());
                stored.map_or_else(|| Arc::clone(field), |stored| table_field(field, stored))
            });
            retyped(DataType::Struct(fields.collect()))
        }
        // Nobody says what they are: bytes.
        uuid if is_uuid(uuid) && !is_stored_uuid(stored) => retyped(DataType::Binary),
        DataType::List(item) => retyped(DataType::List(table_item(item, stored))),
        DataType::LargeList(item) => retyped(DataType::LargeList(table_item(item, stored))),
        _ => Arc::clone(field),
    }
}

/// The items of lists that are stored as Parquet's specification has them: in a group of one repeated
/// group of one element. Of others, which are older than VARIANTs, nothing is found in items.
fn table_item(item: &Arc<Field>, list: &Type) -> Arc<Field> {
    let only = |group: &Type| match group.is_group().then(|| group.get_fields()) {
        Some([only]) => Some(Arc::clone(only)),
        _ => None,
    };
    let element = only(list).and_then(|repeated| only(&repeated));
    element.map_or_else(|| Arc::clone(item), |element| table_field(item, &element))
}

fn is_stored_uuid(stored: &Type) -> bool {
    let logical = stored.get_basic_info().logical_type_ref();
    matches!(logical, Some(LogicalType::Uuid))
}

fn is_stored_variant(stored: &Type) -> bool {
    let logical = stored.get_basic_info().logical_type_ref();
    matches!(logical, Some(LogicalType::Variant { .. }))
}

/// Whether a filter looks at a VARIANT of `schema`: the engine's reader cannot decide by those, which it
/// knows as structs.
pub(crate) fn looks_at_variants(filter: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    let columns = datafusion::physical_expr::utils::collect_columns(filter);
    let mut fields = columns
        .iter()
        .filter_map(|column| schema.field_with_name(column.name()).ok());
    fields.any(holds_variants)
}

/// The paths by which alone a scan reads VARIANTs, by the names of their columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct WantedPaths(HashMap<String, Vec<Path>>);

impl WantedPaths {
    /// Those that `projection` of a table's columns reads.
    fn of(projection: &ProjectionExprs, schema: &Schema) -> EngineResult<Self> {
        let mut paths: HashMap<String, Vec<Path>> = HashMap::new();
        let mut whole: HashSet<String> = HashSet::new();
        for expr in projection {
            expr.expr.apply(|expr| {
                let Some((column, extract)) = Extract::of(expr.as_ref()) else {
                    let column = expr.downcast_ref::<Column>();
                    whole.extend(column.map(|column| column.name().to_owned()));
                    return Ok(TreeNodeRecursion::Continue);
                };
                let field = schema.fields().get(column);
                if let Some(field) = field.filter(|field| is_variant(field)) {
                    let known = paths.entry(field.name().clone()).or_default();
                    if !known.contains(&extract.path) {
                        known.push(extract.path);
                    }
                }
                Ok(TreeNodeRecursion::Jump)
            })?;
        }
        paths.retain(|column, _| !whole.contains(column));
        Ok(Self(paths))
    }
}

/// `config`, whose source has `projection`, such that of VARIANTs only what that needs is read.
///
/// # Errors
/// Those of the engine, in walking expressions.
pub(crate) fn with_paths<'a>(
    config: &'a FileScanConfig,
    projection: Option<&ProjectionExprs>,
    table_schema: &Schema,
) -> EngineResult<Cow<'a, FileScanConfig>> {
    let has_variants = table_schema.fields().iter().any(|field| is_variant(field));
    let Some(projection) = projection.filter(|_| has_variants) else {
        return Ok(Cow::Borrowed(config));
    };
    let wanted = Arc::new(WantedPaths::of(projection, table_schema)?);
    let mut config = config.clone();
    config.expr_adapter_factory = Some(Arc::new(VariantAdapters { wanted }));
    Ok(Cow::Owned(config))
}

/// Makes expressions over the table's columns ones over a file's.
#[derive(Debug, Default)]
pub(crate) struct VariantAdapters {
    wanted: Arc<WantedPaths>,
}

#[derive(Debug)]
struct VariantAdapter {
    wanted: Arc<WantedPaths>,
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
            wanted: Arc::clone(&self.wanted),
            logical,
            physical,
            engines,
        }))
    }
}

/// The column of a file that holds the VARIANTs of the table's `field`.
fn stored<'a>(field: &Field, physical: &'a Schema) -> Option<&'a Field> {
    let stored = physical.field_with_name(field.name()).ok()?;
    stores_variants(field, stored).then_some(stored)
}

impl PhysicalExprAdapter for VariantAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> EngineResult<Arc<dyn PhysicalExpr>> {
        let adapted = self.engines.rewrite(expr)?.transform_down(|expr| {
            if let Some((_, extract)) = Extract::of(expr.as_ref()) {
                let mut args: Vec<_> = expr.children().into_iter().cloned().collect();
                if let Some(records) = args.first_mut()
                    && let Some(read) = self.read(records, Some(&extract.path))?
                {
                    *records = read;
                }
                let adapted = expr.with_new_children(args)?;
                return Ok(Transformed::new(adapted, true, TreeNodeRecursion::Jump));
            }
            Ok(match self.read(&expr, None)? {
                Some(read) => Transformed::new(read, true, TreeNodeRecursion::Jump),
                None => Transformed::no(expr),
            })
        })?;
        Ok(adapted.data)
    }
}

impl VariantAdapter {
    /// The VARIANTs of a file's column, or as much of them as `path` needs; `None` if `expr` is no
    /// column that stores such.
    fn read(
        &self,
        expr: &Arc<dyn PhysicalExpr>,
        path: Option<&Path>,
    ) -> EngineResult<Option<Arc<dyn PhysicalExpr>>> {
        let column = expr.downcast_ref::<Column>();
        let field = column.and_then(|column| self.logical.field_with_name(column.name()).ok());
        let Some((field, stored)) =
            field.zip(field.and_then(|field| stored(field, &self.physical)))
        else {
            return Ok(None);
        };
        let mut args = vec![Arc::clone(expr)];
        if let Some(path) = path {
            // All of a column's paths cast it to the same type, or the reader would read all of it.
            let wanted = self.wanted.0.get(stored.name());
            if let Some(wanted) = wanted.filter(|wanted| wanted.contains(path)) {
                let paths: Vec<&Path> = wanted.iter().collect();
                let narrow = narrowed(stored.data_type(), &paths);
                if narrow != *stored.data_type() {
                    args = vec![Arc::new(CastExpr::new(Arc::clone(expr), narrow, None))];
                }
            }
            args.push(lit(path.to_string()));
        }
        let function = Arc::new(match is_variant(field) {
            true => stored_variant(),
            false => stored_nested(Arc::new(field.clone())),
        });
        let options = Arc::new(ConfigOptions::default());
        let read = ScalarFunctionExpr::try_new(function, args, &self.physical, options)?;
        Ok(Some(Arc::new(read)))
    }
}

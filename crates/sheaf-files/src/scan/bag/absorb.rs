//! What a plan does with records, taken over by the scan: paths and casts become columns that the
//! one pass over each record makes.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result as EngineResult;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use sheaf_bags::extract::Extract;

use super::super::Absorbed;
use super::{BagColumn, BagFormat};

/// The place of records among the columns.
const RECORD_PLACE: usize = 0;

/// A format whose columns are those of `format` and what `projection` extracts from records; `None`
/// if it extracts nothing.
pub(super) fn absorb(
    format: &BagFormat,
    projection: &ProjectionExprs,
    table_schema: &TableSchema,
) -> EngineResult<Option<Absorbed>> {
    let mut extracts: Vec<Extract> = Vec::new();
    for expr in projection {
        expr.expr.apply(|expr| {
            let Some(extract) = extract_of(expr) else {
                return Ok(TreeNodeRecursion::Continue);
            };
            if !extracts.contains(&extract) {
                extracts.push(extract);
            }
            Ok(TreeNodeRecursion::Jump)
        })?;
    }
    if extracts.is_empty() {
        return Ok(None);
    }
    let own = table_schema.file_schema();
    let own_count = own.fields().len();
    let name = |extract: usize| format!("__extract_{extract}");
    let mut projected = Vec::new();
    for expr in projection {
        let absorbed = Arc::clone(&expr.expr).transform_down(|expr| {
            if let Some(extract) = extract_of(&expr) {
                let place = extracts
                    .iter()
                    .position(|known| *known == extract)
                    .unwrap_or(0);
                let column = Column::new(&name(place), own_count + place);
                return Ok(Transformed::new(
                    Arc::new(column) as Arc<dyn PhysicalExpr>,
                    true,
                    TreeNodeRecursion::Jump,
                ));
            }
            match expr.downcast_ref::<Column>() {
                // Partition columns come behind the files' own, of which there are more now.
                Some(column) if column.index() >= own_count => {
                    let place = column.index() + extracts.len();
                    Ok(Transformed::yes(Arc::new(Column::new(
                        column.name(),
                        place,
                    ))))
                }
                _ => Ok(Transformed::no(expr)),
            }
        });
        projected.push(ProjectionExpr::new(absorbed.data()?, expr.alias.clone()));
    }
    let mut fields: Vec<Arc<Field>> = own.fields().iter().cloned().collect();
    let more = extracts.iter().enumerate();
    fields.extend(more.map(|(place, extract)| Arc::new(extract.field(&name(place)))));
    let file_schema = Arc::new(Schema::new_with_metadata(fields, own.metadata().clone()));
    let columns = format.columns.iter().cloned();
    let columns = columns.chain(extracts.into_iter().map(BagColumn::Extract));
    Ok(Some(Absorbed {
        format: Arc::new(BagFormat {
            file_schema: Arc::clone(&file_schema),
            columns: columns.collect(),
            ..format.clone()
        }),
        file_schema,
        projection: ProjectionExprs::new(projected),
    }))
}

/// The extract of records that `expr` is.
fn extract_of(expr: &Arc<dyn PhysicalExpr>) -> Option<Extract> {
    let (column, extract) = Extract::of(expr.as_ref())?;
    (column == RECORD_PLACE).then_some(extract)
}

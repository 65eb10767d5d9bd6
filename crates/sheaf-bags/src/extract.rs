//! Extraction: what a query asks of records, found in one pass over each.
//!
//! An [`Extract`] is a path and what becomes of the value there. Scans take them over from plans
//! ([`Extract::of`] knows the functions that mean one) and make columns of them with an
//! [`Extraction`]; the functions themselves do the same where no scan did.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, StringViewArray, StringViewBuilder, StructArray, new_null_array,
};
use arrow::datatypes::{DataType, Field, Fields};
use arrow::error::ArrowError;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use sheaf_base::type_names::variant_field;

use crate::cast::{CastColumn, CastFault};
use crate::functions::{Get, Read};
use crate::json::normal::write_normal;
use crate::json::{Fault, Kind, Path, Selection, Span};

/// What becomes of the value at a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Become {
    /// A VARIANT.
    Variant,
    /// A value of this type, NULL where there is no cast.
    Try(DataType),
    /// A struct of a value of this type and, where there is no cast, what was there: whoever uses
    /// the value makes an error of that. So a scan may cast rows that a filter drops.
    Checked(DataType),
}

/// A path, and what becomes of the value there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Extract {
    /// Where the value is.
    pub path: Path,
    /// What it becomes.
    pub becomes: Become,
}

/// The fields of a checked value: the value, and what could not be cast.
pub(crate) fn checked_fields(target: &DataType) -> Fields {
    vec![
        Field::new("value", target.clone(), true),
        Field::new("fault", DataType::Utf8View, true),
    ]
    .into()
}

impl Extract {
    /// The whole record as a VARIANT.
    #[must_use]
    pub fn record() -> Self {
        Self {
            path: Path::default(),
            becomes: Become::Variant,
        }
    }

    /// The extract that `expr` means, and the column of records that it is of.
    #[must_use]
    pub fn of(expr: &dyn PhysicalExpr) -> Option<(usize, Self)> {
        let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
        let inner = call.fun().inner();
        let (records, path, target) = match call.args() {
            [records, path] if inner.is::<Get>() => (records, path, None),
            [records, path, target] if inner.is::<Read>() => {
                (records, path, Some(target.downcast_ref::<Literal>()?))
            }
            _ => return None,
        };
        let column = records.downcast_ref::<Column>()?;
        let path = path.downcast_ref::<Literal>()?.value().try_as_str()??;
        let becomes = match (target, inner.downcast_ref::<Read>()) {
            (Some(target), Some(read)) => read.becomes(target.value().data_type()),
            _ => Become::Variant,
        };
        let path = Path::parse(path).ok()?;
        Some((column.index(), Self { path, becomes }))
    }

    /// The column that it makes.
    #[must_use]
    pub fn field(&self, name: &str) -> Field {
        match &self.becomes {
            Become::Variant => variant_field(name, true),
            Become::Try(target) => Field::new(name, target.clone(), true),
            Become::Checked(target) => {
                Field::new(name, DataType::Struct(checked_fields(target)), true)
            }
        }
    }
}

/// Columns that are being made of records.
#[derive(Debug)]
pub struct Extraction {
    selection: Selection,
    /// Where the paths' values are in the present record.
    found: Vec<Span>,
    columns: Vec<ExtractColumn>,
    rows: usize,
}

#[derive(Debug)]
struct ExtractColumn {
    /// Which path it is of.
    slot: usize,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Variant(StringViewBuilder, String),
    Try(CastColumn),
    Checked(DataType, CastColumn),
}

impl Extraction {
    /// No rows of `extracts` yet.
    #[must_use]
    pub fn new(extracts: &[Extract]) -> Self {
        let mut paths: Vec<&Path> = Vec::new();
        let mut columns = Vec::with_capacity(extracts.len());
        for extract in extracts {
            let known = paths.iter().position(|path| **path == extract.path);
            let slot = known.unwrap_or_else(|| {
                paths.push(&extract.path);
                paths.len() - 1
            });
            let values = match &extract.becomes {
                Become::Variant => Values::Variant(StringViewBuilder::new(), String::new()),
                Become::Try(target) => Values::Try(CastColumn::new(target.clone())),
                Become::Checked(target) => {
                    Values::Checked(target.clone(), CastColumn::new(target.clone()))
                }
            };
            columns.push(ExtractColumn { slot, values });
        }
        Self {
            found: vec![None; paths.len()],
            selection: Selection::new(paths),
            columns,
            rows: 0,
        }
    }

    /// Checks `record`, one JSON value, and appends a row of what is asked of it.
    ///
    /// # Errors
    /// A fault if it is not one JSON value; then there is no row.
    pub fn push(&mut self, record: &str) -> Result<(), Fault> {
        self.selection.find(record, &mut self.found)?;
        for column in &mut self.columns {
            let span = self.found[column.slot].clone();
            column.values.push(span.and_then(|span| record.get(span)));
        }
        self.rows += 1;
        Ok(())
    }

    /// Appends a row of NULLs.
    pub fn push_null(&mut self) {
        for column in &mut self.columns {
            column.values.push(None);
        }
        self.rows += 1;
    }

    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns, in the order of the extracts; then there are no rows again.
    ///
    /// # Errors
    /// Those of Arrow, if lists have too many items.
    pub fn finish(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        let rows = std::mem::take(&mut self.rows);
        self.columns
            .iter_mut()
            .map(|column| column.values.finish(rows))
            .collect()
    }
}

impl Values {
    #[inline]
    fn push(&mut self, value: Option<&str>) {
        match self {
            Self::Try(column) | Self::Checked(_, column) => column.push(value),
            Self::Variant(builder, normal) => match value {
                None => builder.append_null(),
                Some(value) if is_surely_normal(value) => builder.append_value(value),
                Some(value) => {
                    normal.clear();
                    write_normal(value, normal);
                    builder.append_value(normal.as_str());
                }
            },
        }
    }

    fn finish(&mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        match self {
            Self::Variant(builder, _) => Ok(Arc::new(builder.finish())),
            Self::Try(column) => Ok(column.finish()?.0),
            Self::Checked(target, column) => {
                let (values, faults) = column.finish()?;
                let faults = fault_column(&faults, rows);
                let fields = checked_fields(target);
                let array =
                    StructArray::try_new_with_length(fields, vec![values, faults], None, rows)?;
                Ok(Arc::new(array))
            }
        }
    }
}

/// Whether a value needs no rewriting: texts without escapes, and words.
fn is_surely_normal(value: &str) -> bool {
    match Kind::of(value) {
        Kind::String => !value.contains('\\'),
        Kind::Boolean | Kind::Null => true,
        Kind::Number | Kind::Array | Kind::Object => false,
    }
}

fn fault_column(faults: &[CastFault], rows: usize) -> ArrayRef {
    if faults.is_empty() {
        return new_null_array(&DataType::Utf8View, rows);
    }
    let mut texts: Vec<Option<&str>> = vec![None; rows];
    for fault in faults {
        texts[fault.row] = Some(&fault.value);
    }
    Arc::new(StringViewArray::from(texts))
}

/// The first fault in a column of checked values; `None` if there is none.
pub(crate) fn first_fault(checked: &StructArray) -> Option<String> {
    let faults = checked.column(1);
    if faults.null_count() == faults.len() {
        return None;
    }
    let faults = faults.as_any().downcast_ref::<StringViewArray>()?;
    let mut rows = (0..faults.len()).filter(|row| faults.is_valid(*row));
    rows.next().map(|row| faults.value(row).to_owned())
}

//! `sheaf.settings`: every setting with its value and where the value comes from.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, SchemaRef};
use sheaf_base::Result;

use crate::apply::effective_value;
use crate::session::SessionInner;

pub(super) const COLUMNS: &[(&str, DataType)] = &[
    ("name", DataType::Utf8),
    ("value", DataType::Utf8),
    ("source", DataType::Utf8),
    ("description", DataType::Utf8),
];

pub(super) fn rows(session: &SessionInner, schema: SchemaRef) -> Result<RecordBatch> {
    let settings = session.settings.read();
    let state = session.state.read();
    let mut columns: [Vec<String>; 4] = Default::default();
    for (setting, value, layer) in settings.iter() {
        let value = effective_value(setting.name, value, &session.engine, state.config());
        let texts = [setting.name, &value, layer.name(), setting.doc];
        for (column, text) in columns.iter_mut().zip(texts) {
            column.push(text.to_owned());
        }
    }
    let columns = columns.map(|values| Arc::new(StringArray::from(values)) as ArrayRef);
    Ok(RecordBatch::try_new(schema, columns.to_vec())?)
}

//! Table functions: `f_open`, `f_push`, `f_next` and `f_finish`.
//!
//! A call has an instance to itself, since what it has been given stays in there between calls. It begins
//! with `f_open`, takes a batch with `f_push`, and gives rows with `f_next` until it gives none.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use sheaf_base::Result;
use sheaf_udf::{
    CallContext, Code, Declaration, ParameterKind, TableCall, TableFunction, TableInput,
    TableInstance, TableOutput,
};

use crate::OUTPUT_ROWS_MAX;
use crate::columns::{self, Form, Reader, lie};
use crate::function::Function;
use crate::instance::{Instance, Use};

/// A table function.
#[derive(Debug, Clone)]
pub(crate) struct Table(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    function: Function,
    returns: SchemaRef,
}

/// A call that runs.
struct GuestCall {
    table: Table,
    context: CallContext,
    instance: Instance,
    batches: u64,
    /// Rows of arguments in the last batch; `None` over a relation.
    argument_rows: Option<usize>,
    /// The row of arguments that the last row came from.
    origin: u32,
}

impl Table {
    /// The function that `declaration` names in `code`.
    ///
    /// # Errors
    /// `UserInput` if it is not there or of other types; `Unsupported` for types that guests do not have.
    pub(crate) fn new(code: &Code, declaration: &Declaration, returns: &SchemaRef) -> Result<Self> {
        let function = Function::new(code, declaration)?;
        for part in ["push", "next"].map(|part| format!("{}_{part}", function.entry)) {
            if function.export(&part).is_none() {
                return Err(function.missing(&format!("{part}, as ABI.md says")));
            }
        }
        let results = returns.fields().iter().map(|field| field.data_type());
        for data_type in declaration.value_types().chain(results) {
            Form::of(data_type)?;
        }
        let relations = declaration.parameters.iter();
        let relations = relations.filter_map(|parameter| match &parameter.kind {
            ParameterKind::Relation(Some(schema)) => Some(schema),
            _ => None,
        });
        for field in relations.flat_map(|schema| schema.fields()) {
            Form::of(field.data_type())?;
        }
        let mut instance = function.trial()?;
        for part in ["push", "next"].map(|part| format!("{}_{part}", function.entry)) {
            instance.function::<(u32, u32), u32>(&part)?;
        }
        Ok(Self(Arc::new(Parts {
            function,
            returns: SchemaRef::clone(returns),
        })))
    }

    fn export(&self, part: &str) -> String {
        format!("{}_{part}", self.0.function.entry)
    }
}

impl TableFunction for Table {
    fn columns(&self, call: &TableCall) -> Result<SchemaRef> {
        let (TableInput::Arguments(schema) | TableInput::Relation(schema)) = &call.input;
        for field in schema.fields() {
            Form::of(field.data_type()).map_err(|error| error.with_context(field.name()))?;
        }
        Ok(SchemaRef::clone(&self.0.returns))
    }

    fn open(&self, call: &TableCall, context: &CallContext) -> Result<Box<dyn TableInstance>> {
        context.check()?;
        let mut instance = self.0.function.instance(context)?;
        let open = instance.function_if_any::<u32, u32>(&self.export("open"))?;
        if let Some(open) = open {
            let values: Result<Vec<ArrayRef>> = call
                .values
                .iter()
                .enumerate()
                .map(|(number, value)| constant(value.as_ref(), number, &call.input))
                .collect();
            let values = values?;
            let columns = instance.place(Use::Arguments, |region| {
                columns::write_columns(region, &values)
            })?;
            instance.run(&open, columns)?;
        }
        Ok(Box::new(GuestCall {
            table: self.clone(),
            context: context.clone(),
            instance,
            batches: 0,
            argument_rows: match &call.input {
                TableInput::Arguments(_) => Some(0),
                TableInput::Relation(_) => None,
            },
            origin: 0,
        }))
    }
}

/// A column of one row for a value that is constant; of NULL for one that comes with the rows.
fn constant(value: Option<&ScalarValue>, number: usize, input: &TableInput) -> Result<ArrayRef> {
    let (TableInput::Arguments(schema) | TableInput::Relation(schema)) = input;
    match value {
        Some(value) => Ok(value.to_array_of_size(1)?),
        None => {
            let field = schema.fields().get(number);
            let data_type = field.map_or(&DataType::Boolean, |field| field.data_type());
            Ok(new_null_array(data_type, 1))
        }
    }
}

impl TableInstance for GuestCall {
    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        self.context.check()?;
        self.batches += 1;
        let file = self.table.0.function.file();
        self.instance.begin_batch(file, self.batches);
        let columns = self.instance.place(Use::Arguments, |region| {
            columns::write_columns(region, batch.columns())
        })?;
        let push = self.table.export("push");
        let push = self.instance.function::<(u32, u32), u32>(&push)?;
        let rows = u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
        self.instance.run(&push, (rows, columns))?;
        if let Some(argument_rows) = &mut self.argument_rows {
            *argument_rows = batch.num_rows();
        }
        self.origin = 0;
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.context.check()?;
        let finish = self.table.export("finish");
        match self.instance.function_if_any::<(), u32>(&finish)? {
            Some(finish) => self.instance.run(&finish, ()),
            None => Ok(()),
        }
    }

    fn next(&mut self) -> Result<Option<TableOutput>> {
        self.context.check()?;
        let schema = SchemaRef::clone(&self.table.0.returns);
        let fields = schema.fields().iter();
        let types: Vec<&DataType> = fields.map(|field| field.data_type()).collect();
        // What was pushed stays where it is: the guest may read it as late as now.
        let output = self.instance.place(Use::Results, |region| {
            let columns = columns::write_slots(region, &types, OUTPUT_ROWS_MAX)?;
            let origin = region.take(OUTPUT_ROWS_MAX * 4, |to| to.fill(0))?;
            columns::write_numbers(region, [0, origin, columns].into_iter())
        })?;
        let next = self.table.export("next");
        let next = self.instance.function::<(u32, u32), u32>(&next)?;
        let rows_max = u32::try_from(OUTPUT_ROWS_MAX).unwrap_or(u32::MAX);
        self.instance.run(&next, (rows_max, output))?;
        let (last, argument_rows) = (self.origin, self.argument_rows);
        let output = self
            .instance
            .read(|reader| read_output(reader, output, &schema, argument_rows, last))?;
        if let Some(origin) = output.as_ref().and_then(|output| output.origin.as_ref()) {
            self.origin = origin.values().last().copied().unwrap_or(self.origin);
        }
        Ok(output)
    }
}

/// The rows that `f_next` left at `address`: their number, where their origins and their columns are.
fn read_output(
    reader: Reader<'_>,
    address: u32,
    schema: &SchemaRef,
    argument_rows: Option<usize>,
    last_origin: u32,
) -> Result<Option<TableOutput>> {
    let numbers: Vec<u32> = reader.numbers(address, 3)?.collect();
    let [rows, origin, columns] = numbers[..] else {
        return Err(lie("no output"));
    };
    if rows == 0 {
        return Ok(None);
    }
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    if rows > OUTPUT_ROWS_MAX {
        return Err(lie(format!(
            "{rows} rows, and it was asked for {OUTPUT_ROWS_MAX}"
        )));
    }
    let arrays: Result<Vec<ArrayRef>> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(number, field)| {
            let column = reader.column(columns, number, field.data_type(), rows);
            let column = column.map_err(|error| error.with_context(field.name()))?;
            match !field.is_nullable() && column.null_count() > 0 {
                true => Err(lie(format!("NULL in {}, which cannot be", field.name()))),
                false => Ok(column),
            }
        })
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let rows_of = RecordBatch::try_new_with_options(SchemaRef::clone(schema), arrays?, &options)?;
    let origin = match argument_rows {
        None => None,
        Some(argument_rows) => {
            let origin: Vec<u32> = reader.numbers(origin, rows)?.collect();
            let mut last = last_origin;
            for row in &origin {
                if *row < last || usize::try_from(*row).is_ok_and(|row| row >= argument_rows) {
                    return Err(lie(format!(
                        "a row that comes from row {row} of {argument_rows}, after one from row {last}"
                    )));
                }
                last = *row;
            }
            Some(UInt32Array::from(origin))
        }
    };
    Ok(Some(TableOutput {
        rows: rows_of,
        origin,
    }))
}

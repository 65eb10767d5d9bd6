//! From arrays to rows and back.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use sheaf_arrays::{Array, Bins, DType, histogram, unique};
use sheaf_base::Result;

use super::sources::{grid_of, scalar};
use super::{A, ArrayFunction, CHUNKS, DTYPE, Made, needed, optional, value};
use crate::arguments::{Arguments, Kind};
use crate::cells::Cells;
use crate::elements::Elements;
use crate::rows::Computed;

pub(super) static FUNCTIONS: &[ArrayFunction] = &[
    ArrayFunction {
        name: "array_info",
        syntax: "array_info(a)",
        description: "What an array is, without reading it: shape, chunks (the longest along each axis), their number, type, bytes, and names of the axes.",
        example: "SELECT shape, chunks, n_chunks FROM array_info(array_zeros(shape => [10, 4], chunks => [5, 4]))\n-- [10, 4], [5, 4], 2",
        parameters: &[A],
        make: |a| Ok(Made::Rows(Arc::new(info(&a.array("a")?)))),
    },
    ArrayFunction {
        name: "array_to_cells",
        syntax: "array_to_cells(a)",
        description: "The elements of an array, a row each: coordinates i0, i1, … (or the names of the axes), and v.",
        example: "SELECT sum(v) FROM array_to_cells(array_arange(5)) WHERE i0 > 2\n-- 7",
        parameters: &[A],
        make: |a| Ok(Made::Rows(Arc::new(Elements::new(a.array("a")?)))),
    },
    ArrayFunction {
        name: "cells_to_array",
        syntax: "cells_to_array(rows, shape => […] [, chunks => […]] [, dtype => …] [, fill => 0])",
        description: "The array whose elements rows tell: a coordinate for each axis, and the value. Elements of which there is no row, or whose value is NULL, are fill.",
        example: "SELECT tensor_sum(v) FROM cells_to_array((SELECT * FROM (VALUES (0, 1.5), (2, 2.5)) AS t), shape => [4])\n-- 4.0",
        parameters: &[
            needed("rows", Kind::Relation),
            value("shape"),
            CHUNKS,
            DTYPE,
            optional("fill"),
        ],
        make: gathered,
    },
    ArrayFunction {
        name: "array_histogram",
        syntax: "array_histogram(a [, bins => 10] [, range => [low, high]] [, density => false])",
        description: "How many elements lie between limits, a row for each bin: bin, low, high, count. bins is a number or the limits themselves.",
        example: "SELECT count FROM array_histogram(array_arange(10), bins => 2, range => [0, 10]) ORDER BY bin\n-- 5\n-- 5",
        parameters: &[A, optional("bins"), optional("range"), optional("density")],
        make: counted,
    },
    ArrayFunction {
        name: "array_unique",
        syntax: "array_unique(a)",
        description: "The different elements of an array in order, and how often each is there.",
        example: "SELECT value, count FROM array_unique(array_of([2, 1, 2])) ORDER BY value\n-- 1, 1\n-- 2, 2",
        parameters: &[A],
        make: |a| Ok(Made::Rows(Arc::new(different(a.array("a")?)))),
    },
];

fn list(name: &str) -> Field {
    let item = Field::new_list_field(DataType::Int64, true);
    Field::new(name, DataType::List(Arc::new(item)), false)
}

fn int(name: &str) -> Field {
    Field::new(name, DataType::Int64, false)
}

fn schema(fields: Vec<Field>) -> SchemaRef {
    Arc::new(Schema::new(fields))
}

fn info(array: &Array) -> Computed {
    let grid = array.grid().clone();
    let names = Field::new_list_field(DataType::Utf8, true);
    let schema = schema(vec![
        list("shape"),
        list("chunks"),
        int("n_chunks"),
        Field::new("dtype", DataType::Utf8, false),
        int("bytes"),
        int("chunk_bytes"),
        Field::new("dims", DataType::List(Arc::new(names)), false),
    ]);
    let made = Arc::clone(&schema);
    Computed {
        name: "array_info",
        schema,
        row_count: Some(1),
        compute: Box::new(move |_| {
            let numbers = |values: Vec<u64>| -> ArrayRef {
                let values = values.into_iter().map(|value| Some(value as i64));
                Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some(
                    values,
                )]))
            };
            let number =
                |value: u64| -> ArrayRef { Arc::new(Int64Array::from(vec![value as i64])) };
            let mut names = arrow::array::ListBuilder::new(arrow::array::StringBuilder::new());
            names.append_value(grid.names());
            let columns: Vec<ArrayRef> = vec![
                numbers(grid.shape()),
                numbers(grid.chunk_max()),
                number(grid.chunks()),
                Arc::new(StringArray::from(vec![grid.dtype().name()])),
                number(grid.bytes()),
                number(grid.chunk_bytes_max()),
                Arc::new(names.finish()),
            ];
            Ok(RecordBatch::try_new(Arc::clone(&made), columns)?)
        }),
    }
}

fn gathered(arguments: &mut Arguments<'_>) -> Result<Made> {
    let rows = arguments.relation("rows")?;
    let shape = arguments.counts("shape")?.unwrap_or_default();
    let fields = rows.schema().fields();
    let own = match fields.last().map(|field| field.data_type()) {
        Some(data_type) => crate::lambda::element_type("cells_to_array", data_type)?,
        None => DType::Float64,
    };
    let mut grid = grid_of(arguments, &shape, arguments.dtype(own)?)?;
    if let Some(fill) = scalar(arguments, "fill")? {
        grid = grid.with_fill(fill);
    }
    let names = fields.iter().take(shape.len());
    let names: Vec<Option<String>> = names.map(|field| Some(field.name().clone())).collect();
    if names.len() == shape.len() {
        grid = grid.clone().with_names(names).unwrap_or(grid);
    }
    let cells = Arc::new(Cells::try_new(rows, grid)?);
    let array = cells.array().clone();
    arguments.add_cells(cells);
    Ok(array.into())
}

fn counted(arguments: &mut Arguments<'_>) -> Result<Made> {
    let range = match arguments.floats("range")?.as_deref() {
        None => None,
        Some([low, high]) => Some((*low, *high)),
        Some(_) => return Err(arguments.wrong("\"range\" is a list of two numbers".to_owned())),
    };
    let bins = match arguments.floats("bins")? {
        None => Bins::Even(10, range),
        Some(limits) if limits.len() > 1 => Bins::Edges(limits),
        Some(_) => Bins::Even(arguments.count("bins")?.unwrap_or(10), range),
    };
    let is_density = arguments.flag("density")?;
    let made = histogram(&arguments.array("a")?, &bins, is_density)?;
    let float = |name: &str| Field::new(name, DataType::Float64, false);
    let count = if is_density {
        float("density")
    } else {
        int("count")
    };
    let schema = schema(vec![int("bin"), float("low"), float("high"), count]);
    let names = Arc::clone(&schema);
    Ok(Made::Rows(Arc::new(Computed {
        name: "array_histogram",
        schema,
        row_count: made.counts.shape().first().copied(),
        compute: Box::new(move |context| {
            let counts = made.counts.load(context)?.into_arrow(context)?;
            let edges = made.edges.load(context)?.into_arrow(context)?;
            let columns: Vec<ArrayRef> = vec![
                Arc::new(Int64Array::from_iter_values(0..counts.len() as i64)),
                edges.slice(0, counts.len()),
                edges.slice(1, counts.len()),
                counts,
            ];
            Ok(RecordBatch::try_new(Arc::clone(&names), columns)?)
        }),
    })))
}

fn different(array: Array) -> Computed {
    let schema = schema(vec![
        Field::new("value", array.dtype().arrow_type(), false),
        int("count"),
    ]);
    let names = Arc::clone(&schema);
    Computed {
        name: "array_unique",
        schema,
        row_count: None,
        compute: Box::new(move |context| {
            let found = unique(&array, context)?;
            let values = found.values.load(context)?.into_arrow(context)?;
            let counts = found.counts.load(context)?.into_arrow(context)?;
            let counts = arrow::compute::cast(&counts, &DataType::Int64)?;
            Ok(RecordBatch::try_new(
                Arc::clone(&names),
                vec![values, counts],
            )?)
        }),
    }
}

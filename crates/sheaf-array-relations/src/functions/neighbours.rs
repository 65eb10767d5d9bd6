//! Functions of elements with what surrounds them, and of whole chunks.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray, Int64Array, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use sheaf_arrays::{
    BlockKernel, Boundary, Class, Context, DType, PadMode, Region, Scalar, Tensor, map_overlap,
    sliding_window, stencil as overlapping, tuple,
};
use sheaf_base::{Result, SheafError, sql_type_name};

use super::layout::mode;
use super::sources::full_chunks;
use super::{A, ArrayFunction, Made, needed, optional, value};
use crate::arguments::{Arguments, Kind, Parameter};
use crate::lambda::{Compiled, element_type};

const F: Parameter = needed("f", Kind::Lambda);

pub(super) static FUNCTIONS: &[ArrayFunction] = &[
    ArrayFunction {
        name: "array_map_overlap",
        syntax: "array_map_overlap(a, lambda x: x(-1, 0) + x(1, 0) … [, boundary => 'reflect'] [, value => 0])",
        description: "A function of each element and its neighbours: x is the element, x(1, -2) the one that is so far away along each axis. Beyond the edge: reflect, symmetric, nearest, periodic, constant (value), or none, which is NaN. Arithmetic is SQL's, as in array_map.",
        example: "SELECT tensor_sum(v) FROM array_map_overlap(array_arange(4), lambda x: x(-1) + x(1), boundary => 'constant')\n-- 9",
        parameters: &[A, F, optional("boundary"), optional("value")],
        make: stencil,
    },
    ArrayFunction {
        name: "array_map_blocks",
        syntax: "array_map_blocks(a, lambda x, shape: … [, depth => 0] [, boundary => 'none'] [, value => 0])",
        description: "A function of whole chunks: x is the list of its elements in row-major order, shape the list of its lengths; it gives as many elements. With depth, chunks come with so many elements of their neighbours on both sides.",
        example: "SELECT tensor_sum(v) FROM array_map_blocks(array_arange(4), lambda x, shape: list_reverse(x))\n-- 6",
        parameters: &[
            A,
            F,
            optional("depth"),
            optional("boundary"),
            optional("value"),
        ],
        make: blocks,
    },
    ArrayFunction {
        name: "array_sliding_window",
        syntax: "array_sliding_window(a, lengths => […] [, axis => […]])",
        description: "The windows of these lengths that slide over an array, along new axes at the end. Nothing is copied.",
        example: "SELECT tensor_max(v) FROM array_sum(array_sliding_window(array_arange(5), [3]), axis => [1])\n-- 9",
        parameters: &[A, value("lengths"), optional("axis")],
        make: |a| {
            let array = a.array("a")?;
            let lengths = a.counts("lengths")?.unwrap_or_default();
            let axes = match a.ints("axis")? {
                Some(axes) => axes,
                None => (0..array.rank() as i64).collect(),
            };
            Ok(sliding_window(&array, &lengths, &axes)?.into())
        },
    },
];

fn is_none(arguments: &Arguments<'_>) -> Result<bool> {
    let boundary = arguments.text("boundary")?;
    Ok(boundary.is_some_and(|name| name.eq_ignore_ascii_case("none")))
}

fn stencil(arguments: &mut Arguments<'_>) -> Result<Made> {
    let array = arguments.array("a")?;
    let mode = match is_none(arguments)? {
        true if array.dtype().class() == Class::Float => PadMode::Constant(Scalar::Float(f64::NAN)),
        true => {
            return Err(arguments
                .wrong(format!(
                    "beyond the edge there is no NaN for {}",
                    array.dtype()
                ))
                .with_hint("array_cast makes floats of the elements, or choose another boundary"));
        }
        false => mode(arguments, "boundary", "reflect")?,
    };
    let lambda = arguments.lambda("f")?;
    let mut offsets = vec![vec![0; array.rank()]; lambda.parameters.len()];
    offsets.extend(lambda.neighbours.iter().map(|(_, own)| own.clone()));
    let types = vec![array.dtype(); offsets.len()];
    let (dtype, kernel) = lambda.over_elements("array_map_overlap", &types)?;
    Ok(overlapping(&array, &offsets, mode, dtype, kernel)?.into())
}

/// A function of the list of a chunk's elements.
#[derive(Debug)]
struct OfLists {
    compiled: Compiled,
    dtype: DType,
}

fn list_of(values: ArrayRef) -> Result<ArrayRef> {
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths([values.len()]);
    Ok(Arc::new(ListArray::try_new(field, offsets, values, None)?))
}

fn list_type(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

impl BlockKernel for OfLists {
    fn evaluate(&self, block: Tensor, _: &Region, context: &Context) -> Result<Tensor> {
        let shape = block.shape().to_vec();
        let lengths = Int64Array::from_iter_values(shape.iter().map(|&length| length as i64));
        let hold = context.hold_chunk(&shape, self.dtype)?;
        let columns = [
            list_of(block.into_arrow(context)?)?,
            list_of(Arc::new(lengths))?,
        ];
        let given = self.compiled.evaluate(&columns, 1)?;
        let list = given.as_list_opt::<i32>().filter(|list| list.is_valid(0));
        let values = list.map(|list| list.value(0)).ok_or_else(|| {
            SheafError::data("array_map_blocks: the function gave NULL for a chunk")
        })?;
        let count: usize = shape.iter().product();
        if values.len() != count {
            return Err(SheafError::data(format!(
                "array_map_blocks: the function gave {} elements for a chunk of shape {}",
                values.len(),
                tuple(&shape)
            )));
        }
        let values = cast(&values, &self.dtype.arrow_type())?;
        Ok(Tensor::from_arrow(values, &shape, Scalar::ZERO)?.held(hold))
    }
}

fn blocks(arguments: &mut Arguments<'_>) -> Result<Made> {
    let array = arguments.array("a")?;
    let lambda = arguments.lambda("f")?;
    let types = vec![
        list_type(array.dtype().arrow_type()),
        list_type(DataType::Int64),
    ];
    let compiled = lambda.compile("array_map_blocks", types)?;
    let DataType::List(item) = &compiled.data_type else {
        return Err(arguments.wrong(format!(
            "the function gives {}, not a list of elements",
            sql_type_name(&compiled.data_type)
        )));
    };
    let dtype = element_type("array_map_blocks", item.data_type())?;
    let depth = arguments.counts("depth")?.unwrap_or_else(|| vec![0]);
    let depth = full_chunks(&depth, &array.shape());
    let has_none = arguments.value("boundary").is_none() || is_none(arguments)?;
    let boundary = match has_none {
        true => Boundary::None,
        false => Boundary::Padded(mode(arguments, "boundary", "reflect")?),
    };
    let boundaries = vec![boundary; array.rank()];
    let kernel = Arc::new(OfLists { compiled, dtype });
    Ok(map_overlap(&array, dtype, &depth, &boundaries, kernel)?.into())
}

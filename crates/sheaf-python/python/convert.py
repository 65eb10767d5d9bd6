"""Values: from Arrow to what a function takes, and from what it gives to Arrow in the declared type."""

import json
import sys

import pyarrow as pa

from sheaf_worker.faults import Fault
from sheaf_worker.forms import ARROW, MASKED, NUMPY, PANDAS


def loaded(module):
    """A module that values can only be of if it is imported already."""
    return sys.modules.get(module)


# From Arrow


def arrays(columns, forms, names):
    """The arguments of a call for a batch."""
    return [batch_value(*each) for each in zip(columns, forms, names)]


def batch_value(column, form, name):
    if form == ARROW:
        return column
    if form == PANDAS:
        import pandas

        return column.to_pandas(types_mapper=pandas.ArrowDtype)
    if form == MASKED:
        return masked(column)
    if column.null_count > 0 and not holds_null(column.type):
        raise Fault(
            f"argument {name} has NULLs, which a NumPy array of {column.type} cannot hold",
            "annotate it np.ma.MaskedArray, or declare the function STRICT",
        )
    return column.to_numpy(zero_copy_only=False)


def holds_null(data_type):
    """Whether NumPy has a value that stands for NULL: NaN, NaT, None."""
    return not (pa.types.is_integer(data_type) or pa.types.is_boolean(data_type))


def masked(column):
    import numpy

    mask = column.is_null().to_numpy(zero_copy_only=False)
    if column.null_count > 0 and not holds_null(column.type):
        column = column.fill_null(False if pa.types.is_boolean(column.type) else 0)
    return numpy.ma.MaskedArray(column.to_numpy(zero_copy_only=False), mask)


def python_values(column, hint=None):
    """A column as a list of Python values; JSON text becomes what it says where `hint` asks for that."""
    if isinstance(column.type, pa.BaseExtensionType):
        is_json = column.type.extension_name == "arrow.json"
        column = column.storage
        hint = dict if is_json else hint
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = without_nanoseconds(column)
    values = column.to_pylist()
    origin = getattr(hint, "__origin__", hint)
    if origin in (dict, list) and is_text(column.type):
        values = [None if value is None else json.loads(value) for value in values]
    return values


def without_nanoseconds(column):
    """Python's datetime counts microseconds: whole ones are handed over, others are left to pandas."""
    try:
        return column.cast(pa.timestamp("us", column.type.tz))
    except pa.ArrowInvalid:
        return column


# To Arrow


def column(result, wanted, rows):
    """What a function gave for a batch as an array of `rows` values of type `wanted`."""
    array = as_array(result, wanted, rows)
    if len(array) != rows:
        raise Fault(f"it returned {len(array)} values for {rows} rows")
    return in_type(array, wanted)


def as_array(result, wanted, rows):
    if isinstance(result, pa.ChunkedArray):
        return combined(result)
    if isinstance(result, pa.Array):
        return result
    if isinstance(result, pa.Scalar):
        return pa.repeat(result, rows)
    pandas, numpy = loaded("pandas"), loaded("numpy")
    if pandas and isinstance(result, (pandas.Series, pandas.Index)):
        return combined(pa.array(result, from_pandas=True))
    if pandas and isinstance(result, pandas.api.extensions.ExtensionArray):
        return combined(pa.array(result))
    if numpy and isinstance(result, numpy.ma.MaskedArray) and result.ndim == 1:
        return pa.array(result.data, mask=numpy.ma.getmaskarray(result))
    if numpy and isinstance(result, numpy.ndarray) and result.ndim > 0:
        if result.ndim == 1 and result.dtype != object:
            return pa.array(result)
        return values_array(list(result), wanted)
    if isinstance(result, list) and not (is_list(wanted) and len(result) != rows):
        return values_array(result, wanted)
    # A plain value stands for every row.
    return pa.repeat(values_array([result], wanted)[0], rows)


def combined(array):
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def values_array(values, wanted):
    """Python values as an array; the first that does not fit is named with its row."""
    try:
        if is_text(wanted):
            values = [json_text(value) for value in values]
        elif pa.types.is_integer(wanted):
            whole_numbers(values, wanted)
        return pa.array(values, type=wanted)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        for row, value in enumerate(values):
            try:
                pa.array([value], type=wanted)
            except (pa.ArrowException, TypeError, ValueError, OverflowError) as reason:
                raise misfit(value, wanted, row, reason) from None
        raise Fault(f"its values are not {wanted}: {error}") from None


def whole_numbers(values, wanted):
    """Refuses fractions, which Arrow would cut off without a word."""
    if any(issubclass(kind, float) for kind in set(map(type, values))):
        for row, value in enumerate(values):
            if isinstance(value, float) and not value.is_integer():
                raise misfit(value, wanted, row, "it is not whole")


def misfit(value, wanted, row, reason):
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    fault = Fault(f"{shown} ({type(value).__name__}) is no value of type {wanted}: {reason}")
    fault.row = row
    return fault


def json_text(value):
    """Records are texts in SQL: what a function gives as a dictionary or a list is written as JSON."""
    return json.dumps(value) if isinstance(value, (dict, list)) else value


def in_type(array, wanted):
    """`array` in type `wanted`, if that says the same."""
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    if array.type == wanted:
        return array
    if not is_alike(array.type, wanted):
        raise Fault(f"it returned values of type {array.type}, which are not {wanted}")
    try:
        return array.cast(wanted)
    except pa.ArrowException as error:
        raise Fault(f"it returned values of type {array.type} that are no {wanted}: {error}") from None


def is_alike(given, wanted):
    """Whether values of type `given` may be meant where `wanted` is declared: numbers of another width,
    texts or times of another form; never a text for a number."""
    kinds = (is_number, is_text, is_bytes, pa.types.is_timestamp, pa.types.is_date, pa.types.is_time,
             pa.types.is_duration, pa.types.is_struct, pa.types.is_map, is_list)
    if pa.types.is_null(given):
        return True
    if pa.types.is_dictionary(given):
        return is_alike(given.value_type, wanted)
    if pa.types.is_timestamp(given) and pa.types.is_date(wanted):
        return True
    if pa.types.is_fixed_size_binary(given) and is_bytes(wanted):
        return True
    return any(is_kind(given) and is_kind(wanted) for is_kind in kinds)


def is_number(data_type):
    types = pa.types
    return types.is_integer(data_type) or types.is_floating(data_type) or types.is_decimal(data_type)


def is_text(data_type):
    types = pa.types
    return types.is_string(data_type) or types.is_large_string(data_type) or types.is_string_view(data_type)


def is_bytes(data_type):
    types = pa.types
    return types.is_binary(data_type) or types.is_large_binary(data_type) or types.is_binary_view(data_type)


def is_list(data_type):
    types = pa.types
    return types.is_list(data_type) or types.is_large_list(data_type) or types.is_fixed_size_list(data_type)

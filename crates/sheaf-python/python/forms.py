"""In which form a function takes its arguments: what the annotations of its parameters say.

| annotation | a call gets |
|---|---|
| none, or `pa.Array` | a batch: an Arrow array each |
| `np.ndarray` | a batch: a NumPy array each |
| `np.ma.MaskedArray` | a batch: a masked array each, masked where SQL has NULL |
| `pd.Series` | a batch: a series each, with Arrow's types |
| anything else: `float`, `str`, `dict`, ... | a row: a Python value each, None for NULL |
"""

import collections.abc
import inspect
import typing

import pyarrow as pa

from sheaf_worker.faults import Fault

ARROW, NUMPY, MASKED, PANDAS, ROWS = "arrow", "numpy", "masked", "pandas", "rows"


def annotations_of(function):
    """The annotations of `function`, as types where they can be read."""
    try:
        return typing.get_type_hints(function)
    except Exception:
        return dict(getattr(function, "__annotations__", {}))


def form_of(annotation):
    """The form that one annotation asks for."""
    origin = typing.get_origin(annotation) or annotation
    name = getattr(origin, "__name__", str(origin)).rsplit(".", 1)[-1]
    module = (getattr(origin, "__module__", "") or "").split(".")[0]
    if isinstance(annotation, str):
        name, module = annotation.rsplit(".", 1)[-1].split("[")[0], ""
    if module in ("numpy", "") and name in ("ndarray", "NDArray"):
        return NUMPY
    if module in ("numpy", "") and name in ("MaskedArray", "masked_array"):
        return MASKED
    if module in ("pandas", "") and name == "Series":
        return PANDAS
    is_array = isinstance(origin, type) and issubclass(origin, (pa.Array, pa.ChunkedArray))
    if is_array or (module == "" and name in ("Array", "ChunkedArray")):
        return ARROW
    return ROWS


def parameters_of(function, what):
    """The names of the parameters that can be given by position."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise Fault(f"the parameters of {what} cannot be read") from None
    return signature


def check_count(function, count, what):
    """Refuses a function that cannot be called with `count` arguments."""
    signature = parameters_of(function, what)
    try:
        signature.bind(*[None] * count)
    except TypeError:
        takes = ", ".join(str(parameter) for parameter in signature.parameters.values())
        noun = "argument" if count == 1 else "arguments"
        raise Fault(f"{what} is declared with {count} {noun}, but its code takes ({takes})") from None


def forms_of(function, count, what, default=ARROW):
    """The form of each of the `count` arguments of `function`, and their annotations."""
    check_count(function, count, what)
    hints = annotations_of(function)
    names = []
    for parameter in parameters_of(function, what).parameters.values():
        repeats = count if parameter.kind is parameter.VAR_POSITIONAL else 1
        names.extend([parameter.name] * repeats)
    hinted = [hints.get(name, inspect.Parameter.empty) for name in names[:count]]
    asked = [None if hint is inspect.Parameter.empty else form_of(hint) for hint in hinted]
    given = [form for form in asked if form is not None]
    if ROWS in given and any(form != ROWS for form in given):
        raise Fault(
            f"{what} takes some arguments as a batch and some as a row's values",
            "annotate all of its parameters with array types, or none",
        )
    if not given and count == 0:
        result = hints.get("return")
        default = ROWS if result is None or form_of(result) == ROWS else default
    # Parameters without an annotation go with the others.
    fallback = given[0] if given else default
    return [form or fallback for form in asked], hinted


def relation_form(function, position, what):
    """How `function` takes the relation that is its argument at `position`: the form of its items
    (`batch`, `frame`, `dict`), and whether it gets an iterator of them, one item a call, or all at once."""
    names = [parameter.name for parameter in parameters_of(function, what).parameters.values()]
    hint = annotations_of(function).get(names[position]) if position < len(names) else None
    if hint is None:
        return "batch", "iterator"
    origin = typing.get_origin(hint)
    if origin in (collections.abc.Iterator, collections.abc.Iterable, collections.abc.Generator):
        return item_form((typing.get_args(hint) or (None,))[0], what), "iterator"
    if hint in (typing.Iterator, typing.Iterable, collections.abc.Iterator, collections.abc.Iterable):
        return "batch", "iterator"
    name = getattr(hint, "__name__", str(hint)).rsplit(".", 1)[-1]
    if name == "Table":
        return "batch", "whole"
    if name == "DataFrame":
        return "frame", "whole"
    return item_form(hint, what), "each"


def item_form(hint, what):
    name = getattr(typing.get_origin(hint) or hint, "__name__", str(hint)).rsplit(".", 1)[-1]
    forms = {"RecordBatch": "batch", "Any": "batch", "None": "batch", "DataFrame": "frame", "dict": "dict"}
    if name not in forms:
        raise Fault(
            f"{what} takes a relation, which its code cannot take as {name}",
            "annotate it pa.RecordBatch, pa.Table, pd.DataFrame, dict, or an Iterator of one of them",
        )
    return forms[name]

"""From arrays to rows and back, and arrays that are made of nothing."""

import numpy as np

from draw import ALL, REAL, Case, listed


def cells(draw):
    a = draw.any(1, 3, REAL)
    columns = ", ".join(f"i{axis}" for axis in range(a.ndim))
    chunks = f", chunks => {listed(draw.chunks(a.shape))}" if draw.happens(2) else ""
    rows = f"(SELECT {columns}, v FROM array_to_cells({{0}})%s)"
    if draw.happens(2) or a.size == 0:
        call = f"cells_to_array({rows % ''}, shape => {listed(a.shape)}{chunks})"
        return Case(call, [a], a)
    fill = 7 if a.dtype.kind != "b" else 1
    odd = np.indices(a.shape).sum(axis=0) % 2 == 1
    expected = np.where(odd, a, a.dtype.type(fill))
    shown = "true" if a.dtype.kind == "b" else fill
    even = rows % f" WHERE ({columns.replace(', ', ' + ')}) % 2 = 1"
    call = f"cells_to_array({even}, shape => {listed(a.shape)}{chunks}, fill => {shown})"
    return Case(call, [a], expected)


def conditions(draw):
    """A condition on coordinates leaves out chunks, and no element that it holds for."""
    a = draw.any(1, 3, ["float64", "int32"], has_nan=False)
    low, high = draw.between(-2, 8), draw.between(0, 12)
    inside = [(low, high)] + [(-1, draw.between(0, 12)) for _ in a.shape[1:]]
    texts = [f"i{axis} > {first} AND i{axis} <= {last}" for axis, (first, last) in enumerate(inside)]
    part = a[tuple(slice(max(first + 1, 0), max(last + 1, 0)) for first, last in inside)]
    total = np.sum(part.astype(float))
    call = (f"SELECT count(*), coalesce(sum(v::DOUBLE), 0.0) FROM array_to_cells({{0}}) "
            f"WHERE {' AND '.join(texts)}")
    return Case(call, [a], [[part.size], [total]], 1e-9, is_query=True)


def sources(draw):
    """No inputs, but chunks: the call says them."""
    dtype = draw.choose(["int64", "float64", "float32", "int32"])
    kind = draw.below(5)
    if kind == 0:
        start, stop, step = draw.between(-9, 9), draw.between(-9, 30), draw.choose([1, 2, 3, -1, 7])
        chunk = draw.between(1, 12)
        call = f"array_arange({start}, {stop}, {step}, dtype => '{dtype}', chunks => {chunk})"
        return Case(call, [], np.arange(start, stop, step, dtype=dtype))
    if kind == 1:
        count, end = draw.between(1, 20), draw.happens(2)
        text = "" if end else ", endpoint => false"
        call = f"array_linspace(-1.5, 2, {count}{text}, chunks => {draw.between(1, 7)})"
        return Case(call, [], np.linspace(-1.5, 2, count, endpoint=end), 64)
    shape = draw.shape(0, 4)
    chunks = f", chunks => {listed(draw.chunks(shape))}" if shape else ""
    if kind == 2:
        call = f"array_full(shape => {listed(shape)}, value => 3, dtype => '{dtype}'{chunks})"
        return Case(call, [], np.full(shape, 3, dtype=dtype))
    if kind == 3:
        name = draw.choose(["zeros", "ones"])
        call = f"array_{name}(shape => {listed(shape)}, dtype => '{dtype}'{chunks})"
        return Case(call, [], getattr(np, name)(shape, dtype=dtype))
    rows, columns, k = draw.between(0, 9), draw.between(0, 9), draw.between(-4, 4)
    call = f"array_eye({rows}, columns => {columns}, k => {k}, chunks => [2, 3], dtype => '{dtype}')"
    return Case(call, [], np.eye(rows, columns, k, dtype=dtype))


def whole(draw):
    """What is read is what was written."""
    a = draw.any(0, 4, ALL)
    return Case("{0}", [a], a)


GROUPS = [
    ("cells", 20, cells),
    ("condition", 10, conditions),
    ("source", 20, sources),
    ("read", 12, whole),
]

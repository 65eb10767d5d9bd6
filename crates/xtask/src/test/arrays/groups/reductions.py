"""One value of many elements, running values, the largest."""

import numpy as np

from draw import ALL, FLOATS, REAL, Case, flag, inexact, listed

KINDS = [
    ("sum", ALL), ("prod", ALL), ("min", REAL), ("max", REAL), ("mean", ALL), ("var", ALL), ("std", ALL),
    ("any", ALL), ("all", ALL), ("count_nonzero", ALL),
]
NAN_KINDS = ["sum", "prod", "min", "max", "mean", "var", "std", "median"]


def along(draw, array, axes):
    """The options axis and keepdims, and the same for NumPy."""
    keep = draw.happens(2)
    text = f", keepdims => {flag(keep)}" if keep or draw.happens(3) else ""
    if axes is not None:
        shown = listed(axes) if len(axes) > 1 or draw.happens(2) else str(axes[0])
        text = f", axis => {shown}" + text
    return text, {"axis": axes, "keepdims": keep}


def reductions(draw):
    kind, types = draw.turn(KINDS)
    a = draw.any(0, 4, types)
    text, options = along(draw, a, draw.axes(a))
    if kind in ("var", "std") and draw.happens(2):
        text += ", ddof => 1"
        options["ddof"] = 1
    source = a
    if kind in ("mean", "var", "std"):
        source = inexact(a)
    expected = np.asarray(getattr(np, kind)(source, **options))
    call = f"array_{kind}({{0}}{text})" if draw.happens(2) else f"array_reduce({{0}}, '{kind}'{text})"
    return Case(call, [a], expected, 4000)


def positions(draw):
    kind = draw.choose(["argmin", "argmax"])
    a = draw.any(1, 3, REAL)
    nan = "nan" if a.dtype.kind == "f" and draw.happens(3) else ""
    axes = (draw.axis(a),) if draw.happens(2) else None
    text, options = along(draw, a, axes)
    options["axis"] = None if axes is None else axes[0]
    return Case(f"array_{nan}{kind}({{0}}{text})", [a], np.asarray(getattr(np, nan + kind)(a, **options)))


def norms(draw):
    a = draw.any(1, 3, FLOATS + ["complex128", "int32"], has_nan=False)
    order = draw.choose([1, 2, 3])
    text, options = along(draw, a, draw.axes(a))
    wide = np.abs(inexact(a)).astype(float)
    expected = np.sum(wide ** order, **options) ** (1 / order)
    dtype = np.float32 if a.dtype == np.float32 else float
    return Case(f"array_norm({{0}}, ord => {order}{text})", [a], np.asarray(expected).astype(dtype), 4000)


def without_nan(draw):
    kind = draw.turn(NAN_KINDS)
    a = draw.any(1, 3, FLOATS, has_nan=True)
    text, options = along(draw, a, draw.axes(a))
    expected = np.asarray(getattr(np, f"nan{kind}")(a, **options))
    skip = draw.happens(3) and kind != "median"
    call = f"array_reduce({{0}}, '{kind}', skipna => true{text})" if skip else f"array_nan{kind}({{0}}{text})"
    return Case(call, [a], expected, 4000)


def quantiles(draw):
    a = draw.any(1, 3, REAL)
    if a.size == 0:
        return None
    axes = draw.axes(a)
    text, options = along(draw, a, axes)
    source = inexact(a)
    if draw.happens(2):
        return Case(f"array_median({{0}}{text})", [a], np.asarray(np.median(source, **options)), 64)
    if np.isinf(source).any():
        # Between a number and infinity NumPy has NaN but for medians.
        return None
    share = draw.choose([0.0, 0.1, 0.25, 0.5, 0.77, 1.0])
    expected = np.asarray(np.quantile(source, share, **options)).astype(source.dtype)
    return Case(f"array_quantile({{0}}, {share}{text})", [a], expected, 64)


def running(draw):
    kind = draw.choose(["cumsum", "cumprod"])
    a = draw.any(1, 4, ALL)
    axis = draw.axis(a)
    return Case(f"array_{kind}({{0}}, axis => {axis})", [a], getattr(np, kind)(a, axis=axis), 40000)


def largest(draw):
    a = draw.any(1, 3, REAL, has_nan=False)
    axis = draw.axis(a)
    count = draw.between(1, max(a.shape[axis], 1))
    if a.shape[axis] == 0:
        return None
    ordered = np.sort(a, axis=axis)
    if draw.happens(2):
        expected = np.take(ordered, np.arange(count), axis=axis)
        return Case(f"array_topk({{0}}, {-count}, axis => {axis})", [a], expected)
    expected = np.take(np.flip(ordered, axis), np.arange(count), axis=axis)
    return Case(f"array_topk({{0}}, {count}, axis => {axis})", [a], expected)


def coarse(draw):
    kind = draw.choose(["sum", "mean", "min", "max", "prod", "std"])
    a = draw.any(1, 3, FLOATS + ["int32"], least=1, has_nan=False)
    factors = [draw.between(1, length) for length in a.shape]
    cut = a[tuple(slice(0, length // factor * factor) for length, factor in zip(a.shape, factors))]
    parts = [part for length, factor in zip(cut.shape, factors) for part in (length // factor, factor)]
    source = inexact(cut) if kind in ("mean", "std") else cut
    expected = getattr(np, kind)(source.reshape(parts), axis=tuple(range(1, 2 * a.ndim, 2)))
    trim = "" if cut.shape == a.shape and draw.happens(2) else ", trim => true"
    return Case(f"array_coarsen({{0}}, '{kind}', factors => {listed(factors)}{trim})", [a], expected, 4000)


def of_tensors(draw):
    """Aggregates over the rows of an array, which are its chunks."""
    a = draw.any(0, 3, FLOATS + ["int32", "uint16"], least=1)
    wide = a.astype(float)
    total = [np.sum(a)] if a.dtype.kind in "iu" else [np.sum(wide)]
    columns = [[value] for value in
               [a.size, *total, np.min(a), np.max(a), np.mean(wide), np.var(wide), np.std(wide)]]
    call = ("SELECT tensor_count(v), tensor_sum(v), tensor_min(v), tensor_max(v), tensor_mean(v), "
            "tensor_var_pop(v), tensor_stddev_pop(v) FROM {0}")
    tolerance = 1e-4 if a.dtype == np.float32 else 1e-9
    return Case(call, [a], columns, tolerance, is_query=True)


GROUPS = [
    ("reduce", 70, reductions),
    ("position", 20, positions),
    ("norm", 10, norms),
    ("nan", 24, without_nan),
    ("quantile", 24, quantiles),
    ("cumulative", 20, running),
    ("topk", 14, largest),
    ("coarsen", 12, coarse),
    ("tensor aggregate", 14, of_tensors),
]

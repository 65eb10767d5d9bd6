"""Functions of each element by itself."""

import numpy as np

from draw import ALL, BOOL, FLOATS, INEXACT, INTEGERS, NUMBERS, REAL, Case, function as lambda_of

def reciprocal(a):
    """NumPy's, but of a whole 0, of which it is 0: NumPy gives what the processor makes of infinity."""
    result = np.reciprocal(a)
    return result if a.dtype.kind in "fc" else np.where(a == 0, result.dtype.type(0), result)


# Name in SQL, types it takes, what NumPy does.
UNARY = [
    ("negative", NUMBERS, np.negative),
    ("abs", ALL, np.abs),
    ("sign", INTEGERS + FLOATS, np.sign),
    ("square", ALL, np.square),
    ("sqrt", REAL + INEXACT, np.sqrt),
    ("exp", FLOATS, np.exp),
    ("expm1", FLOATS, np.expm1),
    ("log", REAL, np.log),
    ("log2", REAL, np.log2),
    ("log10", REAL, np.log10),
    ("log1p", FLOATS, np.log1p),
    ("sin", REAL, np.sin),
    ("cos", REAL, np.cos),
    ("tan", FLOATS, np.tan),
    ("sinh", FLOATS, np.sinh),
    ("cosh", FLOATS, np.cosh),
    ("tanh", REAL, np.tanh),
    ("arcsin", FLOATS, np.arcsin),
    ("arccos", FLOATS, np.arccos),
    ("arctan", REAL, np.arctan),
    ("floor", REAL, np.floor),
    ("ceil", REAL, np.ceil),
    ("trunc", REAL, np.trunc),
    ("round", INTEGERS + FLOATS, np.round),
    ("reciprocal", ALL, reciprocal),
    ("not", ALL, np.logical_not),
    ("isnan", ALL, np.isnan),
    ("isinf", ALL, np.isinf),
    ("isfinite", ALL, np.isfinite),
    ("conj", ALL, np.conj),
    ("real", ALL, np.real),
    ("imag", ALL, np.imag),
]

ARITHMETIC = [
    ("add", np.add),
    ("subtract", np.subtract),
    ("multiply", np.multiply),
    ("divide", np.true_divide),
]
OF_REAL = [
    ("floor_divide", np.floor_divide),
    ("mod", np.remainder),
    ("minimum", np.minimum),
    ("maximum", np.maximum),
]
COMPARISONS = [
    ("equal", np.equal),
    ("not_equal", np.not_equal),
    ("less", np.less),
    ("less_equal", np.less_equal),
    ("greater", np.greater),
    ("greater_equal", np.greater_equal),
]
LOGICAL = [("and", np.logical_and), ("or", np.logical_or), ("xor", np.logical_xor)]


def in_single(function, *inputs):
    """What NumPy makes of them, in single precision where it has half, which arrays do not have."""
    expected = function(*inputs)
    if expected.dtype == np.float16:
        expected = function(*(a.astype("float32") for a in inputs))
    return expected


def unaries(draw):
    name, types, function = draw.turn(UNARY)
    a = draw.any(0, 4, types)
    return Case(f"array_{name}({{0}})", [a], in_single(function, a), 64)


def partner(draw, a, types):
    """An array that is broadcast with a."""
    shape = [1 if draw.happens(5) else length for length in a.shape]
    return draw.array(shape[1:] if shape and draw.happens(4) else shape, draw.choose(types))


def binaries(draw):
    kind = draw.below(5)
    if kind == 0:
        (name, function), types = draw.choose(COMPARISONS), REAL
    elif kind == 1:
        (name, function), types = draw.choose(LOGICAL), ALL
    elif kind == 2:
        (name, function), types = draw.choose(OF_REAL), INTEGERS + FLOATS
    else:
        (name, function), types = draw.choose(ARITHMETIC), NUMBERS
    a = draw.any(0, 4, types)
    b = partner(draw, a, types)
    inputs, text = ([a, b], "{0}, {1}") if draw.happens(2) else ([b, a], "{0}, {1}")
    return Case(f"array_{name}({text})", inputs, function(*inputs), 64)


def powers(draw):
    a = draw.any(0, 3, FLOATS, has_nan=False)
    b = partner(draw, a, FLOATS)
    if draw.happens(2):
        a = draw.any(0, 3, INTEGERS)
        b = draw.array(a.shape, "uint8") % np.uint8(5)
        b = b.astype(a.dtype)
    return Case("array_power({0}, {1})", [a, b], a ** b, 256)


def angles(draw):
    """Of whole numbers, too: their type depends on each of both."""
    name, function = draw.turn([("arctan2", np.arctan2), ("hypot", np.hypot)])
    a = draw.any(0, 3, REAL, has_nan=False)
    b = partner(draw, a, REAL)
    return Case(f"array_{name}({{0}}, {{1}})", [a, b], in_single(function, a, b), 256)


def with_numbers(draw):
    """A number beside an array has no type of its own, as one of Python's beside NumPy's arrays."""
    kind = draw.below(3)
    if kind == 0:
        (name, function), types = draw.choose(COMPARISONS), REAL
    elif kind == 1:
        (name, function), types = draw.choose(OF_REAL), INTEGERS + FLOATS
    else:
        (name, function), types = draw.choose(ARITHMETIC), NUMBERS
    a = draw.any(0, 3, types)
    # Comparisons alone take what the type of the elements does not hold.
    number = draw.choose([draw.between(1, 20), -draw.between(1, 20), draw.between(1, 300), draw.between(1, 40) / 8])
    if draw.happens(3):
        return Case(f"array_{name}({number}, {{0}})", [a], function(number, a), 64)
    return Case(f"array_{name}({{0}}, {number})", [a], function(a, number), 64)


def choices_of_numbers(draw):
    a = draw.any(0, 3, ALL)
    condition = draw.array(a.shape, "bool")
    number = draw.choose([draw.between(0, 20), draw.between(1, 40) / 8])
    return Case(f"array_where({{0}}, {{1}}, {number})", [condition, a], np.where(condition, a, number))


def wheres(draw):
    a = draw.any(0, 3, ALL)
    b = partner(draw, a, ALL)
    condition = draw.array(a.shape, draw.choose(BOOL + ["int8", "float64"]), has_nan=False)
    return Case("array_where({0}, {1}, {2})", [condition, a, b], np.where(condition != 0, a, b))


def casts(draw):
    dtype = draw.choose(ALL)
    a = draw.any(0, 3, REAL, has_nan=False)
    kind = np.dtype(dtype).kind
    if a.dtype.kind == "f" and kind in "iu":
        # Of what lies outside a type NumPy makes whatever the processor does.
        a = np.abs(a)
    return Case(f"array_cast({{0}}, dtype => '{dtype}')", [a], a.astype(dtype))


# A lambda in SQL of one element, the same in NumPy.
OF_ONE = [
    ("x -> x * 2.0 + 1.0", lambda x: x * 2.0 + 1.0),
    ("x -> x * x - 3 * x", lambda x: x * x - 3 * x),
    ("x -> sqrt(abs(x))", lambda x: np.sqrt(np.abs(x))),
    ("x -> CASE WHEN x > 1 THEN x ELSE -x END", lambda x: np.where(x > 1, x, -x)),
    ("x -> greatest(x, 0.5)", lambda x: np.maximum(x, 0.5)),
    ("x -> sin(x) + exp(-abs(x))", lambda x: np.sin(x) + np.exp(-np.abs(x))),
    ("x -> x > 0 AND x < 3", lambda x: (x > 0) & (x < 3)),
    ("x -> coalesce(nullif(x, x), 7.0)", lambda x: np.full(x.shape, 7.0)),
    ("x -> power(x, 2)", lambda x: x ** 2),
    ("x -> nullif(x > 1, false)", lambda x: x > 1),
    ("x -> CASE WHEN x > 1 THEN x END", lambda x: np.where(x > 1, x, np.nan)),
]
OF_TWO = [
    ("(x, y) -> x * y + 1", lambda x, y: x * y + 1),
    ("(x, y) -> CASE WHEN x < y THEN x - y ELSE 2 * y END", lambda x, y: np.where(x < y, x - y, 2 * y)),
    ("(x, y) -> atan2(x, y)", np.arctan2),
    ("(p, q) -> p = q OR p > 2", lambda p, q: (p == q) | (p > 2)),
]


def lambdas(draw):
    a = draw.any(0, 4, ["float64"], has_nan=False)
    text, apply = draw.turn(OF_ONE + OF_TWO)
    if text.startswith("x"):
        return Case(f"array_map({{0}}, {lambda_of(text)})", [a], apply(a), 64)
    b = partner(draw, a, ["float64"])
    b = np.nan_to_num(b, nan=1.0, posinf=2.0, neginf=-2.0)
    return Case(f"array_map({{0}}, {{1}}, {lambda_of(text)})", [a, b], apply(a, b), 64)


def typed_lambdas(draw):
    """Of other types the result has the type of a cast, or of the elements beside which there are numbers."""
    a = draw.any(0, 3, INTEGERS + ["float32"], has_nan=False)
    a = a % 50
    text, apply = draw.turn([
        ("x -> x::BIGINT * 3 - 1", lambda x: x.astype("int64") * 3 - 1),
        ("x -> x::DOUBLE / 4", lambda x: x.astype(float) / 4),
        ("x -> x > 5", lambda x: x > 5),
        ("x -> 2 * x + 1", lambda x: 2 * x + 1),
        ("x -> x * 0.5 + 1", lambda x: x * 0.5 + 1),
        ("x -> x / 4.0", lambda x: x / 4.0),
        ("x -> CASE WHEN x > 7 THEN x ELSE 0 END", lambda x: np.where(x > 7, x, 0)),
        ("x -> greatest(x, 3)", lambda x: np.maximum(x, 3)),
        ("x -> (x::INTEGER % 7)::SMALLINT", lambda x: (np.rint(x).astype("int32") % 7).astype("int16")),
    ])
    if a.dtype.kind == "f":
        a = np.rint(a).astype("float32")
    return Case(f"array_map({{0}}, {lambda_of(text)})", [a], apply(a), 8)


def fused(draw):
    a = draw.any(2, 2, FLOATS)
    if 0 in a.shape:
        return None
    call = ("array_multiply(array_flip(array_transpose(array_subtract({0}, array_sum({0}, axis => [1], "
            "keepdims => true))), axis => [0]), array_transpose({0}))")
    return Case(call, [a], np.flip((a - a.sum(axis=1, keepdims=True)).T, 0) * a.T, 4000)


GROUPS = [
    ("unary", 50, unaries),
    ("binary", 50, binaries),
    ("power", 10, powers),
    ("angle", 40, angles),
    ("number", 40, with_numbers),
    ("number or element", 14, choices_of_numbers),
    ("where", 10, wheres),
    ("cast", 16, casts),
    ("lambda", 32, lambdas),
    ("typed lambda", 18, typed_lambdas),
    ("fused", 8, fused),
]

"""Neighbourhoods, sliding windows, Fourier transforms."""

import numpy as np

from draw import ALL, FLOATS, REAL, Case, function, listed

BOUNDARIES = {
    "reflect": {"mode": "reflect"},
    "symmetric": {"mode": "symmetric"},
    "nearest": {"mode": "edge"},
    "periodic": {"mode": "wrap"},
    "constant": {"mode": "constant"},
    "none": {"mode": "constant", "constant_values": np.nan},
}


def stencils(draw):
    a = draw.any(1, 3, FLOATS, least=1, has_nan=False)
    boundary = draw.turn(sorted(BOUNDARIES))
    options, text = dict(BOUNDARIES[boundary]), f", boundary => '{boundary}'"
    if boundary == "constant" and draw.happens(2):
        options["constant_values"] = 2.5
        text += ", value => 2.5"
    if boundary == "reflect" and draw.happens(2):
        text = ""
    reach = 3
    padded = np.pad(a, reach, **options)
    # 2.0 takes the type of the elements.
    terms, expected = ["2.0 * x"], 2.0 * a
    for number in range(draw.between(1, 4)):
        offsets = [draw.between(-reach, reach) for _ in range(a.ndim)]
        part = padded[tuple(slice(reach + o, reach + o + n) for o, n in zip(offsets, a.shape))]
        terms.append(f"{'+-'[number % 2]} x({', '.join(map(str, offsets))})")
        expected = expected + (part if number % 2 == 0 else -part)
    stencil = function(f"x -> {' '.join(terms)}")
    return Case(f"array_map_overlap({{0}}, {stencil}{text})", [a], expected, 64)


def blocks(draw):
    """A function of chunks that gives the same whatever they are."""
    a = draw.any(1, 3, ["float64"], has_nan=False)
    call = f"array_map_blocks({{0}}, {function('(x, shape) -> list_transform(x, lambda y: y * 2.0)')})"
    return Case(call, [a], a * 2.0)


def slidings(draw):
    a = draw.any(1, 3, ALL, least=1)
    if draw.happens(3):
        lengths = [draw.between(1, length) for length in a.shape]
        expected = np.lib.stride_tricks.sliding_window_view(a, lengths)
        return Case(f"array_sliding_window({{0}}, {listed(lengths)})", [a], expected)
    axis = draw.axis(a)
    length = draw.between(1, min(a.shape[axis], 6))
    expected = np.lib.stride_tricks.sliding_window_view(a, length, axis=axis)
    return Case(f"array_sliding_window({{0}}, lengths => [{length}], axis => [{axis}])", [a], expected)


def precise(array):
    """What transforms see of it: NumPy has those of two types of floats."""
    wide = {"f": "complex64", "c": "complex64"}
    narrow = array.dtype.name in ("float32", "complex64")
    return wide[array.dtype.kind] if narrow else "complex128"


def transforms(draw):
    name = draw.turn(["fft", "ifft", "rfft", "irfft"])
    a = draw.any(1, 3, REAL if name == "rfft" else ALL, least=2, has_nan=False)
    dtype = np.dtype(precise(a))
    if name == "irfft":
        dtype = np.zeros(1, dtype).real.dtype
    if draw.happens(3):
        axes = [int(axis) for axis in draw.random.permutation(a.ndim)[:draw.between(1, a.ndim)]]
        text, axes = ("", None) if draw.happens(3) else (f", axis => {listed(axes)}", axes)
        expected = getattr(np.fft, name + "n")(a, axes=axes).astype(dtype)
        return Case(f"array_{name}n({{0}}{text})", [a], expected, 4000)
    axis, length = draw.axis(a), None
    text = f", axis => {axis}"
    if draw.happens(2):
        length = draw.between(1, 50)
        text = f", n => {length}" + text
    expected = getattr(np.fft, name)(a, n=length, axis=axis).astype(dtype)
    return Case(f"array_{name}({{0}}{text})", [a], expected, 4000)


GROUPS = [
    ("stencil", 30, stencils),
    ("block", 6, blocks),
    ("sliding", 12, slidings),
    ("fft", 36, transforms),
]

"""Counts, places among limits, differences, and how axes go together."""

import numpy as np

from draw import FLOATS, INTEGERS, REAL, Case, flag, inexact, listed

LIMITS = [-4.0, -1.0, 0.0, 1.5, 3.0]


def counts(draw):
    length, most = draw.below(60), draw.between(1, 40)
    a = draw.random.integers(0, most, length).astype(draw.choose(INTEGERS))
    if draw.happens(2):
        return Case(f"array_bincount({{0}}, length => {most})", [a], np.bincount(a, minlength=most))
    weights = draw.array((length,), "float64", has_nan=False)
    expected = np.bincount(a, weights, minlength=most).astype(float)
    return Case(f"array_bincount({{0}}, length => {most}, weights => {{1}})", [a, weights], expected, 64)


def places(draw):
    a = draw.any(1, 3, INTEGERS + FLOATS)
    right = draw.happens(2)
    text = f", right => {flag(right)}" if right or draw.happens(2) else ""
    limits = LIMITS[::-1] if draw.happens(3) else LIMITS
    expected = np.digitize(a, limits, right=right).reshape(a.shape)
    return Case(f"array_digitize({{0}}, bins => {listed(limits)}{text})", [a], expected)


def searches(draw):
    dtype = draw.choose(INTEGERS + FLOATS)
    ordered = np.sort(draw.array((draw.below(30),), dtype, has_nan=False))
    values = draw.any(1, 3, [dtype], has_nan=False)
    right = draw.happens(2)
    text = ", right => true" if right else ""
    expected = np.searchsorted(ordered, values, side="right" if right else "left").reshape(values.shape)
    return Case(f"array_searchsorted({{0}}, {{1}}{text})", [ordered, values], expected)


def differences(draw):
    a = draw.any(1, 3, REAL)
    axis = draw.axis(a)
    if draw.happens(2):
        times = draw.below(4)
        return Case(f"array_diff({{0}}, n => {times}, axis => {axis})", [a], np.diff(a, n=times, axis=axis), 64)
    if a.shape[axis] < 2:
        return None
    spacing = draw.choose([1.0, 0.5, 3.0])
    expected = np.gradient(inexact(a), spacing, axis=axis)
    return Case(f"array_gradient({{0}}, spacing => {spacing}, axis => {axis})", [a], expected, 64)


def covariances(draw):
    a = draw.any(1, 2, REAL, least=3)
    wide = a.astype(float)
    if draw.happens(2):
        ddof = draw.below(2)
        expected = np.atleast_2d(np.cov(wide, ddof=ddof))
        return Case(f"array_cov({{0}}, ddof => {ddof})", [a], expected, 4000)
    if not np.isfinite(wide).all() or (np.atleast_2d(wide).std(axis=1) == 0).any():
        return None
    return Case("array_corrcoef({0})", [a], np.atleast_2d(np.corrcoef(wide)), 4000)


def histograms(draw):
    a = draw.any(1, 3, REAL, has_nan=False)
    kind = draw.below(3)
    if kind == 0:
        bins, options, text = [-3.0, -1.0, 0.5, 2.0, 4.0, 100.0], {}, "bins => [-3, -1, 0.5, 2, 4, 100]"
    elif kind == 1:
        bins, options, text = 7, {"range": (-2.0, 11.0)}, "bins => 7, range => [-2, 11]"
    else:
        bins, options, text = 10, {}, "bins => 10"
    is_density = draw.happens(3) and a.size > 0
    count, edges = np.histogram(a.astype(float), bins, density=is_density, **options)
    if is_density:
        text += ", density => true"
        if not np.isfinite(count).all():
            return None
    name = "density" if is_density else "count"
    columns = [edges[:-1], edges[1:], count]
    call = f"SELECT low, high, {name} FROM array_histogram({{0}}, {text}) ORDER BY bin"
    return Case(call, [a], columns, 1e-12, is_query=True)


def different(draw):
    a = draw.any(1, 3, REAL)
    values, found = np.unique(a, return_counts=True)
    call = "SELECT value, count FROM array_unique({0})"
    return Case(call + (" ORDER BY value" if draw.happens(2) else ""), [a], [values, found], 0, is_query=True)


GROUPS = [
    ("bincount", 12, counts),
    ("digitize", 12, places),
    ("searchsorted", 12, searches),
    ("difference", 24, differences),
    ("covariance", 16, covariances),
    ("histogram", 18, histograms),
    ("unique", 12, different),
]

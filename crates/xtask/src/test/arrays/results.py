"""Answers as arrays, and how they differ from what is expected."""

import numpy as np


def columns_of(lines):
    """The columns of an answer, as texts."""
    rows = [line.split("\t") for line in lines[1:]]
    width = len(lines[0].split("\t")) if lines else 0
    return [[row[place] for row in rows] for place in range(width)]


def number_of(text, dtype):
    if dtype.kind == "b":
        return {"true": True, "false": False}[text]
    if dtype.kind in "iu":
        return int(text)
    if dtype.kind == "c":
        real, imaginary = text.strip("[]").split(",")
        return complex(float(real), float(imaginary))
    return float(text)


def array_of_cells(info, cells):
    """The array that array_info and array_to_cells tell of; or what is wrong with them."""
    shape, name = info[1].split("\t")
    shape = tuple(int(length) for length in shape.strip("[]").split(",") if length.strip())
    dtype = np.dtype(name)
    result, told = np.zeros(shape, dtype), np.zeros(shape, bool)
    for line in cells[1:]:
        *place, value = line.split("\t")
        place = tuple(int(number) for number in place)
        if told[place]:
            return f"two rows for the element {place}"
        told[place] = True
        result[place] = number_of(value, dtype)
    return result if told.all() else f"{int((~told).sum())} elements have no row"


def difference(result, expected, tolerance):
    """What is wrong with an array, or None."""
    expected = np.asarray(expected)
    if result.shape != expected.shape:
        return f"shape {result.shape}, not {expected.shape}"
    if result.dtype != expected.dtype:
        return f"type {result.dtype}, not {expected.dtype}"
    if result.dtype.kind not in "fc" or expected.dtype.kind not in "fc":
        same = result == expected
        return None if np.all(same) else first_difference(result, expected, ~same)
    finite = np.isfinite(expected)
    same = np.where(finite, np.isfinite(result), (result == expected) | (np.isnan(result) & np.isnan(expected)))
    if not np.all(same):
        return first_difference(result, expected, ~same)
    if not finite.any():
        return None
    wide = complex if "c" in (result.dtype.kind, expected.dtype.kind) else float
    error = np.where(finite, np.abs(result.astype(wide) - expected.astype(wide)), 0.0)
    least = max((np.finfo(dtype).eps for dtype in (result.dtype, expected.dtype)))
    most = tolerance * least * max(np.abs(expected[finite]).max(), 1.0)
    return None if np.all(error <= most) else first_difference(result, expected, error > most)


def first_difference(result, expected, differs):
    differs = np.asarray(differs)
    place = tuple(int(number) for number in np.argwhere(differs)[0])
    return f"{int(differs.sum())} of {differs.size} elements differ, first {place}: {result[place]!r}, not {expected[place]!r}"


def row_difference(columns, expected, tolerance):
    """What is wrong with columns of texts, or None; numbers may differ by a part of their size."""
    if len(columns) != len(expected):
        return f"{len(columns)} columns, not {len(expected)}"
    for number, (column, wanted) in enumerate(zip(columns, expected)):
        if len(column) != len(wanted):
            return f"{len(column)} rows, not {len(wanted)}"
        for row, (text, value) in enumerate(zip(column, wanted)):
            if isinstance(value, (bool, np.bool_)):
                is_same = text == str(value).lower()
            elif isinstance(value, (int, np.integer)):
                is_same = int(text) == value
            else:
                # The text of a narrow number is that of the number nearest to it.
                found = type(value)(text)
                is_same = found == value or (found != found and value != value)
                is_same = is_same or abs(found - value) <= tolerance * max(abs(value), 1.0)
            if not is_same:
                return f"row {row}, column {number}: {text}, not {value}"
    return None

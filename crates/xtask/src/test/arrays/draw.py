"""Random arrays, shapes and chunks, and what a case is. Everything follows from one seed."""

import dataclasses
import typing

import numpy as np

BOOL = ["bool"]
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float32", "float64"]
COMPLEX = ["complex64", "complex128"]
REAL = BOOL + INTEGERS + FLOATS
INEXACT = FLOATS + COMPLEX
NUMBERS = INTEGERS + INEXACT
ALL = BOOL + NUMBERS

# The longest axis of arrays of so many axes.
LENGTH_MAX = {0: 1, 1: 40, 2: 14, 3: 7, 4: 5}


@dataclasses.dataclass
class Case:
    """A call in SQL, whose inputs are written {0}, {1} …, and what NumPy makes of them.

    `expected` is an array; or a list of columns, if the call is a whole query, which gives rows. A `tolerance` is
    in units of the type's precision, relative to the largest element; 0 is for what only moves elements.
    """

    call: str
    inputs: list
    expected: typing.Any
    tolerance: float = 0
    is_query: bool = False


class Draw:
    def __init__(self, seeds, number):
        self.number = number
        self.random = np.random.default_rng([*seeds, number])

    def below(self, end):
        return int(self.random.integers(0, max(end, 1)))

    def between(self, low, high):
        """From low to high, both included."""
        return int(self.random.integers(low, high + 1))

    def happens(self, one_in):
        return self.below(one_in) == 0

    def choose(self, items):
        return items[self.below(len(items))]

    def turn(self, items):
        """One after the other, from case to case."""
        return items[self.number % len(items)]

    def shape(self, low, high, least=0):
        """A shape of low to high axes; now and then an axis is 1 long, or 0."""
        count = self.between(low, high)
        shape = []
        for _ in range(count):
            kind = self.below(16)
            length = 1 if kind == 0 else 0 if kind == 1 else self.between(1, LENGTH_MAX[count])
            shape.append(max(length, least))
        return tuple(shape)

    def chunks(self, shape):
        """Lengths of chunks that seldom divide those of the array."""
        return [self.between(1, max(length, 1)) for length in shape]

    def array(self, shape, dtype, has_nan=None):
        dtype = np.dtype(dtype)
        if dtype.kind == "b":
            return self.random.random(shape) < 0.6
        if dtype.kind in "iu":
            low = 0 if dtype.kind == "u" else -60
            values = self.random.integers(low, 90, shape).astype(dtype)
            if values.size and self.happens(6):
                limits = np.iinfo(dtype)
                values.reshape(-1)[self.below(values.size)] = self.choose([limits.min, limits.max])
            return values
        values = np.asarray(self.random.integers(-4000, 4000, shape) / 700.0)
        if dtype.kind == "c":
            values = values + 1j * (self.random.integers(-4000, 4000, shape) / 700.0)
        if has_nan is None:
            has_nan = self.happens(6)
        if has_nan and values.size:
            flat = values.reshape(-1)
            for _ in range(self.between(1, 3)):
                flat[self.below(flat.size)] = np.nan if self.below(4) else self.choose([np.inf, -np.inf, -0.0])
        return values.astype(dtype)

    def any(self, low, high, types, least=0, has_nan=None):
        return self.array(self.shape(low, high, least), self.choose(types), has_nan)

    def axis(self, array):
        return self.between(-array.ndim, array.ndim - 1)

    def axes(self, array):
        """Some axes, or None, which is all."""
        if array.ndim == 0 or self.happens(4):
            return None
        count = self.between(1, array.ndim)
        return tuple(int(axis) for axis in self.random.permutation(array.ndim)[:count])


def inexact(array):
    """What functions that do not give whole numbers see of it: floats and complex numbers as they are."""
    return array if array.dtype.kind in "fc" else array.astype(float)


def listed(numbers):
    """A list in SQL."""
    return "[" + ", ".join(str(number) for number in numbers) + "]"


def flag(value):
    return "true" if value else "false"


def function(text):
    """`(x, y) -> …` as Sheaf has it in every place: JSON's arrow is `->` too."""
    parameters, body = text.split(" -> ", 1)
    return f"lambda {parameters.strip('()')}: {body}"

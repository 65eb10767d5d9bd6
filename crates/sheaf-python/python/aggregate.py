"""Aggregate functions: classes whose objects each take the rows of a group.

    class Spread:
        def __init__(self): self.low, self.high = None, None
        def update(self, x): ...      # rows of the group: a batch, or one row, as its annotations say
        def merge(self, other): ...   # another object, which has seen other rows of the group
        def finish(self): return self.high - self.low

What stands for a group elsewhere is the object, pickled.
"""

import itertools
import pickle

import pyarrow as pa

from sheaf_worker import convert, forms
from sheaf_worker.faults import Fault
from sheaf_worker.source import entry_of

# Objects of one update that are weighed to guess what all weigh.
WEIGHED = 8
# Items of a container that are weighed to guess what all weigh.
ITEMS_WEIGHED = 16
# How deep is weighed.
DEPTH_MAX = 4


class Aggregate:
    """An aggregate function, loaded."""

    def __init__(self, request, schemas):
        self.type = entry_of(request)
        arguments, result = schemas
        self.schema = arguments
        self.names = arguments.names
        self.result = result.field(0).type
        what = f"aggregate \"{request['name']}\""
        missing = [name for name in ("update", "merge", "finish")
                   if not callable(getattr(self.type, name, None))]
        if not isinstance(self.type, type) or missing:
            methods = " and ".join(missing)
            raise Fault(f"{what} must be a class with the methods update, merge and finish",
                        f"it has no {methods}" if isinstance(self.type, type) else None)
        update = getattr(self.type(), "update")
        self.forms, self.hints = forms.forms_of(update, len(self.names), f"update of {what}")
        self.is_rows = not self.forms or self.forms[0] == forms.ROWS

    def described(self):
        return {"is_rows": self.is_rows, "is_async": False}

    def groups(self):
        return Groups(self)


class Groups:
    """The objects of some groups, by the groups' numbers."""

    def __init__(self, function):
        self.function = function
        self.objects = []
        # What one object weighs: the mean of those that were weighed, the last ones most.
        self.weight = 0.0

    def close(self):
        self.objects = []

    def grow(self, count):
        self.objects.extend([None] * (count - len(self.objects)))

    def update(self, batch, groups):
        """Adds rows; the last column numbers their groups."""
        self.grow(groups)
        *columns, numbers = batch.columns
        touched = self.update_rows(columns, numbers) if self.function.is_rows \
            else self.update_batches(columns, numbers)
        self.weigh(touched)

    def update_rows(self, columns, numbers):
        from sheaf_worker.scalar import RowError

        values = [convert.python_values(*each) for each in zip(columns, self.function.hints)]
        row = 0
        numbers = numbers.to_pylist()
        try:
            for row, (number, *arguments) in enumerate(zip(numbers, *values)):
                self.object(number).update(*arguments)
        except BaseException as error:
            raise RowError(row, error) from error
        return numbers

    def update_batches(self, columns, numbers):
        touched = []
        for number, part in parts(columns, numbers):
            arguments = convert.arrays(part, self.function.forms, self.function.names)
            self.object(number).update(*arguments)
            touched.append(number)
        return touched

    def object(self, number):
        found = self.objects[number]
        if found is None:
            found = self.objects[number] = self.function.type()
        return found

    def merge(self, batch, groups):
        """Adds states; the last column numbers their groups."""
        self.grow(groups)
        states, numbers = batch.columns
        numbers = numbers.to_pylist()
        for state, number in zip(states.to_pylist(), numbers):
            if state is None:
                continue
            other = pickle.loads(state)
            if self.objects[number] is None:
                self.objects[number] = other
            else:
                self.objects[number].merge(other)
        self.weigh(numbers)

    def states(self, count, bytes_max):
        """The states of the first groups, `count` at most and as many as `bytes_max` hold."""
        taken, size = [], 0
        for found in self.objects[:count]:
            # A group without rows has no object, and stands for nothing.
            state = None if found is None else self.pickled(found)
            taken.append(state)
            size += len(state or b"")
            if size >= bytes_max:
                break
        del self.objects[: len(taken)]
        return pa.RecordBatch.from_arrays([pa.array(taken, pa.binary())], ["state"])

    def pickled(self, found):
        try:
            return pickle.dumps(found, protocol=5)
        except Exception as error:
            name = type(found).__name__
            raise Fault(f"an object of class {name} cannot be pickled: {error}",
                        "give the class the methods __getstate__ and __setstate__") from error

    def results(self, count):
        """The results of the first `count` groups."""
        objects = [self.function.type() if found is None else found for found in self.objects[:count]]
        objects.extend(self.function.type() for _ in range(count - len(objects)))
        del self.objects[:count]
        values = [found.finish() for found in objects]
        values = [value.as_py() if isinstance(value, pa.Scalar) else value for value in values]
        array = convert.in_type(convert.values_array(values, self.function.result), self.function.result)
        return pa.RecordBatch.from_arrays([array], ["result"])

    def weigh(self, numbers):
        """Weighs some of the objects of these groups, from everywhere among them."""
        if not numbers:
            return
        places = {(2 * each + 1) * len(numbers) // (2 * WEIGHED) for each in range(WEIGHED)}
        weights = [weight_of(self.objects[numbers[place]]) for place in places]
        weight = sum(weights) / len(weights)
        self.weight = (self.weight + weight) / 2 if self.weight else weight

    def bytes(self):
        return int(self.weight * len(self.objects))


def parts(columns, numbers):
    """The rows of each group: its number and slices of the columns, which are sorted for it once."""
    import pyarrow.compute as pc

    if len(numbers) == 0:
        return
    if pc.all(pc.equal(numbers, numbers[0])).as_py():
        yield numbers[0].as_py(), columns
        return
    # Arrow's sort is stable: rows of a group keep their order.
    order = pc.sort_indices(numbers)
    numbers = numbers.take(order)
    columns = [column.take(order) for column in columns]
    ends = pc.run_end_encode(numbers)
    start = 0
    for end, number in zip(ends.run_ends.to_pylist(), ends.values.to_pylist()):
        yield number, [column.slice(start, end - start) for column in columns]
        start = end


def weight_of(value, depth=0):
    """About how many bytes `value` holds: containers by some of their items."""
    import sys

    size = sys.getsizeof(value, 64)
    if depth >= DEPTH_MAX or value is None:
        return size
    nbytes = getattr(value, "nbytes", None)
    if isinstance(nbytes, int):
        return max(size, nbytes)
    if isinstance(value, dict):
        return size + scaled(itertools.chain.from_iterable(value.items()), 2 * len(value), depth)
    if isinstance(value, (list, tuple, set, frozenset)):
        return size + scaled(iter(value), len(value), depth)
    fields = getattr(value, "__dict__", None)
    slots = [getattr(value, name, None) for name in getattr(type(value), "__slots__", ())]
    if isinstance(fields, dict):
        size += sys.getsizeof(fields) + sum(weight_of(field, depth + 1) for field in fields.values())
    return size + sum(weight_of(field, depth + 1) for field in slots)


def scaled(items, count, depth):
    some = [weight_of(item, depth + 1) for item in itertools.islice(items, ITEMS_WEIGHED)]
    return sum(some) * count // max(len(some), 1)

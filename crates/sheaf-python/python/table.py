"""Table functions: generators of rows or batches, called for rows of arguments or over a relation."""

import collections.abc
import queue
import threading

import pyarrow as pa

from sheaf_worker import convert, forms
from sheaf_worker.faults import Fault
from sheaf_worker.source import entry_of

# Rows that are gathered to one batch of a result.
ROWS_MAX = 8_192


class Table:
    """A table function, loaded."""

    def __init__(self, request, schemas):
        self.function = entry_of(request)
        self.what = f"function \"{request['name']}\""
        arguments, self.columns = schemas
        self.schema = arguments
        self.names = arguments.names
        self.relation = request["relation"]
        count = len(self.names) + (self.relation is not None)
        forms.check_count(self.function, count, self.what)
        hints = forms.annotations_of(self.function)
        names = list(forms.parameters_of(self.function, self.what).parameters)
        if self.relation is not None:
            self.item, self.manner = forms.relation_form(self.function, self.relation, self.what)
            names = names[: self.relation] + names[self.relation + 1 :]
        self.hints = [hints.get(name) for name in names[: len(self.names)]]
        self.hints += [None] * (len(self.names) - len(self.hints))
        for hint in self.hints:
            if hint is not None and forms.form_of(hint) != forms.ROWS:
                raise Fault(f"{self.what} gives rows for each row of arguments, which cannot be arrays")

    def described(self):
        return {"is_rows": True, "is_async": False}

    def values(self, batch):
        """Rows of arguments as Python values, one list a parameter."""
        return [convert.python_values(*each) for each in zip(batch.columns, self.hints)]

    def open(self, request, values, schema):
        if self.relation is None:
            return Calls(self)
        return OverRelation(self, [column[0] for column in self.values(values)], schema)


class Gathered:
    """Rows and batches of a result, gathered to batches of the declared columns."""

    def __init__(self, columns):
        self.columns = columns
        self.rows = []
        self.origins = []
        self.batches = []
        self.count = 0

    def is_full(self):
        return self.count >= ROWS_MAX

    def add(self, item, origin=0):
        batches = batches_of(item)
        if batches is None:
            self.rows.append(row_of(item, self.columns))
            self.origins.append(origin)
            self.count += 1
            return
        self.flush()
        for batch in batches:
            batch = in_columns(batch, self.columns)
            self.count += batch.num_rows
            self.batches.append((batch, pa.repeat(pa.scalar(origin, pa.uint32()), batch.num_rows)))

    def flush(self):
        if not self.rows:
            return
        columns = list(zip(*self.rows)) if len(self.columns) else []
        arrays = []
        for field, values in zip(self.columns, columns):
            wanted = storage(field.type)
            array = convert.values_array(list(values), wanted)
            arrays.append(convert.in_type(array, wanted))
        batch = pa.RecordBatch.from_arrays(arrays, names=self.columns.names)
        self.batches.append((batch, pa.array(self.origins, pa.uint32())))
        self.rows, self.origins = [], []

    def take(self):
        """All that is gathered as one batch with the origins as its last column; None if it is nothing."""
        self.flush()
        batches, self.batches, self.count = self.batches, [], 0
        batches = [each for each in batches if each[0].num_rows > 0]
        if not batches:
            return None
        names = [*self.columns.names, ""]
        parts = [pa.RecordBatch.from_arrays([*batch.columns, origins], names=names)
                 for batch, origins in batches]
        return parts[0] if len(parts) == 1 else pa.Table.from_batches(parts).combine_chunks().to_batches()[0]


def storage(data_type):
    return data_type.storage_type if isinstance(data_type, pa.BaseExtensionType) else data_type


def batches_of(item):
    """The batches that a yielded thing is, or None if it is a row."""
    if isinstance(item, pa.RecordBatch):
        return [item]
    if isinstance(item, pa.Table):
        return item.combine_chunks().to_batches()
    pandas = convert.loaded("pandas")
    if pandas and isinstance(item, pandas.DataFrame):
        return pa.Table.from_pandas(item, preserve_index=False).combine_chunks().to_batches()
    return None


def in_columns(batch, columns):
    """`batch` with the declared columns: by name where it has all of them, else by place."""
    names = batch.schema.names
    if all(names.count(name) == 1 for name in columns.names):
        found = [batch.column(names.index(name)) for name in columns.names]
    elif len(names) == len(columns):
        found = batch.columns
    else:
        raise Fault(f"it gave a batch with the columns {', '.join(names) or 'none'}, "
                    f"but {', '.join(columns.names)} are declared")
    arrays = []
    for field, array in zip(columns, found):
        try:
            arrays.append(convert.in_type(array, storage(field.type)))
        except Fault as fault:
            raise Fault(f"column {field.name}: {fault}") from None
    return pa.RecordBatch.from_arrays(arrays, names=columns.names)


def row_of(item, columns):
    """The values of one yielded row."""
    count = len(columns)
    if isinstance(item, dict) and (count > 1 or columns.names[0] in item):
        unknown = [str(name) for name in item if name not in columns.names]
        if unknown:
            raise Fault(f"it gave a row with \"{unknown[0]}\", which is no column of its result",
                        f"its columns are {', '.join(columns.names)}")
        return [item.get(name) for name in columns.names]
    is_row = isinstance(item, tuple) or (count > 1 and isinstance(item, list))
    values = item if is_row else (item,)
    if len(values) != count:
        raise Fault(f"it gave a row of {len(values)} values for {count} columns")
    return values


def rows_of(result):
    """An iterator over what a call gave: a generator, a list, a batch, or nothing."""
    if result is None:
        return iter(())
    if batches_of(result) is not None:
        return iter((result,))
    if isinstance(result, (str, bytes, dict, tuple)) or not isinstance(result, collections.abc.Iterable):
        raise Fault(f"it returned a {type(result).__name__}, not rows",
                    "it yields its rows, or returns a list of them")
    return iter(result)


class Calls:
    """A call for each row of arguments by itself."""

    def __init__(self, table):
        self.table = table
        self.arguments = iter(())
        self.running = iter(())
        self.origin = -1

    def close(self):
        close_quietly(self.running)
        self.arguments = self.running = iter(())

    def push(self, batch):
        columns = self.table.values(batch)
        self.arguments = zip(*columns) if columns else iter([()] * batch.num_rows)
        self.origin = -1
        return self.next()

    def finish(self):
        return None, False

    def next(self):
        """The next rows, and whether there may be more of what was pushed."""
        gathered = Gathered(self.table.columns)
        while not gathered.is_full():
            for item in self.running:
                gathered.add(item, self.origin)
                if gathered.is_full():
                    return gathered.take(), True
            arguments = next(self.arguments, None)
            if arguments is None:
                return gathered.take(), False
            self.origin += 1
            self.running = rows_of(self.table.function(*arguments))
        return gathered.take(), True


class Closed(BaseException):
    """Ends a call over a relation whose rest nobody wants."""


CLOSE, END, GO = object(), object(), object()


class OverRelation:
    """A call over a relation. The function pulls its rows, so it runs on a thread of its own; one of
    the two threads always waits for the other."""

    def __init__(self, table, values, schema):
        self.table = table
        self.schema = schema
        self.values = values
        self.to_function = queue.SimpleQueue()
        self.from_function = queue.SimpleQueue()
        self.gathered = Gathered(table.columns)
        self.is_over = False
        self.is_ended = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        # It runs until it asks for its first batch: what it raises before is an error of the call.
        self.pending = self.wait()

    # On the worker's thread

    def wait(self):
        """Waits until the function needs a batch, has gathered some rows, or ends."""
        what, given = self.from_function.get()
        if what == "error":
            self.is_over = True
            raise given
        if what == "done":
            self.is_over = True
        return what, given

    def go_on(self, message):
        if not self.is_over:
            self.to_function.put(message)
            self.pending = self.wait()
        return self.taken()

    def taken(self):
        what, given = self.pending
        self.pending = (what, None)
        return given, what == "full"

    def push(self, batch):
        return self.go_on(batch)

    def finish(self):
        return self.go_on(END)

    def next(self):
        return self.go_on(GO) if self.pending[0] == "full" else self.taken()

    def close(self):
        if not self.is_over:
            self.to_function.put(CLOSE)
            self.from_function.get()
            self.is_over = True

    # On the function's thread

    def run(self):
        try:
            for item in self.results():
                self.gathered.add(item)
                if self.gathered.is_full():
                    self.from_function.put(("full", self.gathered.take()))
                    self.receive()
            self.from_function.put(("done", self.gathered.take()))
        except BaseException as error:
            self.from_function.put(("error", error))

    def results(self):
        call, manner = self.call, self.table.manner
        if manner == "iterator":
            yield from rows_of(call(self.items()))
        elif manner == "whole":
            yield from rows_of(call(self.whole()))
        else:
            for item in self.items():
                yield from rows_of(call(item))

    def call(self, relation):
        arguments = list(self.values)
        arguments.insert(self.table.relation, relation)
        return self.table.function(*arguments)

    def receive(self):
        message = self.to_function.get()
        if message is CLOSE:
            raise Closed()
        return message

    def batches(self):
        while not self.is_ended:
            # What is gathered goes before more is asked for, so that little waits here.
            self.from_function.put(("need", self.gathered.take()))
            message = self.receive()
            if message is END:
                self.is_ended = True
                return
            yield message

    def items(self):
        if self.table.item == "batch":
            yield from self.batches()
        elif self.table.item == "frame":
            for batch in self.batches():
                yield frame_of(pa.Table.from_batches([batch]))
        else:
            for batch in self.batches():
                columns = [convert.python_values(column) for column in batch.columns]
                for values in zip(*columns):
                    yield dict(zip(batch.schema.names, values))

    def whole(self):
        table = pa.Table.from_batches(list(self.batches()), self.schema)
        return frame_of(table) if self.table.item == "frame" else table


def frame_of(table):
    import pandas

    return table.to_pandas(types_mapper=pandas.ArrowDtype)


def close_quietly(iterator):
    close = getattr(iterator, "close", None)
    if close is not None:
        close()

"""Scalar functions: a value for each row."""

import inspect

import pyarrow as pa

from sheaf_worker import asynchronous, convert, forms
from sheaf_worker.faults import Fault
from sheaf_worker.source import entry_of


class RowError(Exception):
    """An exception of a function at one row of a batch."""

    def __init__(self, row, error):
        super().__init__(row)
        self.row = row
        self.error = error


class Scalar:
    """A scalar function, loaded."""

    def __init__(self, request, schemas):
        self.function = entry_of(request)
        arguments, result = schemas
        self.schema = arguments
        self.names = arguments.names
        self.result = result.field(0).type
        what = f"function \"{request['name']}\""
        self.is_async = inspect.iscoroutinefunction(self.function)
        default = forms.ROWS if self.is_async else forms.ARROW
        self.forms, self.hints = forms.forms_of(self.function, len(self.names), what, default)
        self.is_rows = self.forms == [] or self.forms[0] == forms.ROWS
        if self.forms == []:
            hint = forms.annotations_of(self.function).get("return")
            self.is_rows = hint is None or forms.form_of(hint) == forms.ROWS
        if self.is_async and not self.is_rows:
            raise Fault(f"{what} is async, so it is called for each row: its arguments cannot be arrays")

    def described(self):
        return {"is_rows": self.is_rows, "is_async": self.is_async}

    def call(self, batch):
        """The result for a batch of arguments, as a batch of one column."""
        if self.is_rows:
            columns = [convert.python_values(*each) for each in zip(batch.columns, self.hints)]
            values = self.each_row(columns, batch.num_rows)
            array = convert.in_type(convert.values_array(values, self.result), self.result)
        else:
            given = convert.arrays(batch.columns, self.forms, self.names)
            array = convert.column(self.function(*given), self.result, batch.num_rows)
        return pa.RecordBatch.from_arrays([array], ["result"])

    def each_row(self, columns, rows):
        if self.is_async:
            return asynchronous.each_row(self.function, columns, rows)
        function, values = self.function, []
        try:
            if columns:
                values.extend(map(function, *columns))
            else:
                values.extend(function() for _ in range(rows))
        except BaseException as error:
            raise RowError(len(values), error) from error
        return values

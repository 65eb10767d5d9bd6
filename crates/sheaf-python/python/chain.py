"""Nested calls of functions that wait, a row at a time: `process(fetch(url))` processes a row as soon as
it is fetched, while others are still being fetched."""

import asyncio

import pyarrow as pa

from sheaf_worker import asynchronous, convert


class Chain:
    """Functions that call each other: each step's arguments are columns, or what steps before it give."""

    def __init__(self, request, schemas, functions):
        self.schema, result = schemas
        self.result = result.field(0).type
        self.steps = []
        self.hints = [None] * len(self.schema)
        for step in request["steps"]:
            made = Step(functions[step["function"]], step)
            for (kind, place), hint in zip(made.sources, made.scalar.hints):
                if kind == "column":
                    self.hints[place] = hint
                else:
                    self.steps[place].hint = hint
            self.steps.append(made)
        waiting = [asynchronous.options_of(step.scalar.function).concurrency
                   for step in self.steps if step.scalar.is_async]
        self.concurrency = max(waiting, default=1)

    def described(self):
        return {"is_rows": True, "is_async": True}

    def call(self, batch):
        columns = [convert.python_values(*each) for each in zip(batch.columns, self.hints)]
        values = asynchronous.run_rows(self.row, columns, batch.num_rows, self.concurrency)
        array = convert.in_type(convert.values_array(values, self.result), self.result)
        return pa.RecordBatch.from_arrays([array], ["result"])

    async def row(self, values):
        return await self.given(len(self.steps) - 1, values)

    async def given(self, place, values):
        """What the step at `place` gives for a row."""
        step = self.steps[place]
        inner = [source for kind, source in step.sources if kind == "step"]
        if len(inner) > 1:
            found = iter(await asyncio.gather(*[self.given(source, values) for source in inner]))
        else:
            found = iter([await self.given(source, values) for source in inner])
        arguments = [values[source] if kind == "column" else next(found) for kind, source in step.sources]
        is_last = place == len(self.steps) - 1
        return await step.call(arguments, is_last)


class Step:
    """One function of a chain."""

    def __init__(self, scalar, request):
        self.scalar = scalar
        self.name = request["name"]
        self.is_strict = request["is_strict"]
        self.sources = request["arguments"]
        # The annotation of the parameter that takes what it gives.
        self.hint = None

    async def call(self, arguments, is_last):
        if self.is_strict and any(argument is None for argument in arguments):
            return None
        function = self.scalar.function
        try:
            if self.scalar.is_async:
                result = await asynchronous.attempt(function, arguments)
            else:
                result = function(*arguments)
            return result if is_last else self.handed_on(result)
        except BaseException as error:
            error.sheaf_function = self.name
            raise

    def handed_on(self, result):
        """What the next function gets is what it would get of a column of the declared type."""
        wanted = self.scalar.result
        array = convert.in_type(convert.values_array([result], wanted), wanted)
        return convert.python_values(array, self.hint)[0]

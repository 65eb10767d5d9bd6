"""The worker's loop: one request, one reply, until the pipe ends."""

import os
import resource
import sys

from sheaf_worker.faults import describe
from sheaf_worker.wire import Wire

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def main(requests, replies):
    wire = Wire(requests, replies)
    request, _ = wire.receive()
    try:
        import pyarrow

        pyarrow.set_cpu_count(1)
        limit(request["memory_bytes"])
    except BaseException as error:
        wire.send({"number": request["number"], "error": describe(error)})
        return
    wire.send({"number": request["number"]})
    Loop(wire).run()


def limit(memory_bytes):
    """No more memory than what is held now and `memory_bytes` above it; and no core files."""
    held = MemoryFile().bytes(0)
    resource.setrlimit(resource.RLIMIT_AS, (held + memory_bytes, held + memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class MemoryFile:
    """What the system says that the process holds. The file stays open: it is read after each call."""

    def __init__(self):
        try:
            self.file = os.open("/proc/self/statm", os.O_RDONLY)
        except OSError:
            self.file = None

    def bytes(self, column):
        """Bytes of address space (0) or in memory (1); 0 where the system does not say."""
        try:
            return int(os.pread(self.file, 256, 0).split()[column]) * PAGE_BYTES
        except (OSError, TypeError, ValueError, IndexError):
            # A function may have closed what it did not open.
            return 0


class Loop:
    """What the worker holds: functions by their number, and what runs of them by its own."""

    def __init__(self, wire):
        self.wire = wire
        self.memory = MemoryFile()
        self.functions = {}
        self.running = {}

    def run(self):
        from sheaf_worker.scalar import RowError

        while True:
            request, body = self.wire.receive()
            try:
                header, batch = getattr(self, "do_" + request["do"])(request, body)
            except RowError as error:
                header, batch = {"error": describe(error.error, error.row)}, None
            except BaseException as error:
                header, batch = {"error": describe(error, getattr(error, "row", None))}, None
            flush()
            header["number"] = request["number"]
            header["resident"] = self.memory.bytes(1)
            self.wire.send(header, None if batch is None else batch.serialize())
            # What a call held is not to be held until the next one.
            del request, body, header, batch

    def do_load(self, request, body):
        import pyarrow

        from sheaf_worker import aggregate, chain, scalar, table

        schemas = [pyarrow.ipc.read_schema(body.slice(*place)) for place in request["schemas"]]
        kinds = {"scalar": scalar.Scalar, "aggregate": aggregate.Aggregate, "table": table.Table}
        if request["kind"] == "chain":
            function = chain.Chain(request, schemas, self.functions)
        else:
            function = kinds[request["kind"]](request, schemas)
        self.functions[request["function"]] = function
        # Makes pyarrow import what it converts Python's values with, which is no part of a call.
        pyarrow.array([0]).to_pylist()
        return function.described(), None

    def batch(self, body, schema):
        import pyarrow

        return pyarrow.ipc.read_record_batch(body, schema)

    def do_call(self, request, body):
        function = self.functions[request["function"]]
        return {}, function.call(self.batch(body, function.schema))

    def do_groups(self, request, _):
        self.running[request["instance"]] = self.functions[request["function"]].groups()
        return {}, None

    def do_update(self, request, body):
        groups = self.running[request["instance"]]
        schema = groups.function.schema.append(group_field())
        groups.update(self.batch(body, schema), request["groups"])
        return {"bytes": groups.bytes()}, None

    def do_merge(self, request, body):
        import pyarrow

        groups = self.running[request["instance"]]
        schema = pyarrow.schema([pyarrow.field("state", pyarrow.binary()), group_field()])
        groups.merge(self.batch(body, schema), request["groups"])
        return {"bytes": groups.bytes()}, None

    def do_states(self, request, _):
        groups = self.running[request["instance"]]
        batch = groups.states(request["count"], request["bytes"])
        return {"bytes": groups.bytes()}, batch

    def do_results(self, request, _):
        groups = self.running[request["instance"]]
        batch = groups.results(request["count"])
        return {"bytes": groups.bytes()}, batch

    def do_open(self, request, body):
        import pyarrow

        function = self.functions[request["function"]]
        schema = pyarrow.ipc.read_schema(body.slice(*request["schemas"][0]))
        start, length = request["values"]
        values = self.batch(body.slice(start, length), function.schema) if length > 0 else None
        instance = function.open(request, values, schema)
        self.running[request["instance"]] = instance
        instance.pushed = schema
        return {}, None

    def do_push(self, request, body):
        instance = self.running[request["instance"]]
        return output(instance.push(self.batch(body, instance.pushed)))

    def do_next(self, request, _):
        return output(self.running[request["instance"]].next())

    def do_finish(self, request, _):
        return output(self.running[request["instance"]].finish())

    def do_close(self, request, _):
        instance = self.running.pop(request["instance"], None)
        if instance is not None:
            instance.close()
        return {}, None


def output(result):
    batch, has_more = result
    return {"has_more": has_more}, batch


def group_field():
    import pyarrow

    return pyarrow.field("group", pyarrow.uint32())


def flush():
    """What is printed goes with the call that printed it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            pass

"""Frames over two pipes: a header in JSON and a body, an Arrow IPC message or nothing."""

import json
import os
import struct

# The length of the header and that of the body, in bytes.
PREFIX = struct.Struct("<IQ")


class Wire:
    """The two ends of the protocol."""

    def __init__(self, requests, replies):
        self.requests = requests
        self.replies = replies
        self.pid = os.getpid()
        # A function may fork: its child must not answer.
        os.register_at_fork(after_in_child=self.close)

    def close(self):
        os.close(self.requests)
        os.close(self.replies)

    def receive(self):
        """The next request and its body; ends the process when there is none."""
        header_bytes, body_bytes = PREFIX.unpack(self.read_into(bytearray(PREFIX.size)))
        header = json.loads(bytes(self.read_into(bytearray(header_bytes))))
        if body_bytes == 0:
            return header, None
        # Imported late: without pyarrow the error is to go over this wire.
        import pyarrow

        body = pyarrow.allocate_buffer(body_bytes)
        self.read_into(body)
        return header, body

    def read_into(self, target):
        view = memoryview(target)
        while len(view) > 0:
            taken = os.readv(self.requests, [view])
            if taken == 0:
                os._exit(0)
            view = view[taken:]
        return target

    def send(self, header, body=None):
        """Sends a reply; `body` is anything that gives its bytes without a copy."""
        if os.getpid() != self.pid:
            os._exit(0)
        text = json.dumps(header).encode()
        body = memoryview(b"" if body is None else body)
        parts = [memoryview(PREFIX.pack(len(text), len(body)) + text), body]
        while parts:
            sent = os.writev(self.replies, parts)
            while parts and sent >= len(parts[0]):
                sent -= len(parts.pop(0))
            if parts:
                parts[0] = parts[0][sent:]

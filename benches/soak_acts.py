"""What the clients of the soak do: each act asks the server something whose answer follows from how the
tables are made (`wire.batch`), and is counted.

Knows nothing of what is measured meanwhile.
"""

import os
import random
import socket
import struct
import time
from dataclasses import dataclass
from typing import Callable

import psycopg
from psycopg import pq as libpq

from suite import Place

NAMES = 100_000
SMALL_ROWS = 1_000
POINTS = 200
CONNECTIONS_OF_CHURN = 20
ROWS_OF_CURSOR = 1_000
ROWS_AT_CLIENT = 200_000
CHUNK_ROWS = 1_000
CANCEL_EVERY_SECONDS = 0.2
# The server ends a cancelled statement in 0.5 s; beside a full load a client waits longer.
CANCEL_SECONDS_MAX = 60
TIMEOUT = "100ms"
# After an error the client takes a break: the server may be gone.
BREAK_SECONDS = 1
CANCELLED = "57014"
OUT_OF_MEMORY = "53200"
WIDE = "SELECT id, value, name, at FROM wide"
ENDLESS = ("SELECT count(*) FROM range(0, 100000) a, range(0, 10000000) b "
           "WHERE a.value + b.value = -1")
ERRORS = [
    ("SELEC 1", "42601"),
    ("SELECT (1", "42601"),
    ("SELECT 1/0", "22012"),
    ("SELECT 10 / (id - 20000) FROM wide", "22012"),
    ("SELECT 'x'::int", "22P02"),
    ("SELECT * FROM nowhere", "42P01"),
    ("SELECT nowhere FROM wide", "42703"),
]
# The first half of a request for TLS.
HALF_STARTUP = b"\0\0\0\x08"


class Wrong(Exception):
    """An answer that is not what the tables hold."""


def expect(found, wanted, what: str) -> None:
    if found != wanted:
        raise Wrong(f"{what}: {str(found)[:200]} in place of {str(wanted)[:200]}")


@dataclass
class Client:
    """A client with at most one connection, which it keeps from act to act."""

    place: Place
    rows: int
    random: random.Random
    connection: psycopg.Connection | None = None
    statements: int = 0
    # Those that the act wants.
    errors: int = 0

    def connected(self) -> psycopg.Connection:
        if self.connection is None:
            self.connection = psycopg.connect(self.place.conninfo(), autocommit=True)
        return self.connection

    def leave(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def ask(self, sql: str, *values, prepare: bool | None = None) -> list[tuple]:
        self.statements += 1
        # Without values it is the simple protocol.
        return self.connected().execute(sql, values or None, prepare=prepare).fetchall()

    def tell(self, sql: str) -> None:
        self.statements += 1
        self.connected().execute(sql)

    def fail(self, sql: str, state: str) -> None:
        try:
            found = self.ask(sql)
        except psycopg.Error as error:
            if error.sqlstate != state:
                raise
            self.errors += 1
        else:
            raise Wrong(f"{sql}: {str(found)[:200]} in place of {state}")


def points(client: Client) -> None:
    for _ in range(POINTS):
        number = client.random.randrange(SMALL_ROWS)
        found = client.ask("SELECT name FROM small WHERE id = %s", number, prepare=True)
        expect(found, [(f"name_{number}",)], "a point")


def aggregate(client: Client) -> None:
    first, last = sorted(client.random.sample(range(client.rows + 1), 2))
    total = (first + last - 1) * (last - first) // 2
    found = client.ask("SELECT count(*), sum(id)::bigint, sum(value) FROM wide "
                       "WHERE id >= %s AND id < %s", first, last)
    expect(found, [(last - first, total, total / 4)], "an aggregate")


def groups(client: Client) -> None:
    found = client.ask("SELECT name, count(*), min(id), max(id) FROM wide GROUP BY name "
                       "ORDER BY name LIMIT 5")
    # As texts are ordered.
    of_names = [(n, range(n, client.rows, NAMES)) for n in (0, 1, 10, 100, 1000)]
    expect(found, [(f"name_{n}", len(ids), ids[0], ids[-1]) for n, ids in of_names], "groups")


def join(client: Client) -> None:
    found = client.ask("SELECT count(*), sum(a.id)::bigint, count(*) FILTER (WHERE a.name = b.name) "
                       "FROM wide a JOIN wide b ON a.id = b.id + 1")
    expect(found, [(client.rows - 1, client.rows * (client.rows - 1) // 2, 0)], "a join")


def sort(client: Client) -> None:
    # `at` grows with `id`, so the row at place r from the latest is number `rows - r`.
    found = client.ask(f"SELECT count(*), count(*) FILTER (WHERE r + id = {client.rows}) FROM "
                       "(SELECT id, row_number() OVER (ORDER BY at DESC, name) AS r FROM wide) t")
    expect(found, [(client.rows, client.rows)], "a sort")


def stretch(client: Client) -> range:
    """Numbers of rows that a client reads all of."""
    first = client.random.randrange(max(client.rows - ROWS_AT_CLIENT, 1))
    return range(first, min(first + ROWS_AT_CLIENT, client.rows))


def all_rows(client: Client) -> None:
    ids = stretch(client)
    client.statements += 1
    with client.connected().cursor() as cursor:
        rows = cursor.stream(f"{WIDE} WHERE id >= %s AND id < %s", (ids.start, ids.stop),
                             size=CHUNK_ROWS)
        seen = [row[0] for row in rows if row[1] * 4 == row[0]]
    expect((len(seen), sum(seen)), (len(ids), sum(ids)), "all rows")


def copy(client: Client) -> None:
    ids = stretch(client)
    client.statements += 1
    with client.connected().cursor() as cursor:
        with cursor.copy(f"COPY ({WIDE} WHERE id >= {ids.start} AND id < {ids.stop}) "
                         "TO STDOUT") as rows:
            seen = [int(row[0]) for row in rows.rows()]
    expect((len(seen), sum(seen)), (len(ids), sum(ids)), "COPY")


def raise_fault(result: libpq.PGresult) -> None:
    """Raises what psycopg itself would for an error of the server."""
    if result.status == libpq.ExecStatus.FATAL_ERROR:
        raise psycopg.errors.error_from_result(result)


def abandon(client: Client) -> None:
    """Reads the first rows of all and goes away: with a word, without one, with a reset."""
    connection = libpq.PGconn.connect(client.place.conninfo().encode())
    client.statements += 1
    connection.send_query(WIDE.encode())
    connection.set_chunked_rows_mode(CHUNK_ROWS)
    result = connection.get_result()
    raise_fault(result)
    expect(result.ntuples, CHUNK_ROWS, "a chunk")
    with socket.socket(fileno=os.dup(connection.socket)) as wire:
        way = client.random.randrange(3)
        if way == 1:
            wire.shutdown(socket.SHUT_RDWR)
        elif way == 2:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.finish()


def cancel(client: Client) -> None:
    connection = client.connected().pgconn
    client.statements += 1
    connection.send_query(ENDLESS.encode())
    connection.flush()
    begun = time.monotonic()
    while connection.is_busy():
        if time.monotonic() - begun > CANCEL_SECONDS_MAX:
            raise Wrong(f"not cancelled in {CANCEL_SECONDS_MAX} s")
        # What has not begun yet is not cancelled, so it is asked again.
        time.sleep(CANCEL_EVERY_SECONDS)
        connection.get_cancel().cancel()
        time.sleep(CANCEL_EVERY_SECONDS)
        connection.consume_input()
    result = connection.get_result()
    while connection.get_result() is not None:
        pass
    try:
        raise_fault(result)
    except psycopg.errors.QueryCanceled:
        client.errors += 1
    else:
        raise Wrong("a statement without end has ended")


def time_out(client: Client) -> None:
    client.tell(f"SET statement_timeout = '{TIMEOUT}'")
    client.fail(ENDLESS, CANCELLED)
    client.tell("SET statement_timeout = 0")


def errors(client: Client) -> None:
    for sql, state in ERRORS:
        client.fail(sql, state)


def cursor(client: Client) -> None:
    """Some rows of a sorted result; half of the cursors are left open by a client that goes away."""
    client.tell("BEGIN")
    client.tell("DECLARE c CURSOR FOR SELECT id FROM wide ORDER BY at DESC")
    for part in range(3):
        first = client.rows - 1 - part * ROWS_OF_CURSOR
        found = client.ask(f"FETCH {ROWS_OF_CURSOR} FROM c")
        expect(found, [(first - n,) for n in range(ROWS_OF_CURSOR)], "FETCH")
    if client.random.random() < 0.5:
        client.leave()
    else:
        client.tell("ROLLBACK")


def churn(client: Client) -> None:
    """Connections of one statement each, and some that end before they are any."""
    for _ in range(CONNECTIONS_OF_CHURN):
        with psycopg.connect(client.place.conninfo(), autocommit=True) as connection:
            client.statements += 1
            expect(connection.execute("SELECT 1").fetchall(), [(1,)], "SELECT 1")
        address = (client.place.host, client.place.port)
        with socket.create_connection(address, timeout=20) as half:
            half.sendall(HALF_STARTUP)
    client.leave()


@dataclass
class Act:
    name: str
    # How often it is chosen, beside the others.
    weight: int
    run: Callable[[Client], None]


ACTS = [
    Act("points by prepared statement", 20, points),
    Act("aggregate", 10, aggregate),
    Act("groups", 4, groups),
    Act("join", 2, join),
    Act("sort", 2, sort),
    Act("rows, all read", 4, all_rows),
    Act("COPY TO STDOUT", 4, copy),
    Act("rows, left midway", 8, abandon),
    Act("CancelRequest", 4, cancel),
    Act("statement timeout", 4, time_out),
    Act("errors", 8, errors),
    Act("cursor", 2, cursor),
    Act("connections", 8, churn),
]


@dataclass
class Report:
    """What came of one act."""

    act: str
    seconds: float
    statements: int
    errors: int
    # For lack of memory, which is an end that a query may have where many share a limit.
    is_refused: bool
    fault: str | None


def perform(act: Act, client: Client) -> Report:
    client.statements = client.errors = 0
    begun, is_refused, fault = time.monotonic(), False, None
    try:
        act.run(client)
    except Exception as error:  # noqa: BLE001 — whatever a client raises is what it saw
        is_refused = getattr(error, "sqlstate", None) == OUT_OF_MEMORY
        if not is_refused:
            said = (str(error).splitlines() or [""])[0][:300]
            fault = f"{act.name}: {type(error).__name__}: {said}"
        client.leave()
    seconds = time.monotonic() - begun
    return Report(act.name, seconds, client.statements, client.errors, is_refused, fault)


def work(seed: int, place: Place, rows: int, until: float, reports) -> None:
    """A process: acts drawn by their weights, until the clock says `until`."""
    client = Client(place, rows, random.Random(seed))
    weights = [act.weight for act in ACTS]
    while time.monotonic() < until:
        report = perform(client.random.choices(ACTS, weights)[0], client)
        reports.put(report)
        if report.fault:
            time.sleep(BREAK_SECONDS)
    client.leave()

"""psycopg 3, psycopg 2 and asyncpg as programs use them."""

import asyncio
import datetime as dt
import io
import threading
import time
import uuid
from decimal import Decimal

import asyncpg
import psycopg
import psycopg2
import psycopg2.extras

from suite import Place, case

SLOW = ("SELECT count(*) FROM generate_series(1::bigint, 300000) a, "
        "generate_series(1::bigint, 300000) b")


VALUES = [
    True, 7, 2**40, 1.5, Decimal("12.50"), "zß水", b"\x00\xff", dt.date(2024, 2, 29),
    dt.time(3, 4, 5, 6), dt.datetime(2024, 2, 29, 12, 34, 56, 7),
    dt.datetime(2024, 2, 29, 12, tzinfo=dt.timezone.utc), dt.timedelta(days=3, seconds=5),
    uuid.UUID(int=5), [1, 2, None], ["a", None, "b,c"], None,
]
CASTS = ["bool", "int", "bigint", "float8", "numeric", "text", "bytea", "date", "time",
         "timestamp", "timestamptz", "interval", "uuid", "int[]", "text[]", "text"]


def caught(act):
    """The code of the error that `act` raises."""
    try:
        act()
    except psycopg.Error as error:
        return error.sqlstate, type(error).__name__
    except psycopg2.Error as error:
        return error.pgcode, type(error).__name__
    except asyncpg.PostgresError as error:
        return error.sqlstate, type(error).__name__
    return "no error"



# psycopg 3


def three(binary: bool):
    def run(place: Place):
        with psycopg.connect(place.conninfo()) as connection:
            cursor = connection.cursor(binary=binary)
            cursor.execute("SELECT * FROM types ORDER BY id")
            names = [(column.name, column.type_code) for column in cursor.description]
            return names, cursor.fetchall()
    return run


for binary in (False, True):
    case(f"psycopg 3: all types, {'binary' if binary else 'text'}")(three(binary))


def three_parameter(value, cast: str):
    def run(place: Place):
        with psycopg.connect(place.conninfo()) as connection:
            return [connection.execute(f"SELECT {mark}::{cast}", [value], binary=is_binary).fetchone()
                    for mark, is_binary in (("%s", False), ("%b", True))]
    return run


for value, cast in zip(VALUES, CASTS):
    case(f"psycopg 3: a parameter {value!r}")(
        three_parameter(value, cast))


@case("psycopg 3: a statement that is run often is prepared")
def three_prepared(place: Place):
    with psycopg.connect(place.conninfo()) as connection:
        connection.prepare_threshold = 2
        return [connection.execute("SELECT t FROM types WHERE id = %s", [n % 5 + 1]).fetchall()
                for n in range(12)]


@case("psycopg 3: transactions and savepoints")
def three_transactions(place: Place):
    with psycopg.connect(place.conninfo()) as connection:
        states = []
        with connection.transaction():
            states.append(connection.info.transaction_status)
            try:
                with connection.transaction():
                    connection.execute("SELECT 1/0")
            except psycopg.Error as error:
                states.append(error.sqlstate)
            states.append(connection.execute("SELECT 'goes on'").fetchone())
        states.append(connection.info.transaction_status)
        return states


@case("psycopg 3: errors")
def three_errors(place: Place):
    with psycopg.connect(place.conninfo(), autocommit=True) as connection:
        seen = []
        for sql in ["SELECT nowhere FROM types", "SELECT * FROM nowhere", "SELEC", "SELECT 1/0"]:
            try:
                connection.execute(sql)
            except psycopg.Error as error:
                seen.append((type(error).__name__, error.diag.sqlstate, error.diag.severity,
                             error.diag.statement_position))
        return seen


@case("psycopg 3: a cursor of the server")
def three_cursor(place: Place):
    with psycopg.connect(place.conninfo()) as connection:
        with connection.cursor("c") as cursor:
            cursor.itersize = 700
            cursor.execute("SELECT id, price FROM orders ORDER BY id")
            rows = cursor.fetchmany(3) + cursor.fetchall()
            return rows[:5], len(rows)


@case("psycopg 3: a cursor that scrolls and outlives its transaction")
def three_scroll(place: Place):
    with psycopg.connect(place.conninfo()) as connection:
        cursor = connection.cursor("s", scrollable=True, withhold=True)
        cursor.execute("SELECT id FROM orders ORDER BY id LIMIT 100")
        connection.commit()
        cursor.scroll(90)
        last = cursor.fetchall()
        cursor.scroll(0, mode="absolute")
        return last, cursor.fetchmany(2)


@case("psycopg 3: rows one by one")
def three_stream(place: Place):
    with psycopg.connect(place.conninfo()) as connection:
        cursor = connection.cursor()
        return sum(row[0] for row in cursor.stream("SELECT id FROM orders"))


@case("psycopg 3: a pipeline")
def three_pipeline(place: Place):
    with psycopg.connect(place.conninfo(), autocommit=True) as connection:
        with connection.pipeline():
            cursors = [connection.execute("SELECT %s::int", [n]) for n in range(50)]
        return [cursor.fetchone() for cursor in cursors]


@case("psycopg 3: many sets of parameters")
def three_many(place: Place):
    with psycopg.connect(place.conninfo()) as connection:
        cursor = connection.cursor()
        cursor.executemany("SELECT t FROM types WHERE id = %s", [(1,), (2,), (3,)], returning=True)
        given = []
        while True:
            given.append(cursor.fetchall())
            if not cursor.nextset():
                return given


def three_copy(options: str):
    def run(place: Place):
        with psycopg.connect(place.conninfo()) as connection:
            with connection.cursor().copy(
                    f"COPY (SELECT * FROM types ORDER BY id) TO STDOUT {options}") as copy:
                return b"".join(bytes(block) for block in copy)
    return run


for options in ("", "(FORMAT csv, HEADER)", "(FORMAT binary)", "WITH CSV DELIMITER ';'"):
    case(f"psycopg 3: COPY TO STDOUT {options}")(three_copy(options))


@case("psycopg 3: cancel")
def three_cancel(place: Place):
    with psycopg.connect(place.conninfo(), autocommit=True) as connection:
        threading.Timer(0.3, connection.cancel_safe).start()
        begun = time.monotonic()
        code = caught(lambda: connection.execute(SLOW))
        return code, time.monotonic() - begun < 3, connection.execute("SELECT 'on'").fetchone()


@case("psycopg 3: a statement takes too long")
def three_timeout(place: Place):
    with psycopg.connect(place.conninfo(options="'-c statement_timeout=200'"),
                         autocommit=True) as connection:
        begun = time.monotonic()
        return caught(lambda: connection.execute(SLOW)), time.monotonic() - begun < 3


# psycopg 2


@case("psycopg 2: all types")
def two(place: Place):
    connection = psycopg2.connect(place.conninfo())
    cursor = connection.cursor()
    cursor.execute("SELECT * FROM types ORDER BY id")
    names = [(column.name, column.type_code, column.precision, column.scale)
             for column in cursor.description]
    return names, cursor.fetchall(), cursor.statusmessage, cursor.rowcount


def two_parameter(value, cast: str):
    def run(place: Place):
        cursor = psycopg2.connect(place.conninfo()).cursor()
        psycopg2.extras.register_uuid()
        cursor.execute(f"SELECT %s::{cast}", [value])
        return cursor.fetchone()
    return run


for value, cast in zip(VALUES, CASTS):
    case(f"psycopg 2: a parameter {value!r}")(
        two_parameter(value, cast))


@case("psycopg 2: a cursor of the server")
def two_cursor(place: Place):
    connection = psycopg2.connect(place.conninfo())
    cursor = connection.cursor("c")
    cursor.itersize = 100
    cursor.execute("SELECT id FROM orders ORDER BY id")
    return sum(row[0] for row in cursor)


@case("psycopg 2: COPY TO STDOUT")
def two_copy(place: Place):
    out = io.StringIO()
    cursor = psycopg2.connect(place.conninfo()).cursor()
    cursor.copy_expert("COPY (SELECT * FROM orders ORDER BY id) TO STDOUT WITH CSV HEADER", out)
    return out.getvalue()


@case("psycopg 2: errors and what follows them")
def two_errors(place: Place):
    connection = psycopg2.connect(place.conninfo())
    cursor = connection.cursor()
    seen = []
    for sql in ["SELECT nowhere FROM types", "SELECT 1"]:
        try:
            cursor.execute(sql)
        except psycopg2.Error as error:
            seen.append((type(error).__name__, error.pgcode, error.diag.statement_position))
    connection.rollback()
    cursor.execute("SELECT 'on'")
    return seen, cursor.fetchone(), connection.get_transaction_status()


@case("psycopg 2: cancel")
def two_cancel(place: Place):
    connection = psycopg2.connect(place.conninfo())
    threading.Timer(0.3, connection.cancel).start()
    return caught(lambda: connection.cursor().execute(SLOW))


# asyncpg


def asynchronous(name):
    """A case that has a connection of asyncpg."""

    def decorate(body):
        def run(place: Place):
            async def whole():
                connection = await asyncpg.connect(
                    host=place.host, port=place.port, user=place.user, password=place.password,
                    database=place.database, ssl=False)
                try:
                    return await body(connection)
                finally:
                    await connection.close(timeout=5)
            return asyncio.run(asyncio.wait_for(whole(), 60))
        case(f"asyncpg: {name}")(run)
        return body
    return decorate


@asynchronous("all types")
async def async_types(connection):
    statement = await connection.prepare("SELECT * FROM types ORDER BY id")
    about = [(column.name, column.type.oid, column.type.name)
             for column in statement.get_attributes()]
    return about, [tuple(row) for row in await statement.fetch()]


def async_parameter(value, cast: str):
    async def body(connection):
        statement = await connection.prepare(f"SELECT $1::{cast} AS x")
        types = [(type_.oid, type_.name) for type_ in statement.get_parameters()]
        return types, await statement.fetchval(value)
    return body


for value, cast in zip(VALUES, CASTS):
    asynchronous(f"a parameter {value!r}")(
        async_parameter(value, cast))


@asynchronous("parameters without a cast")
async def async_uncast(connection):
    return (await connection.fetch("SELECT id FROM types WHERE id = $1 AND i8 = $2", 1, 1),
            await connection.fetchval("SELECT count(*) FROM orders WHERE day > $1 AND price < $2",
                                      dt.date(2024, 6, 1), Decimal("100.5")),
            await connection.fetchval("SELECT count(*) FROM orders WHERE note = ANY($1)",
                                      ["note 1", "note 2"]))


@asynchronous("a cursor in a transaction")
async def async_cursor(connection):
    async with connection.transaction():
        total = 0
        async for row in connection.cursor("SELECT id FROM orders ORDER BY id", prefetch=70):
            total += row["id"]
        cursor = await connection.cursor("SELECT id FROM orders ORDER BY id")
        await cursor.forward(10)
        return total, await cursor.fetchrow(), await cursor.fetch(3)


@asynchronous("transactions, savepoints, errors")
async def async_transactions(connection):
    seen = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        try:
            async with connection.transaction():
                await connection.execute("SELECT 1/0")
        except asyncpg.PostgresError as error:
            seen.append((type(error).__name__, error.sqlstate))
        seen.append(await connection.fetchval("SELECT 'on'"))
    for sql in ["SELECT nowhere FROM types", "SELECT * FROM nowhere", "SELEC"]:
        try:
            await connection.fetch(sql)
        except asyncpg.PostgresError as error:
            seen.append((type(error).__name__, error.sqlstate, error.position))
    return seen


@asynchronous("cancel by a time limit")
async def async_cancel(connection):
    try:
        await connection.fetch(SLOW, timeout=0.3)
    except TimeoutError:
        return "cancelled", await connection.fetchval("SELECT 'on'")


@asynchronous("COPY of a query")
async def async_copy(connection):
    out = io.BytesIO()
    await connection.copy_from_query("SELECT * FROM orders WHERE id < $1 ORDER BY id", 50,
                                     output=out, format="csv", header=True)
    return out.getvalue()


@asynchronous("a connection is reset as a pool does")
async def async_reset(connection):
    await connection.execute("SET application_name = 'x'")
    await connection.reset()
    return await connection.fetchval("SHOW application_name")


@asynchronous("many statements at a time from a pool's size of connections")
async def async_many(connection):
    statement = await connection.prepare("SELECT t FROM types WHERE id = $1")
    return [await statement.fetchval(n % 5 + 1) for n in range(100)]

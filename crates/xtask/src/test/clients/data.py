"""The data that both servers have: Parquet files for Sheaf, tables for PostgreSQL.

`types` has a column of every type that both know; row 1 is ordinary, 2 and 3 are the extremes that
both can hold, 4 has what text and numbers stumble over, 5 is NULL. `orders` has 5,000 rows that
follow from their number, `names` has names that have to be quoted.
"""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

UTC = dt.timezone.utc
ORDERS = 5_000

# Name, PostgreSQL's type, Arrow's type, the values of the rows before the one of NULLs.
TYPES = [
    ("b", "boolean", pa.bool_(), [True, False, True, False]),
    ("i2", "smallint", pa.int16(), [1, -32768, 32767, 0]),
    ("i4", "integer", pa.int32(), [1, -(2**31), 2**31 - 1, 0]),
    ("i8", "bigint", pa.int64(), [1, -(2**63), 2**63 - 1, 0]),
    ("f4", "real", pa.float32(), [1.5, -3.4028234663852886e38, 1e-45, float("nan")]),
    ("f8", "double precision", pa.float64(),
     [0.1, -1.7976931348623157e308, 5e-324, float("-inf")]),
    ("n", "numeric(12,2)", pa.decimal128(12, 2),
     [Decimal("10.50"), Decimal("-9999999999.99"), Decimal("9999999999.99"), Decimal("0.00")]),
    ("n38", "numeric(38,10)", pa.decimal128(38, 10),
     [Decimal("1.0000000001"), Decimal("-9999999999999999999999999999.9999999999"),
      Decimal("0.0000000001"), Decimal("10000.0000000000")]),
    ("t", "text", pa.string(), ["plain", "", "zß水😀", "tab\there \"quoted\" \\back\nline, {x}"]),
    ("by", "bytea", pa.binary(), [b"\x00\xff", b"", b"\\x41", bytes(range(256))]),
    ("d", "date", pa.date32(),
     [dt.date(2024, 2, 29), dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(1969, 12, 31)]),
    ("tm", "time", pa.time64("us"),
     [dt.time(3, 4, 5), dt.time(0, 0), dt.time(23, 59, 59, 999999), dt.time(12, 0, 0, 500000)]),
    ("ts", "timestamp", pa.timestamp("us"),
     [dt.datetime(2024, 2, 29, 12, 34, 56), dt.datetime(1, 1, 1),
      dt.datetime(9999, 12, 31, 23, 59, 59, 999999), dt.datetime(1999, 12, 31, 23, 59, 59, 1)]),
    ("tz", "timestamptz", pa.timestamp("us", "UTC"),
     [dt.datetime(2024, 2, 29, 12, 34, 56, tzinfo=UTC), dt.datetime(1, 1, 2, tzinfo=UTC),
      dt.datetime(9999, 12, 30, 23, 59, 59, 999999, tzinfo=UTC),
      dt.datetime(2024, 7, 1, tzinfo=UTC)]),
    ("ai", "integer[]", pa.list_(pa.int32()), [[1, 2, 3], [], [-1, None], [2**31 - 1]]),
    ("at", "text[]", pa.list_(pa.string()),
     [["a", "b"], [], [None, "NULL", "", "a b"], ["{\"x\"}", "back\\slash", "c,d"]]),
    ("af", "double precision[]", pa.list_(pa.float64()), [[0.5], [], [1e300, None], [-0.0]]),
    ("an", "numeric(10,3)[]", pa.list_(pa.decimal128(10, 3)),
     [[Decimal("1.500")], [], [None], [Decimal("-0.001"), Decimal("1234567.890")]]),
    ("ad", "date[]", pa.list_(pa.date32()), [[dt.date(2024, 1, 1)], [], [None], []]),
]



def write_types(directory: Path) -> pa.Table:
    columns = {"id": pa.array(range(1, 6), pa.int32())}
    for name, _, arrow_type, values in TYPES:
        columns[name] = pa.array([*values, None], arrow_type)
    table = pa.table(columns)
    pq.write_table(table, directory / "types.parquet")
    return table


def order(n: int) -> tuple:
    return (n, n % 97, Decimal(n * 25 % 100_000) / 100, dt.date(2024, 1, 1) + dt.timedelta(n % 366),
            None if n % 11 == 0 else f"note {n % 50}")


ORDER_COLUMNS = [
    ("id", "bigint", pa.int64()),
    ("customer", "integer", pa.int32()),
    ("price", "numeric(10,2)", pa.decimal128(10, 2)),
    ("day", "date", pa.date32()),
    ("note", "text", pa.string()),
]


def write(directory: Path) -> dict[str, Path]:
    """Writes the files; tables and where they are."""
    write_types(directory)
    rows = list(zip(*(order(n) for n in range(ORDERS))))
    orders = {name: pa.array(values, type_)
              for (name, _, type_), values in zip(ORDER_COLUMNS, rows)}
    pq.write_table(pa.table(orders), directory / "orders.parquet")
    names = {"Upper": pa.array([1, 2], pa.int32()), "select": pa.array(["x", None], pa.string())}
    pq.write_table(pa.table(names), directory / "names.parquet")
    return {name: directory / f"{name}.parquet" for name in ("types", "orders", "names")}


def load(conninfo: str) -> None:
    """Makes the same tables in PostgreSQL."""
    with psycopg.connect(conninfo) as connection, connection.cursor() as cursor:
        columns = ", ".join(f"{name} {type_}" for name, type_, _, _ in TYPES)
        cursor.execute(f"CREATE TABLE types (id integer, {columns})")
        marks = ", ".join(["%s"] * (len(TYPES) + 1))
        for row in range(5):
            values = [None if row == 4 else values[row] for _, _, _, values in TYPES]
            cursor.execute(f"INSERT INTO types VALUES ({marks})", [row + 1, *values])
        columns = ", ".join(f"{name} {type_}" for name, type_, _ in ORDER_COLUMNS)
        cursor.execute(f"CREATE TABLE orders ({columns})")
        with cursor.copy("COPY orders FROM STDIN") as copy:
            for n in range(ORDERS):
                copy.write_row(order(n))
        cursor.execute('CREATE TABLE names ("Upper" integer, "select" text)')
        cursor.execute("INSERT INTO names VALUES (1, 'x'), (2, NULL)")
        cursor.execute("CREATE EXTENSION postgres_fdw")

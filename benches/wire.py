"""The Postgres wire of Sheaf, and with `--peers` PostgreSQL 18's, measured by the same clients.

Prints tables in Markdown. `cargo xtask bench wire` makes the environment and runs this; servers are
started by the module that the clients' tests use.
"""

import argparse
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import pq as libpq

import servers
from suite import Place

COLUMNS = "id bigint, value double precision, name text, at timestamp"
QUERY = "SELECT id, value, name, at FROM wide"
# What the rows add up to, however they are sent.
CHECK = ("SELECT count(*), sum(id)::bigint, sum(value)::bigint, sum(length(name))::bigint, "
         "min(at), max(at) FROM wide")
ROWS_A_GROUP = 1_000_000
SMALL_ROWS = 1_000
POINT_SECONDS = 5
CLIENTS = 64
IDLE = 500
STALLED = 500
# Of those the ones that stop before they are in: the server has places for 64 of one address.
HALF_OPEN = 60
# The first half of a request for TLS.
HALF_STARTUP = b"\0\0\0\x08"
# Of a result that is read slowly: from then on resident memory is to be flat.
SETTLED_SECONDS = 60
BLOCK = 1 << 20
READY = b"Z\0\0\0\x05I"


def batch(first: int, count: int) -> pa.RecordBatch:
    """Rows from `first` on: value is a quarter of id, name `name` and id modulo 100,000, at a second
    a row from 2020-01-01 with microseconds."""
    ids = pa.array(range(first, first + count), pa.int64())
    values = pa.array([n / 4 for n in range(first, first + count)], pa.float64())
    names = pa.array((f"name_{n % 100_000}" for n in range(first, first + count)), pa.string())
    start = 1_577_836_800_000_000
    ats = pa.array([start + n * 1_000_001 for n in range(first, first + count)],
                   pa.timestamp("us"))
    return pa.record_batch([ids, values, names, ats], ["id", "value", "name", "at"])


def write(path: Path, rows: int) -> None:
    if path.exists():
        return
    print(f"writing {rows:,} rows", file=sys.stderr)
    partial = path.with_suffix(".partial")
    with pq.ParquetWriter(partial, batch(0, 0).schema) as writer:
        for first in range(0, rows, ROWS_A_GROUP):
            writer.write_batch(batch(first, min(ROWS_A_GROUP, rows - first)))
    partial.rename(path)


def write_small(path: Path) -> None:
    ids = range(SMALL_ROWS)
    pq.write_table(pa.table({"id": pa.array(ids, pa.int64()),
                             "name": pa.array([f"name_{n}" for n in ids])}), path)


def load(postgres: servers.Postgres, wide: Path, small: Path) -> None:
    print("loading PostgreSQL", file=sys.stderr)
    with psycopg.connect(postgres.place(database="postgres").conninfo(), autocommit=True) as c:
        c.execute("CREATE DATABASE sheaf")
    with psycopg.connect(postgres.place().conninfo()) as connection:
        connection.execute(f"CREATE UNLOGGED TABLE wide ({COLUMNS})")
        connection.execute("CREATE TABLE small (id bigint PRIMARY KEY, name text)")
    with adbc.connect(postgres.place().url()) as connection, connection.cursor() as cursor:
        for name, path in (("wide", wide), ("small", small)):
            file = pq.ParquetFile(path)
            batches = file.iter_batches(ROWS_A_GROUP)
            reader = pa.RecordBatchReader.from_batches(file.schema_arrow, batches)
            cursor.adbc_ingest(name, reader, mode="append")
        connection.commit()
    with psycopg.connect(postgres.place().conninfo(), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE wide")
        connection.execute("VACUUM ANALYZE small")


# Clients that take all rows. Each gives the number of rows that it saw.


def raw(place: Place, formats: bytes | None) -> int:
    """A socket that only reads: what the server can send. `formats` asks by the extended protocol.

    The end is known by its last bytes; rows are counted by the server's own word.
    """
    connection = libpq.PGconn.connect(place.conninfo().encode())
    with socket.socket(fileno=os.dup(connection.socket)) as client:
        client.setblocking(True)
        client.sendall(query_messages(formats))
        block = bytearray(BLOCK)
        tail = b""
        while not tail.endswith(READY):
            count = client.recv_into(block)
            if count == 0:
                raise RuntimeError("closed")
            tail = (tail + bytes(block[max(0, count - 64):count]))[-64:]
    tag = tail[tail.rindex(b"SELECT "):]
    return int(tag[7:tag.index(b"\0")])


def query_messages(formats: bytes | None) -> bytes:
    def message(tag: bytes, body: bytes) -> bytes:
        return tag + struct.pack(">i", len(body) + 4) + body

    sql = QUERY.encode() + b"\0"
    if formats is None:
        return message(b"Q", sql)
    return (message(b"P", b"\0" + sql + b"\0\0") + message(b"B", b"\0\0\0\0\0\0" + formats)
            + message(b"E", b"\0\0\0\0\0") + message(b"S", b""))


def chunks(place: Place, result_format: int) -> int:
    """libpq, a thousand rows at a time."""
    connection = libpq.PGconn.connect(place.conninfo().encode())
    connection.send_query_params(QUERY.encode(), None, result_format=result_format)
    connection.set_chunked_rows_mode(1000)
    rows = 0
    while (result := connection.get_result()) is not None:
        if result.status == libpq.ExecStatus.FATAL_ERROR:
            raise RuntimeError(result.error_message.decode())
        rows += result.ntuples
    return rows


def psql(place: Place, program: Path, sql: str) -> int:
    """psql, unaligned, to nowhere; its rows are counted in a run that is not timed."""
    with open(os.devnull, "w") as nowhere:
        subprocess.run([program, "-X", "-A", "-t", "-q", place.conninfo(), "-c", sql],
                       stdout=nowhere, check=True)
    return -1


def through_adbc(place: Place) -> int:
    with adbc.connect(place.url()) as connection, connection.cursor() as cursor:
        cursor.execute(QUERY)
        return sum(batch_.num_rows for batch_ in cursor.fetch_record_batch())


@dataclass
class Server:
    title: str
    place: Place
    process: int


def measured(act, place: Place, rows: int, runs: int) -> float | str:
    """The best of the runs in seconds, or why there is none."""
    best = None
    try:
        for _ in range(runs):
            begun = time.monotonic()
            seen = act(place)
            seconds = time.monotonic() - begun
            if seen not in (-1, rows):
                return f"{seen} rows"
            best = seconds if best is None else min(best, seconds)
    except Exception as error:  # noqa: BLE001 — a client's failure is its result
        return f"fails: {str(error).strip().splitlines()[0][:80]}"
    return best


def all_rows(found: list[Server], rows: int, runs: int, psql_program: Path) -> None:
    clients = [
        ("a socket that only reads, text", lambda place: raw(place, None)),
        ("a socket that only reads, binary", lambda place: raw(place, b"\0\1\0\1")),
        ("libpq, text", lambda place: chunks(place, 0)),
        ("libpq, binary", lambda place: chunks(place, 1)),
        ("psql, SELECT", lambda place: psql(place, psql_program, QUERY)),
        ("psql, COPY", lambda place: psql(place, psql_program, f"COPY ({QUERY}) TO STDOUT")),
        ("ADBC, binary COPY", through_adbc),
    ]
    print(f"\nAll of {rows:,} rows of four columns (bigint, double precision, text, timestamp), "
          f"best of {runs} runs; millions of rows a second.\n")
    head = "| client |" + "".join(f" {server.title} |" for server in found)
    print(head + (" × |" if len(found) > 1 else ""))
    print("|---|" + "--:|" * (len(found) + (len(found) > 1)))
    for title, act in clients:
        times = [measured(act, server.place, rows, runs) for server in found]
        cells = [f" {rows / t / 1e6:.2f} |" if isinstance(t, float) else f" {t} |" for t in times]
        if len(times) > 1:
            are_known = all(isinstance(t, float) for t in times)
            cells.append(f" {times[1] / times[0]:.2f} |" if are_known else " – |")
        print(f"| {title} |{''.join(cells)}", flush=True)


def point(server: Server, pgbench: Path, clients: int) -> tuple[float, float, float]:
    """Queries a second, and the median and 99th percentile of their milliseconds."""
    with tempfile.TemporaryDirectory() as directory:
        script = Path(directory) / "point.sql"
        script.write_text(f"\\set id random(0, {SMALL_ROWS - 1})\n"
                          "SELECT id, name FROM small WHERE id = :id;\n")
        environment = os.environ | {"PGPASSWORD": server.place.password}
        done = subprocess.run(
            [pgbench, "-n", "-M", "prepared", "-f", script, "-c", str(clients), "-j", "1",
             "-T", str(POINT_SECONDS), "-l", "--log-prefix", Path(directory) / "log",
             "-h", server.place.host, "-p", str(server.place.port), "-U", server.place.user,
             server.place.database],
            env=environment, capture_output=True, text=True, cwd=directory)
        if done.returncode != 0:
            raise SystemExit(f"pgbench: {done.stderr}")
        micros = [int(line.split()[2]) for log in Path(directory).glob("log.*")
                  for line in log.read_text().splitlines()]
    centiles = statistics.quantiles(micros, n=100)
    return len(micros) / POINT_SECONDS, centiles[49] / 1000, centiles[98] / 1000


def points(found: list[Server], pgbench: Path) -> None:
    print(f"\nA row by its number out of {SMALL_ROWS:,}, a prepared statement, {POINT_SECONDS} s.\n")
    print("| server | connections | queries a second | median, ms | 99th percentile, ms |")
    print("|---|--:|--:|--:|--:|")
    for server in found:
        for clients in (1, CLIENTS):
            rate, median, high = point(server, pgbench, clients)
            print(f"| {server.title} | {clients} | {rate:,.0f} | {median:.2f} | {high:.2f} |",
                  flush=True)


def resident(process: int) -> int:
    """Bytes; of PostgreSQL, which is many processes, the sum of what is each one's own."""
    total = 0
    for number in [process, *children(process)]:
        try:
            for line in Path(f"/proc/{number}/smaps_rollup").read_text().splitlines():
                if line.startswith(("Private_Clean:", "Private_Dirty:")):
                    total += int(line.split()[1]) * 1024
        except OSError:
            pass
    return total


def children(process: int) -> list[int]:
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True,
                          text=True)
    return [int(number) for number in done.stdout.split()]


def idle(found: list[Server]) -> None:
    print(f"\n{IDLE} idle connections, each of which has asked once: memory beyond none.\n")
    print("| server | MB |\n|---|--:|")
    for server in found:
        libpq.PGconn.connect(server.place.conninfo().encode()).exec_(b"SELECT 1")
        before = resident(server.process)
        connections = [libpq.PGconn.connect(server.place.conninfo().encode())
                       for _ in range(IDLE)]
        for connection in connections:
            if connection.exec_(b"SELECT 1").status != libpq.ExecStatus.TUPLES_OK:
                raise SystemExit(f"{server.title}: {connection.error_message}")
        print(f"| {server.title} | {(resident(server.process) - before) / 1e6:.1f} |", flush=True)
        for connection in connections:
            connection.finish()


def stalled(server: Server) -> None:
    """A thousand clients, half of which ask for 8 GB and do not read, or stop while they connect."""
    before, busy, silent, halves = resident(server.process), [], [], []
    for _ in range(STALLED):
        busy.append(libpq.PGconn.connect(server.place.conninfo().encode()))
    for _ in range(STALLED - HALF_OPEN):
        connection = libpq.PGconn.connect(server.place.conninfo().encode())
        silent.append(connection)
        connection.send_query(b"SELECT repeat('x', 64) || value FROM range(0, 100000000)")
        connection.flush()
    # Last, since the server waits ten seconds for them.
    for _ in range(HALF_OPEN):
        half = socket.create_connection((server.place.host, server.place.port))
        halves.append(half)
        half.sendall(HALF_STARTUP)
    seconds = []
    for connection in busy * 4:
        begun = time.monotonic()
        result = connection.exec_(b"SELECT name FROM small WHERE id = 7")
        seconds.append(time.monotonic() - begun)
        if result.status != libpq.ExecStatus.TUPLES_OK:
            raise SystemExit(result.error_message.decode())
    centiles = statistics.quantiles(seconds, n=100)
    print(f"\n{2 * STALLED} connections, of which {HALF_OPEN} stop while they connect and "
          f"{STALLED - HALF_OPEN} do not read 8 GB that they have asked for: resident "
          f"{before / 1e6:.0f} MB before, {resident(server.process) / 1e6:.0f} MB with them; the others' "
          f"queries, one after the other, median {centiles[49] * 1000:.1f} ms, 99th percentile "
          f"{centiles[98] * 1000:.1f} ms, at most {max(seconds) * 1000:.1f} ms.", flush=True)
    for connection in busy + silent:
        connection.finish()
    for half in halves:
        half.close()


def slow(server: Server, size: int, bytes_a_second: int) -> None:
    """Reads a result of `size` bytes slowly, and looks at the server's memory every second."""
    before, looks, is_over = resident(server.process), [], threading.Event()

    def look() -> None:
        while not is_over.wait(1):
            looks.append(resident(server.process))

    watcher = threading.Thread(target=look)
    watcher.start()
    rows = size // 1000
    connection = libpq.PGconn.connect(server.place.conninfo().encode())
    sql = f"SELECT repeat('x', 980) || value FROM range(0, {rows})".encode() + b"\0"
    read, begun = 0, time.monotonic()
    with socket.socket(fileno=os.dup(connection.socket)) as client:
        client.setblocking(True)
        client.sendall(b"Q" + struct.pack(">i", len(sql) + 4) + sql)
        tail = b""
        while not tail.endswith(READY):
            block = client.recv(BLOCK)
            read += len(block)
            tail = (tail + block[-64:])[-64:]
            ahead = read / bytes_a_second - (time.monotonic() - begun)
            if ahead > 0:
                time.sleep(ahead)
    is_over.set()
    watcher.join()
    print(f"\nA result of {read / 1e9:.1f} GB read at {bytes_a_second / 1e6:.0f} MB/s: resident "
          f"{before / 1e6:.0f} MB before, {min(looks) / 1e6:.0f} to {max(looks) / 1e6:.0f} MB "
          f"meanwhile.", flush=True)
    settled = looks[SETTLED_SECONDS:]
    if settled:
        print(f"After the first {SETTLED_SECONDS} s it moves by {(max(settled) - min(settled)) / 1e6:.1f} "
              f"MB.", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--only", default="rows,points,idle")
    parser.add_argument("--slow", type=int, default=0, help="bytes of a result to read slowly")
    parser.add_argument("--rate", type=int, default=100_000_000)
    parser.add_argument("--peers", action="store_true")
    options = parser.parse_args()
    wide, small = options.data / f"wide-{options.rows}.parquet", options.data / "small.parquet"
    write(wide, options.rows)
    write_small(small)
    # PostgreSQL's programs are wanted in any case.
    postgres = servers.Postgres(shared_buffers="2GB", max_connections=600)
    sheaf = servers.Sheaf(options.binary, {"wide": wide, "small": small},
                          options.data / "sheaf.log", "--connections", "1100",
                          "--set", f"threads={options.threads}")
    try:
        found = [Server("Sheaf", sheaf.place(), sheaf.process.pid)]
        if options.peers:
            load(postgres, wide, small)
            found.append(Server("PostgreSQL 18", postgres.place(), postgres.process.pid))
        answers = []
        for server in found:
            with psycopg.connect(server.place.conninfo()) as connection:
                answers.append(connection.execute(CHECK).fetchone())
        count = options.rows
        if answers[0][:2] != (count, count * (count - 1) // 2) or len(set(answers)) > 1:
            raise SystemExit(f"the answers differ: {answers}")
        wanted = options.only.split(",")
        if "rows" in wanted:
            all_rows(found, options.rows, options.runs, postgres.program("psql"))
        if "points" in wanted:
            points(found, postgres.program("pgbench"))
        if "idle" in wanted:
            idle(found)
        if options.slow:
            slow(found[0], options.slow, options.rate)
        # Last: it takes a while until the memory of so many is the system's again.
        if "stalled" in wanted:
            stalled(found[0])
    finally:
        sheaf.stop()
        postgres.stop()


if __name__ == "__main__":
    main()

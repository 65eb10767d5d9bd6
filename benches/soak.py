"""A soak of `sheaf serve`: clients of every kind for as long as is asked, and what the server holds
meanwhile. `cargo xtask bench soak` makes the environment and runs this.

Prints tables in Markdown, and fails if an answer was wrong, an error was none of those wanted, too many
statements found no memory, a client still waits or the server is gone, or if files, threads or spilled
data are left when the clients have gone.
"""

import argparse
import math
import multiprocessing
import os
import queue
import random
import shutil
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from psycopg import pq as libpq

import servers
import soak_acts
from soak_acts import ACTS, Client, Report
from suite import Place

# The server is looked at this often in each row of the table, and at least every ten seconds.
PERIODS = 12
LOOKS_A_PERIOD = 10
LOOK_SECONDS_MAX = 10
# Clients that ask for everything and do not read; at each look one of them goes and another comes.
STALLED = 10
CONNECTIONS = 200
# A client's last act may be long; beyond this it hangs.
LAST_ACT_SECONDS_MAX = 300
# Threads for blocking work end when they have been idle for ten seconds.
QUIET_SECONDS = 15
SETTLE_SECONDS_MAX = 60
# What may be open or run in a quiet server beyond what was before.
FILES_SLACK = 8
THREADS_SLACK = 4
# Of all acts, in per cent, that may find no memory: with more the load is not the one that is described.
REFUSED_PERCENT_MAX = 5
FAULTS_SHOWN = 20
BAR_WIDTH = 30
# Resident memory stays below the limit and a quarter.
RESIDENT_SHARE_MAX = 1.25


@dataclass
class Look:
    """The server at one moment."""

    seconds: float
    resident_mb: float
    files: int
    threads: int
    spill_files: int
    statements: int


@dataclass
class Tally:
    """What the clients reported."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    statements: Counter = field(default_factory=Counter)
    errors: Counter = field(default_factory=Counter)
    refused: Counter = field(default_factory=Counter)
    faults: Counter = field(default_factory=Counter)

    def add(self, report: Report) -> None:
        self.seconds.setdefault(report.act, []).append(report.seconds)
        self.statements[report.act] += report.statements
        self.errors[report.act] += report.errors
        self.refused[report.act] += report.is_refused
        if report.fault:
            self.faults[report.fault] += 1


@dataclass
class Watch:
    """What is looked at."""

    process: int
    spill: Path
    begun: float

    def look(self, statements: int = 0) -> Look:
        status = dict(line.split(":", 1) for line in
                      Path(f"/proc/{self.process}/status").read_text().splitlines())
        resident = int(status["VmRSS"].split()[0]) * 1024
        spilled = sum(len(files) for directory, _, files in os.walk(self.spill)
                      if Path(directory) != self.spill)
        return Look(time.monotonic() - self.begun, resident / 1e6,
                    len(os.listdir(f"/proc/{self.process}/fd")), int(status["Threads"]),
                    spilled, statements)


def first_round(place: Place, rows: int) -> None:
    """Every act once, alone: what is wrong from the start need not be soaked."""
    client = Client(place, rows, random.Random(0))
    for act in ACTS:
        report = soak_acts.perform(act, client)
        if report.fault or report.is_refused:
            raise SystemExit(report.fault or f"{act.name}: the memory limit is too low for one client")
    client.leave()


def stall(place: Place) -> libpq.PGconn:
    connection = libpq.PGconn.connect(place.conninfo().encode())
    connection.send_query(soak_acts.WIDE.encode())
    connection.flush()
    return connection


def soak(server: servers.Sheaf, watch: Watch, options) -> tuple[list[Look], Tally]:
    looks, tally, reports = [], Tally(), multiprocessing.Queue()
    print_head()
    seconds = options.minutes * 60
    looks_a_period = max(LOOKS_A_PERIOD, math.ceil(seconds / PERIODS / LOOK_SECONDS_MAX))
    every = seconds / PERIODS / looks_a_period
    until = time.monotonic() + seconds
    clients = [multiprocessing.Process(target=soak_acts.work, daemon=True, args=(
        seed, server.place(), options.rows, until, reports)) for seed in range(1, options.clients + 1)]
    for client in clients:
        client.start()
    stalled = [stall(server.place()) for _ in range(STALLED)]
    next_look = time.monotonic()
    while any(client.is_alive() for client in clients) or not reports.empty():
        try:
            tally.add(reports.get(timeout=min(max(next_look - time.monotonic(), 0), every)))
        except queue.Empty:
            pass
        now = time.monotonic()
        if server.process.poll() is not None:
            tally.faults[f"the server ended with {server.process.returncode}"] += 1
            break
        if now > until + LAST_ACT_SECONDS_MAX:
            waiting = sum(client.is_alive() for client in clients)
            tally.faults[f"{waiting} clients wait {LAST_ACT_SECONDS_MAX} s after the end"] += 1
            break
        if now >= until:
            next_look = now + every
        elif now >= next_look:
            looks.append(watch.look(tally.statements.total()))
            if len(looks) % looks_a_period == 0:
                print_period(looks[-looks_a_period:], options.memory)
            next_look += every
            stalled.pop(0).finish()
            stalled.append(stall(server.place()))
    if rest := len(looks) % looks_a_period:
        print_period(looks[-rest:], options.memory)
    for client in clients:
        if client.exitcode:
            tally.faults[f"a client ended with {client.exitcode}"] += 1
        client.terminate()
    for connection in stalled:
        connection.finish()
    return looks, tally


def left_over(watch: Watch, before: Look) -> list[str]:
    """What a server without clients still holds, after some time for it to let go."""
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    time.sleep(QUIET_SECONDS)
    while True:
        now, left = watch.look(), []
        if now.files > before.files + FILES_SLACK:
            left.append(f"{now.files} open files, {before.files} before")
        if now.threads > before.threads + THREADS_SLACK:
            left.append(f"{now.threads} threads, {before.threads} before")
        if now.spill_files:
            left.append(f"{now.spill_files} files of spilled data")
        if not left or time.monotonic() > deadline:
            print(f"\nWithout clients: {before.resident_mb:.0f} MB resident before, "
                  f"{now.resident_mb:.0f} MB after; {before.files} and {now.files} open files; "
                  f"{before.threads} and {now.threads} threads.", flush=True)
            return left
        time.sleep(1)


def print_head() -> None:
    print("\n| until, minutes | resident, MB | | open files | threads | spill files | statements |")
    print("|--:|--:|---|--:|--:|--:|--:|", flush=True)


def print_period(looks: list[Look], memory: int) -> None:
    """A row: the range of resident memory, drawn as well, and the most of what else was seen."""
    resident = [look.resident_mb for look in looks]
    bar = "█" * round(BAR_WIDTH * max(resident) / resident_mb_max(memory))
    files, threads, spilled = (max(getattr(look, name) for look in looks)
                               for name in ("files", "threads", "spill_files"))
    print(f"| {looks[-1].seconds / 60:.1f} | {min(resident):.0f} – {max(resident):.0f} | {bar} | {files} | "
          f"{threads} | {spilled} | {looks[-1].statements:,} |", flush=True)


def resident_mb_max(memory: int) -> float:
    return memory * RESIDENT_SHARE_MAX / 1e6


def print_memory(looks: list[Look], memory: int) -> None:
    most, limit = max(look.resident_mb for look in looks), resident_mb_max(memory)
    print(f"\n{BAR_WIDTH} blocks are {limit:.0f} MB, the memory limit and a quarter. Resident at most "
          f"{most:.0f} MB: {'met' if most <= limit else '**missed**'}.")
    half = looks[len(looks) // 2:]
    if len(half) > 1:
        slope = statistics.linear_regression([look.seconds / 3600 for look in half],
                                             [look.resident_mb for look in half]).slope
        print(f"Over the second half resident memory changes by {slope:+.1f} MB an hour.")


def print_acts(tally: Tally) -> None:
    print("\n| act | times | statements | errors, wanted | without memory | median, s | most, s |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, seconds in sorted(tally.seconds.items()):
        print(f"| {name} | {len(seconds):,} | {tally.statements[name]:,} | {tally.errors[name]:,} | "
              f"{tally.refused[name]:,} | {statistics.median(seconds):.2f} | {max(seconds):.2f} |",
              flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--clients", type=int, required=True)
    parser.add_argument("--memory", type=int, required=True, help="the memory limit in bytes")
    options = parser.parse_args()
    # Not at the top: each client's process would import pyarrow, too.
    import wire
    wide, small = options.data / f"wide-{options.rows}.parquet", options.data / "small.parquet"
    wire.write(wide, options.rows)
    wire.write_small(small)
    spill = options.data / "soak-spill"
    shutil.rmtree(spill, ignore_errors=True)
    spill.mkdir()
    server = servers.Sheaf(options.binary, {"wide": wide, "small": small},
                           options.data / "soak.log", "--connections", str(CONNECTIONS),
                           "--threads", str(options.threads), "--temp-directory", spill,
                           "--memory-limit", f"{options.memory}B")
    left = []
    try:
        first_round(server.place(), options.rows)
        time.sleep(QUIET_SECONDS)
        watch = Watch(server.process.pid, spill, time.monotonic())
        before = watch.look()
        looks, tally = soak(server, watch, options)
        if server.process.poll() is None:
            left = left_over(watch, before)
    finally:
        server.stop()
    left += [f"{path.name} in the spill directory of a server that has stopped"
             for path in spill.iterdir()]
    if looks:
        print_memory(looks, options.memory)
    print_acts(tally)
    acts, refused = sum(map(len, tally.seconds.values())), tally.refused.total()
    if refused * 100 > acts * REFUSED_PERCENT_MAX:
        left.append(f"{refused} of {acts} acts found no memory")
    faults = [f"{fault} ({count} times)" for fault, count in tally.faults.most_common(FAULTS_SHOWN)]
    if faults or left:
        raise SystemExit("\n".join(["\nthe soak failed:", *faults, *left]))


if __name__ == "__main__":
    main()

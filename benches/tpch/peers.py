"""Runs the TPC-H queries on one peer of Sheaf, in this process alone.

Called by `cargo xtask bench tpch` and `bench spill`. Prints tab-separated lines: first `version`, the engine's
version; then one a query: name, best seconds (or `-`), peak resident bytes so far, error. Leaves
each answer in `--answers` as tab-separated rows under a header.
"""

import argparse
import os
import pathlib
import resource
import time

TABLES = ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"]


def duckdb_runner(data, threads, memory_bytes, temporary):
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads = {threads}")
    connection.execute(f"SET temp_directory = '{temporary}'")
    if memory_bytes:
        connection.execute(f"SET memory_limit = '{memory_bytes}B'")
    for table in TABLES:
        path = data / f"{table}.parquet"
        connection.execute(f"CREATE VIEW {table} AS SELECT * FROM '{path}'")

    def run(sql):
        result = connection.execute(sql)
        return [column[0] for column in result.description], result.fetchall()

    return duckdb.__version__, run


def polars_runner(data, threads, memory_bytes, temporary):
    # Polars has no memory limit to set.
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    import polars

    context = polars.SQLContext(
        {table: polars.scan_parquet(data / f"{table}.parquet") for table in TABLES}
    )

    def run(sql):
        frame = context.execute(sql).collect()
        return frame.columns, frame.rows()

    return polars.__version__, run


def datafusion_runner(data, threads, memory_bytes, temporary):
    import datafusion

    config = datafusion.SessionConfig().with_target_partitions(threads)
    runtime = datafusion.RuntimeEnvBuilder().with_disk_manager_os()
    if memory_bytes:
        runtime = runtime.with_fair_spill_pool(memory_bytes)
    context = datafusion.SessionContext(config, runtime)
    for table in TABLES:
        context.register_parquet(table, str(data / f"{table}.parquet"))

    def run(sql):
        frame = context.sql(sql)
        batches = frame.collect()
        names = frame.schema().names
        columns = [[] for _ in names]
        for batch in batches:
            for column, values in zip(columns, batch.columns):
                column.extend(values.to_pylist())
        return names, list(zip(*columns))

    return datafusion.__version__, run


ENGINES = {"duckdb": duckdb_runner, "polars": polars_runner, "datafusion": datafusion_runner}


def cell(value):
    return "" if value is None else str(value)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", choices=ENGINES, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--queries", type=pathlib.Path, required=True)
    parser.add_argument("--only", default="", help="names of queries, with commas")
    parser.add_argument("--answers", type=pathlib.Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--memory-bytes", type=int, default=0)
    parser.add_argument("--temporary", type=pathlib.Path, required=True, help="folder to spill to")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    options.answers.mkdir(parents=True, exist_ok=True)
    version, run = ENGINES[options.engine](
        options.data, options.threads, options.memory_bytes, options.temporary
    )
    print(f"version\t{version}", flush=True)
    only = set(filter(None, options.only.split(",")))
    for path in sorted(options.queries.glob("*.sql")):
        if only and path.stem not in only:
            continue
        best, error = None, ""
        try:
            for _ in range(options.runs):
                start = time.perf_counter()
                names, rows = run(path.read_text())
                seconds = time.perf_counter() - start
                best = seconds if best is None else min(best, seconds)
            lines = ["\t".join(map(cell, row)) for row in [names, *rows]]
            (options.answers / f"{path.stem}.tsv").write_text("\n".join(lines) + "\n")
        except BaseException as failure:  # Polars panics are no Exception.
            if isinstance(failure, KeyboardInterrupt):
                raise
            best, error = None, " ".join(str(failure).split())[:200] or type(failure).__name__
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        shown = "-" if best is None else f"{best:.6f}"
        print(f"{path.stem}\t{shown}\t{peak}\t{error}", flush=True)


if __name__ == "__main__":
    main()

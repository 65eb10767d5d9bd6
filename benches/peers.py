"""Runs the queries of a suite on one peer of Sheaf, in this process alone.

Called by `cargo xtask bench`. What lies in `--data` are the tables: `NAME.parquet`, and folders `NAME` of
JSON lines or CSV. Queries are the files of `--queries`: SQL, for Dask Python that leaves `names` and `rows`.
Prints tab-separated lines: first `version`, the engine's version; then one a query: name, best seconds
(or `-`), peak resident bytes so far, error. Leaves each answer in `--answers` as tab-separated rows under
a header.
"""

import argparse
import os
import pathlib
import resource
import time


def parquet_tables(data):
    return {path.stem: path for path in sorted(data.glob("*.parquet"))}


def text_tables(data, suffix):
    folders = (path for path in sorted(data.iterdir()) if path.is_dir())
    return {path.name: path / f"*.{suffix}" for path in folders if any(path.glob(f"*.{suffix}"))}


def duckdb_runner(data, threads, memory_bytes, temporary):
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads = {threads}")
    connection.execute(f"SET temp_directory = '{temporary}'")
    if memory_bytes:
        connection.execute(f"SET memory_limit = '{memory_bytes}B'")
    for table, path in parquet_tables(data).items():
        connection.execute(f"CREATE VIEW {table} AS SELECT * FROM '{path}'")
    for table, path in text_tables(data, "jsonl").items():
        connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_json('{path}')")
    for table, path in text_tables(data, "csv").items():
        # By name as Sheaf does it, or types are told from the first files alone.
        source = f"read_csv('{path}', union_by_name = true)"
        connection.execute(f"CREATE VIEW {table} AS SELECT * FROM {source}")

    def run(sql):
        result = connection.execute(sql)
        return [column[0] for column in result.description], result.fetchall()

    return duckdb.__version__, run


def polars_runner(data, threads, memory_bytes, temporary):
    # Polars has no memory limit to set.
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    import polars

    frames = {table: polars.scan_parquet(path) for table, path in parquet_tables(data).items()}
    frames |= {table: polars.scan_ndjson(path) for table, path in text_tables(data, "jsonl").items()}
    for table, path in text_tables(data, "csv").items():
        frames[table] = polars.scan_csv(path, try_parse_dates=True)
    context = polars.SQLContext(frames)

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
    for table, path in parquet_tables(data).items():
        context.register_parquet(table, str(path))
    for table, path in text_tables(data, "jsonl").items():
        context.register_json(table, f"{path.parent}/", file_extension=".jsonl")
    for table, path in text_tables(data, "csv").items():
        context.register_csv(table, f"{path.parent}/", file_extension=".csv")

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


def dask_runner(data, threads, memory_bytes, temporary):
    import dask

    # Bags are of Python objects: processes, as Dask has it by default. Data frames say otherwise.
    dask.config.set(scheduler="processes", num_workers=threads)

    def run(program):
        scope = {"data": data}
        exec(program, scope)
        return scope["names"], scope["rows"]

    return dask.__version__, run


ENGINES = {
    "duckdb": duckdb_runner,
    "polars": polars_runner,
    "datafusion": datafusion_runner,
    "dask": dask_runner,
}


def peak_bytes():
    """Of this process, and of the largest it has started and ended."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(kind).ru_maxrss for kind in kinds) * 1024


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
    suffix = "py" if options.engine == "dask" else "sql"
    for path in sorted(options.queries.glob(f"*.{suffix}")):
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
        peak = peak_bytes()
        shown = "-" if best is None else f"{best:.6f}"
        print(f"{path.stem}\t{shown}\t{peak}\t{error}", flush=True)


if __name__ == "__main__":
    main()

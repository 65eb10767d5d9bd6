"""Dask's `map_partitions` on the work of `cargo xtask bench udf`: `x * 2 + y` over rows `(i, i)`, and the
sum; the words of lines and their places, their number, and the sum of the places.

    map_partitions.py ROWS LINES LINE WORKERS RUNS

Prints tab-separated lines: first `version`, Dask's; then one a case and scheduler: both, the best seconds,
and the answer, as Sheaf prints it.

Tables are made before the clock starts, for Sheaf as for Dask: with processes they wait, pickled, in the
parent, as any table does that Dask is given.
"""

import sys
import time

import dask
import dask.dataframe
import numpy
import pandas

# Parts of each table: more than workers, so that none waits for the last.
PARTITIONS = 16


def score(frame):
    return frame["x"] * 2 + frame["y"]


def tokens(lines):
    words = lines.str.split(" ")
    counts = words.str.len().to_numpy()
    first = numpy.cumsum(counts) - counts
    places = numpy.arange(counts.sum()) - numpy.repeat(first, counts) + 1
    return pandas.DataFrame({"tok": words.explode().to_numpy(), "pos": places})


def expression(rows):
    numbers = numpy.arange(rows, dtype="float64")
    table = pandas.DataFrame({"x": numbers, "y": numbers})
    frame = dask.dataframe.from_pandas(table, npartitions=PARTITIONS)
    return [frame.map_partitions(score, meta=("s", "float64")).sum()]


def words_of_text(count, line):
    lines = pandas.Series([f"{line}{number}" for number in range(count)], name="line")
    series = dask.dataframe.from_pandas(lines, npartitions=PARTITIONS)
    words = series.map_partitions(tokens, meta={"tok": "object", "pos": "int64"})
    return [words["tok"].count(), words["pos"].sum()]


def main():
    rows, lines, line, workers, runs = sys.argv[1:]
    print("version", dask.__version__, sep="\t")
    for name, made in (("expression", expression(int(rows))), ("words", words_of_text(int(lines), line))):
        for scheduler in ("threads", "processes"):
            best = float("inf")
            with dask.config.set(scheduler=scheduler, num_workers=int(workers)):
                for _ in range(int(runs)):
                    start = time.perf_counter()
                    answer = dask.compute(*made)
                    best = min(best, time.perf_counter() - start)
            print(name, scheduler, f"{best:.6f}", *(int(value) for value in answer), sep="\t", flush=True)


if __name__ == "__main__":
    main()

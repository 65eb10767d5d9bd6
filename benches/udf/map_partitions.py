"""Dask's `map_partitions` on the work of `cargo xtask bench udf`: `x * 2 + y` over rows `(i, i)`, and the
sum. Prints one tab-separated line a scheduler: its name, the best seconds, the sum.

The table is made before the clock starts, for Sheaf as for Dask: with processes it waits, pickled, in the
parent, as any table does that Dask is given.
"""

import sys
import time

import dask
import dask.dataframe
import numpy
import pandas


def score(frame):
    return frame["x"] * 2 + frame["y"]


def main():
    rows, partitions, runs = map(int, sys.argv[1:4])
    numbers = numpy.arange(rows, dtype="float64")
    table = pandas.DataFrame({"x": numbers, "y": numbers})
    frame = dask.dataframe.from_pandas(table, npartitions=partitions)
    for scheduler in ("threads", "processes"):
        with dask.config.set(scheduler=scheduler, num_workers=int(sys.argv[4])):
            total = frame.map_partitions(score, meta=("s", "float64")).sum()
            best = None
            for _ in range(runs):
                start = time.perf_counter()
                answer = total.compute()
                seconds = time.perf_counter() - start
                best = seconds if best is None else min(best, seconds)
        print(scheduler, f"{best:.3f}", int(answer), sep="\t", flush=True)


if __name__ == "__main__":
    main()

"""One row of `cargo xtask bench arrays` by NumPy or Dask, in this process alone.

The arrays are drawn at random, or read from the Zarr files that Sheaf has written into `--data`. NumPy has whole
arrays in memory before its time begins; Dask's time holds drawing or reading them, as Sheaf's does. Prints
tab-separated lines: version; seconds, the best of the runs; loading, seconds; peak, resident bytes; answer, numbers.
"""

import argparse
import os
import pathlib
import resource
import time

SEEDS = {"x": 42, "y": 7, "tall": 42}


def shapes(size):
    """The shapes and chunks of the arrays, as bench/arrays/row.rs has them."""
    tall = (size * 100, size // 100)
    return {
        "x": ((size, size), (size // 5, size // 5)),
        "y": ((size, size), (size // 5, size // 5)),
        "tall": (tall, (tall[0] // 25, tall[1])),
    }


def both(values):
    return values.sum(), values.max()


def numpy_rows(size):
    import numpy as np

    def stencil(x):
        p = np.pad(x, 1, mode="edge")
        return 0.2 * (p[1:-1, 1:-1] + p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:])

    return {
        "mean": lambda x: [x.mean()],
        "std": lambda x: [x.std()],
        "row sums": lambda x: both(x.sum(axis=1)),
        "x.T @ x": lambda x: both(x.T @ x),
        "x @ y": lambda x, y: both(x @ y),
        "rechunk": lambda x: both(np.cumsum(x, axis=0)),
        "stencil": lambda x: both(stencil(x)),
        "quantile": lambda x: [np.quantile(x, 0.5)],
        "fft": lambda x: both(np.abs(np.fft.fft(x, axis=0))),
        "qr": lambda tall: both(np.abs(np.linalg.qr(tall)[0])),
    }


def dask_rows(size):
    import dask
    import dask.array as da

    def stencil(x):
        def of_block(b):
            return 0.2 * (b[1:-1, 1:-1] + b[:-2, 1:-1] + b[2:, 1:-1] + b[1:-1, :-2] + b[1:-1, 2:])

        return da.overlap.overlap(x, depth=1, boundary="nearest").map_blocks(
            of_block, dtype=x.dtype, chunks=x.chunks)

    def computed(values):
        return dask.compute(values.sum(), values.max())

    return {
        "mean": lambda x: dask.compute(x.mean()),
        "std": lambda x: dask.compute(x.std()),
        "row sums": lambda x: computed(x.sum(axis=1)),
        "x.T @ x": lambda x: computed(x.T @ x),
        "x @ y": lambda x, y: computed(x @ y),
        "rechunk": lambda x: computed(da.cumsum(x.rechunk((size, size // 25)), axis=0)),
        "stencil": lambda x: computed(stencil(x)),
        # What is exact: its percentile is of one axis, and near.
        "quantile": lambda x: dask.compute(da.median(x, axis=(0, 1))),
        "fft": lambda x: computed(da.absolute(da.fft.fft(x.rechunk({0: -1}), axis=0))),
        "qr": lambda tall: computed(da.absolute(da.linalg.qr(tall)[0])),
    }


def numpy_array(name, size, data):
    import numpy

    if data:
        import zarr

        return zarr.open_array(str(data / f"{name}.zarr"), mode="r")[...]
    return numpy.random.default_rng(SEEDS[name]).random(shapes(size)[name][0])


def dask_array(name, size, data):
    import dask.array

    if data:
        return dask.array.from_zarr(str(data / f"{name}.zarr"))
    shape, chunks = shapes(size)[name]
    return dask.array.random.default_rng(SEEDS[name]).random(shape, chunks=chunks)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", choices=["numpy", "dask"], required=True)
    parser.add_argument("--row", required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--data", type=pathlib.Path, help="folder of Zarr files; without it numbers are drawn")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    # Before NumPy is imported. Dask's threads are those that multiply; NumPy's are the library's.
    within = options.threads if options.engine == "numpy" else 1
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(within)
    if options.engine == "numpy":
        import numpy as engine

        rows, array = numpy_rows(options.size), numpy_array
    else:
        import dask as engine

        engine.config.set(scheduler="threads", num_workers=options.threads)
        rows, array = dask_rows(options.size), dask_array
    if options.data:
        # That importing it is no part of loading.
        import zarr  # noqa: F401
    print(f"version\t{engine.__version__}", flush=True)
    row = rows[options.row]
    names = row.__code__.co_varnames[:row.__code__.co_argcount]
    start = time.perf_counter()
    arrays = [array(name, options.size, options.data) for name in names]
    loading = time.perf_counter() - start
    best = None
    for _ in range(options.runs):
        start = time.perf_counter()
        answer = row(*arrays)
        seconds = time.perf_counter() - start
        best = seconds if best is None else min(best, seconds)
    print(f"seconds\t{best:.6f}\nloading\t{loading:.6f}")
    print(f"peak\t{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}")
    print("answer\t" + "\t".join(repr(float(number)) for number in answer))


if __name__ == "__main__":
    main()

"""Compares what the crate has computed with what NumPy computes.

`numpy_oracle.py write DIRECTORY` has zarr-python write arrays, for the crate to read. Then the example `numpy`
writes its cases into the same directory. `numpy_oracle.py compare DIRECTORY` prints each case that differs,
in its elements, their type or the shape, then the numbers of those that agree and that do not.
"""

import json
import sys
import warnings
from pathlib import Path

import h5py
import numpy as np
import zarr
from zarr import codecs


def single(function, *arrays):
    expected = function(*arrays)
    return function(*(a.astype("f4") for a in arrays)) if expected.dtype == np.float16 else expected


def bits(a):
    return a.astype("i1") if a.dtype == bool else a


def numbers(a):
    return a.astype(float) if a.dtype == bool else a


def reciprocal(a):
    expected = np.reciprocal(a)
    return expected if a.dtype.kind in "fc" else np.where(a == 0, expected.dtype.type(0), expected)


def double(a):
    return a.astype(float) if a.dtype == np.float32 else a


def weighted(a, weights, length):
    return np.bincount(a, weights, minlength=length) if a.size else np.zeros(length)


def norm(a, order, axis, keepdims):
    dtype = np.linalg.norm(np.zeros(1, a.dtype), order).dtype
    a = np.abs(a if a.dtype.kind == "c" else a.astype(float)).astype(float)
    if order == np.inf:
        return np.max(a, axis=axis, keepdims=keepdims, initial=0.0).astype(dtype)
    return (np.sum(a ** order, axis=axis, keepdims=keepdims) ** (1 / order)).astype(dtype)


# Where results are not NumPy's on purpose, or NumPy has none: what cases expect instead, and why. Nothing else
# may differ, in the type either.
DIFFERENCES = {
    single: "arrays have no float16, which NumPy makes of elements of 8 bits: float32 takes its place",
    bits: "booleans are whole numbers: NumPy refuses their negative and sign, and rounds them to float16",
    numbers: "booleans are numbers: NumPy refuses their quantiles and gradients",
    reciprocal: "that of a whole 0 is 0: NumPy has whatever the processor makes of infinity",
    double: "limits of histograms are float64: NumPy's are float32 of float32, and counts follow their rounding",
    weighted: "sums of weights are float64: NumPy's are int64 if there are none to add",
    norm: "that of all elements along any axes, as of one vector: NumPy's are of one axis, or of matrices",
}


def differs(result, expected, tolerance):
    """What is wrong with a result, or None."""
    expected = np.asarray(expected)
    if result.shape != expected.shape:
        return f"shape {result.shape}, not {expected.shape}"
    if result.dtype != expected.dtype:
        return f"type {result.dtype}, not {expected.dtype}"
    if result.dtype.kind not in "fc":
        return None if np.array_equal(result, expected) else "other elements"
    finite = np.isfinite(expected)
    same = np.where(finite, True, (result == expected) | (np.isnan(result) & np.isnan(expected)))
    if not same.all():
        return "other infinities or NaNs"
    if not finite.any():
        return None
    scale = max(np.abs(expected[finite]).max(), 1.0)
    error = np.abs(result[finite].astype(complex) - expected[finite].astype(complex)).max()
    most = tolerance * np.finfo(result.dtype).eps * scale
    return None if error <= most else f"differs by {error}, more than {most}"


def zarr_arrays():
    """Arrays by zarr-python: shape, type and how each is written."""
    blosc = [zarr.codecs.BloscCodec(cname=name, shuffle=shuffle)
             for name in ("lz4", "zstd", "zlib", "lz4hc", "blosclz") for shuffle in ("shuffle", "bitshuffle", "noshuffle")]
    yield (23, 17), "float64", {}
    yield (23, 17), "int32", {"compressors": codecs.GzipCodec(level=6)}
    yield (7, 5, 9), "uint16", {"compressors": None}
    yield (40,), "float32", {"serializer": codecs.BytesCodec(endian="big")}
    yield (20, 30), "complex128", {"dimension_names": ["down", "across"]}
    yield (20, 30), "int64", {"filters": [codecs.TransposeCodec(order=(1, 0))]}
    yield (33, 30), "float64", {"chunks": (4, 5), "shards": (12, 10)}
    yield (64, 10), "bool", {"chunks": (8, 5), "shards": (16, 10), "fill_value": True}
    yield (12, 11), "float64", {"fill_value": np.nan}
    yield (12, 11), "int16", {"fill_value": -3, "chunk_key_encoding": {"name": "v2", "separator": "."}}
    yield (), "float64", {}
    for codec in blosc:
        yield (130, 90), "float64", {"chunks": (100, 64), "compressors": codec}
    yield (130, 91), "int16", {"chunks": (100, 64), "compressors": blosc[1]}
    import numcodecs
    old = {"zarr_format": 2}
    yield (31, 12), "float64", old
    yield (31, 12), ">i4", {**old, "order": "F"}
    yield (31, 12), "uint8", {**old, "compressors": numcodecs.Zlib(), "fill_value": 7}
    yield (31, 12), "complex64", {**old, "compressors": numcodecs.GZip()}
    yield (31, 12), "float32", {**old, "compressors": numcodecs.LZ4()}
    yield (31, 12), "float32", {**old, "compressors": None, "chunk_key_encoding": {"name": "v2", "separator": "/"}}
    for name in ("lz4", "zstd", "zlib", "blosclz"):
        yield (310, 120), "float64", {**old, "chunks": (200, 77), "compressors": numcodecs.Blosc(name)}
        # Few numbers, again and again: long repeats, near and far.
        yield (900, 900), "int16", {**old, "chunks": (900, 450), "compressors": numcodecs.Blosc(name, clevel=9)}


def write(directory):
    directory.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(1)
    for number, (shape, dtype, options) in enumerate(zarr_arrays()):
        values = (random.normal(size=shape) * 60).astype(dtype)
        if shape == (900, 900):
            values = np.repeat(values[:, ::30] // 40, 30, axis=1)[np.arange(900) % 35]
        if np.dtype(dtype).kind == "c":
            values = values + 1j * values[::-1]
        path = str(directory / f"z{number}.zarr")
        chunks = tuple(max(1, length // 3) for length in shape)
        array = zarr.create_array(path, shape=shape, dtype=dtype, **{"chunks": chunks, **options})
        if "fill_value" in options:
            # The first row of chunks only: the others are not there.
            array[:array.chunks[0]] = values[:array.chunks[0]]
        else:
            array[...] = values
        np.save(directory / f"z{number}.npy", array[...])
    write_groups(directory, random)
    write_npy(directory, random)
    write_stacks(directory, random)
    write_hdf5(directory, random)
    return 0


def write_groups(directory, random):
    """The same group in both versions, with and without the metadata of all in one place."""
    a, b = random.normal(size=(9, 8)), random.integers(-9, 9, size=7)
    np.save(directory / "ga.npy", a)
    np.save(directory / "gb.npy", b)
    for number, (version, is_consolidated) in enumerate([(3, False), (3, True), (2, False), (2, True)]):
        path = str(directory / f"g{number}.zarr")
        group = zarr.open_group(path, mode="w", zarr_format=version)
        group.create_array("a", data=a, chunks=(4, 3))
        group.create_group("inner").create_array("b", data=b, chunks=(3,))
        if is_consolidated:
            zarr.consolidate_metadata(path)


def npy_arrays(random):
    """Arrays whose files differ: types, orders of bytes and of axes, shapes."""
    for dtype in ("bool", "i1", "<i2", ">i4", "i8", "u1", ">u2", "u4", "u8", "<f4", ">f8", "c8", ">c16"):
        for order in "CF":
            shape = tuple(random.integers(0, 9, size=random.integers(0, 5)))
            values = (random.normal(size=shape) * 60)
            yield np.asarray(values > 0 if dtype == "bool" else np.abs(values).astype(dtype), order=order)
    yield np.asfortranarray(random.normal(size=(300, 200)))
    yield np.arange(3e5).reshape(3, 100_000)


def write_npy(directory, random):
    arrays = {f"n{number}": array for number, array in enumerate(npy_arrays(random))}
    for name, array in arrays.items():
        np.save(directory / f"{name}.npy", array)
    np.savez(directory / "stored.npz", **arrays)
    np.savez_compressed(directory / "deflated.npz", **arrays)


def write_stacks(directory, random):
    """As Dask's to_npy_stack writes them, axis 0, 1 and 2."""
    for axis in range(3):
        array = random.normal(size=(6, 7, 8)).astype("f4")
        np.save(directory / f"s{axis}.npy", array)
        stack = directory / f"s{axis}.stack"
        stack.mkdir()
        for number, part in enumerate(np.array_split(array, 12 if axis == 0 else 4, axis=axis)):
            np.save(stack / f"{number}.npy", part)
        (stack / "info").write_bytes(b"not read")


def hdf5_arrays(random):
    """Datasets: path, elements, how they are stored."""
    types = ["bool", "i1", "<i2", ">i4", "i8", "u1", ">u2", "u4", ">u8", "<f4", ">f4", "f8", ">f8", "c8", ">c16"]
    for number, dtype in enumerate(types):
        for kind in range(6):
            shape = tuple(int(length) for length in random.integers(1, 9, size=random.integers(1 if kind else 0, 5)))
            values = random.normal(size=shape) * 60
            values = np.asarray(values > 0 if dtype == "bool" else np.abs(values).astype(dtype))
            chunks = tuple(int(random.integers(1, length + 1)) for length in shape)
            options = [{}, {"chunks": chunks}, {"chunks": chunks, "compression": "gzip"},
                       {"chunks": chunks, "compression": "gzip", "compression_opts": 9, "shuffle": True},
                       {"chunks": chunks, "shuffle": True, "fletcher32": True},
                       {"chunks": chunks, "maxshape": (None,) * len(shape)}][kind]
            path = f"{('', 'inner/', 'inner/deep/')[number % 3]}{number}_{kind}"
            yield path, values, options
    yield "empty", np.zeros((0, 4)), {}
    yield "large", random.normal(size=(700, 300)), {"chunks": (64, 32), "compression": "gzip", "shuffle": True}
    yield "long", np.arange(200_000), {"maxshape": (None,), "chunks": (100,)}
    yield "wide", np.arange(60_000).reshape(200, 300), {"maxshape": (None, None), "chunks": (10, 7)}
    yield "rows", np.arange(60_000.0).reshape(300, 200), {}


def write_hdf5(directory, random):
    """The same kinds of datasets in files of old and new versions of the format."""
    for number, version in enumerate(["earliest", "v108", "v110", "latest"]):
        with h5py.File(directory / f"h{number}.h5", "w", libver=version, userblock_size=512 * (number % 2)) as file:
            for path, values, options in hdf5_arrays(random):
                file.create_dataset(path, data=values, **options)
                np.save(directory / f"h{number}_{path.replace('/', '_')}.npy", values)
            # Of these some chunks are nowhere stored, and one has grown.
            for fill in (0.0, -7.5):
                sparse = file.create_dataset(f"sparse{fill}", (30, 20), "f8", chunks=(7, 6), fillvalue=fill,
                                             maxshape=(None, 20))
                sparse[3:9, 4:8] = 1.5
                sparse.resize((40, 20))
                np.save(directory / f"h{number}_sparse{fill}.npy", sparse[...])


def load(path):
    if path.suffix == ".zarr":
        return zarr.open_array(str(path), mode="r")[...]
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            assert arrays.files == ["arr_0"] and arrays.zip.testzip() is None
            return arrays["arr_0"]
    return np.load(path)


def compare(directory):
    known = {"np": np, **{function.__name__: function for function in DIFFERENCES}}
    failed = passed = 0
    for line in (directory / "cases.jsonl").read_text().splitlines():
        case = json.loads(line)
        names = {f"a{i}": load(directory / name) for i, name in enumerate(case["inputs"])}
        result = load(directory / case["result"])
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                expected = eval(case["expression"], known, names)
                wrong = differs(result, expected, case["tolerance"])
            except Exception as error:
                wrong = f"NumPy refuses: {error}"
        if wrong:
            shapes = ", ".join(f"{a.dtype}{a.shape}" for a in names.values())
            print(f"FAILED  case {case['case']}: {case['expression']} of {shapes}: {wrong}")
            failed += 1
        else:
            passed += 1
    verdict = "FAILED" if failed else "ok"
    print(f"test result: {verdict}. {passed} passed; {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit({"write": write, "compare": compare}[sys.argv[1]](Path(sys.argv[2])))

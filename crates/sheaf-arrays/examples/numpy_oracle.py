"""Compares what the crate has computed with what NumPy computes: `numpy_oracle.py DIRECTORY`.

The directory is one that the example `numpy` has written. Prints each case that differs, then the numbers of
those that agree and that do not.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np


def norm(a, order, axis, keepdims):
    """The norm of all elements along the axes, as those of a vector."""
    a = np.abs(a.astype(float) if a.dtype.kind not in "fc" else a)
    if order == np.inf:
        return np.max(a, axis=axis, keepdims=keepdims, initial=0.0)
    if a.dtype == np.float32:
        a = a.astype(float)
    return np.sum(a ** order, axis=axis, keepdims=keepdims) ** (1 / order)


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


def main(directory):
    failed = passed = 0
    for line in (directory / "cases.jsonl").read_text().splitlines():
        case = json.loads(line)
        names = {f"a{i}": np.load(directory / name) for i, name in enumerate(case["inputs"])}
        result = np.load(directory / case["result"])
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                expected = eval(case["expression"], {"np": np, "norm": norm, "result": result}, names)
                wrong = differs(result, expected, case["tolerance"])
            except Exception as error:
                wrong = f"NumPy refuses: {error}"
        if wrong:
            shapes = ", ".join(f"{a.dtype}{a.shape}" for a in names.values())
            print(f"case {case['case']}: {case['expression']} of {shapes}: {wrong}")
            failed += 1
        else:
            passed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

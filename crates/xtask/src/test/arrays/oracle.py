"""Runs random calls of array functions through the program `sheaf`, and the same through NumPy.

`oracle.py SHEAF DIRECTORY [SEED [SHARE [GROUPS]]]`: SHARE multiplies the number of cases; GROUPS are the names of
some, with commas, for a closer look. Each case runs twice, with its inputs in different chunks: the first result is
written as an npy file, the second read as rows. Inputs stay in DIRECTORY, so that the SQL of a failed case can be run.
"""

import math
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np

from draw import Draw, listed
from groups import GROUPS
from results import array_of_cells, columns_of, difference, row_difference
from session import Statement, run

# Draws of one case before NumPy's refusals are given up on.
DRAWS_MAX = 20


class Variant:
    """A case with its inputs in some chunks, what is asked, and what came back."""

    def __init__(self, name, group, case, inputs, as_file):
        self.name, self.case, self.as_file = name, case, as_file
        self.call = case.call
        for place, text in enumerate(inputs):
            self.call = self.call.replace(f"{{{place}}}", text)
        if case.is_query:
            self.asks = [self.call]
        elif as_file:
            self.asks = [f"COPY (FROM {self.call}) TO '{as_file}' (FORMAT npy)"]
        else:
            self.asks = [f"SELECT shape, dtype FROM array_info({self.call})", f"FROM array_to_cells({self.call})"]
        self.statements = [Statement(group, sql) for sql in self.asks]

    def wrong(self):
        """What is wrong with the answers, or None."""
        case = self.case
        for statement in self.statements:
            if statement.error:
                return statement.error
        answers = [statement.rows for statement in self.statements]
        if case.is_query:
            return row_difference(columns_of(answers[0]), case.expected, case.tolerance)
        if self.as_file:
            result = np.load(self.as_file)
        else:
            result = array_of_cells(*answers)
            if isinstance(result, str):
                return result
        return difference(result, case.expected, case.tolerance)


def drawn(group, make, seed, number):
    """The case of this number: NumPy's word for it that there is one."""
    draw = Draw([seed, zlib.crc32(group.encode())], number)
    for _ in range(DRAWS_MAX):
        try:
            case = make(draw)
        except (ValueError, TypeError, OverflowError, np.linalg.LinAlgError):
            case = None
        if case is not None:
            return draw, case
    return draw, None


def inputs_of(draw, case, paths):
    """The inputs as SQL, in chunks drawn anew."""
    texts = []
    for array, path in zip(case.inputs, paths):
        chunks = listed(draw.chunks(array.shape))
        texts.append(draw.choose([
            f"read_npy('{path}', chunks => {chunks})",
            f"read_npy('{path}', chunks => {chunks})",
            f"array_rechunk(read_npy('{path}'), {chunks})",
        ]) if array.ndim else f"read_npy('{path}')")
    return texts


def variants(directory, seed, share, only):
    for group, count, make in GROUPS:
        if only and group not in only.split(","):
            continue
        for number in range(math.ceil(count * share)):
            draw, case = drawn(group, make, seed, number)
            if case is None:
                continue
            name = f"{group.replace(' ', '_')}_{number}"
            paths = []
            for place, array in enumerate(case.inputs):
                paths.append(directory / f"{name}_{place}.npy")
                np.save(paths[-1], array)
            file = directory / f"{name}_result.npy"
            file.unlink(missing_ok=True)
            for as_file in (file, None):
                yield Variant(name, group, case, inputs_of(draw, case, paths), as_file)


def shown(variant, wrong):
    types = ", ".join(f"{array.dtype}{array.shape}" for array in variant.case.inputs)
    lines = [f"{variant.name}: {wrong}", f"    of {types}"] if types else [f"{variant.name}: {wrong}"]
    return "\n".join(lines + [f"    {ask};" for ask in variant.asks])


def main(sheaf, directory, seed="1", share="1", only=None):
    np.seterr(all="ignore")
    # What NumPy remarks on (no elements, NaN alone) is compared.
    warnings.simplefilter("ignore")
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    todo = list(variants(directory, int(seed), float(share), only))
    run(sheaf, directory, [statement for variant in todo for statement in variant.statements])
    failed = 0
    for variant in todo:
        try:
            wrong = variant.wrong()
        except (OSError, ValueError, IndexError) as error:
            wrong = f"no such answer: {error}"
        if wrong:
            failed += 1
            print("FAILED ", shown(variant, wrong), flush=True)
    verdict = "FAILED" if failed else "ok"
    print(f"test result: {verdict}. {len(todo) - failed} passed; {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

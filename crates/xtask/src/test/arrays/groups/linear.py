"""Products of matrices, factors, systems of equations."""

import numpy as np

from draw import COMPLEX, INEXACT, NUMBERS, Case, listed


def products(draw):
    dtype = draw.choose(NUMBERS)
    left = draw.shape(1, 3)
    inner, columns = left[-1], draw.below(14)
    kind = draw.below(4)
    right = (inner, columns)
    if kind == 0:
        right = (inner,)
    elif kind == 1 and len(left) == 3:
        right = (left[0], inner, columns)
    # What becomes of complex infinities is the library's affair.
    has_nan = False if dtype in COMPLEX else None
    a = draw.array(left, dtype, has_nan)
    b = draw.array(right, draw.choose([dtype, dtype, "float64"]), has_nan)
    return Case("array_matmul({0}, {1})", [a, b], np.matmul(a, b), 4000)


def symmetric(draw):
    a = draw.any(2, 2, INEXACT, has_nan=False)
    if draw.happens(2):
        return Case("array_matmul(array_transpose({0}), {0})", [a], a.T @ a, 4000)
    return Case("array_matmul({0}, array_transpose({0}))", [a], a @ a.T, 4000)


def contractions(draw):
    dtype = draw.choose(INEXACT + ["int64"])
    i, j, k, l, m = (draw.between(1, 6) for _ in range(5))
    lengths = {"i": i, "j": j, "k": k, "l": l, "m": m}

    def array(axes):
        return draw.array([lengths[axis] for axis in axes], dtype, has_nan=False)

    kind = draw.below(4)
    if kind == 0:
        a, b = array(draw.choose(["ij", "i", "ijk"])), array(draw.choose(["k", "kl"]))
        return Case("array_outer({0}, {1})", [a, b], np.outer(a, b), 64)
    if kind == 1:
        left, right = draw.choose([("i", "i"), ("ij", "j"), ("ij", "jk"), ("ijk", "lkm"), ("ijk", "k")])
        a, b = array(left), array(right)
        return Case("array_dot({0}, {1})", [a, b], np.asarray(np.dot(a, b)), 4000)
    if kind == 2:
        a, b = array("ijk"), array("kjl")
        axes = draw.choose([([2, 1], [0, 1]), ([2], [0]), ([-2], [1])])
        call = f"array_tensordot({{0}}, {{1}}, a_axes => {listed(axes[0])}, b_axes => {listed(axes[1])})"
        return Case(call, [a, b], np.tensordot(a, b, axes=axes), 4000)
    subscripts = draw.choose(["ij,jk->ik", "ij,jk", "ii", "ii->i", "ijk,kjl,ii->il", "ijk,ijm->kijm", "kij", "ij->ji",
                              "i,i->", "ij,ij,ii->i", "ij->", "ijk->j"])
    lengths["j"] = lengths["j"] if "jj" not in subscripts else i
    operands = [array(axes) for axes in subscripts.split("->")[0].split(",")]
    places = ", ".join(f"{{{place}}}" for place in range(len(operands)))
    expected = np.asarray(np.einsum(subscripts, *operands))
    return Case(f"array_einsum('{subscripts}', {places})", operands, expected, 4000)


def diagonals(draw):
    a = draw.any(2, 3, NUMBERS)
    offset = draw.between(-6, 6)
    if draw.happens(2):
        return Case(f"array_trace({{0}}, {offset})", [a], np.asarray(np.trace(a, offset)), 4000)
    first, second = draw.choose([(0, 1), (1, 0)] if a.ndim == 2 else [(0, 1), (2, 0), (-1, -2)])
    call = f"array_diagonal({{0}}, {offset}, axis1 => {first}, axis2 => {second})"
    return Case(call, [a], np.diagonal(a, offset, first, second))


def factors(draw):
    """Signs and turns of factors are free: what is compared is what they must make, and what is not free."""
    rows, columns = draw.between(1, 40), draw.between(1, 8)
    shape = (columns, rows) if draw.happens(4) else (rows, columns)
    a = draw.array(shape, draw.choose(INEXACT), has_nan=False)
    eye = np.eye(min(shape), dtype=a.dtype)
    qr = "array_qr({0}, part => '%s')"
    svd = "array_svd({0}, part => '%s')"
    unit = "array_matmul(array_transpose(array_conj(%s)), %s)"
    call, expected = draw.choose([
        (f"array_matmul({qr % 'q'}, {qr % 'r'})", a),
        (unit % (qr % "q", qr % "q"), eye),
        (f"array_abs({qr % 'r'})", np.abs(np.linalg.qr(a)[1])),
        (f"array_matmul(array_multiply({svd % 'u'}, {svd % 's'}), {svd % 'vt'})", a),
        (svd % "s", np.linalg.svd(a, compute_uv=False)),
        (unit % (svd % "u", svd % "u"), eye),
    ])
    return Case(call, [a], expected, 20000)


def compressed(draw):
    rows, columns, rank = draw.between(8, 30), draw.between(6, 12), draw.between(1, 3)
    dtype = draw.choose(["float64", "complex128"])
    a = draw.array((rows, rank), dtype, has_nan=False) @ draw.array((rank, columns), dtype, has_nan=False)
    part = "array_svd_compressed({0}, %d, part => '%%s', seed => %d)" % (rank, draw.below(100))
    call = f"array_matmul(array_multiply({part % 'u'}, {part % 's'}), {part % 'vt'})"
    return Case(call, [a], a, 1e6)


def systems(draw):
    dtype, side = draw.choose(INEXACT), draw.between(1, 24)
    a = draw.array((side, side), dtype, has_nan=False)
    # Far from singular, so that rounding does not decide.
    a = (a + np.eye(side) * side * 8).astype(dtype)
    columns = (draw.between(1, 4),) if draw.happens(2) else ()
    # The result has the type of both.
    right = draw.choose([dtype, dtype, draw.choose(INEXACT)])
    b = draw.array((side, *columns), right, has_nan=False)
    kind = draw.below(4)
    if kind == 0:
        return Case("array_solve({0}, {1})", [a, b], np.linalg.solve(a, b), 1e5)
    if kind == 1:
        return Case("array_inverse({0})", [a], np.linalg.inv(a), 1e5)
    if kind == 2:
        square = a @ a.conj().T
        return Case("array_cholesky({0})", [square], np.linalg.cholesky(square), 1e4)
    a = draw.array((side + draw.below(20), 1 + side // 8), dtype, has_nan=False)
    b = draw.array((a.shape[0], *columns), right, has_nan=False)
    if np.linalg.matrix_rank(a) < a.shape[1] or np.linalg.cond(a) > 50:
        return None
    return Case("array_lstsq({0}, {1})", [a, b], np.linalg.lstsq(a, b, rcond=None)[0], 1e6)


GROUPS = [
    ("matmul", 30, products),
    ("symmetric", 12, symmetric),
    ("contraction", 40, contractions),
    ("diagonal", 16, diagonals),
    ("factor", 24, factors),
    ("compressed", 5, compressed),
    ("system", 20, systems),
]

"""The same elements in another arrangement."""

import numpy as np

from draw import ALL, REAL, Case, listed


def slices(draw):
    a = draw.any(1, 4, ALL)
    texts, parts = [], []
    for length in a.shape:
        if length and draw.happens(5):
            at = draw.between(-length, length - 1)
            texts.append(str(at))
            parts.append(at)
            continue
        bounds = [None if draw.happens(3) else draw.between(-length - 2, length + 2) for _ in range(2)]
        step = draw.choose([None, 1, 2, 3, 7, -1, -2, -5])
        shown = ["" if bound is None else str(bound) for bound in bounds]
        texts.append(":".join(shown) + ("" if step is None else f":{step}"))
        parts.append(slice(*bounds, step))
    keep = draw.between(1, len(parts))
    return Case(f"array_slice({{0}}, '{', '.join(texts[:keep])}')", [a], a[tuple(parts[:keep])])


def axes(draw):
    a = draw.any(1, 4, ALL)
    if draw.happens(3):
        source, destination = draw.axis(a), draw.axis(a)
        return Case(f"array_move_axis({{0}}, {source}, {destination})", [a], np.moveaxis(a, source, destination))
    if draw.happens(3):
        return Case("array_transpose({0})", [a], a.T)
    order = [int(axis) for axis in draw.random.permutation(a.ndim)]
    return Case(f"array_transpose({{0}}, axes => {listed(order)})", [a], np.transpose(a, order))


def shapes(draw):
    a = draw.any(0, 4, ALL)
    kind = draw.below(5)
    if kind == 0:
        place = draw.between(-a.ndim - 1, a.ndim)
        return Case(f"array_expand_dims({{0}}, {listed([place])})", [a], np.expand_dims(a, place))
    if kind == 1:
        ones = [axis for axis, length in enumerate(a.shape) if length == 1]
        if ones and draw.happens(2):
            return Case(f"array_squeeze({{0}}, axis => {listed(ones[:1])})", [a], np.squeeze(a, ones[0]))
        return Case("array_squeeze({0})", [a], np.squeeze(a))
    if kind == 2:
        shape = [draw.between(1, 5) if length == 1 else length for length in a.shape]
        shape = [draw.between(1, 3) for _ in range(draw.below(2))] + shape
        return Case(f"array_broadcast_to({{0}}, shape => {listed(shape)})", [a], np.broadcast_to(a, shape))
    if kind == 3:
        return Case("array_ravel({0})", [a], np.ravel(a))
    left, shape = a.size, []
    for _ in range(draw.below(3)):
        own = draw.choose([d for d in range(1, left + 1) if left % d == 0]) if left else 2
        left //= own
        shape.append(own)
    shape.append(-1 if left and draw.happens(2) else left)
    return Case(f"array_reshape({{0}}, {listed(shape)})", [a], np.reshape(a, shape))


def rechunks(draw):
    a = draw.any(1, 4, ALL)
    first, second = draw.chunks(a.shape), draw.chunks(a.shape)
    return Case(f"array_rechunk(array_rechunk({{0}}, {listed(first)}), chunks => {listed(second)})", [a], a)


def takes(draw):
    a = draw.any(1, 3, ALL)
    axis = draw.axis(a)
    length = a.shape[axis]
    places = [draw.between(-length, length - 1) for _ in range(draw.between(1, 12))] if length else []
    expected = np.take(a, np.array(places, dtype=int), axis=axis)
    return Case(f"array_take({{0}}, {listed(places)}, axis => {axis})", [a], expected)


def borders(draw):
    a = draw.any(1, 3, REAL)
    modes = [("constant", "constant"), ("nearest", "edge"), ("reflect", "reflect"), ("symmetric", "symmetric"),
             ("periodic", "wrap")]
    mode, name = draw.choose(modes)
    before, after = draw.below(7), draw.below(7)
    options = {}
    text = f"[{before}, {after}]"
    if draw.happens(2):
        text, after = str(before), before
    widths = [(before, after)] * a.ndim
    if draw.happens(2):
        axis = draw.axis(a)
        widths = [(before, after) if i == axis % a.ndim else (0, 0) for i in range(a.ndim)]
        text += f", axis => {axis}"
    if mode != "constant" and a.size == 0:
        return None
    text += f", mode => '{mode}'"
    if mode == "constant" and draw.happens(2):
        value = 1 if a.dtype.kind != "b" else True
        text += f", value => {value}"
        options = {"constant_values": value}
    return Case(f"array_pad({{0}}, width => {text})", [a], np.pad(a, widths, name, **options))


def turns(draw):
    a = draw.any(1, 4, ALL)
    axis = draw.axis(a)
    if draw.happens(2):
        shift = draw.between(-30, 30)
        return Case(f"array_roll({{0}}, {shift}, axis => {axis})", [a], np.roll(a, shift, axis))
    if draw.happens(3):
        return Case("array_flip({0})", [a], np.flip(a))
    return Case(f"array_flip({{0}}, axis => {listed([axis])})", [a], np.flip(a, axis))


def joined(draw):
    a = draw.any(1, 3, ALL)
    axis, shape = draw.axis(a), list(a.shape)
    if draw.happens(2):
        b = draw.array(shape, draw.choose(ALL))
        axis = draw.between(-a.ndim - 1, a.ndim)
        return Case(f"array_stack({{0}}, {{1}}, {{0}}, axis => {axis})", [a, b], np.stack([a, b, a], axis))
    shape[axis] = draw.below(9)
    b = draw.array(shape, draw.choose(ALL))
    return Case(f"array_concat({{0}}, {{1}}, {{0}}, axis => {axis})", [a, b], np.concatenate([a, b, a], axis))


GROUPS = [
    ("slice", 30, slices),
    ("axes", 12, axes),
    ("shape", 25, shapes),
    ("rechunk", 10, rechunks),
    ("take", 10, takes),
    ("pad", 20, borders),
    ("turn", 14, turns),
    ("join", 16, joined),
]

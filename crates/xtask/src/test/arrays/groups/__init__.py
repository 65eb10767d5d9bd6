"""The groups of operations: name, share of the cases, and what draws one (None if NumPy has no such thing)."""

from . import elements, layout, linear, reductions, rows, statistics, windows

GROUPS = [
    *layout.GROUPS,
    *elements.GROUPS,
    *reductions.GROUPS,
    *statistics.GROUPS,
    *linear.GROUPS,
    *windows.GROUPS,
    *rows.GROUPS,
]

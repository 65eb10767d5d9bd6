"""What is not yet as in PostgreSQL: each fault, and the cases that wait for its end.

A case that waits and passes fails the run: it is to be taken off this list.
"""

WAITS: dict[str, list[str]] = {
    "json is a VARIANT, which has one normal form, not the text that was typed": [
        "libpq simple: json",
        "libpq text: json",
        "libpq binary: json",
        "random values both ways: json",
    ],
    "the elements of an array have one scale": [
        "random values both ways: numeric[]",
    ],
}

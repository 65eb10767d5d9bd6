"""What is not yet as in PostgreSQL: each fault, and the cases that wait for its end.

A case that waits and passes fails the run: it is to be taken off this list.
"""

WAITS: dict[str, list[str]] = {}

"""What functions may import of Sheaf: how one that waits is called.

    import sheaf

    @sheaf.function(concurrency=8, retries=2, timeout=5)
    async def fetch(url): ...
"""

# Rows that run at once, where a function does not say.
CONCURRENCY = 32
# Rows that may run at once.
CONCURRENCY_MAX = 10_000


class Options:
    """What `function` says of a function."""

    def __init__(self, concurrency=CONCURRENCY, retries=0, timeout=None):
        if not isinstance(concurrency, int) or not 1 <= concurrency <= CONCURRENCY_MAX:
            raise ValueError(f"concurrency must be a whole number from 1 to {CONCURRENCY_MAX}")
        if not isinstance(retries, int) or retries < 0:
            raise ValueError("retries must be a whole number of at least 0")
        if timeout is not None and not timeout > 0:
            raise ValueError("timeout must be a number of seconds above 0")
        self.concurrency = concurrency
        self.retries = retries
        self.timeout = timeout


def function(**options):
    """A decorator that says how an `async def` is called: `concurrency` rows at once, each tried again
    `retries` times when it raises, each attempt given up after `timeout` seconds."""
    made = Options(**options)

    def mark(target):
        target.__sheaf_options__ = made
        return target

    return mark

"""Functions that wait (`async def`): rows of a batch run at once on one loop, as many as is said."""

import asyncio

from sheaf import Options
from sheaf_worker.faults import Fault

# The wait before the first retry in seconds; each later one waits twice as long.
BACKOFF_SECONDS = 0.1
# And no longer than this.
BACKOFF_SECONDS_MAX = 30.0


def options_of(target):
    return getattr(target, "__sheaf_options__", None) or Options()


async def attempt(target, arguments):
    """The result of one row, tried as often as the function says."""
    options = options_of(target)
    for left in range(options.retries, -1, -1):
        try:
            async with limit_of(target):
                return await asyncio.wait_for(target(*arguments), options.timeout)
        except asyncio.TimeoutError:
            if left == 0:
                if options.timeout is None:
                    raise
                raise Fault(f"it took longer than its timeout of {options.timeout} s") from None
        except Exception:
            if left == 0:
                raise
        tried = options.retries - left
        await asyncio.sleep(min(BACKOFF_SECONDS * 2**tried, BACKOFF_SECONDS_MAX))


# How many rows of each function run; of the running batch.
_limits = {}


def limit_of(target):
    if target not in _limits:
        _limits[target] = asyncio.Semaphore(options_of(target).concurrency)
    return _limits[target]


def each_row(target, columns, rows):
    """The results for all rows, in their order."""
    return run_rows(lambda arguments: attempt(target, arguments), columns, rows, options_of(target).concurrency)


def run_rows(start, columns, rows, concurrency):
    """Runs `start` for every row, at most `concurrency` rows at once; the first that fails ends the
    others."""
    from sheaf_worker.scalar import RowError

    results = [None] * rows
    arguments = zip(*columns) if columns else ((),) * rows
    waiting = iter(enumerate(arguments))

    async def lane():
        for row, values in waiting:
            try:
                results[row] = await start(values)
            except (Exception, SystemExit, KeyboardInterrupt) as error:
                raise RowError(row, error) from error

    async def all_lanes():
        _limits.clear()
        lanes = [asyncio.ensure_future(lane()) for _ in range(min(concurrency, rows))]
        try:
            await asyncio.gather(*lanes)
        finally:
            for one in lanes:
                one.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)

    the_loop().run_until_complete(all_lanes())
    return results


_loop = None


def the_loop():
    """The worker's loop: functions keep connections in it from one batch to the next."""
    global _loop
    if _loop is None or _loop.is_closed():
        _loop = asyncio.new_event_loop()
        asyncio.set_event_loop(_loop)
    return _loop

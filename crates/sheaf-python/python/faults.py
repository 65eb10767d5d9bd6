"""What becomes of exceptions: a name, a message and a traceback that shows the function's lines alone."""

import traceback

# Characters of a traceback and of a message that are sent; the middle of longer ones is left out.
TRACEBACK_MAX = 8_000
MESSAGE_MAX = 1_000

# The names of the files that the worker's own program has in tracebacks.
OWN_FILES = "<sheaf worker"


class Fault(Exception):
    """Something wrong with a function that is no exception of its own: `what` says it to its author."""

    def __init__(self, what, hint=None):
        super().__init__(what)
        self.hint = hint


def describe(error, row=None):
    """`error` as it is sent. `row` counts from 0 in the batch."""
    found = {} if row is None else {"row": row}
    # Which of several functions that call each other.
    if hasattr(error, "sheaf_function"):
        found["function"] = error.sheaf_function
    if isinstance(error, Fault):
        found |= {"fault": str(error), "hint": error.hint}
        if error.__cause__ is not None:
            found["traceback"] = trace(error.__cause__)
        return found
    return found | {
        "type": type(error).__name__,
        "message": shorten(text_of(error), MESSAGE_MAX),
        "traceback": trace(error),
        "is_memory": isinstance(error, MemoryError),
    }


def trace(error):
    """The traceback from the function's first frame on."""
    shown = traceback.TracebackException.from_exception(error, limit=-50)
    chain = shown
    while chain is not None:
        own = [frame.filename.startswith(OWN_FILES) for frame in chain.stack]
        start = own.index(False) if False in own else len(own)
        chain.stack = traceback.StackSummary.from_list(chain.stack[start:])
        chain = chain.__cause__ or chain.__context__
    return shorten("".join(shown.format()).rstrip(), TRACEBACK_MAX)


def text_of(error):
    try:
        return str(error)
    except BaseException as second:
        return f"(its message cannot be read: {type(second).__name__})"


def shorten(text, limit):
    if len(text) <= limit:
        return text
    return text[: limit // 2] + "\n…\n" + text[-limit // 2 :]

"""A function's code: run once in a worker, in a module of its own."""

import linecache
import sys
import types

from sheaf_worker.faults import Fault

# Modules that are made of functions' code; states of aggregates are pickled by these names.
MODULE_PREFIX = "sheaf_function_"


def module_of(request):
    """The module that the code of `request` makes. Equal code is run once."""
    name = MODULE_PREFIX + request["hash"]
    if name in sys.modules:
        return sys.modules[name]
    file = request.get("file") or f"<function {request['name']}>"
    code = request["code"]
    # So that tracebacks show the lines of what is in no file.
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    module = types.ModuleType(name)
    module.__file__ = file
    sys.modules[name] = module
    try:
        exec(compile(code, file, "exec", dont_inherit=True), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def entry_of(request):
    """What the code has under the function's name."""
    module = module_of(request)
    found = module
    for part in request["entry"].split("."):
        found = getattr(found, part, None)
    if found is None:
        found = like(module, request["entry"])
    if found is None:
        own = [name for name, value in vars(module).items()
               if callable(value) and getattr(value, "__module__", None) == module.__name__]
        hint = "it has " + ", ".join(own) if own else None
        raise Fault(f"the code has no \"{request['entry']}\"", hint)
    if not callable(found):
        raise Fault(f"\"{request['entry']}\" in the code is a {type(found).__name__}, no function")
    return found


def like(module, entry):
    """The one thing called `entry` in other capitals: SQL writes `spread` where Python has `class Spread`."""
    names = [name for name in vars(module) if name.lower() == entry.lower()]
    return getattr(module, names[0]) if len(names) == 1 else None

# A worker of Sheaf: it runs functions in Python, and ends when Sheaf does.
#
# Sheaf holds the other end of three pipes: 0 brings requests, 1 takes replies, 2 takes what is printed.
# The first request is the program, as JSON: the sources of its modules.
import importlib, importlib.util, json, os, select, signal, struct, sys


def guard():
    """Leaves a process behind that kills this one and all that it starts as soon as Sheaf is gone,
    whatever they are doing: killed itself, Sheaf cannot tell them."""
    if os.fork() > 0:
        return
    # It keeps the requests' pipe alone, so that Sheaf sees at once when the worker ends.
    os.close(1)
    os.close(2)
    poll = select.poll()
    poll.register(0, 0)
    poll.poll()
    os.killpg(0, signal.SIGKILL)


def read(size):
    taken = b""
    while len(taken) < size:
        part = os.read(requests, size - len(taken))
        if not part:
            os._exit(0)
        taken += part
    return taken


guard()
# Nobody else gets the two ends of the protocol: functions find nothing on 0, and 1 is what 2 is.
requests, replies = os.dup(0), os.dup(1)
null = os.open(os.devnull, os.O_RDONLY)
os.dup2(null, 0)
os.close(null)
os.dup2(2, 1)
# What lies in the directory that Sheaf was started in is no module of anybody's.
sys.path[:] = [path for path in sys.path if path]



class Program:
    """Imports the modules of the worker's own program, which are in no file."""

    def __init__(self, sources):
        self.sources = sources

    def find_spec(self, name, path=None, target=None):
        if name in self.sources:
            is_package = name == "sheaf_worker"
            return importlib.util.spec_from_loader(name, self, is_package=is_package)
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__name__
        exec(compile(self.sources[name], "<sheaf worker " + name + ">", "exec"), module.__dict__)


header, body = struct.unpack("<IQ", read(12))
sys.meta_path.insert(0, Program(json.loads(read(header))["modules"]))
importlib.import_module("sheaf_worker.loop").main(requests, replies)

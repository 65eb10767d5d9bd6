"""The frame of the clients' tests: cases, and what it means that two servers agree.

A case is a function that does something with one server and gives back what a client saw: rows,
types, errors' codes. It runs against PostgreSQL and against Sheaf, and both must give the same.
Some cases state what they expect instead, where PostgreSQL has nothing like it.

A case that cannot pass yet waits, with the fault's sentence, in `waits.py`. One that waits and passes
fails the run, so that the list stays true.
"""

import time
import traceback
from dataclasses import dataclass
from typing import Any, Callable

from waits import WAITS

CASES: list["Case"] = []
# Cases that take longer are told of.
SLOW_SECONDS = 5


@dataclass
class Place:
    """A server, and how a client gets in."""

    name: str
    host: str
    port: int
    user: str
    password: str
    database: str
    sslmode: str = "disable"
    ca: str = ""

    @property
    def is_sheaf(self) -> bool:
        return self.name == "sheaf"

    def conninfo(self, **changes: str) -> str:
        """What libpq takes."""
        fields = {
            "host": self.host,
            "port": str(self.port),
            "user": self.user,
            "password": self.password,
            "dbname": self.database,
            "sslmode": self.sslmode,
            "connect_timeout": "20",
        }
        if self.ca:
            fields["sslrootcert"] = self.ca
        fields.update(changes)
        return " ".join(f"{name}={value}" for name, value in fields.items())

    def url(self, scheme: str = "postgresql") -> str:
        """The same as a URL."""
        return (
            f"{scheme}://{self.user}:{self.password}@{self.host}:{self.port}"
            f"/{self.database}?sslmode={self.sslmode}"
        )


@dataclass
class Case:
    name: str
    run: Callable[[Place], Any]
    is_secure: bool
    expected: Any


NOTHING = object()


def add(name, run, is_secure=False, expected=NOTHING):
    """Adds a case; `is_secure` runs it against servers with TLS and passwords."""
    if any(case.name == name for case in CASES):
        raise ValueError(f"two cases are called {name}")
    CASES.append(Case(name, run, is_secure, expected))


def case(name, is_secure=False, expected=NOTHING):
    """Makes a function a case."""

    def decorate(run):
        add(name, run, is_secure, expected)
        return run

    return decorate


def forget_waits(prefix: str) -> None:
    """Nobody waits under these names: the cases are not run."""
    for names in WAITS.values():
        names[:] = [name for name in names if not name.startswith(prefix)]


def seen(value: Any) -> Any:
    """A value so that equal ones compare equal, NaN too, and 1, 1.0 and True do not."""
    if isinstance(value, dict):
        return {key: seen(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [seen(item) for item in value]
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, memoryview):
        value = bytes(value)
    return f"{type(value).__name__} {value!r}"


def outcome(case_: Case, place: Place) -> tuple[str, Any]:
    try:
        return "gave", seen(case_.run(place))
    except Exception as error:  # noqa: BLE001 — whatever a client raises is what it saw
        lines = traceback.format_exception_only(error)
        return "raised", "".join(lines).strip()[:2000]


def first_difference(left: Any, right: Any, where: str = "") -> str:
    """Where two results part."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in left.keys() | right.keys():
            if left.get(key) != right.get(key):
                return first_difference(left.get(key), right.get(key), f"{where}.{key}")
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for index, (one, other) in enumerate(zip(left, right)):
            if one != other:
                return first_difference(one, other, f"{where}[{index}]")
    return f"{where or 'all'}: PostgreSQL {str(left)[:600]!r}, Sheaf {str(right)[:600]!r}"


def check(case_: Case, postgres: Place, sheaf: Place) -> str | None:
    """What is wrong; `None` if nothing is."""
    ours = outcome(case_, sheaf)
    if case_.expected is NOTHING:
        theirs = outcome(case_, postgres)
        if theirs[0] == "raised":
            return f"PostgreSQL itself fails: {theirs[1]}"
    else:
        theirs = ("gave", seen(case_.expected))
    if ours == theirs:
        return None
    if ours[0] == "raised":
        return ours[1]
    return first_difference(theirs[1], ours[1])


def run_all(cases: list[Case], places: dict[bool, tuple[Place, Place]],
            shows_faults: bool) -> tuple[int, int, int]:
    """Runs the cases; numbers of those that passed, failed and wait, whose faults it may show."""
    passed = failed = waiting = 0
    reasons = {name: reason for reason, names in WAITS.items() for name in names}
    for name in reasons.keys() - {case_.name for case_ in CASES}:
        failed += 1
        print(f"FAILED  {name}: it waits, and there is no such case", flush=True)
    for case_ in cases:
        postgres, sheaf = places[case_.is_secure]
        waits = reasons.get(case_.name)
        begun = time.monotonic()
        fault = check(case_, postgres, sheaf)
        seconds = time.monotonic() - begun
        if seconds > SLOW_SECONDS:
            print(f"slow    {case_.name}: {seconds:.1f} s", flush=True)
        if fault is None and waits is None:
            passed += 1
        elif fault is not None and waits is not None:
            waiting += 1
            print(f"waits   {case_.name}: {waits}", flush=True)
            if shows_faults:
                print(f"        {fault}", flush=True)
        elif fault is None:
            failed += 1
            print(f"FAILED  {case_.name}: it passes, and need not wait any more", flush=True)
        else:
            failed += 1
            print(f"FAILED  {case_.name}: {fault}", flush=True)
    return passed, failed, waiting

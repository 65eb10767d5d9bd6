"""psql 18, and 15 where that is the installed one, as people type."""

import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from suite import Place, add, forget_waits

# psql's own program of each version; the runner fills it in.
PROGRAMS: dict[str, Path] = {}


def shell(version: str, place: Place, *arguments: str, text: str = "", **options):
    return subprocess.run(
        [PROGRAMS[version], "-X", place.conninfo(sslmode="disable"), *arguments], input=text, capture_output=True,
        text=True, timeout=60, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PAGER": ""},
        **options)


def heard(done: subprocess.CompletedProcess, errors: bool = True) -> dict:
    """What a person sees. Of an error's words the first are the server's own; what follows is
    where, which psql works out from the position."""
    shown = {"out": WHEN.sub("", done.stdout), "code": done.returncode}
    if errors:
        shown["where"] = re.findall(r"^(?:psql:.*?)?(LINE \d+: .*|\s*\^)$", done.stderr, re.M)
        shown["states"] = re.findall(r"ERROR:  (\w{5}):", done.stderr)
    return shown


# \\watch says when it was.
WHEN = re.compile(r"^.* \d{4} \(every [0-9.]+s\)$", re.M)

SCRIPTS: list[tuple[str, str]] = [
    ("a table in a frame", "SELECT id, t, n, d, ai FROM types ORDER BY id;"),
    ("expanded", "\\x\nSELECT * FROM types ORDER BY id;"),
    ("errors with a caret", "\\set VERBOSITY verbose\nSELECT id,\n  nowhere\nFROM types;\n"
     "SELECT * FROM nowhere;\nSELECT (1;\n;\nSELECT 1/0;"),
    ("columns of a query", "SELECT id, t, n, tz FROM types \\gdesc"),
    ("a query's rows as statements", "SELECT 'SELECT 42::int AS x' \\gexec"),
    ("a query's row as variables", "SELECT 7::int AS n \\gset\n\\echo :n"),
    ("transactions", "BEGIN;\nSELECT nowhere;\nSELECT 1::int;\nROLLBACK;\nSELECT 2::int AS x;"),
    ("rows in portions", "\\set FETCH_COUNT 700\nSELECT id FROM orders ORDER BY id;"),
    ("COPY", "COPY (SELECT * FROM types ORDER BY id) TO STDOUT;"),
    ("\\copy", "\\copy (SELECT * FROM types ORDER BY id) TO STDOUT WITH CSV HEADER"),
    ("\\watch", "SELECT 5::int AS x \\watch i=0.1 c=2" ),
    ("\\bind", "SELECT t FROM types WHERE id = $1 \\bind 2 \\g"),
    ("\\parse", "SELECT t FROM types WHERE id = $1 \\parse s\n\\bind_named s 2 \\g"),
    ("\\conninfo", "\\conninfo"),
    ("\\d", "\\d"),
    ("\\d types", "\\d types"),
    ("\\d+ orders", "\\d+ orders"),
    ("\\dt", "\\dt"),
    ("\\dv", "\\dv"),
    ("\\df sum_of_nothing", "\\df sum_of_nothing"),
    ("\\dn", "\\dn"),
    ("\\dT", "\\dT int4"),
    ("a name is completed", "SELECT c.relname FROM pg_catalog.pg_class c WHERE c.relkind IN "
     "('r', 'v') AND (c.relname) LIKE 'ord%' AND pg_catalog.pg_table_is_visible(c.oid) "
     "AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = "
     "'pg_catalog');"),
]
# These came with psql 16 and later.
NEW = {"\\watch", "\\bind", "\\parse", "\\conninfo"}
# What these show is the server's own.
OWN = {"\\conninfo", "\\d", "\\d types", "\\d+ orders", "\\dt", "\\dn"}
LISTED = {"\\d": "orders", "\\dt": "orders", "\\dn": "public", "\\d types": "timestamp with",
          "\\d+ orders": "numeric(10,2)", "\\conninfo": "ann"}


def script(version: str, name: str, text: str):
    def run(place: Place):
        done = shell(version, place, text=text)
        if name in OWN:
            # Owners, storage and kinds of tables are not the same; names and types are.
            return done.returncode, LISTED[name] in done.stdout, done.stderr
        return heard(done)
    return run


def interrupted(version: str):
    """Ctrl-C while a statement runs, and while rows flow."""

    def run(place: Place):
        seen = []
        for sql in ["SELECT count(*) FROM generate_series(1::bigint, 300000) a, "
                    "generate_series(1::bigint, 300000) b",
                    "SELECT * FROM generate_series(1::bigint, 100000000) AS g(n)"]:
            process = subprocess.Popen(
                [PROGRAMS[version], "-X", "-o", "/dev/null", "-v", "VERBOSITY=verbose",
                 place.conninfo(), "-c", sql],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            time.sleep(1.0)
            asked = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
            seen.append((re.findall(r"(\w{5}): ", errors)[:1], process.returncode,
                         time.monotonic() - asked < 3))
        return seen
    return run


def add_installed(version: str) -> None:
    """The psql of this machine, if it is of that version: what waits is known of it."""
    program = shutil.which("psql")
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if f" {version}." in told:
        PROGRAMS[version] = Path(program)
    else:
        print(f"not run: the cases of psql {version}; this is {told.strip()}", flush=True)
        forget_waits(f"psql {version}: ")


def fill() -> None:
    for version in PROGRAMS:
        for name, text in SCRIPTS:
            if not (name in NEW and version == "15"):
                add(f"psql {version}: {name}", script(version, name, text))
        add(f"psql {version}: Ctrl-C", interrupted(version))
        add(f"psql {version}: a list of databases",
            lambda place, version=version: "sheaf" in shell(version, place, "-l").stdout,
            expected=True)
        add(f"psql {version}: a list of roles",
            lambda place, version=version: shell(version, place, text="\\du").returncode == 0
            and "ann" in shell(version, place, text="\\du").stdout,
            is_secure=True, expected=True)

"""`cargo xtask test clients`: real clients against Sheaf and against PostgreSQL 18, side by side.

Arguments: the program `sheaf`, a directory to work in, the directory of certificates, node's script
beside its packages, the program of Rust's clients; then parts of names of cases, to run only those and to see why they wait.
"""

import shutil
import sys
from pathlib import Path

import data
import libpq  # noqa: F401 — the modules fill the list of cases
import python_drivers  # noqa: F401
import random_values
import secure  # noqa: F401
import servers
import shells
import standards  # noqa: F401
import suite
import tools


def main() -> None:
    binary, work, certificates, tools.NODE, tools.RUST = (
        Path(part).resolve() for part in sys.argv[1:6])
    wanted = sys.argv[6:]
    tables = data.write(work)
    postgres = servers.Postgres()
    started = [postgres]
    try:
        make_database(postgres)
        users = work / "users"
        servers.add_user(binary, users, servers.USER, "reader")
        open_server = servers.Sheaf(binary, tables, work / "sheaf-open.log")
        started.append(open_server)
        # A key that others could read is refused.
        key = work / "server.key"
        shutil.copy(certificates / "server.key", key)
        key.chmod(0o600)
        secure_server = servers.Sheaf(
            binary, tables, work / "sheaf-secure.log", "--users", users,
            "--tls-cert", certificates / "server.pem", "--tls-key", key)
        started.append(secure_server)
        tls = {"sslmode": "require", "ca": str(certificates / "ca.pem")}
        places = {
            False: (postgres.place(), open_server.place()),
            True: (postgres.place(), secure_server.place(**tls)),
        }
        random_values.ORACLE["postgres"] = tools.REMOTE["postgres"] = postgres.place()
        shells.PROGRAMS["18"] = postgres.program("psql")
        shells.add_installed("15")
        shells.fill()
        cases = [case for case in suite.CASES
                 if not wanted or any(part in case.name for part in wanted)]
        passed, failed, waiting = suite.run_all(cases, places, shows_faults=bool(wanted))
    finally:
        for server in reversed(started):
            server.stop()
    verdict = "ok" if failed == 0 else "FAILED"
    print(f"test result: {verdict}. {passed} passed; {failed} failed; {waiting} wait")
    sys.exit(0 if failed == 0 else 1)


def make_database(postgres: servers.Postgres) -> None:
    import psycopg

    place = postgres.place(database="postgres")
    with psycopg.connect(place.conninfo(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {servers.DATABASE}")
    data.load(postgres.place().conninfo())


if __name__ == "__main__":
    main()

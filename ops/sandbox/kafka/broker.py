"""Kafka from its jars: a node in KRaft mode on free loopback ports, with its data in a temporary folder."""

import shutil
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ops.sandbox.child_process import ChildError, ChildProcess
from ops.sandbox.kafka.errors import SandboxKafkaError, last_lines
from ops.sandbox.kafka.properties import as_file, joined
from ops.sandbox.kafka.readiness import wait_until_in_sync
from ops.sandbox.kafka.seats import Seat, seats
from ops.sandbox.kafka.secured import Login
from ops.sandbox.kafka.tools import run_tool

_LOGGING: Final = Path(__file__).with_name("log4j2.yaml")
_CLUSTER_ID: Final = "MkU3OEVBNTcwNTJENDM2Qg"
# Small and quick to start rather than fast in the long run: the sandbox's broker lives for minutes.
_JVM_OPTIONS: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_HEAP_ALONE: Final = "-Xmx512m"
_HEAP_OF_SEVERAL: Final = "-Xmx224m"
_CLEAN_END_SECONDS_MAX: Final = 30.0
_END_SECONDS_MAX: Final = 30.0


class JarsKafka:
    """A Kafka of our own, made once, started and stopped any number of times, then closed.

    Between `stop` or `kill` and `start` ports and data stay as they were. `close` kills the broker
    and removes its data, and so does the end of this process, however it ends.
    """

    def __init__(
        self,
        jars: Path,
        properties: Mapping[str, str],
        login: Login | None = None,
        seat: Seat | None = None,
    ) -> None:
        """Write the settings; `properties` are Kafka's, and win over ours.

        With a `login` it is let in over TLS too, at `secured_servers`. With a `seat` it is one of
        several, or proxied; else it sits alone.
        """
        seat = seat or seats(1)[0]
        self._number = seat.number
        self.bootstrap_servers = _servers(seat.address)
        self.proxied_servers = _servers(seat.proxy) if seat.proxy else ""
        self.proxied_behind = [seat.behind] if seat.proxy else []
        self.secured_servers = f"localhost:{seat.secured_port}"
        self._folder = Path(tempfile.mkdtemp(prefix="paywizard-kafka-"))
        self.log_path: Path = self._folder / "broker.log"
        self._settings = str(self._folder / "server.properties")
        ours = seat.properties() | {"log.dirs": str(self._folder / "data")}
        if login is not None:
            ours = joined(ours, login.properties(seat.secured_port))
        self._scram = [] if login is None else ["--add-scram", login.scram]
        Path(self._settings).write_text(as_file(ours | dict(properties)))
        heap = _HEAP_ALONE if len(seat.controllers) == 1 else _HEAP_OF_SEVERAL
        self._java = ["java", f"-Dlog4j2.configurationFile={_LOGGING}", heap]
        self._java += [*_JVM_OPTIONS, "-cp", f"{jars}/*"]
        self._is_formatted = False
        self._process: ChildProcess | None = None

    @property
    def running(self) -> bool:
        """Whether it was launched and has not ended, be it by itself."""
        return self._process is not None and self._process.running

    def start(self) -> None:
        """Start the broker and return when it answers and has all that it keeps copies of.

        SandboxKafkaError: it did not within 60 seconds; the message ends with its last log lines.
        """
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start the broker and return at once. SandboxKafkaError: its settings are refused."""
        assert not self.running, "already started"
        self._let_go()  # of one that ended by itself
        if not self._is_formatted:
            self._format()
        command = [*self._java, "kafka.Kafka", self._settings]
        # A terminal's Ctrl-C does not reach it: the worker still drains into it.
        self._process = ChildProcess("Kafka", command, self.log_path, folder=self._folder)

    def wait_until_ready(self) -> None:
        """Do the second half of `start`."""
        process = self._process
        assert process is not None, "not launched"
        try:
            wait_until_in_sync(
                self.bootstrap_servers, self._number, lambda: not process.running
            )
        except SandboxKafkaError as error:
            log = last_lines(self.log_path.read_text(errors="replace"))
            raise SandboxKafkaError(f"{error} The broker's last lines:\n{log}") from error

    def stop(self) -> None:
        """End the broker cleanly, or hard after 30 seconds, and keep its data."""
        if self._process is not None:
            self._process.tell(signal.SIGTERM)
            try:
                self._process.end(_CLEAN_END_SECONDS_MAX)
            except ChildError:  # it waits for others, which may be down
                self.kill()
            else:
                self._let_go()

    def kill(self) -> None:
        """End the broker as a crash does, and keep its data."""
        if self._process is not None:
            self._process.tell(signal.SIGKILL)
            self._process.end(_END_SECONDS_MAX)
            self._let_go()

    def close(self) -> None:
        """Kill the broker, if it runs, and remove its data and its log."""
        self._let_go()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _let_go(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None

    def _format(self) -> None:
        tool = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", self._settings]
        run_tool(
            [*self._java, *tool, *self._scram],
            failure="Kafka's data folder is not formatted.",
            seconds_max=60,
        )
        self._is_formatted = True


def _servers(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"

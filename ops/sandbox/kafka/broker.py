"""Kafka from its jars: one node in KRaft mode on free loopback ports, with its data in a temporary folder."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ops.sandbox.kafka.errors import SandboxKafkaError, last_lines
from ops.sandbox.kafka.ports import HOST, free_ports
from ops.sandbox.kafka.properties import as_file, with_listeners
from ops.sandbox.kafka.readiness import wait_until_ready
from ops.sandbox.kafka.secured import Login, joined
from ops.sandbox.kafka.tools import run_tool

_HERE = Path(__file__).parent
_CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qg"
# Small and quick to start rather than fast in the long run: the sandbox's broker lives for minutes.
_JVM_OPTIONS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class JarsKafka:
    """A Kafka of our own, made once, started and stopped any number of times, then closed.

    Between `stop` and `start` ports and data stay as they were. `close` kills the broker and
    removes its data, and so does the end of this process, however it ends.
    """

    def __init__(
        self, jars: Path, properties: Mapping[str, str], login: Login | None = None
    ) -> None:
        """Choose ports and write the settings; `properties` are Kafka's, and win over ours.

        With a `login` it is let in over TLS too, at `secured_servers`.
        """
        port, controller_port, secured_port = free_ports(3)
        self.bootstrap_servers = f"{HOST}:{port}"
        self._folder = Path(tempfile.mkdtemp(prefix="paywizard-kafka-"))
        self.log_path: Path = self._folder / "broker.log"
        self._settings = str(self._folder / "server.properties")
        ours = with_listeners((HOST, port), (HOST, controller_port), (HOST, port))
        self.secured_servers = f"localhost:{secured_port}"
        if login is not None:
            ours = joined(ours, login.properties(secured_port))
        self._scram = [] if login is None else ["--add-scram", login.scram]
        ours["log.dirs"] = str(self._folder / "data")
        Path(self._settings).write_text(as_file(ours | dict(properties)))
        self._java = ["java", f"-Dlog4j2.configurationFile={_HERE / 'log4j2.yaml'}"]
        self._java += [*_JVM_OPTIONS, "-cp", f"{jars}/*"]
        self._is_formatted = False
        self._supervisor: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the broker and return when it answers.

        SandboxKafkaError: it did not within 60 seconds; the message ends with its last log lines.
        """
        assert self._supervisor is None, "already started"
        if not self._is_formatted:
            self._format()
        supervisor = self._supervisor = self._launch()
        try:
            wait_until_ready(self.bootstrap_servers, lambda: supervisor.poll() is not None)
        except SandboxKafkaError as error:
            log = last_lines(self.log_path.read_text(errors="replace"))
            raise SandboxKafkaError(f"{error} The broker's last lines:\n{log}") from error

    def stop(self) -> None:
        """End the broker cleanly and keep its data for the next `start`."""
        if self._supervisor is not None:
            assert self._supervisor.stdin is not None
            with suppress(BrokenPipeError):  # the broker ended before, by itself
                self._supervisor.stdin.write(b"stop\n")
                self._supervisor.stdin.flush()
            self._supervisor.wait()
            self._supervisor.stdin.close()  # not before the end: that would remove the data
            self._supervisor = None

    def close(self) -> None:
        """Kill the broker, if it runs, and remove its data and its log."""
        if self._supervisor is not None:
            self._supervisor.communicate()
            self._supervisor = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def _format(self) -> None:
        tool = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", self._settings]
        run_tool(
            [*self._java, *tool, *self._scram],
            failure="Kafka's data folder is not formatted.",
            seconds_max=60,
        )
        self._is_formatted = True

    def _launch(self) -> subprocess.Popen[bytes]:
        supervise = [sys.executable, "-I", "-S", str(_HERE / "supervise.py"), str(self._folder)]
        with self.log_path.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 no foreign words
                [*supervise, *self._java, "kafka.Kafka", self._settings],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A terminal's Ctrl-C must not reach the broker: the worker still drains into it.
                start_new_session=True,
            )

"""The worker as its operator runs it: its settings in the environment, its command line, its process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import httpx

from ops.sandbox.child_process import ROOT, ChildError, ChildProcess
from ops.sandbox.kafka.properties import in_sync_min
from ops.sandbox.paywizard.world import World
from worker.settings import Settings

HTTP_TIMEOUT_SECONDS: Final = 10.0
_PROGRAM: Final = Path(sys.executable).with_name("paywizard-worker")
_START_SECONDS_MAX: Final = 60.0
_TOOL_SECONDS_MAX: Final = 120.0
_LOOK_AGAIN_SECONDS: Final = 0.02


def worker_settings(
    folder: Path, world: World, *, kafka: str, name: str, paywizard_url: str
) -> dict[str, str]:
    """Return the settings of a worker whose ledger and credentials are in `folder`.

    `name` is its consumer group, and with a dot behind it the prefix of its topics. The first
    client is the default one.
    """
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "KAFKA_GROUP_ID": name,
        "KAFKA_TOPIC_PREFIX": f"{name}.",
        "INSTANCE_ID": "sandbox",
        "LEDGER_URL": f"sqlite:///{folder / 'ledger.db'}",
        "PAYWIZARD_BASE_URL": paywizard_url,
        "PAYWIZARD_CREDENTIALS_FILE": str(_write_credentials(folder, world)),
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": "0",
    }


def _write_credentials(folder: Path, world: World) -> Path:
    path = folder / "credentials.json"
    path.touch(mode=0o600)
    clients = [client.model_dump(by_alias=True) for client in world.clients]
    content = {"default": world.clients[0].client_id, "clients": clients}
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
    return path


def environment_of(settings: Mapping[str, str]) -> dict[str, str]:
    """Return our environment with exactly these settings: none of the user's own gets in."""
    names = {name.upper() for name in Settings.model_fields}
    names |= {f"{name}_FILE" for name in names}
    return {k: v for k, v in os.environ.items() if k not in names} | dict(settings)


def run_tool(settings: Mapping[str, str], *arguments: str) -> str:
    """Run `paywizard-worker ARGUMENTS...` to its end and return what it printed.

    ChildError: its exit code is not 0.
    """
    tool = subprocess.run(  # noqa: S603 our callers' words
        [_PROGRAM, *arguments],
        env=environment_of(settings),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_TOOL_SECONDS_MAX,
        check=False,
    )
    if tool.returncode != 0:
        command = " ".join(arguments)
        raise ChildError(
            f"`paywizard-worker {command}` ended with {tool.returncode}:\n{tool.stdout}"
        )
    return tool.stdout


def prepare(settings: Mapping[str, str], partitions: int, copies: int = 1) -> None:
    """Make the ledger and the topics. ChildError: one of them was refused."""
    run_tool(settings, "ledger", "upgrade")
    create_topics(settings, partitions, copies)


def create_topics(settings: Mapping[str, str], partitions: int, copies: int = 1) -> None:
    """Make the topics on a Kafka of at least `copies` nodes. ChildError: it refused."""
    kept = ("--replication-factor", str(copies), "--min-isr", str(in_sync_min(copies)))
    run_tool(settings, "topics", "create", "--partitions", str(partitions), *kept)


class WorkerProcess(ChildProcess):
    """`paywizard-worker run`, with its log in `log_path`, to which a next start appends."""

    def __init__(
        self,
        settings: Mapping[str, str],
        log_path: Path,
        command: Sequence[str] = (str(_PROGRAM), "run"),
    ) -> None:
        """Start it and return at once; `command` is another program that takes its place."""
        self._url: str | None = None
        super().__init__("The worker", command, log_path, environment_of(settings))

    @property
    def url(self) -> str:
        """Where metrics and health are served; waits until it has said so. ChildError: it has not."""
        if self._url is None:
            port = self.said("worker.starting", _START_SECONDS_MAX)["http_port"]
            self._url = f"http://127.0.0.1:{port}"
        return self._url

    def get(self, path: str) -> httpx.Response:
        """Ask the worker itself, not a proxy; httpx.HTTPError if it does not answer."""
        return httpx.get(f"{self.url}{path}", timeout=HTTP_TIMEOUT_SECONDS, trust_env=False)

    def wait_until_ready(self, seconds_max: float = _START_SECONDS_MAX) -> None:
        """Return when `/readyz` says so. ChildError: it ended, or did not within `seconds_max`."""
        deadline = time.monotonic() + seconds_max
        while not self._is_ready():
            if not self.running:
                raise self.error(f"ended with {self.end(0)} before it was ready")
            if time.monotonic() > deadline:
                raise self.error(f"was not ready within {seconds_max:.0f} s")
            time.sleep(_LOOK_AGAIN_SECONDS)

    def _is_ready(self) -> bool:
        try:
            return self.get("/readyz").is_success
        except httpx.HTTPError:
            return False

    def stop(self, seconds_max: float) -> int:
        """Send SIGTERM and return the exit code. ChildError: it still runs after `seconds_max`."""
        self.tell(signal.SIGTERM)
        return self.end(seconds_max)

    def kill(self) -> None:
        """End it as a power cut does, and return when it has ended."""
        self.tell(signal.SIGKILL)
        self.end(_TOOL_SECONDS_MAX)

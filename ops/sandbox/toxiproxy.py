"""Toxiproxy on loopback: network troubles between a client and a real server, for the time of a block.

`python -m ops.sandbox.toxiproxy --prepare` only fetches what a start needs.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final, Self

import httpx

from ops.sandbox.cache import cache_folder, fetched_once
from ops.sandbox.child_process import ChildProcess
from ops.sandbox.kafka.ports import HOST, free_ports
from ops.sandbox.kafka.tools import run_tool

_MODULE: Final = "github.com/Shopify/toxiproxy/v2/cmd/server"
_VERSION: Final = "v2.5.0"
_GO_SECONDS_MAX: Final = 600.0
_READY_SECONDS_MAX: Final = 60.0
_PROBE_INTERVAL_SECONDS: Final = 0.02
# Toxiproxy changes a connection only once its data flows: a client that stands still holds it up.
_ANSWER_SECONDS_MAX: Final = 30.0


class ToxiproxyError(Exception):
    """Toxiproxy could not be had, or did not do as it was told; the message says why."""


def fetch_server(cache: Path) -> Path:
    """Return Toxiproxy's server program, built now by Go's own means unless `cache` has it.

    ToxiproxyError: Go is missing, or could not bring or build it.
    """
    return fetched_once(cache / f"toxiproxy-{_VERSION}", _install) / "server"


def _install(folder: Path) -> None:
    if shutil.which("go") is None:
        raise ToxiproxyError(
            "Toxiproxy needs 'go' on the PATH (Go 1.17 or newer) for the first start."
        )
    print("Building Toxiproxy with Go (about 2 minutes, once) ...", file=sys.stderr, flush=True)
    run_tool(
        ["env", f"GOBIN={folder}", "go", "install", f"{_MODULE}@{_VERSION}"],
        failure="Go did not bring Toxiproxy.",
        seconds_max=_GO_SECONDS_MAX,
        error_type=ToxiproxyError,
    )


class Toxiproxy:
    """A server of our own, from its making to the end of the `with` block; it holds all proxies."""

    def __init__(self) -> None:
        """Start it and return once it answers. ToxiproxyError, ChildError: it does not."""
        program = fetch_server(cache_folder(os.environ))
        (port,) = free_ports(1)
        self._folder = Path(tempfile.mkdtemp(prefix="paywizard-toxiproxy-"))
        self._process = ChildProcess(
            "Toxiproxy",
            [program, "-host", HOST, "-port", str(port)],
            self._folder / "toxiproxy.log",
            # Each connection is a line otherwise.
            os.environ | {"LOG_LEVEL": "error"},
            self._folder,
        )
        self._api = httpx.Client(
            base_url=f"http://{HOST}:{port}",
            timeout=_ANSWER_SECONDS_MAX,
            trust_env=False,
            # It closes what is idle for 10 s, perhaps just as we ask again.
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def proxy(self, name: str, behind: tuple[str, int], *, port: int | None = None) -> "Proxy":
        """Listen at `port`, else at a free one, and pass all connections on to `behind`.

        What is behind need not listen yet. ToxiproxyError: the name or the port is taken.
        """
        address = (HOST, port or free_ports(1)[0])
        listen, upstream = (f"{host}:{number}" for host, number in (address, behind))
        what = {"name": name, "listen": listen, "upstream": upstream, "enabled": True}
        self.ask("POST", "/proxies", what)
        return Proxy(self, name, address)

    def ask(self, method: str, path: str, content: dict[str, Any] | None = None) -> None:
        """Have Toxiproxy do something. ToxiproxyError: it refused, or did not answer."""
        try:
            answer = self._api.request(method, path, json=content)
        except httpx.HTTPError as error:
            raise ToxiproxyError(
                f"Toxiproxy does not answer {method} {path}: {error!r}"
            ) from error
        if not answer.is_success:
            raise ToxiproxyError(f"Toxiproxy refused {method} {path}: {answer.text}")

    def close(self) -> None:
        """Kill it: all connections end, and nobody listens any more."""
        self._api.close()
        self._process.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS_MAX
        while True:
            try:
                self.ask("GET", "/version")
            except ToxiproxyError as error:
                if not self._process.running or time.monotonic() > deadline:
                    raise self._process.error("did not start") from error
                time.sleep(_PROBE_INTERVAL_SECONDS)
            else:
                return


class Proxy:
    """Clients connect to `address`; each trouble lasts for its block, also if the block raises.

    Troubles of one proxy may overlap, but `refused` not with itself. The end of a connection
    always passes, as the kernel tells it even for a client that was killed.
    """

    def __init__(self, server: Toxiproxy, name: str, address: tuple[str, int]) -> None:
        self.address = address
        self._server = server
        self._path = f"/proxies/{name}"
        self._numbers = count(1)

    @contextmanager
    def delayed(self, seconds: float) -> Iterator[None]:
        """Let what the server says arrive `seconds` later; at the end of the block at once."""
        with self._toxic("latency", "downstream", latency=round(seconds * 1000)):
            yield

    @contextmanager
    def black_hole(self) -> Iterator[None]:
        """Accept connections and let nothing pass either way; all are cut at the end of the block."""
        with self._swallowing("upstream"), self._swallowing("downstream"):
            yield

    @contextmanager
    def half_closed(self) -> Iterator[None]:
        """Let requests pass but no answers; all connections are cut at the end of the block.

        This is the half that Toxiproxy can do: it passes no FIN of one direction on, because it
        closes both as soon as either end closes one.
        """
        with self._swallowing("downstream"):
            yield

    @contextmanager
    def reset(self) -> Iterator[None]:
        """End each connection at the first byte that the server says: what was asked has reached it.

        Those that are opened in the block are reset. Those that were open before are closed, with
        a FIN: Toxiproxy decides when a connection begins how it may end.
        """
        with self._toxic("reset_peer", "downstream", timeout=0):
            yield

    @contextmanager
    def refused(self) -> Iterator[None]:
        """Cut all connections and refuse new ones."""
        self._enable(False)
        try:
            yield
        finally:
            self._enable(True)

    def _enable(self, enabled: bool) -> None:
        self._server.ask("POST", self._path, {"enabled": enabled})

    @contextmanager
    def _swallowing(self, stream: str) -> Iterator[None]:
        with self._toxic("timeout", stream, timeout=0):
            yield

    @contextmanager
    def _toxic(self, kind: str, stream: str, **attributes: int) -> Iterator[None]:
        # A name of its own, so that a trouble that overlaps is healed alone.
        name = f"{kind}-{next(self._numbers)}"
        what = {"name": name, "type": kind, "stream": stream, "attributes": attributes}
        self._server.ask("POST", f"{self._path}/toxics", what)
        try:
            yield
        finally:
            self._server.ask("DELETE", f"{self._path}/toxics/{name}")


def main() -> int:
    """Fetch Toxiproxy and say what lacks."""
    parser = argparse.ArgumentParser(
        prog="python -m ops.sandbox.toxiproxy", description=main.__doc__
    )
    parser.add_argument("--prepare", action="store_true", required=True)
    parser.parse_args()
    try:
        fetch_server(cache_folder(os.environ))
    except ToxiproxyError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

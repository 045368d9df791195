"""The port for operators, asked over a real socket."""

import socket
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry

from tests.unit.observability.stopwatch import Stopwatch, metrics_on
from worker.observability import server as module
from worker.observability.health import Health
from worker.observability.instruments import PREFIX, new_registry
from worker.observability.labels import CHECKS
from worker.observability.server import Server, serve
from worker.observability.watchdog import Heartbeats


@pytest.fixture
def registry() -> CollectorRegistry:
    return new_registry()


@pytest.fixture
def stopwatch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def health(registry: CollectorRegistry, stopwatch: Stopwatch) -> Health:
    metrics = metrics_on(registry)
    heartbeats = Heartbeats(
        {"work": 90}, monotonic=stopwatch.monotonic, now=stopwatch.now, metrics=metrics
    )
    return Health(
        heartbeats, monotonic=stopwatch.monotonic, metrics=metrics, session_timeout_seconds=30
    )


@pytest.fixture
def server(health: Health, registry: CollectorRegistry) -> Iterator[Server]:
    server = serve("127.0.0.1", 0, health, registry)
    yield server
    server.close()


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
        yield client


def pass_all(health: Health) -> None:
    for check in CHECKS:
        health.report(check, ok=True)


def test_the_probes_say_200_when_all_is_well(http: httpx.Client, health: Health) -> None:
    """Alive, ready and started, each with status and age per check."""
    pass_all(health)
    for path in ("/livez", "/readyz", "/startupz"):
        answer = http.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["status"] == "ok"
        for check in answer.json()["checks"].values():
            assert set(check) == {"status", "age_seconds"}


def test_a_worker_that_has_not_started_lives_but_is_not_ready(http: httpx.Client) -> None:
    """503 and the reason, not a restart."""
    assert http.get("/livez").status_code == 200
    for path in ("/readyz", "/startupz"):
        answer = http.get(path)
        assert answer.status_code == 503, path
        assert answer.json()["checks"]["ledger"]["status"] == "failing"


def test_a_worker_whose_watchdog_ended_does_not_live(
    http: httpx.Client, stopwatch: Stopwatch
) -> None:
    """A probe that cannot fail is none."""
    stopwatch.advance(1000)
    assert http.get("/livez").status_code == 503


def ready_twice(http: httpx.Client) -> tuple[int, str]:
    """Return the status of the path and the value of the metric."""
    start = f"{PREFIX}ready "
    page = http.get("/metrics").text.splitlines()
    (line,) = [line for line in page if line.startswith(start)]
    return http.get("/readyz").status_code, line.removeprefix(start)


def test_the_ready_metric_and_the_ready_path_agree(http: httpx.Client, health: Health) -> None:
    """`ready` is 1 exactly when /readyz says 200."""
    seen = [ready_twice(http)]
    pass_all(health)
    seen.append(ready_twice(http))
    health.drain()
    seen.append(ready_twice(http))
    assert seen == [(503, "0.0"), (200, "1.0"), (503, "0.0")]


def test_metrics_are_served_with_those_of_the_process(
    http: httpx.Client, health: Health
) -> None:
    """One scrape shows the worker, the process and the interpreter."""
    text = http.get("/metrics").text
    for name in (f"{PREFIX}build_info{{", "process_start_time_seconds ", "python_info{"):
        assert f"\n{name}" in text


@pytest.mark.parametrize(
    "path", ["/", "/metrics/", "/livez/", "/healthz", "/favicon.ico", "/Livez", "//metrics"]
)
def test_any_other_path_is_not_found(http: httpx.Client, path: str) -> None:
    """A probe with a typing error must fail, not read the metrics page."""
    assert http.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz", "/startupz"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_only_reading_is_allowed(http: httpx.Client, path: str, method: str) -> None:
    """405, and the method that is allowed."""
    answer = http.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


def test_clients_that_hang_hold_up_nobody(
    server: Server, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is served in a thread of its own, and put out after a while."""
    assert module._Handler.timeout == module.REQUEST_TIMEOUT_SECONDS
    monkeypatch.setattr(module._Handler, "timeout", 0.3)
    silent = [
        socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(8)
    ]
    silent[0].sendall(b"GET /livez HT")
    assert http.get("/livez").status_code == 200
    for connection in silent:
        assert connection.recv(1) == b""  # closed by the server
        connection.close()


def test_nothing_is_printed(
    server: Server,
    http: httpx.Client,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither an access log nor the trace of a client that went away."""
    monkeypatch.setattr(module._Handler, "timeout", 0.1)
    http.get("/livez")
    http.get("/nowhere")
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        assert connection.recv(1) == b""
    assert capfd.readouterr().err == ""


def test_garbage_is_refused_and_the_next_request_answered(
    server: Server, http: httpx.Client
) -> None:
    """Whatever knocks, the probes go on."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"\x16\x03\x01 no http\r\n\r\n")
        assert b"400" in connection.recv(1000)
    assert http.get("/livez").status_code == 200


def test_a_closed_server_gives_its_port_back(
    health: Health, registry: CollectorRegistry
) -> None:
    """The next process can have it at once."""
    server = serve("127.0.0.1", 0, health, registry)
    server.close()
    again = serve("127.0.0.1", server.port, health, registry)
    assert again.port == server.port
    again.close()


def test_a_port_that_is_taken_is_an_error(
    server: Server, health: Health, registry: CollectorRegistry
) -> None:
    """The start fails with the system's own words."""
    with pytest.raises(OSError, match="in use"):
        serve("127.0.0.1", server.port, health, registry)


def test_the_answer_does_not_wait_for_dns(
    health: Health, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The standard library's server asks for the host's full name when it starts."""

    def asked(name: str = "") -> str:
        raise AssertionError("DNS was asked")

    monkeypatch.setattr(socket, "getfqdn", asked)
    serve("127.0.0.1", 0, health, registry).close()

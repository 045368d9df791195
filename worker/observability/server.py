"""The port for operators: `/metrics`, the three health paths, and 404 for the rest."""

import json
import socket
import sys
import threading
from collections.abc import Iterable
from http import HTTPStatus
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import structlog
from prometheus_client import CollectorRegistry, make_wsgi_app
from typing_extensions import override

from worker.observability.health import Health

REQUEST_TIMEOUT_SECONDS: Final = 5.0

log = structlog.get_logger(__name__)


class Server:
    """A running server; `port` is the one it really has."""

    def __init__(self, http: WSGIServer) -> None:
        self._http = http
        self.port: int = http.server_port
        # The poll interval is how long a close takes at most.
        self._thread = threading.Thread(
            target=http.serve_forever, args=(0.1,), name="http", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening; requests that are open may still be answered."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def serve(host: str, port: int, health: Health, registry: CollectorRegistry) -> Server:
    """Serve in threads of its own; port 0 takes a free one. OSError: the address is not to be had."""
    http = _ThreadingServer(host, port)
    http.set_app(application(health, registry))
    return Server(http)


def application(health: Health, registry: CollectorRegistry) -> WSGIApplication:
    """Return what answers a request; it does no I/O and waits for nothing."""
    metrics: WSGIApplication = make_wsgi_app(registry)
    reports = {"/livez": health.live, "/readyz": health.ready, "/startupz": health.startup}

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path != "/metrics" and path not in reports:
            return _json(start, HTTPStatus.NOT_FOUND, {"status": "not found"})
        if environ["REQUEST_METHOD"] != "GET":
            return _json(
                start, HTTPStatus.METHOD_NOT_ALLOWED, {"status": "only GET is allowed"}
            )
        if path == "/metrics":
            return metrics(environ, start)
        report = reports[path]()
        status = HTTPStatus.OK if report.ok else HTTPStatus.SERVICE_UNAVAILABLE
        return _json(start, status, report.body())

    return answer


def _json(start: StartResponse, status: HTTPStatus, body: dict[str, object]) -> list[bytes]:
    content = json.dumps(body).encode() + b"\n"
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append(("Allow", "GET"))
    start(f"{status.value} {status.phrase}", headers)
    return [content]


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_TIMEOUT_SECONDS

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Write no access log."""


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    @override
    def server_bind(self) -> None:
        # Not HTTPServer's own: it asks DNS for the host's full name, which can take long.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("http.request_failed", error_type=type(sys.exc_info()[1]).__name__)

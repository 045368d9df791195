"""How every Kafka client of ours connects, and what it says when it cannot."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from kafka import errors as kafka_errors
from kafka.record import util as record_util
from typing_extensions import override

from worker.adapters.kafka.sockets import close_what_never_connected

BOOTSTRAP_TIMEOUT_SECONDS: Final = 20.0
REQUEST_TIMEOUT_SECONDS: Final = 15.0
CLOSE_MARGIN_SECONDS: Final = 5.0

ClientT = TypeVar("ClientT")


class KafkaUnavailableError(Exception):
    """Kafka cannot be reached; the sentence names the brokers and the likely cause."""


class KafkaRefusedError(Exception):
    """Kafka was reached and said no; the sentence says to what, and how it called it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConnection:
    """Where the brokers are and how to be let in; files are paths of PEM files."""

    bootstrap_servers: tuple[str, ...]
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None


def connection_options(connection: KafkaConnection, client_id: str) -> dict[str, Any]:
    """Return the options that all of kafka-python's clients share.

    A caller may override the timeouts. Logger `kafka` must never be at DEBUG: it would print
    the password (kafka-python 3.0.12, N5).
    """
    # Without the C version every record costs ten times as much (kafka-python.md, section 10).
    assert record_util.crc32c_c is not None, "the package crc32c is not installed"
    return {
        "bootstrap_servers": list(connection.bootstrap_servers),
        "client_id": client_id,
        "security_protocol": connection.security_protocol,
        "sasl_mechanism": connection.sasl_mechanism,
        "sasl_plain_username": connection.sasl_username,
        "sasl_plain_password": connection.sasl_password,
        "ssl_check_hostname": True,
        "ssl_cafile": connection.ssl_cafile,
        "ssl_certfile": connection.ssl_certfile,
        "ssl_keyfile": connection.ssl_keyfile,
        # kafka-python's own default leaves keep-alive out (N4).
        "socket_options": [
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        ],
        "bootstrap_timeout_ms": _milliseconds(BOOTSTRAP_TIMEOUT_SECONDS),
        "request_timeout_ms": _milliseconds(REQUEST_TIMEOUT_SECONDS),
        "reconnect_backoff_max_ms": 1_000,
    }


def connect(
    connection: KafkaConnection,
    build: Callable[[], ClientT],
    timeout_seconds: float = BOOTSTRAP_TIMEOUT_SECONDS + CLOSE_MARGIN_SECONDS,
) -> ClientT:
    """Build a client, which connects; KafkaUnavailableError if that fails or takes too long.

    Constructors block without bound in a TLS handshake and leave threads behind when they fail
    (N1, N2): so they run on a thread of their own, and whoever gets the error should end.
    """
    close_what_never_connected()
    built: list[ClientT] = []
    failed: list[Exception] = []

    def attempt() -> None:
        try:
            built.append(build())
        except Exception as error:  # noqa: BLE001 - handed to the caller's thread
            failed.append(error)

    with _listening() as heard:
        thread = threading.Thread(target=attempt, name="kafka-connect", daemon=True)
        thread.start()
        thread.join(timeout_seconds)
    if built:
        return built[0]
    if not failed:
        raise KafkaUnavailableError(_sentence(connection, "no answer in time"))
    if not isinstance(failed[0], kafka_errors.KafkaError | OSError):
        raise failed[0]
    cause = heard.last or failed[0]
    raise KafkaUnavailableError(_sentence(connection, str(cause) or _name(cause)))


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """Turn kafka-python's errors on a connected client into sentences about `what`."""
    try:
        yield
    except (kafka_errors.KafkaTimeoutError, kafka_errors.KafkaConnectionError) as error:
        raise KafkaUnavailableError(f"Kafka stopped answering: {what} failed.") from error
    except kafka_errors.KafkaError as error:
        raise KafkaRefusedError(f"Kafka refused: {what} failed ({_name(error)}).") from error


def _sentence(connection: KafkaConnection, cause: str) -> str:
    # A wrong password or authority shows as a bootstrap timeout only (machine.md, section 2).
    servers = ", ".join(connection.bootstrap_servers)
    doubt = (
        ""
        if connection.security_protocol == "PLAINTEXT"
        else " Wrong credentials or an unknown certificate authority look the same."
    )
    return f"Kafka at {servers} cannot be reached over {connection.security_protocol}: {cause}.{doubt}"


def _name(error: BaseException) -> str:
    return type(error).__name__


class _LastCause(logging.Handler):
    """Remembers the latest error that kafka-python logged instead of raising it."""

    def __init__(self) -> None:
        super().__init__(level=logging.WARNING)
        self.last: BaseException | None = None

    @override
    def emit(self, record: logging.LogRecord) -> None:
        causes = [arg for arg in record.args or () if isinstance(arg, BaseException)]
        if causes and not isinstance(causes[-1], kafka_errors.KafkaTimeoutError):
            self.last = causes[-1]


@contextmanager
def _listening() -> Iterator[_LastCause]:
    handler = _LastCause()
    logger = logging.getLogger("kafka")
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)

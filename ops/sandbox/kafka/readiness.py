"""Waits until a Kafka answers: first a bare connection, then one question to the cluster."""

import socket
import time
from collections.abc import Callable

from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from ops.sandbox.kafka.errors import SandboxKafkaError

READY_SECONDS_MAX = 60.0
_PROBE_INTERVAL_SECONDS = 0.05


def wait_until_ready(
    bootstrap_servers: str,
    has_ended: Callable[[], bool] = lambda: False,
    seconds_max: float = READY_SECONDS_MAX,
) -> None:
    """Return when one of the `bootstrap_servers` answers as a Kafka with a broker.

    SandboxKafkaError: none did within `seconds_max`, or `has_ended` said that there is nothing
    left to wait for.
    """
    deadline = time.monotonic() + seconds_max
    # A KafkaAdminClient whose start fails leaks threads, so it is made only once a port is open.
    while not any(_accepts(server) for server in bootstrap_servers.split(",")):
        if has_ended():
            raise SandboxKafkaError("Kafka ended before it was ready.")
        if time.monotonic() > deadline:
            raise SandboxKafkaError(
                f"No Kafka answered at {bootstrap_servers} within {seconds_max:.0f} seconds."
            )
        time.sleep(_PROBE_INTERVAL_SECONDS)
    _ask_for_brokers(bootstrap_servers, max(deadline - time.monotonic(), 1.0))


def _accepts(server: str) -> bool:
    host, _, port = server.strip().rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
    except OSError:
        return False
    except ValueError as error:
        raise SandboxKafkaError(f"{server!r} is no host:port of a Kafka server.") from error
    return True


def _ask_for_brokers(bootstrap_servers: str, seconds_max: float) -> None:
    milliseconds = int(seconds_max * 1000)
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=bootstrap_servers.split(","), bootstrap_timeout_ms=milliseconds
        )
        try:
            brokers = admin.describe_cluster()["brokers"]
        finally:
            admin.close()
    except KafkaError as error:
        raise SandboxKafkaError(
            f"{bootstrap_servers} does not answer as a Kafka: {error}"
        ) from error
    if not brokers:
        raise SandboxKafkaError(f"The Kafka at {bootstrap_servers} has no broker.")

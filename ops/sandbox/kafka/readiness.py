"""Waits until a Kafka answers: first a bare connection, then one question to the cluster."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

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
    _wait_for_a_port(bootstrap_servers, has_ended, seconds_max)
    with _asking(bootstrap_servers, deadline) as admin:
        brokers = admin.describe_cluster()["brokers"]
    if not brokers:
        raise SandboxKafkaError(f"The Kafka at {bootstrap_servers} has no broker.")


def wait_until_in_sync(
    bootstrap_servers: str,
    number: int,
    has_ended: Callable[[], bool],
    seconds_max: float = READY_SECONDS_MAX,
) -> None:
    """Return when node `number` takes part and has all records of which it keeps a copy.

    SandboxKafkaError: as `wait_until_ready`.
    """
    deadline = time.monotonic() + seconds_max
    _wait_for_a_port(bootstrap_servers, has_ended, seconds_max)
    with _asking(bootstrap_servers, deadline) as admin:
        while lacks := lacking(admin, number):
            if has_ended():
                raise SandboxKafkaError("Kafka ended before it was ready.")
            if time.monotonic() > deadline:
                raise SandboxKafkaError(
                    f"Node {number} is not in sync within {seconds_max:.0f} seconds: {lacks}."
                )
            time.sleep(_PROBE_INTERVAL_SECONDS)


def lacking(admin: KafkaAdminClient, number: int) -> str:
    """Say what node `number` lacks; empty if it is in sync."""
    try:
        brokers = admin.describe_cluster()["brokers"]
        topics = admin.describe_topics()
    except KafkaError as error:  # it asked another node, which may be down
        return repr(error)
    if all(broker["broker_id"] != number for broker in brokers):
        return "it does not take part"
    behind = [
        f"{topic['name']}-{partition['partition_index']}"
        for topic in topics
        for partition in topic["partitions"]
        if number in partition["replica_nodes"] and number not in partition["isr_nodes"]
    ]
    return f"it is behind in {', '.join(behind)}" if behind else ""


def _wait_for_a_port(
    bootstrap_servers: str, has_ended: Callable[[], bool], seconds_max: float
) -> None:
    deadline = time.monotonic() + seconds_max
    while not any(_accepts(server) for server in bootstrap_servers.split(",")):
        if has_ended():
            raise SandboxKafkaError("Kafka ended before it was ready.")
        if time.monotonic() > deadline:
            raise SandboxKafkaError(
                f"No Kafka answered at {bootstrap_servers} within {seconds_max:.0f} seconds."
            )
        time.sleep(_PROBE_INTERVAL_SECONDS)


@contextmanager
def _asking(bootstrap_servers: str, deadline: float) -> Iterator[KafkaAdminClient]:
    """Connect for some questions. One whose start fails leaks threads: wait for a port before."""
    milliseconds = int(max(deadline - time.monotonic(), 1.0) * 1000)
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=bootstrap_servers.split(","), bootstrap_timeout_ms=milliseconds
        )
        with closing(admin):
            yield admin
    except KafkaError as error:
        raise SandboxKafkaError(
            f"{bootstrap_servers} does not answer as a Kafka: {error}"
        ) from error


def _accepts(server: str) -> bool:
    host, _, port = server.strip().rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
    except OSError:
        return False
    except ValueError as error:
        raise SandboxKafkaError(f"{server!r} is no host:port of a Kafka server.") from error
    return True

"""Waiting for a Kafka, against real sockets; and for a node, by what an operator's client is told."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from kafka.errors import KafkaConnectionError
from typing_extensions import override

from ops.sandbox.kafka.errors import SandboxKafkaError
from ops.sandbox.kafka.ports import free_ports
from ops.sandbox.kafka.readiness import lacking, wait_until_ready


@pytest.fixture
def nobody() -> str:
    """An address where nobody listens."""
    return f"127.0.0.1:{free_ports(1)[0]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """An address where somebody listens who never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_waiting_ends_at_the_deadline(nobody: str) -> None:
    """A Kafka that never comes is an error that names the address and the time."""
    with pytest.raises(SandboxKafkaError, match=f"{nobody} within 0 seconds"):
        wait_until_ready(nobody, seconds_max=0.2)


def test_waiting_ends_when_the_broker_has_ended(nobody: str) -> None:
    """Nobody waits a minute for a broker that is dead."""
    with pytest.raises(SandboxKafkaError, match="ended before it was ready"):
        wait_until_ready(nobody, has_ended=lambda: True)


def test_a_server_that_is_no_kafka_is_an_error(silent: str) -> None:
    """An open port alone proves nothing."""
    with pytest.raises(SandboxKafkaError, match=f"{silent} does not answer as a Kafka"):
        wait_until_ready(silent, seconds_max=0.2)


@pytest.mark.parametrize("servers", ["kafka", "kafka:", "127.0.0.1:port"])
def test_an_address_without_a_port_is_an_error(servers: str) -> None:
    """A mistyped KAFKA_BOOTSTRAP_SERVERS is named at once, not after a minute."""
    with pytest.raises(SandboxKafkaError, match="is no host:port"):
        wait_until_ready(servers)


def test_free_ports_differ_and_nobody_listens_on_them() -> None:
    """Broker and controller get a port each that they can really have."""
    ports = free_ports(3)
    assert len(set(ports)) == 3
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()


class Admin:
    """Answers as kafka-python's admin client does, for a cluster of nodes 1 and 2."""

    def __init__(self, in_sync: list[int]) -> None:
        """Have one topic of one partition, kept by both."""
        self._in_sync = in_sync

    def describe_cluster(self) -> dict[str, Any]:
        """Return who takes part."""
        return {"brokers": [{"broker_id": 1}, {"broker_id": 2}]}

    def describe_topics(self) -> list[dict[str, Any]]:
        """Return who has what."""
        partition = {
            "partition_index": 0,
            "replica_nodes": [1, 2],
            "isr_nodes": self._in_sync,
        }
        return [{"name": "topic", "partitions": [partition]}]


class LonelyAdmin(Admin):
    """Asks a node that is down."""

    @override
    def describe_topics(self) -> list[dict[str, Any]]:
        """Fail."""
        raise KafkaConnectionError("111 ECONNREFUSED")


@pytest.mark.parametrize(
    ("admin", "number", "what"),
    [
        (Admin(in_sync=[1, 2]), 2, ""),
        (Admin(in_sync=[1]), 1, ""),
        (Admin(in_sync=[1]), 2, "it is behind in topic-0"),
        (Admin(in_sync=[1, 2]), 3, "it does not take part"),
    ],
)
def test_a_node_is_in_sync_once_it_has_all_that_it_keeps(
    admin: Admin, number: int, what: str
) -> None:
    """What another node lacks does not count, and a node that only listens is not there yet."""
    assert lacking(admin, number) == what


def test_another_node_that_is_down_is_no_end_of_the_waiting() -> None:
    """In a cluster where several nodes start at once, some do not answer yet."""
    assert "ECONNREFUSED" in lacking(LonelyAdmin(in_sync=[1, 2]), 1)

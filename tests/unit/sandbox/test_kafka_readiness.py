"""Waiting for a Kafka, against real sockets."""

import socket
from collections.abc import Iterator

import pytest

from ops.sandbox.kafka.errors import SandboxKafkaError
from ops.sandbox.kafka.ports import free_ports
from ops.sandbox.kafka.readiness import wait_until_ready


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

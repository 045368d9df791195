"""Sockets of Kafka clients: open as long as they are connected, and no longer."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
from kafka import errors as kafka_errors
from kafka.net.inet import KafkaNetSocket

from worker.adapters.kafka.sockets import close_what_never_connected


class Net:
    """Waits as kafka-python's own loop does, in asyncio's."""

    async def wait_write(self, sock: socket.socket, timeout_at: float | None = None) -> None:
        """Return soon: a connection on one machine takes no time."""
        await asyncio.sleep(0.01)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """Return a socket that a client can connect to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def client() -> Iterator[socket.socket]:
    """Return a socket as a Kafka client makes it."""
    close_what_never_connected()
    with socket.socket() as client:
        client.setblocking(False)
        yield client


async def test_a_socket_that_is_refused_is_closed(
    listening: socket.socket, client: socket.socket
) -> None:
    """P8: the brokers may be away for long, and a descriptor is lost at every attempt."""
    address = listening.getsockname()
    listening.close()
    with pytest.raises(kafka_errors.KafkaConnectionError):
        await KafkaNetSocket().sock_connect(Net(), client, address)
    assert client.fileno() == -1


async def test_a_socket_that_connects_stays_open(
    listening: socket.socket, client: socket.socket
) -> None:
    """It is the client's own from then on."""
    address = listening.getsockname()
    assert await KafkaNetSocket().sock_connect(Net(), client, address) is client
    assert client.fileno() != -1

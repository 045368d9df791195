"""Connecting to a Kafka that is not there: bounded in time, and one sentence."""

import socket
import subprocess
import sys

import pytest

from worker.adapters.kafka.connection import KafkaConnection, connect, connection_options

ATTEMPT = """
import sys
from kafka import KafkaAdminClient
from worker.adapters.kafka.connection import *
connection = KafkaConnection(bootstrap_servers=(sys.argv[1],), security_protocol=sys.argv[2])
options = connection_options(connection, "test") | {"bootstrap_timeout_ms": 500}
try:
    connect(connection, lambda: KafkaAdminClient(**options), timeout_seconds=2)
except KafkaUnavailableError as error:
    print(error)
"""


PASSWORD = "planted"  # noqa: S105 - a test's


def said(port: int, protocol: str) -> str:
    """Return what a failed attempt says; in a process of its own, because it leaks (N2)."""
    command = [sys.executable, "-c", ATTEMPT, f"127.0.0.1:{port}", protocol]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603 - our own words
    return ended.stdout


def test_a_refused_connection_is_one_sentence_with_its_cause() -> None:
    """Without the client's log nobody would see why."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    sentence = said(port, "PLAINTEXT")
    assert f"Kafka at 127.0.0.1:{port} cannot be reached over PLAINTEXT" in sentence
    assert "ECONNREFUSED" in sentence


def test_a_silent_tls_handshake_ends_in_time() -> None:
    """N1: the client itself would wait for ever; and a wrong password looks the same."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        sentence = said(server.getsockname()[1], "SSL")
    assert "no answer in time" in sentence
    assert "Wrong credentials or an unknown certificate authority" in sentence


def test_the_password_is_in_the_options_and_in_no_text() -> None:
    """P10: a connection can be printed."""
    connection = KafkaConnection(
        bootstrap_servers=("a:1",),
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="worker",
        sasl_password=PASSWORD,
    )
    assert connection_options(connection, "test")["sasl_plain_password"] == PASSWORD
    assert PASSWORD not in repr(connection)


def test_connections_notice_a_dead_peer() -> None:
    """N4: the client's own default leaves TCP keep-alive out."""
    options = connection_options(KafkaConnection(bootstrap_servers=("a:1",)), "test")
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in options["socket_options"]


def test_our_own_mistakes_are_not_called_an_outage() -> None:
    """An unknown option is a bug and shows as one."""
    connection = KafkaConnection(bootstrap_servers=("a:1",))

    def wrong() -> None:
        raise TypeError

    with pytest.raises(TypeError):
        connect(connection, wrong)

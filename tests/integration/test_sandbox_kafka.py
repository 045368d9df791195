"""The sandbox's Kafka, as a client and as an operator meet it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic

from ops.sandbox.cache import cache_folder
from ops.sandbox.kafka import SandboxKafka, SandboxKafkaError
from ops.sandbox.kafka.broker import JarsKafka
from ops.sandbox.kafka.jars import fetch_jars
from ops.sandbox.kafka.ports import free_ports
from ops.sandbox.kafka.properties import with_listeners
from tests.processes import has_ended, wait_until

pytestmark = pytest.mark.integration


@pytest.fixture
def create_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Mapping[str, str]], JarsKafka]]:
    """Return a function that makes a broker from the jars, with its data under `tmp_path`."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    brokers: list[JarsKafka] = []

    def create(properties: Mapping[str, str]) -> JarsKafka:
        broker = JarsKafka(fetch_jars(cache_folder(os.environ)), properties)
        brokers.append(broker)
        return broker

    yield create
    for broker in brokers:
        broker.close()


def create_topic(bootstrap_servers: str) -> str:
    """Create a topic of one partition and return its name."""
    topic = f"sandbox.{uuid4().hex}"
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap_servers)) as admin:
        admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    return topic


def test_a_committed_record_comes_back(kafka: SandboxKafka) -> None:
    """Transactions work on the sandbox's Kafka, whichever it is."""
    topic = create_topic(kafka.bootstrap_servers)
    producer = KafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"sandbox.{uuid4().hex}"
    )
    with closing(producer):
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(topic, b"hello").get(timeout=30)
        producer.commit_transaction()
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=kafka.bootstrap_servers,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        consumer_timeout_ms=30_000,
    )
    with closing(consumer):
        assert next(consumer).value == b"hello"


def test_a_stopped_broker_comes_back_where_it_was_with_its_topics(
    create_broker: Callable[[Mapping[str, str]], JarsKafka],
) -> None:
    """A restart keeps ports and data, so clients may stay connected through it."""
    broker = create_broker({"auto.create.topics.enable": "false"})
    broker.start()
    servers = broker.bootstrap_servers
    topic = create_topic(servers)
    broker.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(servers.rpartition(":")[2])))
    broker.start()
    with closing(KafkaAdminClient(bootstrap_servers=servers)) as admin:
        assert topic in admin.list_topics()


def test_a_closed_broker_leaves_nothing_behind(
    create_broker: Callable[[Mapping[str, str]], JarsKafka], tmp_path: Path
) -> None:
    """Data, log and settings go with the broker."""
    broker = create_broker({})
    broker.start()
    assert broker.log_path.exists()
    broker.close()
    assert list(tmp_path.iterdir()) == []


def test_a_broker_that_cannot_start_says_why(
    create_broker: Callable[[Mapping[str, str]], JarsKafka],
) -> None:
    """The error carries the broker's own last words, within seconds."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ours, theirs = ("127.0.0.1", free_ports(1)[0]), taken.getsockname()
        broker = create_broker(with_listeners(ours, ours, [theirs]))
        with pytest.raises(SandboxKafkaError, match=r"(?s)ended before.*last lines.*in use"):
            broker.start()


def test_a_setting_that_kafka_refuses_is_named(
    create_broker: Callable[[Mapping[str, str]], JarsKafka],
) -> None:
    """A caller's mistyped property is shown in Kafka's own words."""
    broker = create_broker({"log.retention.hours": "soon"})
    with pytest.raises(SandboxKafkaError, match=r"(?s)Its last lines.*log.retention.hours"):
        broker.start()


@pytest.mark.parametrize(
    ("how", "exit_code"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -9)]
)
def test_no_broker_outlives_the_process_that_started_it(
    how: signal.Signals, exit_code: int, tmp_path: Path
) -> None:
    """Ctrl-C, a polite kill and a hard one leave no process and no data."""
    environment = os.environ | {"TMPDIR": str(tmp_path), "DOCKER_HOST": "unix:///nowhere"}
    environment["KAFKA_BOOTSTRAP_SERVERS"] = ""
    foreground = subprocess.Popen(
        [sys.executable, "-m", "ops.sandbox.kafka"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with foreground:
        assert foreground.stdout is not None
        try:
            assert foreground.stdout.readline().startswith("KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:")
            broker = psutil.Process(foreground.pid).children(recursive=True)
            assert [process.name() for process in broker] == ["python", "java"]
            os.killpg(foreground.pid, how)  # as a terminal does: the whole foreground group
            assert foreground.wait(timeout=30) == exit_code
        finally:
            foreground.kill()
    wait_until(lambda: all(has_ended(process) for process in broker))
    assert list(tmp_path.iterdir()) == []

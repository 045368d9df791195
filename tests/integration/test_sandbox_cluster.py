"""Three real brokers: any one may be away, and a client loses nothing that was acknowledged."""

import gc
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import KafkaTimeoutError

from ops.sandbox.kafka import KafkaCluster, create_cluster
from ops.sandbox.kafka.ports import free_ports
from ops.sandbox.paywizard.world import make_sandbox_world
from ops.sandbox.toxiproxy import Toxiproxy
from ops.sandbox.worker_process import create_topics, worker_settings
from tests.processes import wait_until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    # kafka-python leaves a socket open where a connection failed.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

NOT_DELIVERED_SECONDS = 3.0
DELIVERED_SECONDS_MAX = 60.0
HEARD_SECONDS_MAX = 5.0
PROXIED_PORTS = 3


@pytest.fixture(autouse=True)
def _left_sockets_are_collected_here() -> Iterator[None]:
    """Let kafka-python's open sockets be found where they are no error."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def cluster() -> Iterator[KafkaCluster]:
    """Return a running cluster, which each test leaves whole."""
    cluster = create_cluster(brokers=3, proxied_ports=free_ports(PROXIED_PORTS))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def admin(cluster: KafkaCluster) -> Iterator[KafkaAdminClient]:
    """Return an operator's client."""
    with closing(KafkaAdminClient(bootstrap_servers=cluster.bootstrap_servers)) as admin:
        yield admin


@pytest.fixture
def topic(admin: KafkaAdminClient) -> str:
    """Return a new topic with a leader on each broker."""
    name = f"sandbox.{uuid4().hex}"
    admin.create_topics([NewTopic(name, num_partitions=3, replication_factor=3)])
    return name


@pytest.fixture
def producer(cluster: KafkaCluster) -> Iterator[Any]:
    """Return a client that wants each record kept."""
    producer = KafkaProducer(bootstrap_servers=cluster.bootstrap_servers, acks="all")
    with closing(producer):
        yield producer


def wait_until_all_in_sync(admin: KafkaAdminClient, topic: str) -> None:
    """Return when whichever broker is asked has heard that all three copies are in sync.

    Brokers hear of it one after the other: milliseconds apart, more where the machine is busy.
    """

    def all_in_sync() -> bool:
        (described,) = admin.describe_topics([topic])
        return all(len(partition["isr_nodes"]) == 3 for partition in described["partitions"])

    wait_until(all_in_sync, seconds_max=HEARD_SECONDS_MAX)


def read_all(servers: str, topic: str, last: bytes) -> list[bytes]:
    """Return the values of all records, up to `last` in each of the three partitions."""
    values: list[bytes] = []
    consumer = KafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest")
    with closing(consumer):
        while values.count(last) < 3:
            values.append(next(consumer).value)
    return values


def send_last(producer: Any, topic: str) -> None:
    """Send what `read_all` stops at."""
    for partition in range(3):
        producer.send(topic, b"last", partition=partition).get(timeout=DELIVERED_SECONDS_MAX)


def test_a_rolling_restart_is_not_noticed(
    cluster: KafkaCluster, admin: KafkaAdminClient, producer: Any, topic: str
) -> None:
    """Whoever sends on meanwhile has every record acknowledged, and it is there once."""
    sent: list[bytes] = []
    over = threading.Event()

    def send_on() -> None:
        while not over.is_set():
            value = str(len(sent)).encode()
            producer.send(topic, value, partition=len(sent) % 3).get(
                timeout=DELIVERED_SECONDS_MAX
            )
            sent.append(value)

    sending = threading.Thread(target=send_on)
    sending.start()
    try:
        for broker in cluster.brokers:
            before = len(sent)
            broker.stop()
            broker.start()
            wait_until_all_in_sync(admin, topic)
            assert len(sent) > before
    finally:
        over.set()
        sending.join()
    send_last(producer, topic)
    values = read_all(cluster.bootstrap_servers, topic, b"last")
    assert sorted(value for value in values if value != b"last") == sorted(sent)


def test_one_broker_may_crash_and_two_may_not(
    cluster: KafkaCluster, admin: KafkaAdminClient, producer: Any, topic: str
) -> None:
    """With two of three everything goes on; with one nothing is acknowledged until another is back."""
    first, second, _ = cluster.brokers
    first.kill()
    for partition in range(3):
        producer.send(topic, b"two", partition=partition).get(timeout=DELIVERED_SECONDS_MAX)
    second.kill()
    waiting = [producer.send(topic, b"one", partition=number) for number in range(3)]
    for future in waiting:
        with pytest.raises(KafkaTimeoutError):
            future.get(timeout=NOT_DELIVERED_SECONDS)
    cluster.start()
    wait_until_all_in_sync(admin, topic)
    for future in waiting:
        future.get(timeout=DELIVERED_SECONDS_MAX)
    send_last(producer, topic)
    values = read_all(cluster.bootstrap_servers, topic, b"last")
    assert (values.count(b"two"), values.count(b"one")) == (3, 3)


def test_each_broker_sends_its_proxied_clients_to_its_own_proxy(
    cluster: KafkaCluster, topic: str
) -> None:
    """A client that knows one proxy finds the leaders of all partitions through the others."""
    servers = cluster.proxied_servers.split(",")
    assert len(servers) == PROXIED_PORTS
    with Toxiproxy() as toxiproxy:
        proxies = [
            toxiproxy.proxy(server, behind, port=int(server.rpartition(":")[2]))
            for server, behind in zip(servers, cluster.proxied_behind, strict=True)
        ]
        producer = KafkaProducer(bootstrap_servers=servers[0], request_timeout_ms=5000)
        with closing(producer):
            send_last(producer, topic)
            with proxies[0].refused(), proxies[1].refused(), proxies[2].refused():
                late = [producer.send(topic, b"late", partition=number) for number in range(3)]
                for future in late:
                    with pytest.raises(KafkaTimeoutError):
                        future.get(timeout=1)
            for future in late:
                future.get(timeout=DELIVERED_SECONDS_MAX)


def test_the_worker_s_topics_may_be_kept_by_every_broker(
    cluster: KafkaCluster, admin: KafkaAdminClient, tmp_path: Path
) -> None:
    """The worker's own `topics create` is told how often, and each record is kept twice at least."""
    name = f"worker-{uuid4().hex}"
    settings = worker_settings(
        tmp_path,
        make_sandbox_world(seed=1),
        kafka=cluster.bootstrap_servers,
        name=name,
        paywizard_url="http://127.0.0.1:9",
    )
    create_topics(settings, partitions=2, copies=3)
    topics = [one for one in admin.describe_topics() if one["name"].startswith(name)]
    assert "commands.payment" in {one["name"].removeprefix(f"{name}.") for one in topics}
    for topic in topics:
        assert {len(partition["replica_nodes"]) for partition in topic["partitions"]} == {3}
    resources = [ConfigResource(ConfigResourceType.TOPIC, one["name"]) for one in topics]
    configs = admin.describe_configs(resources)["topic"].values()
    assert {config["min.insync.replicas"]["value"] for config in configs} == {"2"}

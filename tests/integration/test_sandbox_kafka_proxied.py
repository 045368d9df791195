"""The sandbox's Kafka behind Toxiproxy: its clients meet the network's troubles, and nobody else does."""

import gc
from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import KafkaTimeoutError

from ops.sandbox.kafka import create_kafka
from ops.sandbox.kafka.broker import JarsKafka
from ops.sandbox.kafka.ports import free_ports
from ops.sandbox.toxiproxy import Proxy, Toxiproxy

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    # kafka-python leaves a socket open where a connection failed.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

NOT_DELIVERED_SECONDS = 1.0
DELIVERED_SECONDS_MAX = 60.0


@pytest.fixture(autouse=True)
def _left_sockets_are_collected_here() -> Iterator[None]:
    """Let kafka-python's open sockets be found where they are no error."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def proxied() -> Iterator[JarsKafka]:
    """Return a running Kafka that sends some of its clients to a proxy's port."""
    kafka = create_kafka(proxied_ports=free_ports(1))
    try:
        kafka.start()
        yield kafka
    finally:
        kafka.close()


@pytest.fixture(scope="module")
def proxy(proxied: JarsKafka) -> Iterator[Proxy]:
    """Return the proxy before it."""
    (behind,) = proxied.proxied_behind
    port = int(proxied.proxied_servers.rpartition(":")[2])
    with Toxiproxy() as toxiproxy:
        yield toxiproxy.proxy("kafka", behind, port=port)


@pytest.fixture
def topic(proxied: JarsKafka) -> str:
    """Return a new topic of one partition."""
    name = f"sandbox.{uuid4().hex}"
    with closing(KafkaAdminClient(bootstrap_servers=proxied.bootstrap_servers)) as admin:
        admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    return name


@pytest.mark.parametrize("kind", ["black_hole", "half_closed", "refused", "reset"])
def test_a_trouble_strikes_the_proxied_clients_alone(
    kind: str, proxied: JarsKafka, proxy: Proxy, topic: str
) -> None:
    """A producer that is connected through the proxy is cut off, not one beside it; healed, it delivers."""
    near = KafkaProducer(bootstrap_servers=proxied.bootstrap_servers)
    far = KafkaProducer(bootstrap_servers=proxied.proxied_servers, request_timeout_ms=5000)
    with closing(near), closing(far):
        far.send(topic, b"first").get(timeout=DELIVERED_SECONDS_MAX)
        with getattr(proxy, kind)():
            late = far.send(topic, b"late")
            near.send(topic, b"near").get(timeout=DELIVERED_SECONDS_MAX)
            with pytest.raises(KafkaTimeoutError):
                late.get(timeout=NOT_DELIVERED_SECONDS)
        late.get(timeout=DELIVERED_SECONDS_MAX)
        near.send(topic, b"last").get(timeout=DELIVERED_SECONDS_MAX)
    consumer = KafkaConsumer(
        topic, bootstrap_servers=proxied.proxied_servers, auto_offset_reset="earliest"
    )
    with closing(consumer):
        values: list[bytes] = []
        while not values or values[-1] != b"last":
            values.append(next(consumer).value)
    assert set(values) == {b"first", b"near", b"late", b"last"}

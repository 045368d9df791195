"""A real Apache Kafka for the demo and the tests: a given one, a container, or the broker's jars on the local Java."""

from ops.sandbox.kafka.cluster import KafkaCluster, create_cluster
from ops.sandbox.kafka.errors import SandboxKafkaError
from ops.sandbox.kafka.start import (
    SandboxKafka,
    create_kafka,
    start_kafka,
    start_secured_kafka,
)

__all__ = [
    "KafkaCluster",
    "SandboxKafka",
    "SandboxKafkaError",
    "create_cluster",
    "create_kafka",
    "start_kafka",
    "start_secured_kafka",
]

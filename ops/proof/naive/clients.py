"""The consumer and the transactional producer that the manual asks for, and no more."""

from kafka import KafkaConsumer, KafkaProducer

from worker.adapters.kafka.clients import ValueSerializer
from worker.adapters.kafka.connection import KafkaConnection, connect, connection_options
from worker.settings import Settings


def make_consumer(settings: Settings, connection: KafkaConnection) -> KafkaConsumer:
    """Build a consumer for a loop that commits by transactions."""
    session_timeout_ms = round(settings.kafka_session_timeout_seconds * 1000)
    options = connection_options(connection, f"{settings.instance_id}-consumer") | {
        "group_id": settings.kafka_group_id,
        "group_instance_id": settings.instance_id,
        "enable_auto_commit": False,
        "isolation_level": "read_committed",
        "auto_offset_reset": "earliest",
        "session_timeout_ms": session_timeout_ms,
        "heartbeat_interval_ms": session_timeout_ms // 3,
    }
    return connect(connection, lambda: KafkaConsumer(**options))


def make_producer(settings: Settings, connection: KafkaConnection) -> KafkaProducer:
    """Build a transactional producer, which is idempotent and waits for all replicas."""
    options = connection_options(connection, f"{settings.instance_id}-producer") | {
        "transactional_id": settings.transactional_id,
        "value_serializer": ValueSerializer(),
    }
    return connect(connection, lambda: KafkaProducer(**options))

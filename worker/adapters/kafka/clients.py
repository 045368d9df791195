"""The worker's consumer and transactional producer, with every safety option spelled out."""

from typing import Any, Final

from kafka import KafkaConsumer, KafkaProducer
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.serializer import Serializer
from typing_extensions import override

from worker.adapters.kafka.connection import KafkaConnection, connect, connection_options
from worker.adapters.kafka.hardened import harden_consumer

POLL_RECORDS_MAX: Final = 200
POLL_INTERVAL_MAX_MS: Final = 180_000
HEARTBEATS_PER_SESSION: Final = 10
PRODUCER_REQUEST_TIMEOUT_MS: Final = 10_000
TRANSACTION_TIMEOUT_MS: Final = 45_000
DELIVERY_TIMEOUT_MS: Final = 90_000
"""Above the Kafka transaction's own timeout: a second net under a partial commit (T1)."""
BLOCK_MAX_MS: Final = 30_000
RETRY_BACKOFF_MS: Final = 20
"""The default of 100 caps a busy producer at ten Kafka transactions a second (T12)."""

NOTHING: Final = object()
"""The value of a record without one: send() refuses None where the key is None too."""


class ValueSerializer(Serializer):  # type: ignore[misc]  # kafka-python ships no types
    """Values are bytes already; the dead letter of an empty record is as empty as that."""

    @override
    def serialize(self, topic: str, headers: list[tuple[str, bytes]], data: Any) -> Any:
        """Return the bytes, or None for NOTHING."""
        return None if data is NOTHING else data


def make_consumer(
    connection: KafkaConnection,
    group_id: str,
    instance_id: str,
    session_timeout_seconds: float,
) -> KafkaConsumer:
    """Build the hardened consumer; KafkaUnavailableError if Kafka cannot be reached."""
    session_timeout_ms = round(session_timeout_seconds * 1000)
    options = connection_options(connection, f"{instance_id}-consumer") | {
        "group_id": group_id,
        # Static: a restart within the session keeps its partitions, and a fence by instance id
        # stops a zombie whose snapshot says nothing (C3).
        "group_instance_id": instance_id,
        "enable_auto_commit": False,
        "isolation_level": "read_committed",
        # Never a silent jump: where to begin is decided here, from what is committed.
        "auto_offset_reset": "none",
        "partition_assignment_strategy": [CooperativeStickyAssignor],
        "max_poll_records": POLL_RECORDS_MAX,
        "max_poll_interval_ms": POLL_INTERVAL_MAX_MS,
        "session_timeout_ms": session_timeout_ms,
        "heartbeat_interval_ms": session_timeout_ms // HEARTBEATS_PER_SESSION,
        "check_crcs": True,
        "allow_auto_create_topics": False,
    }
    return harden_consumer(connect(connection, lambda: KafkaConsumer(**options)))


def make_producer(
    connection: KafkaConnection, transactional_id: str, instance_id: str
) -> KafkaProducer:
    """Build a producer, not yet hardened; KafkaUnavailableError if Kafka cannot be reached."""
    options = connection_options(connection, f"{instance_id}-producer") | {
        "transactional_id": transactional_id,
        "enable_idempotence": True,
        "acks": "all",
        "transaction_timeout_ms": TRANSACTION_TIMEOUT_MS,
        "delivery_timeout_ms": DELIVERY_TIMEOUT_MS,
        "request_timeout_ms": PRODUCER_REQUEST_TIMEOUT_MS,
        "max_block_ms": BLOCK_MAX_MS,
        "retry_backoff_ms": RETRY_BACKOFF_MS,
        "value_serializer": ValueSerializer(),
        # Every subscriber can read it, whatever codecs it has installed (C4).
        "compression_type": None,
        "allow_auto_create_topics": False,
    }
    return connect(connection, lambda: KafkaProducer(**options))

"""A transactional producer without Kafka: it does what a broker would make of its calls, or fails as told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from kafka import ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition

Records = list[dict[str, Any]]
Offsets = Mapping[TopicPartition, OffsetAndMetadata]


@dataclass
class Log:
    """What `read_committed` readers see, and what happens on the way there."""

    records: Records = field(default_factory=list)
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    notes: dict[TopicPartition, str] = field(default_factory=dict)
    """The metadata beside the offsets."""
    groups: list[ConsumerGroupMetadata] = field(default_factory=list)
    """With which snapshots offsets were sent."""
    sizes: list[int] = field(default_factory=list)
    """How many records each Kafka transaction had."""
    producers: list["ScriptedProducer"] = field(default_factory=list)
    on: dict[str, Callable[[], object]] = field(default_factory=dict)
    """What happens, once, when a step is reached: init, begin, send, ack, offsets, commit."""

    def reach(self, step: str) -> None:
        """Do what is to happen at this step."""
        self.on.pop(step, lambda: None)()

    def make_producer(self) -> "ScriptedProducer":
        """Make a producer that writes here."""
        self.producers.append(ScriptedProducer(self))
        return self.producers[-1]


class Ack:
    """The future of a record that was sent."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def get(self, timeout: float) -> None:
        """Wait for the broker's word."""
        assert timeout >= 0
        self._log.reach("ack")


class ScriptedProducer:
    """Stands for a KafkaProducer with the parts that the hardening touches."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._sent: Records = []
        self._offsets: Offsets = {}
        self._transaction_manager = SimpleNamespace(
            last_error=None, classify_batch_error=lambda *_: "RETRIABLE"
        )
        self._client = SimpleNamespace(await_ready=lambda *_, **__: True)
        self._sender = SimpleNamespace(
            _client=self._client, force_close=self._force_close, join=lambda _seconds: None
        )
        self.is_stopped = False
        self._closed = False

    def _force_close(self) -> None:
        self.is_stopped = True

    def _unregister_cleanup(self) -> None:
        """Be forgotten by the interpreter's exit."""

    def init_transactions(self) -> None:
        """Take the transactional id."""
        self._log.reach("init")

    def begin_transaction(self) -> None:
        """Begin with nothing sent."""
        self._log.reach("begin")
        self._sent, self._offsets = [], {}

    def send(self, **record: Any) -> Ack:
        """Send a record that only a commit makes visible."""
        self._log.reach("send")
        self._sent.append(record)
        return Ack(self._log)

    def send_offsets_to_transaction(
        self, offsets: Offsets, group: ConsumerGroupMetadata
    ) -> None:
        """Add offsets that only a commit makes visible."""
        self._log.reach("offsets")
        self._offsets = offsets
        self._log.groups.append(group)

    def commit_transaction(self) -> None:
        """Make all of it visible at once."""
        self._log.reach("commit")
        self._log.sizes.append(len(self._sent))
        self._log.records += self._sent
        self._log.offsets |= {
            partition: offset.offset for partition, offset in self._offsets.items()
        }
        self._log.notes |= {
            partition: offset.metadata for partition, offset in self._offsets.items()
        }


def raising(error: BaseException) -> Callable[[], None]:
    """Make a step fail."""

    def fail() -> None:
        raise error

    return fail

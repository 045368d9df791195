"""The transaction coordinator of the Kafka fake: epochs, fences, and markers that come later."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from tests.simulation.kafka_log import (
    Committed,
    PartitionLog,
    TopicPartition,
    Transaction,
    TransactionState,
)
from tests.simulation.loop import VirtualTime
from worker.domain.entry import Headers

TRANSACTION_TIMEOUT_SECONDS = 60.0


class FencedError(Exception):
    """Another producer has the transactional id, or the transaction took too long."""


class BusyError(Exception):
    """The markers of the transaction before are still being written: try again."""


@dataclass(slots=True)
class Producer:
    """What the coordinator knows of a transactional id."""

    epoch: int = -1
    open: Transaction | None = None
    ending: Transaction | None = None


@dataclass
class Transactions:
    """`apply` is called with the offsets of a transaction when its markers are written."""

    virtual: VirtualTime
    marker_seconds: Callable[[], float]
    apply: Callable[[Mapping[TopicPartition, Committed]], None]
    note: Callable[[str], object]
    unstable: set[TopicPartition] = field(default_factory=set)
    """Partitions with an offset of a transaction that is not ended: not to be read yet."""
    committed: int = 0
    _producers: dict[str, Producer] = field(default_factory=dict)
    _pending: list[Transaction] = field(default_factory=list)

    def init(self, transactional_id: str) -> int:
        """Take an id and return the new epoch; what its last owner left open is aborted.

        BusyError until the markers of that are written.
        """
        producer = self._producers.setdefault(transactional_id, Producer())
        producer.epoch += 1
        if producer.open is not None:
            self._end(producer, TransactionState.ABORTED)
        if producer.ending is not None:
            raise BusyError
        return producer.epoch

    def produce(
        self,
        transactional_id: str,
        epoch: int,
        records: Iterable[tuple[PartitionLog, bytes | None, bytes | None, Headers]],
    ) -> None:
        """Write records in the open transaction, or begin one. FencedError, BusyError."""
        transaction = self._opened(transactional_id, epoch)
        for log, key, value, headers in records:
            log.append(key, value, headers, self.virtual.now, transaction)

    def add_offsets(
        self, transactional_id: str, epoch: int, offsets: Mapping[TopicPartition, Committed]
    ) -> None:
        """Commit these offsets with the open transaction. FencedError, BusyError."""
        self._opened(transactional_id, epoch).offsets.update(offsets)
        self._note_unstable()

    def end(self, transactional_id: str, epoch: int) -> None:
        """Decide to commit; readers see it when the markers are written. FencedError."""
        producer = self._checked(transactional_id, epoch)
        assert producer.open is not None
        self._end(producer, TransactionState.COMMITTED)

    def _checked(self, transactional_id: str, epoch: int) -> Producer:
        producer = self._producers[transactional_id]
        if producer.epoch != epoch:
            raise FencedError
        return producer

    def _opened(self, transactional_id: str, epoch: int) -> Transaction:
        producer = self._checked(transactional_id, epoch)
        if producer.ending is not None:
            raise BusyError
        if producer.open is None:
            producer.open = transaction = Transaction()
            self._pending.append(transaction)
            self.virtual.after(
                TRANSACTION_TIMEOUT_SECONDS, lambda: self._time_out(producer, transaction)
            )
        return producer.open

    def _time_out(self, producer: Producer, transaction: Transaction) -> None:
        if producer.open is transaction:
            producer.epoch += 1
            self._end(producer, TransactionState.ABORTED)

    def _end(self, producer: Producer, state: TransactionState) -> None:
        transaction, producer.open = producer.open, None
        assert transaction is not None
        producer.ending = transaction
        committed = state is TransactionState.COMMITTED
        self.committed += committed
        if not committed:
            self.note("aborted")

        def write_markers() -> None:
            transaction.state = state
            producer.ending = None
            self._pending.remove(transaction)
            self._note_unstable()
            for log in transaction.logs:
                log.mark(transaction)
            if committed:
                self.apply(transaction.offsets)

        self.virtual.after(self.marker_seconds(), write_markers)

    def _note_unstable(self) -> None:
        self.unstable = {
            place for transaction in self._pending for place in transaction.offsets
        }

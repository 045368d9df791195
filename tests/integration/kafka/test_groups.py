"""What a start reads of a group on a real Kafka, while other workers go on committing."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kafka import ConsumerGroupMetadata, KafkaProducer, OffsetAndMetadata

from tests.integration.kafka.members import Place, note
from tests.integration.kafka.operator import Operator
from worker.adapters.kafka.clients import make_producer
from worker.adapters.kafka.connection import KafkaUnavailableError
from worker.adapters.kafka.groups import committed_notes, settled_notes
from worker.adapters.kafka.hardened import discard, harden
from worker.application.ports import LedgerForeignError
from worker.bootstrap.exits import CannotGoOnError
from worker.bootstrap.joining import FoundInKafka, bind
from worker.domain.commit_note import read_note
from worker.domain.identity import NOT_NAMED, Affiliation, Committed, Identity
from worker.domain.offset_map import OffsetMap

pytestmark = pytest.mark.integration

NOTE = note("topic-id", OffsetMap.resume(3))


class PublishedLedger:
    """A ledger that has published something for its group, which a committed note must name."""

    async def bind(self, to: Affiliation, committed: Committed) -> Identity:
        """Refuse the group as long as no note names it."""
        if not any(committed):
            raise LedgerForeignError(NOT_NAMED)
        return Identity(ledger_id="ledger-id", default_client=to.default_client)

    async def verify(self, notes: object) -> None:
        """Nothing is lost."""

    async def adopt(self, to: Affiliation, committed: Committed, since: object) -> Identity:
        """Nobody asks."""
        raise AssertionError("adopt is not asked for")


@contextmanager
def open_commit(place: Place) -> Iterator[KafkaProducer]:
    """The group's very first commit, not ended yet."""
    producer = harden(make_producer(place.connection, f"{place.group}.other", "other"))
    producer.init_transactions()
    producer.begin_transaction()
    offsets = {place.partition(0): OffsetAndMetadata(3, NOTE, -1)}
    producer.send_offsets_to_transaction(offsets, ConsumerGroupMetadata(place.group))
    try:
        yield producer
    finally:
        discard(producer)


def found_in(place: Place) -> FoundInKafka:
    """What a start found before anything was committed."""
    to = Affiliation(group_id=place.group, default_client="client", partitions={})
    return FoundInKafka(to, [], (place.partition(0), place.partition(1)))


def test_what_is_committed_just_now_is_waited_for(place: Place) -> None:
    """P9: a note that is only on its way is no sign of another ledger."""
    sources = found_in(place).sources
    with open_commit(place) as producer:
        assert committed_notes(place.connection, place.group) == []
        with pytest.raises(KafkaUnavailableError, match="stays open"):
            settled_notes(place.connection, place.group, sources, seconds_max=0.5)
        producer.commit_transaction()
        found = settled_notes(place.connection, place.group, sources)
    assert found == [read_note(NOTE)]


async def test_a_first_outcome_published_during_a_start_is_no_reason_to_refuse(
    operator: Operator, place: Place
) -> None:
    """P9: the ledger is ahead of the notes that were read, not foreign."""
    operator.commit(place, {0: 3}, NOTE)
    identity = await bind(PublishedLedger(), found_in(place), place.connection)
    assert identity.ledger_id == "ledger-id"


async def test_a_ledger_that_no_note_names_is_refused_all_the_same(
    operator: Operator, place: Place
) -> None:
    """P9: reading again is no way around it."""
    operator.commit(place, {0: 3})
    with pytest.raises(CannotGoOnError, match="no committed offset names it") as refused:
        await bind(PublishedLedger(), found_in(place), place.connection)
    assert refused.value.exit_code == 78

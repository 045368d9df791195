"""Joining a group: what a start reads of Kafka, and whether the ledger belongs to it (P9)."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from kafka import TopicPartition

from worker.adapters.kafka.admin import describe_topics
from worker.adapters.kafka.connection import (
    KafkaConnection,
    KafkaRefusedError,
    KafkaUnavailableError,
)
from worker.adapters.kafka.groups import committed_notes, group_members, settled_notes
from worker.adapters.sql.ledger import SqlLedger
from worker.adapters.sql.schema import LedgerSchemaError
from worker.application.ports import (
    LedgerForeignError,
    LedgerIdentity,
    LedgerUnavailableError,
)
from worker.bootstrap.assembly import output_topics, throwaway_metrics, topic_kinds
from worker.bootstrap.exits import (
    EXIT_DEPENDENCY_MISSING,
    EXIT_FAILURE,
    EXIT_UNFIT,
    CannotGoOnError,
)
from worker.domain.commit_note import FutureNoteError
from worker.domain.identity import Affiliation, Committed, Identity
from worker.settings import Settings


@dataclass(frozen=True, slots=True)
class FoundInKafka:
    """Whom the ledger is to work for, and what the group has committed."""

    to: Affiliation
    committed: Committed
    sources: tuple[TopicPartition, ...] = ()
    """All partitions that the group reads."""


def find_in_kafka(settings: Settings, connection: KafkaConnection) -> FoundInKafka:
    """See that all topics are there, and read the notes of the group. CannotGoOnError."""
    needed = {*topic_kinds(settings), *output_topics(settings).values()}
    with _sentences():
        found = describe_topics(connection, needed)
        committed = committed_notes(connection, settings.kafka_group_id)
    missing = sorted(needed - found.keys())
    if missing:
        sentence = (
            f"Topics are missing: {', '.join(missing)}. Run `paywizard-worker topics create`."
        )
        raise CannotGoOnError(EXIT_DEPENDENCY_MISSING, sentence)
    internal = f"{settings.kafka_topic_prefix}internal."
    to = Affiliation(
        group_id=settings.kafka_group_id,
        default_client=settings.credentials().default,
        partitions={
            name: facts.partitions for name, facts in found.items() if name.startswith(internal)
        },
    )
    sources = tuple(
        TopicPartition(name, number)
        for name in topic_kinds(settings)
        for number in range(found[name].partitions)
    )
    return FoundInKafka(to, committed, sources)


async def bind(
    ledger: LedgerIdentity, found: FoundInKafka, connection: KafkaConnection
) -> Identity:
    """Tie the ledger to its group, or see that it is the group's own. CannotGoOnError."""
    with _sentences():
        try:
            return await ledger.bind(found.to, found.committed)
        except LedgerForeignError:
            # The ledger may know of the group's first outcome, published by another worker
            # after the notes were read: then there is a note once they are read again.
            since = await asyncio.to_thread(
                settled_notes, connection, found.to.group_id, found.sources
            )
            return await ledger.bind(found.to, [*found.committed, *since])


@contextmanager
def _sentences() -> Iterator[None]:
    """Turn what Kafka and the ledger may answer at a start into CannotGoOnError."""
    try:
        yield
    except (LedgerSchemaError, LedgerForeignError, FutureNoteError) as error:
        raise CannotGoOnError(EXIT_UNFIT, str(error)) from error
    except (LedgerUnavailableError, KafkaUnavailableError, KafkaRefusedError) as error:
        raise CannotGoOnError(EXIT_DEPENDENCY_MISSING, str(error)) from error


def adopt(settings: Settings, since: datetime) -> None:
    """Make the ledger the group's own whatever it has lost; the group must be empty.

    CannotGoOnError.
    """
    connection = KafkaConnection(**settings.connection_values())
    found = find_in_kafka(settings, connection)
    members = group_members(connection, settings.kafka_group_id)
    if members:
        sentence = (
            f"Group {settings.kafka_group_id} has {members} members: stop every worker first "
            "(a stopped one stays a member until its session timeout)."
        )
        raise CannotGoOnError(EXIT_FAILURE, sentence)
    asyncio.run(_adopt(settings, found, since))


async def _adopt(settings: Settings, found: FoundInKafka, since: datetime) -> None:
    with _sentences():
        ledger = await SqlLedger.open(
            settings.ledger_url.get_secret_value(),
            str(uuid.uuid4()),
            throwaway_metrics(settings),
            orphan_after_seconds=settings.orphan_after_seconds,
        )
        try:
            await ledger.adopt(found.to, found.committed, since)
        finally:
            await ledger.close()

"""Rows and what they stand for: entries."""

from collections import namedtuple
from collections.abc import Mapping
from typing import Any, Final

from worker.adapters.sql.serialising import (
    outcome_from,
    outcome_text,
    queries_from,
    queries_text,
    request_from,
    request_text,
)
from worker.adapters.sql.tables import entries
from worker.adapters.sql.timestamps import moment_from
from worker.domain.card import Card
from worker.domain.entry import Entry, Published, Source, StoredOutcome
from worker.domain.operations import Operation
from worker.domain.states import State

_EntryRow: Final = namedtuple("_EntryRow", entries.c.keys())  # type: ignore[misc]


def entry_row(entry: Entry) -> dict[str, object]:
    """The columns of an entry, all but its times, which are the database's."""
    card = entry.card
    assert card is None or card.client_id == entry.client_id
    return {
        "client_id": entry.client_id,
        "tran_order_no": entry.tran_order_no,
        "fingerprint": entry.fingerprint,
        "operation": entry.operation.value,
        "loyalty_channel": None if card is None else card.loyalty_channel,
        "account_id": None if card is None else card.account_id,
        **_source_row(entry.source),
        "state": entry.state.value,
        "owner": entry.owner,
        "version": entry.version,
        "attempts": entry.attempts,
        "takes": entry.takes,
        "request": request_text(entry.request),
        **_outcome_row(entry.outcome),
        **_final_source_row(entry.final_source),
        "published": entry.published.value,
        "queries": queries_text(entry.queries),
    }


def changed_columns(sets: Mapping[str, Any]) -> dict[str, object]:
    """The columns of the fields that a move sets."""
    columns: dict[str, object] = {}
    for name, value in sets.items():
        match name:
            case "state":
                columns["state"] = value.value
            case "outcome":
                columns |= _outcome_row(value)
            case "queries":
                columns["queries"] = queries_text(value)
            case "source":
                columns |= _source_row(value)
            case "final_source":
                columns |= _final_source_row(value)
            case _:
                columns[name] = value
    return columns


def entry_of(values: tuple[Any, ...]) -> Entry:
    """Read an entry from all columns of its row, in their order."""
    row: Any = _EntryRow._make(values)
    has_card = row.account_id is not None
    return Entry(
        client_id=row.client_id,
        tran_order_no=row.tran_order_no,
        fingerprint=row.fingerprint,
        operation=Operation(row.operation),
        card=Card(row.client_id, row.loyalty_channel, row.account_id) if has_card else None,
        source=_source_of(row),
        request=request_from(row.request),
        owner=row.owner,
        state=State(row.state),
        version=row.version,
        attempts=row.attempts,
        submitted_at=moment_from(row.submitted_at),
        undecided_since=moment_from(row.undecided_since),
        decided_at=moment_from(row.decided_at),
        next_check_at=moment_from(row.next_check_at),
        takes=row.takes,
        final_source=_final_source_of(row),
        published=Published(row.published),
        outcome=None if row.outcome is None else outcome_from(row.outcome),
        queries=queries_from(row.queries),
        purged_at=moment_from(row.purged_at),
    )


def _outcome_row(outcome: StoredOutcome | None) -> dict[str, object]:
    if outcome is None:
        return {"checkout_id": None, "outcome": None}
    return {"checkout_id": outcome.proven_checkout_id, "outcome": outcome_text(outcome)}


def _final_source_row(source: Source | None) -> dict[str, object]:
    return {
        "final_source_topic_id": None if source is None else source.topic_id,
        "final_source_topic": None if source is None else source.topic,
        "final_source_partition": None if source is None else source.partition,
        "final_source_offset": None if source is None else source.offset,
    }


def _source_row(source: Source) -> dict[str, object]:
    return {
        "source_topic_id": source.topic_id,
        "source_topic": source.topic,
        "source_partition": source.partition,
        "source_offset": source.offset,
    }


def _final_source_of(row: Any) -> Source | None:
    if row.final_source_topic_id is None:
        return None
    return Source(
        topic_id=row.final_source_topic_id,
        topic=row.final_source_topic,
        partition=row.final_source_partition,
        offset=row.final_source_offset,
    )


def _source_of(row: Any) -> Source:
    return Source(
        topic_id=row.source_topic_id,
        topic=row.source_topic,
        partition=row.source_partition,
        offset=row.source_offset,
    )

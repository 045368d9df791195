"""Rows and what they stand for: entries and card balances."""

from typing import Any

from sqlalchemy import Row

from worker.adapters.sql.serialising import (
    balances_from,
    balances_text,
    causes_from,
    causes_text,
    outcome_from,
    outcome_text,
    request_from,
    request_text,
)
from worker.domain.balances import CardBalances
from worker.domain.card import Card
from worker.domain.entry import Entry, Source
from worker.domain.operations import Operation
from worker.domain.states import State


def entry_row(entry: Entry) -> dict[str, object]:
    """The columns of an entry, all but `claimed_at`."""
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
        "submitted_at": entry.submitted_at,
        "decided_at": entry.decided_at,
        "checkout_id": entry.checkout_id,
        "takes": entry.takes,
        "request": request_text(entry.request),
        "outcome": None if entry.outcome is None else outcome_text(entry.outcome),
    }


def entry_of(row: Row[Any]) -> Entry:
    """Read an entry from all columns of its row."""
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
        submitted_at=row.submitted_at,
        decided_at=row.decided_at,
        takes=row.takes,
        outcome=None if row.outcome is None else outcome_from(row.outcome),
    )


def balances_row(balances: CardBalances) -> dict[str, object]:
    """The columns of what is recorded about a card."""
    return {
        "client_id": balances.card.client_id,
        "loyalty_channel": balances.card.loyalty_channel,
        "account_id": balances.card.account_id,
        "sequence": balances.sequence,
        "previous": balances_text(balances.previous),
        "current": balances_text(balances.current),
        **_source_row(balances.source),
        "causes": causes_text(balances.causes),
        "observed_at": balances.observed_at,
        "timestamp": balances.timestamp,
    }


def balances_of(row: Row[Any]) -> CardBalances:
    """Read what is recorded about a card from all columns of its row."""
    return CardBalances(
        card=Card(row.client_id, row.loyalty_channel, row.account_id),
        sequence=row.sequence,
        previous=balances_from(row.previous),
        current=balances_from(row.current),
        source=_source_of(row),
        causes=causes_from(row.causes),
        observed_at=row.observed_at,
        timestamp=row.timestamp,
    )


def _source_row(source: Source) -> dict[str, object]:
    return {
        "source_topic_id": source.topic_id,
        "source_topic": source.topic,
        "source_partition": source.partition,
        "source_offset": source.offset,
    }


def _source_of(row: Row[Any]) -> Source:
    return Source(
        topic_id=row.source_topic_id,
        topic=row.source_topic,
        partition=row.source_partition,
        offset=row.source_offset,
    )

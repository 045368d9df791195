"""Card balances in SQL: the last event of a card, what covers its refreshes, and what is owed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    Row,
    bindparam,
    literal,
    null,
    select,
    tuple_,
    update,
)

from worker.adapters.sql.serialising import (
    balances_from,
    balances_text,
    causes_from,
    causes_text,
)
from worker.adapters.sql.session import Session
from worker.adapters.sql.tables import STALE, UNPUBLISHED, balances
from worker.adapters.sql.timestamps import database_later, database_now
from worker.application.ports import EventMark, Held
from worker.domain.balances import CardBalances
from worker.domain.card import Card
from worker.domain.card_state import CardState, Stale
from worker.domain.entry import Source

KEY: Final = tuple_(balances.c.client_id, balances.c.loyalty_channel, balances.c.account_id)


def card_state(session: Session, card: Card) -> CardState:
    """Read all that is known of a card's refreshes."""
    row = session.connection.execute(select(balances).where(*_is_card(card))).one_or_none()
    return CardState(card=card) if row is None else _state_of(row)


def move_card(session: Session, state: CardState, due_seconds: float | None) -> bool:
    """Store a card's next state; False: the version it was made from is not the card's."""
    values = _row(state, due_seconds)
    if state.version == 0:
        insertion = session.statements.insert(balances).values(**values)
        returned = session.connection.execute(
            insertion.on_conflict_do_nothing().returning(balances.c.version)
        )
    else:
        returned = session.connection.execute(
            update(balances)
            .where(*_is_card(state.card), balances.c.version == state.version)
            .values(**values)
            .returning(balances.c.version)
        )
    return returned.first() is not None


def lock_cards(session: Session, cards: Iterable[Card]) -> None:
    """Lock the rows that a group will change, in the order of their keys."""
    keys = sorted({(card.client_id, card.loyalty_channel, card.account_id) for card in cards})
    if session.locks_rows and len(keys) > 1:
        session.connection.execute(
            select(balances.c.version)
            .where(KEY.in_(keys))
            .order_by(*KEY.clauses)
            .with_for_update()
        ).all()


def mark_events(session: Session, marks: Sequence[EventMark]) -> None:
    """Note events as published, where they are still the last of their cards."""
    if marks:
        session.connection.execute(
            _MARK,
            [
                {
                    "key_client_id": mark.card.client_id,
                    "key_loyalty_channel": mark.card.loyalty_channel,
                    "key_account_id": mark.card.account_id,
                    "key_sequence": mark.sequence,
                }
                for mark in marks
            ],
        )


def held_events(session: Session, topic_id: str, partition: int) -> list[Held]:
    """Read the events that a partition's records publish and that are not marked published."""
    rows = session.connection.execute(
        select(balances).where(
            UNPUBLISHED,
            balances.c.source_topic_id == topic_id,
            balances.c.source_partition == partition,
        )
    )
    return [Held(row.source_offset, EventMark(_card_of(row), row.sequence)) for row in rows]


def has_stale_cards(session: Session) -> bool:
    """Whether any card's owed look is due."""
    due = select(balances.c.version).where(STALE, balances.c.next_refresh_at <= database_now())
    return session.connection.execute(due.limit(1)).first() is not None


def take_stale_cards(
    session: Session, limit: int, again: Callable[[int], float]
) -> list[CardState]:
    """Take cards whose owed look is due, oldest first; each falls due again after its next try."""
    due = session.connection.execute(
        # SKIP LOCKED: what another process is at work on needs no refresh now.
        select(balances)
        .where(STALE, balances.c.next_refresh_at <= database_now())
        .order_by(balances.c.next_refresh_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    return [_tried(session, row, again) for row in due]


def _tried(session: Session, row: Row[Any], again: Callable[[int], float]) -> CardState:
    tries = row.stale_tries + 1
    later = database_later(literal(again(tries), Float))
    returned = session.connection.execute(
        update(balances)
        .where(*_is_card(_card_of(row)))
        .values(stale_tries=tries, next_refresh_at=later)
        .returning(balances)
    )
    return _state_of(returned.one())


_MARK: Final = (
    update(balances)
    .where(
        balances.c.client_id == bindparam("key_client_id"),
        balances.c.loyalty_channel == bindparam("key_loyalty_channel"),
        balances.c.account_id == bindparam("key_account_id"),
        balances.c.sequence == bindparam("key_sequence", type_=BigInteger),
    )
    .values(published=1)
)


def _is_card(card: Card) -> tuple[ColumnElement[Any], ...]:
    return (
        balances.c.client_id == card.client_id,
        balances.c.loyalty_channel == card.loyalty_channel,
        balances.c.account_id == card.account_id,
    )


# ── Rows ────────────────────────────────────────────────────────────────────────────────────


def _row(state: CardState, due_seconds: float | None) -> Mapping[str, object]:
    """The columns of a card's next state; a card without an event has 0 for its sequence."""
    covered, stale = state.covered, state.stale
    assert covered is not None, "every move covers a refresh"
    values: dict[str, object] = {
        "client_id": state.card.client_id,
        "loyalty_channel": state.card.loyalty_channel,
        "account_id": state.card.account_id,
        "version": state.version + 1,
        "published": int(state.published),
        **_source_row("covered", covered),
        "untold": causes_text(state.untold),
        "stale_entry_type": None if stale is None else stale.entry_type,
        "stale_tries": 0 if stale is None else stale.tries,
        **_event_row(state.last, covered),
    }
    if stale is None:
        values["next_refresh_at"] = null()
    elif due_seconds is not None:
        values["next_refresh_at"] = database_later(literal(due_seconds, Float))
    return values


def _event_row(event: CardBalances | None, covered: Source) -> dict[str, object]:
    if event is None:
        return {
            "sequence": 0,
            "previous": balances_text(()),
            "current": balances_text(()),
            **_source_row("source", covered),
            "causes": causes_text(()),
            "observed_at": database_now(),
            "timestamp": None,
        }
    return {
        "sequence": event.sequence,
        "previous": balances_text(event.previous),
        "current": balances_text(event.current),
        **_source_row("source", event.source),
        "causes": causes_text(event.causes),
        "observed_at": event.observed_at,
        "timestamp": event.timestamp,
    }


def _state_of(row: Row[Any]) -> CardState:
    stale = None
    if row.stale_entry_type is not None:
        next_refresh_at: datetime | None = row.next_refresh_at
        stale = Stale(row.stale_entry_type, row.stale_tries, next_refresh_at)
    return CardState(
        card=_card_of(row),
        version=row.version,
        last=None if row.sequence == 0 else event_of(row),
        published=bool(row.published),
        covered=None if row.covered_topic_id is None else _source_of(row, "covered"),
        untold=causes_from(row.untold),
        stale=stale,
    )


def event_of(row: Row[Any]) -> CardBalances:
    """Read a card's last event from its row, which has one."""
    return CardBalances(
        card=_card_of(row),
        sequence=row.sequence,
        previous=balances_from(row.previous),
        current=balances_from(row.current),
        source=_source_of(row, "source"),
        causes=causes_from(row.causes),
        observed_at=row.observed_at,
        timestamp=row.timestamp,
    )


def _card_of(row: Row[Any]) -> Card:
    return Card(row.client_id, row.loyalty_channel, row.account_id)


def _source_row(prefix: str, source: Source) -> dict[str, object]:
    return {
        f"{prefix}_topic_id": source.topic_id,
        f"{prefix}_topic": source.topic,
        f"{prefix}_partition": source.partition,
        f"{prefix}_offset": source.offset,
    }


def _source_of(row: Row[Any], prefix: str) -> Source:
    columns = row._mapping
    return Source(
        topic_id=columns[f"{prefix}_topic_id"],
        topic=columns[f"{prefix}_topic"],
        partition=columns[f"{prefix}_partition"],
        offset=columns[f"{prefix}_offset"],
    )

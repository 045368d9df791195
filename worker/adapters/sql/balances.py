"""Card balances in SQL: what was last recorded about a card, numbered without gaps."""

from typing import Any

from sqlalchemy import ColumnElement, Insert, Update, select, update

from worker.adapters.sql.rows import balances_of, balances_row
from worker.adapters.sql.session import Session
from worker.adapters.sql.tables import balances
from worker.domain.balances import CardBalances
from worker.domain.card import Card


def find_balances(session: Session, card: Card) -> CardBalances | None:
    """Read what was last recorded about a card."""
    row = session.connection.execute(select(balances).where(*_is_card(card))).one_or_none()
    return None if row is None else balances_of(row)


def record_balances(session: Session, recorded: CardBalances) -> bool:
    """Store the next event of a card; False: it does not continue the sequence."""
    values = balances_row(recorded)
    statement: Insert | Update = (
        session.statements.insert(balances).values(**values).on_conflict_do_nothing()
        if recorded.sequence == 1
        else update(balances)
        .where(*_is_card(recorded.card), balances.c.sequence == recorded.sequence - 1)
        .values(**values)
    )
    returned = session.connection.execute(statement.returning(balances.c.sequence))
    return returned.first() is not None


def _is_card(card: Card) -> tuple[ColumnElement[Any], ...]:
    return (
        balances.c.client_id == card.client_id,
        balances.c.loyalty_channel == card.loyalty_channel,
        balances.c.account_id == card.account_id,
    )

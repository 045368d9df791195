"""What is done to the ledger, as statements within a given SQL transaction.

Every move is one guarded statement: it changes the row only if the version is still the one that
the caller has read. So no isolation stronger than READ COMMITTED is needed.
"""

from typing import Any

from sqlalchemy import Connection, Row, case, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import IntegrityError

from worker.adapters.sql.errors import is_unique_violation
from worker.adapters.sql.rows import balances_of, balances_row, entry_of, entry_row
from worker.adapters.sql.serialising import outcome_text
from worker.adapters.sql.tables import balances, entries
from worker.adapters.sql.timestamps import database_now
from worker.application.ports import LostRaceError, OriginalTakenError
from worker.domain.balances import CardBalances
from worker.domain.card import Card
from worker.domain.entry import Entry, StoredOutcome
from worker.domain.operations import Operation
from worker.domain.states import (
    FINAL,
    GIVES_BACK_ORIGINAL,
    PUBLISHABLE,
    Event,
    State,
    next_state,
)


def claim(connection: Connection, entry: Entry) -> tuple[Entry, bool]:
    """Insert an entry unless its key is there; return what is stored, and whether it is new."""
    assert entry.state is State.CLAIMED
    inserted = connection.execute(
        insert(entries)
        .values(**entry_row(entry), claimed_at=database_now())
        .on_conflict_do_nothing(index_elements=[entries.c.client_id, entries.c.tran_order_no])
    )
    if inserted.rowcount == 1:
        return entry, True
    stored = find(connection, *entry.key)
    assert stored is not None, "entries are never deleted"
    return stored, False


def find(connection: Connection, client_id: str, tran_order_no: str) -> Entry | None:
    """Read one entry by its key."""
    row = connection.execute(
        select(entries).where(
            entries.c.client_id == client_id, entries.c.tran_order_no == tran_order_no
        )
    ).one_or_none()
    return None if row is None else entry_of(row)


def find_by_checkout_id(
    connection: Connection, client_id: str, checkout_id: str
) -> Entry | None:
    """Read the entry whose own effect has this `checkoutId`; of several, one that SUCCEEDED."""
    row = connection.execute(
        select(entries)
        .where(entries.c.client_id == client_id, entries.c.checkout_id == checkout_id)
        .order_by(
            case((entries.c.state == State.SUCCEEDED.value, 0), else_=1),
            entries.c.tran_order_no,
        )
        .limit(1)
    ).one_or_none()
    return None if row is None else entry_of(row)


def take_over(connection: Connection, entry: Entry, owner: str) -> Entry:
    """Give a CLAIMED entry to `owner`, or raise LostRaceError."""
    if entry.state is not State.CLAIMED:
        raise LostRaceError("only a CLAIMED entry can be taken over")
    return _changed(connection, entry, {"owner": owner})


def submit(connection: Connection, entry: Entry, takes: str | None) -> Entry:
    """Move CLAIMED to SUBMITTED and hold the original; LostRaceError, OriginalTakenError."""
    values = {
        "state": next_state(entry.state, Event.SUBMIT).value,
        "attempts": entries.c.attempts + 1,
        "submitted_at": database_now(),
        "takes": takes,
    }
    if takes is None:
        return _changed(connection, entry, values)
    # The original's row is the lock that makes a tip and a void of it wait for each other.
    originals = _lock_originals(connection, entry.client_id, takes)
    try:
        submitted = _changed(connection, entry, values)
    except IntegrityError as error:
        if not is_unique_violation(error):
            raise
        raise OriginalTakenError("another order holds the original") from None
    # After the guarded statement: who has lost the race must hear that, not this.
    if entry.operation is Operation.TIP:
        _refuse_untippable(connection, entry.client_id, takes, originals)
    return submitted


def move(
    connection: Connection, entry: Entry, event: Event, outcome: StoredOutcome | None
) -> Entry:
    """Apply an event and store its outcome; LostRaceError, IllegalTransitionError."""
    assert event is not Event.SUBMIT, "submit() counts the attempt"
    target = next_state(entry.state, event)
    assert outcome is not None or target not in PUBLISHABLE, "a decision has an outcome"
    values: dict[str, object] = {"state": target.value}
    if target in GIVES_BACK_ORIGINAL:
        values["takes"] = None
    if target in FINAL:
        values["decided_at"] = database_now()
    if outcome is not None:
        values["outcome"] = outcome_text(outcome)
        values["checkout_id"] = outcome.answer.checkout_id
    return _changed(connection, entry, values)


def lease_left_seconds(connection: Connection, entry: Entry, lease_seconds: float) -> float:
    """Seconds until the lease is over, negative when it is; both moments are the database's."""
    assert entry.submitted_at is not None
    now = connection.execute(select(database_now())).scalar_one()
    return lease_seconds - (now - entry.submitted_at).total_seconds()


def find_balances(connection: Connection, card: Card) -> CardBalances | None:
    """Read what was last recorded about a card."""
    row = connection.execute(select(balances).where(*_is_card(card))).one_or_none()
    return None if row is None else balances_of(row)


def record_balances(connection: Connection, recorded: CardBalances) -> None:
    """Store the next event of a card, or raise LostRaceError."""
    values = balances_row(recorded)
    if recorded.sequence == 1:
        changed = connection.execute(insert(balances).values(**values).on_conflict_do_nothing())
    else:
        changed = connection.execute(
            update(balances)
            .where(*_is_card(recorded.card), balances.c.sequence == recorded.sequence - 1)
            .values(**values)
        )
    if changed.rowcount == 0:
        raise LostRaceError(f"another event with sequence {recorded.sequence} may be recorded")


def _changed(connection: Connection, entry: Entry, values: dict[str, Any]) -> Entry:
    """The one guarded statement of every move."""
    row: Row[Any] | None = connection.execute(
        update(entries)
        .where(
            entries.c.client_id == entry.client_id,
            entries.c.tran_order_no == entry.tran_order_no,
            entries.c.version == entry.version,
        )
        .values(version=entries.c.version + 1, **values)
        .returning(*entries.c)
    ).one_or_none()
    if row is None:
        raise LostRaceError(f"version {entry.version} is no longer the entry's")
    return entry_of(row)


def _lock_originals(connection: Connection, client_id: str, checkout_id: str) -> list[str]:
    """Lock the entries with this `checkoutId`, if there are any, and return their states."""
    return list(
        connection.execute(
            select(entries.c.state)
            .where(entries.c.client_id == client_id, entries.c.checkout_id == checkout_id)
            .order_by(entries.c.tran_order_no)
            .with_for_update()
        ).scalars()
    )


def _refuse_untippable(
    connection: Connection, client_id: str, checkout_id: str, originals: list[str]
) -> None:
    if originals and State.SUCCEEDED.value not in originals:
        raise OriginalTakenError("the original has not succeeded")
    voids = connection.execute(
        select(entries.c.tran_order_no).where(
            entries.c.client_id == client_id,
            entries.c.takes == checkout_id,
            entries.c.operation == Operation.VOID.value,
        )
    )
    if voids.first() is not None:
        raise OriginalTakenError("a void holds the original")


def _is_card(card: Card) -> tuple[Any, ...]:
    return (
        balances.c.client_id == card.client_id,
        balances.c.loyalty_channel == card.loyalty_channel,
        balances.c.account_id == card.account_id,
    )

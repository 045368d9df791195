"""What the ledger says of itself, in SQL: whose it is, and how far its writers have come (P9)."""

import json
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, case, select, update

from worker.adapters.sql.session import Session
from worker.adapters.sql.tables import entries, ledger, writers
from worker.application.ports import LedgerForeignError
from worker.domain.commit_note import CommitNote
from worker.domain.identity import (
    UNKNOWN_GROUP,
    Affiliation,
    Committed,
    Identity,
    adopted,
    adoption_fault,
    binding_fault,
    bound,
    notes_fault,
)


def found(connection: Connection) -> Identity | None:
    """Read what the ledger says of itself; None before its first start."""
    row = connection.execute(select(ledger)).one_or_none()
    return None if row is None else _identity_of(row)


def bind(session: Session, to: Affiliation, committed: Committed) -> Identity:
    """Tie a new ledger to its group, or see that it is the group's own; LedgerForeignError."""
    identity = _begun(session, to)
    _refuse(
        binding_fault(identity, to, committed, has_published=_has_published(session)),
        notes_fault(identity.ledger_id, *_noted(session, committed)),
    )
    return _kept(session, bound(identity, to, committed))


def verify(session: Session, notes: Sequence[CommitNote]) -> None:
    """See that the ledger is the one that these notes name, and lost nothing; LedgerForeignError."""
    identity = found(session.connection)
    if identity is None:
        raise LedgerForeignError(UNKNOWN_GROUP)
    _refuse(notes_fault(identity.ledger_id, *_noted(session, notes)))


def adopt(session: Session, to: Affiliation, committed: Committed, since: datetime) -> Identity:
    """Accept the ledger whatever it has lost, with the counts that Kafka knows of."""
    identity = _begun(session, to)
    _refuse(adoption_fault(identity, to, committed))
    for note in committed:
        if note is not None:
            _raise_counter(session, note)
    return _kept(session, adopted(identity, committed, since))


def _refuse(*faults: str | None) -> None:
    for fault in faults:
        if fault is not None:
            raise LedgerForeignError(fault)


def _begun(session: Session, to: Affiliation) -> Identity:
    """Read the one row and lock it; make it first if there is none."""
    new = Identity(ledger_id=str(uuid.uuid4()), default_client=to.default_client)
    statement = session.statements.insert(ledger).values(id=1, **_identity_row(new))
    row = session.connection.execute(
        statement.on_conflict_do_update(
            index_elements=["id"], set_={"id": ledger.c.id}
        ).returning(*ledger.c)
    ).one()
    return _identity_of(row)


def _kept(session: Session, identity: Identity) -> Identity:
    session.connection.execute(update(ledger).values(**_identity_row(identity)))
    return identity


def _noted(
    session: Session, committed: Committed
) -> tuple[dict[str, int], Iterable[CommitNote]]:
    """The notes that are ours, after the counters of their owners."""
    notes = [note for note in committed if note is not None]
    owners = {note.owner for note in notes}
    rows = session.connection.execute(select(writers).where(writers.c.owner.in_(owners)))
    return {row.owner: row.counter for row in rows}, notes


def _raise_counter(session: Session, note: CommitNote) -> None:
    statement = session.statements.insert(writers).values(
        owner=note.owner, counter=note.counter
    )
    new, old = statement.excluded.counter, writers.c.counter
    session.connection.execute(
        statement.on_conflict_do_update(
            index_elements=["owner"], set_={"counter": case((new > old, new), else_=old)}
        )
    )


def _has_published(session: Session) -> bool:
    published = select(entries.c.published).where(entries.c.published > 0).limit(1)
    return session.connection.execute(published).first() is not None


def _identity_row(identity: Identity) -> dict[str, object]:
    return {
        "ledger_id": identity.ledger_id,
        "default_client": identity.default_client,
        "group_id": identity.group_id,
        "adopted_since": identity.adopted_since,
        "awaits_name": int(identity.awaits_name),
        "partitions": json.dumps(dict(identity.partitions), sort_keys=True),
    }


def _identity_of(row: Row[Any]) -> Identity:
    return Identity(
        ledger_id=row.ledger_id,
        default_client=row.default_client,
        group_id=row.group_id,
        adopted_since=row.adopted_since,
        awaits_name=bool(row.awaits_name),
        partitions=json.loads(row.partitions),
    )

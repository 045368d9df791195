"""What can be written in one group, and how a whole group is written in one SQL transaction.

Statements run kind by kind, each in an order that all processes share, after all rows that will
be changed are locked in the order of their keys: so no two groups can wait for each other.
A write that is refused by its guard has that as its answer and leaves its neighbours alone.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from worker.adapters.sql.balances import lock_cards, mark_events, move_card
from worker.adapters.sql.rows import changed_columns, entry_of, entry_row
from worker.adapters.sql.session import Session
from worker.adapters.sql.statements import Shape
from worker.adapters.sql.timestamps import moment_from
from worker.application.ports import (
    AnyMark,
    EventMark,
    LostRaceError,
    Mark,
    OriginalRefusedError,
)
from worker.domain.card_state import CardState
from worker.domain.entry import Entry, Published
from worker.domain.moves import Change
from worker.domain.outcomes import Reason

Key = tuple[str, ...]


@dataclass(slots=True, eq=False)  # not frozen: that takes thrice as long to make
class Claiming:
    """Insert an entry unless its key is there; answers (entry, whether it is new)."""

    change: Change
    row: dict[str, object]

    @property
    def key(self) -> Key:
        return self.change.entry.key


@dataclass(slots=True, eq=False)
class Moving:
    """Change an entry if its version is still the one that was read; answers the new entry."""

    change: Change
    row: dict[str, object]
    shape: Shape

    @property
    def key(self) -> Key:
        return self.change.entry.key


@dataclass(slots=True, eq=False)
class Marking:
    """Note outcomes and events as published, unless that is noted; answers nothing."""

    marks: Sequence[AnyMark]


@dataclass(slots=True, eq=False)
class CardMoving:
    """Store a card's next state if its version is still the card's; answers nothing."""

    state: CardState
    due_seconds: float | None

    @property
    def key(self) -> Key:
        card = self.state.card
        return card.client_id, card.loyalty_channel, card.account_id


Keyed = Claiming | Moving | CardMoving
Write = Keyed | Marking
Answers = dict[Write, Any]
"""What became of each write: its answer, or the exception that its caller shall get."""


def claiming(change: Change) -> Claiming:
    """Prepare a claim."""
    row = entry_row(change.entry)
    row.update(
        changed_columns(change.sets),
        submits=int(change.submits),
        begins_doubt=int(change.begins_doubt),
    )
    return Claiming(change, row)


def moving(change: Change) -> Moving:
    """Prepare a move."""
    columns = changed_columns(change.sets)
    entry = change.entry
    guards: dict[str, object] = {
        "key_client_id": entry.client_id,
        "key_tran_order_no": entry.tran_order_no,
        "key_version": entry.version,
    }
    if change.guards_published:
        guards["key_published"] = entry.published.value
    if change.takes is not None:
        guards["key_takes"] = change.takes
    shape = Shape(
        columns=tuple(columns),
        submits=change.submits,
        begins_doubt=change.begins_doubt,
        decides=change.decides,
        next_check=change.next_check,
        guards_published=change.guards_published,
        takes=change.takes is not None,
    )
    return Moving(change, columns | guards, shape)


def write_group(session: Session, group: Sequence[Write]) -> Answers:
    """Write a group whose claims and moves are of different keys."""
    answers: Answers = {}
    ordered = sorted((write for write in group if not isinstance(write, Marking)), key=_key_of)
    moves = [write for write in ordered if isinstance(write, Moving)]
    markings = [write for write in group if isinstance(write, Marking)]
    all_marks = [mark for write in markings for mark in write.marks]
    marks = [mark for mark in all_marks if isinstance(mark, Mark)]
    _claim(session, [write for write in ordered if isinstance(write, Claiming)], answers)
    _lock(session, moves, marks)
    _take(session, [write for write in moves if write.shape.takes], answers)
    _move(session, [write for write in moves if not write.shape.takes], answers)
    _mark(session, marks)
    answers.update(dict.fromkeys(markings))
    cards = [write for write in ordered if isinstance(write, CardMoving)]
    _cards(session, cards, [mark for mark in all_marks if isinstance(mark, EventMark)], answers)
    return answers


def _claim(session: Session, claims: Sequence[Claiming], answers: Answers) -> None:
    known = []
    returned = session.each(session.statements.claim, [write.row for write in claims])
    for write, told in zip(claims, returned, strict=True):
        if told is None:
            known.append(write)
        else:
            answers[write] = _stamped(write.change, told, write.change.entry.version), True
    rows = session.each(session.statements.find, [_keys(write) for write in known])
    for write, row in zip(known, rows, strict=True):
        assert row is not None, "entries are never deleted"
        answers[write] = entry_of(row), False


def _lock(session: Session, moves: Sequence[Moving], marks: Sequence[Mark]) -> None:
    if not session.locks_rows:
        return
    takes = [(write.key[0], str(write.change.takes)) for write in moves if write.shape.takes]
    keys = {(write.key[0], write.key[1]) for write in moves}
    keys.update((mark.client_id, mark.tran_order_no) for mark in marks)
    # Who changes a single row waits for nobody while holding another's.
    if takes or len(keys) > 1:
        pairs = {"keys": json.dumps(list(keys)), "originals": json.dumps(takes)}
        session.run(session.statements.lock, pairs)


def _take(session: Session, moves: Sequence[Moving], answers: Answers) -> None:
    """Move what takes an original, in the order of originals: of some there is no row to lock."""
    for write in sorted(moves, key=lambda write: (write.key[0], str(write.change.takes))):
        told = session.one(session.statements.move(write.shape), write.row)
        answers[write] = _refusal(session, write) if told is None else _moved(write, told)


def _refusal(session: Session, write: Moving) -> Exception:
    """Say why a taking was refused; who has lost the race must hear that first."""
    row = session.one(
        session.statements.why_refused, _keys(write) | {"key_takes": write.change.takes}
    )
    match row:
        case (version, 0, _) if version == write.change.entry.version:
            return OriginalRefusedError(Reason.ORIGINAL_TAKEN)
        case (version, _, 0) if version == write.change.entry.version:
            return OriginalRefusedError(Reason.ORIGINAL_NOT_ELIGIBLE)
        case _:
            return _lost(write)


def _move(session: Session, moves: Sequence[Moving], answers: Answers) -> None:
    by_shape: defaultdict[Shape, list[Moving]] = defaultdict(list)
    for write in moves:
        by_shape[write.shape].append(write)
    for shape, alike in by_shape.items():
        returned = session.each(session.statements.move(shape), [write.row for write in alike])
        for write, told in zip(alike, returned, strict=True):
            answers[write] = _lost(write) if told is None else _moved(write, told)


def _mark(session: Session, marks: Sequence[Mark]) -> None:
    """All marks of one kind are one statement: nobody asks what became of a single one."""
    for published in (Published.FIRST, Published.FINAL):
        keys = [
            (mark.client_id, mark.tran_order_no)
            for mark in marks
            if mark.published is published
        ]
        if keys:
            row = {"published": published.value, "key_published": published.value}
            session.run(session.statements.mark, row | {"keys": json.dumps(keys)})


def _cards(
    session: Session,
    moves: Sequence[CardMoving],
    marks: Sequence[EventMark],
    answers: Answers,
) -> None:
    lock_cards(
        session, (*(write.state.card for write in moves), *(mark.card for mark in marks))
    )
    mark_events(session, marks)
    for write in moves:
        moved = move_card(session, write.state, write.due_seconds)
        lost = LostRaceError(f"version {write.state.version} is no longer the card's")
        answers[write] = None if moved else lost


def _moved(write: Moving, told: tuple[Any, ...]) -> Entry:
    return _stamped(write.change, told, write.change.entry.version + 1)


def _stamped(change: Change, told: tuple[Any, ...], version: int) -> Entry:
    """The entry as it is stored now: what the change says, and what only the database knows."""
    submitted_at, undecided_since, decided_at, next_check_at, published = told
    return replace(
        change.entry,
        **change.sets,
        version=version,
        submitted_at=moment_from(submitted_at),
        undecided_since=moment_from(undecided_since),
        decided_at=moment_from(decided_at),
        next_check_at=moment_from(next_check_at),
        published=Published(published),
    )


def _key_of(write: Keyed) -> Key:
    return write.key


def _lost(write: Moving) -> LostRaceError:
    return LostRaceError(f"version {write.change.entry.version} is no longer the entry's")


def _keys(write: Claiming | Moving) -> dict[str, object]:
    client_id, tran_order_no = write.key
    return {"key_client_id": client_id, "key_tran_order_no": tran_order_no}

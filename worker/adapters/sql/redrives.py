"""Which dead letters were redriven, so that none is redriven twice by accident.

A row is written before the record is, and durably. After a crash between the two the letter counts
as redriven although its record may not be there: that is the side on which to err, and who has
looked may insist. So by accident a letter is redriven once at most. Should a record be
there twice all the same, its order number still executes once (P1).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, select, update

from worker.adapters.sql.orders import now
from worker.adapters.sql.statements import INSERTS
from worker.adapters.sql.tables import PLACED, redrives
from worker.application.letters import Letter, Position


@dataclass(frozen=True, slots=True)
class Redriven:
    """How often a command was redriven until now, when last and by whom.

    `placed` is where its record came to lie; None: nobody knows whether it is there.
    """

    times: int
    at: datetime
    by: str
    placed: tuple[str, int, int] | None


def redriven(connection: Connection, position: Position) -> Redriven | None:
    """Read whether a dead letter was redriven; None: never."""
    row = connection.execute(select(redrives).where(_is_letter(position))).one_or_none()
    return None if row is None else _redriven_of(row)


def begin(
    connection: Connection, letter: Letter, by: str, known: Redriven | None
) -> Redriven | None:
    """Note that a letter is redriven now, before it is; None: somebody else has done so meanwhile.

    `known` is what was read when it was decided upon; None: it never was redriven. Counts on from
    the letter that this one's record was made of, if that was a redriven one.
    """
    times = 1 + max(known.times if known else 0, _times_of_record(connection, letter))
    values = {
        "times": times,
        "redriven_at": now(connection),
        "redriven_by": by,
        "placed_topic": None,
        "placed_partition": None,
        "placed_offset": None,
    }
    key = {
        "letter_topic_id": letter.position.topic_id,
        "letter_partition": letter.position.partition,
        "letter_offset": letter.position.offset,
    }
    statement = (
        INSERTS[connection.dialect.name](redrives)
        .values(**key, **values)
        .on_conflict_do_nothing()
        if known is None
        else update(redrives)
        .where(_is_letter(letter.position), redrives.c.times == known.times)
        .values(**values)
    )
    row = connection.execute(statement.returning(*redrives.c)).one_or_none()
    return None if row is None else _redriven_of(row)


def placed(connection: Connection, position: Position, place: tuple[str, int, int]) -> None:
    """Note where the record of a redriven letter lies."""
    connection.execute(
        update(redrives)
        .where(_is_letter(position))
        .values(placed_topic=place[0], placed_partition=place[1], placed_offset=place[2])
    )


def _times_of_record(connection: Connection, letter: Letter) -> int:
    """How often the record that became this letter had been redriven when it was written."""
    row = connection.execute(
        select(redrives.c.times).where(
            PLACED,
            redrives.c.placed_topic == letter.topic,
            redrives.c.placed_partition == letter.partition,
            redrives.c.placed_offset == letter.offset,
        )
    ).first()
    return 0 if row is None else row.times


def _is_letter(position: Position) -> ColumnElement[bool]:
    return and_(
        redrives.c.letter_topic_id == position.topic_id,
        redrives.c.letter_partition == position.partition,
        redrives.c.letter_offset == position.offset,
    )


def _redriven_of(row: Row[Any]) -> Redriven:
    is_placed = row.placed_topic is not None
    place = (row.placed_topic, row.placed_partition, row.placed_offset) if is_placed else None
    return Redriven(row.times, row.redriven_at, row.redriven_by, place)

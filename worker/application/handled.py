"""What became of a source record, and what is published for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from worker.application.ports import AnyMark, Output, SourceRecord
from worker.domain.balances import CardBalances
from worker.domain.entry import Headers
from worker.domain.outcomes import DeadLetterReason
from worker.domain.results import Result

CARRIED_HEADERS_BYTES_MAX: Final = 8 * 1024


class How(StrEnum):
    """In which way a source record was completed."""

    RESULT = "result"
    REPLAY = "replay"
    DUPLICATE = "duplicate"
    DEAD_LETTER = "dead_letter"
    FOLLOW_UP = "follow_up"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """A record that may be completed, with what to publish for it.

    `holds_turn`: the card's next record waits until the Kafka commit of this one is proven.
    """

    record: SourceRecord
    how: How
    outputs: Sequence[Output] = ()
    result: Result | None = None
    dead_letter: DeadLetterReason | None = None
    balances: CardBalances | None = None
    marks: Sequence[AnyMark] = ()
    """What the Kafka commit of this record proves."""
    holds_turn: bool = False


def foreign(headers: Headers) -> Headers:
    """Drop the header names that are ours to set."""
    return tuple(
        (name, value)
        for name, value in headers
        if name != "replayed" and not name.startswith(("dlq.", "redrive."))
    )


def carried(headers: Headers) -> Headers | None:
    """Say which headers of a command its outcomes carry; None if they are too many bytes."""
    kept = foreign(headers)
    size = sum(len(name.encode()) + len(value) for name, value in kept)
    return kept if size <= CARRIED_HEADERS_BYTES_MAX else None

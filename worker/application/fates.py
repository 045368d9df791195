"""What may become of a record that comes again."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Fate(StrEnum):
    """What becomes of a record that comes again."""

    EXECUTE = "execute"
    REFUSE = "not executed"
    """It is claimed and ends as NOT_EXECUTED, which uses its number up."""
    REPLAY = "replay"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    STILL_BAD = "still bad"
    FORGOTTEN = "forgotten"
    """An adopted ledger may have lost that its number was executed."""
    EXCERPT = "excerpt"


WORTH_IT: Final = frozenset({Fate.EXECUTE, Fate.REFUSE, Fate.REPLAY})
"""What leads to an outcome; the rest would come back as it is, or leads to nothing."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A fate, the reason where there is one, and the order that the record is about."""

    fate: Fate
    reason: str | None = None
    field: str | None = None
    client_id: str | None = None
    tran_order_no: str | None = None

"""What to do when a command's order number is already in the ledger: the claim table."""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from worker.domain.entry import Entry, Published, Source
from worker.domain.outcomes import Ordinal
from worker.domain.states import FINAL, PUBLISHABLE, State


class Claim(StrEnum):
    """What a record may do with its order number; the labels of `ledger_claims_total`."""

    NEW = "new"
    PUBLISHED = "published"
    PUBLISH = "replay"
    TAKE_OVER = "takeover"
    JOIN = "join"
    OWN_LOST = "own_lost"
    WATCH = "watch"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class Own(Enum):
    """What this process knows of a submission that is its own."""

    NONE = auto()
    IN_FLIGHT = auto()
    UNWRITTEN = auto()
    """It ended before PayWizard was called: proven that nothing left."""


def judge_existing(entry: Entry, source: Source, fingerprint: str, own: Own) -> Claim:
    """Say what the record at `source` may do with the `entry` that is already there.

    The same record may come again with another fingerprint (a changed default): it is still the
    same record.
    """
    if not entry.source.same_record(source):
        return Claim.DUPLICATE if entry.fingerprint == fingerprint else Claim.CONFLICT
    if entry.published is not Published.NOTHING:
        return Claim.PUBLISHED
    if entry.state in PUBLISHABLE:
        return Claim.PUBLISH
    if entry.state is State.CLAIMED:
        return Claim.TAKE_OVER
    match own:
        case Own.IN_FLIGHT:
            return Claim.JOIN
        case Own.UNWRITTEN:
            return Claim.OWN_LOST
        case Own.NONE:
            return Claim.WATCH


@dataclass(frozen=True, slots=True)
class Publication:
    """What a record publishes about an entry: under which id, and what that proves once committed."""

    ordinal: Ordinal
    proves: Published


def publication_of(entry: Entry, source: Source) -> Publication | None:
    """Say what the record at `source` publishes about a publishable entry; None: nothing.

    A decided entry is published by its `final_source`; the holder of `source` takes that first
    where nobody has, and its outcome is then both. So no final result can precede the first.
    """
    first = entry.source.same_record(source)
    final = entry.final_source is not None and entry.final_source.same_record(source)
    if entry.state not in FINAL:
        waits = first and entry.published is Published.NOTHING
        return Publication("first", Published.FIRST) if waits else None
    if not final or entry.published is Published.FINAL:
        return None
    return Publication("first" if first else "final", Published.FINAL)


def replay_of(entry: Entry) -> Ordinal | None:
    """Say under which id a duplicate may see the stored outcome again.

    None: it is not out yet, or it is purged, and nothing is left to be seen.
    """
    if entry.purged_at is not None:
        return None
    needed = Published.FINAL if entry.state in FINAL else Published.FIRST
    if entry.state not in PUBLISHABLE or entry.published < needed:
        return None
    final = entry.final_source
    apart = final is not None and not final.same_record(entry.source)
    return "final" if apart else "first"

"""What to do when a command's order number is already in the ledger: the claim table."""

from enum import StrEnum

from worker.domain.entry import Entry, Source
from worker.domain.states import PUBLISHABLE, State


class Claim(StrEnum):
    """What a record may do with its order number; the labels of `ledger_claims_total`."""

    NEW = "new"
    TAKE_OVER = "takeover"
    PUBLISH = "published"
    JOIN = "join"
    WAIT_FOR_LEASE = "watch"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


def judge_existing(entry: Entry, source: Source, fingerprint: str, *, in_flight: bool) -> Claim:
    """Say what the record at `source` may do with the `entry` that is already there.

    `in_flight`: this process has that very submission open. The same record may come again with
    another fingerprint (a changed default); it is still the same record.
    """
    if not entry.source.same_record(source):
        return Claim.DUPLICATE if entry.fingerprint == fingerprint else Claim.CONFLICT
    if entry.state in PUBLISHABLE:
        return Claim.PUBLISH
    if entry.state is State.CLAIMED:
        return Claim.TAKE_OVER
    return Claim.JOIN if in_flight else Claim.WAIT_FOR_LEASE

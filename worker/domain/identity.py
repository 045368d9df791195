"""Whether a ledger is the consumer group's own, and has kept what Kafka knows it was told (P9)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from worker.domain.commit_note import CommitNote

ADOPT: Final = "or run `paywizard-worker ledger adopt --since TIME`."
OTHER_LEDGER: Final = (
    f"The group's committed offsets name another ledger: use that one, {ADOPT}"
)
TWO_LEDGERS: Final = "The group's committed offsets name more than one ledger: reset those that name the wrong one."
LOST_COMMITS: Final = (
    "The ledger has lost commits that Kafka knows of, as an older copy or a replica that lagged "
    f"has: use the one that has them, {ADOPT}"
)
UNKNOWN_GROUP: Final = (
    "The group has committed offsets, but this ledger has never worked for it: use the group's "
    f"own ledger, {ADOPT}"
)
NOT_NAMED: Final = (
    "The ledger has worked for this group, but no committed offset names it: use the Kafka and "
    f"the ledger that belong together, {ADOPT}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Affiliation:
    """Whom a worker works for; `partitions` are the counts of the internal topics."""

    group_id: str
    default_client: str
    partitions: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a ledger says of itself.

    `group_id` None: it waits for the group that it is to be bound to. From `adopted_since` on
    nothing is missing; of what is older an adopted ledger may have lost something.
    `awaits_name`: no committed offset was seen to name it since it was adopted.
    """

    ledger_id: str
    default_client: str
    group_id: str | None = None
    adopted_since: datetime | None = None
    awaits_name: bool = False
    partitions: Mapping[str, int] = field(default_factory=dict)


Committed = Sequence[CommitNote | None]
"""One for each partition of the group with a committed offset; None: a note that is not ours."""


def bound(identity: Identity, to: Affiliation, committed: Committed) -> Identity:
    """Return what a ledger says of itself once it is bound."""
    return replace(
        identity,
        group_id=to.group_id,
        partitions={**to.partitions, **identity.partitions},
        awaits_name=identity.awaits_name and not _named(committed),
    )


def binding_fault(
    identity: Identity, to: Affiliation, committed: Committed, *, has_published: bool
) -> str | None:
    """Say in one sentence why a ledger may not be bound; None if it may.

    A worker may have ended between the first binding and the first commit: that ledger knows the
    group, and has published nothing, or nothing since it was adopted.
    """
    fault = _other_group(identity, to) or _other_client(identity, to)
    fault = fault or _other_partitions(identity, to)
    if fault is not None:
        return fault
    if identity.group_id is None:
        return UNKNOWN_GROUP if committed and identity.adopted_since is None else None
    if identity.awaits_name or _named(committed):
        return None
    return NOT_NAMED if committed or has_published else None


def adopted(identity: Identity, committed: Committed, since: datetime) -> Identity:
    """Return what a ledger says of itself once it is adopted: it waits to be bound.

    It takes the id that the committed offsets name, so that they are its own.
    """
    named = {note.ledger_id for note in committed if note is not None}
    earlier = identity.adopted_since
    return replace(
        identity,
        ledger_id=named.pop() if named else identity.ledger_id,
        group_id=None,
        adopted_since=since if earlier is None else max(since, earlier),
        awaits_name=True,
    )


def adoption_fault(identity: Identity, to: Affiliation, committed: Committed) -> str | None:
    """Say in one sentence why a ledger may not even be adopted; None if it may."""
    if len({note.ledger_id for note in committed if note is not None}) > 1:
        return TWO_LEDGERS
    return _other_client(identity, to)


def notes_fault(
    ledger_id: str, counters: Mapping[str, int], notes: Iterable[CommitNote]
) -> str | None:
    """Say in one sentence what commit notes show to be missing; None if nothing is.

    `counters` are the writers' in the ledger, by owner.
    """
    for note in notes:
        if note.ledger_id != ledger_id:
            return OTHER_LEDGER
        if counters.get(note.owner, -1) < note.counter:
            return LOST_COMMITS
    return None


def _named(committed: Committed) -> bool:
    return any(note is not None for note in committed)


def _other_group(identity: Identity, to: Affiliation) -> str | None:
    if identity.group_id in {None, to.group_id}:
        return None
    return (
        f"The ledger belongs to consumer group {identity.group_id!r}, not to {to.group_id!r}: "
        "each group has a ledger of its own."
    )


def _other_client(identity: Identity, to: Affiliation) -> str | None:
    if identity.default_client == to.default_client:
        return None
    return (
        f"The ledger was begun with default client {identity.default_client!r}, "
        f"not {to.default_client!r}: set that default again, or use another ledger."
    )


def _other_partitions(identity: Identity, to: Affiliation) -> str | None:
    for topic, count in to.partitions.items():
        known = identity.partitions.get(topic, count)
        if known != count:
            return (
                f"Topic {topic!r} has {count} partitions, but {known} when the ledger was begun: "
                "the partitions of an internal topic must stay as many as they were."
            )
    return None

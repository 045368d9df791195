"""The ledger entry: all that is known about one order number."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Final

from worker.domain.card import Card
from worker.domain.commands import Activate, Command, OnOriginal, PointsCommand
from worker.domain.evidence import Query
from worker.domain.money import Money
from worker.domain.operations import Operation
from worker.domain.outcomes import DecidedBy
from worker.domain.replies import Answer, Doubt
from worker.domain.states import State


@dataclass(frozen=True, slots=True)
class Source:
    """Where a record came from; a recreated topic reuses names and offsets, not topic ids."""

    topic_id: str
    topic: str
    partition: int
    offset: int

    def same_record(self, other: "Source") -> bool:
        """Whether both name the same record, whatever the topic is called."""
        return (self.topic_id, self.partition, self.offset) == (
            other.topic_id,
            other.partition,
            other.offset,
        )


Headers = tuple[tuple[str, bytes], ...]
"""Record headers in their order; a name may repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked, as far as outcomes need it; never a card holder's data."""

    received_at: datetime
    entry_type: str | None = None
    money: Money | None = None
    points: int | None = None
    original_tran_order_no: str | None = None
    original_checkout_id: str | None = None
    activating: bool | None = None
    """What an activation asked for; None for any other operation."""
    headers: Headers = ()


NUMBERED: Final = "tranOrderNo:"
"""Begins the name of an original whose checkoutId is not known."""


def numbered(tran_order_no: str) -> str:
    """Name an original by its order number; were it a checkoutId too, that one is not free either."""
    return NUMBERED + tran_order_no


@dataclass(frozen=True, slots=True)
class Ruling:
    """Who decided an order by hand, why, and when; kept in the ledger, never published."""

    operator: str
    reason: str = field(repr=False)
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOutcome:
    """How it ended: the reason of ours, or PayWizard's answer, or both."""

    decided_by: DecidedBy
    reason: str | None = None
    reason_detail: str | None = None
    answer: Answer = field(default_factory=Answer)
    ruling: Ruling | None = None

    @property
    def proven_checkout_id(self) -> str | None:
        """The checkoutId, if it came with an answer that could be used: a garbled one's may be anybody's."""
        usable = self.decided_by is not DecidedBy.WORKER
        overdue = self.reason == Doubt.PENDING_TOO_LONG.value
        return self.answer.checkout_id if usable or overdue else None


class Published(IntEnum):
    """Which outcomes are proven to be committed in Kafka."""

    NOTHING = 0
    FIRST = 1
    FINAL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One order number of one client. `version` grows with every move.

    `source` is the record whose outcome is the first one; `final_source`, set once, the record
    whose outcome is the final one. Nobody else publishes anything of this order number.
    `takes` names the original that a void or tip holds: by its checkoutId, or by `numbered` as
    long as that is not known; `submitted_at`, `undecided_since` (PENDING or IN_DOUBT from then
    on), `decided_at` and `next_check_at` are the database's clock. Of a purged entry only the
    tombstone is left (P13): its request is empty but for `received_at`, and its outcome but for
    who decided and the `checkoutId`.
    """

    client_id: str
    tran_order_no: str
    fingerprint: str
    operation: Operation
    card: Card | None
    source: Source
    request: Request
    owner: str
    state: State = State.CLAIMED
    version: int = 1
    attempts: int = 0
    submitted_at: datetime | None = None
    undecided_since: datetime | None = None
    decided_at: datetime | None = None
    next_check_at: datetime | None = None
    takes: str | None = None
    final_source: Source | None = None
    published: Published = Published.NOTHING
    outcome: StoredOutcome | None = None
    queries: tuple[Query, ...] = ()
    purged_at: datetime | None = None

    @property
    def key(self) -> tuple[str, str]:
        """The primary key: client and order number."""
        return self.client_id, self.tran_order_no

    @property
    def open_since(self) -> datetime | None:
        """Since when it is undecided; a worker of the release before notes only when it was sent."""
        return self.undecided_since or self.submitted_at

    @property
    def holder(self) -> Source | None:
        """The record whose outcome is the next one to be published; None: nobody's yet."""
        return self.source if self.published is Published.NOTHING else self.final_source

    @property
    def held_checkout_id(self) -> str | None:
        """The checkoutId of the original that it holds, where that is known."""
        is_known = self.takes is not None and not self.takes.startswith(NUMBERED)
        return self.takes if is_known else None

    @property
    def held_since_sent(self) -> bool:
        """Whether it held its original when it was sent: what a lost ledger sent may have had rivals."""
        adopted = self.outcome is not None and self.outcome.reason == Doubt.ADOPTED_LEDGER.value
        return self.takes is not None and not adopted

    @property
    def checkout_id(self) -> str | None:
        """What PayWizard last called it, proven or not: to be shown, never to be acted upon."""
        return None if self.outcome is None else self.outcome.answer.checkout_id

    @property
    def proven_checkout_id(self) -> str | None:
        """PayWizard's identifier of what this entry did, once it is known to be that."""
        return None if self.outcome is None else self.outcome.proven_checkout_id


def request_of(command: Command, received_at: datetime, headers: Headers) -> Request:
    """Keep of a command what its outcome will need."""
    original = command if isinstance(command, OnOriginal) else None
    return Request(
        received_at=received_at,
        entry_type=getattr(command, "entry_type", None),
        money=getattr(command, "money", None),
        points=command.points if isinstance(command, PointsCommand) else None,
        original_tran_order_no=original.original_tran_order_no if original else None,
        original_checkout_id=original.original_checkout_id if original else None,
        activating=command.activating if isinstance(command, Activate) else None,
        headers=headers,
    )

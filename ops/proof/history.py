"""What a run left behind, as plain data: its records, reduced to what the promises speak of, and PayWizard's book."""

import hashlib
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from typing_extensions import override

_OUR_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:paywizard-worker")

Headers = tuple[tuple[str, bytes], ...]


class Place(NamedTuple):
    """Where a record stands in Kafka."""

    topic: str
    partition: int
    offset: int

    @override
    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


class Order(NamedTuple):
    """The key of everything: one order number of one client."""

    client_id: str
    tran_order_no: str

    @override
    def __str__(self) -> str:
        return f"order {self.tran_order_no} of client {self.client_id}"


class Card(NamedTuple):
    """A card; its text masks the number, because findings are printed (P10)."""

    client_id: str
    loyalty_channel: str
    account_id: str

    @override
    def __str__(self) -> str:
        last = self.account_id[-4:] if len(self.account_id) > 8 else ""
        return f"card {self.client_id}/{self.loyalty_channel}/****{last}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A record of a command topic as it was sent.

    `order` is None if nothing can be claimed under it, and `flaw` says why: such a record must
    become a dead letter. `content` is equal for records that ask for the same thing.
    """

    place: Place
    key_digest: bytes
    value_digest: bytes
    headers: Headers = ()
    order: Order | None = None
    flaw: str = ""
    operation: str = ""
    content: bytes = b""
    account_id: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    points: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A TransactionResult; `source` is the record that it answers."""

    place: Place
    event_id: str
    order: Order
    operation: str
    status: str
    source: Place
    checkout_id: str | None = None
    card: Card | None = None
    decided_by: str = ""
    submitted_at: datetime | None = None
    decided_at: datetime | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A dead letter with all its headers, ours (`dlq.*`) and the original's."""

    place: Place
    key_digest: bytes
    value_digest: bytes
    headers: Headers

    def header(self, name: str) -> str:
        """Return the text of the last header called `name`, empty if there is none."""
        values = [value for header, value in self.headers if header == name]
        return values[-1].decode("utf-8", "replace") if values else ""

    @property
    def original(self) -> Place | None:
        """The record that was refused, None if the headers do not name one."""
        topic = self.header("dlq.original.topic")
        partition = self.header("dlq.original.partition")
        offset = self.header("dlq.original.offset")
        if not (topic and partition.isdecimal() and offset.isdecimal()):
            return None
        return Place(topic, int(partition), int(offset))


class Change(NamedTuple):
    """One kind of value that moved on a card; `before` is None where nothing was known."""

    value_code: str
    before: Decimal | None
    after: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceChange:
    """A BalanceChanged event; `balances` holds every value of the card after it."""

    place: Place
    card: Card
    sequence: int
    changes: tuple[Change, ...]
    balances: dict[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class BookOrder:
    """What PayWizard knows of an order: how often it was asked, and how often it moved something.

    `truth`: SUCCEEDED, DECLINED, or None while it is pending or was never executed.
    `checkout_ids`: one for each execution, whatever came of it.
    """

    requests: int
    effects: int
    truth: str | None = None
    checkout_ids: tuple[str, ...] = ()
    loyalty_channel: str | None = None
    account_id: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    points: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """The simulator's own book: the truth about money and points."""

    orders: dict[Order, BookOrder] = field(default_factory=dict)
    cards: dict[Card, dict[str, Decimal]] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class History:
    """All that the checker looks at; each list is in offset order within a partition.

    `resolutions` are an operator's records, reduced to their bytes; `unreadable` holds outcome records that do not decode against the schemas.
    """

    commands: list[Command] = field(default_factory=list)
    resolutions: list[Command] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    balance_changes: list[BalanceChange] = field(default_factory=list)
    unreadable: list[tuple[Place, str]] = field(default_factory=list)
    book: Book = field(default_factory=Book)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One broken promise: which, about what, in a sentence, and the records to look at."""

    promise: str
    subject: str
    sentence: str
    records: tuple[Place, ...] = ()


def digest(content: bytes | None) -> bytes:
    """Return a short stand-in for `content`: a million values need not be kept; null is not empty."""
    return b"" if content is None else hashlib.blake2b(content, digest_size=16).digest()


def event_id(order: Order, kind: Literal["first", "final"]) -> str:
    """Return the eventId that interface.md section 1 gives to the first or final result of `order`."""
    return str(uuid.uuid5(_OUR_NAMESPACE, f"{order.client_id}\n{order.tran_order_no}\n{kind}"))

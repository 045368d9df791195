"""What a run left behind, as plain data: its records, reduced to what the promises speak of, and PayWizard's book."""

import hashlib
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple, Protocol, TypeVar

from typing_extensions import override

from ops.proof.timeline import Trouble

T = TypeVar("T")

_OUR_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:paywizard-worker").bytes
# The digit that RFC 9562 makes of each: its two highest bits become 10.
_VARIANT = {f"{digit:x}": f"{0x8 | digit & 0x3:x}" for digit in range(16)}

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


class Command(NamedTuple):
    """A record of a command topic as it was sent.

    `order` is None if nothing can be claimed under it, and `flaw` says why: such a record must
    become a dead letter. `content` is equal for records that ask for the same thing; `original` is
    the order that a void or tip names, or else `original_checkout_id` is its id at PayWizard.
    `published_at`, here and below, is the timestamp of the Kafka record.
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
    original: str | None = None
    original_checkout_id: str | None = None
    published_at: datetime | None = None


class Resolution(NamedTuple):
    """An operator's decision, and the record that it was sent as; `order` is None if that does not decode."""

    record: Command
    order: Order | None = None
    outcome: str = ""
    checkout_id: str | None = None


class Result(NamedTuple):
    """A TransactionResult; `source` is the record that it answers, `texts` what it explains.

    `amount`, `currency` and `points` are what it says was asked for.
    """

    place: Place
    order: Order
    source: Place
    card: Card | None
    event_id: str
    operation: str
    status: str
    checkout_id: str | None = None
    decided_by: str = ""
    submitted_at: datetime | None = None
    decided_at: datetime | None = None
    replayed: bool = False
    texts: tuple[str, ...] = ()
    amount: Decimal | None = None
    currency: str | None = None
    points: int | None = None
    published_at: datetime | None = None
    headers: Headers = ()


class Turn(NamedTuple):
    """When the record `source`, which asks for something on `card`, had its turn; `place` is its result's."""

    card: Card
    source: Place
    order: Order
    place: Place
    submitted_at: datetime
    decided_at: datetime | None
    decided_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A dead letter with all its headers, ours (`dlq.*`) and the original's."""

    place: Place
    key_digest: bytes
    value_digest: bytes
    headers: Headers
    published_at: datetime | None = None

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


class BalanceChange(NamedTuple):
    """A BalanceChanged event; `balances` holds every value of the card after it."""

    place: Place
    card: Card
    sequence: int
    changes: tuple[Change, ...]
    balances: dict[str, Decimal]
    published_at: datetime | None = None


class BookOrder(NamedTuple):
    """What PayWizard knows of an order: how often it was asked, and how often it moved something.

    `throttled`: how many requests were turned away at the door; `repeats`: how many came when an
    earlier one had not been.
    `truth`: SUCCEEDED, DECLINED, or None while it is pending or was never executed.
    `checkout_ids`: one for each execution, whatever came of it; `executed_at`: when each was.
    """

    requests: int
    effects: int
    throttled: int = 0
    repeats: int = 0
    truth: str | None = None
    checkout_ids: tuple[str, ...] = ()
    executed_at: tuple[datetime, ...] = ()
    loyalty_channel: str | None = None
    account_id: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    points: int | None = None
    operation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """The simulator's own book: the truth about money and points."""

    orders: dict[Order, BookOrder] = field(default_factory=dict)
    cards: dict[Card, dict[str, Decimal]] = field(default_factory=dict)
    met: Counter[str] = field(default_factory=Counter)
    """How many orders met each rule of the fault plan, by the rule's name."""


class Records(Protocol[T]):
    """Records of one sort: a list, or `Shelves` where they are too many for the memory."""

    def append(self, item: T, /) -> None:
        """Add one."""

    def extend(self, items: Iterable[T], /) -> None:
        """Add some."""

    def __iter__(self) -> Iterator[T]:
        """Go through all of them."""

    def __len__(self) -> int:
        """Say how many there are."""


@dataclass(slots=True, kw_only=True)
class History:
    """All that the checker looks at; each sort is in offset order within a partition and an order or card.

    `unreadable` holds outcome records that do not decode against the schemas.
    """

    commands: Records[Command] = field(default_factory=list)
    resolutions: list[Resolution] = field(default_factory=list)
    results: Records[Result] = field(default_factory=list)
    internals: list[Command] = field(default_factory=list)
    """Records of the worker's own topics that a dead letter names, reduced to their bytes."""
    dead_letters: list[DeadLetter] = field(default_factory=list)
    balance_changes: Records[BalanceChange] = field(default_factory=list)
    unreadable: list[tuple[Place, str]] = field(default_factory=list)
    book: Book = field(default_factory=Book)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One broken promise: which, about what, in a sentence, and where to look.

    `troubles` are those that were under way at one of its records, or shortly before it.
    """

    promise: str
    subject: str
    sentence: str
    records: tuple[Place, ...] = ()
    troubles: tuple[Trouble, ...] = ()


def digest(content: bytes | None) -> bytes:
    """Return a short stand-in for `content`: a million values need not be kept; null is not empty."""
    return b"" if content is None else hashlib.blake2b(content, digest_size=16).digest()


def event_id(order: Order, kind: Literal["first", "final"]) -> str:
    """Return the eventId that interface.md section 1 gives to the first or final result of `order`."""
    return _named(f"{order.client_id}\n{order.tran_order_no}\n{kind}")


def balance_event_id(key: str, sequence: int) -> str:
    """Return the eventId that the same section gives to balance change `sequence` of the card `key`."""
    return _named(f"{key}\n{sequence}")


def _named(name: str) -> str:
    """Return the UUID of version 5, made by hand: the standard library's takes five times as long."""
    text = hashlib.sha1(_OUR_NAMESPACE + name.encode(), usedforsecurity=False).hexdigest()
    variant = _VARIANT[text[16]]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"

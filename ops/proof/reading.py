"""Reads a history: Avro frames against `schemas/`, topics with `read_committed`, the book over HTTP."""

import io
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, cast

import fastavro
import fastavro.schema
import httpx
from kafka import KafkaConsumer, TopicPartition

from ops.proof.history import (
    BalanceChange,
    Book,
    BookOrder,
    Card,
    Change,
    Command,
    DeadLetter,
    Headers,
    History,
    Order,
    Place,
    Result,
    digest,
)

SCHEMAS = Path(__file__).parents[2] / "schemas"
OPERATIONS = {
    "PaymentCommand": "PAYMENT",
    "TipCommand": "TIP",
    "ReloadCommand": "RELOAD",
    "IssuePointsCommand": "ISSUE_POINTS",
    "RedeemPointsCommand": "REDEEM_POINTS",
    "VoidCommand": "VOID",
    "ActivateCommand": "ACTIVATE",
    "InquiryCommand": "INQUIRY",
}
SINGLE_OBJECT_MAGIC = b"\xc3\x01"
SINGLE_OBJECT_HEADER_BYTES = 10
CONFLUENT_MAGIC = b"\x00"
ORDER_NUMBER_LENGTH_MAX = 64
POLL_TIMEOUT_MS = 1000
STALLED_AFTER_SECONDS = 60.0
BOOK_TIMEOUT_SECONDS = 60.0

Fields = dict[str, Any]


class UnreadableError(ValueError):
    """A value does not decode; the text says why, and shows none of it (P10)."""


class MissingTopicError(LookupError):
    """A topic that the history needs does not exist."""


class StalledError(TimeoutError):
    """A partition could not be read to its end."""


class Record(NamedTuple):
    """A record as Kafka gave it: bytes."""

    place: Place
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Schemas:
    """The schemas of a folder by fingerprint: today's, and older ones of its `history/`."""

    def __init__(self, folder: Path = SCHEMAS) -> None:
        self._current = {path.stem: _parsed(path) for path in sorted(folder.glob("*.avsc"))}
        self._writers = {
            _fingerprint(schema): schema
            for schema in map(_parsed, sorted(folder.rglob("*.avsc")))
        }

    def decode(self, value: bytes | None) -> tuple[str, Fields]:
        """Return the record's name and fields, read as today's schema, or raise UnreadableError."""
        if value is None:
            raise UnreadableError("null value")
        if value.startswith(CONFLUENT_MAGIC):
            raise UnreadableError("Confluent frame")
        if not value.startswith(SINGLE_OBJECT_MAGIC):
            raise UnreadableError("no Avro frame")
        writer = self._writers.get(value[len(SINGLE_OBJECT_MAGIC) : SINGLE_OBJECT_HEADER_BYTES])
        if writer is None:
            raise UnreadableError("unknown schema")
        name = writer["name"].rpartition(".")[2]
        body = io.BytesIO(value[SINGLE_OBJECT_HEADER_BYTES:])
        try:
            fields = cast(
                "Fields", fastavro.schemaless_reader(body, writer, self._current[name])
            )
        except Exception as error:  # whatever fastavro meets in foreign bytes is one fact
            raise UnreadableError("does not decode") from error
        if body.read(1):
            raise UnreadableError("bytes left over")
        return name, fields


def _parsed(path: Path) -> Fields:
    return cast("Fields", fastavro.schema.parse_schema(json.loads(path.read_text("utf-8"))))


def _fingerprint(schema: Fields) -> bytes:
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    # fastavro gives the eight bytes in the frame's order, little-endian.
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))


class Reader:
    """Reduces records to what the promises speak of.

    clients: the known client ids; default_client: who a command without `clientId` is for, also known.
    """

    def __init__(
        self, schemas: Schemas, clients: frozenset[str], default_client: str | None
    ) -> None:
        self._schemas = schemas
        self._clients = clients if default_client is None else clients | {default_client}
        self._default_client = default_client or ""

    def command(self, record: Record) -> Command:
        """Return the command in `record`; if nothing can be claimed under it, with its flaw."""
        sent = undecoded(record)
        try:
            name, fields = self._schemas.decode(record.value)
        except UnreadableError as error:
            return replace(sent, flaw=str(error))
        if name not in OPERATIONS:
            return replace(sent, flaw="not a command")
        return self._decoded(sent, name, fields)

    def _decoded(self, sent: Command, name: str, fields: Fields) -> Command:
        client_id = self._default_client if fields["clientId"] is None else fields["clientId"]
        order = Order(client_id, fields["tranOrderNo"])
        flaw = self._flaw(order)
        return replace(
            sent,
            order=None if flaw else order,
            flaw=flaw,
            operation=OPERATIONS[name],
            content=_content(name, fields | {"clientId": client_id}),
            account_id=fields.get("accountId"),
            amount=fields.get("amount"),
            currency=fields.get("currency"),
            points=fields.get("points"),
        )

    def _flaw(self, order: Order) -> str:
        number = order.tran_order_no
        if not (0 < len(number) <= ORDER_NUMBER_LENGTH_MAX and number.isprintable()):
            return "no usable order number"
        if not order.client_id:
            return "no client, and the checker was told no default"
        return "" if order.client_id in self._clients else "unknown client"

    def result(self, record: Record) -> Result:
        """Return the result in `record`, or raise UnreadableError."""
        fields = self._outcome(record, "TransactionResult")
        source = fields["source"]
        return Result(
            place=record.place,
            event_id=fields["eventId"],
            order=Order(fields["clientId"], fields["tranOrderNo"]),
            operation=fields["operation"],
            status=fields["status"],
            source=Place(source["topic"], source["partition"], source["offset"]),
            checkout_id=fields["checkoutId"],
            card=_card(fields),
            decided_by=fields["decidedBy"],
            submitted_at=fields["submittedAt"],
            decided_at=fields["decidedAt"],
            replayed=("replayed", b"true") in record.headers,
        )

    def balance_change(self, record: Record) -> BalanceChange:
        """Return the balance change in `record`, or raise UnreadableError."""
        fields = self._outcome(record, "BalanceChanged")
        return BalanceChange(
            place=record.place,
            card=Card(fields["clientId"], fields["loyaltyChannel"], fields["accountId"]),
            sequence=fields["sequence"],
            changes=tuple(
                Change(c["valueCode"], c["before"], c["after"]) for c in fields["changes"]
            ),
            balances={held["valueCode"]: held["amount"] for held in fields["balances"]},
        )

    def _outcome(self, record: Record, expected: str) -> Fields:
        name, fields = self._schemas.decode(record.value)
        if name != expected:
            raise UnreadableError(f"{name} instead of {expected}")
        return fields


def undecoded(record: Record) -> Command:
    """Return `record` as bytes that were sent, whatever they say."""
    return Command(
        place=record.place,
        key_digest=digest(record.key),
        value_digest=digest(record.value),
        headers=record.headers,
    )


def dead_letter(record: Record) -> DeadLetter:
    """Return the dead letter in `record`."""
    return DeadLetter(
        place=record.place,
        key_digest=digest(record.key),
        value_digest=digest(record.value),
        headers=record.headers,
    )


def _content(name: str, fields: Fields) -> bytes:
    """Return what tells two commands apart: all fields that are set, but for the times of sending."""
    told = {
        k: v
        for k, v in fields.items()
        if v is not None and k not in {"requestedAt", "expiresAt"}
    }
    return digest(repr((name, sorted(told.items()))).encode("utf-8"))


def _card(fields: Fields) -> Card | None:
    if fields["loyaltyChannel"] is None or fields["accountId"] is None:
        return None
    return Card(fields["clientId"], fields["loyaltyChannel"], fields["accountId"])


def book_from(data: Fields) -> Book:
    """Return the book that the simulator's `GET /book` answers with; money comes as text."""
    return Book(
        orders={Order(o["clientId"], o["tranOrderNo"]): _book_order(o) for o in data["orders"]},
        cards={
            Card(c["clientId"], c["loyaltyChannel"], c["accountId"]): {
                held["valueCode"]: Decimal(held["amount"]) for held in c["balances"]
            }
            for c in data["cards"]
        },
    )


def _book_order(order: Fields) -> BookOrder:
    return BookOrder(
        requests=order["requests"],
        effects=order["effects"],
        truth=order["truth"],
        checkout_ids=tuple(order["checkoutIds"]),
        loyalty_channel=order["loyaltyChannel"],
        account_id=order["accountId"],
        amount=None if order["amount"] is None else Decimal(order["amount"]),
        currency=order["currency"],
        points=order["points"],
    )


def fetch_book(url: str) -> Book:
    """Return the book at `url`; httpx.HTTPError if nobody answers."""
    answer = httpx.get(url, timeout=BOOK_TIMEOUT_SECONDS)
    return book_from(json.loads(answer.raise_for_status().content))


def read_history(
    bootstrap: str, prefix: str, book: Book, default_client: str | None, schemas: Schemas
) -> History:
    """Return the history that the topics under `prefix` and `book` tell.

    A client is known if the book knows it. MissingTopicError: a topic does not exist;
    StalledError: a partition could not be read to its end.
    """
    ordering = {order.client_id for order in book.orders}
    holding = {card.client_id for card in book.cards}
    reader = Reader(schemas, frozenset(ordering | holding), default_client)
    history = History(book=book)
    with closing(_consumer(bootstrap)) as consumer:
        topics = consumer.topics()
        for topic in command_topics(topics, prefix):
            history.commands.extend(map(reader.command, records(consumer, topic)))
        if (resolution := resolution_topic(prefix)) in topics:
            history.resolutions.extend(map(undecoded, records(consumer, resolution)))
        history.dead_letters.extend(
            map(dead_letter, records(consumer, f"{prefix}dead-letters"))
        )
        for record in records(consumer, f"{prefix}outcomes.results"):
            with _noting_unreadable(record, history):
                history.results.append(reader.result(record))
        for record in records(consumer, f"{prefix}outcomes.balance-changes"):
            with _noting_unreadable(record, history):
                history.balance_changes.append(reader.balance_change(record))
    return history


@contextmanager
def _noting_unreadable(record: Record, history: History) -> Iterator[None]:
    try:
        yield
    except UnreadableError as error:
        history.unreadable.append((record.place, str(error)))


def command_topics(topics: Iterable[str], prefix: str) -> list[str]:
    """Return the topics that carry commands: a client may have ones of its own."""
    found = sorted(
        topic
        for topic in topics
        if topic.startswith(f"{prefix}commands.") and topic != resolution_topic(prefix)
    )
    if not found:
        raise MissingTopicError(f"There is no topic {prefix}commands.*: is the prefix right?")
    return found


def resolution_topic(prefix: str) -> str:
    """Return the topic of an operator's decisions, which claim no order number."""
    return f"{prefix}commands.resolution"


def records(consumer: KafkaConsumer, topic: str) -> Iterator[Record]:
    """Yield the committed records of `topic` from its beginning to where it ends now."""
    partitions = [
        TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic) or ())
    ]
    if not partitions:
        raise MissingTopicError(f"There is no topic {topic}.")
    consumer.assign(partitions)
    starts = consumer.beginning_offsets(partitions)
    # With read_committed this is the last stable offset: nothing before it is undecided.
    ends = consumer.end_offsets(partitions)
    for partition in partitions:
        consumer.seek(partition, starts[partition])
    unread = {p: starts[p] for p in partitions if starts[p] < ends[p]}
    read_on_by = time.monotonic() + STALLED_AFTER_SECONDS
    while unread:
        for partition, batch in consumer.poll(timeout_ms=POLL_TIMEOUT_MS).items():
            yield from (_record(r) for r in batch if r.offset < ends[partition])
        # Markers and aborted records leave gaps, so only the position tells the end.
        positions = {p: consumer.position(p) for p in unread}
        if positions != unread:
            read_on_by = time.monotonic() + STALLED_AFTER_SECONDS
        elif time.monotonic() > read_on_by:
            raise StalledError(f"{topic} cannot be read on from {positions} to {ends}.")
        unread = {p: position for p, position in positions.items() if position < ends[p]}


def _consumer(bootstrap: str) -> KafkaConsumer:
    return KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="none",
        allow_auto_create_topics=False,
    )


def _record(record: Any) -> Record:
    return Record(
        place=Place(record.topic, record.partition, record.offset),
        key=record.key,
        value=record.value,
        headers=tuple((name, value or b"") for name, value in record.headers),
    )

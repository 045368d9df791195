"""A history that keeps every promise, as records and book lines in files: what `bench_checker` lets the checker judge."""

import io
import json
import pickle
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final

import fastavro
import fastavro.schema

from ops.proof.frames import SCHEMAS, SINGLE_OBJECT_MAGIC
from ops.proof.history import Order, Place, balance_event_id, event_id
from ops.proof.topics import Record

CLIENT: Final = "100000000000000001"
CHANNEL: Final = "FACTOR4"
COMMANDS: Final = "paywizard.commands.payment"
RESULTS: Final = "paywizard.outcomes.results"
BALANCE_CHANGES: Final = "paywizard.outcomes.balance-changes"
DEAD_LETTERS: Final = "paywizard.dead-letters"
TOPICS: Final = (COMMANDS, RESULTS, BALANCE_CHANGES, DEAD_LETTERS)
BOOK_NAME: Final = "book.jsonl"

ORDERS_PER_CARD: Final = 50
PARTITIONS: Final = 12
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
BEGAN_AT: Final = datetime(2026, 1, 5, tzinfo=UTC)
ORDER_EVERY: Final = timedelta(milliseconds=10)
REPLY_TAKES: Final = timedelta(milliseconds=5)
START: Final = Decimal(1_000_000)
PRICE: Final = Decimal("1.00")
# One order in so many is first pending, declined, sent twice, or sent again with other content.
PENDING_EVERY, DECLINED_EVERY, COPIED_EVERY, REUSED_EVERY = 20, 50, 33, 100
RECORDS_AT_ONCE: Final = 1000

Fields = dict[str, Any]


class Frames:
    """Encodes records as the worker and its upstream do."""

    def __init__(self) -> None:
        self._schemas: dict[str, tuple[Any, bytes]] = {}

    def frame(self, name: str, fields: Fields) -> bytes:
        """Return the record `name` as an Avro frame."""
        if name not in self._schemas:
            text = (SCHEMAS / f"{name}.avsc").read_text("utf-8")
            schema = fastavro.schema.parse_schema(json.loads(text))
            canonical = fastavro.schema.to_parsing_canonical_form(schema)
            fingerprint = fastavro.schema.fingerprint(canonical, "CRC-64-AVRO")
            self._schemas[name] = schema, SINGLE_OBJECT_MAGIC + bytes.fromhex(fingerprint)
        schema, head = self._schemas[name]
        body = io.BytesIO()
        fastavro.schemaless_writer(body, schema, fields)
        return head + body.getvalue()


class HistoryWriter:
    """Writes a part of a history into a folder, with cards and partitions of its own.

    A part has one file of records for each topic, and one of the book.
    """

    def __init__(self, folder: Path, part: int, files: ExitStack) -> None:
        self._part = part
        self._frames = Frames()
        self._files: dict[str, IO[bytes]] = {
            topic: files.enter_context(_file(folder, topic, part).open("wb"))
            for topic in TOPICS
        }
        self._book = files.enter_context(_file(folder, BOOK_NAME, part).open("w"))
        self._waiting: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self._ends: Counter[tuple[str, int]] = Counter()
        self._sequences: Counter[str] = Counter()

    def write(self, orders: int) -> None:
        """Write so many orders."""
        cards = max(orders // ORDERS_PER_CARD, 1)
        for number in range(orders):
            self._order(number, self._account(number % cards))
        for number in range(cards):
            self._card(self._account(number))
        for topic in TOPICS:
            self._flush(topic)

    def _account(self, number: int) -> str:
        return f"6{self._part:03}{number:014}"

    def _order(self, number: int, card: str) -> None:
        at = BEGAN_AT + number * ORDER_EVERY
        order = f"ORDER-{self._part:03}-{number:09}"
        declined = number % DECLINED_EVERY == 1
        source = self._command(order, card, at, PRICE)
        if number % COPIED_EVERY == 2:
            self._command(order, card, at, PRICE)
        if number % REUSED_EVERY == 3:
            self._dead_letter(self._command(order, card, at, PRICE + 1), order, card, at)
        last = "DECLINED" if declined else "SUCCEEDED"
        if number % PENDING_EVERY == 0:
            self._result(order, card, "PENDING", "first", source, at)
            self._result(order, card, last, "final", source, at)
        else:
            self._result(order, card, last, "first", source, at)
        if not declined:
            self._balance(card, at)
        self._booked(order, card, at, declined=declined)

    def _command(self, order: str, card: str, at: datetime, amount: Decimal) -> Place:
        return self._append(COMMANDS, card, self._payment(order, card, at, amount), at)

    def _payment(self, order: str, card: str, at: datetime, amount: Decimal) -> bytes:
        fields = {"tranOrderNo": order, "requestedAt": at, "accountId": card, "entryType": "K"}
        return self._frames.frame(
            "PaymentCommand", fields | {"amount": amount, "currency": "USD"}
        )

    def _dead_letter(self, place: Place, order: str, card: str, at: datetime) -> None:
        headers = (
            ("dlq.reason", b"CONFLICT"),
            ("dlq.message", b"The order number was used with other content."),
            ("dlq.original.topic", place.topic.encode()),
            ("dlq.original.partition", str(place.partition).encode()),
            ("dlq.original.offset", str(place.offset).encode()),
        )
        self._append(DEAD_LETTERS, card, self._payment(order, card, at, PRICE + 1), at, headers)

    def _result(
        self, order: str, card: str, status: str, kind: Any, source: Place, at: datetime
    ) -> None:
        is_open = status == "PENDING"
        fields = {
            "eventId": event_id(Order(CLIENT, order), kind),
            "tranOrderNo": order,
            "clientId": CLIENT,
            "operation": "PAYMENT",
            "status": status,
            "accountId": card,
            "loyaltyChannel": CHANNEL,
            "requestedAmount": PRICE,
            "currency": "USD",
            "code": 200,
            "msg": "success",
            "result": 2 if is_open else int(status == "DECLINED"),
            "mid": "100000000000",
            "paywizardId": "200000000000",
            "checkoutId": _checkout_id(order),
            "transIndexCode": f"T-{order}",
            "amount": "100",
            "timestamp": "2026-01-05 00:00:00",
            "decidedBy": "REPLY",
            "attempts": 1,
            "receivedAt": at,
            "submittedAt": at,
            "decidedAt": None if is_open else at + REPLY_TAKES,
            "source": source._asdict(),
        }
        self._append(RESULTS, order, self._frames.frame("TransactionResult", fields), at)

    def _balance(self, card: str, at: datetime) -> None:
        self._sequences[card] += 1
        before = START - PRICE * (self._sequences[card] - 1)
        held = {"valueCode": "USD", "amount": before - PRICE, "difference": Decimal(0)}
        points = {"valueCode": "Points", "amount": Decimal(50), "difference": Decimal(0)}
        changes = [{"valueCode": "USD", "before": before, "after": before - PRICE}]
        key = f"{CLIENT}/{CHANNEL}/{card}"
        if self._sequences[card] == 1:
            changes = [
                {"valueCode": each["valueCode"], "before": None, "after": each["amount"]}
                for each in (held, points)
            ]
        fields = {
            "eventId": balance_event_id(key, self._sequences[card]),
            "clientId": CLIENT,
            "loyaltyChannel": CHANNEL,
            "accountId": card,
            "sequence": self._sequences[card],
            "changes": changes,
            "balances": [held, points],
            "causes": [{"tranOrderNo": "ORDER-000000000"}],
            "observedAt": at,
        }
        self._append(BALANCE_CHANGES, key, self._frames.frame("BalanceChanged", fields), at)

    def _booked(self, order: str, card: str, at: datetime, *, declined: bool) -> None:
        moment, checkout_id = at.isoformat(timespec="milliseconds"), _checkout_id(order)
        execution = {"checkoutId": checkout_id, "executedAt": moment, "settledAt": moment}
        moved = {
            "at": moment,
            "operation": "PAYMENT",
            "checkoutId": checkout_id,
            "loyaltyChannel": CHANNEL,
            "accountId": card,
            "valueCode": "USD",
            "change": f"-{PRICE}",
        }
        entry = {
            "clientId": CLIENT,
            "tranOrderNo": order,
            "operation": "PAYMENT",
            "requests": 1,
            "throttled": 0,
            "repeats": 0,
            "effects": int(not declined),
            "truth": "DECLINED" if declined else "SUCCEEDED",
            "results": [int(declined)],
            "checkoutIds": [checkout_id],
            "accountId": card,
            "loyaltyChannel": CHANNEL,
            "amount": str(PRICE),
            "currency": "USD",
            "points": None,
            "executions": [execution | {"result": int(declined)}],
            "movements": [] if declined else [moved],
        }
        self._book.write(json.dumps({"order": entry}) + "\n")

    def _card(self, card: str) -> None:
        amount = START - PRICE * self._sequences[card]
        balances = [
            {"valueCode": "USD", "amount": str(amount)},
            {"valueCode": "Points", "amount": "50"},
        ]
        entry = {"clientId": CLIENT, "loyaltyChannel": CHANNEL, "accountId": card}
        line = {"card": entry | {"active": True, "balances": balances}}
        self._book.write(json.dumps(line) + "\n")

    def _append(
        self, topic: str, key: str, value: bytes, at: datetime, headers: Any = ()
    ) -> Place:
        partition = self._part * PARTITIONS + int(key[-6:]) % PARTITIONS
        place = Place(topic, partition, self._ends[topic, partition])
        self._ends[topic, partition] += 1
        millis = (at - EPOCH) // timedelta(milliseconds=1)
        self._waiting[topic].append((*place, key.encode(), value, headers, millis))
        if len(self._waiting[topic]) == RECORDS_AT_ONCE:
            self._flush(topic)
        return place

    def _flush(self, topic: str) -> None:
        pickle.dump(self._waiting[topic], self._files[topic])
        self._waiting[topic] = []


def write_part(folder: Path, part: int, orders: int) -> None:
    """Write a part of a history: what one process does."""
    with ExitStack() as files:
        HistoryWriter(folder, part, files).write(orders)


def book_lines(folder: Path) -> Iterator[bytes]:
    """Yield the lines of the book."""
    for path in sorted(folder.glob(f"{BOOK_NAME}.*")):
        with path.open("rb") as lines:
            yield from lines


def records_in(folder: Path, topic: str) -> Iterator[Record]:
    """Yield the records of a topic as a consumer would."""
    for path in sorted(folder.glob(f"{topic}.*")):
        with path.open("rb") as file:
            while file.peek(1):
                for name, partition, offset, key, value, headers, millis in pickle.load(file):  # noqa: S301  our own
                    at = datetime.fromtimestamp(millis / 1000, UTC)
                    yield Record(Place(name, partition, offset), key, value, headers, at)


def _file(folder: Path, name: str, part: int) -> Path:
    return folder / f"{name}.{part:03}"


def _checkout_id(order: str) -> str:
    return f"9{order[6:9]}{order[10:]:0>14}"

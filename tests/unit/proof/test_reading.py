"""What the checker makes of bytes, by its own reading of the schemas and the book."""

import io
import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import avro.schema
import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.proof.book import book_of
from ops.proof.frames import SCHEMAS, Schemas, UnreadableError
from ops.proof.history import (
    BalanceChange,
    BookOrder,
    Card,
    Change,
    Command,
    Order,
    Place,
    digest,
)
from ops.proof.reading import Reader
from ops.proof.topics import MissingTopicError, Record, command_topics

CLIENT = "100000000000000001"
OTHER_CLIENT = "100000000000000002"
PLACE = Place("paywizard.commands.payment", 3, 17)
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
PAYMENT = {
    "tranOrderNo": "A-1",
    "requestedAt": NOON,
    "accountId": "600000000000000001",
    "entryType": "K",
    "amount": Decimal("10.50"),
    "currency": "USD",
}
RESULT = {
    "eventId": "e",
    "tranOrderNo": "A-1",
    "clientId": CLIENT,
    "operation": "PAYMENT",
    "status": "SUCCEEDED",
    "accountId": "600000000000000001",
    "loyaltyChannel": "FACTOR4",
    "checkoutId": "9001",
    "decidedBy": "REPLY",
    "attempts": 1,
    "receivedAt": NOON,
    "submittedAt": NOON,
    "source": {"topic": PLACE.topic, "partition": PLACE.partition, "offset": PLACE.offset},
}
BOOK = {
    "orders": [
        {
            "clientId": CLIENT,
            "tranOrderNo": "A-1",
            "operation": "PAYMENT",
            "requests": 3,
            "throttled": 1,
            "repeats": 1,
            "effects": 1,
            "truth": "SUCCEEDED",
            "results": [0],
            "checkoutIds": ["9001"],
            "executions": [{"executedAt": "2026-01-05T12:00:00.000+00:00"}] * 2,
            "accountId": "600000000000000001",
            "loyaltyChannel": None,
            "amount": "10.50",
            "currency": "USD",
            "points": None,
        }
    ],
    "cards": [
        {
            "clientId": CLIENT,
            "loyaltyChannel": "FACTOR4",
            "accountId": "600000000000000001",
            "active": True,
            "balances": [{"valueCode": "USD", "amount": "89.50"}],
        }
    ],
}
READER = Reader(Schemas(), frozenset({CLIENT, OTHER_CLIENT}), CLIENT)


def fingerprint(text: str) -> bytes:
    """Return the eight bytes of a frame by the Avro specification, not by the library under test.

    Apache's Python library keeps `{"type":"long"}` where a logical type was; the specification's
    rule PRIMITIVES, Java and fastavro make it `"long"`.
    """
    canonical = re.sub(r'\{"type":("\w+")\}', r"\1", avro.schema.parse(text).canonical_form)
    empty = crc = 0xC15D213AA4D7A795
    for byte in canonical.encode("utf-8"):
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (empty if crc & 1 else 0)
    return crc.to_bytes(8, "little")


def frame(name: str, fields: dict[str, Any]) -> bytes:
    """Encode `fields` as a producer does."""
    text = (SCHEMAS / f"{name}.avsc").read_text("utf-8")
    body = io.BytesIO()
    fastavro.schemaless_writer(body, json.loads(text), fields)
    return b"\xc3\x01" + fingerprint(text) + body.getvalue()


def command(value: bytes | None) -> Command:
    """Read a command from `value`."""
    return READER.command(Record(PLACE, b"key", value, (("trace", b"1"),)))


def payment(**changes: Any) -> Command:
    """Read a payment back, with some fields changed."""
    read = command(frame("PaymentCommand", PAYMENT | changes))
    assert read.order is not None
    return read


def test_a_command_is_read_with_what_the_promises_need() -> None:
    """Bytes become digests, money stays exact, and a null client is the default one."""
    value = frame("PaymentCommand", PAYMENT)
    read = command(value)
    assert (read.place, read.headers, read.flaw) == (PLACE, (("trace", b"1"),), "")
    assert (read.key_digest, read.value_digest) == (digest(b"key"), digest(value))
    assert (read.order, read.operation) == (Order(CLIENT, "A-1"), "PAYMENT")
    assert (read.amount, read.currency, read.points) == (Decimal("10.50"), "USD", None)
    assert read.account_id == "600000000000000001"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"requestedAt": NOON + timedelta(days=1)},
        {"expiresAt": NOON},
        {"clientId": CLIENT},
        {"nsfAllowed": False},
        {"amount": Decimal("10.5")},
    ],
)
def test_a_resent_copy_has_the_same_content(changes: dict[str, Any]) -> None:
    """Times of sending and a spelled-out default do not make it another command."""
    assert payment(**changes).content == payment().content


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": Decimal("10.51")},
        {"accountId": "600000000000000002"},
        {"nsfAllowed": True},
        {"loyaltyChannel": "FACTOR4"},
    ],
)
def test_any_other_difference_is_other_content(changes: dict[str, Any]) -> None:
    """P5 is about content, and a field that is set is content."""
    assert payment(**changes).content != payment().content


def test_another_operation_with_the_same_fields_is_other_content() -> None:
    """Issuing points and redeeming them are not the same."""
    fields = {k: PAYMENT[k] for k in ("tranOrderNo", "requestedAt", "accountId", "entryType")}
    issue = command(frame("IssuePointsCommand", fields | {"points": 5}))
    redeem = command(frame("RedeemPointsCommand", fields | {"points": 5}))
    assert issue.points == redeem.points == 5
    assert issue.content != redeem.content


@pytest.mark.parametrize(
    ("field", "named"),
    [("originalTranOrderNo", ("A-0", None)), ("originalCheckoutId", (None, "A-0"))],
)
def test_a_void_is_read_with_the_original_that_it_names(
    field: str, named: tuple[str | None, str | None]
) -> None:
    """By one of two fields: its number, or its id at PayWizard."""
    fields = {"tranOrderNo": "A-1", "requestedAt": NOON, field: "A-0"}
    read = command(frame("VoidCommand", fields))
    assert (read.original, read.original_checkout_id) == named


@pytest.mark.parametrize(
    ("value", "flaw"),
    [
        (None, "null value"),
        (b"", "no Avro frame"),
        (b"{}", "no Avro frame"),
        (b"\x00\x00\x00\x00\x07abc", "Confluent frame"),
        (b"\xc3\x01", "unknown schema"),
        (b"\xc3\x01" + bytes(8), "unknown schema"),
        (frame("PaymentCommand", PAYMENT)[:-3], "does not decode"),
        (frame("PaymentCommand", PAYMENT) + b"\x00", "bytes left over"),
        (frame("TransactionResult", RESULT), "not a command"),
        (frame("PaymentCommand", PAYMENT | {"tranOrderNo": ""}), "no usable order number"),
        (
            frame("PaymentCommand", PAYMENT | {"tranOrderNo": "9" * 65}),
            "no usable order number",
        ),
        (frame("PaymentCommand", PAYMENT | {"tranOrderNo": "a\nb"}), "no usable order number"),
        (frame("PaymentCommand", PAYMENT | {"clientId": "1"}), "unknown client"),
    ],
)
def test_a_record_that_cannot_be_claimed_says_why(value: bytes | None, flaw: str) -> None:
    """A record without a usable order number or client belongs in the dead letters."""
    read = command(value)
    assert read.order is None
    assert read.flaw == flaw


@given(st.binary(max_size=200))
def test_no_bytes_stop_the_checker(body: bytes) -> None:
    """Whatever somebody put on a topic is a command or has a flaw."""
    head = frame("ReloadCommand", PAYMENT)[:10]
    read = command(head + body)
    assert (read.order is None) == bool(read.flaw)


def test_without_a_default_client_a_null_client_is_a_flaw() -> None:
    """The checker guesses nothing: it says what it was not told."""
    reader = Reader(Schemas(), frozenset({CLIENT}), None)
    record = Record(PLACE, None, frame("PaymentCommand", PAYMENT))
    assert reader.command(record).flaw == "no client, and the checker was told no default"


def test_a_result_is_read_with_its_source() -> None:
    """The source says which record was executed; only our header marks a replay."""
    value = frame("TransactionResult", RESULT)
    read = READER.result(Record(Place("r", 0, 1), b"A-1", value))
    assert (read.place, read.source) == (Place("r", 0, 1), PLACE)
    assert (read.order, read.status, read.checkout_id) == (
        Order(CLIENT, "A-1"),
        "SUCCEEDED",
        "9001",
    )
    assert read.card == Card(CLIENT, "FACTOR4", "600000000000000001")
    assert (read.submitted_at, read.decided_at, read.replayed) == (NOON, None, False)
    assert READER.result(Record(PLACE, b"A-1", value, (("replayed", b"true"),))).replayed


def test_a_result_is_read_with_all_that_it_explains() -> None:
    """P10: the worker's own words are a reason's detail and what became of each query."""
    queries = [{"at": NOON, "identifier": "checkoutId", "answer": answer} for answer in "ab"]
    evidence = {"submissions": [], "queries": queries, "lastKnownBalances": None}
    value = frame("TransactionResult", RESULT | {"reasonDetail": "x", "evidence": evidence})
    told = ("x", "checkoutId", "a", "checkoutId", "b")
    assert READER.result(Record(PLACE, b"A-1", value, at=NOON)).texts == told
    assert READER.result(Record(PLACE, b"A-1", value, at=NOON)).published_at == NOON


def test_an_ordinary_result_explains_nothing() -> None:
    """A reason of the closed list is no text of the worker's: a million results keep none."""
    value = frame("TransactionResult", RESULT | {"status": "IN_DOUBT", "reason": "LEASE_OVER"})
    assert READER.result(Record(PLACE, b"A-1", value)).texts == ()


def test_a_result_with_an_unlisted_reason_is_no_use() -> None:
    """Subscribers tell by it why; whatever stands there instead is not shown (P10)."""
    value = frame("TransactionResult", RESULT | {"reason": "6000000000000001"})
    with pytest.raises(UnreadableError, match="reason") as refused:
        READER.result(Record(PLACE, b"A-1", value))
    assert "6000" not in str(refused.value)


def test_a_result_is_read_with_the_headers_of_its_command() -> None:
    """Our own one is left out: it says what the record is."""
    headers = (("trace", b"1"), ("replayed", b"true"))
    read = READER.result(Record(PLACE, b"A-1", frame("TransactionResult", RESULT), headers))
    assert (read.headers, read.replayed) == (headers[:1], True)


@pytest.mark.parametrize("name", ["replayed", "redrive.by", "dlq.reason"])
def test_a_producers_own_header_of_our_name_is_not_carried_over(name: str) -> None:
    """Subscribers would take it for the worker's word."""
    value = frame("TransactionResult", RESULT)
    with pytest.raises(UnreadableError, match="header"):
        READER.result(Record(PLACE, b"A-1", value, ((name, b"x"),)))


CARD_KEY = f"{CLIENT}/FACTOR4/600000000000000001"
OUR_NAMES = uuid.uuid5(uuid.NAMESPACE_URL, "urn:paywizard-worker")


def balance_change(key: str = CARD_KEY, event: str = f"{CARD_KEY}\n1") -> BalanceChange:
    """Read a balance change back: the first of its card."""
    held = {"valueCode": "USD", "amount": Decimal("0.1"), "difference": Decimal(0)}
    value = frame(
        "BalanceChanged",
        {
            "eventId": str(uuid.uuid5(OUR_NAMES, event)),
            "clientId": CLIENT,
            "loyaltyChannel": "FACTOR4",
            "accountId": "600000000000000001",
            "sequence": 1,
            "changes": [{"valueCode": "USD", "before": None, "after": Decimal("0.1")}],
            "balances": [held],
            "causes": [{"tranOrderNo": "A-1"}],
            "observedAt": NOON,
        },
    )
    return READER.balance_change(Record(PLACE, key.encode(), value))


def test_a_balance_change_is_read_exactly() -> None:
    """Money is decimal, and an unknown `before` stays unknown."""
    read = balance_change()
    assert (read.card.account_id, read.sequence) == ("600000000000000001", 1)
    assert read.changes == (Change("USD", None, Decimal("0.1")),)
    assert read.balances == {"USD": Decimal("0.1")}


def test_an_outcome_under_another_key_is_no_use() -> None:
    """P7: compaction would delete another card's last event, and partitions keep a key's order."""
    with pytest.raises(UnreadableError, match="key"):
        balance_change(key="somebody else")
    with pytest.raises(UnreadableError, match="key"):
        READER.result(Record(PLACE, None, frame("TransactionResult", RESULT)))


def test_a_balance_change_with_another_event_id_is_no_use() -> None:
    """A subscriber recognises a repetition by it."""
    with pytest.raises(UnreadableError, match="eventId"):
        balance_change(event=f"{CARD_KEY}\n2")


@pytest.mark.parametrize("value", [None, b"junk", frame("PaymentCommand", PAYMENT)])
def test_an_outcome_of_another_kind_is_unreadable(value: bytes | None) -> None:
    """On the results topic stands nothing but results; the error shows none of the bytes."""
    with pytest.raises(UnreadableError) as refused:
        READER.result(Record(PLACE, None, value))
    assert "junk" not in str(refused.value)
    assert "600000000000000001" not in str(refused.value)


def test_the_book_is_read_exactly() -> None:
    """Money in the book is text, and becomes decimal."""
    told = (
        [{"order": each} for each in BOOK["orders"]],
        [{"card": each} for each in BOOK["cards"]],
        [
            {"met": {"rule": rule, "tranOrderNo": order}}
            for rule, order in (
                ("lost", "A-1"),
                ("lost", "A-1"),
                ("lost", "A-2"),
                ("slow", "A-1"),
            )
        ],
    )
    book = book_of(json.dumps(line) for lines in told for line in lines)
    assert book.orders[Order(CLIENT, "A-1")] == BookOrder(
        requests=3,
        effects=1,
        throttled=1,
        repeats=1,
        truth="SUCCEEDED",
        checkout_ids=("9001",),
        executed_at=(NOON, NOON),
        account_id="600000000000000001",
        amount=Decimal("10.50"),
        currency="USD",
        operation="PAYMENT",
    )
    assert book.cards == {
        Card(CLIENT, "FACTOR4", "600000000000000001"): {"USD": Decimal("89.50")}
    }
    assert book.met == {"lost": 2, "slow": 1}, "an order counts once, however often it met it"


def test_every_command_topic_under_the_prefix_is_read() -> None:
    """A client may have topics of its own; resolutions are no commands of upstream systems."""
    found = command_topics(
        {"p.commands.void", "p.commands.resolution", "p.commands.big-shop", "q.commands.void"},
        "p.",
    )
    assert found == ["p.commands.big-shop", "p.commands.void"]
    with pytest.raises(MissingTopicError):
        command_topics({"p.commands.void"}, "typo.")

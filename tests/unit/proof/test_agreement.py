"""The worker and the checker read bytes each in its own way, and agree on what can be claimed."""

import io
import json
from typing import Any

import fastavro
import pytest

from ops.proof.dead_letters import FITTING
from ops.proof.frames import SCHEMAS, VALUE_BYTES_MAX, Schemas
from ops.proof.reading import Reader
from ops.proof.topics import Record
from tests.unit.proof.test_reading import CLIENT, PAYMENT, PLACE, RESULT, fingerprint, frame
from worker.adapters.avro.records import RecordCodec
from worker.application.ports import BadRecordError, RecordKind
from worker.domain.commands import Command, usable_identifier
from worker.domain.commands import fingerprint as worker_fingerprint

READER = Reader(Schemas(), frozenset({CLIENT}), CLIENT)
CODEC = RecordCodec(default_client_id=CLIENT)
PAID = frame("PaymentCommand", PAYMENT)
RAW = PAYMENT | {"requestedAt": 1_767_614_400_000, "amount": (105_000).to_bytes(3)}
ALLOWED = frame("PaymentCommand", PAYMENT | {"clientId": CLIENT, "nsfAllowed": True})
RELOAD = {name: RAW[name] for name in ("tranOrderNo", "requestedAt", "accountId", "entryType")}
LARGE = {"loyaltyChannel": "x" * VALUE_BYTES_MAX}


def raw(name: str, fields: dict[str, Any]) -> bytes:
    """Encode `fields` as a producer does who knows no logical types: money is bytes, times are numbers."""

    def plain(node: Any) -> Any:
        if isinstance(node, list):
            return [plain(each) for each in node]
        if not isinstance(node, dict):
            return node
        return {name: plain(each) for name, each in node.items() if name != "logicalType"}

    text = (SCHEMAS / f"{name}.avsc").read_text("utf-8")
    body = io.BytesIO()
    fastavro.schemaless_writer(body, plain(json.loads(text)), fields)
    return b"\xc3\x01" + fingerprint(text) + body.getvalue()


def said_by_worker(value: bytes | None) -> str:
    """Return the reason of the dead letter that the worker writes; nothing if it claims a number."""
    try:
        command = CODEC.decode(RecordKind.COMMAND, value)
    except BadRecordError as bad:
        return bad.reason.value
    assert isinstance(command, Command)
    usable = usable_identifier(command.tran_order_no) and command.client_id == CLIENT
    return "" if usable else "INVALID"


def assert_agreed(value: bytes | None) -> None:
    """Compare what both make of a record of a command topic."""
    reason, flaw = said_by_worker(value), READER.command(Record(PLACE, b"key", value)).flaw
    assert bool(reason) == bool(flaw), (reason, flaw)
    if reason:
        assert reason in FITTING[flaw]


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{}",
        pytest.param(b"x" * (VALUE_BYTES_MAX + 1), id="large garbage"),
        b"\xc3",
        b"\xc3\x01",
        b"\xc3\x01" + bytes(7),
        b"\xc3\x01" + bytes(8),
        b"\x00" * 4,
        b"\x00" * 5,
        PAID,
        PAID[:10],
        PAID[:-3],
        PAID + b"\x00",
        pytest.param(PAID[:10] + b"x" * VALUE_BYTES_MAX, id="large body"),
        pytest.param(frame("PaymentCommand", PAYMENT | LARGE), id="large command"),
        frame("TransactionResult", RESULT),
        frame("TransactionResult", RESULT)[:-3],
        pytest.param(frame("TransactionResult", RESULT | LARGE), id="large result"),
        frame("PaymentCommand", PAYMENT | {"tranOrderNo": ""}),
        frame("PaymentCommand", PAYMENT | {"tranOrderNo": "9" * 65}),
        frame("PaymentCommand", PAYMENT | {"tranOrderNo": "a\nb"}),
        frame("PaymentCommand", PAYMENT | {"tranOrderNo": "\u00a0"}),
        frame("PaymentCommand", PAYMENT | {"tranOrderNo": " "}),
        frame("PaymentCommand", PAYMENT | {"clientId": "1"}),
        frame("PaymentCommand", PAYMENT | {"clientId": ""}),
        frame("PaymentCommand", PAYMENT | {"accountId": "", "currency": "usd"}),
    ],
)
def test_the_reason_of_the_worker_fits_the_flaw_that_the_checker_sees(
    value: bytes | None,
) -> None:
    """P3, P11: else a correct dead letter is blamed, or a lost record is not."""
    assert_agreed(value)


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": b""},
        {"amount": bytes(15) + b"\x01"},
        {"amount": bytes(16) + b"\x01"},
        {"amount": (10**18 - 1).to_bytes(8)},
        {"amount": (10**18).to_bytes(8)},
        {"amount": (-(10**18) + 1).to_bytes(8, signed=True)},
        {"amount": (-(10**18)).to_bytes(8, signed=True)},
        {"requestedAt": 253_402_300_799_999},
        {"requestedAt": 253_402_300_800_000},
        {"requestedAt": -62_135_596_800_000},
        {"requestedAt": -62_135_596_800_001},
        {"requestedAt": 1_767_614_400_000_000},
        {"expiresAt": 1},
        {"expiresAt": 2**62},
        {"expiresAt": -(2**62)},
    ],
    ids=str,
)
def test_a_number_out_of_its_range_does_not_decode_for_both(changes: dict[str, Any]) -> None:
    """What money cannot be and no calendar has is no content of a command."""
    assert_agreed(raw("PaymentCommand", RAW | changes))


@pytest.mark.parametrize(
    ("written", "damaged"),
    [
        pytest.param(b"\x06A-1\x02", b"\x86\x00A-1\x02", id="padded"),
        pytest.param(b"\x06A-1\x02", b"\x86" + b"\x80" * 8 + b"\x02A-1\x02", id="longer"),
        pytest.param(b"\x06A-1\x02", b"\x06A-1\x01", id="negative index"),
        pytest.param(b"\x02\x01", b"\x02\x07", id="seven is no boolean"),
    ],
)
def test_what_no_encoder_writes_does_not_decode_for_both(
    written: bytes, damaged: bytes
) -> None:
    """fastavro reads it all the same: damaged bytes must not pass for a command."""
    assert ALLOWED.count(written) == 1
    value = ALLOWED.replace(written, damaged)
    assert said_by_worker(value) == "UNDECODABLE"
    assert_agreed(value)


def test_no_damaged_byte_is_read_by_one_alone() -> None:
    """Each byte of a command is changed into every other one."""
    for place in range(10, len(ALLOWED)):
        for byte in range(256):
            assert_agreed(ALLOWED[:place] + bytes([byte]) + ALLOWED[place + 1 :])


def is_same_for_worker(value: bytes, other: bytes) -> bool:
    """Whether the worker takes two commands for copies."""
    one, two = (CODEC.decode(RecordKind.COMMAND, each) for each in (value, other))
    assert isinstance(one, Command)
    assert isinstance(two, Command)
    return worker_fingerprint(one) == worker_fingerprint(two)


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("ReloadCommand", {"currency": "USD"}, {"currency": "USD", "amount": b"\0"}),
        ("ReloadCommand", {"currency": "USD"}, {"currency": "USD", "amount": b"\1"}),
        ("ReloadCommand", {"amount": b"\1"}, {"amount": b"\1", "currency": ""}),
        ("ReloadCommand", {"amount": b"\1"}, {"amount": b"\1", "currency": "USD"}),
        ("ReloadCommand", {"amount": b"\0", "currency": ""}, {}),
        ("ReloadCommand", {"activating": False}, {}),
        ("ReloadCommand", {"customerInfo": {}}, {}),
        ("ReloadCommand", {"customerInfo": {"city": ""}}, {"customerInfo": {}}),
        ("ReloadCommand", {"loyaltyChannel": ""}, {}),
        ("PaymentCommand", {"amount": b"\0\0\1"}, {"amount": b"\1"}),
        ("PaymentCommand", {"nsfAllowed": False}, {}),
        ("PaymentCommand", {"nsfAllowed": True}, {}),
        ("PaymentCommand", {"clientId": CLIENT}, {}),
        ("PaymentCommand", {"expiresAt": 1}, {}),
    ],
    ids=str,
)
def test_both_take_the_same_commands_for_copies(
    name: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    """P5: what is a copy for one and a reused number for the other would be a false alarm, or none."""
    fields = RELOAD if name == "ReloadCommand" else RAW
    values = [raw(name, fields | changes) for changes in (one, other)]
    read = [READER.command(Record(PLACE, b"key", value)) for value in values]
    assert all(each.order is not None for each in read)
    assert (read[0].content == read[1].content) == is_same_for_worker(*values)

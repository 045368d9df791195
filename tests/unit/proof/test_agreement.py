"""The worker and the checker read bytes each in its own way, and agree on what can be claimed."""

import pytest

from ops.proof.dead_letters import FITTING
from ops.proof.reading import VALUE_BYTES_MAX, Reader, Schemas
from ops.proof.topics import Record
from tests.unit.proof.test_reading import CLIENT, PAYMENT, PLACE, RESULT, frame
from worker.adapters.avro.records import RecordCodec
from worker.application.ports import BadRecordError, RecordKind
from worker.domain.commands import Command, usable_identifier

READER = Reader(Schemas(), frozenset({CLIENT}), CLIENT)
CODEC = RecordCodec(default_client_id=CLIENT)
PAID = frame("PaymentCommand", PAYMENT)
LARGE = {"loyaltyChannel": "x" * VALUE_BYTES_MAX}


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

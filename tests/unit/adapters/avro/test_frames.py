"""Bytes from Kafka become records or a reason why not, and records become bytes."""

import json
import traceback
import tracemalloc
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from worker.adapters.avro.frames import (
    HEAD_SIZE_BYTES,
    MARKER,
    FrameError,
    decode_frame,
    encode_frame,
)
from worker.adapters.avro.json_form import from_json
from worker.adapters.avro.packaged_schemas import packaged_schemas, schema_folder
from worker.domain.outcomes import DeadLetterReason

PAYMENT = "paywizard.commands.PaymentCommand"
RESULT = "paywizard.outcomes.TransactionResult"
VOID = "paywizard.commands.VoidCommand"


def example(name: str) -> dict[str, Any]:
    """Return the fields of a record's worked example."""
    path = schema_folder() / "examples" / f"{name.rpartition('.')[2]}.json"
    return from_json(json.loads(path.read_text(encoding="utf-8"))).fields


def example_frame(name: str) -> bytes:
    """Return the frame of a record's worked example."""
    return encode_frame(name, example(name))


def head(name: str) -> bytes:
    """Return what every frame of a record begins with."""
    return MARKER + packaged_schemas().by_name[name].fingerprint


def refusal(value: bytes | None, **options: Any) -> FrameError:
    """Return the error that decoding ends with."""
    with pytest.raises(FrameError) as caught:
        decode_frame(value, **options)
    return caught.value


def test_a_frame_decodes_to_exact_money_and_aware_times() -> None:
    """Money never passes through a float, and a time is never of an unknown zone."""
    record = decode_frame(example_frame(PAYMENT))
    assert record.name == PAYMENT
    assert str(record.fields["amount"]) == "10.5000"
    assert record.fields["requestedAt"] == datetime(2025, 7, 24, 5, 6, 5, 250000, tzinfo=UTC)
    assert record.fields["requestedAt"].tzinfo is UTC  # type: ignore[attr-defined] # a datetime
    assert record.fields["nsfAllowed"] is None


def test_a_frame_begins_with_the_marker_and_the_little_endian_fingerprint() -> None:
    """Avro's specification, "Single-object encoding"; the number is from Avro's Java library."""
    frame = example_frame(PAYMENT)
    assert frame[:2] == b"\xc3\x01"
    assert int.from_bytes(frame[2:HEAD_SIZE_BYTES], "little") == 0x5E566FF71339DBD0


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, DeadLetterReason.TOMBSTONE),
        (b"", DeadLetterReason.BAD_FRAME),
        (b'{"amount": 1}', DeadLetterReason.BAD_FRAME),
        (b"\xc3", DeadLetterReason.BAD_FRAME),
        (MARKER + b"\0" * 7, DeadLetterReason.BAD_FRAME),
        (b"\x00\x00\x00\x00", DeadLetterReason.BAD_FRAME),
        (b"\x00\x00\x00\x00\x07", DeadLetterReason.UNSUPPORTED),
        (b"\x00\x00\x00\x00\x07" + b"body", DeadLetterReason.UNSUPPORTED),
        (MARKER + b"\0" * 8 + b"body", DeadLetterReason.UNKNOWN_SCHEMA),
        (head(PAYMENT)[:2] + head(PAYMENT)[:1:-1] + b"body", DeadLetterReason.UNKNOWN_SCHEMA),
        (head(PAYMENT), DeadLetterReason.UNDECODABLE),
        (example_frame(PAYMENT)[:-1], DeadLetterReason.UNDECODABLE),
        (example_frame(PAYMENT) + b"\0", DeadLetterReason.UNDECODABLE),
        (head(VOID) + example_frame(PAYMENT)[HEAD_SIZE_BYTES:], DeadLetterReason.UNDECODABLE),
    ],
)
def test_a_value_that_is_no_record_has_its_reason(
    value: bytes | None, reason: DeadLetterReason
) -> None:
    """Bad input of any kind gets a clear reason (P11)."""
    assert refusal(value).reason is reason


def test_a_record_beyond_the_limit_is_refused_undecoded() -> None:
    """Memory is bounded by the limit, not by the producer."""
    frame = example_frame(PAYMENT)
    assert (
        refusal(frame + b"\0", size_max_bytes=len(frame)).reason is DeadLetterReason.TOO_LARGE
    )
    assert decode_frame(frame, size_max_bytes=len(frame)).name == PAYMENT


def test_a_record_of_another_topic_is_refused_before_its_body_is_read() -> None:
    """Where a record belongs is known from its first ten bytes."""
    assert decode_frame(example_frame(PAYMENT), accepted={PAYMENT, VOID}).name == PAYMENT
    assert (
        refusal(head(RESULT) + b"garbage", accepted={PAYMENT}).reason
        is DeadLetterReason.WRONG_TOPIC
    )


@pytest.mark.parametrize(
    ("was", "damaged"),
    [
        # A void: expiresAt null, then the original's order number, then three nulls to the end.
        (b"\x00\x02\x1eTEST", b"\x00\x01\x1eTEST"),
        (b"0001\x00\x00\x00", b"0001\x00\x00\x03"),
        (b"0001\x00\x00\x00", b"0001\x00\x00\x80\x00"),
    ],
    ids=["index -1 for text", "index -2 for null", "index 0 in two bytes"],
)
def test_bytes_that_no_encoder_writes_are_refused(was: bytes, damaged: bytes) -> None:
    """fastavro counts a negative index from the end: damage would pass for a command."""
    frame = example_frame(VOID)
    assert was in frame
    error = refusal(frame.replace(was, damaged))
    assert error.reason is DeadLetterReason.UNDECODABLE


def test_a_boolean_is_zero_or_one() -> None:
    """fastavro takes any byte for true."""
    frame = encode_frame(PAYMENT, example(PAYMENT) | {"nsfAllowed": True})
    assert frame.endswith(b"\x02\x01")
    assert refusal(frame[:-1] + b"\x07").reason is DeadLetterReason.UNDECODABLE


@pytest.mark.parametrize("length", [2**40, 2**63 - 1, -1, -(2**40)])
def test_an_absurd_length_costs_no_memory(length: int) -> None:
    """A text of 2**40 bytes is refused, not allocated."""
    zigzag = length << 1 if length >= 0 else (-length << 1) - 1
    number = bytearray()
    while zigzag > 0x7F:
        number.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    tracemalloc.start()
    try:
        error = refusal(head(PAYMENT) + number + bytes([zigzag]) + b"TEST")
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert error.reason is DeadLetterReason.UNDECODABLE
    assert peak_bytes < 1024 * 1024


def amount_frame(unscaled: bytes) -> bytes:
    """Return the example payment with these bytes as its amount."""
    frame = example_frame(PAYMENT)
    was = b"\x06\x01\x9a\x28\x06USD"  # 3 bytes: 105000, then the currency
    assert was in frame
    length = len(unscaled) << 1
    number = bytes([length]) if length < 128 else bytes([length & 0x7F | 0x80, length >> 7])
    return frame.replace(was, number + unscaled + b"\x06USD")


@pytest.mark.parametrize(
    "unscaled",
    [
        (10**18).to_bytes(8),
        (-(10**18)).to_bytes(8, signed=True),
        (10**24).to_bytes(16),
        b"",
        b"\x00" * 17,
        b"\x7f" * 5000,
    ],
)
def test_an_amount_beyond_eighteen_digits_is_refused_with_its_field(unscaled: bytes) -> None:
    """fastavro would round it to 18 digits without a word."""
    error = refusal(amount_frame(unscaled))
    assert (error.reason, error.field) == (DeadLetterReason.UNDECODABLE, "amount")


@pytest.mark.parametrize(
    ("unscaled", "amount"),
    [
        ((10**18 - 1).to_bytes(8), "99999999999999.9999"),
        (b"\x00\x00\x00\x01", "0.0001"),
        (b"\xff\xff\x80", "-0.0128"),
        (b"\x00", "0.0000"),
    ],
)
def test_an_amount_is_read_exactly_also_with_sign_bytes_in_front(
    unscaled: bytes, amount: str
) -> None:
    """Encoders differ in how many sign bytes they write."""
    assert str(decode_frame(amount_frame(unscaled)).fields["amount"]) == amount


def test_a_time_beyond_the_calendar_is_refused_with_its_field() -> None:
    """A number of milliseconds may be larger than any date."""
    frame = example_frame(PAYMENT)
    expires_at = b"\x02\xfe\xdf\x9e\xcc\xe5\xee\x01"  # 2099
    assert expires_at in frame
    error = refusal(frame.replace(expires_at, b"\x02" + b"\xfe" + b"\xff" * 7 + b"\x7f"))
    assert (error.reason, error.field) == (DeadLetterReason.UNDECODABLE, "expiresAt")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": Decimal("1E20")}, "amount"),
        ({"amount": Decimal("1E1000000")}, "amount"),
        ({"amount": Decimal(10**14)}, "amount"),
        ({"amount": Decimal("10.50001")}, "amount"),
        ({"amount": Decimal("NaN")}, "amount"),
        ({"amount": Decimal("-Infinity")}, "amount"),
        ({"amount": 10.5}, "amount"),
        ({"amount": 10}, "amount"),
        ({"amount": None}, "amount"),
        ({"requestedAt": datetime(2025, 7, 24)}, "requestedAt"),  # noqa: DTZ001 - the case
        ({"entryType": "X"}, "entryType"),
        ({"accountId": 600000000000001}, "accountId"),
        ({"accountId": "\ud800"}, "accountId"),
        ({"nsfAllowed": 1}, "nsfAllowed"),
        ({"unheard": 1}, "unheard"),
    ],
)
def test_a_record_that_does_not_fit_is_not_written_and_the_field_is_named(
    change: dict[str, object], field: str
) -> None:
    """fastavro writes 1E20 as it is; what cannot be read back must not be published."""
    with pytest.raises(ValueError, match=f"^{field}: "):
        encode_frame(PAYMENT, example(PAYMENT) | change)


@pytest.mark.parametrize("field", ["tranOrderNo", "clientId"])
def test_a_field_left_out_is_not_filled_in(field: str) -> None:
    """Whoever publishes says everything; a forgotten field is a mistake, not a null."""
    fields = example(PAYMENT)
    del fields[field]
    with pytest.raises(ValueError, match=f"^{field}: is missing$"):
        encode_frame(PAYMENT, fields)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"attempts": 2**31}, "attempts"),
        ({"attempts": True}, "attempts"),
        ({"requestedPoints": 2**63}, "requestedPoints"),
        ({"balances": {}}, "balances"),
        ({"balances": [{"valueCode": "USD", "amount": Decimal(1)}]}, "balances[0].difference"),
        ({"source": {"topic": "t", "partition": 0, "offset": "41"}}, "source.offset"),
        ({"source": None}, "source"),
    ],
)
def test_the_path_of_a_wrong_field_leads_into_nested_records(
    change: dict[str, object], field: str
) -> None:
    """Which of several amounts was wrong is part of the message."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        encode_frame(RESULT, example(RESULT) | change)
    assert str(caught.value).partition(": ")[0] == field


def test_times_are_cut_to_whole_milliseconds() -> None:
    """Also before 1970, where cutting must not round towards zero."""
    time = datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    frame = encode_frame(PAYMENT, example(PAYMENT) | {"requestedAt": time})
    assert decode_frame(frame).fields["requestedAt"] == time.replace(microsecond=999000)


PLANTED = "6000-PLANTED-CARD"


@pytest.mark.parametrize(
    "frame",
    [
        encode_frame(PAYMENT, example(PAYMENT) | {"accountId": PLANTED})[:-20],
        encode_frame(PAYMENT, example(PAYMENT) | {"accountId": PLANTED}) + b"left over",
        encode_frame(PAYMENT, example(PAYMENT) | {"accountId": PLANTED}).replace(
            PLANTED.encode(), PLANTED.encode()[:-1] + b"\xff"
        ),
        encode_frame(PAYMENT, example(PAYMENT) | {"accountId": PLANTED}).replace(
            PLANTED.encode() + b"\x02", PLANTED.encode() + b"\x40"
        ),
    ],
    ids=["cut", "left over", "no UTF-8", "no such symbol"],
)
def test_nothing_of_the_value_is_in_the_error_nor_in_its_traceback(frame: bytes) -> None:
    """Card numbers never reach a log (P10), and fastavro's own errors quote values."""
    error = refusal(frame)
    assert error.reason is DeadLetterReason.UNDECODABLE
    assert error.__context__ is None
    assert (error.cause or "").isidentifier()
    printed = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    assert "PLANTED" not in printed


def test_a_decoded_record_does_not_print_its_fields() -> None:
    """A record that lands in a log line by mistake shows its name only (P10)."""
    assert "600000000000001" not in repr(decode_frame(example_frame(PAYMENT)))

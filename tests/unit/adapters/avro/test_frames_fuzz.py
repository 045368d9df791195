"""Whatever arrives, decoding ends with a record or with a reason."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.adapters.avro.strategies import NAMES, any_record, damaged_frames
from worker.adapters.avro.frames import (
    MARKER,
    DecodedRecord,
    FrameError,
    decode_frame,
    encode_frame,
)
from worker.adapters.avro.packaged_schemas import packaged_schemas
from worker.domain.outcomes import DeadLetterReason

REASONS = set(DeadLetterReason) - {
    DeadLetterReason.WRONG_TOPIC,
    DeadLetterReason.INVALID,
    DeadLetterReason.CONFLICT,
}

patiently = settings(max_examples=300)


def decoded_or_reason(value: bytes) -> DecodedRecord | DeadLetterReason:
    """Return the record or the reason; any other error fails the test."""
    try:
        return decode_frame(value)
    except FrameError as error:
        return error.reason


def assert_usable(value: bytes) -> None:
    """A reason of this module, or a record that can be written and read again."""
    match decoded_or_reason(value):
        case DecodedRecord() as record:
            assert decode_frame(encode_frame(record.name, record.fields)) == record
        case reason:
            assert reason in REASONS


@patiently
@given(any_record())
def test_what_is_written_is_read_again(record: DecodedRecord) -> None:
    """No value is lost or changed on the way."""
    assert decode_frame(encode_frame(record.name, record.fields)) == record


@patiently
@given(st.binary(max_size=64))
def test_any_bytes_have_a_reason(value: bytes) -> None:
    """Garbage never stops the stream (P11)."""
    assert_usable(value)


@patiently
@given(st.sampled_from(NAMES), st.binary(max_size=400))
def test_any_body_behind_a_known_fingerprint_is_a_record_or_has_a_reason(
    name: str, body: bytes
) -> None:
    """Nor does garbage with a good beginning."""
    assert_usable(MARKER + packaged_schemas().by_name[name].fingerprint + body)


@patiently
@given(damaged_frames())
def test_a_damaged_frame_is_a_record_or_has_a_reason(value: bytes) -> None:
    """Nor do bytes that were a record once."""
    assert_usable(value)

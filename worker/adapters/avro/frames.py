"""The frame around a record's value: Avro single-object encoding, in and out.

A frame is C3 01, the writer schema's CRC-64-AVRO fingerprint (8 bytes, little-endian) and the
Avro body (Avro 1.12 specification, "Single-object encoding").
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Final

from fastavro import schemaless_reader, schemaless_writer

from worker.adapters.avro.packaged_schemas import Schemas, WriterSchema, packaged_schemas
from worker.adapters.avro.shapes import Definition, FieldError
from worker.adapters.avro.wire import from_wire, to_wire
from worker.domain.outcomes import DeadLetterReason

MARKER: Final = b"\xc3\x01"
HEAD_SIZE_BYTES: Final = 10

CONFLUENT_MARKER: Final = b"\x00"
CONFLUENT_HEAD_SIZE_BYTES: Final = 5

SIZE_MAX_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class DecodedRecord:
    """A record by its full name, with all fields of its current schema.

    Money is Decimal, times are aware UTC datetimes, enums are strings, nested records dicts.
    """

    name: str
    fields: dict[str, object] = field(repr=False)  # personal data (P10)


class FrameError(Exception):
    """`reason`, where known with the path of the `field` and the `cause`; never a value (P10)."""

    def __init__(
        self, reason: DeadLetterReason, field: str | None = None, cause: str | None = None
    ) -> None:
        super().__init__(": ".join(part for part in (reason, field, cause) if part))
        self.reason = reason
        self.field = field
        self.cause = cause


class LooseEncodingError(ValueError):
    """The bytes decode, but no encoder writes them so, or bytes are left over.

    fastavro (1.13, tried) takes negative union and enum indexes, any byte as a boolean and padded
    numbers. Damaged bytes must not pass for a command, so only what writing the fields again
    gives is accepted. Arrays split into blocks are refused with the rest: commands have no
    arrays, and outcomes are written here.
    """


def decode_frame(
    value: bytes | None,
    *,
    accepted: Collection[str] | None = None,
    size_max_bytes: int = SIZE_MAX_BYTES,
    schemas: Schemas | None = None,
) -> DecodedRecord:
    """Return the record in a Kafka record's value.

    `accepted` are the full names of the records that belong on the topic (None: all of them);
    anything else is refused before its body is looked at.

    FrameError: TOMBSTONE, BAD_FRAME, UNKNOWN_SCHEMA, UNSUPPORTED (a Confluent frame),
    WRONG_TOPIC, TOO_LARGE or UNDECODABLE. Whatever the bytes are, no other error is raised.
    """
    if value is None:
        raise FrameError(DeadLetterReason.TOMBSTONE)
    writer = _writer_of(value, schemas or packaged_schemas())
    if accepted is not None and writer.record.name not in accepted:
        raise FrameError(DeadLetterReason.WRONG_TOPIC)
    if len(value) > size_max_bytes:
        raise FrameError(DeadLetterReason.TOO_LARGE)
    fields = _read_body(value[HEAD_SIZE_BYTES:], writer)
    try:
        return DecodedRecord(writer.record.name, from_wire(writer.record.shape, fields))
    except FieldError as error:
        raise FrameError(DeadLetterReason.UNDECODABLE, error.field, error.problem) from error


def encode_frame(
    name: str, fields: Mapping[str, object], *, schemas: Schemas | None = None
) -> bytes:
    """Return the frame of a record, given all of its fields as `DecodedRecord` describes them.

    FieldError, a ValueError that names the field's path and no value: a field is missing,
    unknown, of the wrong type or out of range. KeyError: there is no such record.
    """
    schema = (schemas or packaged_schemas()).by_name[name]
    return MARKER + schema.fingerprint + _write(schema.wire, to_wire(schema.shape, fields))


def _writer_of(value: bytes, schemas: Schemas) -> WriterSchema:
    if value.startswith(MARKER) and len(value) >= HEAD_SIZE_BYTES:
        writer = schemas.by_fingerprint.get(value[len(MARKER) : HEAD_SIZE_BYTES])
        if writer is None:
            raise FrameError(DeadLetterReason.UNKNOWN_SCHEMA)
        return writer
    if value.startswith(CONFLUENT_MARKER) and len(value) >= CONFLUENT_HEAD_SIZE_BYTES:
        raise FrameError(DeadLetterReason.UNSUPPORTED)
    raise FrameError(DeadLetterReason.BAD_FRAME)


def _read_body(body: bytes, writer: WriterSchema) -> object:
    """Return the body's fields as Avro wrote them, in the current schema."""
    try:
        return _read_exactly(body, writer)
    except Exception as error:  # noqa: BLE001 - fastavro has no base class for bad bytes
        cause = type(error).__name__
    # Outside the handler: fastavro's errors quote values, and tracebacks print contexts.
    raise FrameError(DeadLetterReason.UNDECODABLE, cause=cause)


def _read_exactly(body: bytes, writer: WriterSchema) -> object:
    fields: object = schemaless_reader(BytesIO(body), writer.wire, None)
    if _write(writer.wire, fields) != body:
        raise LooseEncodingError
    if writer.wire is not writer.record.wire:
        fields = schemaless_reader(BytesIO(body), writer.wire, writer.record.wire)
    return fields


def _write(schema: Definition, fields: object) -> bytes:
    body = BytesIO()
    schemaless_writer(body, schema, fields, strict=True)
    return body.getvalue()

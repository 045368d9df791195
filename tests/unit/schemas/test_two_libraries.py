"""Worked examples mean the same bytes to fastavro, to Apache's library and to the worker."""

import json
from io import BytesIO

import avro.io
import avro.schema
import fastavro
import pytest

from tests.unit.schemas.schema_rules import SCHEMAS, fields_of, names, read
from worker.adapters.avro.frames import (
    HEAD_SIZE_BYTES,
    DecodedRecord,
    decode_frame,
    encode_frame,
)
from worker.adapters.avro.json_form import from_json, to_json

every_record = pytest.mark.parametrize("name", names())


def example_text(name: str) -> str:
    """Return a record's worked example."""
    return (SCHEMAS / "examples" / f"{name}.json").read_text(encoding="utf-8")


def example(name: str) -> DecodedRecord:
    """Return a record's worked example as the worker decodes it.

    Decoded, because Apache's Python library ignores a decimal's exponent (1.12.2): it writes
    Decimal("10.5") as 0.0105, and only Decimal("10.5000") right.
    """
    written = from_json(json.loads(example_text(name)))
    return decode_frame(encode_frame(written.name, written.fields))


def written_by_fastavro(name: str, fields: dict[str, object]) -> bytes:
    """Encode by fastavro with its own logical types."""
    body = BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(read(name)), fields, strict=True)
    return body.getvalue()


def written_by_apache(name: str, fields: dict[str, object]) -> bytes:
    """Encode by Apache's library."""
    body = BytesIO()
    schema = avro.schema.parse(json.dumps(read(name)))
    avro.io.DatumWriter(schema).write(fields, avro.io.BinaryEncoder(body))
    return body.getvalue()


def read_by_fastavro(name: str, body: bytes) -> object:
    """Decode by fastavro with its own logical types."""
    return fastavro.schemaless_reader(BytesIO(body), fastavro.parse_schema(read(name)), None)


def read_by_apache(name: str, body: bytes) -> object:
    """Decode by Apache's library."""
    schema = avro.schema.parse(json.dumps(read(name)))
    return avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(BytesIO(body)))


@every_record
def test_all_encoders_write_the_example_byte_for_byte_the_same(name: str) -> None:
    """A producer may use any Avro library."""
    record = example(name)
    ours = encode_frame(record.name, record.fields)[HEAD_SIZE_BYTES:]
    assert written_by_fastavro(name, record.fields) == ours
    assert written_by_apache(name, record.fields) == ours


@every_record
def test_each_library_reads_what_the_other_wrote(name: str) -> None:
    """A subscriber may use any Avro library."""
    fields = example(name).fields
    assert read_by_apache(name, written_by_fastavro(name, fields)) == fields
    assert read_by_fastavro(name, written_by_apache(name, fields)) == fields


@every_record
def test_the_example_shows_every_field_and_is_in_the_form_that_is_printed(name: str) -> None:
    """What `results` prints can be sent, and what is shown is complete."""
    document = json.loads(example_text(name))
    assert to_json(example(name)) == document
    assert list(document) == ["record", *(p for p, _ in fields_of(read(name)) if "." not in p)]

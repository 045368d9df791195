"""Decodes the Avro frames of records against `schemas/`, and takes only what an encoder writes."""

import io
import json
import re
from pathlib import Path
from typing import Any, NamedTuple, cast

import fastavro
import fastavro.schema

SCHEMAS = Path(__file__).parents[2] / "schemas"
SINGLE_OBJECT_MAGIC = b"\xc3\x01"
SINGLE_OBJECT_HEADER_BYTES = 10
CONFLUENT_MAGIC = b"\x00"
VALUE_BYTES_MAX = 1024 * 1024
# What must stand in an encoding that fastavro takes and no encoder writes: a negative index of a
# union or an enum, or a number that is padded or longer than it can be.
NEGATIVE_INDEX = re.compile(rb"[\x01\x03\x05\x07]")
PADDED_NUMBER = re.compile(rb"[\x80-\xff](?:\x00|[\x80-\xff]{8})")
# What fastavro notes in a schema that it has parsed.
PARSED = "__fastavro_parsed__"

Fields = dict[str, Any]


class UnreadableError(ValueError):
    """A value does not decode; the text says why, and shows none of it (P10)."""


class _Writer(NamedTuple):
    """A schema that records are written with, and today's if that is another one."""

    name: str
    schema: Fields
    readers: Fields | None


class Schemas:
    """The schemas of a folder by fingerprint: today's, and older ones of its `history/`."""

    def __init__(self, folder: Path = SCHEMAS) -> None:
        current = [_parsed(path) for path in sorted(folder.glob("*.avsc"))]
        today = {schema["name"]: _plain(schema) for schema in current}
        older = map(_parsed, sorted(folder.rglob("*.avsc")))
        self._writers = {
            _fingerprint(schema): _Writer(_name(schema), _plain(schema), today[schema["name"]])
            for schema in older
        }
        # What is written as it is read needs no resolution, which costs as much as the decoding.
        self._writers |= {
            _fingerprint(schema): _Writer(_name(schema), _plain(schema), None)
            for schema in current
        }

    def decode(self, value: bytes | None) -> tuple[str, Fields]:
        """Return the record's name and fields, read as today's schema, or raise UnreadableError.

        Money is still bytes and times are milliseconds: few are needed, see `money` and `moment`.
        """
        if value is None:
            raise UnreadableError("null value")
        if value.startswith(CONFLUENT_MAGIC):
            raise UnreadableError("Confluent frame")
        if not value.startswith(SINGLE_OBJECT_MAGIC):
            raise UnreadableError("no Avro frame")
        writer = self._writers.get(value[len(SINGLE_OBJECT_MAGIC) : SINGLE_OBJECT_HEADER_BYTES])
        if writer is None:
            raise UnreadableError("unknown schema")
        if len(value) > VALUE_BYTES_MAX:
            raise UnreadableError("too large")
        body = io.BytesIO(value[SINGLE_OBJECT_HEADER_BYTES:])
        try:
            fields = cast(
                "Fields", fastavro.schemaless_reader(body, writer.schema, writer.readers)
            )
        except Exception as error:  # whatever fastavro meets in foreign bytes is one fact
            raise UnreadableError("does not decode") from error
        if body.read(1):
            raise UnreadableError("bytes left over")
        return writer.name, fields

    def is_as_written(self, value: bytes, fields: Fields) -> bool:
        """Whether writing what a command says gives its bytes again, of `value` that decodes to `fields`."""
        is_suspect = (
            NEGATIVE_INDEX.search(value, SINGLE_OBJECT_HEADER_BYTES)
            or PADDED_NUMBER.search(value, SINGLE_OBJECT_HEADER_BYTES)
            # Any byte but 0 passes for true.
            or fields.get("nsfAllowed")
            or fields.get("activating")
        )
        return not is_suspect or self._written_again(value) == value

    def _written_again(self, value: bytes) -> bytes:
        head, body = value[:SINGLE_OBJECT_HEADER_BYTES], value[SINGLE_OBJECT_HEADER_BYTES:]
        schema = self._writers[head[len(SINGLE_OBJECT_MAGIC) :]].schema
        written = io.BytesIO()
        try:
            fastavro.schemaless_writer(
                written, schema, fastavro.schemaless_reader(io.BytesIO(body), schema, None)
            )
        except Exception:  # noqa: BLE001  it stands for every way in which bytes are no encoding
            return b""
        return head + written.getvalue()


def _parsed(path: Path) -> Fields:
    return cast("Fields", fastavro.schema.parse_schema(json.loads(path.read_text("utf-8"))))


def _plain(schema: Fields) -> Fields:
    """Return `schema` without logical types, which take most of the decoding's time."""

    def plain(node: Any) -> Any:
        if isinstance(node, list):
            return [plain(each) for each in node]
        if not isinstance(node, dict):
            return node
        return {k: plain(v) for k, v in node.items() if k not in {"logicalType", PARSED}}

    return cast("Fields", fastavro.schema.parse_schema(plain(schema)))


def _name(schema: Fields) -> str:
    return cast("str", schema["name"]).rpartition(".")[2]


def _fingerprint(schema: Fields) -> bytes:
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    # fastavro gives the eight bytes in the frame's order, little-endian.
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))

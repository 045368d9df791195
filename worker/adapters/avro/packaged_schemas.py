"""Finds the packaged schemas and looks them up by record name or by fingerprint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

from worker.adapters.avro.shapes import Definition, Record, record_of


@dataclass(frozen=True, slots=True)
class RecordSchema:
    """The current schema of one record.

    `name` is the full name. `fingerprint` is CRC-64-AVRO, 8 bytes little-endian, as it stands in
    a frame. `wire` is what fastavro reads and writes by, without logical types.
    """

    name: str
    fingerprint: bytes
    wire: Definition
    shape: Record


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """One version, current or old, that a record may have been written with.

    What it wrote is read as `record`, the current schema of that name.
    """

    wire: Definition
    record: RecordSchema


@dataclass(frozen=True, slots=True)
class Schemas:
    """The schemas of a folder: current ones by full name, all versions by fingerprint."""

    by_name: Mapping[str, RecordSchema]
    by_fingerprint: Mapping[bytes, WriterSchema]


@cache
def packaged_schemas() -> Schemas:
    """Return the schemas that belong to this code, read once.

    OSError, ValueError: the installation is broken.
    """
    return load_schemas(schema_folder())


def schema_folder() -> Path:
    """Return where the schemas lie: inside the installed package, else in the source tree."""
    package = Path(__file__).parents[2]
    installed = package / "_schemas"
    return installed if installed.is_dir() else package.parent / "schemas"


def personal_fields() -> frozenset[str]:
    """Name the fields that the schemas mark as personal (`pii`)."""
    found: set[str] = set()
    todo: list[Any] = [_read(path) for path in schema_folder().glob("*.avsc")]
    while todo:
        part = todo.pop()
        if isinstance(part, dict):
            todo += part.values()
            if part.get("pii") is True:
                found.add(part["name"])
        elif isinstance(part, list):
            todo += part
    return frozenset(found)


def load_schemas(folder: Path) -> Schemas:
    """Read `<Record>.avsc` and `history/<full name>/<n>.avsc` of a folder."""
    records = [_record_schema(_read(path)) for path in sorted(folder.glob("*.avsc"))]
    if not records:
        raise FileNotFoundError(f"no schemas in {folder}")
    by_fingerprint: dict[bytes, WriterSchema] = {}
    for record in records:
        for path in (folder / "history" / record.name).glob("*.avsc"):
            wire = _wire(_read(path))
            by_fingerprint[_fingerprint(wire)] = WriterSchema(wire, record)
    # Last, so that a version with the same bytes as the current one is read as the current one.
    by_fingerprint |= {
        record.fingerprint: WriterSchema(record.wire, record) for record in records
    }
    return Schemas({record.name: record for record in records}, by_fingerprint)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _record_schema(definition: Any) -> RecordSchema:
    wire = _wire(definition)
    shape = record_of(parse_schema(definition))
    return RecordSchema(shape.name, _fingerprint(wire), wire, shape)


def _wire(definition: Any) -> Definition:
    return parse_schema(_without_logical_types(definition))


def _without_logical_types(part: Any) -> Any:
    if isinstance(part, list):
        return [_without_logical_types(item) for item in part]
    if isinstance(part, dict):
        return {k: _without_logical_types(v) for k, v in part.items() if k != "logicalType"}
    return part


def _fingerprint(definition: Definition) -> bytes:
    # fastavro returns the hexadecimal text of the little-endian bytes: the order of the frame.
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(definition), "CRC-64-AVRO"))

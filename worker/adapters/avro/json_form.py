"""Records as JSON that people write and read: `{"record": "PaymentCommand", "amount": "10.50", …}`.

Money is a string ("10.50"), a time is ISO 8601 with its zone ("2025-07-24T05:06:05.000Z"), an
enum is its symbol; everything else is JSON's own. `schemas/examples/` is in this form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from worker.adapters.avro.frames import DecodedRecord
from worker.adapters.avro.packaged_schemas import RecordSchema, Schemas, packaged_schemas
from worker.adapters.avro.shapes import (
    MISSING,
    Array,
    FieldError,
    Leaf,
    Record,
    Shape,
    walk_record,
)
from worker.adapters.avro.wire import to_wire, unscaled
from worker.domain.money import plain_text

RECORD: Final = "record"

# Decimal() also takes exponents, underscores and other scripts' digits; money is written plainly.
PLAIN_DECIMAL: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def from_json(document: object, *, schemas: Schemas | None = None) -> DecodedRecord:
    """Return the record that a JSON document describes, valid for its schema.

    `record` names it, in full or by its last part. Fields with a default may be left out.

    FieldError: a field is missing, unknown or not in its form; the value is not quoted.
    """
    if not isinstance(document, Mapping):
        raise FieldError(RECORD, "is missing: not a JSON object")
    schema = _schema_named(document.get(RECORD), schemas or packaged_schemas())
    given = {name: value for name, value in document.items() if name != RECORD}
    complete = _with_defaults(schema.shape, given)
    fields = walk_record(schema.shape, complete, "", _leaf_from_json)
    to_wire(schema.shape, fields)
    return DecodedRecord(schema.name, fields)


def to_json(record: DecodedRecord, *, schemas: Schemas | None = None) -> dict[str, object]:
    """Return the record as a JSON document, `record` first, then all fields in their order."""
    schema = (schemas or packaged_schemas()).by_name[record.name]
    fields = walk_record(schema.shape, record.fields, "", _leaf_to_json)
    return {RECORD: _short(record.name), **fields}


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _schema_named(name: object, schemas: Schemas) -> RecordSchema:
    for schema in schemas.by_name.values():
        if name in (schema.name, _short(schema.name)):
            return schema
    names = ", ".join(sorted(map(_short, schemas.by_name)))
    raise FieldError(RECORD, f"is none of {names}")


def _with_defaults(shape: Shape, value: Any) -> Any:
    """Fill in what was left out, also in nested records; faults are left to the walk."""
    match shape, value:
        case Record(), dict():
            filled = {f.name: f.default for f in shape.fields if f.default is not MISSING}
            shapes = {field.name: field.shape for field in shape.fields}
            given = {
                k: _with_defaults(shapes[k], v) if k in shapes else v for k, v in value.items()
            }
            return filled | given
        case Array(items), list():
            return [_with_defaults(items, item) for item in value]
        case _:
            return value


def _leaf_from_json(leaf: Leaf, value: object, path: str) -> object:
    match leaf.kind:
        case "decimal":
            if not isinstance(value, str) or not PLAIN_DECIMAL.fullmatch(value):
                raise FieldError(path, 'is not a decimal in a string, such as "10.50"')
            unscaled(leaf, Decimal(value), path)
            return Decimal(value)
        case "timestamp-millis":
            return _time_from_text(value, path)
        case "enum" if value not in leaf.symbols:
            raise FieldError(path, f"is none of {', '.join(leaf.symbols)}")
        case _:
            return value


def _time_from_text(value: object, path: str) -> datetime:
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        if time is not None and time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise FieldError(path, 'is not a time with a zone, such as "2025-07-24T05:06:05.000Z"')


def _leaf_to_json(_leaf: Leaf, value: object, _path: str) -> object:
    match value:
        case Decimal():
            return plain_text(value)
        case datetime():
            text = value.astimezone(UTC).isoformat(timespec="milliseconds")
            return text.replace("+00:00", "Z")
        case _:
            return value

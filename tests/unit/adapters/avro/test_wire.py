"""Money and times look on the wire as other encoders write them."""

from datetime import datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

import fastavro
from hypothesis import example, given

from tests.unit.adapters.avro.strategies import MONEY, TIMES
from worker.adapters.avro.shapes import record_of
from worker.adapters.avro.wire import from_wire, to_wire

DEFINITION: dict[str, Any] = {
    "type": "record",
    "name": "Payment",
    "fields": [
        {
            "name": "amount",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 4},
        },
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}
PLAIN: dict[str, Any] = DEFINITION | {
    "fields": [{"name": "amount", "type": "bytes"}, {"name": "at", "type": "long"}]
}
SHAPE = record_of(DEFINITION)


def written(schema: dict[str, Any], fields: dict[str, object]) -> bytes:
    """Encode by fastavro."""
    body = BytesIO()
    fastavro.schemaless_writer(body, schema, fields, strict=True)
    return body.getvalue()


def shortest(number: int) -> bytes:
    """Return the shortest two's complement of a number, found by trying."""
    for length in range(1, 10):
        try:
            return number.to_bytes(length, signed=True)
        except OverflowError:
            continue
    raise AssertionError(number)


@given(MONEY, TIMES)
@example(Decimal("-0.0128"), datetime.fromisoformat("1969-12-31T23:59:59.999Z"))
def test_fastavro_and_we_read_each_other(amount: Decimal, at: datetime) -> None:
    """The conversion here stands in for the library's, within the limits it does not keep."""
    fields: dict[str, object] = {"amount": amount, "at": at}
    wire = to_wire(SHAPE, fields)
    assert fastavro.schemaless_reader(BytesIO(written(PLAIN, wire)), DEFINITION, None) == fields
    theirs = fastavro.schemaless_reader(BytesIO(written(DEFINITION, fields)), PLAIN, None)
    assert from_wire(SHAPE, theirs) == fields


@given(MONEY, TIMES)
@example(Decimal(0), datetime.fromisoformat("1970-01-01T00:00:00Z"))
@example(Decimal("0.0128"), datetime.fromisoformat("1970-01-01T00:00:00Z"))
@example(Decimal("-0.0128"), datetime.fromisoformat("1970-01-01T00:00:00Z"))
def test_money_is_written_in_the_shortest_form(amount: Decimal, at: datetime) -> None:
    """One amount, one writing, and the one that Java's toByteArray gives."""
    assert to_wire(SHAPE, {"amount": amount, "at": at})["amount"] == shortest(
        int(amount * 10000)
    )

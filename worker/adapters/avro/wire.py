"""The two logical types, money and time, between Python values and what Avro writes.

Not left to fastavro, because there (1.13, tried) a decimal beyond its precision is written as it
is and silently rounded when read, a naive time is taken as local, and errors quote the value.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Final

from worker.adapters.avro.shapes import FieldError, Leaf, Record, walk_record

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)

INT_MAX: Final = 2**31 - 1
LONG_MAX: Final = 2**63 - 1

# Longest accepted unscaled decimal. Eight bytes hold every decimal(18, 4); other encoders may
# put leading sign bytes in front, but a megabyte of digits takes minutes to convert.
UNSCALED_SIZE_MAX_BYTES: Final = 16


def from_wire(shape: Record, fields: object) -> dict[str, object]:
    """Return the fields as Python values: money as Decimal, times as aware UTC datetimes.

    FieldError: a decimal beyond its precision, a time beyond the calendar, an int too long.
    """
    return walk_record(shape, fields, "", _leaf_from_wire)


def to_wire(shape: Record, fields: object) -> dict[str, object]:
    """Return the fields as Avro writes them: money and times as bytes and milliseconds.

    Every value is checked against its type here. Times are cut to whole milliseconds.
    FieldError: a field is missing, unknown, of another type, or out of its range.
    """
    return walk_record(shape, fields, "", _leaf_to_wire)


def _leaf_from_wire(leaf: Leaf, value: object, path: str) -> object:
    match leaf.kind, value:
        case "decimal", bytes():
            return _decimal_from_bytes(leaf, value, path)
        case "timestamp-millis", int():
            return _time_from_milliseconds(value, path)
        case "int", int():
            return _within(value, INT_MAX, path)
        case _:
            return value


def _leaf_to_wire(leaf: Leaf, value: object, path: str) -> object:
    match leaf.kind, value:
        case "string", str():
            return _encodable(value, path)
        case "decimal", Decimal():
            return _bytes_of(unscaled(leaf, value, path))
        case "timestamp-millis", datetime():
            return _milliseconds(value, path)
        case "enum", str() if value in leaf.symbols:
            return value
        case "boolean", bool():
            return value
        case "int" | "long", int() if not isinstance(value, bool):
            return _within(value, INT_MAX if leaf.kind == "int" else LONG_MAX, path)
        case _:
            raise FieldError(path, f"is not a valid {leaf.kind}")


def unscaled(leaf: Leaf, value: Decimal, path: str) -> int:
    """Return `value` times ten to the power of the scale, exactly.

    FieldError: not finite, more decimals than the scale, or more digits than the precision.
    """
    exact = Context(prec=leaf.precision, traps=[Inexact, InvalidOperation])
    try:
        whole = value.quantize(Decimal((0, (1,), -leaf.scale)), context=exact)
        return int(whole.scaleb(leaf.scale, context=exact))
    except (ArithmeticError, ValueError):
        pass
    limits = f"{leaf.precision - leaf.scale} digits before and {leaf.scale} after the point"
    raise FieldError(path, f"is not a number of at most {limits}")


def _decimal_from_bytes(leaf: Leaf, value: bytes, path: str) -> Decimal:
    number = int.from_bytes(value, signed=True)
    if not 0 < len(value) <= UNSCALED_SIZE_MAX_BYTES or abs(number) >= 10**leaf.precision:
        raise FieldError(path, f"is not a decimal of at most {leaf.precision} digits")
    digits = tuple(map(int, str(abs(number))))
    return Decimal((int(number < 0), digits, -leaf.scale))


def _bytes_of(number: int) -> bytes:
    """Two's complement, big-endian, in as few bytes as possible (as Java's toByteArray)."""
    bits = (number if number >= 0 else ~number).bit_length()
    return number.to_bytes(bits // 8 + 1, signed=True)


def _time_from_milliseconds(value: int, path: str) -> datetime:
    try:
        return EPOCH + value * MILLISECOND
    except OverflowError:
        pass
    raise FieldError(path, "is not a time in the years 1 to 9999")


def _milliseconds(value: datetime, path: str) -> int:
    if value.tzinfo is None:
        raise FieldError(path, "is a time without a zone")
    return (value - EPOCH) // MILLISECOND


def _within(value: int, value_max: int, path: str) -> int:
    if not -value_max - 1 <= value <= value_max:
        raise FieldError(path, "is out of range")
    return value


def _encodable(value: str, path: str) -> str:
    """JSON can hold half a surrogate pair, which UTF-8 cannot."""
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise FieldError(path, "holds half a surrogate pair")
    return value

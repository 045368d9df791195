"""Hypothesis strategies that fill a record of any schema."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import strategies as st

from worker.adapters.avro.frames import DecodedRecord, encode_frame
from worker.adapters.avro.packaged_schemas import packaged_schemas
from worker.adapters.avro.shapes import Array, Leaf, Record, Shape
from worker.adapters.avro.wire import EPOCH

NAMES = sorted(packaged_schemas().by_name)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
# 18 digits, 4 of them decimals: all that the schemas can say.
MONEY = st.integers(1 - 10**18, 10**18 - 1).map(lambda n: Decimal(n).scaleb(-4))
MILLISECONDS_MIN, MILLISECONDS_MAX = -62_135_596_800_000, 253_402_300_799_999  # years 1 to 9999
TIMES = st.integers(MILLISECONDS_MIN, MILLISECONDS_MAX).map(
    lambda milliseconds: EPOCH + timedelta(milliseconds=milliseconds)
)


def values(shape: Shape) -> st.SearchStrategy[object]:
    """Return a strategy for values that fit the shape."""
    match shape:
        case Record():
            return records(shape)
        case Array():
            return st.lists(values(shape.items), max_size=3)
        case Leaf():
            return leaves(shape)


def records(shape: Record) -> st.SearchStrategy[dict[str, object]]:
    """Return a strategy for the fields of a record."""
    return st.fixed_dictionaries(
        {
            field.name: st.none() | values(field.shape)
            if field.nullable
            else values(field.shape)
            for field in shape.fields
        }
    )


def leaves(leaf: Leaf) -> st.SearchStrategy[object]:
    """Return a strategy for single values."""
    kinds: dict[str, st.SearchStrategy[object]] = {
        "boolean": st.booleans(),
        "int": st.integers(-(2**31), 2**31 - 1),
        "long": st.integers(-(2**63), 2**63 - 1),
        "string": TEXTS,
        "enum": st.sampled_from(leaf.symbols) if leaf.symbols else st.nothing(),
        "decimal": MONEY,
        "timestamp-millis": TIMES,
    }
    return kinds[leaf.kind]


@st.composite
def any_record(draw: st.DrawFn) -> DecodedRecord:
    """Draw a valid record of any kind."""
    name = draw(st.sampled_from(NAMES))
    return DecodedRecord(name, draw(records(packaged_schemas().by_name[name].shape)))


@st.composite
def damaged_frames(draw: st.DrawFn) -> bytes:
    """Draw the frame of a valid record with some bytes changed, cut out or put in."""
    record = draw(any_record())
    frame = bytearray(encode_frame(record.name, record.fields))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(frame)))
        end = draw(st.integers(start, min(start + 3, len(frame))))
        frame[start:end] = draw(st.binary(max_size=10))
    return bytes(frame)

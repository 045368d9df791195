"""A schema that our code cannot carry faithfully is refused when it is loaded."""

from typing import Any

import pytest

from worker.adapters.avro.shapes import UnsupportedSchemaError, record_of


@pytest.mark.parametrize(
    "definition",
    [
        "double",
        "float",
        "bytes",
        {"type": "map", "values": "string"},
        {"type": "fixed", "name": "F", "size": 8},
        ["null", "string", "long"],
        ["string", "null"],
        {"type": "array", "items": ["null", "string"]},
        "Unheard",
    ],
)
def test_what_has_no_shape_is_refused(definition: Any) -> None:
    """Money as a float, above all, cannot come in with a new schema."""
    record = {"type": "record", "name": "R", "fields": [{"name": "f", "type": definition}]}
    with pytest.raises(UnsupportedSchemaError):
        record_of(record)


def test_only_a_record_can_be_a_message() -> None:
    """Topics carry records."""
    with pytest.raises(UnsupportedSchemaError):
        record_of("string")

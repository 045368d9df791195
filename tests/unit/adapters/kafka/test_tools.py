"""What the tools make of records."""

from datetime import UTC, datetime

import pytest

from tests.unit.adapters.kafka.records import P0
from tests.unit.adapters.kafka.scripted_consumer import kafka_record
from worker.adapters.kafka.tools import seen


@pytest.mark.parametrize(
    ("timestamp", "moment"),
    [
        (1_764_028_800_123, datetime(2025, 11, 25, 0, 0, 0, 123_000, tzinfo=UTC)),
        (-1, datetime(1970, 1, 1, tzinfo=UTC)),
        (2**63 - 1, datetime(2100, 1, 1, tzinfo=UTC)),
    ],
)
def test_any_timestamp_is_shown_as_a_moment(timestamp: int, moment: datetime) -> None:
    """P11: a record with an odd one is shown, and so is what comes after it."""
    assert seen(kafka_record(10, P0, timestamp)).timestamp == moment

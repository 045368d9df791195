"""Timestamps of records: a producer may write any number."""

from datetime import UTC, datetime
from typing import Final

TIMESTAMP_MS_MAX: Final = 4_102_444_800_000
"""The year 2100: what lies beyond is no date to calculate with."""


def moment_of(timestamp_ms: int) -> datetime:
    """Return the time that a record's timestamp means, at least 1970 and at most 2100."""
    return datetime.fromtimestamp(min(max(0, timestamp_ms), TIMESTAMP_MS_MAX) / 1000, UTC)

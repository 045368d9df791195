"""Dead letters as they are read back: the record that it was, and what its headers tell of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from typing_extensions import override

from worker.application.handled import foreign
from worker.domain.entry import Headers


@dataclass(frozen=True, slots=True)
class Position:
    """Where a dead letter lies on its topic; a recreated topic has another id."""

    topic_id: str
    partition: int
    offset: int

    @override
    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A dead letter. `topic`, `partition`, `offset` and `timestamp` are the original record's.

    `reason` is text: a letter may be from a release with other reasons. `is_excerpt`: the record
    was too large to be kept whole, so that only its beginning is here.
    """

    position: Position
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: Headers = field(repr=False)
    reason: str
    error_field: str | None
    topic: str
    partition: int
    offset: int
    timestamp: datetime
    failed_at: datetime
    is_excerpt: bool

    @property
    def original_headers(self) -> Headers:
        """The headers that the record came with."""
        return foreign(self.headers)

    @property
    def trail(self) -> Headers:
        """The diagnosis, which goes along with a redriven record."""
        return tuple((name, value) for name, value in self.headers if name.startswith("dlq."))


class NoLetterError(ValueError):
    """A record of the dead letters' topic is none of ours: its headers do not say what it was."""


def letter_of(
    position: Position, key: bytes | None, value: bytes | None, headers: Headers
) -> Letter:
    """Read a dead letter, or raise NoLetterError."""
    said = {name: text.decode(errors="replace") for name, text in headers}
    try:
        return Letter(
            position=position,
            key=key,
            value=value,
            headers=headers,
            reason=said["dlq.reason"],
            error_field=said.get("dlq.error.field"),
            topic=said["dlq.original.topic"],
            partition=int(said["dlq.original.partition"]),
            offset=int(said["dlq.original.offset"]),
            timestamp=_moment(said, "dlq.original.timestamp"),
            failed_at=_moment(said, "dlq.failed.at"),
            is_excerpt="dlq.excerpt.sha256" in said,
        )
    except (KeyError, ValueError):
        raise NoLetterError(f"the record at {position} is no dead letter of ours") from None


def _moment(said: Mapping[str, str], name: str) -> datetime:
    moment = datetime.fromisoformat(said[name])
    if moment.tzinfo is None:
        raise ValueError(name)
    return moment

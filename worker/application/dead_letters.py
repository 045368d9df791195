"""Dead letters: the original key and bytes, with the diagnosis in headers only."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from worker.application.handled import Handled, How, carried, foreign
from worker.application.ports import Output, OutputTopic, SourceRecord
from worker.domain.entry import Headers
from worker.domain.outcomes import DEAD_LETTER_SENTENCES, DeadLetterReason

LETTER_BYTES_MAX: Final = 768 * 1024
"""Below the broker's default record limit of 1 MiB."""
EXCERPT_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters:
    """Builds dead letters in the name of one consumer group and one worker version."""

    group: str
    version: str

    def letter(
        self, record: SourceRecord, reason: DeadLetterReason, field: str | None, now: datetime
    ) -> Handled:
        """Turn a record into a dead letter; `field` is a path in the schema, never a value."""
        source = record.source
        diagnosis = {
            "dlq.reason": reason.value,
            "dlq.message": DEAD_LETTER_SENTENCES[reason],
            "dlq.original.topic": source.topic,
            "dlq.original.partition": str(source.partition),
            "dlq.original.offset": str(source.offset),
            "dlq.original.timestamp": record.timestamp.isoformat(timespec="milliseconds"),
            "dlq.group": self.group,
            "dlq.worker.version": self.version,
            "dlq.failed.at": now.isoformat(timespec="milliseconds"),
        }
        if field is not None:
            diagnosis["dlq.error.field"] = field
        return Handled(
            record=record,
            how=How.DEAD_LETTER,
            outputs=(_fitting(record, diagnosis),),
            dead_letter=reason,
        )


def _fitting(record: SourceRecord, diagnosis: dict[str, str]) -> Output:
    """Carry the record whole, or an excerpt with its hash where it would not fit (P11)."""
    key, value, headers = record.key or b"", record.value or b"", foreign(record.headers)
    size = len(key) + len(value) + sum(len(name) + len(item) for name, item in headers)
    if size <= LETTER_BYTES_MAX:
        return Output(
            OutputTopic.DEAD_LETTERS, record.key, record.value, _encoded(diagnosis) + headers
        )
    cut = diagnosis | {
        "dlq.excerpt.sha256": hashlib.sha256(value).hexdigest(),
        "dlq.excerpt.original.bytes": str(len(value)),
    }
    return Output(
        OutputTopic.DEAD_LETTERS,
        None if record.key is None else key[:EXCERPT_BYTES],
        value[:EXCERPT_BYTES],
        _encoded(cut) + (carried(record.headers) or ()),
    )


def _encoded(diagnosis: dict[str, str]) -> Headers:
    return tuple((name, text.encode()) for name, text in diagnosis.items())

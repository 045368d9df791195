"""What a log line may say about a command: the allowed fields, and no others."""

from worker.domain.entry import Entry, Source
from worker.domain.states import PUBLISHABLE
from worker.observability.redaction import mask_account

View = dict[str, str | int | float | None]
"""Fields of a log line, always the same keys for the same kind of line."""


def source_view(source: Source) -> View:
    """Say where a record came from."""
    return {"topic": source.topic, "partition": source.partition, "offset": source.offset}


def command_view(
    entry: Entry, *, source: Source | None = None, duration_seconds: float | None = None
) -> View:
    """Say what is known of a command, without its card holder's data; the card is masked.

    `source` is the record that the line is about, if it is not the entry's own.
    """
    outcome = entry.outcome
    answer = None if outcome is None else outcome.answer
    return {
        "tran_order_no": entry.tran_order_no,
        "client_id": entry.client_id,
        "operation": entry.operation.lower(),
        "status": entry.state.value if entry.state in PUBLISHABLE else None,
        "reason": None if outcome is None else outcome.reason,
        "attempts": entry.attempts,
        "duration_seconds": None if duration_seconds is None else round(duration_seconds, 3),
        "http_status": None if answer is None else answer.http_status,
        "paywizard_code": None if answer is None else answer.code,
        "ledger_state": entry.state.value,
        "account": None if entry.card is None else mask_account(entry.card.account_id),
        **source_view(source or entry.source),
    }

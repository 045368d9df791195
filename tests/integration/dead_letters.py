"""Dead letters as a worker writes them, and what would become of each if it came again."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from worker.adapters.avro.frames import encode_frame
from worker.adapters.avro.packaged_schemas import packaged_schemas
from worker.adapters.kafka.tools import Outgoing
from worker.application.dead_letters import DeadLetters
from worker.application.ports import RecordKind, SourceRecord
from worker.domain.entry import Source
from worker.domain.outcomes import DeadLetterReason

ACCOUNT = "600000000000001234"
FAILED = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


def payment(number: str, **changes: Any) -> bytes:
    """Encode a payment of the default client."""
    fields: dict[str, Any] = {
        "tranOrderNo": number,
        "requestedAt": FAILED,
        "accountId": ACCOUNT,
        "entryType": "K",
        "amount": Decimal("10.50"),
        "currency": "USD",
    }
    shape = packaged_schemas().by_name["paywizard.commands.PaymentCommand"].shape
    names = [field.name for field in shape.fields]
    return encode_frame(
        "paywizard.commands.PaymentCommand",
        {name: (fields | changes).get(name) for name in names},
    )


EXPIRED = payment("expired", expiresAt=FAILED)
LETTERS = (
    (payment("good-1"), DeadLetterReason.UNKNOWN_SCHEMA),
    (payment("good-2"), DeadLetterReason.UNKNOWN_SCHEMA),
    (payment("used", currency="CAD"), DeadLetterReason.CONFLICT),
    (payment("used"), DeadLetterReason.CONFLICT),
    (payment("good-3")[:-1], DeadLetterReason.UNDECODABLE),
    (b"x" * 2_000_000, DeadLetterReason.BAD_FRAME),
    (EXPIRED, DeadLetterReason.UNKNOWN_SCHEMA),
)
"""The letters, by offset, and why each is one."""
WOULD = ["execute", "execute", "conflict", "duplicate", "still bad", "excerpt", "not executed"]


def letter(
    prefix: str,
    value: bytes,
    reason: DeadLetterReason,
    *,
    offset: int,
    partition: int = 0,
    topic: str = "commands.payment",
    failed_at: datetime = FAILED,
) -> Outgoing:
    """Write a dead letter as a worker does."""
    record = SourceRecord(
        source=Source("topic-id", prefix + topic, partition, offset),
        tenure=1,
        kind=RecordKind.COMMAND,
        key=ACCOUNT.encode(),
        value=value,
        headers=(("mine", b"1"), ("mine", b"2")),
        timestamp=FAILED,
    )
    handled = DeadLetters(group="g", version="0").letter(record, reason, None, failed_at)
    (output,) = handled.outputs
    assert output.value is not None
    return Outgoing(
        topic=f"{prefix}dead-letters",
        key=output.key,
        value=output.value,
        headers=output.headers,
    )

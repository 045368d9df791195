"""Bad records: a dead letter with its reason, the bytes untouched, and the stream goes on."""

import pytest

from tests.unit.application.worker_over_fakes import (
    ACCOUNT,
    CARD,
    WorkerOverFakes,
    payment,
)
from worker.adapters.avro.frames import encode_frame
from worker.application.dead_letters import EXCERPT_BYTES
from worker.application.ports import OutputTopic
from worker.domain.outcomes import DEAD_LETTER_SENTENCES, DeadLetterReason

REFRESH = encode_frame(
    "paywizard.internal.BalanceRefresh",
    {
        "clientId": "1",
        "loyaltyChannel": "F",
        "accountId": ACCOUNT,
        "entryType": "K",
        "tranOrderNo": None,
        "requestedAt": __import__("datetime").datetime.fromisoformat(
            "2026-01-05T12:00:00+00:00"
        ),
    },
)


@pytest.mark.parametrize(
    ("value", "reason", "field"),
    [
        (None, "TOMBSTONE", None),
        (b"", "BAD_FRAME", None),
        (b"{}", "BAD_FRAME", None),
        (b"\x00\x00\x00\x00\x01x", "UNSUPPORTED", None),
        (b"\xc3\x01" + b"\x00" * 8, "UNKNOWN_SCHEMA", None),
        (payment()[:-1], "UNDECODABLE", None),
        (payment() + b"x", "UNDECODABLE", None),
        (REFRESH, "WRONG_TOPIC", None),
        (payment(""), "INVALID", "tranOrderNo"),
        (payment("x" * 65), "INVALID", "tranOrderNo"),
        (payment("a\nb"), "INVALID", "tranOrderNo"),
        (payment(clientId="NOBODY"), "INVALID", "clientId"),
    ],
)
async def test_a_bad_record_is_a_dead_letter_and_the_stream_goes_on(
    worker: WorkerOverFakes, value: bytes | None, reason: str, field: str | None
) -> None:
    """P11: every fault has its reason and sentence, and original key, bytes and headers."""
    worker.paywizard.issue(CARD, {"USD": 100})
    record = await worker.run(value, key=b"original key", headers=(("mine", b"1"),))
    await worker.run(payment("GOOD"))
    (letter,) = worker.kafka.of(OutputTopic.DEAD_LETTERS)
    headers = dict(letter.headers)
    assert (letter.key, letter.value) == (record.key, value)
    assert headers["dlq.reason"].decode() == reason
    assert headers["dlq.message"].decode() == DEAD_LETTER_SENTENCES[DeadLetterReason(reason)]
    assert headers.get("dlq.error.field", b"").decode() == (field or "")
    assert headers["dlq.original.topic"].decode() == record.source.topic
    assert headers["dlq.original.offset"] == b"0"
    assert headers["mine"] == b"1"
    assert [result["status"] for result in worker.results()] == ["SUCCEEDED"]
    assert len(worker.store.entries) == 1


async def test_a_letter_that_would_not_fit_carries_an_excerpt(worker: WorkerOverFakes) -> None:
    """Nothing that Kafka would refuse may stop the stream; the source says where the rest is."""
    await worker.run(b"x" * 1_000_000, headers=(("big", b"y" * 20_000),))
    (letter,) = worker.kafka.of(OutputTopic.DEAD_LETTERS)
    headers = dict(letter.headers)
    assert letter.value == b"x" * EXCERPT_BYTES
    assert headers["dlq.excerpt.original.bytes"] == b"1000000"
    assert len(headers["dlq.excerpt.sha256"]) == 64
    assert "big" not in headers


async def test_headers_beyond_the_limit_are_dropped_and_counted(
    worker: WorkerOverFakes,
) -> None:
    """An outcome must not become too large because of what it carries along."""
    worker.paywizard.issue(CARD, {"USD": 100})
    await worker.run(payment(), headers=(("big", b"y" * 9000),))
    assert worker.kafka.of(OutputTopic.RESULTS)[0].headers == ()
    (metric,) = worker.metrics.outcome_headers_dropped_total.collect()
    assert [sample.value for sample in metric.samples] == [1]

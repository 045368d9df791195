"""Redriving: what is foreseen of a dead letter is what a worker then does with its record."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.application.worker_over_fakes import (
    CARD,
    CHECK_TOPIC,
    CLIENT,
    LEASE_SECONDS,
    TOPIC,
    OneChannel,
    WorkerOverFakes,
    command_bytes,
    payment,
)
from worker.adapters.avro.frames import encode_frame
from worker.adapters.avro.records import RecordCodec
from worker.application.fates import WORTH_IT, Fate
from worker.application.letters import Letter, NoLetterError, Position, letter_of
from worker.application.originals import Originals
from worker.application.ports import OutputTopic, RecordKind
from worker.application.process_command import Rules
from worker.application.redriving import Redriving
from worker.domain.entry import Published, StoredOutcome
from worker.domain.operations import Operation
from worker.domain.outcomes import DecidedBy
from worker.domain.replies import Answer
from worker.domain.states import State

RESOLUTION_TOPIC = "paywizard.commands.resolution"
EARLIER = datetime(2026, 1, 4, 12, tzinfo=UTC)


def redriving(worker: WorkerOverFakes) -> Redriving:
    """What an operator has of the same settings and the same ledger."""
    return Redriving(
        kinds={
            TOPIC: RecordKind.COMMAND,
            CHECK_TOPIC: RecordKind.STATUS_CHECK,
            RESOLUTION_TOPIC: RecordKind.RESOLUTION,
        },
        rules=Rules(
            lease=timedelta(seconds=LEASE_SECONDS),
            wait_max=timedelta(days=1),
            original_wait=timedelta(seconds=0.6),
            reload_amount_allowed=worker.reload_amount_allowed,
            replay_duplicates=worker.replay_duplicates,
            adopted_since=worker.adopted_since,
        ),
        codec=RecordCodec(default_client_id=CLIENT),
        clients=OneChannel(),
        ledger=worker.ledger,
        originals=Originals(
            ledger=worker.ledger,
            voidable=frozenset({Operation.PAYMENT, Operation.TIP, Operation.RELOAD}),
            unknown_checkout_ids_allowed=worker.unknown_originals_allowed,
        ),
        clock=worker.clock,
    )


def a_letter(value: bytes | None, topic: str = TOPIC) -> Letter:
    """A dead letter of yesterday."""
    return Letter(
        position=Position("letters", 2, 145),
        key=b"key",
        value=value,
        headers=(),
        reason="UNKNOWN_SCHEMA",
        error_field=None,
        topic=topic,
        partition=0,
        offset=10**6,
        timestamp=EARLIER,
        failed_at=EARLIER,
        is_excerpt=False,
    )


Before = Callable[[WorkerOverFakes], Awaitable[object]]


async def nothing(_: WorkerOverFakes) -> None:
    """No order is known."""


async def paid(worker: WorkerOverFakes) -> None:
    """The order was executed."""
    await worker.run(payment())


async def purged(worker: WorkerOverFakes) -> None:
    """The order was executed, and its content is gone since."""
    await worker.run(payment())
    await worker.until(lambda: worker.store.entries[CLIENT, "T-1"].published is Published.FINAL)
    entry = worker.store.entries[CLIENT, "T-1"]
    worker.store.entries[entry.key] = replace(entry, purged_at=worker.clock.moment)


async def adopted(worker: WorkerOverFakes) -> None:
    """The ledger was adopted after the letter was written."""
    worker.adopted_since = EARLIER + timedelta(hours=1)


VOID = command_bytes("VoidCommand", "T-2", originalTranOrderNo="T-1")
LATE = payment(expiresAt=EARLIER)
FORESEEN: dict[str, tuple[Before, bytes | None, Fate, str | None]] = {
    "a good command": (nothing, payment(), Fate.EXECUTE, None),
    "a void of a payment": (paid, VOID, Fate.EXECUTE, None),
    "a void of nothing": (nothing, VOID, Fate.REFUSE, "ORIGINAL_UNKNOWN"),
    "an expired command": (nothing, LATE, Fate.REFUSE, "EXPIRED"),
    "bad content": (nothing, payment(currency="XXZ"), Fate.REFUSE, "INVALID"),
    "a repeated command": (paid, payment(), Fate.DUPLICATE, "SUCCEEDED"),
    "a repeated one of a purged order": (purged, payment(), Fate.DUPLICATE, "SUCCEEDED"),
    "a number used before": (paid, payment(currency="CAD"), Fate.CONFLICT, "CONFLICT"),
    "no value": (nothing, None, Fate.STILL_BAD, "TOMBSTONE"),
    "an unknown schema": (nothing, b"\xc3\x01" + b"\x00" * 8, Fate.STILL_BAD, "UNKNOWN_SCHEMA"),
    "no number": (nothing, payment(""), Fate.STILL_BAD, "INVALID"),
    "no client": (nothing, payment(clientId="NOBODY"), Fate.STILL_BAD, "INVALID"),
}


async def become(worker: WorkerOverFakes, value: bytes | None) -> tuple[Fate, str | None]:
    """Let the record come, and say what became of it."""
    results, letters = len(worker.results()), len(worker.kafka.of(OutputTopic.DEAD_LETTERS))
    await worker.run(value)
    for letter in worker.kafka.of(OutputTopic.DEAD_LETTERS)[letters:]:
        reason = dict(letter.headers)["dlq.reason"].decode()
        return (Fate.CONFLICT if reason == "CONFLICT" else Fate.STILL_BAD), reason
    for output in worker.kafka.of(OutputTopic.RESULTS)[results:]:
        if ("replayed", b"true") in output.headers:
            return Fate.REPLAY, "SUCCEEDED"
        result = worker.results()[results]
        if result["status"] == "NOT_EXECUTED":
            return Fate.REFUSE, result["reason"]
        return Fate.EXECUTE, None
    return Fate.DUPLICATE, "SUCCEEDED"


@pytest.mark.parametrize("replaying", [False, True])
@pytest.mark.parametrize("what", sorted(FORESEEN))
async def test_what_is_foreseen_is_what_happens(what: str, replaying: bool) -> None:
    """The dry run and the worker follow one rule."""
    before, value, fate, reason = FORESEEN[what]
    worker = WorkerOverFakes(replay_duplicates=replaying)
    worker.paywizard.issue(CARD, {"USD": 100})
    await before(worker)
    foreseen = await redriving(worker).foresee(a_letter(value))
    if replaying and what == "a repeated command":
        fate = Fate.REPLAY
    assert (foreseen.fate, foreseen.reason) == (fate, reason)
    effects = len(worker.paywizard.effects)
    assert await become(worker, value) == (fate, reason)
    assert len(worker.paywizard.effects) - effects == (fate is Fate.EXECUTE)
    await worker.stop()


def test_only_what_leads_to_an_outcome_is_worth_it() -> None:
    """The rest would come back as another letter, or leads to nothing."""
    assert {Fate.EXECUTE, Fate.REFUSE, Fate.REPLAY} == WORTH_IT


async def test_an_excerpt_cannot_be_redriven(worker: WorkerOverFakes) -> None:
    """Only the beginning of the record is there, even if that should decode."""
    letter = replace(a_letter(payment()), is_excerpt=True)
    assert (await redriving(worker).foresee(letter)).fate is Fate.EXCERPT


async def test_an_adopted_ledger_may_have_forgotten_the_order(worker: WorkerOverFakes) -> None:
    """P1: the record would come as a new one, so that no worker could suspect it; it must not."""
    await adopted(worker)
    judging = redriving(worker)
    foreseen = await judging.foresee(a_letter(payment()))
    assert foreseen.fate is Fate.FORGOTTEN
    assert foreseen.fate not in WORTH_IT
    later = replace(a_letter(payment()), timestamp=EARLIER + timedelta(hours=2))
    assert (await judging.foresee(later)).fate is Fate.EXECUTE
    inquiry = a_letter(command_bytes("InquiryCommand"))
    assert (await judging.foresee(inquiry)).fate is Fate.EXECUTE


async def test_a_letter_of_a_topic_that_is_not_read_stays(worker: WorkerOverFakes) -> None:
    """A topic that no worker of these settings consumes leads nowhere."""
    foreseen = await redriving(worker).foresee(a_letter(payment(), "elsewhere"))
    assert foreseen.fate is Fate.STILL_BAD


@pytest.mark.parametrize(
    ("state", "outcome", "checkout_id", "fate"),
    [
        (None, "SUCCEEDED", None, Fate.STILL_BAD),
        (State.IN_DOUBT, "SUCCEEDED", "c-1", Fate.EXECUTE),
        (State.PENDING, "DECLINED", None, Fate.EXECUTE),
        (State.SUCCEEDED, "SUCCEEDED", None, Fate.DUPLICATE),
        (State.SUCCEEDED, "DECLINED", None, Fate.STILL_BAD),
        (State.PENDING, "NOT_EXECUTED", None, Fate.STILL_BAD),
        (State.IN_DOUBT, "NOT_EXECUTED", "c-2", Fate.STILL_BAD),
    ],
)
async def test_a_resolution_is_judged_as_the_ledger_stands_now(
    worker: WorkerOverFakes,
    state: State | None,
    outcome: str,
    checkout_id: str | None,
    fate: Fate,
) -> None:
    """One that came too early may be good by now; one that contradicts stays bad."""
    if state is not None:
        await paid(worker)
        entry = worker.store.entries[CLIENT, "T-1"]
        answer = Answer(checkout_id="c-1" if state is State.PENDING else None)
        worker.store.entries[entry.key] = replace(
            entry,
            state=state,
            published=Published.FIRST,
            outcome=StoredOutcome(decided_by=DecidedBy.REPLY, answer=answer),
        )
    letter = a_letter(resolution(outcome, checkout_id), RESOLUTION_TOPIC)
    foreseen = await redriving(worker).foresee(letter)
    assert (foreseen.fate, foreseen.tran_order_no) == (fate, "T-1")


def resolution(
    outcome: str, checkout_id: str | None = None, client_id: str | None = None
) -> bytes:
    """Encode an operator's decision."""
    return encode_frame(
        "paywizard.commands.ResolutionCommand",
        {
            "tranOrderNo": "T-1",
            "clientId": client_id,
            "outcome": outcome,
            "reason": "on the statement",
            "checkoutId": checkout_id,
            "operator": "duty-1",
            "requestedAt": EARLIER,
        },
    )


async def test_a_resolution_for_a_client_that_nobody_knows_stays_bad(
    worker: WorkerOverFakes,
) -> None:
    """As with any command."""
    letter = a_letter(resolution("SUCCEEDED", client_id="NOBODY"), RESOLUTION_TOPIC)
    foreseen = await redriving(worker).foresee(letter)
    assert (foreseen.fate, foreseen.reason, foreseen.field) == (
        Fate.STILL_BAD,
        "INVALID",
        "clientId",
    )


# ── Reading letters back ────────────────────────────────────────────────────────────────────


async def test_a_letter_is_read_back_as_it_was_written(worker: WorkerOverFakes) -> None:
    """Where it came from, why, and the record's own headers without ours."""
    record = await worker.run(payment(""), headers=(("mine", b"1"), ("dlq.reason", b"theirs")))
    (written,) = worker.kafka.of(OutputTopic.DEAD_LETTERS)
    position = Position("letters", 0, 0)
    letter = letter_of(position, written.key, written.value, written.headers)
    assert (letter.reason, letter.error_field) == ("INVALID", "tranOrderNo")
    source = record.source
    assert (letter.topic, letter.partition, letter.offset) == (
        source.topic,
        source.partition,
        source.offset,
    )
    assert letter.timestamp == record.timestamp
    assert letter.original_headers == (("mine", b"1"),)
    assert dict(letter.trail)["dlq.reason"] == b"INVALID"
    assert not letter.is_excerpt


async def test_a_large_record_is_known_as_an_excerpt(worker: WorkerOverFakes) -> None:
    """What was cut is said to be cut."""
    await worker.run(b"x" * 2_000_000)
    (written,) = worker.kafka.of(OutputTopic.DEAD_LETTERS)
    letter = letter_of(Position("t", 0, 0), written.key, written.value, written.headers)
    assert letter.is_excerpt


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dlq.reason", None),
        ("dlq.original.topic", None),
        ("dlq.original.offset", b"x"),
        ("dlq.original.timestamp", b"yesterday"),
        ("dlq.failed.at", b"2026-01-05T12:00:00"),
    ],
)
async def test_a_record_of_others_is_no_letter(
    worker: WorkerOverFakes, name: str, text: bytes | None
) -> None:
    """Nothing is guessed of what does not say where it came from."""
    await worker.run(None)
    (written,) = worker.kafka.of(OutputTopic.DEAD_LETTERS)
    headers = [(key, value) for key, value in written.headers if key != name]
    if text is not None:
        headers.append((name, text))
    with pytest.raises(NoLetterError, match="0:0"):
        letter_of(Position("t", 0, 0), None, None, tuple(headers))

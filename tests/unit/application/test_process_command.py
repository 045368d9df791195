"""A command's way: claimed, submitted once, decided, published once."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.gateway import FakePayWizard
from tests.unit.application.worker_over_fakes import (
    CARD,
    CLIENT,
    REFRESH_TOPIC,
    WorkerOverFakes,
    command_bytes,
    payment,
)
from worker.adapters.avro.frames import decode_frame
from worker.application.ports import OutputTopic
from worker.domain.outcomes import result_event_id
from worker.domain.replies import (
    Answer,
    Declined,
    Doubt,
    NoAnswer,
    NotSent,
    NotSentCause,
    Pending,
    Refused,
    Throttled,
)
from worker.domain.states import State

OK = Answer(http_status=200, code=200, result=2, checkout_id="9")


@pytest.fixture(autouse=True)
def card(worker: WorkerOverFakes) -> None:
    """A card with money and points."""
    worker.paywizard.issue(CARD, {"USD": "100", "Points": 50})


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("PaymentCommand", {}),
        ("ReloadCommand", {}),
        ("IssuePointsCommand", {}),
        ("RedeemPointsCommand", {}),
        ("ActivateCommand", {}),
        ("InquiryCommand", {}),
        ("TipCommand", {"originalTranOrderNo": "T-0"}),
        ("VoidCommand", {"originalTranOrderNo": "T-0"}),
    ],
)
async def test_every_operation_succeeds_and_is_published(
    worker: WorkerOverFakes, name: str, fields: dict[str, Any]
) -> None:
    """All eight operations end in one result, under their order number."""
    await worker.run(payment("T-0"))
    await worker.run(command_bytes(name, "T-1", **fields))
    result = worker.results()[-1]
    assert (result["tranOrderNo"], result["status"]) == ("T-1", "SUCCEEDED")
    assert worker.kafka.of(OutputTopic.RESULTS)[-1].key == b"T-1"


async def test_a_redelivered_record_moves_money_once_and_tells_the_same(
    worker: WorkerOverFakes,
) -> None:
    """P1, P2: decided, but its commit was lost: it is published again, not asked again."""
    record = await worker.lose_commit(payment())
    lost = worker.store.entries[CLIENT, "T-1"]
    await worker.again(record)
    (result,) = worker.results()
    assert result["eventId"] == result_event_id(CLIENT, "T-1", "first")
    assert result["decidedAt"] == lost.decided_at
    assert len(worker.paywizard.effects) == 1


async def test_what_was_committed_is_not_published_again(worker: WorkerOverFakes) -> None:
    """P2: an operator reset the offsets; the mark remembers."""
    record = await worker.run(payment())
    await worker.until(lambda: worker.store.entries[CLIENT, "T-1"].published)
    await worker.again(record)
    assert len(worker.results()) == 1


async def test_the_same_command_from_another_record_is_a_silent_duplicate(
    worker: WorkerOverFakes,
) -> None:
    """P1, P2: whatever was repeated, wherever: one effect and one outcome."""
    await worker.run(payment())
    await worker.run(payment())
    await worker.run(payment(), partition=3)
    assert len(worker.paywizard.effects) == 1
    assert len(worker.results()) == 1


async def test_a_reused_number_with_other_content_is_never_executed(
    worker: WorkerOverFakes,
) -> None:
    """P5: it is a dead letter; the first order stays as it is."""
    await worker.run(payment())
    conflicting = await worker.run(payment(amount=Decimal("99.00")))
    letter = worker.kafka.of(OutputTopic.DEAD_LETTERS)[0]
    assert dict(letter.headers)["dlq.reason"] == b"CONFLICT"
    assert (letter.key, letter.value) == (conflicting.key, conflicting.value)
    assert worker.paywizard.balance(CARD, "USD") == Decimal("89.50")


@pytest.mark.parametrize("doubt", [Doubt.TIMEOUT, Doubt.CONNECTION_LOST, Doubt.BAD_REPLY])
@pytest.mark.parametrize("moved", [True, False])
async def test_no_answer_is_in_doubt_and_never_asked_again(
    worker: WorkerOverFakes, doubt: Doubt, moved: bool
) -> None:
    """P4: whether or not the money moved, we do not know, say so, and leave it at that."""
    worker.paywizard.will(NoAnswer(doubt), moved=moved)
    await worker.again(await worker.lose_commit(payment()))
    (result,) = worker.results()
    assert (result["status"], result["reason"]) == ("IN_DOUBT", doubt)
    assert result["evidence"]["submissions"] == [{"at": worker.store.moment}]
    assert len(worker.paywizard.requests) == 1
    assert not worker.kafka.of(OutputTopic.BALANCE_REFRESH)


async def test_a_pending_order_is_published_as_such(worker: WorkerOverFakes) -> None:
    """PayWizard does not know yet, and neither do we."""
    worker.paywizard.will(Pending(OK))
    await worker.run(payment())
    result = worker.results()[0]
    assert (result["status"], result["checkoutId"]) == ("PENDING", "9")
    assert result["decidedAt"] is None


async def test_what_never_left_is_asked_again_until_it_gets_through(
    worker: WorkerOverFakes,
) -> None:
    """P1, P8: NotSent and Throttled are proof, so the same order goes out again."""
    worker.paywizard.will(
        NotSent(NotSentCause.CONNECT),
        Throttled(0.002, Answer(http_status=429)),
        NotSent(NotSentCause.TOO_LATE),
    )
    await worker.run(payment())
    result = worker.results()[0]
    assert (result["status"], result["attempts"]) == ("SUCCEEDED", 4)
    assert len(worker.paywizard.effects) == 1


async def test_a_command_that_never_gets_through_expires(worker: WorkerOverFakes) -> None:
    """P8: it waits for PayWizard only as long as its sender wants."""
    worker.paywizard.will(*[NotSent(NotSentCause.CONNECT)] * 1000)
    expires_at = worker.clock.now() + timedelta(seconds=30)
    record = worker.send(payment(expiresAt=expires_at))
    await worker.until(lambda: worker.store.entries and worker.state_of("T-1"))
    worker.clock.moment = expires_at
    await worker.until(lambda: record in worker.kafka.committed)
    result = worker.results()[0]
    assert (result["status"], result["reason"]) == ("NOT_EXECUTED", "EXPIRED")
    assert not worker.paywizard.requests


async def test_an_expired_command_is_never_sent(worker: WorkerOverFakes) -> None:
    """P8: late is too late, also for one that waited in Kafka."""
    await worker.run(payment(expiresAt=worker.clock.now()))
    old = worker.record(payment("T-2"))
    worker.dispatcher.receive([replace(old, timestamp=old.timestamp - timedelta(days=1))])
    await worker.until(lambda: len(worker.results()) == 2)
    assert [result["reason"] for result in worker.results()] == ["EXPIRED", "EXPIRED"]
    assert not worker.paywizard.requests


@pytest.mark.parametrize(
    ("name", "fields", "detail"),
    [
        ("PaymentCommand", {"amount": Decimal(0)}, "amount"),
        ("PaymentCommand", {"amount": Decimal("1.001")}, "amount"),
        ("PaymentCommand", {"currency": "ZZZ"}, "currency"),
        ("PaymentCommand", {"accountId": "\n"}, "accountId"),
        ("RedeemPointsCommand", {"points": 0}, "points"),
        ("VoidCommand", {}, "originalTranOrderNo"),
        (
            "VoidCommand",
            {"originalTranOrderNo": "A", "originalCheckoutId": "B"},
            "originalTranOrderNo",
        ),
    ],
)
async def test_wrong_content_uses_the_number_up_and_names_the_field(
    worker: WorkerOverFakes, name: str, fields: dict[str, Any], detail: str
) -> None:
    """INVALID is an outcome of the order, decided before any call."""
    await worker.run(command_bytes(name, **fields))
    result = worker.results()[0]
    assert (result["status"], result["reason"]) == ("NOT_EXECUTED", "INVALID")
    assert result["reasonDetail"] == detail
    assert not worker.paywizard.requests


async def test_a_reload_with_an_amount_can_be_refused() -> None:
    """G1: the amount is undocumented; a setting says whether it is sent."""
    worker = WorkerOverFakes(reload_amount_allowed=False)
    worker.paywizard.issue(CARD, {"USD": 0})
    await worker.run(command_bytes("ReloadCommand"))
    result = worker.results()[0]
    assert (result["reason"], result["reasonDetail"]) == ("UNSUPPORTED", "amount")
    assert not worker.paywizard.requests
    await worker.stop()


@pytest.mark.parametrize(
    ("reply", "status", "reason"),
    [
        (Declined(Answer(http_status=200, code=200, result=1)), "DECLINED", None),
        (Refused(Answer(http_status=400)), "NOT_EXECUTED", "REFUSED"),
        (Refused(Answer(http_status=401)), "NOT_EXECUTED", "UNAUTHORISED"),
    ],
)
async def test_a_no_is_a_no(
    worker: WorkerOverFakes, reply: Declined | Refused, status: str, reason: str | None
) -> None:
    """What PayWizard refused or declined moved nothing and is asked once."""
    worker.paywizard.will(reply)
    await worker.run(payment())
    result = worker.results()[0]
    assert (result["status"], result["reason"]) == (status, reason)
    assert len(worker.paywizard.requests) == 1
    assert not worker.kafka.of(OutputTopic.BALANCE_REFRESH)


async def test_headers_travel_with_the_outcome_but_not_ours(worker: WorkerOverFakes) -> None:
    """A subscriber finds the sender's trace; nobody can forge our own marks."""
    trace = b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01"
    headers = (("traceparent", trace), ("dlq.reason", b"x"), ("replayed", b"true"))
    await worker.run(payment(), headers=headers)
    assert worker.kafka.of(OutputTopic.RESULTS)[0].headers == (("traceparent", trace),)


async def test_a_result_that_moved_something_asks_for_the_balance(
    worker: WorkerOverFakes,
) -> None:
    """P7 begins here: the refresh is committed with the result that caused it."""
    await worker.run(payment())
    refresh = worker.kafka.of(OutputTopic.BALANCE_REFRESH)[0]
    assert refresh.key == CARD.key.encode()
    assert decode_frame(refresh.value).fields["tranOrderNo"] == "T-1"
    await worker.run(refresh.value, topic=REFRESH_TOPIC)
    change = decode_frame(worker.kafka.of(OutputTopic.BALANCE_CHANGES)[0].value).fields
    balances: Any = change["balances"]
    assert balances[0]["amount"] == Decimal("89.50")


async def test_a_lost_submission_is_in_doubt_when_its_lease_is_over(
    worker: WorkerOverFakes,
) -> None:
    """P1, P4: the process died after SUBMITTED; its successor waits, never sends, and says so."""
    worker.paywizard.answering.clear()
    record = worker.send(payment())
    await worker.paywizard.wait_for_requests(1)
    successor = WorkerOverFakes(
        store=worker.store, paywizard=worker.paywizard, owner="process-2"
    )
    worker.store.advance(89)
    successor.dispatcher.receive([record])
    await successor.until(lambda: successor.claims("watch"))
    assert worker.state_of("T-1") is State.SUBMITTED
    worker.store.advance(2)
    await successor.until(successor.results)
    result = successor.results()[0]
    assert (result["status"], result["reason"]) == ("IN_DOUBT", "LEASE_OVER")
    assert len(worker.paywizard.requests) == 1
    await successor.stop()


async def test_a_claim_that_was_never_submitted_is_taken_over(worker: WorkerOverFakes) -> None:
    """P3: the process ended between claim and submission; nothing left, so its successor goes on."""
    unreachable = FakePayWizard()
    unreachable.will(*[NotSent(NotSentCause.DNS)] * 100_000)
    predecessor = WorkerOverFakes(store=worker.store, paywizard=unreachable, owner="process-0")
    record = predecessor.send(payment())
    await predecessor.until(lambda: worker.store.entries)
    await predecessor.stop()
    assert worker.state_of("T-1") is State.CLAIMED
    worker.dispatcher.receive([record])
    await worker.until(worker.results)
    assert worker.results()[0]["status"] == "SUCCEEDED"
    assert worker.store.entries[CLIENT, "T-1"].owner == worker.owner
    assert len(worker.paywizard.effects) == 1


async def test_while_the_ledger_is_away_commands_wait(worker: WorkerOverFakes) -> None:
    """P8: nothing is sent that could not be remembered, and all goes on by itself."""
    worker.store.available = False
    record = worker.send(payment())
    await worker.until(lambda: worker.store.refusals)
    assert not worker.paywizard.requests
    worker.store.available = True
    await worker.until(lambda: record in worker.kafka.committed)
    assert len(worker.paywizard.effects) == 1


async def test_an_answer_is_kept_although_the_ledger_went_away(worker: WorkerOverFakes) -> None:
    """P1, P4: PayWizard cannot be asked twice, so its word is written when the ledger is back."""
    worker.paywizard.answering.clear()
    record = worker.send(payment())
    await worker.paywizard.wait_for_requests(1)
    worker.store.available = False
    worker.paywizard.answering.set()
    await worker.until(lambda: worker.store.refusals)
    assert record not in worker.kafka.committed
    worker.store.available = True
    await worker.until(lambda: record in worker.kafka.committed)
    assert worker.results()[0]["status"] == "SUCCEEDED"
    assert len(worker.paywizard.requests) == 1

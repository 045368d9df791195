"""Words that come when an order was moved on: what they add is kept, what they contradict is counted."""

from collections.abc import Sequence

import pytest

from tests.fakes.ledger import FakeLedger
from tests.unit.adapters.paywizard.virtual_time import on_late_virtual_time
from tests.unit.application.decisions import decided_while_asking, resolve
from tests.unit.application.open_orders import (
    CHECKOUT,
    a_worker,
    counted,
    entry_of,
    found,
    in_doubt_with_an_open_call,
    look,
)
from tests.unit.application.worker_over_fakes import (
    CLIENT,
    WorkerOverFakes,
    command_bytes,
)
from worker.domain.entry import Entry
from worker.domain.evidence import Query
from worker.domain.replies import Answer, Approved, Declined, Pending, Reply
from worker.domain.states import State

STRANGER = "900000000000000099"


def replied(kind: type[Approved | Declined | Pending], checkout_id: str | None) -> Reply:
    """PayWizard's own answer to the command."""
    return kind(Answer(http_status=200, code=200, checkout_id=checkout_id))


async def heard_late(reply: Reply, outcome: str, checkout_id: str | None) -> WorkerOverFakes:
    """An operator decides, and then the first process hears what PayWizard says."""
    worker = a_worker()
    worker.paywizard.will(reply)
    successor = await in_doubt_with_an_open_call(worker)
    await resolve(successor, outcome, checkoutId=checkout_id)
    worker.paywizard.answering.set()
    assert await worker.dispatcher.drain(5)
    await successor.stop()
    return worker


def said(worker: WorkerOverFakes) -> list[str]:
    """What is kept beside the outcome."""
    return [query.answer for query in entry_of(worker).queries]


def contradictions(worker: WorkerOverFakes) -> float:
    """How many were counted."""
    return counted(worker.metrics.ledger_contradictions_total, operation="payment")


# ── A late reply ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [(Approved, "SUCCEEDED"), (Declined, "DECLINED"), (Pending, "SUCCEEDED")],
)
@on_late_virtual_time
async def test_a_reply_that_names_another_checkout_id_is_a_contradiction(
    kind: type[Approved | Declined | Pending], outcome: str
) -> None:
    """P4: the same end, but of another order at PayWizard; somebody has to look."""
    worker = await heard_late(replied(kind, STRANGER), outcome, CHECKOUT)
    entry = entry_of(worker)
    assert (entry.state, entry.checkout_id) == (State(outcome), CHECKOUT)
    assert said(worker) == [kind.__name__.lower()]
    assert contradictions(worker) == 1


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [(Approved, "SUCCEEDED"), (Declined, "DECLINED"), (Pending, "SUCCEEDED")],
)
@on_late_virtual_time
async def test_a_reply_brings_the_checkout_id_that_nobody_had(
    kind: type[Approved | Declined | Pending], outcome: str
) -> None:
    """Voids and tips go by it."""
    worker = await heard_late(replied(kind, CHECKOUT), outcome, None)
    entry = entry_of(worker)
    assert (entry.state, entry.checkout_id) == (State(outcome), CHECKOUT)
    assert await worker.ledger.find_by_checkout_id(CLIENT, CHECKOUT) == entry
    assert entry.outcome is not None
    assert entry.outcome.ruling is not None
    assert said(worker) == [kind.__name__.lower()]
    assert contradictions(worker) == 0


@on_late_virtual_time
async def test_a_payment_whose_checkout_id_came_late_can_be_voided() -> None:
    """What was decided without an id had been no original for anybody."""
    worker = a_worker()
    successor = await in_doubt_with_an_open_call(worker)
    await resolve(successor, "SUCCEEDED")
    worker.paywizard.answering.set()
    assert await worker.dispatcher.drain(5)
    await successor.run(command_bytes("VoidCommand", "V-1", originalTranOrderNo="T-1"))
    assert successor.state_of("V-1") is State.SUCCEEDED
    await successor.stop()


@pytest.mark.parametrize("checkout_id", [CHECKOUT, None])
@on_late_virtual_time
async def test_a_reply_that_says_the_same_changes_nothing(checkout_id: str | None) -> None:
    """It is no evidence of anything new."""
    worker = await heard_late(replied(Approved, checkout_id), "SUCCEEDED", CHECKOUT)
    assert entry_of(worker).checkout_id == CHECKOUT
    assert (said(worker), contradictions(worker)) == ([], 0)


@on_late_virtual_time
async def test_what_is_pending_was_not_never_executed() -> None:
    """PayWizard has an order that an operator said it never got."""
    worker = await heard_late(replied(Pending, CHECKOUT), "NOT_EXECUTED", None)
    assert worker.state_of("T-1") is State.NOT_EXECUTED
    assert (said(worker), contradictions(worker)) == (["pending"], 1)


@on_late_virtual_time
async def test_a_reply_decides_an_open_order_and_contradicts_what_it_was_taken_for() -> None:
    """A query had found another order under our number: PayWizard's own answer is nearer."""
    worker = a_worker()
    worker.paywizard.will(replied(Approved, CHECKOUT))
    successor = await in_doubt_with_an_open_call(worker)
    successor.paywizard.will_find(found(1, checkout_id=STRANGER))
    await look(successor)
    assert entry_of(worker).checkout_id == STRANGER
    worker.paywizard.answering.set()
    assert await worker.dispatcher.drain(5)
    entry = entry_of(worker)
    assert (entry.state, entry.checkout_id) == (State.SUCCEEDED, CHECKOUT)
    assert (said(worker), contradictions(worker)) == (["state 1", "approved"], 1)
    await successor.stop()


# ── A late answer to a query ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "stored", "counts"),
    [(None, CHECKOUT, 0), (CHECKOUT, CHECKOUT, 0), (STRANGER, STRANGER, 1)],
)
@on_late_virtual_time
async def test_an_answer_after_the_decision_names_the_order_or_contradicts_its_name(
    given: str | None, stored: str, counts: int
) -> None:
    """The operator decided while the question was out: SUCCEEDED, by one id or another."""
    worker = await decided_while_asking("SUCCEEDED", checkoutId=given)
    assert entry_of(worker).checkout_id == stored
    assert (said(worker), contradictions(worker)) == (["state 2"], counts)
    await worker.stop()


@on_late_virtual_time
async def test_a_contradiction_is_kept_though_somebody_moves_the_order_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """P4: who lost the race looks again, as long as there is something to say."""
    note, raced = FakeLedger.note, list[Entry]()

    async def overtaken(
        self: FakeLedger, entry: Entry, queries: Sequence[Query], checkout_id: str | None = None
    ) -> Entry:
        if not raced:
            raced.append(await note(self, entry, ()))
        return await note(self, entry, queries, checkout_id)

    monkeypatch.setattr(FakeLedger, "note", overtaken)
    worker = await decided_while_asking("DECLINED")
    assert raced
    assert (said(worker), contradictions(worker)) == (["state 2"], 1)
    await worker.stop()

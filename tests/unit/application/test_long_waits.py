"""Orders that stay open: pending ones, those seen elsewhere, parked ones, and late replies."""

from dataclasses import replace

import pytest

from tests.unit.adapters.paywizard.virtual_time import on_late_virtual_time
from tests.unit.application.open_orders import (
    CHECKOUT,
    NOT_FOUND,
    a_worker,
    counted,
    entry_of,
    found,
    in_doubt,
    in_doubt_with_an_open_call,
    look,
    pending,
    published_open,
    statuses,
)
from tests.unit.application.worker_over_fakes import (
    BUDGET_SECONDS,
    CARD,
    CLIENT,
    command_bytes,
    payment,
)
from worker.domain.replies import (
    Doubt,
    NoAnswer,
)
from worker.domain.states import State

REPLIED = "900000000000000001"
"""The checkoutId of the first answer that the fake gives."""

# ── Pending ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("state", "status"), [(2, "SUCCEEDED"), (5, "DECLINED")])
@on_late_virtual_time
async def test_pending_ends_by_its_checkout_id(state: int, status: str) -> None:
    """Asked by the id that PayWizard gave, until that says how it ended."""
    worker = a_worker(query_by_order_number=False)
    await pending(worker)
    worker.paywizard.will_find(found(1, amount=None), NOT_FOUND, found(state, amount=None))
    for _ in range(3):
        assert await look(worker) == ["DUE"]
    assert await look(worker, 0) == ["DECIDED"]
    assert worker.paywizard.queries == [CHECKOUT] * 3
    first, final = worker.results()
    assert (first["status"], final["status"]) == ("PENDING", status)
    assert (final["decidedBy"], final["checkoutId"]) == ("STATUS_QUERY", CHECKOUT)
    assert final["result"] is None
    assert len(worker.paywizard.requests) == 1
    counter = worker.metrics.status_checks_total
    assert counted(counter, state="PENDING", result="still_open") == 1
    await worker.stop()


@on_late_virtual_time
async def test_pending_too_long_is_doubt_in_silence_and_then_an_operators() -> None:
    """After the budget, one last question; then IN_DOUBT, parked, with nothing new published."""
    worker = a_worker()
    await pending(worker)
    since = entry_of(worker).undecided_since
    worker.paywizard.will_find(found(1, amount=None))
    assert await look(worker, BUDGET_SECONDS) == ["DUE"]
    entry = entry_of(worker)
    assert entry.outcome is not None
    assert (entry.state, entry.outcome.reason) == (State.IN_DOUBT, "PENDING_TOO_LONG")
    assert (entry.checkout_id, entry.undecided_since) == (CHECKOUT, since)
    assert [query.answer for query in entry.queries] == ["state 1"]
    counter = worker.metrics.in_doubt_total
    assert counted(counter, operation="payment", reason="pending_too_long") == 1
    for _ in range(3):
        assert await look(worker, BUDGET_SECONDS) == []
    assert entry_of(worker).next_check_at is None
    assert statuses(worker) == ["PENDING"]
    assert len(worker.paywizard.queries) == 1
    await worker.stop()


@on_late_virtual_time
async def test_a_pending_order_of_unknown_age_is_asked_about_like_any_other() -> None:
    """A worker of the release before, on the same ledger, notes no `undecided_since`."""
    worker = a_worker()
    await pending(worker)
    worker.store.entries[CLIENT, "T-1"] = replace(entry_of(worker), undecided_since=None)
    worker.paywizard.will_find(found(1, amount=None), found(2, amount=None))
    assert await look(worker) == ["DUE"]
    assert await look(worker, 60) == ["DUE"]
    assert await look(worker, 0) == ["DECIDED"]
    assert statuses(worker) == ["PENDING", "SUCCEEDED"]
    await worker.stop()


@on_late_virtual_time
async def test_the_last_question_about_a_pending_order_may_still_decide_it() -> None:
    """The budget ends the asking, not PayWizard's word."""
    worker = a_worker()
    await pending(worker)
    worker.paywizard.will_find(found(2, amount=None))
    assert await look(worker, BUDGET_SECONDS) == ["DUE"]
    assert await look(worker, 0) == ["DECIDED"]
    assert statuses(worker) == ["PENDING", "SUCCEEDED"]
    await worker.stop()


@on_late_virtual_time
async def test_doubt_that_turns_out_pending_goes_on_by_its_checkout_id_in_silence() -> None:
    """PENDING and IN_DOUBT are one wait: nothing is published between first and final."""
    worker = a_worker()
    await in_doubt(worker)
    worker.paywizard.will_find(found(1), found(2, amount=None))
    assert await look(worker) == ["DUE"]
    assert worker.state_of("T-1") is State.PENDING
    assert await look(worker) == ["DUE"]
    assert worker.paywizard.queries == ["T-1", CHECKOUT]
    assert await look(worker, 0) == ["DECIDED"]
    assert statuses(worker) == ["IN_DOUBT", "SUCCEEDED"]
    await worker.stop()


# ── Activations and voids ───────────────────────────────────────────────────────────────────


@on_late_virtual_time
async def test_an_activation_in_doubt_is_seen_at_its_card() -> None:
    """G9: it has no number at PayWizard; a card that is not active proves nothing."""
    worker = a_worker()
    worker.paywizard.issue(CARD, {"USD": 1}, active=False)
    worker.paywizard.will(NoAnswer(Doubt.TIMEOUT), about="T-1")
    await published_open(worker, command_bytes("ActivateCommand"))
    assert await look(worker) == ["DUE"]
    assert worker.state_of("T-1") is State.IN_DOUBT
    worker.paywizard.issue(CARD, {"USD": 1})
    assert await look(worker) == ["DUE"]
    assert await look(worker, 0) == ["DECIDED"]
    assert statuses(worker) == ["IN_DOUBT", "SUCCEEDED"]
    final = worker.results()[-1]
    assert final["decidedBy"] == "STATUS_QUERY"
    identifiers = {query["identifier"] for query in final["evidence"]["queries"]}
    assert identifiers == {"accountId"}
    assert (worker.paywizard.queries, worker.paywizard.activations) == ([], [])
    await worker.stop()


@pytest.mark.parametrize("moved", [True, False])
@on_late_virtual_time
async def test_a_void_in_doubt_is_seen_at_its_original(moved: bool) -> None:
    """Section 5: it is done once its original is revoked; until then it may be on its way."""
    worker = a_worker()
    await worker.run(payment("T-0"))
    original = worker.results()[0]["checkoutId"]
    worker.paywizard.will(NoAnswer(Doubt.TIMEOUT), moved=moved, about="V-1")
    void = command_bytes("VoidCommand", "V-1", originalTranOrderNo="T-0")
    await published_open(worker, void)
    assert await look(worker) == ["DUE"]
    assert worker.paywizard.queries == [original]
    assert await look(worker, 0) == (["DECIDED"] if moved else [])
    assert worker.state_of("V-1") is (State.SUCCEEDED if moved else State.IN_DOUBT)
    entry = entry_of(worker, "V-1")
    assert (entry.takes, entry.checkout_id) == (original, None)
    await worker.run(command_bytes("VoidCommand", "V-2", originalTranOrderNo="T-0"))
    assert worker.results()[-1]["reason"] == "ORIGINAL_TAKEN"
    await worker.stop()


# ── Parked ──────────────────────────────────────────────────────────────────────────────────


@on_late_virtual_time
async def test_doubt_is_parked_after_the_budget_and_never_sent_again() -> None:
    """P1: it waits for an operator, however long, and its command is only a duplicate."""
    worker = a_worker()
    await in_doubt(worker)
    assert (await worker.ledger.stats()).parked == 0
    assert await look(worker, BUDGET_SECONDS - 10) == ["DUE"]
    asked = len(worker.paywizard.queries)
    for _ in range(3):
        assert await look(worker, BUDGET_SECONDS) == []
    assert entry_of(worker).next_check_at is None
    assert (await worker.ledger.stats()).parked == 1
    await worker.run(payment())
    await worker.run(payment(), partition=4)
    assert statuses(worker) == ["IN_DOUBT"]
    assert (len(worker.paywizard.requests), len(worker.paywizard.queries)) == (1, asked)
    await worker.stop()


@on_late_virtual_time
async def test_a_day_of_doubt_costs_a_handful_of_questions() -> None:
    """G22: the due task runs each second, and still asks seldom and seldomer."""
    worker = a_worker()
    await in_doubt(worker)
    for _ in range(int(1.1 * BUDGET_SECONDS / 60)):
        await look(worker, 60)
    assert 24 < len(worker.paywizard.queries) < 50
    assert len(entry_of(worker).queries) == len(worker.paywizard.queries)
    assert entry_of(worker).next_check_at is None
    await worker.stop()


# ── Late replies ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("by_query", "checkout_id", "contradicts"),
    [(5, REPLIED, True), (2, CHECKOUT, True), (2, REPLIED, False)],
    ids=["contrary", "by another id", "the same"],
)
@on_late_virtual_time
async def test_a_late_reply_never_changes_how_an_order_ended(
    by_query: int, checkout_id: str, contradicts: bool
) -> None:
    """What says otherwise is kept as evidence and counted; what says the same is nothing new."""
    worker = a_worker()
    successor = await in_doubt_with_an_open_call(worker)
    successor.paywizard.will_find(found(by_query, checkout_id=checkout_id))
    assert await look(successor) == ["DUE"]
    ended = entry_of(worker)
    worker.paywizard.answering.set()
    assert await worker.dispatcher.drain(5)
    entry = entry_of(worker)
    assert (entry.state, entry.outcome) == (ended.state, ended.outcome)
    late = [query for query in entry.queries if query.identifier == "late reply"]
    assert [query.answer for query in late] == ["approved"] * contradicts
    counter = worker.metrics.ledger_contradictions_total
    assert counted(counter, operation="payment") == contradicts
    assert await look(successor, 0) == ["DECIDED"]
    assert statuses(successor) == ["IN_DOUBT", ended.state.value]
    assert statuses(worker) == []
    await worker.stop()
    await successor.stop()


@on_late_virtual_time
async def test_a_late_reply_settles_what_is_still_open() -> None:
    """PayWizard's own word needs no question any more; the next check publishes it."""
    worker = a_worker()
    successor = await in_doubt_with_an_open_call(worker)
    assert await look(successor) == ["DUE"]
    worker.paywizard.answering.set()
    await worker.until(lambda: worker.state_of("T-1") is State.SUCCEEDED)
    assert await look(successor, 0) == ["DECIDED"]
    assert [result["decidedBy"] for result in successor.results()] == ["WORKER", "REPLY"]
    assert len(successor.paywizard.queries) == 1
    counter = worker.metrics.ledger_contradictions_total
    assert counted(counter, operation="payment") == 0
    await worker.stop()
    await successor.stop()

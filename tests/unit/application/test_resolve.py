"""An operator's decision: it ends what is published as open, once, and sends nothing."""

from typing import Any

import pytest

from tests.unit.adapters.paywizard.virtual_time import on_late_virtual_time
from tests.unit.application.decisions import (
    AT,
    OUTCOMES,
    WHY,
    letters,
    resolution,
    resolutions,
    resolve,
)
from tests.unit.application.open_orders import (
    CHECKOUT,
    a_worker,
    entry_of,
    found,
    in_doubt,
    look,
    pending,
    published_open,
    statuses,
)
from tests.unit.application.worker_over_fakes import (
    BUDGET_SECONDS,
    RESOLUTION_TOPIC,
    payment,
)
from worker.application.ports import OutputTopic
from worker.domain.entry import Published, Ruling
from worker.domain.outcomes import result_event_id
from worker.domain.replies import Answer, Doubt, NoAnswer
from worker.domain.states import State

# ── Applied ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("opening", "outcome"),
    [
        *[(in_doubt, outcome) for outcome in OUTCOMES],
        *[(pending, outcome) for outcome in OUTCOMES if outcome != "NOT_EXECUTED"],
    ],
)
@on_late_virtual_time
async def test_a_decision_ends_an_open_order_in_one_final_result(
    opening: Any, outcome: str
) -> None:
    """P2, P13: stored with who and why, published by the next check, once."""
    worker = a_worker()
    await opening(worker)
    await resolve(worker, outcome)
    assert worker.state_of("T-1") is State(outcome)
    assert len(worker.results()) == 1
    assert await look(worker, 0) == ["DECIDED"]
    await worker.until(lambda: entry_of(worker).published is Published.FINAL)
    assert await look(worker, 10 * BUDGET_SECONDS) == []
    first, final = worker.results()
    assert (final["status"], final["decidedBy"]) == (outcome, "OPERATOR")
    assert final["eventId"] == result_event_id(first["clientId"], "T-1", "final")
    assert final["decidedAt"] == entry_of(worker).decided_at
    assert final["reason"] is None
    succeeded = outcome == "SUCCEEDED"
    assert len(worker.kafka.of(OutputTopic.BALANCE_REFRESH)) == succeeded
    assert (len(worker.paywizard.requests), worker.paywizard.queries) == (1, [])
    assert (letters(worker), resolutions(worker)) == ([], {"applied": 1})
    await worker.stop()


@on_late_virtual_time
async def test_who_decided_and_why_is_kept_and_not_published() -> None:
    """The ledger knows for good; subscribers learn only that it was an operator."""
    worker = a_worker()
    await in_doubt(worker)
    await resolve(worker, "SUCCEEDED", checkoutId=CHECKOUT)
    await look(worker, 0)
    entry = entry_of(worker)
    assert entry.outcome is not None
    assert entry.outcome.ruling == Ruling("ann", WHY, AT)
    assert entry.checkout_id == CHECKOUT
    assert worker.results()[-1]["checkoutId"] == CHECKOUT
    for output in worker.kafka.published:
        assert WHY.encode() not in (output.value or b"")
    await worker.stop()


@on_late_virtual_time
async def test_a_parked_order_is_ended_by_an_operator() -> None:
    """P13: when PayWizard was asked long enough, the decision makes it due again."""
    worker = a_worker()
    await in_doubt(worker)
    assert await look(worker, BUDGET_SECONDS) == []
    assert entry_of(worker).next_check_at is None
    await resolve(worker, "DECLINED")
    assert await look(worker, 0) == ["DECIDED"]
    assert statuses(worker) == ["IN_DOUBT", "DECLINED"]
    await worker.stop()


@on_late_virtual_time
async def test_a_decision_whose_completion_was_lost_is_silent_when_it_comes_again() -> None:
    """P2, P3: the ledger has it; the record finds the order ended its way."""
    worker = a_worker()
    await in_doubt(worker)
    value = resolution("SUCCEEDED")
    record = await worker.lose_commit(value, topic=RESOLUTION_TOPIC)
    assert worker.state_of("T-1") is State.SUCCEEDED
    await worker.again(record)
    await look(worker, 0)
    assert statuses(worker) == ["IN_DOUBT", "SUCCEEDED"]
    assert letters(worker) == []
    await worker.stop()


# ── Repeated, contrary, unknown ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("outcome", OUTCOMES)
@on_late_virtual_time
async def test_the_same_outcome_again_is_silent_and_another_a_dead_letter(
    outcome: str, published: bool
) -> None:
    """Whatever the operator sends twice; what is decided stays decided."""
    worker = a_worker()
    await in_doubt(worker)
    await resolve(worker, outcome)
    if published:
        await look(worker, 0)
    decided = entry_of(worker)
    await resolve(worker, outcome, operator="bob", reason="Me too.")
    assert (letters(worker), resolutions(worker)) == ([], {"applied": 1, "repeated": 1})
    for other in set(OUTCOMES) - {outcome}:
        await resolve(worker, other)
    assert letters(worker) == [("NOT_IN_DOUBT", None)] * 2
    entry = entry_of(worker)
    assert (entry.state, entry.outcome) == (decided.state, decided.outcome)
    await look(worker, 0)
    assert statuses(worker) == ["IN_DOUBT", outcome]
    assert resolutions(worker) == {"applied": 1, "repeated": 1, "refused": 2}
    await worker.stop()


@on_late_virtual_time
async def test_an_order_that_paywizard_decided_is_not_decided_again() -> None:
    """It was never in doubt."""
    worker = a_worker()
    await worker.run(payment())
    await resolve(worker, "SUCCEEDED")
    await resolve(worker, "NOT_EXECUTED")
    assert letters(worker) == [("NOT_IN_DOUBT", None)]
    assert statuses(worker) == ["SUCCEEDED"]
    await worker.stop()


@on_late_virtual_time
async def test_an_unknown_order_is_a_dead_letter_at_once_and_claims_nothing() -> None:
    """A resolution never makes an order; its number stays free."""
    worker = a_worker()
    await in_doubt(worker)
    await resolve(worker, "SUCCEEDED", tranOrderNo="T-2")
    await resolve(worker, "SUCCEEDED", clientId="100000000000000002")
    assert letters(worker) == [("NOT_IN_DOUBT", None)] * 2
    assert len(worker.store.entries) == 1
    await worker.stop()


@on_late_virtual_time
async def test_another_clients_name_is_a_dead_letter() -> None:
    """P14: a client that nobody configured has no orders here."""
    worker = a_worker()
    await in_doubt(worker)
    await resolve(worker, "SUCCEEDED", clientId="100000000000000003")
    assert letters(worker) == [("INVALID", "clientId")]
    assert worker.state_of("T-1") is State.IN_DOUBT
    await worker.stop()


@pytest.mark.parametrize(
    ("outcome", "fields", "field"),
    [
        ("SUCCEEDED", {"reason": " "}, "reason"),
        ("SUCCEEDED", {"reason": "r" * 257}, "reason"),
        ("DECLINED", {"operator": ""}, "operator"),
        ("SUCCEEDED", {"tranOrderNo": "\n"}, "tranOrderNo"),
        ("SUCCEEDED", {"checkoutId": ""}, "checkoutId"),
        ("NOT_EXECUTED", {"checkoutId": CHECKOUT}, "checkoutId"),
    ],
)
@on_late_virtual_time
async def test_a_malformed_decision_changes_nothing(
    outcome: str, fields: dict[str, Any], field: str
) -> None:
    """A dead letter names the field; the order stays open for a better one."""
    worker = a_worker()
    await in_doubt(worker)
    before = entry_of(worker)
    await resolve(worker, outcome, **fields)
    assert letters(worker) == [("MALFORMED_RESOLUTION", field)]
    assert resolutions(worker) == {"refused": 1}
    assert entry_of(worker) == before
    await worker.stop()


@pytest.mark.parametrize(
    ("outcome", "checkout_id", "field"),
    [("SUCCEEDED", "900000000000000099", "checkoutId"), ("NOT_EXECUTED", None, "outcome")],
)
@on_late_virtual_time
async def test_a_decision_does_not_contradict_paywizards_checkout_id(
    outcome: str, checkout_id: str | None, field: str
) -> None:
    """Pending, and pending too long: PayWizard has the order, under that id."""
    worker = a_worker()
    await pending(worker)
    worker.paywizard.will_find(found(1, amount=None))
    for _ in range(2):
        await resolve(worker, outcome, checkoutId=checkout_id)
        await look(worker, BUDGET_SECONDS)
        assert worker.state_of("T-1") is State.IN_DOUBT
    assert letters(worker) == [("MALFORMED_RESOLUTION", field)] * 2
    await resolve(worker, "SUCCEEDED", checkoutId=CHECKOUT)
    await look(worker, 0)
    assert statuses(worker) == ["PENDING", "SUCCEEDED"]
    await worker.stop()


@on_late_virtual_time
async def test_a_decision_does_not_take_the_checkout_id_of_another_order() -> None:
    """A void of this order would revoke that one: money that nobody asked for."""
    worker = a_worker()
    await worker.run(payment("T-0"))
    taken = entry_of(worker, "T-0").checkout_id
    assert taken is not None
    await in_doubt(worker)
    await resolve(worker, "SUCCEEDED", checkoutId=taken)
    assert letters(worker) == [("MALFORMED_RESOLUTION", "checkoutId")]
    assert worker.state_of("T-1") is State.IN_DOUBT
    await worker.stop()


@pytest.mark.parametrize("outcome", ["SUCCEEDED", "NOT_EXECUTED"])
@on_late_virtual_time
async def test_a_decision_does_not_make_a_garbled_answers_checkout_id_ours(
    outcome: str,
) -> None:
    """It may be another order's, and voids and tips go by it."""
    worker = a_worker()
    garbled = NoAnswer(Doubt.BAD_REPLY, Answer(http_status=200, checkout_id=CHECKOUT))
    worker.paywizard.will(garbled)
    await published_open(worker)
    assert entry_of(worker).checkout_id == CHECKOUT
    assert entry_of(worker).proven_checkout_id is None
    await resolve(worker, outcome)
    assert worker.state_of("T-1").value == outcome
    assert entry_of(worker).checkout_id is None
    await worker.stop()


# ── The checkoutId afterwards ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("published", [False, True])
@on_late_virtual_time
async def test_a_checkout_id_that_was_missing_can_be_given_afterwards(published: bool) -> None:
    """Voids and tips go by it; who gave it is kept as evidence, and nothing is published twice."""
    worker = a_worker()
    await in_doubt(worker)
    await resolve(worker, "SUCCEEDED")
    if published:
        await look(worker, 0)
    await resolve(worker, "SUCCEEDED", checkoutId=CHECKOUT)
    entry = entry_of(worker)
    assert (entry.state, entry.checkout_id) == (State.SUCCEEDED, CHECKOUT)
    assert [(query.identifier, query.answer) for query in entry.queries] == [
        ("resolution", "its checkoutId")
    ]
    assert await worker.ledger.find_by_checkout_id(entry.client_id, CHECKOUT) == entry
    await resolve(worker, "SUCCEEDED", checkoutId=CHECKOUT)
    assert resolutions(worker) == {"applied": 2, "repeated": 1}
    await look(worker, 0)
    assert (statuses(worker), letters(worker)) == (["IN_DOUBT", "SUCCEEDED"], [])
    await worker.stop()


@on_late_virtual_time
async def test_another_checkout_id_afterwards_is_a_dead_letter() -> None:
    """Of two ids one is wrong, and a void goes by the first: the second is not lost in silence."""
    worker = a_worker()
    await in_doubt(worker)
    await resolve(worker, "SUCCEEDED", checkoutId=CHECKOUT)
    before = entry_of(worker)
    await resolve(worker, "SUCCEEDED", checkoutId="900000000000000099")
    assert letters(worker) == [("NOT_IN_DOUBT", "checkoutId")]
    assert entry_of(worker) == before
    await worker.stop()


@on_late_virtual_time
async def test_another_orders_checkout_id_is_not_given_afterwards() -> None:
    """A void of this order would revoke that one."""
    worker = a_worker()
    await worker.run(payment("T-0"))
    await in_doubt(worker)
    await resolve(worker, "SUCCEEDED")
    await resolve(worker, "SUCCEEDED", checkoutId=entry_of(worker, "T-0").checkout_id)
    assert letters(worker) == [("MALFORMED_RESOLUTION", "checkoutId")]
    assert entry_of(worker).checkout_id is None
    await worker.stop()

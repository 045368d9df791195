"""Orders that are pending first, repeated order numbers, and what the book says of them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from ops.sandbox.paywizard.fault_kinds import Hide, LoseAnswer, LoseRequest, Pending, Repeat
from ops.sandbox.paywizard.fault_plan import FaultPlan, Rule, When
from ops.sandbox.paywizard.server import Behaviour
from tests.integration.simulator.caller import (
    CLIENT_ID,
    IDLE_CARD,
    INQUIRY,
    ISSUE,
    PAY,
    QUERY,
    REDEEM,
    RELOAD,
    TIP,
    VOID,
    Caller,
    Fields,
    Start,
    always,
    card_fields,
    pay_fields,
    points_fields,
    reload_fields,
    tip_fields,
    void_fields,
)


@dataclass
class Clock:
    """Stands still until it is moved."""

    moment: datetime = field(default_factory=lambda: datetime(2026, 1, 5, 12, tzinfo=UTC))

    def __call__(self) -> datetime:
        """Read it."""
        return self.moment

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.moment += timedelta(seconds=seconds)


async def state(caller: Caller, checkout_id: str) -> int:
    """`state` of a found order."""
    fields = {"clientId": CLIENT_ID, "checkoutId": checkout_id}
    found = (await caller.done(QUERY, fields))["state"]
    assert isinstance(found, int)
    return found


@pytest.mark.parametrize(
    ("path", "fields", "after"),
    [
        (PAY, pay_fields("N1"), {"USD": "89.50", "Points": "53"}),
        (RELOAD, reload_fields("N1"), {"USD": "125.00", "Points": "53"}),
        (ISSUE, points_fields("N1"), {"USD": "100.00", "Points": "54"}),
        (REDEEM, points_fields("N1"), {"USD": "100.00", "Points": "52"}),
    ],
    ids=["pay", "reload", "issue", "redeem"],
)
@pytest.mark.parametrize("settles", ["success", "failure"])
async def test_a_pending_order_settles_after_its_seconds(
    start: Start, path: str, fields: Fields, after: dict[str, str], settles: str
) -> None:
    """`result` 2 and nothing moved; then state 2 and the movement, or state 5 and none."""
    clock = Clock()
    pending = Pending.model_validate({"settles": settles, "afterSeconds": 30})
    caller = await start(always(pending), clock)
    data = await caller.done(path, fields)
    assert data["result"] == 2
    clock.move(29.999)
    assert await state(caller, data["checkoutId"]) == 1
    order = await caller.order("N1")
    assert (order["effects"], order["truth"], order["results"]) == (0, None, [2])
    assert order["executions"][0]["settledAt"] is None
    assert await caller.balances() == {"USD": "100.00", "Points": "53"}
    clock.move(60)
    succeeded = settles == "success"
    assert await state(caller, data["checkoutId"]) == (2 if succeeded else 5)
    order = await caller.order("N1")
    assert order["truth"] == ("SUCCEEDED" if succeeded else "DECLINED")
    assert (order["effects"], order["results"]) == (int(succeeded), [1 - int(succeeded)])
    (execution,) = order["executions"]
    assert execution["executedAt"] == "2026-01-05T12:00:00.000+00:00"
    assert execution["settledAt"] == "2026-01-05T12:00:30.000+00:00"
    moved = [each["at"] for each in order["movements"]]
    assert moved == ([execution["settledAt"]] if succeeded else [])
    untouched = {"USD": "100.00", "Points": "53"}
    assert await caller.balances() == (after if succeeded else untouched)


async def test_the_book_settles_what_is_due_before_it_is_shown(start: Start) -> None:
    """Nobody has to ask for an order to make it happen; an inquiry sees it too."""
    clock = Clock()
    caller = await start(always(Pending(settles="success", after_seconds=5)), clock)
    await caller.done(PAY, pay_fields("N1"))
    clock.move(5)
    assert (await caller.order("N1"))["truth"] == "SUCCEEDED"
    await caller.done(PAY, pay_fields("N2"))
    clock.move(5)
    balances = (await caller.done(INQUIRY, card_fields()))["balances"]
    assert str(balances[0]["amount"]) == "79.00"


@pytest.mark.parametrize(("settles", "end"), [("success", 2), ("failure", 5)])
async def test_a_pending_order_settles_at_its_query(
    start: Start, settles: str, end: int
) -> None:
    """The query with that number is the first to show the end."""
    pending = Pending.model_validate({"settles": settles, "afterQueries": 3})
    caller = await start(always(pending))
    data = await caller.done(PAY, pay_fields("N1"))
    states = [await state(caller, data["checkoutId"]) for _ in range(4)]
    assert states == [1, 1, end, end]
    assert (await caller.order("N1"))["effects"] == int(settles == "success")


async def test_a_query_that_is_told_nothing_counts_all_the_same(start: Start) -> None:
    """It reached the order; only the answer hides it."""
    rules = (
        Rule(name="pending", fault=Pending(settles="success", after_queries=2)),
        Rule(name="hidden", when=When(to_request=1), fault=Hide()),
    )
    caller = await start(Behaviour(plan=FaultPlan(rules=rules)))
    data = await caller.done(PAY, pay_fields("N1"))
    query = {"clientId": CLIENT_ID, "checkoutId": data["checkoutId"]}
    assert (await caller.send(QUERY, query)).envelope["data"] is None
    assert await state(caller, data["checkoutId"]) == 2


async def test_a_pending_order_may_never_settle(start: Start) -> None:
    """State 1 whatever is asked, and no truth in the book."""
    clock = Clock()
    caller = await start(always(Pending(settles="never")), clock)
    data = await caller.done(PAY, pay_fields("N1"))
    for _ in range(5):
        clock.move(86_400)
        assert await state(caller, data["checkoutId"]) == 1
    order = await caller.order("N1")
    assert (order["truth"], order["effects"], order["results"]) == (None, 0, [2])


async def test_what_the_card_does_not_cover_any_more_fails(start: Start) -> None:
    """The end is decided when it comes: the money may have gone elsewhere meanwhile."""
    clock = Clock()
    pending = Pending(settles="success", after_seconds=10)
    caller = await start(always(pending, orders=["N1"]), clock)
    await caller.done(PAY, pay_fields("N1", amount="60.00"))
    assert (await caller.done(PAY, pay_fields("N2", amount="60.00")))["result"] == 0
    clock.move(10)
    assert (await caller.order("N1"))["truth"] == "DECLINED"
    assert (await caller.balances())["USD"] == "40.00"


async def test_pending_orders_settle_in_the_order_of_their_times(start: Start) -> None:
    """Of two that the card covers only once, the one that is due first gets it."""
    clock = Clock()
    rules = (
        Rule(
            name="later",
            when=When(orders=("N1",)),
            fault=Pending(settles="success", after_seconds=20),
        ),
        Rule(name="sooner", fault=Pending(settles="success", after_seconds=10)),
    )
    caller = await start(Behaviour(plan=FaultPlan(rules=rules)), clock)
    for order_no in ("N1", "N2"):
        await caller.done(PAY, pay_fields(order_no, amount="60.00"))
    clock.move(60)
    truths = [(await caller.order(each))["truth"] for each in ("N1", "N2")]
    assert truths == ["DECLINED", "SUCCEEDED"]


async def test_a_pending_void_and_a_pending_tip_settle_too(start: Start) -> None:
    """A void takes its original when it settles: state 3 of the original says so."""
    caller = await start(
        always(Pending(settles="success", after_queries=1), operations=["giftVoid", "giftTip"])
    )
    payment = await caller.done(PAY, pay_fields("N1"))
    tip = await caller.done(TIP, tip_fields("N2", payment["checkoutId"]))
    void = await caller.done(VOID, void_fields("N3", payment["checkoutId"]))
    assert (tip["result"], void["result"]) == (2, 2)
    assert void["oriCheckoutId"] == payment["checkoutId"]
    assert await state(caller, payment["checkoutId"]) == 2
    assert await state(caller, tip["checkoutId"]) == 2
    assert await state(caller, void["checkoutId"]) == 2
    assert await state(caller, payment["checkoutId"]) == 3
    assert (await caller.balances())["USD"] == "98.00"


async def test_a_pending_reload_activates_when_it_settles(start: Start) -> None:
    """Nothing of a reload happens before its end."""
    clock = Clock()
    caller = await start(always(Pending(settles="success", after_seconds=10)), clock)
    await caller.done(RELOAD, reload_fields("N1", accountId=IDLE_CARD, activating="Y"))
    inquiry = card_fields(accountId=IDLE_CARD)
    assert (await caller.send(INQUIRY, inquiry)).code == 404
    clock.move(10)
    assert (await caller.send(INQUIRY, inquiry)).code == 200
    assert (await caller.balances(IDLE_CARD))["USD"] == "25.00"


async def test_a_pending_answer_can_be_lost(start: Start) -> None:
    """Neither a result nor a checkoutId comes; the order goes on by itself."""
    clock = Clock()
    rules = (
        Rule(name="pending", fault=Pending(settles="success", after_seconds=10)),
        Rule(name="lost", fault=LoseAnswer(), when=When(operations=("giftTransaction",))),
    )
    caller = await start(Behaviour(plan=FaultPlan(rules=rules)), clock)
    assert (await caller.hear(PAY, pay_fields("N1"))).pieces == []
    query = {"clientId": CLIENT_ID, "transIndexCode": "N1"}
    assert (await caller.done(QUERY, query))["state"] == 1
    clock.move(10)
    assert (await caller.done(QUERY, query))["state"] == 2
    assert [fault for *_, fault in await caller.met()] == ["pending", "lose-answer"]


@pytest.mark.parametrize(
    ("how", "effects", "requests"), [("execute", 2, 2), ("replay", 1, 2), ("refuse", 1, 2)]
)
async def test_a_repeated_number_is_executed_replayed_or_refused(
    start: Start, how: str, effects: int, requests: int
) -> None:
    """No page says what a repeated tranOrderNo does (gap G7)."""
    caller = await start(always(Repeat.model_validate({"how": how, "code": 4009})))
    first = await caller.send(PAY, pay_fields("N1"))
    assert await caller.met() == []
    second = await caller.send(PAY, pay_fields("N1"))
    order = await caller.order("N1")
    assert (order["requests"], order["effects"]) == (requests, effects)
    assert (await caller.balances())["USD"] == {1: "89.50", 2: "79.00"}[effects]
    if how == "refuse":
        assert (second.code, second.envelope["data"]) == (4009, None)
    else:
        assert (second.data == first.data) == (how == "replay")
        assert second.data["result"] == 0
    assert await caller.met() == [("N1", "giftTransaction", 2, "always", "repeat")]


async def test_a_number_whose_request_was_lost_is_not_a_repeated_one(start: Start) -> None:
    """What was never executed cannot be refused as used before."""
    rules = (
        Rule(name="once", fault=Repeat(how="refuse")),
        Rule(name="lost", fault=LoseRequest(), when=When(to_request=1)),
    )
    caller = await start(Behaviour(plan=FaultPlan(rules=rules)))
    assert (await caller.hear(PAY, pay_fields("N1"))).pieces == []
    assert (await caller.done(PAY, pay_fields("N1")))["result"] == 0
    assert (await caller.send(PAY, pay_fields("N1"))).code == 400
    assert [rule for *_, rule, _ in await caller.met()] == ["lost", "once"]

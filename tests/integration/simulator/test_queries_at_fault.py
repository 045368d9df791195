"""queryOrder where the documents are silent, and where it lies or is down."""

from datetime import datetime, timedelta

import pytest

from ops.sandbox.paywizard.fault_kinds import (
    Fault,
    Hide,
    HttpError,
    LoseRequest,
    Misreport,
)
from ops.sandbox.paywizard.fault_plan import FaultPlan, QueryView, Rule, When
from ops.sandbox.paywizard.server import Behaviour
from tests.integration.simulator.caller import (
    CLIENT_ID,
    PAY,
    QUERY,
    VOID,
    Caller,
    Fields,
    Start,
    always,
    pay_fields,
    void_fields,
)


def by_number(order_no: str = "N1") -> Fields:
    """A query that names the caller's own number."""
    return {"clientId": CLIENT_ID, "transIndexCode": order_no}


async def found(caller: Caller, fields: Fields) -> Fields | None:
    """`data` of a query that was answered."""
    reply = await caller.send(QUERY, fields)
    assert reply.code == 200
    data = reply.envelope["data"]
    assert data is None or isinstance(data, dict)
    return data


async def test_hidden_orders_are_not_found_by_either_identifier(start: Start) -> None:
    """ "Not found" of an order that succeeded: it proves nothing (gap G6)."""
    caller = await start(always(Hide()))
    payment = await caller.done(PAY, pay_fields("N1"))
    by_id = {"clientId": CLIENT_ID, "checkoutId": payment["checkoutId"]}
    assert [await found(caller, each) for each in (by_number(), by_id)] == [None, None]
    assert (await caller.order("N1"))["truth"] == "SUCCEEDED"
    assert await caller.met() == [
        ("N1", "queryOrder", 1, "always", "hide"),
        ("N1", "queryOrder", 2, "always", "hide"),
    ]


async def test_an_order_can_be_hidden_for_its_first_queries(start: Start) -> None:
    """It appears later, as it does in a system that copies its data."""
    caller = await start(always(Hide(), toRequest=2))
    await caller.done(PAY, pay_fields("N1"))
    seen = [await found(caller, by_number()) for _ in range(3)]
    assert seen[:2] == [None, None]
    assert seen[2] is not None
    assert seen[2]["state"] == 2


async def test_what_is_not_there_cannot_be_hidden(start: Start) -> None:
    """The book says what was met, not what was meant."""
    caller = await start(always(Hide()))
    assert await found(caller, by_number("unknown")) is None
    assert await caller.met() == []


@pytest.mark.parametrize(
    ("about", "wrong"),
    [
        ("order", {"checkoutId", "transIndexCode"}),
        ("mid", {"mid"}),
        ("amount", {"amount"}),
        ("time-zone", {"tranTime"}),
        ("state", {"state"}),
    ],
)
async def test_a_query_lies_about_one_thing(start: Start, about: str, wrong: set[str]) -> None:
    """Everything else is the truth, so that only a careful reader notices."""
    state = {"state": 5} if about == "state" else {}
    lie = Misreport.model_validate({"about": [about], **state})
    caller = await start(always(lie, toRequest=1))
    await caller.done(PAY, pay_fields("N1"))
    told, true = await found(caller, by_number()), await found(caller, by_number())
    assert told is not None
    assert true is not None
    assert {key for key, value in true.items() if told[key] != value} == wrong
    assert told.keys() == true.keys()
    for key in wrong - {"state"}:
        assert len(told[key]) == len(true[key])


async def test_the_lie_about_the_time_zone_is_eight_hours(start: Start) -> None:
    """UTC+8, as the published examples suggest (section 8)."""
    caller = await start(always(Misreport(about=("time-zone",)), toRequest=1))
    await caller.done(PAY, pay_fields("N1"))
    told, true = await found(caller, by_number()), await found(caller, by_number())
    assert told is not None
    assert true is not None
    times = [datetime.fromisoformat(each["tranTime"] + "+00:00") for each in (told, true)]
    assert times[0] - times[1] == timedelta(hours=8)


@pytest.mark.parametrize(
    ("shown", "states"), [("closed", [5, 5]), ("pending", [1, 1]), ("not-found", [None, None])]
)
async def test_a_declined_order_shows_as_the_plan_says(
    start: Start, shown: str, states: list[int | None]
) -> None:
    """No page documents a failed state (section 5): closed, pending for ever, or not there."""
    view = QueryView.model_validate({"failedOrders": shown})
    caller = await start(Behaviour(plan=FaultPlan(query=view)))
    declined = await caller.done(PAY, pay_fields("N1", amount="1000.00"))
    by_id = {"clientId": CLIENT_ID, "checkoutId": declined["checkoutId"]}
    seen = [await found(caller, each) for each in (by_number(), by_id)]
    assert [None if each is None else each["state"] for each in seen] == states
    assert all(each is None or each["tranTime"] is None for each in seen)


async def test_a_voided_order_is_revoked_and_keeps_its_time(start: Start) -> None:
    """State 3 for the original, 2 for the void itself."""
    caller = await start(Behaviour())
    payment = await caller.done(PAY, pay_fields("N1"))
    await caller.done(VOID, void_fields("N2", payment["checkoutId"]))
    original, void = await found(caller, by_number("N1")), await found(caller, by_number("N2"))
    assert original is not None
    assert void is not None
    assert (original["state"], void["state"]) == (3, 2)
    assert original["tranTime"] is not None


async def test_the_switch_for_own_numbers_can_be_turned_while_it_runs(start: Start) -> None:
    """Gap G5 both ways; orders from before are found by number as soon as it is on."""
    off = FaultPlan(query=QueryView(by_order_number=False))
    caller = await start(Behaviour(plan=off))
    payment = await caller.done(PAY, pay_fields("N1"))
    assert await found(caller, by_number()) is None
    assert await found(caller, by_number(payment["transIndexCode"])) is not None
    await caller.follow(FaultPlan())
    assert await found(caller, by_number()) is not None


@pytest.mark.parametrize(
    ("view", "amount", "echoed"),
    [
        (QueryView(), "10.50", False),
        (QueryView(amounts="implied-decimals"), "105000", False),
        (QueryView(echoes_order_number=True), "10.50", True),
    ],
    ids=["as-documented", "implied-decimals", "echo"],
)
async def test_amount_and_reference_are_written_as_the_plan_says(
    start: Start, view: QueryView, amount: str, *, echoed: bool
) -> None:
    """The unit (gap G3) and whose reference it is (gap G4) are open."""
    caller = await start(Behaviour(plan=FaultPlan(query=view)))
    payment = await caller.done(PAY, pay_fields("N1"))
    data = await found(caller, by_number())
    assert data is not None
    assert data["amount"] == amount
    assert data["transIndexCode"] == ("N1" if echoed else payment["transIndexCode"])
    assert data["checkoutId"] == payment["checkoutId"]


@pytest.mark.parametrize(
    ("fault", "ending", "status"),
    [
        (HttpError(status=503), "closed", 503),
        (HttpError(status=429, retry_after=1), "closed", 429),
        (LoseRequest(how="hang"), "silent", None),
        (LoseRequest(how="reset"), "reset", None),
        (LoseRequest(how="close"), "closed", None),
    ],
    ids=["503", "429", "hang", "reset", "close"],
)
async def test_the_query_is_down_and_payments_are_not(
    start: Start, fault: Fault, ending: str, status: int | None
) -> None:
    """A failure of the query is no answer about the order."""
    caller = await start(always(fault, operations=["queryOrder"]))
    await caller.done(PAY, pay_fields("N1"))
    heard = await caller.hear(QUERY, by_number(), 0.5 if ending == "silent" else 10)
    assert heard.ending == ending
    assert (heard.status if heard.pieces else None) == status
    assert (await caller.book())["queries"] == 1


async def test_a_query_is_about_its_order_and_its_card(start: Start) -> None:
    """Rules for an order or a card reach its queries, by whatever identifier they ask."""
    rules = (
        Rule(name="N1", when=When(orders=("N1",), operations=("queryOrder",)), fault=Hide()),
        Rule(
            name="card", when=When(cards=("no-card",), operations=("queryOrder",)), fault=Hide()
        ),
        Rule(name="gone", when=When(orders=("G*",)), fault=HttpError(status=500)),
    )
    caller = await start(Behaviour(plan=FaultPlan(rules=rules)))
    first = await caller.done(PAY, pay_fields("N1"))
    await caller.done(PAY, pay_fields("N2"))
    by_id = {"clientId": CLIENT_ID, "checkoutId": first["checkoutId"]}
    assert await found(caller, by_id) is None
    assert await found(caller, by_number("N2")) is not None
    assert (await caller.hear(QUERY, by_number("G-1"))).status == 500

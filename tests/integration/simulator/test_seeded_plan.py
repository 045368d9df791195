"""Two runs with one seed meet the same faults per order, however their requests interleave."""

import asyncio
import random
from decimal import Decimal

from ops.sandbox.paywizard.fault_kinds import (
    CodeError,
    Delay,
    Hide,
    HttpError,
    LoseAnswer,
    Pending,
    WrongType,
)
from ops.sandbox.paywizard.fault_plan import FaultPlan, Rule, When
from ops.sandbox.paywizard.latency import Uniform
from ops.sandbox.paywizard.server import Behaviour
from tests.integration.simulator.caller import (
    CARD,
    CLIENT_ID,
    INQUIRY,
    PAY,
    QUERY,
    Caller,
    Start,
    card_fields,
    pay_fields,
)

PAYMENTS = When(operations=("giftTransaction",))
QUERIES = When(operations=("queryOrder",))
RULES = (
    Rule(name="slow", fault=Delay(latency=Uniform(seconds_min=0, seconds_max=0.02))),
    Rule(name="busy", probability=0.2, fault=HttpError(status=429), when=PAYMENTS),
    Rule(name="lost", probability=0.3, fault=LoseAnswer(), when=PAYMENTS),
    Rule(name="odd", probability=0.2, fault=WrongType(field="result", value="0")),
    Rule(name="later", probability=0.4, fault=Pending(settles="success", after_queries=2)),
    Rule(name="hidden", probability=0.4, fault=Hide(), when=QUERIES),
    Rule(name="down", probability=0.3, fault=CodeError(code=500), when=QUERIES),
)
ORDERS = [f"N{number}" for number in range(60)]
Story = tuple[list[str], dict[str, tuple[int, int, str | None]], str]


async def one_order(caller: Caller, order_no: str) -> None:
    """Pay once and ask three times, whatever comes back."""
    await caller.hear(PAY, pay_fields(order_no, amount="0.01"))
    for _ in range(3):
        query = {"clientId": CLIENT_ID, "transIndexCode": order_no}
        await caller.hear(QUERY, query)


async def story(start: Start, plan_seed: int, shuffle_seed: int) -> Story:
    """What each order met and became in one run, and what the card holds at the end."""
    caller = await start(Behaviour(plan=FaultPlan(seed=plan_seed, rules=RULES)))
    orders = list(ORDERS)
    random.Random(shuffle_seed).shuffle(orders)
    for begin in range(0, len(orders), 12):
        await asyncio.gather(*(one_order(caller, each) for each in orders[begin : begin + 12]))
    book = await caller.book()
    became = {
        each["tranOrderNo"]: (each["requests"], each["effects"], each["truth"])
        for each in book["orders"]
    }
    met = sorted(str(each) for each in await caller.met())
    return met, became, (await caller.balances())["USD"]


async def test_the_same_seed_meets_the_same_faults_in_any_order(start: Start) -> None:
    """Each order's requests meet the same rules, and each order ends alike."""
    first = await story(start, plan_seed=1, shuffle_seed=1)
    second = await story(start, plan_seed=1, shuffle_seed=2)
    assert first == second
    met, became, usd = first
    for rule in RULES:
        assert any(f"'{rule.name}'" in each for each in met), f"{rule.name} never struck"
    truths = [truth for _, _, truth in became.values()]
    assert {None, "SUCCEEDED"} <= set(truths)
    assert Decimal(usd) == Decimal(100) - truths.count("SUCCEEDED") * Decimal("0.01")


async def test_another_seed_meets_other_faults(start: Start) -> None:
    """The seed is part of every chance."""
    first = await story(start, plan_seed=1, shuffle_seed=1)
    other = await story(start, plan_seed=2, shuffle_seed=1)
    assert first[0] != other[0]


async def test_a_rule_that_does_not_strike_lets_the_next_one_try(start: Start) -> None:
    """Of a stage the first rule that strikes counts; every request meets one of the two."""
    rules = (
        Rule(name="half", probability=0.5, fault=CodeError(code=1)),
        Rule(name="rest", fault=CodeError(code=2)),
    )
    caller = await start(Behaviour(plan=FaultPlan(rules=rules)))
    codes = [(await caller.send(PAY, pay_fields(each))).code for each in ORDERS]
    assert set(codes) == {1, 2}
    assert [{"half": 1, "rest": 2}[rule] for *_, rule, _ in await caller.met()] == codes


async def test_cards_without_order_numbers_have_their_own_count(start: Start) -> None:
    """Inquiries and activations are told apart by card; a rule may be for one card."""
    when = When(operations=("giftInquiry",), cards=(CARD,), from_request=2, to_request=2)
    rules = (Rule(name="second", when=when, fault=HttpError(status=500)),)
    caller = await start(Behaviour(plan=FaultPlan(rules=rules)))
    statuses = [(await caller.send(INQUIRY, card_fields())).status for _ in range(3)]
    assert statuses == [200, 500, 200]
    (met,) = (await caller.book())["met"]
    assert (met["accountId"], met["tranOrderNo"], met["request"]) == (CARD, None, 2)

"""The book counts every request and every effect, and adds up to the balances."""

import asyncio
import json
import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus

import pytest

from ops.sandbox.paywizard.fault_kinds import Delay, HttpError
from ops.sandbox.paywizard.fault_plan import FaultPlan, Rule, When, slow_plan
from ops.sandbox.paywizard.latency import Constant
from ops.sandbox.paywizard.server import Behaviour
from tests.integration.simulator.caller import (
    ACTIVATE,
    CARD,
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
    activate_fields,
    always,
    card_fields,
    pay_fields,
    points_fields,
    reload_fields,
    tip_fields,
    void_fields,
)


async def test_a_number_sent_twice_has_two_effects(caller: Caller) -> None:
    """Nothing promises idempotency (gap G7), so a double send must show."""
    first = await caller.done(PAY, pay_fields("N1"))
    second = await caller.done(PAY, pay_fields("N1"))
    ids = [first["checkoutId"], second["checkoutId"]]
    assert len(set(ids)) == 2
    order = await caller.order("N1")
    executions = order.pop("executions")
    assert [each["checkoutId"] for each in executions] == ids
    assert [each["result"] for each in executions] == [0, 0]
    for execution, moved in zip(executions, order["movements"], strict=True):
        assert execution["executedAt"] == execution["settledAt"] == moved.pop("at")
    movement = {
        "operation": "PAYMENT",
        "loyaltyChannel": "FACTOR4",
        "accountId": CARD,
        "valueCode": "USD",
        "change": "-10.50",
    }
    assert order == {
        "clientId": CLIENT_ID,
        "tranOrderNo": "N1",
        "operation": "PAYMENT",
        "requests": 2,
        "throttled": 0,
        "repeats": 1,
        "effects": 2,
        "truth": "SUCCEEDED",
        "results": [0, 0],
        "checkoutIds": ids,
        "accountId": CARD,
        "loyaltyChannel": "FACTOR4",
        "amount": "10.50",
        "currency": "USD",
        "points": None,
        "movements": [movement | {"checkoutId": each} for each in ids],
    }
    assert (await caller.balances())["USD"] == "79.00"


async def test_only_a_request_that_was_turned_away_excuses_the_next(start: Start) -> None:
    """HTTP 429 does, whoever had not asked before; a query's 429 says nothing of the order."""
    busy = HttpError(status=429)
    first, third = When(to_request=1), When(from_request=3)
    rules = [Rule(name=str(when), when=when, fault=busy) for when in (first, third)]
    caller = await start(Behaviour(plan=FaultPlan(rules=tuple(rules))))
    counts = []
    for _ in range(4):
        await caller.send(PAY, pay_fields("N1"))
        await caller.send(QUERY, {"clientId": CLIENT_ID, "transIndexCode": "N1"})
        order = await caller.order("N1")
        counts.append([order[name] for name in ("requests", "throttled", "repeats", "effects")])
    assert counts == [[1, 1, 0, 0], [2, 1, 0, 1], [3, 2, 1, 1], [4, 3, 2, 1]]


async def test_who_does_not_hear_that_it_was_turned_away_may_not_ask_again(
    start: Start,
) -> None:
    """Nothing was executed, but its caller cannot know: to ask again is a repeat."""
    when = When(to_request=1)
    slow = Delay(latency=Constant(seconds=1))
    rules = [Rule(name="busy", when=when, fault=HttpError(status=429))]
    rules += [Rule(name="slow", when=when, fault=slow)]
    caller = await start(Behaviour(plan=FaultPlan(rules=tuple(rules))))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await caller.send(PAY, pay_fields("N1"))
    # As slow and begun later: once its answer is there, the first one's has gone nowhere.
    assert (await caller.send(PAY, pay_fields("N2"))).status == 429
    await caller.send(PAY, pay_fields("N1"))
    order = await caller.order("N1")
    assert (order["requests"], order["throttled"], order["repeats"]) == (2, 0, 1)


async def test_who_cannot_be_counted_is_turned_away_all_the_same(start: Start) -> None:
    """No entry can be made under such a number, and the answer is 429 as for others."""
    caller = await start(always(HttpError(status=429)))
    assert (await caller.send(PAY, pay_fields("N1\n"))).status == 429
    assert (await caller.book())["orders"] == []


async def test_who_is_turned_away_after_the_effect_was_not_turned_away(start: Start) -> None:
    """It says 429 and has executed: whoever asks again has asked twice."""
    caller = await start(always(HttpError(status=429, effect=True)))
    for _ in range(2):
        await caller.send(PAY, pay_fields("N1"))
    order = await caller.order("N1")
    assert (order["throttled"], order["repeats"], order["effects"]) == (0, 1, 2)


@dataclass
class RestlessClock:
    """No two readings are the same."""

    moment: datetime = field(default_factory=lambda: datetime(2026, 1, 5, 12, tzinfo=UTC))

    def __call__(self) -> datetime:
        """Read it, a second later than before."""
        self.moment += timedelta(seconds=1)
        return self.moment


async def test_what_one_request_does_happens_at_one_moment(start: Start) -> None:
    """Executed, settled and moved: nobody may see time pass between them."""
    caller = await start(Behaviour(), RestlessClock())
    await caller.done(PAY, pay_fields("N1"))
    order = await caller.order("N1")
    (execution,), (movement,) = order["executions"], order["movements"]
    assert execution["executedAt"] == execution["settledAt"] == movement["at"]


async def test_a_number_used_again_for_another_operation_is_the_same_entry(
    caller: Caller,
) -> None:
    """Effects are counted per (clientId, tranOrderNo), whatever the operation."""
    await caller.done(PAY, pay_fields("N1"))
    await caller.done(ISSUE, points_fields("N1"))
    order = await caller.order("N1")
    assert (order["operation"], order["effects"]) == ("PAYMENT", 2)


async def test_two_clients_may_use_the_same_number(
    caller: Caller, other_client: Caller
) -> None:
    """The client is part of the key, for orders and for cards."""
    await caller.done(PAY, pay_fields("N1"))
    await other_client.done(PAY, pay_fields("N1", clientId=other_client.client_id))
    assert (await caller.order("N1"))["effects"] == 1
    assert (await other_client.order("N1"))["effects"] == 1
    assert (await caller.balances())["USD"] == (await other_client.balances())["USD"] == "89.50"


async def test_a_void_is_entered_with_what_it_reversed(caller: Caller) -> None:
    """Card and amount of a void are those of its original."""
    original = await caller.done(ISSUE, points_fields("N1", amount="7"))
    await caller.done(VOID, void_fields("N2", original["checkoutId"]))
    order = await caller.order("N2")
    assert (order["operation"], order["effects"], order["points"]) == ("VOID", 1, 7)
    assert (order["accountId"], order["amount"], order["currency"]) == (CARD, None, None)


async def test_a_void_of_the_unknown_is_entered_without_a_card(caller: Caller) -> None:
    """What nobody knows is null."""
    await caller.done(VOID, void_fields("N1", "900000000000000001"))
    order = await caller.order("N1")
    assert (order["accountId"], order["amount"], order["points"]) == (None, None, None)
    assert (order["requests"], order["effects"], order["results"]) == (1, 0, [1])


async def test_a_bad_request_counts_as_a_request_of_its_number(caller: Caller) -> None:
    """Whatever came with a good signature is counted, so that a second try shows."""
    await caller.send(PAY, pay_fields("N1", amount="0"))
    await caller.done(PAY, pay_fields("N1"))
    order = await caller.order("N1")
    assert (order["requests"], order["effects"], order["results"]) == (2, 1, [0])
    assert (await caller.book())["rejected"]["request"] == 1


async def test_reads_and_activations_are_counted(caller: Caller) -> None:
    """Inquiries and queries in one sum each, activations per card."""
    for _ in range(2):
        await caller.send(INQUIRY, card_fields())
        await caller.send(ACTIVATE, activate_fields(accountId=IDLE_CARD))
    await caller.send(QUERY, {"clientId": CLIENT_ID, "transIndexCode": "N1"})
    book = await caller.book()
    assert (book["inquiries"], book["queries"], book["orders"]) == (2, 1, [])
    key = {"clientId": CLIENT_ID, "accountId": IDLE_CARD}
    assert book["activations"] == [key | {"requests": 2, "effects": 2}]


async def test_the_effect_stands_before_the_answer(start: Start) -> None:
    """Latency lies between effect and answer, as it must for a lost answer to be in doubt."""
    caller = await start(Behaviour(plan=slow_plan(30, 30)))
    call = asyncio.create_task(caller.send(PAY, pay_fields("N1")))
    try:
        await caller.first_order_booked(within_seconds=10)
        assert (await caller.order("N1"))["effects"] == 1
        assert (await caller.balances())["USD"] == "89.50"
        assert not call.done()
    finally:
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)


Changes = defaultdict[tuple[str, str], Decimal]
"""Sums by card and value code."""


@dataclass
class Tally:
    """The test's own account: changes that successful replies stand for."""

    changes: Changes = field(default_factory=lambda: defaultdict(Decimal))
    done: dict[str, tuple[str, str, Decimal]] = field(default_factory=dict)
    numbers: int = 0


def _next(chance: random.Random, tally: Tally) -> tuple[str, Fields, str, str, Decimal]:
    """Draw a request: path, fields, and the card, value code and change it would make."""
    tally.numbers += 1
    number = f"N{chance.randrange(1, tally.numbers + 1)}"  # some numbers come again
    card = chance.choice((CARD, IDLE_CARD))
    amount = Decimal(chance.randrange(1, 60_00)).scaleb(-2)
    points = str(chance.randrange(1, 30))
    original = chance.choice([*tally.done, "unknown"])
    account, code, change = tally.done.get(original, (card, "USD", Decimal(0)))
    money = {"accountId": card, "amount": f"{amount}", "tranCurrency": "USD"}
    drawn: list[tuple[str, Fields, str, str, Decimal]] = [
        (PAY, pay_fields(number, **money), card, "USD", -amount),
        (PAY, pay_fields(number, **money, nsfAllowed=True), card, "USD", -amount),
        (RELOAD, reload_fields(number, **money, activating="Y"), card, "USD", amount),
        (RELOAD, reload_fields(number, accountId=card), card, "USD", Decimal(25)),
        (ISSUE, points_fields(number, accountId=card, amount=points), card, "Points",
         Decimal(points)),
        (REDEEM, points_fields(number, accountId=card, amount=points), card, "Points",
         -Decimal(points)),
        (TIP, tip_fields(number, original, accountId=account), account, "USD", Decimal(-2)),
        (VOID, void_fields(number, original), account, code, -change),
    ]  # fmt: skip
    return chance.choice(drawn)


async def _one(caller: Caller, chance: random.Random, tally: Tally) -> int:
    path, fields, card, code, change = _next(chance, tally)
    data = await caller.done(path, fields)
    if data["result"] == 0:
        tally.changes[card, code] += change
        tally.done[data["checkoutId"]] = (card, code, change)
    return 1 - int(data["result"])


@pytest.mark.parametrize("seed", range(4))
async def test_effects_and_balances_agree_after_any_sequence(start: Start, seed: int) -> None:
    """Opening balance + every effect in the book = balance, and both = what the replies said."""
    caller = await start(Behaviour(plan=slow_plan(0, 0.004, seed)))
    opening = {each: await caller.balances(each) for each in (CARD, IDLE_CARD)}
    chance, tally, effects = random.Random(seed), Tally(), 0
    for _ in range(30):
        effects += sum(await asyncio.gather(*(_one(caller, chance, tally) for _ in range(8))))
    book = await caller.book()
    booked: Changes = defaultdict(Decimal)
    for order in book["orders"]:
        assert order["effects"] == len(order["movements"]) == order["results"].count(0)
        assert order["requests"] == len(order["results"])
        for movement in order["movements"]:
            key = movement["accountId"], movement["valueCode"]
            booked[key] += Decimal(movement["change"])
    assert effects == sum(order["effects"] for order in book["orders"])
    assert effects > 50, "the sequence declined nearly everything and shows nothing"
    assert booked == tally.changes
    for account, start_balances in opening.items():
        closing = await caller.balances(account)
        for code, amount in start_balances.items():
            assert Decimal(closing[code]) == Decimal(amount) + booked[account, code]


async def test_the_book_in_lines_is_the_same_book(caller: Caller) -> None:
    """A book of a million orders is read line by line; nothing in it differs from the whole one."""
    await caller.done(PAY, pay_fields("N1"))
    await caller.done(ISSUE, points_fields("N2"))
    await caller.follow(slow_plan(0, 0.001, 1))
    await caller.done(PAY, pay_fields("N3"))
    whole = await caller.book()
    async with caller.session.get(caller.url + "/book", params={"form": "lines"}) as answer:
        lines = [json.loads(line) for line in (await answer.text()).splitlines()]
    told = {
        what: [fields for line in lines for name, fields in line.items() if name == what]
        for what in ("order", "card", "met")
    }
    assert told == {"order": whole["orders"], "card": whole["cards"], "met": whole["met"]}
    assert len(told["met"]) == 1
    assert len(lines) == sum(map(len, told.values()))


async def test_some_orders_of_the_book_are_shown_as_they_stand_in_it(caller: Caller) -> None:
    """Whoever asks for a few orders of many does not wait for all of them."""
    for order in ("N1", "N2", "N3"):
        await caller.done(PAY, pay_fields(order))
    whole = {each["tranOrderNo"]: each for each in (await caller.book())["orders"]}
    url, client_id = caller.url + "/book/orders", whole["N1"]["clientId"]
    wanted = {"clientId": client_id, "tranOrderNos": ["N3", "N1", "unknown"]}
    async with caller.session.post(url, json=wanted) as answer:
        assert await answer.json() == [whole["N3"], whole["N1"]]
    async with caller.session.post(url, json=wanted | {"clientId": "another"}) as answer:
        assert await answer.json() == []
    async with caller.session.get(caller.url + "/book/cards") as answer:
        assert await answer.json() == (await caller.book())["cards"]
    async with caller.session.post(url, json={"clientId": client_id}) as answer:
        assert answer.status == HTTPStatus.BAD_REQUEST
        assert "tranOrderNos" in await answer.text()

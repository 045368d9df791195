"""Answers that are lost, late, cut, spoilt or wrong, with and without an effect behind them."""

import asyncio
import json
from collections.abc import Callable

import pytest

from ops.sandbox.paywizard.fault_kinds import (
    CodeError,
    CutAnswer,
    Delay,
    Drip,
    Fault,
    Garbage,
    HttpError,
    LoseAnswer,
    LoseRequest,
    RefuseToken,
    Truncate,
    WrongType,
)
from ops.sandbox.paywizard.fault_plan import CALM, FaultPlan, Rule, When
from ops.sandbox.paywizard.latency import Constant
from ops.sandbox.paywizard.server import Behaviour
from tests.integration.simulator.caller import (
    CLIENT_ID,
    INQUIRY,
    PAY,
    QUERY,
    Caller,
    Start,
    always,
    card_fields,
    pay_fields,
)


async def effects(caller: Caller) -> tuple[int, int, str | None]:
    """Requests and effects of the order N1, and what became of it; the balance agrees."""
    order = await caller.order("N1")
    moved = {0: "100.00", 1: "89.50"}[order["effects"]]
    assert (await caller.balances())["USD"] == moved
    return order["requests"], order["effects"], order["truth"]


@pytest.mark.parametrize("how", ["close", "reset", "hang"])
@pytest.mark.parametrize(
    ("kind", "left"),
    [(LoseRequest, (1, 0, None)), (LoseAnswer, (1, 1, "SUCCEEDED"))],
    ids=["request", "answer"],
)
async def test_a_lost_request_has_no_effect_and_a_lost_answer_has_one(
    start: Start,
    how: str,
    kind: type[LoseRequest] | type[LoseAnswer],
    left: tuple[int, int, str | None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The caller cannot tell them apart: nothing comes. The book can."""
    caller = await start(always(kind.model_validate({"how": how})))
    heard = await caller.hear(PAY, pay_fields("N1"), 0.5 if how == "hang" else 10)
    assert (heard.pieces, heard.ending) == (
        [],
        {"close": "closed", "reset": "reset", "hang": "silent"}[how],
    )
    assert await effects(caller) == left
    fault = "lose-request" if kind is LoseRequest else "lose-answer"
    assert await caller.met() == [("N1", "giftTransaction", 1, "always", fault)]
    assert not caplog.records


async def test_a_hang_ends_after_its_time(start: Start) -> None:
    """A caller without a timeout is let go."""
    caller = await start(always(LoseAnswer(how="hang", hang_seconds=0.2)))
    heard = await caller.hear(PAY, pay_fields("N1"))
    assert (heard.pieces, heard.ending) == ([], "closed")


@pytest.mark.parametrize(("how", "ending"), [("close", "closed"), ("reset", "reset")])
async def test_a_cut_answer_ends_in_the_middle_of_its_body(
    start: Start, how: str, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Half of what was announced comes; the effect stands."""
    caller = await start(always(CutAnswer.model_validate({"how": how})))
    heard = await caller.hear(PAY, pay_fields("N1"))
    assert heard.ending == ending
    assert heard.body.startswith(b'{"code":200,')
    assert len(heard.body) == heard.body_length // 2
    assert await effects(caller) == (1, 1, "SUCCEEDED")
    assert not caplog.records


async def test_a_dripping_answer_is_right_but_slow(start: Start) -> None:
    """Each piece comes before any read timeout; the whole takes its time."""
    caller = await start(always(Drip(bytes_each=40, every_seconds=0.05)))
    began = asyncio.get_running_loop().time()
    heard = await caller.hear(PAY, pay_fields("N1"))
    took = asyncio.get_running_loop().time() - began
    assert json.loads(heard.body)["data"]["result"] == 0
    steps = -(-heard.body_length // 40)
    assert steps >= 5
    assert took >= steps * 0.05
    assert len(heard.pieces) >= 3
    assert await effects(caller) == (1, 1, "SUCCEEDED")


async def test_a_caller_that_leaves_a_drip_leaves_no_noise(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """The simulator goes on with the next."""
    caller = await start(always(Drip(every_seconds=0.02), operations=["giftTransaction"]))
    heard = await caller.hear(PAY, pay_fields("N1"), patience_seconds=0.2)
    assert heard.ending == "silent"
    await asyncio.sleep(0.2)  # it drips on against a closed connection
    assert (await caller.send(INQUIRY, card_fields())).code == 200
    assert not caplog.records


def _half_json(body: bytes) -> bool:
    return body.startswith(b'{"code":200,"msg":"success"') and not body.endswith(b"}")


@pytest.mark.parametrize(
    ("fault", "spoilt"),
    [
        (Garbage(content="html"), lambda body: body.startswith(b"<html>")),
        (Garbage(content="bytes"), lambda body: len(body) == 64),
        (Garbage(content="empty"), lambda body: body == b""),
        (Truncate(), _half_json),
    ],
    ids=["html", "bytes", "empty", "truncated"],
)
async def test_a_spoilt_body_is_a_whole_http_answer_without_json(
    start: Start, fault: Fault, spoilt: Callable[[bytes], bool]
) -> None:
    """HTTP 200 with all the bytes that it announces; the effect stands."""
    caller = await start(always(fault))
    heard = await caller.hear(PAY, pay_fields("N1"))
    assert (heard.status, heard.ending) == (200, "closed")
    assert len(heard.body) == heard.body_length
    assert spoilt(heard.body)
    with pytest.raises((json.JSONDecodeError, UnicodeDecodeError)):
        json.loads(heard.body)
    assert await effects(caller) == (1, 1, "SUCCEEDED")


@pytest.mark.parametrize("effect", [False, True])
@pytest.mark.parametrize("status", [302, 400, 403, 408, 429, 500, 503])
async def test_an_http_error_comes_with_or_without_an_effect(
    start: Start, status: int, effect: bool
) -> None:
    """Processing may have happened before the error (gap G8)."""
    caller = await start(always(HttpError(status=status, effect=effect)))
    heard = await caller.hear(PAY, pay_fields("N1"))
    envelope = json.loads(heard.body)
    assert (heard.status, envelope["code"], envelope["data"]) == (status, status, None)
    assert await effects(caller) == ((1, 1, "SUCCEEDED") if effect else (1, 0, None))
    assert await caller.met() == [("N1", "giftTransaction", 1, "always", "http-error")]


@pytest.mark.parametrize(
    "said", [None, 3, "Wed, 21 Oct 2026 07:28:00 GMT", "soon"], ids=["none", "3", "date", "odd"]
)
async def test_too_many_requests_may_say_when_to_come_again(
    start: Start, said: str | int | None
) -> None:
    """429 with `Retry-After` in seconds, as a date, as nonsense, and without it."""
    caller = await start(always(HttpError(status=429, retry_after=said)))
    content = json.dumps(pay_fields("N1")).encode()
    async with caller.session.post(
        caller.url + PAY, data=content, headers=caller.headers(content)
    ) as response:
        assert response.status == 429
        assert response.headers.get("Retry-After") == (None if said is None else str(said))
    assert await effects(caller) == (1, 0, None)


@pytest.mark.parametrize("effect", [False, True])
async def test_an_error_code_comes_in_a_200(start: Start, effect: bool) -> None:
    """The code in the body is not 200, and HTTP says that all is well."""
    caller = await start(always(CodeError(code=5001, msg="busy", effect=effect)))
    reply = await caller.send(PAY, pay_fields("N1"))
    assert (reply.status, reply.code, reply.envelope["msg"]) == (200, 5001, "busy")
    assert reply.envelope["data"] is None
    assert (await effects(caller))[1] == int(effect)


@pytest.mark.parametrize("status", [200, 401, 403])
async def test_a_good_token_is_refused(start: Start, status: int) -> None:
    """Nothing moves, and the book does not take it for a wrong token."""
    caller = await start(always(RefuseToken.model_validate({"status": status})))
    reply = await caller.send(PAY, pay_fields("N1"))
    assert (reply.status, reply.code, reply.envelope["data"]) == (status, 401, None)
    assert await effects(caller) == (1, 0, None)
    assert (await caller.book())["rejected"]["token"] == 0


WRONG = [True, False, "0", "200", "2", 1.0, 0.0, 0.5, None, 7, [0], {"result": 0}]


@pytest.mark.parametrize("value", WRONG, ids=str)
@pytest.mark.parametrize("field", ["code", "result", "state"])
async def test_a_field_has_another_type(start: Start, field: str, value: object) -> None:
    """`true`, `"0"`, 1.0: exactly the JSON of the plan, digits included."""
    operation = "queryOrder" if field == "state" else "giftTransaction"
    fault = WrongType.model_validate({"field": field, "value": value})
    caller = await start(always(fault, operations=[operation]))
    paid = await caller.send(PAY, pay_fields("N1"))
    found = await caller.send(QUERY, {"clientId": CLIENT_ID, "transIndexCode": "N1"})
    spoilt = found if field == "state" else paid
    assert f'"{field}":{json.dumps(value, separators=(",", ":"))}' in spoilt.text
    assert await effects(caller) == (1, 1, "SUCCEEDED")
    assert len(await caller.met()) == 1


@pytest.mark.parametrize("field", ["code", "result"])
async def test_a_field_is_missing(start: Start, field: str) -> None:
    """Left out altogether (gap G25)."""
    caller = await start(always(WrongType.model_validate({"field": field, "missing": True})))
    reply = await caller.send(PAY, pay_fields("N1"))
    assert f'"{field}"' not in reply.text
    assert '"checkoutId"' in reply.text


async def test_an_answer_without_the_field_meets_nothing(start: Start) -> None:
    """A state cannot be of a wrong type where no order was found."""
    caller = await start(always(WrongType(field="state", value=True)))
    reply = await caller.send(QUERY, {"clientId": CLIENT_ID, "transIndexCode": "N1"})
    assert (reply.code, reply.envelope["data"]) == (200, None)
    assert await caller.met() == []


async def test_a_delay_before_the_effect_leaves_nothing_to_be_found(start: Start) -> None:
    """Meanwhile a query says not found; later it happens all the same, caller or no caller."""
    delay = Delay(at="before-effect", latency=Constant(seconds=0.5))
    caller = await start(always(delay, operations=["giftTransaction"]))
    call = asyncio.create_task(caller.send(PAY, pay_fields("N1")))
    await caller.first_order_booked(within_seconds=10)
    assert await effects(caller) == (1, 0, None)
    query = {"clientId": CLIENT_ID, "transIndexCode": "N1"}
    assert (await caller.send(QUERY, query)).envelope["data"] is None
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    async with asyncio.timeout(10):
        while (await caller.order("N1"))["effects"] == 0:  # noqa: ASYNC110  # its own clock
            await asyncio.sleep(0.05)
    assert await effects(caller) == (1, 1, "SUCCEEDED")


async def test_a_delay_before_the_answer_and_a_fault_come_together(start: Start) -> None:
    """Of each stage one rule strikes: late, and then lost."""
    rules = (
        Rule(name="late", fault=Delay(latency=Constant(seconds=0.3))),
        Rule(name="lost", fault=LoseAnswer()),
        Rule(name="never reached", fault=Garbage()),
    )
    caller = await start(Behaviour(plan=FaultPlan(rules=rules)))
    began = asyncio.get_running_loop().time()
    assert (await caller.hear(PAY, pay_fields("N1"))).pieces == []
    assert asyncio.get_running_loop().time() - began >= 0.3
    assert [rule for *_, rule, _ in await caller.met()] == ["lost", "late"]


async def test_another_plan_is_followed_at_once(start: Start) -> None:
    """`PUT /plan` calms the simulator down; the book keeps both plans with their times."""
    caller = await start(always(LoseRequest()))
    assert (await caller.hear(PAY, pay_fields("N1"))).pieces == []
    await caller.follow(CALM)
    assert (await caller.send(PAY, pay_fields("N1"))).code == 200
    book = await caller.book()
    assert [len(each["plan"].get("rules", [])) for each in book["plans"]] == [1, 0]
    assert book["plans"][0]["plan"]["rules"][0]["fault"]["kind"] == "lose-request"
    assert book["plans"][0]["at"] < book["plans"][1]["at"]
    async with caller.session.get(caller.url + "/plan") as response:
        assert FaultPlan.model_validate_json(await response.text()) == CALM


async def test_a_plan_may_name_more_orders_than_a_request_has_bytes(start: Start) -> None:
    """The limit of 64 KiB is for PayWizard's bodies."""
    caller = await start(Behaviour())
    orders = tuple(f"script-{number:06d}" for number in range(10_000))
    script = Rule(name="script", when=When(orders=orders), fault=LoseRequest())
    await caller.follow(FaultPlan(rules=(script,)))
    assert (await caller.hear(PAY, pay_fields(orders[-1]))).pieces == []
    assert (await caller.send(PAY, pay_fields("N1"))).code == 200


async def test_a_plan_that_is_none_is_refused_and_changes_nothing(start: Start) -> None:
    """The answer says what is wrong with it."""
    caller = await start(always(LoseRequest()))
    bad = '{"rules":[{"name":"x","fault":{"kind":"explode"}}]}'
    async with caller.session.put(caller.url + "/plan", data=bad) as response:
        assert response.status == 400
        assert "explode" in await response.text()
    assert (await caller.hear(PAY, pay_fields("N1"))).pieces == []
    assert len((await caller.book())["plans"]) == 1

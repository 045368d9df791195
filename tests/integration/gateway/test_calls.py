"""Calls as a whole: what goes over the wire, how its answer is judged, and what is counted."""

import asyncio
import json
from dataclasses import replace

import pytest
from prometheus_client import Histogram

from tests.integration.gateway.scripts import Gate, always, seen
from tests.integration.gateway.support import (
    CARD,
    NOW,
    OTHERS_CARD,
    OTHERS_PAYMENT,
    PAYMENT,
    POLICY,
    approval,
    execute,
    new_metrics,
    open_gateway,
    value,
)
from tests.integration.gateway.trap_server import Conversation, trap
from worker.adapters.paywizard.signature import sign
from worker.domain.commands import Activate, Payment, Tip, Void
from worker.domain.replies import (
    Approved,
    Doubt,
    NoAnswer,
    OrderFound,
    OrderNotFound,
    Throttled,
)


async def test_what_is_sent_is_what_was_signed() -> None:
    """One body, serialised once; the documented headers, and nothing that tells who we are."""
    async with trap(always(approval())) as server, open_gateway(server.url) as gateway:
        await execute(gateway, PAYMENT, CARD)
    (received,) = server.received
    assert received.head.startswith(
        b"POST /ovstrade/openLoyaltyPay/giftTransaction HTTP/1.1\r\n"
    )
    assert received.headers == {
        "host": server.url.removeprefix("http://"),
        "accept": "*/*",
        "accept-encoding": "identity",
        "connection": "keep-alive",
        "user-agent": "paywizard-worker",
        "content-type": "application/json",
        "content-length": str(len(received.body)),
        "jwt-token": "one-TOKEN",
        "sign": sign(received.body, "one", "one-secret"),
    }
    assert json.loads(received.body)["tranOrderNo"] == PAYMENT.tran_order_no


async def test_each_client_signs_with_its_own_credential() -> None:
    """P14: one client's money is moved with that client's secret only."""
    async with trap(always(approval())) as server, open_gateway(server.url) as gateway:
        await execute(gateway, OTHERS_PAYMENT, OTHERS_CARD)
    (received,) = server.received
    assert received.headers["jwt-token"] == "two-TOKEN"
    assert received.headers["sign"] == sign(received.body, "two", "two-secret")


async def test_a_base_url_may_have_a_path() -> None:
    """A gateway of the company's own may stand before PayWizard."""
    async with (
        trap(always(approval())) as server,
        open_gateway(server.url + "/outbound") as gateway,
    ):
        await execute(gateway, PAYMENT, CARD)
    assert server.received[0].head.startswith(b"POST /outbound/ovstrade/openLoyaltyPay/")


async def test_a_void_knows_which_original_it_sent() -> None:
    """G13 over the wire: the reply names another original."""
    void = Void(
        tran_order_no="V-1", client_id="one", requested_at=NOW, original_checkout_id="900"
    )
    body = approval(oriCheckoutId="901")
    async with trap(always(body)) as server, open_gateway(server.url) as gateway:
        reply = await execute(gateway, void, None, "900")
    assert isinstance(reply, NoAnswer)
    assert reply.doubt is Doubt.BAD_REPLY


async def test_an_activation_is_judged_by_its_card() -> None:
    """It has no `result`: a reply like a payment's is no answer."""
    activation = Activate(
        tran_order_no="A-1",
        client_id="one",
        requested_at=NOW,
        account_id=CARD.account_id,
        entry_type="K",
        activating=True,
        customer_info={},
    )
    good = json.dumps({"code": 200, "data": {"accountId": CARD.account_id}}).encode()

    async def serve(client: Conversation) -> None:
        for body in (good, approval()):
            await client.read()
            await client.answer(body)

    async with trap(serve) as server, open_gateway(server.url) as gateway:
        assert isinstance(await execute(gateway, activation, CARD), Approved)
        assert isinstance(await execute(gateway, activation, CARD), NoAnswer)


async def test_http_429_says_when_to_come_back() -> None:
    """`Retry-After` in seconds, or as a date by our own clock."""

    async def throttle(client: Conversation) -> None:
        for when in (b"7", b"Mon, 05 Jan 2026 12:00:30 GMT"):
            await client.read()
            await client.answer(b"", 429, b"Retry-After: " + when + b"\r\n")

    async with trap(throttle) as server, open_gateway(server.url) as gateway:
        replies = [await execute(gateway, PAYMENT, CARD) for _ in range(2)]
    waits = [reply.retry_after_seconds for reply in replies if isinstance(reply, Throttled)]
    assert waits == [7.0, 30.0]


async def test_a_status_query_finds_an_order_or_not() -> None:
    """`state` stays what it is; no data is not found."""

    async def serve(client: Conversation) -> None:
        for data in ({"state": 2, "checkoutId": "900"}, None):
            await client.read()
            await client.answer(json.dumps({"code": 200, "data": data}).encode())

    async with trap(serve) as server, open_gateway(server.url) as gateway:
        found = await gateway.query_order("one", checkout_id="900")
        lost = await gateway.query_order("one", trans_index_code="TEST-1")
    assert found == OrderFound(state=2, checkout_id="900")
    assert isinstance(lost, OrderNotFound)
    assert [json.loads(received.body) for received in server.received] == [
        {"clientId": "one", "checkoutId": "900"},
        {"clientId": "one", "transIndexCode": "TEST-1"},
    ]


async def test_nothing_waits_in_the_pool() -> None:
    """More calls than aiohttp's default pool of 100: each has a connection at once."""
    gate = Gate()
    async with trap(gate.script) as server, open_gateway(server.url) as gateway:
        calls = [asyncio.create_task(execute(gateway, PAYMENT, CARD)) for _ in range(120)]
        await seen(server, 120)
        gate.opened.set()
        await asyncio.gather(*calls)
    assert len(server.connections) == 120


async def test_a_cancelled_call_gives_its_slot_and_connection_back() -> None:
    """Whoever stops waiting leaves nothing behind that a later answer could reach."""
    gate = Gate()
    one_slot = replace(POLICY, concurrency_max=1)
    async with trap(gate.script) as server, open_gateway(server.url, one_slot) as gateway:
        call = asyncio.create_task(execute(gateway, PAYMENT, CARD))
        await seen(server, 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        gate.opened.set()
        assert isinstance(await execute(gateway, PAYMENT, CARD), Approved)
    assert len(server.connections) == 2


async def test_calls_are_counted_by_what_came_of_them() -> None:
    """The catalogue of ops.md 1.4; a request that never left has no duration."""
    metrics = new_metrics()

    async def serve(client: Conversation) -> None:
        for body, status in ((approval(), 200), (b"", 400), (b"", 599)):
            await client.read()
            await client.answer(body, status)
        await client.read()

    async with (
        trap(serve) as server,
        open_gateway(server.url, metrics=metrics) as gateway,
    ):
        for _ in range(4):
            await execute(gateway, PAYMENT, CARD)
        too_late: Payment = replace(PAYMENT, expires_at=NOW)
        await execute(gateway, too_late, CARD)
    replies = {
        name: value(metrics.gateway_replies_total, call="payment", reply=name)
        for name in ("Approved", "Refused", "NoAnswer", "NotSent")
    }
    assert replies == {"Approved": 1, "Refused": 1, "NoAnswer": 2, "NotSent": 1}
    codes = {
        code: value(metrics.gateway_http_responses_total, call="payment", code=code)
        for code in ("200", "400", "other")
    }
    assert codes == {"200": 1, "400": 1, "other": 1}
    failures = {
        name: value(metrics.gateway_client_failures_total, client="one", reply=name)
        for name in ("Refused", "NoAnswer", "NotSent")
    }
    assert failures == {"Refused": 1, "NoAnswer": 2, "NotSent": 1}
    durations = {
        result: count(metrics.gateway_call_duration_seconds, call="payment", result=result)
        for result in ("answer", "no_answer")
    }
    assert durations == {"answer": 2, "no_answer": 2}


async def test_a_status_query_is_counted_under_its_own_name() -> None:
    """An answered query is Approved, like an inquiry: both only read."""
    metrics = new_metrics()
    async with (
        trap(always(b'{"code":200,"data":null}')) as server,
        open_gateway(server.url, metrics=metrics) as gateway,
    ):
        await gateway.query_order("one", checkout_id="900")
    counted = value(metrics.gateway_replies_total, call="status_query", reply="Approved")
    assert counted == 1


async def test_a_tip_names_its_original_and_card() -> None:
    """The card is that of the original payment."""
    tip = Tip(
        tran_order_no="T-1",
        client_id="one",
        requested_at=NOW,
        original_tran_order_no=PAYMENT.tran_order_no,
        account_id=CARD.account_id,
        entry_type="K",
        money=PAYMENT.money,
    )
    async with trap(always(approval())) as server, open_gateway(server.url) as gateway:
        assert isinstance(await execute(gateway, tip, CARD, "900"), Approved)
    sent = json.loads(server.received[0].body)
    assert (sent["oriOrderNo"], sent["accountId"]) == ("900", CARD.account_id)


def count(histogram: Histogram, **labels: str) -> float:
    """How many observations one child has."""
    metrics = histogram.labels(**labels).collect()
    samples = [sample for metric in metrics for sample in metric.samples]
    return next(sample.value for sample in samples if sample.name.endswith("_count"))

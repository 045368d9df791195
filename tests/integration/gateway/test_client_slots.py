"""Each client's own slots over sockets: its concurrency, its rate, its circuit, and nobody else's (P14)."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pytest

from tests.integration.gateway.scripts import Doorkeeper, Gate, always, seen
from tests.integration.gateway.support import (
    CARD,
    CREDENTIALS,
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
from tests.integration.gateway.trap_server import Received, TrapServer, trap
from worker.adapters.paywizard.credentials import Credential, UnknownClientError
from worker.adapters.paywizard.signature import sign
from worker.domain.replies import Approved, Refused

NEW = "one-NEW-TOKEN"
PATIENT = replace(POLICY, probing=replace(POLICY.probing, first_delay_seconds=3600.0))
"""Probes only when the secrets have changed."""
EAGER = replace(POLICY, probing=replace(POLICY.probing, first_delay_seconds=0.01))


@dataclass
class Secrets:
    """What the secret files hold."""

    held: Iterable[Credential] = CREDENTIALS

    def load(self) -> Iterable[Credential]:
        """Read them."""
        return self.held

    def renew(self) -> None:
        """Give client one another token."""
        self.held = (replace(CREDENTIALS[0], jwt_token=NEW), CREDENTIALS[1])


def tokens_by_path(server: TrapServer) -> list[tuple[str, str]]:
    """What was asked with which token, in order."""
    return [(last_of_path(each), each.headers["jwt-token"]) for each in server.received]


def last_of_path(received: Received) -> str:
    """What was asked for."""
    return received.head.split(b" ", 2)[1].decode().rpartition("/")[2]


async def test_a_client_has_no_more_calls_open_than_its_slots() -> None:
    """Its own limit or that of all; another client's calls do not wait for it (P14)."""
    gate, metrics = Gate(), new_metrics()
    credentials = (replace(CREDENTIALS[0], concurrency_max=2), CREDENTIALS[1])
    async with (
        trap(gate.script) as server,
        open_gateway(
            server.url,
            replace(POLICY, concurrency_max=1),
            load=lambda: credentials,
            metrics=metrics,
        ) as gateway,
    ):
        calls = [asyncio.create_task(execute(gateway, PAYMENT, CARD)) for _ in range(5)]
        calls += [
            asyncio.create_task(execute(gateway, OTHERS_PAYMENT, OTHERS_CARD)) for _ in range(2)
        ]
        await seen(server, 3)
        clients = sorted(json.loads(received.body)["clientId"] for received in server.received)
        assert clients == ["one", "one", "two"]
        assert value(metrics.gateway_in_flight, client="one") == 2
        gate.opened.set()
        replies = await asyncio.gather(*calls)
    assert all(isinstance(reply, Approved) for reply in replies)
    assert len(server.received) == 7
    assert len(server.connections) <= 3
    assert value(metrics.gateway_in_flight, client="one") == 0


async def test_a_client_has_a_rate_of_its_own() -> None:
    """One call in a quarter of an hour for all, but a thousand a second for client two."""
    credentials = (CREDENTIALS[0], replace(CREDENTIALS[1], requests_per_second_max=1000.0))
    async with (
        trap(always(approval())) as server,
        open_gateway(
            server.url,
            replace(POLICY, requests_per_second_max=0.001),
            load=lambda: credentials,
        ) as gateway,
    ):
        calls = [asyncio.create_task(execute(gateway, PAYMENT, CARD)) for _ in range(2)]
        for _ in range(3):
            assert isinstance(await execute(gateway, OTHERS_PAYMENT, OTHERS_CARD), Approved)
        assert isinstance(await calls[0], Approved)
        assert not calls[1].done()
        calls[1].cancel()
    assert len(server.received) == 4


async def test_one_clients_refused_token_leaves_the_others_untouched() -> None:
    """P14: that client's orders wait and are not used up, until its secrets are renewed."""
    secrets, metrics = Secrets(), new_metrics()
    refused = Doorkeeper({CREDENTIALS[0].jwt_token})
    async with (
        trap(refused.script) as server,
        open_gateway(server.url, PATIENT, load=secrets.load, metrics=metrics) as gateway,
    ):
        reply = await execute(gateway, PAYMENT, CARD)
        assert isinstance(reply, Refused)
        assert reply.unauthorised
        waiting = [asyncio.create_task(execute(gateway, PAYMENT, CARD)) for _ in range(3)]
        for _ in range(5):
            assert isinstance(await execute(gateway, OTHERS_PAYMENT, OTHERS_CARD), Approved)
        assert not any(call.done() for call in waiting)
        assert len(server.received) == 1 + 5
        assert value(metrics.gateway_circuit_state, client="one", state="open") == 1
        assert value(metrics.gateway_circuit_state, client="two", state="closed") == 1
        secrets.renew()
        await gateway.reload_credentials()
        async with asyncio.timeout(5):
            replies = await asyncio.gather(*waiting)
    assert all(isinstance(reply, Approved) for reply in replies)
    assert tokens_by_path(server)[6:] == [("queryOrder", NEW), *[("giftTransaction", NEW)] * 3]
    opened = metrics.gateway_circuit_opened_total
    assert value(opened, client="one", reason="unauthorised") == 1
    assert value(opened, client="two", reason="unauthorised") == 0


async def test_a_probe_asks_for_an_order_that_never_was() -> None:
    """It moves nothing; it is signed like any request, and counted as a status query."""
    metrics = new_metrics()
    refused = Doorkeeper({CREDENTIALS[0].jwt_token})
    async with (
        trap(refused.script) as server,
        open_gateway(server.url, EAGER, metrics=metrics) as gateway,
    ):
        await execute(gateway, PAYMENT, CARD)
        await seen(server, 3)
        refused.refused.clear()
        async with asyncio.timeout(5):
            assert isinstance(await execute(gateway, PAYMENT, CARD), Approved)
    asked = server.received[1:-1]
    assert len(asked) >= 2
    for probe in asked:
        assert last_of_path(probe) == "queryOrder"
        assert json.loads(probe.body) == {"clientId": "one", "checkoutId": "0" * 18}
        assert probe.headers["sign"] == sign(probe.body, "one", "one-secret")
    counted = value(metrics.gateway_replies_total, call="status_query", reply="Refused")
    assert counted >= 1
    assert last_of_path(server.received[-1]) == "giftTransaction"


@pytest.mark.parametrize(
    ("status", "body"),
    [(401, b""), (403, b""), (200, b'{"code":401,"msg":"invalid token","data":null}')],
)
async def test_a_refused_token_makes_the_secrets_be_read_again(
    status: int, body: bytes
) -> None:
    """The refused call stays refused; new secrets are probed at once, and the next call uses them."""
    secrets = Secrets()
    refused = Doorkeeper({CREDENTIALS[0].jwt_token}, status, body)
    async with (
        trap(refused.script) as server,
        open_gateway(server.url, PATIENT, load=secrets.load) as gateway,
    ):
        secrets.renew()
        assert isinstance(await execute(gateway, PAYMENT, CARD), Refused)
        async with asyncio.timeout(5):
            assert isinstance(await execute(gateway, PAYMENT, CARD), Approved)
    assert tokens_by_path(server) == [
        ("giftTransaction", "one-TOKEN"),
        ("queryOrder", NEW),
        ("giftTransaction", NEW),
    ]


async def test_a_refusal_of_secrets_that_were_replaced_meanwhile_holds_nobody() -> None:
    """Calls that were out with the old token end refused; the new one is not under suspicion."""
    secrets, metrics = Secrets(), new_metrics()
    refused = Doorkeeper({CREDENTIALS[0].jwt_token})
    refused.answering.clear()
    async with (
        trap(refused.script) as server,
        open_gateway(server.url, PATIENT, load=secrets.load, metrics=metrics) as gateway,
    ):
        async with gateway.slot("one") as window:
            call = asyncio.create_task(gateway.execute(PAYMENT, CARD, window))
            await seen(server, 1)
            secrets.renew()
            await gateway.reload_credentials()
            refused.answering.set()
            assert isinstance(await call, Refused)
        assert isinstance(await execute(gateway, PAYMENT, CARD), Approved)
    assert value(metrics.gateway_circuit_opened_total, client="one", reason="unauthorised") == 0
    assert [path for path, _ in tokens_by_path(server)] == ["giftTransaction"] * 2


async def test_refusals_with_answered_calls_between_them_are_probed_soon() -> None:
    """Fourteen doublings would take minutes: only refusals that follow each other are slowed."""
    token = CREDENTIALS[0].jwt_token
    doorkeeper = Doorkeeper(set())
    async with (
        trap(doorkeeper.script) as server,
        open_gateway(server.url, EAGER) as gateway,
        asyncio.timeout(10),
    ):
        for _ in range(14):
            doorkeeper.refused.add(token)
            assert isinstance(await execute(gateway, PAYMENT, CARD), Refused)
            doorkeeper.refused.clear()
            assert isinstance(await execute(gateway, PAYMENT, CARD), Approved)


async def test_a_slot_of_a_client_that_nobody_configured_is_an_error() -> None:
    """The application asks first whether a client is known."""
    async with open_gateway("http://127.0.0.1:1") as gateway:
        with pytest.raises(UnknownClientError):
            async with gateway.slot("nobody"):
                pass


async def test_a_client_that_a_reload_added_has_slots() -> None:
    """Nobody starts the worker again for a new merchant."""
    secrets = Secrets(CREDENTIALS[:1])
    async with (
        trap(always(approval())) as server,
        open_gateway(server.url, load=secrets.load) as gateway,
    ):
        secrets.held = CREDENTIALS
        await gateway.reload_credentials()
        assert isinstance(await execute(gateway, OTHERS_PAYMENT, OTHERS_CARD), Approved)
    assert len(server.received) == 1

"""The simulator as a process: it starts, answers, and ends as an operator expects."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import httpx
import pytest

from ops.sandbox.paywizard.fault_kinds import LoseAnswer
from ops.sandbox.paywizard.fault_plan import CALM, FaultPlan, Rule, slow_plan
from ops.sandbox.paywizard.world import World, make_sandbox_world, read_world
from ops.sandbox.simulator_process import SimulatorProcess
from tests.integration.simulator.caller import PAY, Caller, pay_fields

START_SECONDS_MAX = 30
END_SECONDS_MAX = 10


async def _start(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ops.sandbox.paywizard", *arguments, stdout=PIPE, stderr=PIPE
    )


@asynccontextmanager
async def _running(*arguments: str) -> AsyncIterator[tuple[Process, str]]:
    """A process that has said where it listens; killed at the end if it is still there."""
    process = await _start(*arguments)
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS_MAX)
        event = json.loads(line)
        assert event["event"] == "listening"
        yield process, event["url"]
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _terminate(process: Process) -> tuple[int | None, bytes, bytes]:
    process.send_signal(signal.SIGTERM)
    out, err = await asyncio.wait_for(process.communicate(), END_SECONDS_MAX)
    return process.returncode, out, err


async def test_it_serves_a_configuration_and_ends_cleanly_on_sigterm(
    world: World, tmp_path: Path
) -> None:
    """One line on standard output, then silence; SIGTERM ends with 0."""
    config = tmp_path / "world.json"
    config.write_text(world.to_json())
    assert read_world(config) == world
    async with (
        _running("--port", "0", "--config", str(config)) as (process, url),
        aiohttp.ClientSession() as session,
    ):
        assert url.startswith("http://127.0.0.1:")
        caller = Caller(session, url)
        assert (await caller.done(PAY, pay_fields("N1")))["result"] == 0
        assert (await caller.order("N1"))["effects"] == 1
        assert await _terminate(process) == (0, b"", b"")


async def test_sigterm_does_not_wait_for_slow_answers(world: World, tmp_path: Path) -> None:
    """An answer that latency holds back is cut off: the caller is in doubt, the end is clean."""
    config = tmp_path / "world.json"
    config.write_text(world.to_json())
    async with (
        _running("--config", str(config), "--latency", "60,60") as (process, url),
        aiohttp.ClientSession() as session,
    ):
        caller = Caller(session, url)
        call = asyncio.create_task(caller.send(PAY, pay_fields("N1")))
        await caller.first_order_booked(within_seconds=10)
        assert (await _terminate(process))[0] == 0
        (outcome,) = await asyncio.gather(call, return_exceptions=True)
        assert isinstance(outcome, aiohttp.ClientError)


async def test_clients_on_the_command_line_get_seeded_cards(world: World) -> None:
    """`--clients` takes the array of clients; the book then shows their cards."""
    clients = json.dumps([client.model_dump(by_alias=True) for client in world.clients])
    async with (
        _running("--clients", clients, "--seed", "7") as (process, url),
        aiohttp.ClientSession() as session,
    ):
        cards = (await Caller(session, url).book())["cards"]
        assert len(cards) == 25
        assert {card["clientId"] for card in cards} == {
            each.client_id for each in world.clients
        }
        assert (await _terminate(process))[0] == 0


async def test_a_bad_configuration_ends_with_2_and_prints_no_secret(tmp_path: Path) -> None:
    """The missing field is named; the secret beside it is not shown."""
    config = tmp_path / "world.json"
    config.write_text('{"clients":[{"clientSecret":"open-sesame"}]}')
    process = await _start("--config", str(config))
    _, err = await asyncio.wait_for(process.communicate(), START_SECONDS_MAX)
    assert process.returncode == 2
    assert b"jwtToken" in err
    assert b"open-sesame" not in err


PLAN = FaultPlan(rules=(Rule(name="gone", fault=LoseAnswer()),))


async def test_it_follows_the_plan_of_a_file(world: World, tmp_path: Path) -> None:
    """`--faults FILE`; a path without a plan ends with 2 and says why."""
    config, faults = tmp_path / "world.json", tmp_path / "faults.json"
    config.write_text(world.to_json())
    faults.write_text(PLAN.to_json())
    async with (
        _running("--config", str(config), "--faults", str(faults)) as (process, url),
        aiohttp.ClientSession() as session,
    ):
        caller = Caller(session, url)
        assert (await caller.hear(PAY, pay_fields("N1"))).pieces == []
        assert (await caller.order("N1"))["truth"] == "SUCCEEDED"
        assert (await _terminate(process))[0] == 0
    faults.write_text('{"rules":[{"name":"x","fault":{"kind":"explode"}}]}')
    process = await _start("--faults", str(faults))
    _, err = await asyncio.wait_for(process.communicate(), START_SECONDS_MAX)
    assert process.returncode == 2
    assert b"explode" in err


async def test_a_simulator_process_follows_another_plan(world: World, tmp_path: Path) -> None:
    """What the demo and the end-to-end tests start is told to calm down while it runs."""
    simulator = await asyncio.to_thread(SimulatorProcess, tmp_path, world, plan=PLAN)
    with simulator:
        async with aiohttp.ClientSession() as session:
            caller = Caller(session, simulator.url)
            assert (await caller.hear(PAY, pay_fields("N1"))).pieces == []
            await asyncio.to_thread(simulator.follow, CALM)
            assert (await caller.done(PAY, pay_fields("N2")))["result"] == 0


async def test_the_latency_of_a_simulator_process_is_a_plan(
    world: World, tmp_path: Path
) -> None:
    """One mechanism: what is asked for in seconds stands in the book as a rule."""
    simulator = await asyncio.to_thread(
        SimulatorProcess, tmp_path, world, latency_seconds=(0.1, 0.2), seed=3
    )
    with simulator:
        async with aiohttp.ClientSession() as session:
            caller = Caller(session, simulator.url)
            began = asyncio.get_running_loop().time()
            await caller.done(PAY, pay_fields("N1"))
            assert asyncio.get_running_loop().time() - began >= 0.1
            (plan,) = [each["plan"] for each in (await caller.book())["plans"]]
            assert FaultPlan.model_validate(plan) == slow_plan(0.1, 0.2, 3)
            assert await caller.met() == [("N1", "giftTransaction", 1, "latency", "delay")]


def test_a_sandbox_world_is_made_up_from_its_seed() -> None:
    """The same seed gives the same world; identifiers have the documented shapes."""
    world = make_sandbox_world(1, clients=2, cards=25)
    assert world == make_sandbox_world(1, clients=2, cards=25)
    assert world != make_sandbox_world(2, clients=2, cards=25)
    assert World.model_validate_json(world.to_json()) == world
    assert (len(world.clients), len(world.cards)) == (2, 25)
    assert {len(client.client_id) for client in world.clients} == {18}
    assert {len(client.mid) for client in world.clients} == {12}
    assert {len(card.account_id) for card in world.cards} == {15}
    assert {card.active for card in world.cards} == {True, False}
    assert {card.client_id for card in world.cards} == {
        each.client_id for each in world.clients
    }


def test_a_paused_simulator_keeps_its_callers_waiting(world: World, tmp_path: Path) -> None:
    """It accepts and does not answer, and afterwards answers as if nothing had been."""
    with SimulatorProcess(tmp_path, world) as simulator:
        with simulator.paused(), pytest.raises(httpx.ReadTimeout):
            httpx.get(simulator.book_url, timeout=0.3, trust_env=False)
        assert httpx.get(simulator.book_url, timeout=30, trust_env=False).is_success

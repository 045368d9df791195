"""A client's slots on virtual time: order, concurrency, rate, circuit, and nothing left by the cancelled."""

import asyncio

import pytest

from tests.unit.adapters.paywizard.slot_bench import ONE, now, opened, read
from tests.unit.adapters.paywizard.virtual_time import on_virtual_time
from worker.application.halting import Halt, HaltedError


@on_virtual_time
async def test_calls_go_in_the_order_of_asking_and_never_more_than_the_limit() -> None:
    """Two slots, ten seconds each: pairs, first come first served."""
    bench = opened(concurrency_max=2)
    await bench.calls(5)
    assert bench.began == [("0", 0.0), ("1", 0.0), ("2", 10.0), ("3", 10.0), ("4", 20.0)]
    assert bench.out_max == 2
    assert bench.throttled() == 10 + 10 + 20


@on_virtual_time
async def test_calls_are_spaced_by_the_rate() -> None:
    """Four a second, however many slots are free."""
    bench = opened(concurrency_max=256, rate=4.0)
    await bench.calls(9, seconds=0.1)
    assert [at for _, at in bench.began] == [turn / 4 for turn in range(9)]
    assert bench.throttled() == sum(turn / 4 for turn in range(9))


@on_virtual_time
async def test_a_free_slot_costs_no_time() -> None:
    """Nor is anything counted as throttled."""
    bench = opened()
    await bench.calls(2)
    assert [at for _, at in bench.began] == [0.0, 0.0]
    assert bench.throttled() == 0


@on_virtual_time
async def test_a_client_is_ready_exactly_when_a_slot_would_be_had_at_once() -> None:
    """Not while one waits, all slots are out, the rate says later, or the token is refused."""
    bench, paced = opened(concurrency_max=1), opened(rate=0.5)
    said = {"idle": bench.slots.ready}
    calls = asyncio.create_task(bench.calls(2))
    await asyncio.sleep(5)
    said["one out and one waiting"] = bench.slots.ready
    await asyncio.sleep(10)
    said["one out"] = bench.slots.ready
    await calls
    said["idle again"] = bench.slots.ready
    bench.slots.call_refused()
    said["token refused"] = bench.slots.ready
    await asyncio.sleep(7)
    said["token good"] = bench.slots.ready
    await paced.call(seconds=1.0)
    said["too soon"] = paced.slots.ready
    await asyncio.sleep(1)
    said["not too soon"] = paced.slots.ready
    assert {name for name, ready in said.items() if ready} == {
        *("idle", "idle again", "token good", "not too soon")
    }


@on_virtual_time
async def test_calls_that_can_wait_share_a_part_of_the_slots() -> None:
    """Of sixteen slots two serve them, and the others are there for what cannot wait."""
    bench = opened(concurrency_max=16)
    looks = [asyncio.create_task(bench.look()) for _ in range(4)]
    await asyncio.sleep(1)
    await bench.calls(14, seconds=1.0)
    assert [name for name, at in bench.began if at == 0.0] == ["look", "look"]
    assert [at for name, at in bench.began if name != "look"] == [1.0] * 14
    await asyncio.gather(*looks)
    assert bench.out_max == 16


@on_virtual_time
async def test_a_busy_client_still_has_calls_that_can_wait() -> None:
    """They let others go first for ten seconds, and stand in line after that."""
    bench = opened(concurrency_max=1)
    calls = [asyncio.create_task(bench.call("first", seconds=2.0))]
    await asyncio.sleep(1)
    looking = asyncio.create_task(bench.look(seconds=1.0))
    for number in range(20):
        calls.append(asyncio.create_task(bench.call(str(number), seconds=2.0)))
        await asyncio.sleep(1)
    await asyncio.gather(looking, *calls)
    names = [name for name, _ in bench.began]
    assert 8 < names.index("look") < 15, "behind who came in ten seconds, before who came later"


@on_virtual_time
async def test_a_slot_that_is_given_back_belongs_to_the_one_who_waits() -> None:
    """Between the giving back and the taking nobody is ready."""
    bench = opened(concurrency_max=1)
    seen: list[bool] = []
    calls = [asyncio.create_task(bench.call(name)) for name in "ab"]
    calls[0].add_done_callback(lambda _: seen.append(bench.slots.ready))
    await asyncio.gather(*calls)
    assert seen == [False]


@on_virtual_time
async def test_while_the_token_is_refused_calls_wait_and_those_out_end() -> None:
    """The probe is due after five seconds, but both slots are out until the tenth; it takes one."""
    bench = opened(concurrency_max=2)
    calls = asyncio.create_task(bench.calls(4))
    await asyncio.sleep(2)
    bench.slots.call_refused()
    bench.slots.call_refused()  # the other call that was out
    await asyncio.sleep(1)
    assert not bench.slots.closed
    assert bench.shown() == {"closed": 0, "half_open": 0, "open": 1}
    await asyncio.sleep(7.5)
    assert bench.shown() == {"closed": 0, "half_open": 1, "open": 0}
    await calls
    assert bench.token.probed_at == [bench.start + 10]
    assert bench.began[2:] == [("2", 11.0), ("3", 11.0)]
    assert bench.shown() == {"closed": 1, "half_open": 0, "open": 0}


@on_virtual_time
async def test_the_wait_for_a_token_is_no_throttling() -> None:
    """Two of the eleven seconds were a wait for concurrency, the rest for the circuit."""
    bench = opened(concurrency_max=1)
    calls = asyncio.create_task(bench.calls(2))
    await asyncio.sleep(2)
    bench.slots.call_refused()
    await calls
    assert [at for _, at in bench.began] == [0.0, 11.0]
    assert bench.throttled() == 2


@on_virtual_time
async def test_nobody_overtakes_those_who_waited_for_the_token() -> None:
    """A call that comes in the very turn in which the circuit closes stands behind them."""
    bench = opened(concurrency_max=1)
    bench.slots.call_refused()
    late: list[asyncio.Task[None]] = []
    bench.token.then = lambda: late.append(asyncio.create_task(bench.call("late")))
    await bench.calls(2)
    await asyncio.gather(*late)
    assert [name for name, _ in bench.began] == ["0", "1", "late"]


@on_virtual_time
async def test_a_token_that_stays_refused_is_probed_less_and_less_often() -> None:
    """Five seconds, doubled up to forty; each probe takes one, and secrets are read before each."""
    bench = opened()
    bench.token.taken = False
    bench.slots.call_refused()
    await asyncio.sleep(130)
    probes = [at - bench.start for at in bench.token.probed_at]
    assert probes == [5, 16, 37, 78, 119]
    assert bench.token.reloads == 6
    opened_total = bench.metrics.gateway_circuit_opened_total
    assert read(opened_total.labels(client=ONE, reason="unauthorised")) == 1
    assert read(opened_total.labels(client=ONE, reason="failures")) == 0


@on_virtual_time
async def test_a_probe_that_nobody_answered_proves_nothing() -> None:
    """PayWizard out of reach: the token may still be refused."""
    bench = opened()
    bench.token.taken = None
    bench.slots.call_refused()
    await asyncio.sleep(7)
    assert len(bench.token.probed_at) == 1
    assert not bench.slots.closed


@on_virtual_time
async def test_new_secrets_are_tried_at_once() -> None:
    """SIGHUP: nobody waits for the schedule."""
    bench = opened()
    bench.token.taken = False
    bench.slots.call_refused()
    waiting = asyncio.create_task(bench.call())
    await asyncio.sleep(20)
    bench.token.taken = True
    bench.slots.secrets_renewed()
    await waiting
    assert bench.token.probed_at[-1] == bench.start + 20
    assert bench.began == [("", 21.0)]


@on_virtual_time
async def test_new_secrets_that_come_during_a_probe_are_tried_after_it() -> None:
    """The probe that is out has the old ones: its refusal says nothing of the new."""
    bench = opened()
    bench.token.taken = False
    bench.slots.call_refused()
    await asyncio.sleep(5.5)
    bench.token.taken = True
    bench.slots.secrets_renewed()
    await bench.call()
    assert [at - bench.start for at in bench.token.probed_at] == [5, 6]
    assert bench.began == [("", 7.0)]


@on_virtual_time
async def test_secrets_that_are_renewed_while_all_is_well_change_nothing() -> None:
    """There is nothing to find out."""
    bench = opened()
    bench.slots.secrets_renewed()
    await bench.call()
    assert bench.token.probed_at == []


@on_virtual_time
async def test_a_circuit_that_opens_while_a_call_waits_for_its_rate_holds_it() -> None:
    """The circuit is asked last. The probe, at the sixth second, takes a token, too."""
    bench = opened(rate=0.5)
    calls = asyncio.create_task(bench.calls(2))
    await asyncio.sleep(1)
    bench.slots.call_refused()
    await calls
    assert bench.token.probed_at == [bench.start + 6]
    assert [at for _, at in bench.began] == [0.0, 8.0]


@on_virtual_time
async def test_a_call_that_was_answered_makes_the_next_refusal_the_first() -> None:
    """The schedule grows over refusals that nothing but probes lies between."""
    bench = opened()
    for _ in range(2):
        bench.slots.call_refused()
        await asyncio.sleep(30)
    bench.slots.call_answered()
    bench.slots.call_refused()
    await asyncio.sleep(30)
    assert [at - bench.start for at in bench.token.probed_at] == [5, 40, 65]


@pytest.mark.parametrize("rate", [None, 0.5])
@pytest.mark.parametrize("refused_at", [None, 1.0])
@pytest.mark.parametrize("cancelled_at", [half / 2 for half in range(41)])
@on_virtual_time
async def test_whoever_is_cancelled_leaves_slots_and_order_as_they_were(
    rate: float | None, refused_at: float | None, cancelled_at: float
) -> None:
    """At whatever moment: waiting its turn, for the circuit, a slot or the rate, or with a slot."""
    bench = opened(concurrency_max=2, rate=rate)
    calls = [asyncio.create_task(bench.call(str(number), 3)) for number in range(8)]
    if refused_at is not None:
        asyncio.get_running_loop().call_later(refused_at, bench.slots.call_refused)
    await asyncio.sleep(cancelled_at)
    for call in calls[::2]:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert all(not call.cancelled() for call in calls[1::2])
    others = [name for name, _ in bench.began if int(name) % 2]
    assert others == ["1", "3", "5", "7"]
    await asyncio.sleep(100)
    bench.began.clear()
    bench.start = now()
    await bench.calls(4, seconds=3)
    interval = 0 if rate is None else 1 / rate
    second = max(3, 2 * interval)
    assert [at for _, at in bench.began] == [0, interval, second, max(second, 3 * interval)]
    assert bench.out_max <= 2


@pytest.mark.parametrize("rate", [None, 0.5])
@pytest.mark.parametrize("halted_at", [half / 2 for half in range(21)])
@on_virtual_time
async def test_whoever_is_halted_while_waiting_leaves_slots_as_they_were(
    rate: float | None, halted_at: float
) -> None:
    """The application enters a slot and looks at its halt at once, in tasks beside each other."""
    bench, halt = opened(concurrency_max=2, rate=rate), Halt()

    async def work() -> None:
        async with halt.entering(bench.slots.hold(), 3600.0):
            await asyncio.sleep(3)

    asyncio.get_running_loop().call_later(halted_at, halt.halt)
    works = [asyncio.create_task(work()) for _ in range(6)]
    ended = await asyncio.gather(*works, return_exceptions=True)
    assert {type(end) for end in ended} <= {type(None), HaltedError}
    await asyncio.sleep(10)
    bench.start = now()
    await bench.calls(2)
    interval = 0 if rate is None else 1 / rate
    assert [at for _, at in bench.began] == [0, interval]


@on_virtual_time
async def test_a_cancellation_that_meets_the_slot_gives_it_back() -> None:
    """The slot is freed and its next holder cancelled in one turn of the loop."""
    bench = opened(concurrency_max=1)
    holder = asyncio.create_task(bench.call("holder", 5))
    unlucky = asyncio.create_task(bench.call("unlucky", 5))
    await asyncio.sleep(0)
    holder.add_done_callback(lambda _: unlucky.cancel())
    await asyncio.gather(holder, unlucky, return_exceptions=True)
    assert unlucky.cancelled()
    await bench.call("next", 1)
    assert bench.began[-1] == ("next", 5.0)


@on_virtual_time
async def test_closing_ends_the_probing() -> None:
    """Nothing asks on behalf of a gateway that is closed."""
    bench = opened()
    bench.token.taken = False
    bench.slots.call_refused()
    await asyncio.sleep(6)
    await bench.slots.aclose()
    await asyncio.sleep(1000)
    assert len(bench.token.probed_at) == 1

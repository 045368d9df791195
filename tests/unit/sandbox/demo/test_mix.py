"""The demo's mix: a whole day in small, the same for the same seed."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from ops.sandbox.demo.mix import LATER, Mix, follow_ups, make_mix
from ops.sandbox.paywizard.world import World, make_sandbox_world
from ops.sandbox.sending import TOPICS, Sending
from worker.adapters.avro.frames import FrameError, decode_frame

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SEEDS = range(20)


def world_of(seed: int) -> World:
    return make_sandbox_world(seed, clients=2, cards=25)


def mix_of(seed: int) -> Mix:
    return make_mix(world_of(seed), seed, NOW)


def fields_of(sending: Sending) -> dict[str, Any]:
    """Return a command's fields, empty for what does not decode."""
    try:
        return decode_frame(sending.value).fields
    except FrameError:
        return {}


def position(mix: Mix, order: str | None) -> int:
    """Return where the first record with an order number stands."""
    return next(n for n, each in enumerate(mix.sendings) if each.order == order)


def naming_an_original(mix: Mix) -> Iterator[tuple[int, Sending, str]]:
    """Yield every tip and void by order number with its place and its original."""
    for place, sending in enumerate(mix.sendings):
        original = fields_of(sending).get("originalTranOrderNo")
        if sending.what in ("TIP", "VOID") and original is not None:
            yield place, sending, original


def test_the_same_seed_gives_the_same_records() -> None:
    """World, seed and moment decide every byte; another seed gives another day."""
    assert mix_of(3) == mix_of(3)
    assert mix_of(3) != mix_of(4)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_day_has_everything(seed: int) -> None:
    """At least 300 good commands: all operations, all command topics, all cards of both clients."""
    mix = mix_of(seed)
    good = [each for each in mix.sendings if each.what in TOPICS]
    assert len(good) >= 300
    assert {each.what for each in good} == set(TOPICS)
    assert {each.topic for each in mix.sendings} == set(TOPICS.values())
    keys = {each.key for each in good}
    assert len(keys) == len(world_of(seed).cards) == 25
    assert {None, *(client.client_id for client in world_of(seed).clients)} == {
        fields_of(each)["clientId"] for each in good
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_a_day_has_every_trouble(seed: int) -> None:
    """Bad bytes, bad numbers, bad content, declines and repetitions, each a known number of times."""
    counts = Counter(each.what for each in mix_of(seed).sendings if each.what not in TOPICS)
    assert counts.pop("PAYMENT beyond the balance") == 4
    assert counts.pop("exact duplicate") == 3
    assert counts.pop("reused number") == 2
    assert set(counts.values()) == {1}
    assert counts.keys() >= {"garbage bytes", "null value", "Confluent frame", "expired"}


@pytest.mark.parametrize("seed", SEEDS)
def test_no_number_is_used_twice_by_accident(seed: int) -> None:
    """Only duplicates and reused numbers repeat an order number."""
    repeating = ("exact duplicate", "reused number")
    orders = [
        each.order
        for each in mix_of(seed).sendings
        if each.order and each.what not in repeating
    ]
    assert len(orders) == len(set(orders))


@pytest.mark.parametrize("seed", SEEDS)
def test_repetitions_come_after_what_they_repeat(seed: int) -> None:
    """A duplicate has the same bytes; a reused number other ones, behind it in the same partition."""
    mix = mix_of(seed)
    for place, sending in enumerate(mix.sendings):
        if sending.what not in ("exact duplicate", "reused number"):
            continue
        original = mix.sendings[position(mix, sending.order)]
        assert position(mix, sending.order) < place
        assert (sending.value == original.value) == (sending.what == "exact duplicate")
        if sending.what == "reused number":
            assert (sending.topic, sending.key) == (original.topic, original.key)


@pytest.mark.parametrize("seed", SEEDS)
def test_tips_and_voids_name_orders_of_the_day(seed: int) -> None:
    """Each names another original, sent before it: but for one void, which has to wait."""
    mix = mix_of(seed)
    named = list(naming_an_original(mix))
    originals = [original for _, _, original in named]
    assert len(originals) == len(set(originals))
    early = [
        sending.what for place, sending, original in named if place < position(mix, original)
    ]
    assert early == ["VOID"]


def test_follow_ups_name_the_checkout_of_payments_that_succeeded() -> None:
    """A void or a tip for each payment left for it, none for one that was declined."""
    mix = mix_of(1)
    results = [
        {
            "tranOrderNo": order,
            "status": "SUCCEEDED" if number else "DECLINED",
            "checkoutId": f"checkout of {order}",
            "clientId": "1",
            "loyaltyChannel": "FACTOR4",
            "accountId": "600000000000001",
            "currency": "EUR",
        }
        for number, order in enumerate(sorted(mix.later))
    ]
    foreign = results[1] | {"tranOrderNo": "somebody else's"}
    sent = list(follow_ups(mix, [*results, foreign], NOW))
    assert len(sent) == LATER - 1
    assert {each.what for each in sent} == {"TIP", "VOID"}
    assert [fields_of(each)["originalCheckoutId"] for each in sent] == [
        result["checkoutId"] for result in results[1:]
    ]

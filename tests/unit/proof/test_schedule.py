"""The schedule of troubles is the seed's, meets all kinds, and leaves room at the end."""

from collections import Counter

from ops.proof.schedule import schedule

WEIGHTS = {"kill": 3, "stall": 1, "restart": 1}
ROUND = sum(WEIGHTS.values())


def test_one_seed_gives_one_schedule() -> None:
    """Who has the seed can repeat the run; another seed is another run."""
    assert schedule(WEIGHTS, 20, seed=1) == schedule(WEIGHTS, 20, seed=1)
    assert schedule(WEIGHTS, 20, seed=1) != schedule(WEIGHTS, 20, seed=2)


def test_the_order_of_the_register_does_not_matter() -> None:
    """A kind that is registered elsewhere in the list changes no schedule."""
    turned = dict(reversed(WEIGHTS.items()))
    assert schedule(turned, 20, seed=1) == schedule(WEIGHTS, 20, seed=1)


def test_each_round_meets_every_kind_as_often_as_its_weight_says() -> None:
    """A run as long as one round leaves no kind out."""
    planned = schedule(WEIGHTS, 2 * ROUND, seed=3)
    for first in (0, ROUND):
        kinds = Counter(each.kind for each in planned[first : first + ROUND])
        assert kinds == Counter(WEIGHTS)


def test_troubles_are_spread_over_the_run_and_the_end_is_free() -> None:
    """They come one after the other, numbered, and after the last one some load is left."""
    planned = schedule(WEIGHTS, 9, seed=4)
    positions = [each.position for each in planned]
    assert [each.number for each in planned] == list(range(1, 10))
    assert positions == sorted(positions)
    assert all(begin / 10 <= at < (begin + 1) / 10 for begin, at in enumerate(positions))


def test_there_may_be_no_trouble() -> None:
    """A calm run is a run too, and so is one in which no kind suits."""
    assert schedule(WEIGHTS, 0, seed=1) == ()
    assert schedule({}, 5, seed=1) == ()

"""Which trouble strikes when: drawn from a seed, so that a run can be repeated."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A trouble to come; `position` is how far the run is by then, from 0 to 1."""

    number: int
    kind: str
    position: float


def schedule(weights: Mapping[str, int], count: int, seed: int) -> tuple[Planned, ...]:
    """Return `count` troubles in the order in which they strike, spread over the run.

    They come in rounds: in each, every kind strikes as often as its weight says, in another order.
    So a run as long as one round meets all kinds. After the last one some of the run is left.
    """
    chance = random.Random(f"schedule {seed}")
    kinds = list(islice(_rounds(weights, chance), count))
    return tuple(
        Planned(
            number=number,
            kind=kind,
            position=(number - 1 + chance.uniform(0.2, 0.8)) / (count + 1),
        )
        for number, kind in enumerate(kinds, 1)
    )


def _rounds(weights: Mapping[str, int], chance: random.Random) -> Iterator[str]:
    each = [kind for kind in sorted(weights) for _ in range(weights[kind])]
    while each:
        chance.shuffle(each)
        yield from each

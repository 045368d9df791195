"""Troubles of the network between the workers and Kafka, PayWizard or PostgreSQL."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Final

from ops.proof.troubles.scene import AWAY_SECONDS, Blow, Course, Scene, beside, lasting
from ops.sandbox.toxiproxy import Proxy

_NOTICED_SECONDS: Final = 5.0
"""Long enough for what shows at once; silence is noticed only after the worker's own limits."""
_LATE_SECONDS: Final = 0.5
"""Long for each of many round trips, and short enough for all of them to go on."""


def _late(proxy: Proxy) -> AbstractContextManager[None]:
    return proxy.delayed(_LATE_SECONDS)


Mode = tuple[Callable[[Proxy], AbstractContextManager[None]], float]
MODES: Final[dict[str, Mode]] = {
    "answers come late": (_late, _NOTICED_SECONDS),
    "black hole": (Proxy.black_hole, AWAY_SECONDS),
    "no answer passes": (Proxy.half_closed, AWAY_SECONDS),
    "connections are reset": (Proxy.reset, _NOTICED_SECONDS),
    "connections are refused": (Proxy.refused, _NOTICED_SECONDS),
}
"""What can happen on the way, for all connections of all workers, and for how many seconds."""


def between_workers_and(what: str, mode: Mode) -> Callable[[Scene, Blow], Course]:
    """Return the trouble that disturbs the way to `what` for a while, and heals it."""
    disturbed, seconds = mode

    def disturb(scene: Scene, blow: Blow) -> Course:
        blow.hits(what)
        with ExitStack() as healing:
            for proxy in scene.stage.ways[what]:
                # Toxiproxy answers only once the connections' data flows: a worker may stand still.
                yield from beside(partial(healing.enter_context, disturbed(proxy)))
            yield from lasting(seconds)
            yield from beside(healing.close)

    return disturb

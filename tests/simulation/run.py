"""Runs by their names: every one can be repeated from the one line that names it."""

import gc
import logging
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType
from typing import Final

import structlog

from tests.simulation.judge import Judge
from tests.simulation.network import Crash, Fault, Stall, Terminate
from tests.simulation.plans import STALL_SECONDS, Hit, Sweep
from tests.simulation.scenarios import FIXED, Scenario
from tests.simulation.seed_plan import Drawn
from tests.simulation.seed_scenario import drawn, only, parts
from tests.simulation.world import WholePlan, World

RUNS_PER_COLLECTION: Final = 5
HITS: Final = MappingProxyType(
    {
        "crash": Hit(Crash()),
        "stall": Hit(Stall(STALL_SECONDS)),
        "replaced": Hit(Stall(STALL_SECONDS), replaced=True),
        "request-lost": Hit(fault=Fault.REQUEST_LOST),
        "answer-lost": Hit(fault=Fault.ANSWER_LOST),
        "late": Hit(fault=Fault.LATE),
        "drain": Hit(Terminate()),
        "skip": Hit(Crash(), skipped=True),
        "restore": Hit(Crash(), restored=True),
        "adopt": Hit(Crash(), restored=True, adopted=True),
    }
)
"""What a sweep lets befall a run at each of its steps, by name."""


@dataclass
class Report:
    """What came of one run, or of many."""

    name: str
    faults: list[str] = field(default_factory=list)
    steps: int = 0
    leaving: Set[int] = frozenset()
    """The steps at which a request can be lost."""
    counts: Counter[str] = field(default_factory=Counter)
    trace: Sequence[str] = ()
    events: Sequence[str] = ()
    """The names of what happened, by which a seed can be repeated with fewer."""


def run_named(name: str, *, trace: bool = False) -> Report:
    """Repeat a run from its name.

    `seed/<number>`, or with `/<event>+<event>` behind it for no more than these of its events;
    `<scenario>/<hit>@<step>`, with more hits behind a `+`.
    """
    first, _, rest = name.partition("/")
    if first != "seed":
        return _run(name, World(*_swept(first, rest)), trace=trace)
    number, is_thinned, events = rest.partition("/")
    kept = set(events.split("+")) if is_thinned else None
    random = Random(int(number))
    scenario, plan = drawn(random, int(number)), Drawn(int(number), kept)
    there = [part for part in parts(scenario) if kept is None or part in kept]
    world = World(scenario if kept is None else only(scenario, kept), plan, random)
    report = _run(name, world, trace=trace)
    report.events = [*there, *plan.happened]
    return report


def _swept(name: str, text: str) -> tuple[Scenario, WholePlan, Random]:
    scenario = next(each for each in FIXED if each.name == name)
    hits = (hit.partition("@") for hit in text.split("+") if hit)
    plan = Sweep(
        hits={int(step): HITS[kind] for kind, _, step in hits},
        pace=scenario.pace,
        manners=scenario.manners,
        away=scenario.away,
    )
    return scenario, plan, Random(1)


def _run(name: str, world: World, *, trace: bool) -> Report:
    if trace:
        world.network.trace = []
    rested = world.run()
    counts = world.befallen.counts
    counts["runs"] += 1
    faults = world.errors()
    if not rested:
        faults.append("P3: it never came to rest")
    faults += Judge(world).faults()
    world.virtual.bury()
    network = world.network
    return Report(
        name, faults, world.steps_to_rest, network.leaving, counts, network.trace or ()
    )


def sweep_names(name: str, kinds: Sequence[str]) -> Iterator[str]:
    """Name the runs that let one more hit of each kind befall each step of a run that had some."""
    scenario, _, hits = name.partition("/")
    last = max((int(hit.partition("@")[2]) for hit in hits.split("+") if hit), default=0)
    report = run_named(name)
    for step in range(last + 1, report.steps + 1):
        for kind in kinds:
            if HITS[kind].fault is Fault.NONE or step in report.leaving:
                yield f"{scenario}/{hits}{'+' if hits else ''}{kind}@{step}"


def quiet(*, for_good: bool = True) -> None:
    """Log nothing: there is nobody to read it."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        cache_logger_on_first_use=for_good,
    )


def run_all(names: Iterable[str]) -> Iterator[Report]:
    """Run one after the other; what is thrown away in silence is a fault too."""
    gc.disable()  # a collection in the midst of a run would take half the time
    silent: list[str] = []
    sys.unraisablehook = lambda raised: silent.append(repr(raised.exc_value))
    try:
        for number, name in enumerate(names, 1):
            report = run_named(name)
            if number % RUNS_PER_COLLECTION == 0:
                gc.collect()
            report.faults += silent
            silent.clear()
            yield report
    finally:
        gc.enable()
        sys.unraisablehook = sys.__unraisablehook__

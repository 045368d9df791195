"""One worker process of the simulation: starts, works, ends; as bootstrap runs it."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tests.fakes.ledger import FakeLedger
from tests.simulation.application import (
    AFFILIATION,
    Surroundings,
    WallClock,
    application_of,
    at,
)
from tests.simulation.kafka_consumer import Around, Consumer
from tests.simulation.kafka_producer import Producer
from tests.simulation.ledger import LedgerOverNetwork
from tests.simulation.network import LostError, RefusedError
from worker.adapters.kafka.bridge import Bridge
from worker.adapters.kafka.producer import FencedError
from worker.application.halting import Halt
from worker.application.ports import LedgerForeignError, LedgerUnavailableError
from worker.domain.commit_note import CommitNote, read_note
from worker.domain.identity import Committed, Identity
from worker.domain.offset_map import OffsetMap

if TYPE_CHECKING:
    from tests.simulation.world import World

NOTES_AGAIN_SECONDS: Final = 1.0
EXIT_FENCED: Final = 71
EXIT_DEPENDENCY_MISSING: Final = 75
EXIT_UNFIT: Final = 78


class WorkerProcess:
    """A process from its start until it is killed, fenced or told to stop."""

    def __init__(self, world: "World", instance_id: str, number: int) -> None:
        self.instance_id = instance_id
        self.owner = f"{instance_id}.{number}"
        self.identity: Identity | None = None
        """What the ledger said of itself, once it was accepted."""
        self.replaced = False
        """Whether another process has been started in its place."""
        self.loop = world.virtual.process(self.owner)
        self._world = world
        self._jitter = world.plan.jitter(self.owner)
        self._halt = Halt()
        self._ledger = LedgerOverNetwork(
            FakeLedger(
                self.owner, world.store, world.database_now, world.limits.orphan_after_seconds
            ),
            self.loop,
            world.network,
            world.befallen,
            world.card_moves,
            world.given_up,
        )
        stop = self._stop = asyncio.Event()
        self.loop.terminate = lambda: self.loop.call_soon(stop.set)
        self._main = self.loop.start(self._run())

    async def _run(self) -> None:
        try:
            self.identity = await self._bind()
        except (LedgerUnavailableError, LostError, RefusedError):
            self._exit(EXIT_DEPENDENCY_MISSING)
        except LedgerForeignError:
            self._exit(EXIT_UNFIT)
        else:
            await self._work(self.identity)

    async def _work(self, identity: Identity) -> None:
        world, bridge = self._world, Bridge(partial(self._note, identity.ledger_id))
        clock = WallClock(self.loop, world.skew_of(self.instance_id))
        application = application_of(
            Surroundings(
                owner=self.owner,
                loop=self.loop,
                network=world.network,
                ledger=self._ledger,
                paywizard=world.paywizard,
                state_of=world.state_of,
                clock=clock,
                random=self._jitter,
                limits=world.limits,
                identity=identity,
                bridge=bridge,
            )
        )
        dispatcher, due = application.dispatcher, application.due
        bridge.dispatcher = dispatcher
        consumer = Consumer(self._kafka_side(bridge))
        producer = Producer(consumer.around, consumer.woken.set)
        works = [consumer.run(), producer.run(), due.run(self._halt)]
        tasks = [asyncio.create_task(work) for work in works]
        told = asyncio.create_task(self._stop.wait())
        ends: set[asyncio.Future[Any]] = {bridge.failed, dispatcher.failed, told}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        consumer.fetching = False
        self._halt.halt()
        await dispatcher.drain(world.limits.drain_seconds)
        tasks[1].cancel()
        self._exit(self._code_of(bridge.failed, dispatcher.failed))

    async def _bind(self) -> Identity:
        """Tie the ledger to the group, or refuse to start (P9)."""
        notes = await self._notes(stable=False)
        try:
            return await self._ledger.bind(AFFILIATION, notes)
        except LedgerForeignError:
            # Another worker may have published its first outcome since the notes were read.
            return await self._ledger.bind(AFFILIATION, await self._notes(stable=True))

    async def _notes(self, *, stable: bool) -> Committed:
        """Read the notes of all partitions; `stable`: once no open transaction may change them."""
        kafka = self._world.kafka
        read = kafka.committed if stable else kafka.committed_now
        while True:
            committed = await self._world.network.call(
                self.loop, "kafka.notes", lambda: read(kafka.group.partitions)
            )
            if len(committed) == len(kafka.group.partitions):
                return [read_note(each.metadata) for each in committed.values() if each]
            await asyncio.sleep(NOTES_AGAIN_SECONDS)

    def _kafka_side(self, bridge: Bridge) -> Around:
        world = self._world
        return Around(
            loop=self.loop,
            virtual=world.virtual,
            network=world.network,
            kafka=world.kafka,
            bridge=bridge,
            instance_id=self.instance_id,
            news_seconds=partial(world.plan.news_seconds, self._jitter),
            wall_clock=at,
            check_note=lambda note: self._ledger.verify([note]),
        )

    def _note(self, ledger_id: str, topic_id: str, offset_map: OffsetMap) -> str:
        text, since = offset_map.text, offset_map.since
        counter = self._ledger.counter
        return CommitNote(ledger_id, self.owner, counter, topic_id, text, since).text()

    def _code_of(self, *failed: "asyncio.Future[None]") -> int:
        """Say how the process ends; what has no exit code of its own is a fault of ours."""
        for error in (future.exception() for future in failed if future.done()):
            if isinstance(error, FencedError):
                return EXIT_FENCED
            if isinstance(error, LedgerForeignError):
                return EXIT_UNFIT
            self._world.virtual.errors.append(f"{self.owner} ended: {error!r}")
        return 0

    def _exit(self, code: int) -> None:
        self._world.befallen.counts[f"exits {code}"] += 1
        self._world.virtual.after(0.0, self.loop.kill)

"""A worker's consumer: does what the consumer thread of worker/adapters/kafka does, as a task.

The bridge between it and the application is the real one; only the client library is not.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from kafka import ConsumerGroupMetadata
from kafka.structs import MemberState

from tests.simulation.application import GROUP_ID
from tests.simulation.kafka import SOURCES, Kafka, topic_id
from tests.simulation.kafka_group import (
    Assignment,
    FencedInstanceError,
    Notice,
    Partitions,
    UnknownMemberError,
)
from tests.simulation.kafka_log import Committed, Record, TopicPartition
from tests.simulation.loop import ProcessLoop, VirtualTime
from tests.simulation.network import LostError, Network, RefusedError
from worker.adapters.kafka.bridge import Bridge
from worker.adapters.kafka.producer import FencedError
from worker.application.ports import LedgerUnavailableError, SourceRecord
from worker.domain.commit_note import CommitNote, read_note
from worker.domain.entry import Source
from worker.domain.offset_map import OffsetMap

AGAIN_SECONDS: Final = 0.4
RECORDS_PER_POLL_MAX: Final = 4

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What surrounds the Kafka side of one process."""

    loop: ProcessLoop
    virtual: VirtualTime
    network: Network
    kafka: Kafka
    bridge: Bridge
    instance_id: str
    news_seconds: Callable[[], float]
    """How long news of the cluster take to reach the process."""
    wall_clock: Callable[[float], datetime]
    """Timestamps as Kafka's, from seconds of virtual time."""
    check_note: Callable[[CommitNote], Awaitable[None]]
    """See that the ledger has all that a commit note names; at every assignment."""


@dataclass
class Consumer:
    """One member of the group, from joining to the end of its process."""

    around: Around
    fetching: bool = True
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    _memberships: int = 0
    _member_id: str = ""
    _generation: int = -1
    _joining: bool = True
    _assigned: Partitions = frozenset()
    _positions: dict[TopicPartition, int] = field(default_factory=dict)
    _inbox: deque[Assignment | Notice] = field(default_factory=deque)
    _news_at: float = 0.0
    _fetch_news: bool = False

    async def run(self) -> None:
        """Join and poll for ever; whatever ends it ends the worker."""
        try:
            for place, log in self.around.kafka.logs.items():
                if place.topic in SOURCES:
                    log.watchers.append(self._appended)
            await self._join()
            while True:
                await self.woken.wait()
                self.woken.clear()
                await self._poll_once()
        except FencedInstanceError:
            self.around.bridge.fail(FencedError())
        except Exception as error:  # noqa: BLE001  # as in the thread
            self.around.bridge.fail(error)

    async def _join(self) -> None:
        self._joining = True
        self._see_group()
        self._memberships += 1
        hear = partial(self._hear, self._memberships)
        while True:
            try:
                self._member_id = await self._call(
                    "join",
                    lambda: self.around.kafka.group.join(
                        self.around.instance_id, self.around.loop, hear
                    ),
                )
            except (LostError, RefusedError):
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                return

    async def _poll_once(self) -> None:
        while self._inbox:
            await self._take(self._inbox.popleft())
        self._see_group()
        self.around.bridge.see_topics({topic: topic_id(topic) for topic in SOURCES})
        waiting = self._assigned - self.around.bridge.membership.tenures.keys()
        if waiting and self.around.bridge.tenures_allowed:
            await self._begin(waiting)
        await self._fetch()

    def _see_group(self) -> None:
        """Publish the snapshot, as after a poll."""
        state = MemberState.REBALANCING if self._joining else MemberState.STABLE
        self.around.bridge.see_group(
            ConsumerGroupMetadata(
                GROUP_ID, self._generation, self._member_id, self.around.instance_id, state
            )
        )

    async def _take(self, message: Assignment | Notice) -> None:
        match message:
            case Assignment(generation=generation, partitions=partitions):
                revoked = self._assigned - partitions
                self.around.bridge.end_tenures(sorted(revoked))
                self._assigned, self._generation = partitions, generation
                self._joining = False
                if revoked:
                    self._see_group()
                    await self._rejoin()
            case Notice.REBALANCE:
                if not self._joining:
                    await self._rejoin()
            case Notice.UNKNOWN:
                await self._lost()
            case Notice.FENCED:
                raise FencedInstanceError

    async def _rejoin(self) -> None:
        self._joining = True
        self._see_group()
        group, owned = self.around.kafka.group, self._assigned
        while True:
            try:
                await self._call("rejoin", lambda: group.rejoin(self._member_id, owned))
            except (LostError, RefusedError):
                await asyncio.sleep(AGAIN_SECONDS)
            except UnknownMemberError:
                return await self._lost()
            else:
                return None

    async def _lost(self) -> None:
        self.around.bridge.end_tenures(sorted(self._assigned))
        self._assigned, self._generation, self._member_id = frozenset(), -1, ""
        self._inbox.clear()
        await self._join()

    async def _begin(self, waiting: Partitions) -> None:
        """Hold partitions from what is committed on, as far as that can be read yet."""
        try:
            found = await self._call(
                "committed", lambda: self.around.kafka.committed(sorted(waiting))
            )
        except (LostError, RefusedError):
            found = {}
        for place, committed in found.items():
            try:
                read = await self._beginning(place, committed)
            except LedgerUnavailableError:
                break
            self._positions[place] = read.committed
            self.around.bridge.begin_tenure(place, topic_id(place.topic), read)
        if waiting - self.around.bridge.membership.tenures.keys():
            self.around.loop.call_later(AGAIN_SECONDS, self.woken.set)

    async def _beginning(self, place: TopicPartition, committed: Committed | None) -> OffsetMap:
        if committed is None:
            return OffsetMap.resume(0)
        note = read_note(committed.metadata)
        if note is None or note.topic_id != topic_id(place.topic):
            return OffsetMap.begin(committed.offset)
        await self.around.check_note(note)
        return OffsetMap.resume(committed.offset, note.offset_map, note.since)

    async def _fetch(self) -> None:
        """Read on where there is something, and hand it over."""
        bridge, logs = self.around.bridge, self.around.kafka.logs
        tenures = bridge.membership.tenures
        held = self._assigned & tenures.keys()
        full = bridge.full_partitions(held) if self.fetching else held
        wanted = {
            place: self._positions[place]
            for place in sorted(held - full)
            if self._positions[place] < logs[place].stable_end
        }
        if not wanted:
            return
        try:
            found = await self._call(
                "fetch", lambda: self.around.kafka.fetch(wanted, RECORDS_PER_POLL_MAX)
            )
        except (LostError, RefusedError):
            found = {}
        for place, (records, go_on) in found.items():
            if records:
                self._deliver(
                    place, [self._record(place, tenures[place], it) for it in records]
                )
            elif bridge.membership.holds(place, tenures[place]):
                self._positions[place] = go_on
        self.woken.set()

    def _deliver(self, place: TopicPartition, records: list[SourceRecord]) -> None:
        go_on = self.around.bridge.deliver(place, records)
        if go_on is not None:
            self._positions[place] = go_on

    def _record(self, place: TopicPartition, tenure: int, record: Record) -> SourceRecord:
        return SourceRecord(
            source=Source(topic_id(place.topic), place.topic, place.partition, record.offset),
            tenure=tenure,
            kind=SOURCES[place.topic],
            key=record.key,
            value=record.value,
            headers=record.headers,
            timestamp=self.around.wall_clock(record.timestamp),
        )

    async def _call(self, what: str, effect: Callable[[], T]) -> T:
        return await self.around.network.call(self.around.loop, f"kafka.{what}", effect)

    def _hear(self, membership: int, message: Assignment | Notice) -> None:
        """Let news of the group come in, in their order."""
        virtual = self.around.virtual
        self._news_at = max(self._news_at, virtual.now + self.around.news_seconds())
        virtual.at(
            self._news_at,
            lambda: self.around.loop.call_soon(self._take_in, membership, message),
        )

    def _take_in(self, membership: int, message: Assignment | Notice) -> None:
        if membership == self._memberships:
            self._inbox.append(message)
            self.woken.set()

    def _appended(self) -> None:
        """Let the news come in that there may be something to read."""
        if self._fetch_news or self.around.loop.dead:
            return
        self._fetch_news = True

        def come_in() -> None:
            self._fetch_news = False
            self.around.loop.call_soon(self.woken.set)

        self.around.virtual.after(self.around.news_seconds(), come_in)

"""The group coordinator of the Kafka fake: generations, static members, cooperative rebalances.

It checks the generation of an offset commit and never who owns the partition, like the real one.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from enum import Enum, auto
from random import Random
from typing import Final

from tests.simulation.kafka_log import Committed, TopicPartition
from tests.simulation.loop import ProcessLoop, VirtualTime

HEARTBEAT_SECONDS: Final = 3.0

Partitions = frozenset[TopicPartition]


class UnknownMemberError(Exception):
    """The group has gone on without this member."""


class IllegalGenerationError(Exception):
    """The offsets come from a generation that is over."""


class FencedInstanceError(Exception):
    """Another process has this instance id now."""


class Notice(Enum):
    """What a heartbeat brings."""

    REBALANCE = auto()
    """Join again."""
    UNKNOWN = auto()
    """The group has gone on without you."""
    FENCED = auto()
    """Another process has your instance id."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a member learns when a rebalance is over."""

    generation: int
    partitions: Partitions


Tell = Callable[[Assignment | Notice], None]


@dataclass(eq=False)
class Member:
    """A member as the coordinator knows it; `tell` reaches its client, after a while."""

    id: str
    instance: str
    loop: ProcessLoop
    tell: Tell
    owned: Partitions = frozenset()
    joined: bool = True
    silences: int = 0
    expired: bool = False
    """It has gone, and has not been told yet."""


@dataclass
class Group:
    """One consumer group with cooperative-sticky assignment."""

    virtual: VirtualTime
    random: Random
    partitions: Partitions
    session_seconds: float
    note: Callable[[str], object]
    """Hears what befalls the group."""
    committed: dict[TopicPartition, Committed] = field(default_factory=dict)
    generation: int = 0
    _members: dict[str, Member] = field(default_factory=dict)
    _fenced: set[str] = field(default_factory=set)
    _assigned: dict[str, Partitions] = field(default_factory=dict)
    _ids: int = 0
    _rebalancing: bool = False

    def apply(self, offsets: Mapping[TopicPartition, Committed]) -> None:
        """Take committed offsets over."""
        self.committed.update(offsets)

    def join(self, instance: str, loop: ProcessLoop, tell: Tell) -> str:
        """Join as a new member and return its id; a known instance id is taken over as it is."""
        self._ids += 1
        member = Member(f"{instance}-{self._ids}", instance, loop, tell)
        former = next((it for it in self._members.values() if it.instance == instance), None)
        self._members[member.id] = member
        loop.observers.append(lambda: self._watch(member))
        self._watch(member)
        if former is None:
            if self._rebalancing:
                self._complete_if_joined()
            else:
                self._begin_round(member)
            return member.id
        del self._members[former.id]
        self._fenced.add(former.id)
        # A fenced member is told so, stops its heartbeats and goes on polling (C5). That it ends
        # for want of heartbeats is more than the client library does.
        self.virtual.after(self.session_seconds, lambda: former.tell(Notice.FENCED))
        self.note("takeover")
        if self._rebalancing:
            self._complete_if_joined()
        else:
            member.owned = self._assigned[member.id] = self._assigned.pop(former.id)
            tell(Assignment(self.generation, member.owned))
            if self.partitions - frozenset().union(*self._assigned.values()):
                # What the former one was to give back has no owner now. Taken kindly: the real
                # coordinator waits for somebody else to begin a rebalance.
                self._begin_round(None)
        return member.id

    def rejoin(self, member_id: str, owned: Partitions) -> None:
        """Take part in the rebalance. UnknownMemberError, FencedInstanceError."""
        member = self._member(member_id)
        member.owned, member.joined = owned, True
        if self._rebalancing:
            self._complete_if_joined()
        else:
            self._begin_round(member)

    def check_commit(self, member_id: str, generation: int) -> None:
        """Refuse offsets of a member or generation that is over; ownership is not looked at."""
        self._member(member_id)
        if generation != self.generation:
            raise IllegalGenerationError

    def rebalance(self) -> None:
        """Begin a rebalance for no reason of the members'."""
        if self._members and not self._rebalancing:
            self._begin_round(None)

    def _member(self, member_id: str) -> Member:
        if member_id in self._fenced:
            raise FencedInstanceError
        if member_id not in self._members:
            raise UnknownMemberError
        return self._members[member_id]

    def _begin_round(self, starter: Member | None) -> None:
        """Ask all members to join again but the one whose joining began it."""
        self._rebalancing = True
        self.note("rebalance")
        for member in self._members.values():
            member.joined = member is starter
        for member in list(self._members.values()):
            if not member.joined:
                member.tell(Notice.REBALANCE)
        self._complete_if_joined()

    def _complete_if_joined(self) -> None:
        if not all(member.joined for member in self._members.values()):
            return
        self._rebalancing = False
        self.generation += 1
        wanted = balanced(self.partitions, {it.id: it.owned for it in self._members.values()})
        held = {place for member in self._members.values() for place in member.owned}
        self._assigned = {
            # What another member still holds, it must give back before anybody gets it.
            member.id: frozenset(
                place
                for place in wanted[member.id]
                if place in member.owned or place not in held
            )
            for member in self._members.values()
        }
        for member in self._members.values():
            member.tell(Assignment(self.generation, self._assigned[member.id]))

    def _watch(self, member: Member) -> None:
        """Let the session of a silent process run out."""
        member.silences += 1
        if not (member.loop.dead or member.loop.frozen):
            if member.expired:
                member.expired = False
                member.tell(Notice.UNKNOWN)
            return
        silence = member.silences
        last_heartbeat = self.random.random() * HEARTBEAT_SECONDS

        def run_out() -> None:
            if member.silences == silence and self._members.get(member.id) is member:
                self.expire(member.id)

        self.virtual.after(max(0.0, self.session_seconds - last_heartbeat), run_out)

    def expire(self, member_id: str) -> None:
        """Go on without a member."""
        self.note("expired")
        self._members.pop(member_id).expired = True
        self._assigned.pop(member_id, None)
        if not self._members:
            self._rebalancing = False
        elif self._rebalancing:
            self._complete_if_joined()
        else:
            self.rebalance()


def balanced(
    partitions: Set[TopicPartition], owned: Mapping[str, Partitions]
) -> Mapping[str, Partitions]:
    """Share partitions out evenly, moving as few as possible."""
    least, more = divmod(len(partitions), len(owned))
    shares: dict[str, list[TopicPartition]] = {}
    left = set(partitions)
    for member in sorted(owned, key=lambda it: (-len(owned[it]), it)):
        room = least + (1 if more > 0 and len(owned[member]) > least else 0)
        kept = sorted(owned[member] & left, key=_by_number)[:room]
        more -= len(kept) > least
        shares[member] = kept
        left -= set(kept)
    for place in sorted(left, key=_by_number):
        smallest = min(shares, key=lambda it: (len(shares[it]), it))
        shares[smallest].append(place)
    return {member: frozenset(share) for member, share in shares.items()}


def _by_number(place: TopicPartition) -> tuple[int, str]:
    """Spread the partitions of one topic over the members."""
    return place.partition, place.topic

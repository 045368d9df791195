"""The promises, checked against PayWizard's book and the committed topics after a run."""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

from tests.simulation.application import CLIENT, CODEC, at
from tests.simulation.leases import wrong_doubts
from tests.simulation.paywizard import Asked
from tests.simulation.world import Sent, World
from worker.adapters.avro.frames import decode_frame
from worker.application.ports import BadRecordError, OutputTopic, RecordKind
from worker.domain.balances import BalanceRefresh
from worker.domain.card import Card
from worker.domain.card_state import CardState
from worker.domain.commands import Command, OnOriginal, fingerprint
from worker.domain.replies import Doubt
from worker.domain.states import State

NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:paywizard-worker")
REPLAYED: Final = ("replayed", b"true")
OPEN: Final = ("PENDING", "IN_DOUBT")
Fields = Mapping[str, Any]
Place = tuple[str, int, int]


def event_id(number: str, ordinal: str) -> str:
    """The id of a result, as interface.md has it."""
    return str(uuid.uuid5(NAMESPACE, f"{CLIENT}\n{number}\n{ordinal}"))


@dataclass(frozen=True, slots=True)
class Run:
    """When a command was asked for; times in seconds."""

    number: str
    sender: str
    offset: int
    began: float
    ended: float
    keeps_place: bool
    """Whether it never waits aside for an original."""


@dataclass(frozen=True)
class Judge:
    """Reads what there is at the end of a run; `faults` lists what breaks a promise."""

    world: World

    @cached_property
    def commands(self) -> Mapping[Place, Command]:
        """What was sent and can be read, by where it stands."""
        found: dict[Place, Command] = {}
        for sent in self.world.sent:
            command = _read(sent.sending.value)
            if command is not None:
                found[_place(sent)] = command
        return found

    @cached_property
    def results(self) -> Mapping[str, Sequence[Fields]]:
        """The committed results of each order number, in their order; not what is replayed."""
        return self._all_results[0]

    @cached_property
    def _all_results(self) -> tuple[Mapping[str, Sequence[Fields]], ...]:
        """First what is not replayed, then what is."""
        found: tuple[dict[str, list[Fields]], ...] = (defaultdict(list), defaultdict(list))
        for record in self.world.kafka.published(OutputTopic.RESULTS):
            fields = decode_frame(record.value).fields
            found[REPLAYED in record.headers][str(fields["tranOrderNo"])].append(fields)
        return found

    @cached_property
    def asked(self) -> Mapping[str, Sequence[Asked]]:
        """What PayWizard was asked for each order number; not what provably does not count."""
        found: dict[str, list[Asked]] = defaultdict(list)
        for asked in self.world.paywizard.book:
            if not asked.turned_away:
                found[asked.command.tran_order_no].append(asked)
        return found

    @cached_property
    def winners(self) -> Mapping[str, Place]:
        """The record that each order number was executed for, as its results say.

        The results of an orphan name the check that took its record's place: they tell nothing.
        """
        named = {number: _source(results[0]) for number, results in self.results.items()}
        return {number: place for number, place in named.items() if place in self.commands}

    def faults(self) -> list[str]:
        """List every broken promise; with an older copy of the ledger only P9 can be kept."""
        if self.world.workers_before_restoring is not None:
            return list(self._older_copy(self.world.workers_before_restoring))
        if self.world.adopted:
            # What was published before may be seen again, and numbers of events begin anew.
            once = (
                self._one_effect,
                self._durable_before_leaving,
                self._leases,
                self._one_content,
            )
            return [fault for check in once for fault in check()]
        checks = (
            self._one_effect,
            self._durable_before_leaving,
            self._leases,
            self._one_outcome,
            self._replays,
            self._dead_letters,
            self._truth,
            self._one_content,
            self._card_order,
            self._never_late,
            self._balances,
        )
        return [fault for check in checks for fault in check()]

    def _older_copy(self, workers_before: int) -> Iterator[str]:
        """What no committed note names cannot be seen; what one names must be."""
        for worker in self.world.workers[workers_before:]:
            if worker.identity is not None and self.world.has_lost_commits():
                yield f"P9: {worker.owner} accepted an older copy of the ledger"

    def _numbers(self) -> Sequence[str]:
        return sorted({command.tran_order_no for command in self.commands.values()})

    def _one_effect(self) -> Iterator[str]:
        for number, asked in self.asked.items():
            if len(asked) > 1:
                yield f"P1: PayWizard was asked {len(asked)} times to execute {number}"

    def _durable_before_leaving(self) -> Iterator[str]:
        for asked in self.world.paywizard.book:
            if asked.state is not State.SUBMITTED:
                number = asked.command.tran_order_no
                yield f"P1: {number} left while the ledger said {asked.state}"

    def _leases(self) -> Iterator[str]:
        died_at = {worker.owner: worker.loop.died_at for worker in self.world.workers}
        deadline = self.world.limits.call_deadline_seconds
        book = self.world.paywizard.book
        yield from wrong_doubts(self.world.given_up, book, died_at, deadline)
        given_up = {over.number for over in self.world.given_up}
        for number, results in self.results.items():
            if results[0]["reason"] == Doubt.LEASE_OVER and number not in given_up:
                yield f"P4: {number} is in doubt for its lease, which was never over"

    def _one_outcome(self) -> Iterator[str]:
        for number in self._numbers():
            results = self.results.get(number, ())
            ids = [result["eventId"] for result in results]
            first, final = event_id(number, "first"), event_id(number, "final")
            if self._was_skipped(number) or (self.world.skipped and ids[:2] == [first, first]):
                continue
            if ids.count(first) != 1:
                promise = "P3" if not ids else "P2"
                yield f"{promise}: {number} has {ids.count(first)} first outcomes"
            elif ids.count(final) > 1 or set(ids) - {first, final} or ids[0] != first:
                yield f"P2: {number} has the outcomes {[it['status'] for it in results]}"
            elif len(ids) == 2 and results[0]["status"] not in OPEN:
                yield f"P2: {number} was decided twice"
            elif results[0]["status"] in OPEN and len(ids) == 1:
                yield f"P2: {number} was never decided, or nobody was told"

    def _replays(self) -> Iterator[str]:
        """A duplicate is told again what was told before, and nothing else."""
        for number, again in self._all_results[1].items():
            told = {_told(it) for it in self.results.get(number, ())}
            if not {_told(it) for it in again} <= told:
                yield f"P2: a duplicate of {number} was told something new"

    def _was_skipped(self, number: str) -> bool:
        """Whether an operator skipped its record before anybody saw it."""
        return self.world.skipped and (CLIENT, number) not in self.world.store.entries

    def _dead_letters(self) -> Iterator[str]:
        letters: dict[Place, list[str]] = defaultdict(list)
        for record in self.world.kafka.published(OutputTopic.DEAD_LETTERS):
            headers = {name: value.decode() for name, value in record.headers}
            letters[_original(headers)].append(headers["dlq.reason"])
        for sent in self.world.sent:
            place = _place(sent)
            reasons = letters.get(place, [])
            if place not in self.commands:
                if len(reasons) != 1:
                    yield f"P2: the bad record {place} has the dead letters {reasons}"
            elif reasons != (["CONFLICT"] if self._is_conflict(place) else []):
                yield f"P5: {place} has the dead letters {reasons}"

    def _is_conflict(self, place: Place) -> bool:
        command = self.commands[place]
        winner = self.winners.get(command.tran_order_no)
        if winner is None:
            return False
        return fingerprint(command) != fingerprint(self.commands[winner])

    def _truth(self) -> Iterator[str]:
        for number, results in self.results.items():
            status = results[-1]["status"]
            effects = sum(asked.effect for asked in self.asked.get(number, ()))
            expected = {
                "SUCCEEDED": {0 if results[-1]["operation"] == "INQUIRY" else 1},
                "DECLINED": {0},
                "NOT_EXECUTED": {0},
            }
            if effects not in expected.get(status, {0, 1}):
                yield f"P4: {number} is said to be {status} and had {effects} effects"

    def _one_content(self) -> Iterator[str]:
        for number, asked in self.asked.items():
            winner = self.winners.get(number)
            if winner is not None and fingerprint(asked[0].command) != fingerprint(
                self.commands[winner]
            ):
                yield f"P5: {number} was executed with other content than its result says"

    def _card_order(self) -> Iterator[str]:
        """Per card and partition one at a time; and in order, but for voids and tips."""
        lines: dict[tuple[Card | None, str, int], list[Run]] = defaultdict(list)
        for number, requests in self.asked.items():
            if number in self.winners:
                topic, partition, offset = self.winners[number]
                for asked in requests:
                    lines[asked.card, topic, partition].append(self._run(asked, offset))
        for runs in lines.values():
            runs.sort(key=lambda run: (run.began, run.ended))
            for before, after in pairwise(runs):
                # A process that does not know yet that it was replaced may let a void take its
                # turn there, while another command has the turn at the new owner.
                apart = before.sender != after.sender
                waited = not (before.keeps_place and after.keeps_place)
                if after.began < before.ended and not (apart and waited):
                    yield f"P6: {before.number} and {after.number} of a card ran at once"
            in_order = [run for run in runs if run.keeps_place]
            if in_order != sorted(in_order, key=lambda run: run.offset):
                yield f"P6: a card's commands ran as {[run.number for run in in_order]}"

    def _run(self, asked: Asked, offset: int) -> "Run":
        longest = asked.left_at + self.world.limits.call_deadline_seconds
        ended = asked.left_at if asked.ended_at is None else min(asked.ended_at, longest)
        keeps_place = not isinstance(asked.command, OnOriginal)
        number = asked.command.tran_order_no
        return Run(number, asked.sender, offset, asked.left_at, ended, keeps_place)

    def _never_late(self) -> Iterator[str]:
        """By the sender's own clock nothing leaves that has expired."""
        for asked in self.world.paywizard.book:
            expires_at = asked.command.expires_at
            now = at(asked.left_at) + self.world.skew_of(asked.sender.partition(".")[0])
            if expires_at is not None and expires_at <= now:
                yield f"P8: {asked.command.tran_order_no} was sent after it had expired"

    def _balances(self) -> Iterator[str]:
        yield from self._card_moves()
        for card, state in self.world.store.cards.items():
            events = self._events(card)
            sequences = [event["sequence"] for event in events]
            if sequences != list(range(1, len(events) + 1)):
                yield f"P7: the events of a card have the numbers {sequences}"
                continue
            recorded = 0 if state.last is None else state.last.sequence
            # What an operator skipped is published by the card's next refresh, if one comes.
            waits = self.world.skipped and not state.published
            if recorded not in (len(events), len(events) + waits):
                yield f"P7: of a card {recorded} events were recorded, {len(events)} published"
            held: dict[str, object] = {}
            for event in events:
                for change in event["changes"]:
                    if change["before"] != held.get(change["valueCode"]):
                        yield f"P7: event {event['sequence']} of a card does not continue"
                    held[change["valueCode"]] = change["after"]
            if not self.world.skipped:
                yield from self._newest_balances(card, held)

    @cached_property
    def _all_events(self) -> Sequence[Fields]:
        changes = self.world.kafka.published(OutputTopic.BALANCE_CHANGES)
        return [decode_frame(record.value).fields for record in changes]

    def _events(self, card: Card) -> Sequence[Fields]:
        """The committed events of a card; what operator and crash made come twice, counts once."""
        found: list[Fields] = []
        for fields in self._all_events:
            again = self.world.skipped and fields in found[-1:]
            if fields["accountId"] == card.account_id and not again:
                found.append(fields)
        return found

    def _card_moves(self) -> Iterator[str]:
        """Each refresh is covered by one move, whose event, or the next one, names its cause."""
        moves: dict[Card, list[CardState]] = defaultdict(list)
        for state in self.world.card_moves:
            moves[state.card].append(state)
        refreshes = self._refreshes()
        for card, states in moves.items():
            if not self.world.skipped:
                yield from self._named_causes(states, refreshes[card])
            yield from self._published_as_recorded(card, states)
        for card, causes in refreshes.items():
            covered = _covered_to(moves[card])
            if causes and max(causes) > covered and not self.world.skipped:
                yield f"P7: a card's refreshes are served up to {covered}, not {max(causes)}"

    def _refreshes(self) -> Mapping[Card, Mapping[int, str | None]]:
        """The causes of each card's refreshes, by their offsets."""
        found: dict[Card, dict[int, str | None]] = defaultdict(dict)
        for record in self.world.kafka.published(OutputTopic.BALANCE_REFRESH):
            refresh = CODEC.decode(RecordKind.BALANCE_REFRESH, record.value)
            assert isinstance(refresh, BalanceRefresh)
            found[refresh.card][record.offset] = refresh.cause
        return found

    def _named_causes(
        self, states: Sequence[CardState], causes: Mapping[int, str | None]
    ) -> Iterator[str]:
        for before, state in pairwise([CardState(card=states[0].card), *states]):
            served = range(_covered_to([before]) + 1, _covered_to([state]) + 1)
            new = {causes[offset] for offset in served if causes.get(offset) is not None}
            due = new | set(before.untold)
            is_event = _sequence(state) > _sequence(before)
            named = set(state.last.causes) if is_event and state.last else set(state.untold)
            if named != due:
                yield f"P7: {due} led to a card's event {_sequence(state)}, it names {named}"

    def _published_as_recorded(self, card: Card, states: Sequence[CardState]) -> Iterator[str]:
        recorded = {state.last.sequence: state.last for state in states if state.last}
        for event in self._events(card):
            known = recorded.get(event["sequence"])
            causes = [cause["tranOrderNo"] for cause in event["causes"]]
            after = [change["after"] for change in event["changes"]]
            if known is None or known.event_id != event["eventId"]:
                yield f"P7: event {event['sequence']} of a card was never recorded"
            elif list(known.causes) != causes or [it.after for it in known.changes] != after:
                yield f"P7: event {event['sequence']} of a card is not as it was recorded"

    def _newest_balances(self, card: Card, held: Mapping[str, object]) -> Iterator[str]:
        """The last event is true, unless a lost answer or an open order may hide a change."""
        lost = any(name.startswith("paywizard ") for name in self.world.befallen.counts)
        still_open = any(results[-1]["status"] in OPEN for results in self.results.values())
        balances = self.world.paywizard.cards[card]
        if held and not (lost or still_open) and held != balances:
            yield f"P7: a card has {balances}, its last event says {held}"


def _read(value: bytes | None) -> Command | None:
    """Decode a command; None: nobody can."""
    try:
        command = CODEC.decode(RecordKind.COMMAND, value)
    except BadRecordError:
        return None
    assert isinstance(command, Command)
    return command


def _told(result: Fields) -> tuple[str, str]:
    """What a subscriber learns; that an open order moves from PENDING to IN_DOUBT is silent."""
    status = result["status"]
    return result["eventId"], "open" if status in OPEN else status


def _source(result: Fields) -> Place:
    source = result["source"]
    return source["topic"], source["partition"], source["offset"]


def _original(headers: Mapping[str, str]) -> Place:
    topic, partition, offset = (
        headers[f"dlq.original.{name}"] for name in ("topic", "partition", "offset")
    )
    return topic, int(partition), int(offset)


def _place(sent: Sent) -> Place:
    return sent.sending.topic, sent.sending.partition, sent.record.offset


def _sequence(state: CardState) -> int:
    return 0 if state.last is None else state.last.sequence


def _covered_to(states: Sequence[CardState]) -> int:
    """Up to which offset a card's refreshes are covered; -1 is none."""
    return max((state.covered.offset for state in states if state.covered), default=-1)

"""One run: a scenario under a plan, from the beginning until all is healed and quiet."""

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final, Protocol

from tests.fakes.ledger import FakeLedger
from tests.fakes.ledger_store import LedgerStore
from tests.simulation.application import AFFILIATION, BEGINNING, at
from tests.simulation.coverage import Befallen
from tests.simulation.kafka import RESOLUTIONS, Kafka
from tests.simulation.kafka_log import Record
from tests.simulation.leases import LeaseOver
from tests.simulation.ledger import at_once
from tests.simulation.loop import ProcessLoop, StuckError, VirtualTime
from tests.simulation.network import Network, Plan
from tests.simulation.paywizard import POINTS, Honesty, Manner, PayWizard
from tests.simulation.process import EXIT_UNFIT, WorkerProcess
from tests.simulation.scenarios import CARDS, Scenario, Sending
from worker.adapters.avro.frames import encode_frame
from worker.domain.card_state import CardState
from worker.domain.commands import Command
from worker.domain.commit_note import read_note
from worker.domain.entry import Entry, Published, Request, StoredOutcome
from worker.domain.replies import Answer
from worker.domain.states import State
from worker.domain.status_checks import awaits_final, awaits_word

TROUBLE_SECONDS: Final = 30.0
"""When all trouble ends, at the latest."""
PATIENCE_SECONDS: Final = 300.0
"""How long a healed world may take to come to rest."""
SETTLE_SECONDS: Final = 24.0
"""How long it must stay at rest: longer than a lease and some turns of the due task."""
LOOK_SECONDS: Final = 0.5
COPY_SECONDS: Final = 0.5
"""When the copy of the ledger is taken that an operator may restore."""


class WholePlan(Plan, Protocol):
    """Everything that a run asks of its plan."""

    def jitter(self, name: str) -> Random:
        """Give a process the generator of its own back-offs and pauses."""
        ...

    def restart_seconds(self, name: str) -> float:
        """Say how long a process that ended stays away."""
        ...

    def replaces(self, loop: ProcessLoop) -> bool:
        """Whether a stopped process is taken for dead, and another one gets its instance id."""
        ...

    @property
    def skips(self) -> bool:
        """Whether an operator skips what the process that has just ended left."""
        ...

    @property
    def restores(self) -> bool:
        """Whether an operator restores an older copy of the ledger, now that a process ended."""
        ...

    @property
    def adopts(self) -> bool:
        """Whether the operator adopts the restored copy."""
        ...

    def manner(self) -> Manner:
        """Say how PayWizard takes its next request."""
        ...

    def honesty(self) -> Honesty:
        """Say how PayWizard answers a status query."""
        ...

    @property
    def finds_numbers(self) -> bool:
        """Whether a status query finds an order by the caller's number."""
        ...

    def news_seconds(self, jitter: Random) -> float:
        """How long news of the cluster take."""
        ...

    def heal(self) -> None:
        """Let nothing happen any more."""
        ...


@dataclass(frozen=True, slots=True)
class Sent:
    """A record that upstream wrote."""

    sending: Sending
    record: Record


class World:
    """Everything there is in a run."""

    def __init__(self, scenario: Scenario, plan: WholePlan, random: Random) -> None:
        self.scenario, self.plan, self.random = scenario, plan, random
        self.limits = scenario.limits
        self.virtual = VirtualTime(random)
        self.befallen = Befallen()
        self.network = Network(self.virtual, plan, self.befallen.note)
        self.kafka = Kafka(
            self.virtual, random, self.limits.session_seconds, self.befallen.note
        )
        self.store = LedgerStore()
        self.paywizard = PayWizard(
            plan.manner, plan.honesty, plan.finds_numbers, self._is_unreadable
        )
        for card in CARDS:
            self.paywizard.cards[card] = {"USD": scenario.balance, POINTS: Decimal(0)}
        self.card_moves: list[CardState] = []
        self.given_up: list[LeaseOver] = []
        self.sent: list[Sent] = []
        self.workers: list[WorkerProcess] = []
        self.steps_to_rest = 0
        """How many I/O steps it took until all was done for the first time."""
        self.skipped = False
        """Whether an operator has moved the group's offsets."""
        self.workers_before_restoring: int | None = None
        """How many processes there had been when an older copy of the ledger was restored."""
        self.adopted = False
        """Whether that copy was adopted."""
        self._restored = False
        self._copy = LedgerStore()
        self._started: Counter[str] = Counter()
        self._at_rest = False

    def database_now(self) -> datetime:
        """The database's clock."""
        return at(self.virtual.now + self.scenario.database_skew)

    def _is_unreadable(self) -> bool:
        begins, ends = self.scenario.unreadable
        return begins <= self.virtual.now < ends

    def state_of(self, command: Command) -> State | None:
        """Say what the ledger knows of an order."""
        entry = self.store.entries.get((command.client_id, command.tran_order_no))
        return None if entry is None else entry.state

    def skew_of(self, instance_id: str) -> timedelta:
        """How wrong a worker's clock is."""
        number = int(instance_id.removeprefix("worker-"))
        skews = self.scenario.skews
        return timedelta(seconds=skews[number] if number < len(skews) else 0.0)

    def run(self) -> bool:
        """Run until all is at rest; False if it never came to rest."""
        self._begin()
        try:
            self.virtual.run_until(lambda: self._at_rest, TROUBLE_SECONDS)
            self._heal()
            return self._rests() and self._operator_ends() and self._old_numbers_return()
        except StuckError:
            return False

    def errors(self) -> list[str]:
        """List what went wrong inside of processes and nobody took care of."""
        unreceived = [
            f"{worker.owner}: {error!r}"
            for worker in self.workers
            if not worker.loop.dead
            for error in worker.loop.unreceived_errors()
        ]
        refused = (
            self.befallen.counts[f"exits {EXIT_UNFIT}"]
            and self.workers_before_restoring is None
        )
        foreign = ["P9: a worker refused its own ledger"] if refused else []
        return self.virtual.errors + unreceived + foreign

    def _begin(self) -> None:
        scenario, after = self.scenario, self.virtual.after
        for number in range(scenario.workers):
            self._start(f"worker-{number}")
        for index, seconds in enumerate(scenario.joins):
            name = f"worker-{scenario.workers + index}"
            after(seconds, lambda name=name: self._start(name))  # type: ignore[misc]
        for sending in scenario.sendings:
            after(sending.seconds, lambda it=sending: self._send(it))  # type: ignore[misc]
        for seconds in scenario.operator_at:
            after(seconds, self._operator_decides)
        for seconds in scenario.rebalances:
            after(seconds, self.kafka.group.rebalance)
        for seconds in scenario.crashes:
            after(seconds, self._crash)
        after(LOOK_SECONDS, self._look)
        after(COPY_SECONDS, self._copy_ledger)

    def _send(self, sending: Sending) -> None:
        if sending.gap:
            self.kafka.skip(sending.topic, sending.partition)
        record = self.kafka.send(sending.topic, sending.partition, sending.value, b"key")
        self.sent.append(Sent(sending, record))

    def _crash(self) -> None:
        self.workers[-1].loop.kill()

    def _start(self, instance_id: str) -> None:
        self._started[instance_id] += 1
        worker = WorkerProcess(self, instance_id, self._started[instance_id])
        self.workers.append(worker)
        worker.loop.observers.append(lambda: self._watch(worker))

    def _watch(self, worker: WorkerProcess) -> None:
        """Start a process that ended again, or one in the place of one that is stopped."""
        if worker.replaced or not (worker.loop.dead or self.plan.replaces(worker.loop)):
            return
        worker.replaced = True
        absence = self.plan.restart_seconds(worker.owner)
        if self.plan.skips and not self.skipped:
            self.skipped = True
            absence += self.limits.session_seconds
            self.virtual.after(self.limits.session_seconds, self._skip)
        elif self.plan.restores and not self._restored:
            self._restore()
            if self.plan.adopts:
                # As its tool does, not before the group is empty and no transaction is open.
                absence += self.limits.session_seconds
                self.virtual.after(self.limits.session_seconds, self._adopt)
        self.virtual.after(absence, lambda: self._start(worker.instance_id))

    def _copy_ledger(self) -> None:
        self._copy = deepcopy(self.store)

    def _restore(self) -> None:
        """Put an older copy in the place of the ledger."""
        self._restored = True
        self.workers_before_restoring = len(self.workers)
        self.store.__dict__.update(deepcopy(self._copy).__dict__)

    def _adopt(self) -> None:
        """Accept the copy: what it may have lost must not be sent again."""
        notes = [read_note(each.metadata) for each in self.kafka.group.committed.values()]
        operator = FakeLedger("operator", self.store)
        at_once(operator.adopt(AFFILIATION, notes, at(self.virtual.now)))
        self.adopted, self.workers_before_restoring = True, None

    def has_lost_commits(self) -> bool:
        """Whether a committed note names more than the ledger has."""
        texts = [each.metadata for each in self.kafka.group.committed.values()]
        notes = [note for note in map(read_note, texts) if note is not None]
        return any(self.store.writers.get(note.owner, -1) < note.counter for note in notes)

    def _skip(self) -> None:
        """Skip all records there are, as an operator may; no note is left, so adopt the ledger."""
        self.kafka.skip_everything()
        since = self.random.choice((BEGINNING, at(self.virtual.now)))
        at_once(FakeLedger("operator", self.store).adopt(AFFILIATION, [], since))

    def _look(self) -> None:
        all_sent = len(self.sent) >= len(self.scenario.sendings)
        owed = any(state.stale for state in self.store.cards.values())
        self._at_rest = all_sent and not owed and self.kafka.at_rest() and not self._asks_on()
        self.virtual.after(LOOK_SECONDS, self._look)

    def _asks_on(self) -> bool:
        """Whether PayWizard is still asked about an order, or one was decided and nobody told."""
        return any(
            (awaits_word(entry) and entry.next_check_at is not None) or awaits_final(entry)
            for entry in self.store.entries.values()
        )

    def _operator_ends(self) -> bool:
        """Let an operator decide what is left open, as PayWizard's book has it."""
        self.paywizard.settle(self.virtual.now)
        left = [entry for entry in self.store.entries.values() if awaits_word(entry)]
        for entry in left:
            self._resolve(entry, self._truth_of(entry) or State.NOT_EXECUTED)
        return self._rests() if left else True

    def _old_numbers_return(self) -> bool:
        """Purge what is over, and let upstream send everything once more (P13)."""
        if not self.scenario.purges or self.workers_before_restoring is not None:
            return True
        for key, entry in self.store.entries.items():
            if entry.published is Published.FINAL:
                self.store.entries[key] = _tombstone(entry, self.database_now())
        for sending in self.scenario.sendings:
            self._send(sending)
        return self._rests()

    def _operator_decides(self) -> None:
        """Let an operator decide the open orders of which PayWizard's book already knows the end."""
        self.paywizard.settle(self.virtual.now)
        for entry in list(self.store.entries.values()):
            truth = self._truth_of(entry) if awaits_word(entry) else None
            if truth is not None:
                self._resolve(entry, truth)

    def _truth_of(self, entry: Entry) -> State | None:
        """Say how an order has ended for good; None: PayWizard has not taken it on, or not yet."""
        for order in self.paywizard.orders.values():
            if order.asked.command.tran_order_no != entry.tran_order_no:
                continue
            if order.movement is not None:
                return State.SUCCEEDED
            if order.settled or order.does_at_once or not order.does_at_all:
                # Of an order that PayWizard has named, even in a query, NOT_EXECUTED is no word.
                unnamed = order.nameless and entry.proven_checkout_id is None
                return State.NOT_EXECUTED if unnamed else State.DECLINED
        return None

    def _resolve(self, entry: Entry, outcome: State) -> None:
        value = encode_frame(
            "paywizard.commands.ResolutionCommand",
            {
                "tranOrderNo": entry.tran_order_no,
                "clientId": entry.client_id,
                "outcome": outcome.value,
                "reason": "the book says so",
                "checkoutId": None,
                "operator": "operator",
                "requestedAt": BEGINNING,
            },
        )
        for _ in range(self.random.choice((1, 2))):
            self.kafka.send(RESOLUTIONS, 0, value, entry.tran_order_no.encode())

    def _heal(self) -> None:
        self.plan.heal()
        for worker in self.workers:
            worker.loop.thaw()

    def _rests(self) -> bool:
        """Wait until all is at rest, and stays so while a lease and due checks go by."""
        if self.has_lost_commits():
            self.virtual.run_until(lambda: False, self.virtual.now + SETTLE_SECONDS)
            return True
        limit = self.virtual.now + PATIENCE_SECONDS
        while self.virtual.run_until(lambda: self._at_rest, limit):
            since = self.virtual.now
            self.steps_to_rest = self.steps_to_rest or self.network.steps
            if not self.virtual.run_until(lambda: not self._at_rest, since + SETTLE_SECONDS):
                return True
        return False


def _tombstone(entry: Entry, now: datetime) -> Entry:
    """What a purge leaves: who it was, how it ended, and what it took."""
    assert entry.outcome is not None
    answer = Answer(checkout_id=entry.checkout_id)
    return replace(
        entry,
        version=entry.version + 1,
        request=Request(received_at=now),
        outcome=StoredOutcome(decided_by=entry.outcome.decided_by, answer=answer),
        queries=(),
        purged_at=now,
    )

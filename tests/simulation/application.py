"""The application of one simulated process: what bootstrap puts together, over the fakes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from tests.instruments import CLIENTS, unwatched_metrics
from tests.simulation.gateway import CONCURRENCY_MAX, GatewayOverNetwork
from tests.simulation.kafka import INTERNAL_PARTITIONS, PREFIX
from tests.simulation.ledger import LedgerOverNetwork
from tests.simulation.loop import ProcessLoop
from tests.simulation.network import Network
from tests.simulation.paywizard import PayWizard
from worker.adapters.avro.records import RecordCodec
from worker.adapters.kafka.bridge import Bridge
from worker.application.accounts import Accounts
from worker.application.asking import Asking
from worker.application.check_status import CheckStatus
from worker.application.dead_letters import DeadLetters
from worker.application.dispatch import Around, Dispatcher
from worker.application.due import DueTask
from worker.application.marking import Marking
from worker.application.originals import Originals
from worker.application.ports import Clock
from worker.application.process_command import ProcessCommand, Rules
from worker.application.publishing import Publishing
from worker.application.reading import Reading
from worker.application.refresh_balance import RefreshBalance
from worker.domain.commands import Command
from worker.domain.identity import Affiliation, Identity
from worker.domain.operations import Operation
from worker.domain.retry_schedule import RetrySchedule
from worker.domain.states import State

CLIENT: Final = CLIENTS[0]
CHANNEL: Final = "FACTOR4"
BEGINNING: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)
GROUP_ID: Final = "simulation"
AFFILIATION: Final = Affiliation(
    group_id=GROUP_ID, default_client=CLIENT, partitions=INTERNAL_PARTITIONS
)
DAY: Final = timedelta(days=1)
ASK_AGAIN: Final = RetrySchedule(first_delay_seconds=0.2, delay_seconds_max=2.0)
VOIDABLE: Final = frozenset({Operation.PAYMENT, Operation.TIP, Operation.RELOAD})
CODEC: Final = RecordCodec(default_client_id=CLIENT)
METRICS: Final = unwatched_metrics()
"""Shared by all processes: nothing reads them to decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The settings that matter here, and short: the lease outlives send and call deadline."""

    session_seconds: float = 6.0
    original_wait_seconds: float = 3.0
    due_interval_seconds: float = 4.0
    orphan_after_seconds: float = 60.0
    drain_seconds: float = 8.0
    send_deadline_seconds: float = 1.0
    call_deadline_seconds: float = 5.0
    lease_seconds: float = 7.0
    replay_duplicates: bool = False


@dataclass(frozen=True, slots=True)
class WallClock:
    """A process's Clock port, wrong by `skew`."""

    loop: ProcessLoop
    skew: timedelta

    def now(self) -> datetime:
        """Return the present moment as this process sees it."""
        return at(self.loop.time()) + self.skew


def at(seconds: float) -> datetime:
    """The right time after so much virtual time."""
    return BEGINNING + timedelta(seconds=seconds)


class OneChannel:
    """The Clients port."""

    def channel_of(self, client_id: str) -> str | None:
        """Name the channel of a known client."""
        return CHANNEL if client_id in CLIENTS else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the application of a process is built over."""

    owner: str
    loop: ProcessLoop
    network: Network
    ledger: LedgerOverNetwork
    paywizard: PayWizard
    state_of: Callable[[Command], State | None]
    clock: Clock
    random: Random
    limits: Limits
    identity: Identity
    bridge: Bridge


def application_for(around: Surroundings) -> tuple[Dispatcher, DueTask]:
    """Put the application together."""
    limits, ledger, clock = around.limits, around.ledger, around.clock
    publishing = Publishing(codec=CODEC, clock=clock)
    marking = Marking(ledger=ledger)
    due = DueTask(
        interval_seconds=limits.due_interval_seconds,
        again_seconds=limits.due_interval_seconds * 2,
        lease_seconds=limits.lease_seconds,
        ledger=ledger,
        publisher=around.bridge,
        publishing=publishing,
        marking=marking,
    )
    lanes = Around(
        reading=_reading(around, publishing),
        publisher=around.bridge,
        accounts=Accounts(topic_prefix=PREFIX, clock=clock, metrics=METRICS),
        marking=marking,
    )
    return Dispatcher(lanes), due


def _reading(around: Surroundings, publishing: Publishing) -> Reading:
    ledger, clock, lease_seconds = around.ledger, around.clock, around.limits.lease_seconds
    asking = Asking(
        ledger=ledger,
        gateway=_gateway(around),
        clock=clock,
        schedule=ASK_AGAIN,
        jitter=around.random.random,
        metrics=METRICS,
    )
    originals = Originals(ledger=ledger, voidable=VOIDABLE, unknown_checkout_ids_allowed=False)
    dead_letters = DeadLetters(group=GROUP_ID, version="0")
    return Reading(
        codec=CODEC,
        clients=OneChannel(),
        originals=originals,
        process=ProcessCommand(
            owner=around.owner,
            rules=_rules(around),
            ledger=ledger,
            asking=asking,
            originals=originals,
            publishing=publishing,
            clock=clock,
            dead_letters=dead_letters,
            metrics=METRICS,
        ),
        refresh=RefreshBalance(
            wait_max=DAY,
            ledger=ledger,
            asking=asking,
            codec=CODEC,
            clock=clock,
            metrics=METRICS,
        ),
        check=CheckStatus(lease_seconds=lease_seconds, ledger=ledger, publishing=publishing),
        dead_letters=dead_letters,
        clock=clock,
        metrics=METRICS,
    )


def _gateway(around: Surroundings) -> GatewayOverNetwork:
    return GatewayOverNetwork(
        loop=around.loop,
        network=around.network,
        paywizard=around.paywizard,
        clock=around.clock,
        state_of=around.state_of,
        slots=asyncio.Semaphore(CONCURRENCY_MAX),
        send_deadline_seconds=around.limits.send_deadline_seconds,
        call_deadline_seconds=around.limits.call_deadline_seconds,
    )


def _rules(around: Surroundings) -> Rules:
    return Rules(
        lease=timedelta(seconds=around.limits.lease_seconds),
        wait_max=DAY,
        original_wait=timedelta(seconds=around.limits.original_wait_seconds),
        reload_amount_allowed=True,
        replay_duplicates=around.limits.replay_duplicates,
        adopted_since=around.identity.adopted_since,
    )

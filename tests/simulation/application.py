"""The application of one simulated process: what bootstrap puts together, over the fakes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Final

from typing_extensions import override

from tests.instruments import CLIENTS, unwatched_metrics
from tests.simulation.gateway import GatewayOverNetwork
from tests.simulation.kafka import INTERNAL_PARTITIONS, PREFIX
from tests.simulation.ledger import LedgerOverNetwork
from tests.simulation.loop import ProcessLoop
from tests.simulation.network import Network
from tests.simulation.paywizard import MID, PayWizard
from worker.adapters.avro.records import RecordCodec
from worker.adapters.kafka.bridge import Bridge
from worker.application.composition import Application, Policy, World, application_for
from worker.application.ports import Clock, RecordKind
from worker.application.process_command import Rules
from worker.domain.balances import BalanceRefresh
from worker.domain.commands import AnyCommand, Command
from worker.domain.identity import Affiliation, Identity
from worker.domain.operations import Operation
from worker.domain.resolutions import Resolution
from worker.domain.retry_schedule import RetrySchedule
from worker.domain.states import State
from worker.domain.status_checks import StatusCheck
from worker.domain.status_queries import Merchant

CLIENT: Final = CLIENTS[0]
CHANNEL: Final = "FACTOR4"
BEGINNING: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)
GROUP_ID: Final = "simulation"
AFFILIATION: Final = Affiliation(
    group_id=GROUP_ID, default_client=CLIENT, partitions=INTERNAL_PARTITIONS
)
DAY: Final = timedelta(days=1)
STALE_AGAIN: Final = RetrySchedule(first_delay_seconds=4.0, delay_seconds_max=8.0)
ASK_AGAIN: Final = RetrySchedule(first_delay_seconds=0.2, delay_seconds_max=2.0)
VOIDABLE: Final = frozenset({Operation.PAYMENT, Operation.TIP, Operation.RELOAD})


class RememberingCodec(RecordCodec):
    """Reads the same bytes once: the processes of a run, and thousands of runs, share commands."""

    @override
    @lru_cache(maxsize=4096)  # noqa: B019  # there is one codec
    def decode(
        self, kind: RecordKind, value: bytes | None
    ) -> AnyCommand | Resolution | BalanceRefresh | StatusCheck:
        return super().decode(kind, value)


CODEC: Final = RememberingCodec(default_client_id=CLIENT)
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
    grace_seconds: float = 2.0
    budget_seconds: float = 60.0
    replay_duplicates: bool = False
    concurrency_max: int = 3
    """How many calls a process makes at once: what waits for a slot is CLAIMED meanwhile."""


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

    def merchant_of(self, client_id: str) -> Merchant | None:
        """Name the merchant of a known client."""
        return Merchant(MID, is_shared=False) if client_id in CLIENTS else None


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


def application_of(around: Surroundings) -> Application:
    """Put the application together."""
    limits = around.limits
    world = World(
        owner=around.owner,
        group=GROUP_ID,
        version="0",
        topic_prefix=PREFIX,
        ledger=around.ledger,
        gateway=_gateway(around),
        publisher=around.bridge,
        codec=CODEC,
        clients=OneChannel(),
        clock=around.clock,
        jitter=around.random.random,
        metrics=METRICS,
    )
    policy = Policy(
        rules=_rules(around),
        voidable=VOIDABLE,
        unknown_originals_allowed=False,
        query_by_order_number=True,
        grace_seconds=limits.grace_seconds,
        budget_seconds=limits.budget_seconds,
        due_interval_seconds=limits.due_interval_seconds,
        due_again_seconds=limits.due_interval_seconds * 2,
        ask_again=ASK_AGAIN,
        stale_again=STALE_AGAIN,
    )
    return application_for(world, policy)


def _gateway(around: Surroundings) -> GatewayOverNetwork:
    return GatewayOverNetwork(
        loop=around.loop,
        network=around.network,
        paywizard=around.paywizard,
        clock=around.clock,
        state_of=around.state_of,
        slots=asyncio.Semaphore(around.limits.concurrency_max),
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

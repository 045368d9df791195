"""Putting the application together over whatever ports it is given."""

from collections.abc import Callable, Coroutine, Set
from dataclasses import dataclass
from typing import Any, Final

from worker.application.accounts import Accounts
from worker.application.asking import Asking
from worker.application.check_status import CheckStatus
from worker.application.dead_letters import DeadLetters
from worker.application.dispatch import Around, Dispatcher
from worker.application.due import DueTask
from worker.application.halting import Halt
from worker.application.keeping import Keeping
from worker.application.marking import Marking
from worker.application.originals import Originals
from worker.application.ports import Clients, Clock, Codec, Gateway, Ledger, Publisher
from worker.application.process_command import ProcessCommand, Rules
from worker.application.publishing import Publishing
from worker.application.reading import Reading
from worker.application.refresh_balance import RefreshBalance
from worker.application.resolve import Resolve
from worker.application.stale_cards import StaleCards
from worker.application.status_queries import StatusQueries
from worker.application.watching import Watching
from worker.domain.operations import Operation
from worker.domain.retry_schedule import RetrySchedule
from worker.domain.status_checks import CheckSchedule
from worker.observability.metrics import Metrics

DUE_INTERVAL_SECONDS: Final = 1.0
DUE_AGAIN_SECONDS: Final = 60.0
"""How soon a due entry is looked at again, if nothing came of the look before."""
STALE_AGAIN: Final = RetrySchedule(first_delay_seconds=30.0, delay_seconds_max=3600.0)
"""When a card whose balances could not be read is looked at again."""
ASK_AGAIN: Final = RetrySchedule(first_delay_seconds=0.5, delay_seconds_max=30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is decided about orders: by the operator, or as here."""

    rules: Rules
    voidable: Set[Operation]
    unknown_originals_allowed: bool
    """Whether an original known only by a checkoutId may be sent to PayWizard (G12)."""
    query_by_order_number: bool
    """Whether an order without a known checkoutId is asked about by its number (G5)."""
    grace_seconds: float
    budget_seconds: float
    due_interval_seconds: float = DUE_INTERVAL_SECONDS
    due_again_seconds: float = DUE_AGAIN_SECONDS
    ask_again: RetrySchedule = ASK_AGAIN
    stale_again: RetrySchedule = STALE_AGAIN
    refreshes_balances: bool = True
    """Whether what moved something has its card looked at again; an inquiry always has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The ports, and who this process is: `owner` is its UUID, `group` its consumer group."""

    owner: str
    group: str
    version: str
    topic_prefix: str
    ledger: Ledger
    gateway: Gateway
    publisher: Publisher
    codec: Codec
    clients: Clients
    clock: Clock
    jitter: Callable[[], float]
    """A number in [0, 1) for each back-off."""
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Application:
    """What runs in asyncio: the dispatcher for Kafka's records, and two tasks beside it."""

    dispatcher: Dispatcher
    due: DueTask
    watching: Watching

    def beside(self, halt: Halt) -> tuple[Coroutine[Any, Any, None], ...]:
        """What runs beside the dispatcher until work is halted."""
        return self.due.run(halt), self.watching.run(halt)


def application_for(world: World, policy: Policy) -> Application:
    """Put the application together, in the event loop that will run it."""
    publishing = Publishing(
        codec=world.codec, clock=world.clock, refreshes_balances=policy.refreshes_balances
    )
    marking = Marking(ledger=world.ledger)
    schedule = CheckSchedule(
        budget_seconds=policy.budget_seconds, again_seconds=policy.due_again_seconds
    )
    lanes = Around(
        reading=_reading(world, policy, publishing, schedule),
        publisher=world.publisher,
        accounts=Accounts(
            topic_prefix=world.topic_prefix, clock=world.clock, metrics=world.metrics
        ),
        marking=marking,
    )
    due = DueTask(
        interval_seconds=policy.due_interval_seconds,
        jitter=world.jitter,
        schedule=schedule,
        lease_seconds=policy.rules.lease.total_seconds(),
        ledger=world.ledger,
        publisher=world.publisher,
        publishing=publishing,
        marking=marking,
        stale_cards=StaleCards(
            schedule=policy.stale_again,
            jitter=world.jitter,
            ledger=world.ledger,
            publisher=world.publisher,
            codec=world.codec,
            clock=world.clock,
        ),
    )
    watching = Watching(ledger=world.ledger, clock=world.clock, metrics=world.metrics)
    return Application(Dispatcher(lanes), due, watching)


@dataclass(frozen=True, slots=True)
class _Shared:
    """What several use cases have in common."""

    publishing: Publishing
    asking: Asking
    keeping: Keeping
    queries: StatusQueries
    originals: Originals
    dead_letters: DeadLetters


def _reading(
    world: World, policy: Policy, publishing: Publishing, schedule: CheckSchedule
) -> Reading:
    queries, keeping = _queries(world, policy), _keeping(world, policy)
    shared = _Shared(
        publishing=publishing,
        asking=_asking(world, policy, queries, keeping),
        keeping=keeping,
        queries=queries,
        originals=Originals(
            ledger=world.ledger,
            voidable=policy.voidable,
            unknown_checkout_ids_allowed=policy.unknown_originals_allowed,
        ),
        dead_letters=DeadLetters(group=world.group, version=world.version),
    )
    return Reading(
        codec=world.codec,
        clients=world.clients,
        originals=shared.originals,
        process=_process(world, policy, shared),
        refresh=_refresh(world, policy, shared),
        check=_check(world, policy, shared, schedule),
        resolve=Resolve(
            ledger=world.ledger,
            originals=shared.originals,
            dead_letters=shared.dead_letters,
            clock=world.clock,
            metrics=world.metrics,
        ),
        dead_letters=shared.dead_letters,
        clock=world.clock,
        metrics=world.metrics,
    )


def _process(world: World, policy: Policy, shared: _Shared) -> ProcessCommand:
    return ProcessCommand(
        owner=world.owner,
        rules=policy.rules,
        ledger=world.ledger,
        asking=shared.asking,
        originals=shared.originals,
        publishing=shared.publishing,
        clock=world.clock,
        dead_letters=shared.dead_letters,
        metrics=world.metrics,
    )


def _refresh(world: World, policy: Policy, shared: _Shared) -> RefreshBalance:
    return RefreshBalance(
        wait_max=policy.rules.wait_max,
        stale_again=policy.stale_again,
        ledger=world.ledger,
        publisher=world.publisher,
        asking=shared.asking,
        codec=world.codec,
        clock=world.clock,
        metrics=world.metrics,
    )


def _check(
    world: World, policy: Policy, shared: _Shared, schedule: CheckSchedule
) -> CheckStatus:
    return CheckStatus(
        lease_seconds=policy.rules.lease.total_seconds(),
        adopted_since=policy.rules.adopted_since,
        schedule=schedule,
        ledger=world.ledger,
        originals=shared.originals,
        queries=shared.queries,
        keeping=shared.keeping,
        publishing=shared.publishing,
        metrics=world.metrics,
    )


def _queries(world: World, policy: Policy) -> StatusQueries:
    return StatusQueries(
        by_order_number=policy.query_by_order_number,
        grace_seconds=policy.grace_seconds,
        adopted_since=policy.rules.adopted_since,
        ledger=world.ledger,
        gateway=world.gateway,
        clients=world.clients,
        clock=world.clock,
    )


def _keeping(world: World, policy: Policy) -> Keeping:
    return Keeping(
        ledger=world.ledger,
        clock=world.clock,
        schedule=policy.ask_again,
        jitter=world.jitter,
        metrics=world.metrics,
    )


def _asking(world: World, policy: Policy, queries: StatusQueries, keeping: Keeping) -> Asking:
    return Asking(
        ledger=world.ledger,
        gateway=world.gateway,
        keeping=keeping,
        queries=queries,
        clock=world.clock,
        schedule=policy.ask_again,
        jitter=world.jitter,
        metrics=world.metrics,
    )

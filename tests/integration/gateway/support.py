"""What the gateway's socket tests share: a gateway with short patience, a payment, an answer."""

import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from prometheus_client import CollectorRegistry, Counter, Gauge

from worker.adapters.paywizard.classification import ReplyPolicy
from worker.adapters.paywizard.credentials import Credential, Credentials
from worker.adapters.paywizard.gateway import GatewayPolicy, PayWizardGateway
from worker.adapters.system_clock import boottime_seconds
from worker.domain.card import Card
from worker.domain.commands import Command, Payment
from worker.domain.money import Money
from worker.domain.replies import Reply
from worker.observability.metrics import Metrics

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
CARD = Card("one", "FACTOR4", "600000000000001")
PAYMENT = Payment(
    tran_order_no="TEST-0000000001",
    client_id="one",
    requested_at=NOW,
    account_id=CARD.account_id,
    entry_type="K",
    money=Money(Decimal("10.50"), "USD"),
)
OTHERS_CARD = Card("two", "FACTOR4", "600000000000002")
OTHERS_PAYMENT = replace(PAYMENT, client_id="two", account_id=OTHERS_CARD.account_id)
CREDENTIALS = tuple(
    Credential(
        client_id=client,
        client_secret=f"{client}-secret",
        jwt_token=f"{client}-TOKEN",
        loyalty_channel="FACTOR4",
    )
    for client in ("one", "two")
)
POLICY = GatewayPolicy(
    base_url="http://127.0.0.1:1",
    connect_timeout_seconds=5.0,
    read_timeout_seconds=5.0,
    call_deadline_seconds=10.0,
    send_deadline_seconds=10.0,
    concurrency_max=256,
    requests_per_second_max=None,
    replies=ReplyPolicy(
        refused_codes=frozenset({400, 401, 403, 404, 413, 415, 422}), retry_throttled=True
    ),
)
IMPATIENT = replace(
    POLICY,
    connect_timeout_seconds=1.0,
    read_timeout_seconds=0.4,
    call_deadline_seconds=1.2,
)
"""For what never ends by itself. Dripping bytes come faster than its read timeout."""


@dataclass
class StillClock:
    """A clock that stands still until it is set."""

    moment: datetime = NOW

    def now(self) -> datetime:
        """Return the moment."""
        return self.moment


def approval(checkout_id: str = "900", **data: object) -> bytes:
    """The body of an approved payment."""
    fields = {"result": 0, "checkoutId": checkout_id} | data
    return json.dumps({"code": 200, "msg": "success", "data": fields}).encode()


def new_metrics() -> Metrics:
    """Metrics of their own for a test."""
    return Metrics(
        CollectorRegistry(), clients=("one", "two"), topics=(), version="0", revision="0"
    )


def value(instrument: Counter | Gauge, **labels: str) -> float:
    """The present value of one child."""
    metrics = instrument.labels(**labels).collect()
    return next(sample.value for metric in metrics for sample in metric.samples)


@asynccontextmanager
async def open_gateway(
    url: str,
    policy: GatewayPolicy = POLICY,
    *,
    load: Callable[[], Iterable[Credential]] = lambda: CREDENTIALS,
    clock: StillClock | None = None,
    boottime: Callable[[], float] = boottime_seconds,
    metrics: Metrics | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[PayWizardGateway]:
    """Open a gateway to `url`, and close it."""
    gateway = PayWizardGateway(
        replace(policy, base_url=url),
        Credentials(load),
        clock or StillClock(),
        boottime,
        metrics or new_metrics(),
        tls,
    )
    try:
        yield gateway
    finally:
        await gateway.aclose()


async def execute(
    gateway: PayWizardGateway,
    command: Command,
    card: Card | None,
    original_checkout_id: str | None = None,
) -> Reply:
    """Take a slot and call, as the application does."""
    async with gateway.slot(command.client_id) as window:
        return await gateway.execute(command, card, window, original_checkout_id)

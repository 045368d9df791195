"""A clock for tests that moves only when told to."""

from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from worker.observability.metrics import Metrics

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Stopwatch:
    """Stands still until `advance`; `monotonic` and `now` show the same time."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def advance(self, seconds: float) -> None:
        self.seconds += seconds

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.seconds)


def metrics_on(registry: CollectorRegistry) -> Metrics:
    return Metrics(
        registry,
        clients=("gift-shop",),
        topics=(
            *("commands.payment", "commands.reload", "commands.points", "commands.void"),
            *("commands.card", "internal.balance-refresh"),
        ),
        version="0.1.0",
        revision="abc",
    )

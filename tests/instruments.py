"""Instruments for tests: metrics in a registry of their own."""

from prometheus_client import CollectorRegistry

from worker.observability.metrics import Metrics

CLIENTS = ("100000000000000001", "100000000000000002")
TOPICS = (
    "commands.payment",
    "commands.reload",
    "commands.points",
    "commands.void",
    "commands.card",
    "internal.balance-refresh",
    "internal.status-checks",
)


def unwatched_metrics() -> Metrics:
    """Metrics that nobody scrapes."""
    return Metrics(
        CollectorRegistry(), clients=CLIENTS, topics=TOPICS, version="test", revision="test"
    )

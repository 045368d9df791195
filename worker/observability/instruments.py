"""Making instruments with all their children, and the catalogue of what was made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

PREFIX: Final = "paywizard_worker_"

Instrument = TypeVar("Instrument", Counter, Gauge, Histogram)


@dataclass(frozen=True, slots=True)
class Family:
    """What the catalogue says of one metric; `name` is without the prefix."""

    name: str
    kind: str
    labels: Mapping[str, tuple[str, ...]]
    meaning: str


def new_registry() -> CollectorRegistry:
    """Return a registry that already has the `process_*` and `python_*` metrics."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class Instruments:
    """Makes instruments and lists them in `families`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Else each child has one more series. The function has no annotations.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.families: list[Family] = []
        self._registry = registry

    def _counter(self, name: str, meaning: str, **labels: Iterable[str]) -> Counter:
        values = self._family(name, "counter", meaning, labels)
        counter = Counter(PREFIX + name, meaning, list(values), registry=self._registry)
        return _with_children(counter, values)

    def _gauge(self, name: str, meaning: str, **labels: Iterable[str]) -> Gauge:
        values = self._family(name, "gauge", meaning, labels)
        gauge = Gauge(PREFIX + name, meaning, list(values), registry=self._registry)
        return _with_children(gauge, values)

    def _histogram(
        self, name: str, meaning: str, edges: Sequence[float], **labels: Iterable[str]
    ) -> Histogram:
        values = self._family(name, "histogram", meaning, labels)
        histogram = Histogram(
            PREFIX + name, meaning, list(values), registry=self._registry, buckets=edges
        )
        return _with_children(histogram, values)

    def _family(
        self, name: str, kind: str, meaning: str, labels: Mapping[str, Iterable[str]]
    ) -> Mapping[str, tuple[str, ...]]:
        values = {
            label: tuple(str(value) for value in every) for label, every in labels.items()
        }
        self.families.append(Family(name, kind, values, meaning))
        return values


def _with_children(instrument: Instrument, values: Mapping[str, tuple[str, ...]]) -> Instrument:
    if values:
        for combination in product(*values.values()):
            instrument.labels(*combination)
    return instrument

"""The metrics are those of the catalogue, complete from the start and bounded in number."""

import random
import string
from itertools import product
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tests.unit.observability.stopwatch import metrics_on
from worker.application.ports import OutputTopic
from worker.domain import replies
from worker.observability import buckets
from worker.observability.catalogue import catalogue_markdown
from worker.observability.instruments import PREFIX, Family, new_registry
from worker.observability.labels import (
    HTTP_CODES,
    OTHER,
    OUTPUT_TOPICS,
    REPLIES,
    bounded,
)
from worker.observability.metrics import Metrics

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
KINDS = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return metrics_on(registry)


def test_the_documented_catalogue_is_that_of_the_code() -> None:
    """docs/metrics.md is generated: `python -m worker.observability.catalogue`."""
    assert PAGE.read_text(encoding="utf-8") == catalogue_markdown()


def test_the_catalogue_holds_exactly_what_is_exposed(
    registry: CollectorRegistry, metrics: Metrics
) -> None:
    """No metric is outside the catalogue, none only in it; types and help agree."""
    exposed = {family.name: family for family in registry.collect()}
    written = {
        PREFIX + family.name.removesuffix("_total"): (family.kind, family.meaning)
        for family in metrics.families
    }
    assert written == {
        name: (family.type, family.documentation) for name, family in exposed.items()
    }


def test_every_metric_is_the_attribute_of_its_name(metrics: Metrics) -> None:
    """The name in the catalogue is the name in the code."""
    for family in metrics.families:
        assert isinstance(getattr(metrics, family.name), KINDS[family.kind]), family.name


def test_names_follow_the_rules(metrics: Metrics) -> None:
    """Counters, and nothing else, end in `_total`; a point in time is a gauge."""
    for family in metrics.families:
        assert family.name.endswith("_total") == (family.kind == "counter"), family.name
        if "timestamp" in family.name:
            assert family.name.endswith("_timestamp_seconds"), family.name
            assert family.kind == "gauge"


def test_every_child_exists_at_start(registry: CollectorRegistry, metrics: Metrics) -> None:
    """A child that is born with the value 1 shows no increase, so all are born with 0."""
    born = {
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in registry.collect()
        for sample in family.samples
    }
    expected = {
        (_sample_name(family), tuple(sorted(zip(family.labels, values, strict=True))))
        for family in metrics.families
        for values in product(*family.labels.values())
    }
    assert expected <= born


def _sample_name(family: Family) -> str:
    return PREFIX + family.name + ("_count" if family.kind == "histogram" else "")


def test_there_are_fewer_than_3000_series() -> None:
    """Cardinality is bounded, with everything that the process itself exposes."""
    registry = new_registry()
    metrics_on(registry)
    series = [sample for family in registry.collect() for sample in family.samples]
    assert 0 < len(series) < 3000


def test_no_series_says_when_a_child_was_created(
    registry: CollectorRegistry, metrics: Metrics
) -> None:
    """`_created` would double the number of series."""
    samples = [sample.name for family in registry.collect() for sample in family.samples]
    assert [name for name in samples if name.endswith("_created")] == []


def test_a_new_registry_has_the_metrics_of_the_process() -> None:
    """CPU, memory and restarts are seen through `process_*`, the interpreter's through `python_*`."""
    names = {family.name for family in new_registry().collect()}
    assert {"process_start_time_seconds", "process_cpu_seconds", "python_info"} <= names


def test_nothing_from_outside_makes_more_than_one_more_label() -> None:
    """Ten thousand values that nobody foresaw are all `other`."""
    source = random.Random(7)
    values = [
        "".join(source.choices(string.printable, k=source.randint(0, 40)))
        for _ in range(10_000)
    ]
    seen = {bounded(value, HTTP_CODES) for value in [*values, None, 599, -1, 200, "404"]}
    assert seen == {"200", "404", OTHER}


def test_the_output_topics_are_those_that_the_application_writes_to() -> None:
    """The label's values and the port's are one set."""
    assert set(OUTPUT_TOPICS) == {topic.value for topic in OutputTopic}


def test_the_replies_are_the_gateways() -> None:
    """The label's values are the names of the closed union."""
    assert set(REPLIES) == {reply.__name__ for reply in replies.Reply.__args__}


@pytest.mark.parametrize(
    "edges",
    [
        buckets.CALL,
        buckets.END_TO_END,
        buckets.SQL,
        buckets.KAFKA_TRANSACTION,
        buckets.SOURCES,
        buckets.GROUP_ENTRIES,
    ],
)
def test_bucket_edges_rise(edges: tuple[float, ...]) -> None:
    """Edges out of order would be refused only when the worker starts."""
    assert list(edges) == sorted(set(edges))


def test_the_limit_of_the_timely_objective_is_an_edge() -> None:
    """The objective counts commands within 30 s, so 30 is an edge."""
    assert 30 in buckets.END_TO_END

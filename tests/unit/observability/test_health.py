"""Alive, ready and started mean what the probes need them to mean."""

import pytest
from prometheus_client import CollectorRegistry

from tests.unit.observability.stopwatch import Stopwatch, metrics_on
from worker.observability.health import Health
from worker.observability.labels import CHECKS, Check
from worker.observability.watchdog import Heartbeats


class Setting:
    """A health with its heartbeats, its clock and its metrics."""

    def __init__(self) -> None:
        self.stopwatch = Stopwatch()
        self.registry = CollectorRegistry()
        metrics = metrics_on(self.registry)
        self.heartbeats = Heartbeats(
            {"consumer": 90, "work": 90},
            monotonic=self.stopwatch.monotonic,
            now=self.stopwatch.now,
            metrics=metrics,
        )
        self.health = Health(
            self.heartbeats,
            monotonic=self.stopwatch.monotonic,
            metrics=metrics,
            session_timeout_seconds=30,
        )

    def pass_all(self) -> None:
        for check in CHECKS:
            self.health.report(check, ok=True)

    def ready(self) -> bool:
        """Whether it is ready; the gauge must say the same."""
        ready = self.health.ready().ok
        assert self.registry.get_sample_value("paywizard_worker_ready") == float(ready)
        return ready


@pytest.fixture
def setting() -> Setting:
    return Setting()


@pytest.mark.parametrize("missing", CHECKS)
def test_it_has_started_once_every_check_has_passed(setting: Setting, missing: Check) -> None:
    """Ledger, schemas, topics, producer and the group: none may be missing."""
    for check in CHECKS:
        setting.health.report(check, ok=check != missing)
    assert not setting.health.startup().ok
    assert not setting.ready()
    setting.health.report(missing, ok=True)
    assert setting.health.startup().ok
    assert setting.ready()


def test_it_has_started_for_good(setting: Setting) -> None:
    """A later failure is for readiness to show."""
    setting.pass_all()
    for check in CHECKS:
        setting.health.report(check, ok=False)
    setting.stopwatch.advance(10_000)
    assert setting.health.startup().ok


def test_a_ledger_that_fails_is_not_ready_until_it_passes_again(setting: Setting) -> None:
    """Ledger down: nothing new is claimed."""
    setting.pass_all()
    setting.health.report("ledger", ok=False)
    assert not setting.ready()
    setting.health.report("ledger", ok=True)
    assert setting.ready()


def test_a_ledger_check_counts_for_less_than_30_seconds(setting: Setting) -> None:
    """A check that hangs reports nothing, and silence is no success."""
    setting.pass_all()
    setting.stopwatch.advance(29)
    setting.health.report("kafka_consumer", ok=True)
    assert setting.ready()
    setting.stopwatch.advance(1)
    assert not setting.ready()


def test_a_rebalance_shorter_than_the_session_timeout_stays_ready(setting: Setting) -> None:
    """It was a member within the last session timeout."""
    setting.pass_all()
    setting.stopwatch.advance(29)
    setting.health.report("ledger", ok=True)
    setting.health.report("kafka_consumer", ok=False)
    assert setting.ready()
    setting.stopwatch.advance(1)
    assert not setting.ready()


@pytest.mark.parametrize("check", ["kafka_producer", "schemas", "topics"])
def test_other_checks_do_not_change_readiness(setting: Setting, check: Check) -> None:
    """They matter for the start, and for the metric."""
    setting.pass_all()
    setting.health.report(check, ok=False)
    assert setting.ready()
    labels: dict[str, str] = {"check": check}
    name = "paywizard_worker_health_check_status"
    assert setting.registry.get_sample_value(name, labels) == 0


def test_draining_is_not_ready(setting: Setting) -> None:
    """Whoever drains takes no new work, but lives."""
    setting.pass_all()
    setting.health.drain()
    assert not setting.ready()
    assert setting.health.live().ok


def test_it_lives_without_kafka_and_ledger(setting: Setting) -> None:
    """A restart during an outage would only create doubt."""
    for check in CHECKS:
        setting.health.report(check, ok=False)
    assert setting.health.live().ok


def test_it_does_not_live_without_its_watchdog(setting: Setting) -> None:
    """A watchdog that ended guards nothing."""
    setting.stopwatch.advance(15)
    assert not setting.health.live().ok
    setting.heartbeats.beat("watchdog")
    assert setting.health.live().ok


def test_a_loop_has_its_limit_and_a_margin_to_live(setting: Setting) -> None:
    """The watchdog comes first; the probe is for when it does not."""
    setting.stopwatch.advance(104)
    setting.heartbeats.beat("watchdog")
    setting.heartbeats.beat("work")
    assert setting.health.live().ok
    setting.stopwatch.advance(1)
    report = setting.health.live()
    assert [name for name, finding in report.findings.items() if not finding.ok] == ["consumer"]


def test_a_released_loop_is_not_missed(setting: Setting) -> None:
    """During a drain the loops end before the process does."""
    setting.heartbeats.release("consumer")
    assert set(setting.health.live().findings) == {"watchdog", "work"}


def test_a_report_says_status_and_age(setting: Setting) -> None:
    """What an operator reads with curl."""
    setting.pass_all()
    setting.stopwatch.advance(2.04)
    body = setting.health.startup().body()
    assert body["status"] == "ok"
    assert body["checks"] == {check: {"status": "ok", "age_seconds": 2.0} for check in CHECKS}


def test_a_check_that_never_ran_has_no_age(setting: Setting) -> None:
    """Not known is not well."""
    report = setting.health.ready()
    ledger = report.findings["ledger"]
    assert (ledger.ok, ledger.age_seconds) == (False, None)

"""A small proof for each ledger: all troubles once, and then everything that was said is asserted."""

import gc
import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from ops.proof.doubtful_day import LOST, PENDING
from ops.proof.outcome import EXIT_CODES, Outcome
from ops.proof.proving import prove
from ops.proof.stage import Ledger, Plan
from ops.proof.troubles import kinds_for
from ops.proof.workers import KILLED, Program

ORDERS = 500


def plan_for(ledger: Ledger) -> Plan:
    """Return a run in which each kind of trouble strikes."""
    plan = Plan(
        orders=ORDERS,
        troubles=0,
        workers=2,
        brokers=1,
        ledger=ledger,
        worker=Program.OURS,
        seed=1,
    )
    return replace(plan, troubles=sum(kind.weight for kind in kinds_for(plan).values()))


# Every single wait in a proof has a limit of its own, and is told when it was in vain.
@pytest.mark.timeout(1800)
# A client of Kafka drops the sockets of connections that were refused, unclosed.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("ledger", Ledger)
def test_two_workers_keep_all_promises_whatever_hits_them(
    ledger: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing twice, nothing lost, no doubt hidden or left, each trouble outlived without a hand."""
    # Kept log records would keep the sockets that Kafka's clients drop while the broker is away.
    caplog.set_level(logging.CRITICAL, "kafka")
    plan = plan_for(ledger)
    outcome = prove(plan, tmp_path)
    gc.collect()  # here, where the warnings about dropped sockets are not errors
    print(*outcome.lines(), sep="\n")  # noqa: T201 shown if it fails

    assert outcome.verdict.findings == ()
    assert_all_was_sent_and_settled(outcome)
    assert_each_trouble_struck(outcome, plan)


def assert_all_was_sent_and_settled(outcome: Outcome) -> None:
    """All kinds of doubt were met, and ended by each who can end them."""
    counts = outcome.verdict.counts
    assert outcome.sent == ORDERS == counts["order numbers"]
    assert counts["open orders"] == 0
    assert counts["dead letters CONFLICT"] == counts["dead letters"] == outcome.reuses > 0
    assert counts["exact duplicates"] == outcome.copies > 0
    assert met(outcome, LOST) >= 0.15 * ORDERS
    assert met(outcome, PENDING) >= 0.10 * ORDERS
    assert outcome.settled_by["STATUS_QUERY"] > 0
    assert outcome.settled_by["OPERATOR"] > 0
    assert outcome.said["order.parked", ""] > 0, "nothing was left to an operator"


def assert_each_trouble_struck(outcome: Outcome, plan: Plan) -> None:
    """Each worker ended as it was made to, and the workers noticed what was away."""
    struck = Counter(trouble.kind for trouble in outcome.timeline.troubles)
    assert struck == {name: kind.weight for name, kind in kinds_for(plan).items()}
    codes, takeovers = outcome.exit_codes, struck["SIGKILL and takeover"]
    assert set(codes) <= EXIT_CODES
    assert codes[KILLED] == struck["SIGKILL"] + takeovers
    assert codes[0] == struck["SIGTERM"] + struck["a worker joins and leaves"] + plan.workers
    assert len(outcome.recovery.takeovers) == takeovers
    assert outcome.recovery.started == struck["SIGKILL"]
    assert outcome.recovery.to_first_record
    assert outcome.said["ledger.unavailable", ""] > 0
    assert outcome.said["paywizard.call_failed", "ClientConnectorError"] > 0


def met(outcome: Outcome, prefix: str) -> int:
    """Count the orders whose requests met a fault whose name begins so."""
    return sum(
        count for name, count in outcome.history.book.met.items() if name.startswith(prefix)
    )

"""A worker refuses a ledger that is not, or is no longer, its group's, until it is adopted (P9)."""

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from ops.sandbox.child_process import ChildError
from ops.sandbox.kafka import SandboxKafka
from ops.sandbox.sending import Sending
from ops.sandbox.worker_process import run_tool
from tests.e2e.runs import SECONDS_MAX, Run, started, world_of_cards

SETTINGS: Final = {"KAFKA_SESSION_TIMEOUT_SECONDS": "6"}
END_SECONDS_MAX: Final = 30.0
ENDINGS: Final = ("", "-wal", "-shm")


@pytest.fixture
def run(kafka: SandboxKafka, tmp_path: Path) -> Iterator[Run]:
    """A worker with SQLite; whoever has stopped is a member for 6 seconds more."""
    with started(
        kafka.bootstrap_servers, tmp_path, world_of_cards(active=3), settings=SETTINGS
    ) as run:
        yield run


def payments(run: Run, name: str) -> list[Sending]:
    """Write one payment for each card."""
    return [run.payment(f"{name}-{n}", card) for n, card in enumerate(run.world.cards)]


def work(run: Run, name: str) -> None:
    """Have a worker do some payments, and stop it."""
    worker = run.start_worker()
    run.sender.send(*payments(run, name))
    run.finish()
    assert worker.stop(END_SECONDS_MAX) == 0


def ledger_path(run: Run) -> Path:
    """Return the file of the SQLite ledger."""
    return Path(run.settings["LEDGER_URL"].removeprefix("sqlite:///"))


def copy_ledger(source: Path, target: Path) -> None:
    """Copy a ledger that nobody has open; what was there before is gone."""
    for ending in ENDINGS:
        Path(f"{target}{ending}").unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            shutil.copy(f"{source}{ending}", f"{target}{ending}")


def remove_ledger(run: Run) -> None:
    """Replace the ledger by a new one, which knows nothing."""
    for ending in ENDINGS:
        Path(f"{ledger_path(run)}{ending}").unlink(missing_ok=True)
    run_tool(run.settings, "ledger", "upgrade")


def assert_refused(run: Run, why: str) -> None:
    """A worker ends with 78, says `why` and the way out, and completes nothing."""
    incomplete = run.follower.incomplete()
    worker = run.launch("sandbox")
    assert worker.end(END_SECONDS_MAX) == 78
    (failed,) = [line for line in worker.lines() if line["event"] == "worker.failed"]
    assert "exception" not in failed
    assert why in failed["why"]
    assert "ledger adopt --since TIME" in failed["why"]
    assert run.follower.incomplete() == incomplete


def adopt(run: Run, since: datetime) -> None:
    """Adopt the ledger as soon as the group is empty."""
    deadline = time.monotonic() + SECONDS_MAX
    while True:
        try:
            run_tool(run.settings, "ledger", "adopt", "--since", f"{since:%Y-%m-%dT%H:%M:%S%z}")
        except ChildError as error:
            if "stop every worker first" not in str(error) or time.monotonic() > deadline:
                raise
        else:
            return


def assert_goes_on_after_adoption(run: Run) -> None:
    """What was waiting may have been done and ends IN_DOUBT, unsent; what is newer is executed."""
    run.sender.send(*payments(run, "waiting"))
    since = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    adopt(run, since)
    run.wait_until(lambda: datetime.now(UTC) > since, "the time of the adoption is over")
    run.start_worker()
    run.sender.send(*payments(run, "new"))
    run.finish()

    outcomes = {order: (r["status"], r["reason"]) for order, r in run.results().items()}
    booked = run.book()["orders"]
    for sending in payments(run, "waiting"):
        assert outcomes[sending.order or ""] == ("IN_DOUBT", "ADOPTED_LEDGER")
        assert sending.order not in booked
    for sending in payments(run, "new"):
        assert outcomes[sending.order or ""] == ("SUCCEEDED", None)
    # The lost part numbered balance changes, too: those begin anew. All else holds.
    assert {finding.promise for finding in run.verdict().findings} <= {"P7"}


def test_an_older_copy_of_the_ledger_is_refused_until_it_is_adopted(run: Run) -> None:
    """Kafka names commits that a restored backup has lost: 78, and nothing is committed."""
    work(run, "before")
    backup = ledger_path(run).with_name("backup.db")
    copy_ledger(ledger_path(run), backup)
    work(run, "lost")
    copy_ledger(backup, ledger_path(run))

    assert_refused(run, "lost commits")
    assert_goes_on_after_adoption(run)


def test_an_empty_ledger_is_refused_until_it_is_adopted(run: Run) -> None:
    """The group has a history that a new ledger does not know: 78, and nothing is committed."""
    work(run, "before")
    remove_ledger(run)

    assert_refused(run, "never worked for it")
    assert_goes_on_after_adoption(run)

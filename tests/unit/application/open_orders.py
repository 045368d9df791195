"""Orders that are open in a worker over fakes: bringing them there, and looking at them again."""

import asyncio
from dataclasses import dataclass
from typing import Any

from prometheus_client import Counter

from tests.fakes.gateway import MID
from tests.unit.application.worker_over_fakes import (
    CARD,
    CHECK_TOPIC,
    CLIENT,
    LEASE_SECONDS,
    WorkerOverFakes,
    payment,
)
from worker.adapters.avro.frames import decode_frame
from worker.application.ports import OutputTopic, SourceRecord
from worker.domain.entry import Entry, Published
from worker.domain.replies import (
    Answer,
    Doubt,
    NoAnswer,
    OrderFound,
    OrderNotFound,
    Pending,
)
from worker.domain.status_checks import FIRST_CHECK_SECONDS

NOT_FOUND = OrderNotFound(Answer(http_status=200, code=200))
CHECKOUT = "900000000000000042"
PENDING = Pending(Answer(http_status=200, code=200, result=2, checkout_id=CHECKOUT))


@dataclass(frozen=True, slots=True)
class Check:
    """A StatusCheck that was committed."""

    purpose: str
    value: bytes


def a_worker(**settings: Any) -> WorkerOverFakes:
    """A worker whose card has money."""
    worker = WorkerOverFakes(**settings)
    worker.paywizard.issue(CARD, {"USD": 100, "Points": 50})
    return worker


def found(state: int = 2, **fields: Any) -> OrderFound:
    """The payment of `payment()`, as PayWizard would tell it."""
    ours: dict[str, Any] = {"mid": MID, "checkout_id": CHECKOUT, "amount": "10.5"}
    return OrderFound(state=state, **(ours | fields))


def entry_of(worker: WorkerOverFakes, tran_order_no: str = "T-1") -> Entry:
    """What the ledger knows of an order."""
    return worker.store.entries[CLIENT, tran_order_no]


def checks(worker: WorkerOverFakes) -> list[Check]:
    """The StatusChecks that were committed, in order."""
    values = [output.value or b"" for output in worker.kafka.of(OutputTopic.STATUS_CHECKS)]
    return [Check(str(decode_frame(value).fields["purpose"]), value) for value in values]


def statuses(worker: WorkerOverFakes) -> list[str]:
    """The committed results of all orders, in order."""
    return [result["status"] for result in worker.results()]


def counted(counter: Counter, **labels: str) -> float:
    """What a counter says."""
    child = counter.labels(**labels)
    return sum(
        sample.value
        for metric in child.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


async def run(worker: WorkerOverFakes, check: Check) -> SourceRecord:
    """Bring a check and wait until it is complete."""
    return await worker.run(check.value, topic=CHECK_TOPIC)


async def published_open(worker: WorkerOverFakes, value: bytes | None = None) -> None:
    """Bring a command, see it published as open, and let its first check prove that."""
    before = len(checks(worker))
    await worker.run(payment() if value is None else value)
    (first,) = checks(worker)[before:]
    assert first.purpose == "FIRST"
    await run(worker, first)


async def in_doubt(worker: WorkerOverFakes, *, moved: bool = False) -> None:
    """A payment whose answer was lost, published as IN_DOUBT."""
    worker.paywizard.will(NoAnswer(Doubt.TIMEOUT), moved=moved)
    await published_open(worker)


async def pending(worker: WorkerOverFakes) -> None:
    """A payment that PayWizard calls pending, published as such."""
    worker.paywizard.will(PENDING)
    await published_open(worker)


async def in_doubt_with_an_open_call(worker: WorkerOverFakes) -> WorkerOverFakes:
    """The first process still waits for its answer; a successor has published IN_DOUBT."""
    worker.paywizard.answering.clear()
    record = worker.send(payment())
    await worker.paywizard.wait_for_requests(1)
    worker.dispatcher.end_tenure(record.source.topic, record.source.partition)
    worker.store.advance(LEASE_SECONDS + 1)
    successor = WorkerOverFakes(
        store=worker.store, paywizard=worker.paywizard, owner="process-2", tenure=8
    )
    await successor.again(record)
    await successor.until(lambda: entry_of(worker).published is Published.FIRST)
    return successor


async def due(worker: WorkerOverFakes, seconds: float = FIRST_CHECK_SECONDS) -> list[Check]:
    """Let so much time pass, and say which checks the due task writes then."""
    worker.store.advance(seconds)
    before = len(checks(worker))
    await worker.due.once()
    return checks(worker)[before:]


async def look(worker: WorkerOverFakes, seconds: float = FIRST_CHECK_SECONDS) -> list[str]:
    """Let so much time pass, handle the checks that are written then, and say why they were."""
    written = await due(worker, seconds)
    for check in written:
        await run(worker, check)
    return [check.purpose for check in written]


async def patiently(worker: WorkerOverFakes, condition: Any, seconds: float = 3600.0) -> None:
    """Wait as `until` does, for long; TimeoutError if it never holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            if worker.dispatcher.failed.done():
                worker.dispatcher.failed.result()
            await asyncio.sleep(0.1)

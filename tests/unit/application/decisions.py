"""Operators' decisions as records, and what became of them."""

import asyncio
from datetime import datetime
from typing import Any

from typing_extensions import override

from tests.fakes.gateway import FakePayWizard
from tests.unit.application.open_orders import counted, due, found, in_doubt
from tests.unit.application.worker_over_fakes import (
    CARD,
    CHECK_TOPIC,
    RESOLUTION_TOPIC,
    WorkerOverFakes,
)
from worker.adapters.avro.frames import encode_frame
from worker.application.ports import OutputTopic
from worker.domain.replies import QueryAnswer

WHY = "On the statement, ticket 4711."
AT = datetime.fromisoformat("2026-01-05T13:00:00+00:00")
OUTCOMES = ["SUCCEEDED", "DECLINED", "NOT_EXECUTED"]


def resolution(outcome: str, tran_order_no: str = "T-1", **fields: Any) -> bytes:
    """Encode an operator's decision."""
    usual: dict[str, Any] = {
        "tranOrderNo": tran_order_no,
        "clientId": None,
        "outcome": outcome,
        "reason": WHY,
        "checkoutId": None,
        "operator": "ann",
        "requestedAt": AT,
    }
    return encode_frame("paywizard.commands.ResolutionCommand", usual | fields)


async def resolve(worker: WorkerOverFakes, outcome: str, **fields: Any) -> None:
    """Bring a decision and wait until it is complete."""
    await worker.run(resolution(outcome, **fields), topic=RESOLUTION_TOPIC)


def letters(worker: WorkerOverFakes) -> list[tuple[str, str | None]]:
    """Reason and field of each dead letter."""
    headers = [dict(output.headers) for output in worker.kafka.of(OutputTopic.DEAD_LETTERS)]
    return [
        (
            each["dlq.reason"].decode(),
            each["dlq.error.field"].decode() if "dlq.error.field" in each else None,
        )
        for each in headers
    ]


def resolutions(worker: WorkerOverFakes) -> dict[str, int]:
    """How often each was counted."""
    counter = worker.metrics.resolutions_total
    told = {result: counted(counter, result=result) for result in WORDS}
    return {result: int(count) for result, count in told.items() if count}


WORDS = ("applied", "repeated", "refused")


class HeldPayWizard(FakePayWizard):
    """One whose status queries are answered when it is told to."""

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        self.telling = asyncio.Event()

    @override
    async def query_order(
        self,
        client_id: str,
        *,
        checkout_id: str | None = None,
        trans_index_code: str | None = None,
    ) -> QueryAnswer:
        """Say it, but not before it may be told."""
        answer = await super().query_order(
            client_id, checkout_id=checkout_id, trans_index_code=trans_index_code
        )
        await self.telling.wait()
        return answer


async def decided_while_asking(outcome: str, **fields: Any) -> WorkerOverFakes:
    """PayWizard says that it succeeded; before that is heard, an operator has decided."""
    paywizard = HeldPayWizard()
    worker = WorkerOverFakes(paywizard=paywizard)
    paywizard.issue(CARD, {"USD": 100})
    await in_doubt(worker)
    worker.paywizard.will_find(found(2))
    (check,) = await due(worker)
    asking = worker.send(check.value, topic=CHECK_TOPIC)
    await worker.until(lambda: worker.paywizard.queries)
    await resolve(worker, outcome, **fields)
    paywizard.telling.set()
    await worker.until(lambda: asking in worker.kafka.committed)
    return worker

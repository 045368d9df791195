"""Operators' decisions as records, and what became of them."""

from datetime import datetime
from typing import Any

from tests.unit.application.open_orders import (
    counted,
)
from tests.unit.application.worker_over_fakes import (
    RESOLUTION_TOPIC,
    WorkerOverFakes,
)
from worker.adapters.avro.frames import encode_frame
from worker.application.ports import OutputTopic

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

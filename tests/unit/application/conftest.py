"""A worker's application over fakes, fed with records as Kafka would bring them."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.application.worker_over_fakes import WorkerOverFakes


@pytest.fixture
async def worker() -> AsyncIterator[WorkerOverFakes]:
    """One process over a ledger and a PayWizard of its own."""
    process = WorkerOverFakes()
    yield process
    await process.stop()

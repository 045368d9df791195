"""Whatever ends the work ends the process with a reason, and never as if it had been told to stop."""

import asyncio

import pytest

from worker.application.ports import LedgerForeignError
from worker.bootstrap.exits import CannotGoOnError
from worker.bootstrap.running import raise_failure


async def _ending(error: Exception | None) -> asyncio.Task[None]:
    async def work() -> None:
        if error is not None:
            raise error

    task = asyncio.create_task(work())
    await asyncio.wait([task])
    return task


@pytest.mark.parametrize(
    ("error", "exit_code"), [(RuntimeError("bug"), 1), (LedgerForeignError("Not ours."), 78)]
)
async def test_a_task_that_ends_by_an_error_ends_the_process(
    error: Exception, exit_code: int
) -> None:
    """A due task that fails must not look like a worker that was told to stop."""
    open_task = asyncio.get_running_loop().create_future()
    with pytest.raises(CannotGoOnError) as raised:
        raise_failure([open_task, await _ending(error)])
    assert raised.value.exit_code == exit_code


async def test_what_goes_on_or_was_told_to_end_is_no_failure() -> None:
    """SIGTERM ends the process with 0."""
    open_task = asyncio.get_running_loop().create_future()
    raise_failure([open_task, await _ending(None)])

"""The rule of tests/conftest.py that no error is swallowed, seen from outside."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SWALLOWING = {
    "task": """
import asyncio
async def test_it():
    async def fail(): raise ValueError
    asyncio.create_task(fail())
    await asyncio.sleep(0)
""",
    "callback": """
import asyncio
async def test_it():
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(0)
""",
    "thread": """
import threading
def test_it():
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
""",
    "finalizer": """
class Thing:
    def __del__(self): 1 / 0
def test_it():
    Thing()
""",
}
FINE = """
import asyncio
async def test_it():
    with __import__("contextlib").suppress(ValueError):
        async def fail(): raise ValueError
        await asyncio.create_task(fail())
"""


def run_pytest(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on `program` with the settings and the conftest of this project."""
    test = folder / "test_swallowing.py"
    test.write_text(program)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", "pyproject.toml"]
    return subprocess.run(  # noqa: S603 our own words
        [*command, "-p", "no:cacheprovider", str(test)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("where", SWALLOWING)
def test_an_error_that_nobody_received_fails_the_test(where: str, tmp_path: Path) -> None:
    """Neither tasks, callbacks, threads nor finalizers can hide a failure."""
    outcome = run_pytest(tmp_path, SWALLOWING[where])
    assert outcome.returncode == 1, outcome.stdout


def test_an_error_that_was_received_is_fine(tmp_path: Path) -> None:
    """The rule is about errors that nobody saw."""
    outcome = run_pytest(tmp_path, FINE)
    assert outcome.returncode == 0, outcome.stdout

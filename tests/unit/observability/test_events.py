"""Event codes are a public interface: all of them stand in one table."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from worker.observability.events import EVENTS

WORKER = Path(__file__).parents[3] / "worker"
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}


def writes_to_log(node: ast.AST) -> bool:
    """Whether an expression is a log method such as `log.info`."""
    return (
        isinstance(node, ast.Attribute)
        and node.attr in LEVELS
        and isinstance(node.value, ast.Name)
        and node.value.id in {"log", "_log", "logger"}
    )


def codes_in(source: str) -> Iterator[str]:
    """Yield what is logged: codes, or the expression where it is no plain text."""
    tree = ast.parse(source)
    aliases = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and any(map(writes_to_log, ast.walk(node.value)))
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (
            writes_to_log(node.func)
            or (isinstance(node.func, ast.Name) and node.func.id in aliases)
        ):
            first = node.args[0]
            is_text = isinstance(first, ast.Constant) and isinstance(first.value, str)
            yield first.value if is_text else ast.unparse(first)  # type: ignore[attr-defined]


def test_every_code_that_is_logged_stands_in_the_table() -> None:
    """An unknown code, or one put together at run time, is refused."""
    logged = {
        code
        for path in WORKER.rglob("*.py")
        for code in codes_in(path.read_text(encoding="utf-8"))
    }
    assert logged - set(EVENTS) == set()
    assert "watchdog.expired" in logged


def test_codes_are_found_behind_a_choice_of_level() -> None:
    """`write = log.warning if bad else log.info` hides nothing, nor does a computed code."""
    source = "write = log.warning if bad else log.info\nwrite('a.b')\nlog.info(f'c.{d}')"
    assert set(codes_in(source)) == {"a.b", "f'c.{d}'"}


def test_codes_are_dotted_and_explained() -> None:
    """A code is two words in lower case, with a sentence that says what it means."""
    for code, sentence in EVENTS.items():
        assert re.fullmatch(r"[a-z]+\.[a-z_]+", code)
        assert sentence.endswith(".")

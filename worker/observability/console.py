"""Log lines for people: no control characters, tracebacks as text."""

from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict


def console_renderer(*, colors: bool) -> structlog.dev.ConsoleRenderer:
    """Return the renderer for a terminal, or for a file if it may not use colours."""
    plain = structlog.dev.plain_traceback
    return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)


def printable(_logger: object, _method: str, event_dict: EventDict) -> EventDict:
    """Replace what would move the cursor or begin a line of its own, wherever it stands."""
    return {_clean_text(key): _clean(value) for key, value in event_dict.items()}


def readable_exception(_logger: object, _method: str, event_dict: EventDict) -> EventDict:
    """Turn the stacks of an exception, outermost first, into the text of a traceback."""
    stacks = event_dict.get("exception")
    if isinstance(stacks, list):
        event_dict["exception"] = "\n".join(map(_traceback, stacks))
    return event_dict


def _traceback(stack: Mapping[str, Any]) -> str:
    frames = [
        f"  {frame['filename']}:{frame['lineno']} in {frame['name']}"
        for frame in stack["frames"]
    ]
    return "\n".join([f"{stack['exc_type']}: {stack['exc_value']}", *frames])


def _clean(value: object) -> object:
    match value:
        case str():
            return _clean_text(value)
        case dict():
            return {_clean_text(key): _clean(item) for key, item in value.items()}
        case list():
            return [_clean(item) for item in value]
        case _:
            return value


def _clean_text(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else " " for character in text)

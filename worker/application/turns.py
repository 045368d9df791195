"""One command of a card at a time, in the order in which their records were read (P6)."""

import asyncio


class Turn:
    """A place in a card's line: wait for it, and give it back when done."""

    def __init__(self, lines: dict[str, "Turn"], line: str | None) -> None:
        self._lines, self._line = lines, line
        self._before = None if line is None else lines.get(line)
        self._over = asyncio.Event()
        if line is not None:
            lines[line] = self

    async def wait(self) -> None:
        """Return when every earlier turn of the line was given back."""
        if self._before is not None:
            await self._before._over.wait()
            self._before = None

    def give_back(self) -> None:
        """Let the next one go; giving back twice is harmless."""
        self._over.set()
        if self._line is not None and self._lines.get(self._line) is self:
            del self._lines[self._line]


class Turns:
    """The lines of one partition, one per card that has work; without a card, no line."""

    def __init__(self) -> None:
        self._lines: dict[str, Turn] = {}

    def take(self, line: str | None) -> Turn:
        """Take the next place in the line, at once; None is a line of one's own."""
        return Turn(self._lines, line)

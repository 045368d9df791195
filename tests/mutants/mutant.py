"""A mutant: one small break of a line that guards a promise, and who has to notice it."""

from dataclasses import dataclass
from pathlib import Path

from tests.mutants.suites import Suite


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A break: in `file`, `old` becomes `new`; both are written as they stand there.

    `why` says what the break would do to somebody. `suite` looks first; it is chosen for what it
    is about, not for one test in it.
    """

    name: str
    promise: str
    why: str
    file: str
    old: str
    new: str
    suite: Suite

    def fault(self, root: Path) -> str | None:
        """Say why the break cannot be made in a tree; None if it can."""
        path = root / self.file
        count = path.read_text().count(self.old) if path.is_file() else 0
        return None if count == 1 else f"its old text occurs {count} times in {self.file}"

    def broken(self, text: str) -> str:
        """Return the file with the break."""
        return text.replace(self.old, self.new)

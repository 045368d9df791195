"""What one sees of doubt: which orders are open, and how each of them came to its end."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rich.table import Table
from rich.text import Text

OPEN: Final = frozenset({"PENDING", "IN_DOUBT"})
SETTLED_BY: Final = {
    "STATUS_QUERY": "a status query",
    "OPERATOR": "an operator",
    "REPLY": "a late reply",
}

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Settled:
    """An order's first outcome, which left it open, and its final one."""

    first: Fields
    final: Fields

    @property
    def by(self) -> str:
        """Who settled it, in words."""
        decided_by: str = self.final["decidedBy"]
        return SETTLED_BY.get(decided_by, decided_by)


@dataclass(slots=True)
class Doubt:
    """Follows the orders that were published as open; `open` and `settled` in order of arrival."""

    open: dict[tuple[str, str], Fields] = field(default_factory=dict)
    settled: list[Settled] = field(default_factory=list)

    def saw(self, result: Fields) -> None:
        """Take a result in, whatever it says."""
        key = (result["clientId"], result["tranOrderNo"])
        if result["status"] in OPEN:
            self.open[key] = result
        elif key in self.open:
            self.settled.append(Settled(self.open.pop(key), result))

    @property
    def in_doubt(self) -> dict[str, Fields]:
        """The orders in doubt by number; the demo's numbers are unique over its clients."""
        doubtful = (each for each in self.open.values() if each["status"] == "IN_DOUBT")
        return {each["tranOrderNo"]: each for each in doubtful}

    def line(self) -> str:
        """Say how many are open, and by whom how many were settled."""
        statuses = Counter(each["status"] for each in self.open.values())
        still = ", ".join(f"{n} {status}" for status, n in sorted(statuses.items()))
        by = Counter(each.by for each in self.settled)
        ended = ", ".join(f"{n} by {who}" for who, n in sorted(by.items()))
        return f"open: {still or 'none'}; settled: {ended or 'none'}"

    def table(self, rows: int) -> Table:
        """Show the latest orders that were settled."""
        table = Table(
            "order", "was", "became", "by", title=f"Latest of {len(self.settled)} settled"
        )
        for each in self.settled[-rows:]:
            reason = each.first["reason"]
            was = each.first["status"] + (f" ({reason})" if reason else "")
            table.add_row(Text(each.final["tranOrderNo"]), was, each.final["status"], each.by)
        return table

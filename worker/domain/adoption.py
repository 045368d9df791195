"""What an adopted ledger cannot know: what became of what is older than its adoption (P9)."""

from datetime import datetime


def may_know_more(adopted_since: datetime | None, at: datetime) -> bool:
    """Whether the ledger that was lost may have known more of a command that came at `at`."""
    return adopted_since is not None and at < adopted_since

"""The commit note: what stands in the metadata beside a committed offset.

One line of ASCII: version, ledger, the writer that committed and how far its ledger writes had
come, topic, from where on our own progress holds, and the offset map. It ties the group's
progress to one ledger and one topic (P9). Version 1 had no such beginning: it was 0.
"""

from dataclasses import dataclass
from typing import Final

VERSION: Final = "2"
VERSION_WITHOUT_SINCE: Final = "1"
SEPARATOR: Final = ";"
CHARACTERS_MAX: Final = 4096
"""The broker's default `offset.metadata.max.bytes`, which counts UTF-16 units (kafka-python.md 12)."""


class FutureNoteError(ValueError):
    """The note was written by a newer release: run that one."""


@dataclass(frozen=True, slots=True)
class CommitNote:
    """`owner` is the process that committed, `counter` its count of groups written to the ledger.

    `since`: what lies below was passed over by somebody who moved the offset, not completed by us.
    """

    ledger_id: str
    owner: str
    counter: int
    topic_id: str
    offset_map: str = ""
    since: int = 0

    def text(self) -> str:
        """Write the note."""
        head = (VERSION, self.ledger_id, self.owner, str(self.counter), self.topic_id)
        return SEPARATOR.join((*head, str(self.since), self.offset_map))


def read_note(text: str) -> CommitNote | None:
    """Read a note; None for metadata that is not ours (an operator's tool, another program).

    FutureNoteError: ours, but of a version that this release does not know.
    """
    version, *parts = text.split(SEPARATOR)
    if version == VERSION_WITHOUT_SINCE:
        parts.insert(4, "0")
    elif version != VERSION:
        if version.isdecimal() and len(parts) >= 1:
            raise FutureNoteError(
                "A committed offset carries a note of a newer release; run that release."
            )
        return None
    if len(parts) != 6 or not (parts[2].isdecimal() and parts[4].isdecimal()):
        return None
    ledger_id, owner, counter, topic_id, since, offset_map = parts
    return CommitNote(ledger_id, owner, int(counter), topic_id, offset_map, int(since))

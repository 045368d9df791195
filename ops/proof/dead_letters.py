"""The promises about dead letters: one per refused record (P2, P3), unaltered, explained (P11), without card numbers (P10)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from ops.proof.discretion import CardNumbers
from ops.proof.history import Command, DeadLetter, Finding, History, Place, digest
from ops.proof.interface import EXCERPT_HASH, LETTER_REASONS, of_producers
from ops.proof.orders import Letters

_NOT_READ = frozenset({"UNDECODABLE", "WRONG_TOPIC"})
_NOT_CLAIMED = frozenset({"INVALID", "UNDECODABLE"})
# Where there are two the worker may see more: it looks at the topic before it decodes, wants a
# whole frame head, and refuses encodings that no encoder writes.
FITTING: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "null value": frozenset({"TOMBSTONE"}),
        "no Avro frame": frozenset({"BAD_FRAME"}),
        "Confluent frame": frozenset({"UNSUPPORTED", "BAD_FRAME"}),
        "unknown schema": frozenset({"UNKNOWN_SCHEMA", "BAD_FRAME"}),
        "not a command": frozenset({"WRONG_TOPIC"}),
        "too large": frozenset({"TOO_LARGE", "WRONG_TOPIC"}),
        "does not decode": _NOT_READ,
        "bytes left over": _NOT_READ,
        "no usable order number": _NOT_CLAIMED,
        "unknown client": _NOT_CLAIMED,
        "no client, and the checker was told no default": _NOT_CLAIMED,
    }
)
"""The reasons that a dead letter may give for each flaw of a record that was to be a command."""

CARRIED_BYTES_MAX = 8 * 1024
"""An excerpt leaves the original's headers out where they are more."""


def letters_by_original(history: History) -> Letters:
    """Return the dead letters of each source record."""
    letters: Letters = defaultdict(list)
    for letter in history.dead_letters:
        if letter.original is not None:
            letters[letter.original].append(letter)
    return dict(letters)


def refused_findings(commands: Iterable[Command], letters: Letters) -> Iterator[Finding]:
    """Check each record that cannot be claimed for its dead letter."""
    for command in commands:
        if command.order is None:
            yield from _refused(command, letters.get(command.place, []))


def letter_findings(
    letters: Iterable[DeadLetter], originals: Mapping[Place, Command], numbers: CardNumbers
) -> Iterator[Finding]:
    """Check each dead letter for its content; `originals` are the records that were sent."""
    told: set[Place] = set()
    for letter in letters:
        original = originals.get(letter.original) if letter.original else None
        if original is not None and not _is_command(original):
            yield from _told_once(letter, original, told)
        yield from _explained(letter)
        if original is not None:
            yield from _fitting(letter, original)
        yield from _unaltered(letter, original)
        yield from _discreet(letter, original, numbers)


def _refused(command: Command, found: list[DeadLetter]) -> Iterator[Finding]:
    if len(found) != 1:
        yield Finding(
            promise="P2" if found else "P3",
            subject=f"record {command.place}",
            sentence=f"The record at {command.place} ({command.flaw}) must have exactly one dead letter, "
            f"found: {len(found) or 'none, it is lost'}.",
            records=(command.place, *(letter.place for letter in found)),
        )


def _is_command(original: Command) -> bool:
    """Whether the record was to be a command: the others claim no number, and may lead to no letter at all."""
    return bool(original.flaw or original.operation)


def _told_once(letter: DeadLetter, original: Command, told: set[Place]) -> Iterator[Finding]:
    """P2: one Kafka transaction completes a record; `told` are those that had their letter before."""
    if original.place in told:
        yield _finding(letter, "P2", f"is not the only one of {original.place}.")
    told.add(original.place)


def _explained(letter: DeadLetter) -> Iterator[Finding]:
    reason = letter.header("dlq.reason")
    if reason not in LETTER_REASONS:
        yield _finding(letter, "P11", f"has an unlisted dlq.reason: {reason!r}.")
    if not letter.header("dlq.message").strip():
        yield _finding(letter, "P11", "has no dlq.message, so nobody can tell what was wrong.")


def _fitting(letter: DeadLetter, original: Command) -> Iterator[Finding]:
    """P11: the reason is one that the original can have had; which orders are in CONFLICT they say themselves."""
    reason, fitting = letter.header("dlq.reason"), LETTER_REASONS
    if original.value_digest == digest(None):
        fitting = FITTING["null value"]
    elif not _is_command(original):
        fitting -= {"CONFLICT", "TOMBSTONE"}
    elif original.flaw:
        fitting = FITTING[original.flaw]
    if reason in LETTER_REASONS - fitting:
        listed = " or ".join(sorted(fitting))
        yield _finding(letter, "P11", f"says {reason}, where only {listed} can be true.")


def _unaltered(letter: DeadLetter, original: Command | None) -> Iterator[Finding]:
    if original is None:
        yield _finding(
            letter, "P2", f"names an original that was never sent: {letter.original or 'none'}."
        )
        return
    if letter.value_digest != original.value_digest:
        yield _finding(
            letter, "P3", f"has altered bytes: they differ from those at {original.place}."
        )
    if letter.key_digest != original.key_digest:
        yield _finding(
            letter, "P3", f"has an altered key: it differs from that at {original.place}."
        )
    if not _keeps_headers(letter, original):
        yield _finding(
            letter, "P3", f"has altered headers: they differ from those at {original.place}."
        )


def _keeps_headers(letter: DeadLetter, original: Command) -> bool:
    """Whether it has those that are the producer's to set, and no more."""
    kept, sent = of_producers(letter.headers), of_producers(original.headers)
    is_cut = bool(letter.header(EXCERPT_HASH))
    size = sum(len(name.encode()) + len(value) for name, value in sent)
    return kept == sent or (is_cut and size > CARRIED_BYTES_MAX and not kept)


def _discreet(
    letter: DeadLetter, original: Command | None, numbers: CardNumbers
) -> Iterator[Finding]:
    for name, value in letter.headers:
        # Without its original only the diagnosis is surely ours.
        ours = (name, value) not in original.headers if original else name.startswith("dlq.")
        if ours and numbers.are_named_in(value.decode("utf-8", "replace")):
            yield _finding(letter, "P10", f"leaks a card number in its header {name}.")


def _finding(letter: DeadLetter, promise: str, what: str) -> Finding:
    places: tuple[Place, ...] = (
        (letter.place, letter.original) if letter.original else (letter.place,)
    )
    return Finding(
        promise=promise,
        subject=f"dead letter {letter.place}",
        sentence=f"The dead letter at {letter.place} {what}",
        records=places,
    )

"""The promises about dead letters: one per refused record (P2, P3), unaltered, explained (P11), without card numbers (P10)."""

from collections import defaultdict
from collections.abc import Iterator

from ops.proof.history import Command, DeadLetter, Finding, History, Place
from ops.proof.orders import Letters

REASONS = frozenset(
    {
        "TOMBSTONE",
        "BAD_FRAME",
        "UNKNOWN_SCHEMA",
        "UNSUPPORTED",
        "WRONG_TOPIC",
        "UNDECODABLE",
        "TOO_LARGE",
        "INVALID",
        "CONFLICT",
        "NOT_IN_DOUBT",
        "MALFORMED_RESOLUTION",
    }
)
# Shorter texts occur by chance inside offsets, times and topic names.
CARD_NUMBER_LENGTH_MIN = 8

CardNumbers = dict[int, set[str]]


def letters_by_original(history: History) -> Letters:
    """Return the dead letters of each source record."""
    letters: Letters = defaultdict(list)
    for letter in history.dead_letters:
        if letter.original is not None:
            letters[letter.original].append(letter)
    return dict(letters)


def dead_letter_findings(history: History, letters: Letters) -> Iterator[Finding]:
    """Check each record that cannot be claimed for its dead letter, and each dead letter for its content."""
    for command in history.commands:
        if command.order is None:
            yield from _refused(command, letters.get(command.place, []))
    if not history.dead_letters:
        return
    sent = (*history.commands, *history.resolutions)
    originals = {command.place: command for command in sent}
    card_numbers = _card_numbers(history)
    for letter in history.dead_letters:
        original = originals.get(letter.original) if letter.original else None
        yield from _explained(letter)
        yield from _unaltered(letter, original)
        yield from _discreet(letter, original, card_numbers)


def _refused(command: Command, found: list[DeadLetter]) -> Iterator[Finding]:
    if len(found) != 1:
        yield Finding(
            promise="P2" if found else "P3",
            subject=f"record {command.place}",
            sentence=f"The record at {command.place} ({command.flaw}) must have exactly one dead letter, "
            f"found: {len(found) or 'none, it is lost'}.",
            records=(command.place, *(letter.place for letter in found)),
        )
    elif found[0].header("dlq.reason") == "CONFLICT":
        yield _finding(
            found[0],
            "P11",
            f"says CONFLICT, but its original claims no number ({command.flaw}).",
        )


def _explained(letter: DeadLetter) -> Iterator[Finding]:
    reason = letter.header("dlq.reason")
    if reason not in REASONS:
        yield _finding(letter, "P11", f"has an unlisted dlq.reason: {reason!r}.")
    if not letter.header("dlq.message").strip():
        yield _finding(letter, "P11", "has no dlq.message, so nobody can tell what was wrong.")


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


def _discreet(
    letter: DeadLetter, original: Command | None, card_numbers: CardNumbers
) -> Iterator[Finding]:
    for name, value in letter.headers:
        # Without its original only the diagnosis is surely ours.
        ours = (name, value) not in original.headers if original else name.startswith("dlq.")
        if ours and _names_a_card(value, card_numbers):
            yield _finding(letter, "P10", f"leaks a card number in its header {name}.")


def _card_numbers(history: History) -> CardNumbers:
    """Return every known card number by its length: then finding one in a text is a few look-ups."""
    numbers: CardNumbers = defaultdict(set)
    booked = (card.account_id for card in history.book.cards)
    for number in (*booked, *(command.account_id for command in history.commands)):
        if number is not None and len(number) >= CARD_NUMBER_LENGTH_MIN:
            numbers[len(number)].add(number)
    return dict(numbers)


def _names_a_card(value: bytes, card_numbers: CardNumbers) -> bool:
    text = value.decode("utf-8", "replace")
    return any(
        text[start : start + length] in numbers
        for length, numbers in card_numbers.items()
        for start in range(len(text) - length + 1)
    )


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

"""How each sort of records is packed for the shelves, and kept together there: by order number, or by card."""

from decimal import Decimal
from operator import attrgetter
from typing import Any

from ops.proof.history import BalanceChange, Card, Change, Command, Order, Place, Result, Turn
from ops.proof.shelves import Packed, Packing


def _pack_command(command: Command) -> Packed:
    place, key, value, headers, order, *rest = command
    return (*place, key, value, headers, *(order or (None, None)), *rest)


def _unpack_command(packed: Any) -> Command:
    topic, partition, offset, key, value, headers, client, number, *rest = packed
    order = None if client is None else Order(client, number)
    return Command(Place(topic, partition, offset), key, value, headers, order, *rest)


def _pack_result(result: Result) -> Packed:
    place, order, source, card, *rest = result
    return (*place, *order, *source, *(card or (None, None, None)), *rest)


def _unpack_result(packed: Any) -> Result:
    return Result(
        Place(*packed[:3]),
        Order(*packed[3:5]),
        Place(*packed[5:8]),
        None if packed[8] is None else Card(*packed[8:11]),
        *packed[11:],
    )


def _pack_balance_change(event: BalanceChange) -> Packed:
    place, card, sequence, changes, balances, published_at = event
    moved = [_text(value) for change in changes for value in change]
    held = [_text(value) for pair in balances.items() for value in pair]
    return (*place, *card, sequence, moved, held, published_at)


def _unpack_balance_change(packed: Any) -> BalanceChange:
    *places, sequence, moved, held, published_at = packed
    changes = zip(moved[::3], moved[1::3], moved[2::3], strict=True)
    return BalanceChange(
        Place(*places[:3]),
        Card(*places[3:]),
        sequence,
        tuple(
            Change(code, None if before is None else Decimal(before), Decimal(after))
            for code, before, after in changes
        ),
        dict(zip(held[::2], map(Decimal, held[1::2]), strict=True)),
        published_at,
    )


def _text(value: str | Decimal | None) -> str | None:
    return None if value is None else str(value)


def _pack_turn(turn: Turn) -> Packed:
    card, source, order, place, *rest = turn
    return (*card, *source, *order, *place, *rest)


def _unpack_turn(packed: Any) -> Turn:
    return Turn(
        Card(*packed[:3]),
        Place(*packed[3:6]),
        Order(*packed[6:8]),
        Place(*packed[8:11]),
        *packed[11:],
    )


# Of functions with names only: they go to other processes with what they pack.
COMMANDS = Packing[Command](attrgetter("order"), _pack_command, _unpack_command)
RESULTS = Packing[Result](attrgetter("order"), _pack_result, _unpack_result)
BALANCE_CHANGES = Packing[BalanceChange](
    attrgetter("card"), _pack_balance_change, _unpack_balance_change
)
TURNS = Packing[Turn](attrgetter("card"), _pack_turn, _unpack_turn)

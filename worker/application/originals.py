"""Finding the original that a void or tip names, and waiting for one that is still on its way."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Final

from worker.application.halting import Halt
from worker.application.ports import Ledger, OriginalRefusedError
from worker.domain.card import Card
from worker.domain.commands import OnOriginal
from worker.domain.entry import Entry, numbered
from worker.domain.operations import Operation
from worker.domain.originals import Undecided, judge_original
from worker.domain.outcomes import Reason
from worker.domain.states import GIVES_BACK_ORIGINAL

LOOK_AGAIN_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """What is known of an original: its entry, PayWizard's id of it, and why it may not serve."""

    entry: Entry | None
    checkout_id: str | None
    refusal: Reason | None
    undecided: bool = False

    @property
    def card(self) -> Card | None:
        """The original's card, which is the card of the void or tip."""
        return None if self.entry is None else self.entry.card


@dataclass(frozen=True, slots=True, kw_only=True)
class Originals:
    """Looks originals up in the ledger, for the same client only."""

    ledger: Ledger
    voidable: Set[Operation]
    unknown_checkout_ids_allowed: bool
    """Whether an original known only by a checkoutId may be sent to PayWizard (G12)."""

    async def look(self, command: OnOriginal) -> Original:
        """Read the original once and judge it."""
        if command.original_checkout_id is not None:
            entry = await self.ledger.find_by_checkout_id(
                command.client_id, command.original_checkout_id
            )
            if entry is None:
                allowed = self.unknown_checkout_ids_allowed
                return Original(
                    entry=None,
                    checkout_id=command.original_checkout_id,
                    refusal=None if allowed else Reason.ORIGINAL_UNKNOWN,
                )
        else:
            assert command.original_tran_order_no is not None
            entry = await self.ledger.find(command.client_id, command.original_tran_order_no)
            if entry is None:
                return Original(
                    entry=None,
                    checkout_id=None,
                    refusal=Reason.ORIGINAL_UNKNOWN,
                    undecided=True,
                )
        return self._judged(command, entry)

    def _judged(self, command: OnOriginal, entry: Entry) -> Original:
        verdict = judge_original(command.operation, entry, self.voidable)
        if verdict is Undecided.WAIT:
            return Original(
                entry=entry,
                checkout_id=None,
                refusal=Reason.ORIGINAL_UNDECIDED,
                undecided=True,
            )
        return Original(entry=entry, checkout_id=entry.proven_checkout_id, refusal=verdict)

    async def hold(self, entry: Entry) -> Entry:
        """Let a void or tip that a lost ledger may have executed hold its original.

        It was not submitted here, so it took none; a second one of that original would be sent.
        Where another order holds it by one of its names, it is held by the other: either may have
        happened, so neither may free it for a third. LostRaceError.
        """
        for name in await self._names_of_original(entry):
            if name == entry.takes:
                break
            try:
                return await self.ledger.hold(entry, name)
            except OriginalRefusedError:
                continue
        return entry

    async def _names_of_original(self, entry: Entry) -> Sequence[str]:
        """Name what an order should hold, best first: by checkoutId, by number; none if it does."""
        if entry.held_checkout_id is not None or entry.state in GIVES_BACK_ORIGINAL:
            return ()
        number = entry.request.original_tran_order_no
        checkout_id = entry.request.original_checkout_id
        if number is not None:
            original = await self.ledger.find(entry.client_id, number)
            checkout_id = None if original is None else original.proven_checkout_id
        elif checkout_id is not None:
            original = await self.ledger.find_by_checkout_id(entry.client_id, checkout_id)
            number = None if original is None else original.tran_order_no
        by_number = None if number is None else numbered(number)
        return [name for name in (checkout_id, by_number) if name is not None]

    async def wait_for(
        self, command: OnOriginal, first: Original, wait_seconds: float, halt: Halt
    ) -> Original:
        """Look again until the original is decided, the wait is over, or a first attempt shows.

        An entry of the command's own means that it was claimed before: no need to wait again.
        Raises HaltedError when work should stop.
        """
        original, left = first, wait_seconds
        while original.undecided and left > 0:
            if await self.ledger.find(command.client_id, command.tran_order_no) is not None:
                break
            await halt.sleep(min(LOOK_AGAIN_SECONDS, left))
            left -= LOOK_AGAIN_SECONDS
            original = await self.look(command)
        return original

"""What a record publishes about an order: its result, and what follows from it."""

from dataclasses import dataclass, replace
from typing import Final

from worker.application.handled import Handled, How
from worker.application.ports import (
    Clock,
    Codec,
    Mark,
    Output,
    OutputTopic,
    SourceRecord,
)
from worker.application.stale_cards import refresh_output
from worker.domain.balances import BalanceRefresh
from worker.domain.claims import publication_of, replay_of
from worker.domain.entry import Entry
from worker.domain.operations import MOVES_BALANCE, Operation
from worker.domain.replies import Balance, Doubt
from worker.domain.results import Result, in_doubt, result_of
from worker.domain.states import FINAL, State
from worker.domain.status_checks import Purpose, StatusCheck

REPLAYED: Final = ("replayed", b"true")
DOUBT_BEFORE_LATE_REPLY: Final = in_doubt(Doubt.LEASE_OVER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """Builds the outputs of a record that may publish, and completes in silence for any other."""

    codec: Codec
    clock: Clock
    refreshes_balances: bool = True
    """Whether what moved something has its card looked at again; an inquiry always has."""

    def of(
        self,
        record: SourceRecord,
        entry: Entry,
        entry_type: str | None,
        last_known: tuple[Balance, ...] | None = None,
    ) -> Handled:
        """Say what `record` publishes about an entry that is decided, PENDING or IN_DOUBT.

        `last_known`: what the card was last seen to hold, for the evidence where there is doubt.
        """
        first = entry.source.same_record(record.source)
        if first and entry.state in FINAL and entry.final_source is None:
            # A late reply decided it, so it was in doubt before, and this record may have said
            # so already: a process that was stopped meanwhile cannot know. The first outcome
            # stays the doubt; what was decided is published by a check written after it.
            entry = replace(entry, state=State.IN_DOUBT, outcome=DOUBT_BEFORE_LATE_REPLY)
        publication = publication_of(entry, record.source)
        if publication is None:
            return Handled(record=record, how=How.NOTHING)
        result = result_of(entry, publication.ordinal, last_known)
        outputs = [self._result(result)]
        if self._is_worth_a_look(entry):
            outputs += self._refresh(entry, entry_type)
        if entry.state not in FINAL:
            outputs.append(self.check(entry, Purpose.FIRST))
        return Handled(
            record=record,
            how=How.RESULT if publication.ordinal == "first" else How.FOLLOW_UP,
            outputs=outputs,
            result=result,
            marks=(Mark(entry.client_id, entry.tran_order_no, publication.proves),),
        )

    def replay(self, record: SourceRecord, entry: Entry) -> Handled:
        """Give a duplicate the stored outcome again, marked as such; nothing if it is not out."""
        ordinal = replay_of(entry)
        if ordinal is None:
            return Handled(record=record, how=How.DUPLICATE)
        output = self._result(result_of(entry, ordinal))
        marked = replace(output, headers=(*output.headers, REPLAYED))
        return Handled(record=record, how=How.REPLAY, outputs=(marked,))

    def _result(self, result: Result) -> Output:
        return Output(
            OutputTopic.RESULTS,
            result.entry.tran_order_no.encode(),
            self.codec.result(result),
            result.entry.request.headers,
        )

    def check(self, entry: Entry, purpose: Purpose) -> Output:
        """Build a StatusCheck."""
        check = StatusCheck(
            client_id=entry.client_id,
            tran_order_no=entry.tran_order_no,
            purpose=purpose,
            replaces=entry.holder if purpose is Purpose.ORPHAN else None,
            issued_at=self.clock.now(),
        )
        return Output(
            OutputTopic.STATUS_CHECKS,
            entry.tran_order_no.encode(),
            self.codec.status_check(check),
        )

    def _refresh(self, entry: Entry, entry_type: str | None) -> list[Output]:
        if entry.card is None:
            return []
        refresh = BalanceRefresh(
            card=entry.card,
            entry_type=entry_type or entry.request.entry_type or "K",
            cause=entry.tran_order_no,
            requested_at=self.clock.now(),
        )
        return [refresh_output(self.codec, refresh)]

    def _is_worth_a_look(self, entry: Entry) -> bool:
        """Whether the card's balances are read again: something moved, or somebody asked."""
        if entry.state is not State.SUCCEEDED:
            return False
        moved = self.refreshes_balances and entry.operation in MOVES_BALANCE
        return moved or entry.operation is Operation.INQUIRY

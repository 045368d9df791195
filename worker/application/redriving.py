"""What would become of a dead letter if its record came again: foreseen by the worker's own rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from worker.application.fates import Fate, Foreseen
from worker.application.letters import Letter
from worker.application.originals import Originals
from worker.application.ports import (
    BadRecordError,
    Clients,
    Clock,
    Codec,
    Ledger,
    RecordKind,
    SourceRecord,
)
from worker.application.process_command import Rules, refusal_of
from worker.application.reading import identity_fault
from worker.application.work import Work
from worker.domain import resolutions
from worker.domain.claims import Claim, Own, judge_existing, replay_of
from worker.domain.commands import Command, OnOriginal, content_fault
from worker.domain.entry import Entry, Source
from worker.domain.operations import Operation
from worker.domain.outcomes import DeadLetterReason
from worker.domain.resolutions import Resolution, Ruled, Unusable

NOWHERE: Final = -1
"""The offset of a record that is not written yet: it is no source that the ledger knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redriving:
    """Judges dead letters as a worker of these settings would; writes nothing.

    `kinds` says what each consumed topic carries, by its full name.
    """

    kinds: Mapping[str, RecordKind]
    rules: Rules
    codec: Codec
    clients: Clients
    ledger: Ledger
    originals: Originals
    clock: Clock

    async def foresee(self, letter: Letter) -> Foreseen:
        """Say what would become of a letter's record now. Raises LedgerUnavailableError."""
        kind = self.kinds.get(letter.topic)
        if letter.is_excerpt:
            return Foreseen(Fate.EXCERPT)
        if kind is None:
            return Foreseen(Fate.STILL_BAD, "its topic is not read")
        try:
            decoded = self.codec.decode(kind, letter.value)
        except BadRecordError as bad:
            return Foreseen(Fate.STILL_BAD, bad.reason.value, bad.field)
        match decoded:
            case Command():
                return await self._command(letter, kind, decoded)
            case Resolution():
                return await self._resolution(decoded)
            case _:
                return Foreseen(
                    Fate.EXECUTE, tran_order_no=getattr(decoded, "tran_order_no", None)
                )

    async def _command(self, letter: Letter, kind: RecordKind, command: Command) -> Foreseen:
        fault = identity_fault(command, self.clients)
        if fault is not None:
            return Foreseen(Fate.STILL_BAD, DeadLetterReason.INVALID.value, fault)
        work = await self._work(letter, kind, command)
        entry = await self.ledger.find(command.client_id, command.tran_order_no)
        if entry is not None:
            return self._known(work, entry)
        order = {"client_id": command.client_id, "tran_order_no": command.tran_order_no}
        since = self.rules.adopted_since
        moves = command.operation is not Operation.INQUIRY
        # A record that comes now is newer than the adoption, so a worker would not suspect it.
        if since is not None and letter.timestamp < since and moves:
            return Foreseen(Fate.FORGOTTEN, **order)
        refusal = refusal_of(work, self.rules, work.received_at)
        if refusal is None:
            return Foreseen(Fate.EXECUTE, **order)
        return Foreseen(Fate.REFUSE, refusal.reason, refusal.reason_detail, **order)

    def _known(self, work: Work, entry: Entry) -> Foreseen:
        order = {"client_id": entry.client_id, "tran_order_no": entry.tran_order_no}
        proposed = work.new_entry("")
        claim = judge_existing(entry, proposed.source, proposed.fingerprint, Own.NONE)
        if claim is Claim.CONFLICT:
            return Foreseen(Fate.CONFLICT, DeadLetterReason.CONFLICT.value, **order)
        assert claim is Claim.DUPLICATE, "a record that is yet to be written is nobody's source"
        seen_again = self.rules.replay_duplicates and replay_of(entry) is not None
        return Foreseen(
            Fate.REPLAY if seen_again else Fate.DUPLICATE, entry.state.value, **order
        )

    async def _work(self, letter: Letter, kind: RecordKind, command: Command) -> Work:
        now = self.clock.now()
        original = None
        if isinstance(command, OnOriginal) and content_fault(command) is None:
            original = await self.originals.look(command)
        record = SourceRecord(
            source=Source("", letter.topic, NOWHERE, NOWHERE),
            tenure=0,
            kind=kind,
            key=letter.key,
            value=letter.value,
            headers=letter.original_headers,
            timestamp=now,
        )
        channel = self.clients.channel_of(command.client_id)
        assert channel is not None, "the client is known"
        return Work(
            record=record, command=command, channel=channel, original=original, received_at=now
        )

    async def _resolution(self, resolution: Resolution) -> Foreseen:
        order = {"client_id": resolution.client_id, "tran_order_no": resolution.tran_order_no}
        if self.clients.channel_of(resolution.client_id) is None:
            invalid = DeadLetterReason.INVALID.value
            return Foreseen(Fate.STILL_BAD, invalid, "clientId", **order)
        fault = resolutions.content_fault(resolution)
        if fault is None:
            entry = await self.ledger.find(resolution.client_id, resolution.tran_order_no)
            match resolutions.judge(entry, resolution):
                case Unusable() as unusable:
                    fault = unusable
                case Ruled.REPEATED:
                    return Foreseen(Fate.DUPLICATE, resolution.outcome.value, **order)
                case Ruled.APPLY | Ruled.NAME | Ruled.WAIT:
                    return Foreseen(Fate.EXECUTE, **order)
        return Foreseen(Fate.STILL_BAD, fault.reason.value, fault.field, **order)

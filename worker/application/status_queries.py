"""Asking PayWizard what became of an order; it moves nothing, so it may be asked again."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from worker.application.halting import Halt, HaltedError, WaitedTooLongError
from worker.application.ports import (
    Clients,
    Clock,
    Gateway,
    Ledger,
    LedgerUnavailableError,
)
from worker.domain.adoption import may_know_more
from worker.domain.entry import Entry
from worker.domain.evidence import Query
from worker.domain.replies import QueryAnswer, Reply
from worker.domain.retry_schedule import RetrySchedule
from worker.domain.status_queries import (
    Finding,
    Identifier,
    Kind,
    Question,
    finding_of,
    question_for,
)

SOON: Final = RetrySchedule(first_delay_seconds=1.0, delay_seconds_max=8.0)
"""How soon after a lost answer, and after each question, the next one is asked."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its answer: for the record, and what it shows."""

    query: Query
    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusQueries:
    """Asks and judges; what an answer proves is the domain's table.

    `by_order_number`: whether an order without a known checkoutId is asked about by its number
    (G5).
    """

    by_order_number: bool
    grace_seconds: float
    adopted_since: datetime | None
    ledger: Ledger
    gateway: Gateway
    clients: Clients
    clock: Clock

    async def ask(self, entry: Entry, halt: Halt, wait_seconds: float) -> Asked | None:
        """Ask once; None if there is nothing to ask by, or no slot was to be had in time.

        Raises HaltedError before anything was asked, LedgerUnavailableError.
        """
        question = question_for(entry, by_order_number=self.by_order_number)
        if question is None:
            return None
        try:
            async with halt.entering(self.gateway.spare_slot(entry.client_id), wait_seconds):
                at, answer = self.clock.now(), await self._answer(entry, question)
        except WaitedTooLongError:
            return None
        finding = finding_of(entry, question, answer, self.clients.merchant_of(entry.client_id))
        if finding.event is not None and (why := await self._rival(entry, question, finding)):
            finding = Finding(Kind.EVIDENCE_ONLY, f"{finding.said}, but {why}")
        if finding.event is None:
            log.info(
                "order.queried",
                tran_order_no=entry.tran_order_no,
                client_id=entry.client_id,
                by=question.by.value,
                answer=finding.said,
            )
        return Asked(Query(at, question.by.value, finding.said), finding)

    async def in_grace(
        self, entry: Entry, halt: Halt
    ) -> tuple[Sequence[Query], Finding | None]:
        """Ask on a short schedule while the order's record is open, until something is found.

        Returns what was asked, and the finding that decides; ends early where work should stop.
        """
        loop = asyncio.get_running_loop()
        ends_at, queries = loop.time() + self.grace_seconds, list[Query]()
        while (left := ends_at - loop.time()) > 0:
            delay = SOON.delay_after(len(queries) + 1, 1.0)
            try:
                await halt.sleep(min(delay, left))
                asked = await self.ask(entry, halt, ends_at - loop.time())
            except HaltedError:
                break
            except LedgerUnavailableError:
                continue
            if asked is None:
                break
            queries.append(asked.query)
            if asked.finding.event is not None:
                return queries, asked.finding
        return queries, None

    async def _answer(self, entry: Entry, question: Question) -> QueryAnswer | Reply:
        match question.by:
            case Identifier.CARD:
                assert entry.card is not None
                return await self.gateway.inquire(entry.card, entry.request.entry_type or "K")
            case Identifier.TRANS_INDEX_CODE:
                return await self.gateway.query_order(
                    entry.client_id, trans_index_code=question.value
                )
            case Identifier.CHECKOUT_ID | Identifier.ORIGINAL:
                return await self.gateway.query_order(
                    entry.client_id, checkout_id=question.value
                )

    async def _rival(self, entry: Entry, question: Question, finding: Finding) -> str | None:
        """Say which other order may stand behind what was found."""
        if question.by is Identifier.ORIGINAL:
            lost = may_know_more(self.adopted_since, entry.request.received_at)
            return "a void that the lost ledger knew may have revoked it" if lost else None
        checkout_id = None if finding.outcome is None else finding.outcome.answer.checkout_id
        if checkout_id is None:
            return None
        known = await self.ledger.find_by_checkout_id(entry.client_id, checkout_id)
        if known is None or known.key == entry.key:
            return None
        return "the ledger knows that order by another number"

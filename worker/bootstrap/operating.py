"""Putting together what an operator's command needs of a worker: its rules, but none of its work."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from worker.adapters.avro.records import RecordCodec
from worker.adapters.paywizard.credentials import Credentials
from worker.adapters.sql import identity
from worker.adapters.sql.ledger import SqlLedger
from worker.adapters.sql.operating import OperatorsLedger
from worker.adapters.system_clock import SystemClock
from worker.application.originals import Originals
from worker.application.redriving import Redriving
from worker.bootstrap.assembly import (
    credentials_loader,
    rules_of,
    throwaway_metrics,
    topic_kinds,
)
from worker.domain.identity import Identity
from worker.settings import Settings


@asynccontextmanager
async def redriving(settings: Settings) -> AsyncIterator[Redriving]:
    """Give what judges dead letters as a worker of these settings would, over its ledger.

    LedgerSchemaError, LedgerUnavailableError.
    """
    url, default_client = settings.ledger_url.get_secret_value(), settings.credentials().default
    with OperatorsLedger.opened(url) as opened, opened.reading() as connection:
        known = identity.found(connection)
    ledger = await SqlLedger.open(
        url,
        str(uuid.uuid4()),
        throwaway_metrics(settings),
        orphan_after_seconds=settings.orphan_after_seconds,
    )
    try:
        yield Redriving(
            kinds=topic_kinds(settings),
            rules=rules_of(
                settings, known or Identity(ledger_id="", default_client=default_client)
            ),
            codec=RecordCodec(default_client_id=default_client),
            clients=Credentials(credentials_loader(settings)),
            ledger=ledger,
            originals=Originals(
                ledger=ledger,
                voidable=settings.paywizard_voidable,
                unknown_checkout_ids_allowed=settings.paywizard_unknown_originals == "send",
            ),
            clock=SystemClock(),
        )
    finally:
        await ledger.close()

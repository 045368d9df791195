"""The whole application over fakes: what bootstrap builds, without Kafka, SQL and HTTP."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.fakes.gateway import MID, FakePayWizard
from tests.fakes.ledger import FakeLedger
from tests.fakes.ledger_store import LedgerStore
from tests.instruments import CLIENTS, unwatched_metrics
from tests.unit.application.kafka_side import KafkaSide, StillClock
from worker.adapters.avro.frames import decode_frame, encode_frame
from worker.adapters.avro.packaged_schemas import packaged_schemas
from worker.adapters.avro.records import RecordCodec
from worker.application.composition import Application, Policy, World, application_for
from worker.application.ports import Ledger, OutputTopic, RecordKind, SourceRecord
from worker.application.process_command import Rules
from worker.domain.card import Card
from worker.domain.entry import Headers, Source
from worker.domain.operations import Operation
from worker.domain.retry_schedule import RetrySchedule
from worker.domain.states import State
from worker.domain.status_queries import Merchant

CLIENT = CLIENTS[0]
CHANNEL = "FACTOR4"
ACCOUNT = "600000000000001"
CARD = Card(CLIENT, CHANNEL, ACCOUNT)
SOON_SECONDS = 10.0
TOPIC = "paywizard.commands.payment"
REFRESH_TOPIC = "paywizard.internal.balance-refresh"
CHECK_TOPIC = "paywizard.internal.status-checks"
RESOLUTION_TOPIC = "paywizard.commands.resolution"
KINDS = {
    REFRESH_TOPIC: RecordKind.BALANCE_REFRESH,
    CHECK_TOPIC: RecordKind.STATUS_CHECK,
    RESOLUTION_TOPIC: RecordKind.RESOLUTION,
}
LEASE_SECONDS = 90.0
BUDGET_SECONDS = 86_400.0


class OneChannel:
    """The Clients port: two clients, one channel."""

    def channel_of(self, client_id: str) -> str | None:
        """Name the channel of a known client."""
        return CHANNEL if client_id in CLIENTS else None

    def merchant_of(self, client_id: str) -> Merchant | None:
        """Name the merchant of a known client."""
        return Merchant(MID, is_shared=False) if client_id in CLIENTS else None


@dataclass
class WorkerOverFakes:
    """One process. Give several the same `store` and `paywizard` to have them follow each other."""

    store: LedgerStore = field(default_factory=LedgerStore)
    paywizard: FakePayWizard = field(default_factory=FakePayWizard)
    kafka: KafkaSide = field(default_factory=KafkaSide)
    owner: str = "process-1"
    reload_amount_allowed: bool = True
    unknown_originals_allowed: bool = False
    replay_duplicates: bool = False
    balance_refresh: bool = True
    adopted_since: datetime | None = None
    query_by_order_number: bool = True
    grace_seconds: float = 0.0
    tenure: int = 1
    _offsets: dict[tuple[str, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = StillClock(self.store.moment)
        self.metrics = unwatched_metrics()
        self.ledger: Ledger = FakeLedger(self.owner, self.store)
        application = self._built()
        self.dispatcher, self.due = application.dispatcher, application.due
        self.stale_cards = self.due.stale_cards

    def _built(self) -> Application:
        world = World(
            owner=self.owner,
            group="tests",
            version="0",
            topic_prefix="paywizard.",
            ledger=self.ledger,
            gateway=self.paywizard,
            publisher=self.kafka,
            codec=RecordCodec(default_client_id=CLIENT),
            clients=OneChannel(),
            clock=self.clock,
            jitter=lambda: 0.0,
            metrics=self.metrics,
        )
        rules = Rules(
            lease=timedelta(seconds=LEASE_SECONDS),
            wait_max=timedelta(days=1),
            original_wait=timedelta(seconds=0.6),
            reload_amount_allowed=self.reload_amount_allowed,
            replay_duplicates=self.replay_duplicates,
            adopted_since=self.adopted_since,
        )
        policy = Policy(
            rules=rules,
            voidable=frozenset({Operation.PAYMENT, Operation.TIP, Operation.RELOAD}),
            unknown_originals_allowed=self.unknown_originals_allowed,
            query_by_order_number=self.query_by_order_number,
            grace_seconds=self.grace_seconds,
            budget_seconds=BUDGET_SECONDS,
            refreshes_balances=self.balance_refresh,
            ask_again=RetrySchedule(first_delay_seconds=0.001, delay_seconds_max=0.01),
        )
        return application_for(world, policy)

    def record(
        self,
        value: bytes | None,
        *,
        topic: str = TOPIC,
        partition: int = 0,
        key: bytes | None = b"key",
        headers: Headers = (),
    ) -> SourceRecord:
        """The next record of a partition."""
        offset = self._offsets.get((topic, partition), 0)
        self._offsets[topic, partition] = offset + 1
        return SourceRecord(
            source=Source(f"id of {topic}", topic, partition, offset),
            tenure=self.tenure,
            kind=KINDS.get(topic, RecordKind.COMMAND),
            key=key,
            value=value,
            headers=headers,
            timestamp=self.clock.now(),
        )

    def send(self, value: bytes | None, **place: Any) -> SourceRecord:
        """Bring a record, as the consumer would."""
        record = self.record(value, **place)
        self.dispatcher.receive([record])
        return record

    async def run(self, value: bytes | None, **place: Any) -> SourceRecord:
        """Bring a record and wait until it is complete."""
        record = self.send(value, **place)
        await self.until(lambda: record in self.kafka.committed)
        return record

    async def lose_commit(self, value: bytes | None, **place: Any) -> SourceRecord:
        """Bring a record to its end, and lose the Kafka transaction that would complete it."""
        self.kafka.committing = False
        record = self.send(value, **place)
        await self.until(lambda: record in self.kafka.handed_over)
        self.dispatcher.end_tenure(record.source.topic, record.source.partition)
        self.kafka.settle(committed=False)
        self.kafka.committing = True
        return record

    async def again(self, record: SourceRecord) -> None:
        """Bring a record once more, under a new tenure, and wait until it is complete."""
        self.tenure += 1
        redelivered = replace(record, tenure=self.tenure)
        self.dispatcher.receive([redelivered])
        await self.until(lambda: redelivered in self.kafka.committed)

    async def until(self, condition: Any) -> None:
        """Let the worker go on until something holds; TimeoutError if it never does."""
        async with asyncio.timeout(SOON_SECONDS):
            while not condition():
                if self.dispatcher.failed.done():
                    self.dispatcher.failed.result()
                await asyncio.sleep(0.001)

    def state_of(self, tran_order_no: str, client_id: str = CLIENT) -> State:
        """What the ledger says of an order."""
        return self.store.entries[client_id, tran_order_no].state

    def results(self) -> list[Mapping[str, Any]]:
        """The committed results, decoded."""
        return [
            decode_frame(output.value).fields for output in self.kafka.of(OutputTopic.RESULTS)
        ]

    def claims(self, result: str) -> float:
        """How often payments were told this about their order number."""
        child = self.metrics.ledger_claims_total.labels(operation="payment", result=result)
        return sum(sample.value for metric in child.collect() for sample in metric.samples)

    def looks(self, result: str) -> float:
        """How many refreshes had this result."""
        child = self.metrics.balance_refreshes_total.labels(result=result)
        return sum(
            sample.value
            for metric in child.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        )

    async def stop(self) -> None:
        """End the process, whatever is open."""
        self.paywizard.answering.set()
        self.kafka.committing = True
        self.kafka.settle(committed=True)
        assert await self.dispatcher.drain(SOON_SECONDS)


def command_bytes(name: str, tran_order_no: str = "T-1", **fields: Any) -> bytes:
    """Encode a command; what is not given is null, or what the card command needs."""
    shape = packaged_schemas().by_name[f"paywizard.commands.{name}"].shape
    usual: dict[str, Any] = {
        "tranOrderNo": tran_order_no,
        "requestedAt": datetime.fromisoformat("2026-01-05T12:00:00+00:00"),
        "accountId": ACCOUNT,
        "entryType": "K",
        "points": 5,
        "amount": Decimal("10.50"),
        "currency": "USD",
        "activating": True,
        "customerInfo": {},
    }
    if name == "VoidCommand":
        del usual["accountId"], usual["entryType"]
    if name == "ReloadCommand":
        usual["customerInfo"] = None
    names = [field.name for field in shape.fields]
    values = {field: fields.get(field, usual.get(field)) for field in names}
    customer = values.get("customerInfo")
    if customer is not None:
        values["customerInfo"] = dict.fromkeys(CUSTOMER_FIELDS, "") | customer
    return encode_frame(f"paywizard.commands.{name}", values)


CUSTOMER_FIELDS = (
    *("customerType", "firstName", "middleName", "lastName", "address1", "address2", "city"),
    *("state", "postal", "country", "mailPref", "phone", "isMobile", "phonePref", "email"),
    *("emailPref", "birthday", "anniversary", "gender"),
)


def payment(tran_order_no: str = "T-1", **fields: Any) -> bytes:
    """Encode a payment of 10.50 USD."""
    return command_bytes("PaymentCommand", tran_order_no, **fields)

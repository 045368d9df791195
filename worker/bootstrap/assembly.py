"""From settings to the parts of a worker."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from worker.adapters.avro.records import RecordCodec
from worker.adapters.kafka.admin import RESOLUTION_TOPIC
from worker.adapters.kafka.bridge import Bridge
from worker.adapters.kafka.clients import make_consumer, make_producer
from worker.adapters.kafka.connection import KafkaConnection
from worker.adapters.kafka.consumer import ConsumerThread, SourceTopics
from worker.adapters.kafka.producer import ProducerThread
from worker.adapters.paywizard.classification import ReplyPolicy
from worker.adapters.paywizard.credentials import Credential, Credentials
from worker.adapters.paywizard.gateway import GatewayPolicy
from worker.adapters.system_clock import SystemClock
from worker.application.composition import Application, Policy, World, application_for
from worker.application.ports import Gateway, Ledger, OutputTopic, Publisher, RecordKind
from worker.application.process_command import Rules
from worker.domain.commit_note import CommitNote
from worker.domain.identity import Identity
from worker.observability.health import Health
from worker.observability.instruments import new_registry
from worker.observability.metrics import Metrics
from worker.observability.watchdog import Heartbeats, Watchdog
from worker.settings import Settings, load_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every part of one process shares."""

    settings: Settings
    version: str
    owner: str
    credentials: Credentials
    metrics: Metrics
    heartbeats: Heartbeats
    watchdog: Watchdog
    health: Health


def topic_kinds(settings: Settings) -> dict[str, RecordKind]:
    """Say what each consumed topic carries; full names."""
    kinds = dict.fromkeys(settings.command_topics(), RecordKind.COMMAND)
    return kinds | {
        settings.kafka_topic_prefix + RESOLUTION_TOPIC: RecordKind.RESOLUTION,
        settings.output_topic(OutputTopic.BALANCE_REFRESH): RecordKind.BALANCE_REFRESH,
        settings.output_topic(OutputTopic.STATUS_CHECKS): RecordKind.STATUS_CHECK,
    }


def output_topics(settings: Settings) -> dict[OutputTopic, str]:
    """Name the topics that outcomes and follow-ups go to."""
    return {topic: settings.output_topic(topic) for topic in OutputTopic}


def throwaway_metrics(settings: Settings) -> Metrics:
    """Metrics for a tool that ends before anybody could scrape it."""
    return Metrics(
        new_registry(),
        clients=(settings.credentials().default,),
        topics=(),
        version="",
        revision="",
    )


def credentials_loader(settings: Settings) -> Callable[[], Iterable[Credential]]:
    """Give the settings' credentials first, and read them anew each time after that."""
    first: list[Settings] = [settings]

    def load() -> list[Credential]:
        loaded = first.pop() if first else load_settings(Settings)
        return [
            Credential(
                client_id=client.client_id,
                client_secret=client.client_secret.get_secret_value(),
                jwt_token=client.jwt_token.get_secret_value(),
                loyalty_channel=client.loyalty_channel,
                mid=client.mid,
                concurrency_max=client.concurrency_max,
                requests_per_second_max=client.requests_per_second_max,
            )
            for client in loaded.credentials().clients
        ]

    return load


def gateway_policy(settings: Settings) -> GatewayPolicy:
    """Collect what is configured about calls."""
    return GatewayPolicy(
        base_url=settings.paywizard_base_url,
        connect_timeout_seconds=settings.paywizard_connect_timeout_seconds,
        read_timeout_seconds=settings.paywizard_read_timeout_seconds,
        call_deadline_seconds=settings.paywizard_call_deadline_seconds,
        send_deadline_seconds=settings.send_deadline_seconds,
        concurrency_max=settings.paywizard_concurrency_max,
        requests_per_second_max=settings.paywizard_requests_per_second_max,
        replies=ReplyPolicy(
            refused_codes=settings.paywizard_refused_codes,
            retry_throttled=settings.paywizard_retry_throttled,
        ),
    )


def application_over(
    around: Surroundings,
    identity: Identity,
    ledger: Ledger,
    gateway: Gateway,
    publisher: Publisher,
) -> Application:
    """Put the application together as it is configured."""
    settings = around.settings
    world = World(
        owner=around.owner,
        group=settings.kafka_group_id,
        version=around.version,
        topic_prefix=settings.kafka_topic_prefix,
        ledger=ledger,
        gateway=gateway,
        publisher=publisher,
        codec=RecordCodec(default_client_id=settings.credentials().default),
        clients=around.credentials,
        clock=SystemClock(),
        jitter=random.random,
        metrics=around.metrics,
    )
    policy = Policy(
        rules=rules_of(settings, identity),
        voidable=settings.paywizard_voidable,
        unknown_originals_allowed=settings.paywizard_unknown_originals == "send",
        query_by_order_number=settings.paywizard_query_by_order_number,
        grace_seconds=settings.in_doubt_grace_seconds,
        budget_seconds=settings.status_check_budget_seconds,
        refreshes_balances=settings.balance_refresh,
    )
    return application_for(world, policy)


def rules_of(settings: Settings, identity: Identity) -> Rules:
    """Collect what the operator decided about commands."""
    return Rules(
        lease=timedelta(seconds=settings.lease_seconds),
        wait_max=timedelta(seconds=settings.wait_max_seconds),
        original_wait=timedelta(seconds=settings.original_wait_seconds),
        reload_amount_allowed=settings.paywizard_reload_amount == "send",
        replay_duplicates=settings.duplicate_commands == "replay",
        adopted_since=identity.adopted_since,
    )


def kafka_threads(
    around: Surroundings,
    connection: KafkaConnection,
    check_note: Callable[[CommitNote], None],
    bridge: Bridge,
) -> tuple[ConsumerThread, ProducerThread]:
    """Build the two threads; starting them connects."""
    settings = around.settings
    consumer = ConsumerThread(
        partial(
            make_consumer,
            connection,
            settings.kafka_group_id,
            settings.instance_id,
            settings.kafka_session_timeout_seconds,
        ),
        SourceTopics(topic_kinds(settings), settings.kafka_topic_prefix),
        check_note,
        bridge,
        around.metrics,
        around.heartbeats,
    )
    producer = ProducerThread(
        partial(make_producer, connection, settings.transactional_id, settings.instance_id),
        output_topics(settings),
        bridge,
        around.metrics,
        around.heartbeats,
        settings.kafka_commit_interval_seconds,
    )
    return consumer, producer

"""The topics: how each is to be kept, creating them, and describing what is there."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource
from kafka.errors import (
    NoError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from worker.adapters.kafka.connection import (
    KafkaConnection,
    KafkaRefusedError,
    connect,
    connection_options,
    refusals,
)
from worker.application.ports import OutputTopic

CLIENT_ID: Final = "paywizard-worker-admin"
RESOLUTION_TOPIC: Final = "commands.resolution"
STATUS_CHECKS_TOPIC: Final = "internal.status-checks"
DAY_MS: Final = 86_400_000


def _kept(days: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * DAY_MS)}


COMMANDS_POLICY: Final = _kept(14)
POLICIES: Final = MappingProxyType(
    {
        RESOLUTION_TOPIC: COMMANDS_POLICY,
        OutputTopic.RESULTS: _kept(30),
        # Compaction begins after 7 days (P7); a card that rests for a year is forgotten.
        OutputTopic.BALANCE_CHANGES: _kept(365)
        | {"cleanup.policy": "compact,delete", "min.compaction.lag.ms": str(7 * DAY_MS)},
        OutputTopic.DEAD_LETTERS: _kept(90),
        OutputTopic.BALANCE_REFRESH: _kept(7),
        STATUS_CHECKS_TOPIC: _kept(7),
    }
)
"""How the topics beside the command topics are kept, by name without the prefix."""

COMMON_POLICY: Final = MappingProxyType(
    {
        # WAIT_MAX counts from a record's timestamp: the broker's clock, not the producer's.
        "message.timestamp.type": "LogAppendTime",
        "unclean.leader.election.enable": "false",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSizes:
    """What differs from cluster to cluster."""

    partitions: int = 12
    dead_letter_partitions: int = 3
    replication_factor: int = 3
    min_isr: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPlan:
    """How a topic should be; `name` in full, `configs` as Kafka names them."""

    name: str
    partitions: int
    replication_factor: int
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicFacts:
    """How a topic is; `configs` None: this user may not read them."""

    topic_id: str
    partitions: int
    replication_factor: int
    configs: Mapping[str, str] | None


def planned_topics(
    prefix: str, command_topics: Iterable[str], sizes: TopicSizes
) -> tuple[TopicPlan, ...]:
    """Return the plan of every topic; `command_topics` are full names."""
    policies = dict.fromkeys(command_topics, COMMANDS_POLICY)
    policies |= {prefix + name: policy for name, policy in POLICIES.items()}
    dead_letters = prefix + OutputTopic.DEAD_LETTERS
    return tuple(
        TopicPlan(
            name=name,
            partitions=(
                sizes.dead_letter_partitions if name == dead_letters else sizes.partitions
            ),
            replication_factor=sizes.replication_factor,
            configs={**policy, **COMMON_POLICY, "min.insync.replicas": str(sizes.min_isr)},
        )
        for name, policy in policies.items()
    )


def differences(plan: TopicPlan, facts: TopicFacts) -> tuple[str, ...]:
    """Name what is not as planned, each as `what: is (planned)`; unreadable settings pass."""
    pairs = [
        ("partitions", str(facts.partitions), str(plan.partitions)),
        ("replication factor", str(facts.replication_factor), str(plan.replication_factor)),
    ]
    if facts.configs is not None:
        pairs += [(key, facts.configs.get(key, ""), plan.configs[key]) for key in plan.configs]
    return tuple(
        f"{what}: {found} (planned {planned})"
        for what, found, planned in pairs
        if _normal(found) != _normal(planned)
    )


def create_topics(connection: KafkaConnection, plans: Collection[TopicPlan]) -> frozenset[str]:
    """Create what is missing and return the names of what was created.

    Topics that exist stay as they are. KafkaUnavailableError; KafkaRefusedError.
    """
    with admin_client(connection) as admin, refusals("creating topics"):
        answer = admin.create_topics(
            {
                plan.name: {
                    "num_partitions": plan.partitions,
                    "replication_factor": plan.replication_factor,
                    "configs": dict(plan.configs),
                }
                for plan in plans
            },
            raise_errors=False,
        )
        errors = {topic["name"]: for_code(topic["error_code"]) for topic in answer["topics"]}
        for topic in answer["topics"]:
            if errors[topic["name"]] not in (NoError, TopicAlreadyExistsError):
                raise KafkaRefusedError(
                    f"Kafka refused to create {topic['name']}: "
                    f"{topic['error_message'] or errors[topic['name']].__name__}"
                )
        created = frozenset(name for name, error in errors.items() if error is NoError)
        if created:
            admin.wait_for_topics(sorted(created))
        return created


def describe_topics(
    connection: KafkaConnection, names: Collection[str]
) -> dict[str, TopicFacts]:
    """Return what is known of the topics that exist; the others are left out.

    KafkaUnavailableError; KafkaRefusedError.
    """
    with admin_client(connection) as admin, refusals("describing topics"):
        found = {
            topic["name"]: topic
            for topic in admin.describe_topics(sorted(names))
            if _exists(topic["name"], topic["error_code"])
        }
        configs = _configs(admin, found)
    return {
        name: TopicFacts(
            topic_id=str(topic["topic_id"]),
            partitions=len(topic["partitions"]),
            replication_factor=min(len(each["replica_nodes"]) for each in topic["partitions"]),
            configs=configs.get(name) or None,
        )
        for name, topic in found.items()
    }


def _exists(name: str, error_code: int) -> bool:
    error = for_code(error_code)
    if error not in (NoError, UnknownTopicOrPartitionError):
        raise KafkaRefusedError(f"Kafka refused to describe {name} ({error.__name__}).")
    return error is NoError


def _configs(admin: KafkaAdminClient, names: Collection[str]) -> dict[str, dict[str, str]]:
    """Read topics' settings; without the right to, kafka-python returns none of them."""
    if not names:
        return {}
    resources = [ConfigResource("topic", name) for name in names]
    described: dict[str, dict[str, dict[str, Any]]] = admin.describe_configs(
        resources, config_filter="all"
    ).get("topic", {})
    return {
        topic: {key: str(config["value"]) for key, config in configs.items()}
        for topic, configs in described.items()
    }


def _normal(value: str) -> frozenset[str]:
    """Make lists comparable: Kafka does not keep the order of `compact,delete`."""
    return frozenset(value.split(","))


@contextmanager
def admin_client(connection: KafkaConnection) -> Iterator[KafkaAdminClient]:
    """Connect, and close in the end; KafkaUnavailableError."""
    options = connection_options(connection, CLIENT_ID)
    admin = connect(connection, lambda: KafkaAdminClient(**options))
    try:
        yield admin
    finally:
        admin.close()

"""Every setting: its name in lower case, its kind, default and meaning."""

import socket
from typing import Annotated, Final, Literal, TypedDict

from pydantic import Field, FilePath, SecretStr, ValidationInfo, field_validator
from pydantic.config import JsonDict

from worker.application.ports import OutputTopic
from worker.domain.operations import Operation
from worker.settings.credentials import ClientCredentials, Credentials, read_credentials
from worker.settings.source import FromEnvironment
from worker.settings.values import (
    BaseUrl,
    CommandTopic,
    ConcurrencyMax,
    Identifier,
    LedgerUrl,
    Lower,
    RefusedCode,
    RequestsPerSecondMax,
    Seconds,
    SecondsOrNone,
    Secret,
    Server,
    Some,
    Token,
    TopicPrefix,
    Voidable,
    Words,
)

MAY_BE_EMPTY: Final[JsonDict] = {"may_be_empty": True}

COMMAND_TOPICS: Final = (
    "commands.payment",
    "commands.reload",
    "commands.points",
    "commands.void",
    "commands.card",
)


class ConnectionValues(TypedDict):
    """What a Kafka client needs to connect, named as `KafkaConnection` takes it."""

    bootstrap_servers: tuple[str, ...]
    security_protocol: str
    sasl_mechanism: str | None
    sasl_username: str | None
    sasl_password: str | None
    ssl_cafile: str | None
    ssl_certfile: str | None
    ssl_keyfile: str | None


class LedgerSettings(FromEnvironment):
    """What it takes to open the ledger."""

    ledger_url: LedgerUrl = Field(
        description="The ledger, such as `sqlite:////var/lib/paywizard-worker/ledger.db` or "
        "`postgresql://worker@db.example/ledger`; no default, because an ephemeral ledger forgets what was paid"
    )


class KafkaSettings(FromEnvironment):
    """What it takes to reach Kafka and to find our topics there."""

    kafka_bootstrap_servers: Annotated[tuple[Server, ...], Words, Some] = Field(
        description="Brokers to ask first: `host:port`, with commas between them"
    )
    kafka_topic_prefix: TopicPrefix = Field(
        "paywizard.",
        description="What the names of all topics begin with; may be empty",
        json_schema_extra=MAY_BE_EMPTY,
    )
    kafka_command_topics: Annotated[tuple[CommandTopic, ...], Words, Some] = Field(
        COMMAND_TOPICS,
        description="Topics that carry commands, named without the prefix",
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="`PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None,
        description="`PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`; required with SASL",
        validate_default=True,
    )
    kafka_sasl_username: Identifier | None = Field(
        None, description="User name; required with SASL", validate_default=True
    )
    kafka_sasl_password: Secret | None = Field(
        None, description="Password; required with SASL", validate_default=True
    )
    kafka_ssl_cafile: FilePath | None = Field(
        None,
        description="PEM file of the authorities that sign the brokers' certificates; not set: "
        "the system's",
    )
    kafka_ssl_certfile: FilePath | None = Field(
        None, description="PEM file of this client's certificate, where brokers ask for one"
    )
    kafka_ssl_keyfile: FilePath | None = Field(
        None, description="PEM file of that certificate's key", validate_default=True
    )

    @field_validator("kafka_command_topics")
    @classmethod
    def _named_without_prefix(
        cls, value: tuple[str, ...], info: ValidationInfo
    ) -> tuple[str, ...]:
        prefix = info.data.get("kafka_topic_prefix")
        if prefix and any(topic.startswith(prefix) for topic in value):
            raise ValueError(f"must be named without KAFKA_TOPIC_PREFIX ({prefix})")
        return value

    @field_validator("kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password")
    @classmethod
    def _goes_with_sasl(cls, value: object, info: ValidationInfo) -> object:
        protocol = info.data.get("kafka_security_protocol", "")
        if protocol.startswith("SASL") and value is None:
            raise ValueError(f"not set; KAFKA_SECURITY_PROTOCOL={protocol} needs it")
        if protocol in ("PLAINTEXT", "SSL") and value is not None:
            raise ValueError(f"unused with KAFKA_SECURITY_PROTOCOL={protocol}; use SASL_SSL")
        return value

    @field_validator("kafka_ssl_cafile", "kafka_ssl_certfile", "kafka_ssl_keyfile")
    @classmethod
    def _goes_with_tls(cls, value: object, info: ValidationInfo) -> object:
        protocol = info.data.get("kafka_security_protocol", "")
        if protocol.endswith("PLAINTEXT") and value is not None:
            raise ValueError(f"unused with KAFKA_SECURITY_PROTOCOL={protocol}; use SSL")
        return value

    @field_validator("kafka_ssl_keyfile")
    @classmethod
    def _has_certificate(cls, value: object, info: ValidationInfo) -> object:
        if (value is None) != (info.data.get("kafka_ssl_certfile", value) is None):
            raise ValueError("goes with KAFKA_SSL_CERTFILE: set both or neither")
        return value

    def command_topics(self) -> tuple[str, ...]:
        """Return the full names of the topics that carry commands."""
        return tuple(self.kafka_topic_prefix + topic for topic in self.kafka_command_topics)

    def output_topic(self, topic: OutputTopic) -> str:
        """Return the full name of one of our own topics."""
        return self.kafka_topic_prefix + topic

    def connection_values(self) -> ConnectionValues:
        """Return what `KafkaConnection` takes; the password is in it."""
        return {
            "bootstrap_servers": self.kafka_bootstrap_servers,
            "security_protocol": self.kafka_security_protocol,
            "sasl_mechanism": self.kafka_sasl_mechanism,
            "sasl_username": self.kafka_sasl_username,
            "sasl_password": _plain(self.kafka_sasl_password),
            "ssl_cafile": _text(self.kafka_ssl_cafile),
            "ssl_certfile": _text(self.kafka_ssl_certfile),
            "ssl_keyfile": _text(self.kafka_ssl_keyfile),
        }


class Settings(LedgerSettings, KafkaSettings):
    """All settings of a running worker."""

    kafka_group_id: Identifier = Field(
        description="Consumer group of all workers that share the ledger"
    )
    instance_id: Identifier = Field(
        default_factory=socket.gethostname,
        description="Name of this worker's slot, kept over restarts: `group.instance.id`, and "
        "with the group the transactional id; not set: the host name",
    )
    kafka_session_timeout_seconds: float = Field(
        30.0,
        ge=6,
        le=1800,
        description="After so long without a heartbeat a worker's partitions go to another; 6 to "
        "1800, within the brokers' limits",
    )
    kafka_commit_interval_seconds: float = Field(
        0.05, ge=0, le=10, description="Least time between two Kafka transactions; 0 to 10"
    )
    paywizard_base_url: BaseUrl = Field(
        description="PayWizard, such as `https://portal.paywizard.biz`; plain http only to this "
        "machine"
    )
    paywizard_credentials_file: FilePath | None = Field(
        None,
        description="JSON file with the credentials of one or more clients; set either this or "
        "the single client below",
    )
    paywizard_client_id: Identifier | None = Field(
        None, description="Developer id of the single client", validate_default=True
    )
    paywizard_client_secret: Secret | None = Field(
        None, description="Secret that its requests are signed with", validate_default=True
    )
    paywizard_jwt_token: Token | None = Field(
        None, description="Its transaction token", validate_default=True
    )
    paywizard_loyalty_channel: Identifier | None = Field(
        None,
        description="Its prepaid channel, such as `FACTOR4`, where a command names none",
        validate_default=True,
    )
    paywizard_mid: Identifier | None = Field(
        None, description="Its merchant id (`mid`), where known"
    )
    paywizard_connect_timeout_seconds: Seconds = Field(
        5.0, description="Longest wait for a connection"
    )
    paywizard_read_timeout_seconds: Seconds = Field(
        60.0, description="Longest silence while an answer is awaited"
    )
    paywizard_call_deadline_seconds: Seconds = Field(
        65.0, description="Longest call as a whole; then the order is in doubt"
    )
    send_deadline_seconds: Seconds = Field(
        10.0,
        description="Longest time from the start of a submission to the first byte of its request; "
        "later it is not sent, and submitted anew",
    )
    lease_seconds: Seconds = Field(
        90.0,
        description="After so long a submission that nobody answered for is in doubt; more than "
        "the send deadline and the call deadline together",
        validate_default=True,
    )
    in_doubt_grace_seconds: SecondsOrNone = Field(
        30.0,
        description="So long PayWizard is asked what became of an order whose answer was lost, "
        "before the order is published as IN_DOUBT; 0: not at all",
    )
    status_check_budget_seconds: Seconds = Field(
        86_400.0,
        description="So long PayWizard is asked about an order that is PENDING or IN_DOUBT; then "
        "it waits for an operator",
    )
    paywizard_query_by_order_number: bool = Field(
        True,
        description="Whether an order whose answer was lost is asked about by its own number, "
        "which PayWizard does not document (G5); what is found counts only if PAYWIZARD_MID and "
        "the amount agree",
    )
    wait_max_seconds: Seconds = Field(
        86_400.0,
        description="A command that waited longer is not executed (EXPIRED); less than the "
        "command topics' retention",
    )
    orphan_after_seconds: Seconds = Field(
        90_000.0,
        description="An order that has come to nothing after so long has lost its record; at "
        "least WAIT_MAX_SECONDS and an hour",
        validate_default=True,
    )
    balance_refresh: bool = Field(
        True,
        description="Whether a card's balances are read again after each operation that moved "
        "something, at the cost of one more call; an inquiry has them read and published always",
    )
    duplicate_commands: Annotated[Literal["drop", "replay"], Lower] = Field(
        "drop",
        description="What a repeated command gets: `drop`: nothing; `replay`: the stored outcome "
        "again, marked `replayed`, with the same `eventId`",
    )
    original_wait_seconds: Seconds = Field(
        60.0, description="Longest wait of a void or tip for the order it names"
    )
    paywizard_reload_amount: Literal["send", "omit"] = Field(
        "send",
        description="`send`: a reload's amount and currency go into the request, which PayWizard "
        "does not document; `omit`: a reload with an amount is refused (UNSUPPORTED)",
    )
    paywizard_voidable: Annotated[frozenset[Voidable], Words] = Field(
        frozenset({Operation.PAYMENT, Operation.TIP, Operation.RELOAD}),
        description="Operations that may be voided, of `payment`, `tip`, `reload`, "
        "`issue_points`, `redeem_points`; may be empty",
        json_schema_extra=MAY_BE_EMPTY,
    )
    paywizard_unknown_originals: Literal["refuse", "send"] = Field(
        "refuse",
        description="A void or tip of a checkoutId that the ledger does not know: `refuse` it "
        "(ORIGINAL_UNKNOWN), or `send` it to PayWizard",
    )
    paywizard_retry_throttled: bool = Field(
        True,
        description="`true`: HTTP 429 proves that nothing was executed, so the order is sent "
        "again; `false`: it is in doubt",
    )
    paywizard_refused_codes: Annotated[frozenset[RefusedCode], Words] = Field(
        frozenset({400, 401, 403, 404, 413, 415, 422}),
        description="HTTP statuses, and `code` in answers, that prove that nothing was executed; "
        "may be empty, never 2xx, 408, 429 or 5xx",
        json_schema_extra=MAY_BE_EMPTY,
    )
    paywizard_concurrency_max: ConcurrencyMax = Field(
        256, description="Open calls per client; 1 to 10000"
    )
    paywizard_requests_per_second_max: RequestsPerSecondMax | None = Field(
        None, description="Requests per second and client, evenly spaced; 0.01 to 10000"
    )
    http_host: Identifier = Field("0.0.0.0", description="Address of metrics and health")  # noqa: S104 - probes come from outside
    http_port: int = Field(
        8080, ge=0, le=65_535, description="Port of metrics and health; 0: a free one, logged"
    )
    drain_timeout_seconds: Seconds = Field(
        90.0,
        description="Longest wait for open calls after SIGTERM: the call deadline and 15 s, and "
        "15 s below the supervisor's grace period",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Lower] = Field(
        "info", description="`debug`, `info`, `warning` or `error`"
    )
    log_format: Annotated[Literal["json", "console"], Lower] = Field(
        "json", description="`json`, or `console` for people"
    )

    @field_validator("paywizard_credentials_file")
    @classmethod
    def _holds_credentials(cls, value: FilePath | None) -> FilePath | None:
        if value is not None:
            read_credentials(value)
        return value

    @field_validator(
        "paywizard_client_id",
        "paywizard_client_secret",
        "paywizard_jwt_token",
        "paywizard_loyalty_channel",
        "paywizard_mid",
    )
    @classmethod
    def _one_way_only(cls, value: object, info: ValidationInfo) -> object:
        if "paywizard_credentials_file" not in info.data:
            return value
        in_file = info.data["paywizard_credentials_file"] is not None
        if in_file and value is not None:
            raise ValueError("is set beside PAYWIZARD_CREDENTIALS_FILE; remove one of the two")
        if not in_file and value is None and info.field_name != "paywizard_mid":
            raise ValueError("not set; set it, or PAYWIZARD_CREDENTIALS_FILE instead")
        return value

    @field_validator("lease_seconds")
    @classmethod
    def _outlives_calls(cls, value: float, info: ValidationInfo) -> float:
        call = info.data.get("paywizard_call_deadline_seconds")
        send = info.data.get("send_deadline_seconds")
        if call is not None and send is not None and value <= send + call:
            raise ValueError(
                "must exceed SEND_DEADLINE_SECONDS and PAYWIZARD_CALL_DEADLINE_SECONDS together "
                f"({send + call:g})"
            )
        return value

    @field_validator("orphan_after_seconds")
    @classmethod
    def _outlives_waiting(cls, value: float, info: ValidationInfo) -> float:
        wait_max = info.data.get("wait_max_seconds")
        if wait_max is not None and value < wait_max + 3600:
            raise ValueError(f"must be at least WAIT_MAX_SECONDS ({wait_max:g}) and 3600")
        return value

    @property
    def transactional_id(self) -> str:
        """The producer's id; the same after a restart, so that a predecessor is fenced."""
        return f"{self.kafka_group_id}.{self.instance_id}"

    def credentials(self) -> Credentials:
        """Return all clients; a credentials file is read now.

        ValueError: the file is no longer in order. To read secrets again that come from
        NAME_FILE, load the settings again.
        """
        if self.paywizard_credentials_file is not None:
            return read_credentials(self.paywizard_credentials_file)
        client = ClientCredentials.model_validate(
            {
                "client_id": self.paywizard_client_id,
                "client_secret": self.paywizard_client_secret,
                "jwt_token": self.paywizard_jwt_token,
                "loyalty_channel": self.paywizard_loyalty_channel,
                "mid": self.paywizard_mid,
            }
        )
        return Credentials(default=client.client_id, clients=(client,))


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _text(path: FilePath | None) -> str | None:
    return None if path is None else str(path)

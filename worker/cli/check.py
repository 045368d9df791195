"""`check`: whether a worker would start and work here, and if not, why."""

import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer
from rich.table import Table
from rich.text import Text

from worker.adapters.avro.packaged_schemas import packaged_schemas
from worker.adapters.kafka.admin import TopicSizes, describe_topics, planned_topics
from worker.adapters.kafka.connection import (
    KafkaConnection,
    KafkaRefusedError,
    KafkaUnavailableError,
)
from worker.cli.columns import table_console
from worker.cli.exits import ExitCode
from worker.cli.findings import (
    Finding,
    Verdict,
    exit_code_of,
    failed,
    judge_topic,
    passed,
    warned,
)
from worker.settings import Settings, SettingsError, load_settings

DECIDE_AND_COMMIT_SECONDS: Final = 15.0
STYLES: Final = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "red"}


def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Check settings, schemas, Kafka, topics, ledger and PayWizard; change nothing.

    PayWizard gets a connection, but no request. All faults are shown at once. Warnings do not
    change the exit code: 0 a worker can start, 1 a topic is kept wrongly, 2 settings, 75
    something is missing or cannot be reached, 78 the ledger does not fit.

    Example: `paywizard-worker check --json`
    """
    findings = tuple(_findings())
    code = exit_code_of(findings)
    if as_json:
        checks = [asdict(finding) for finding in findings]
        typer.echo(json.dumps({"exit_code": code, "checks": checks}))
    else:
        _print(findings)
    raise typer.Exit(code)


def _findings() -> Iterator[Finding]:
    try:
        settings = load_settings(Settings)
    except SettingsError as error:
        for fault in error.faults:
            name, _, detail = fault.partition(": ")
            yield failed("settings", name, detail, ExitCode.USAGE)
        yield from _schemas()
        return
    yield from _limits(settings)
    yield from _schemas()
    yield from _kafka(settings)
    yield from _ledger(settings)
    yield from _paywizard(settings)


def _limits(settings: Settings) -> Iterator[Finding]:
    yield passed("settings", "environment", "all in order")
    needed = settings.paywizard_call_deadline_seconds + DECIDE_AND_COMMIT_SECONDS
    if settings.drain_timeout_seconds < needed:
        detail = f"below {needed:g}: a stop may cut calls off and leave orders in doubt"
        yield warned("settings", "DRAIN_TIMEOUT_SECONDS", detail)


def _schemas() -> Iterator[Finding]:
    try:
        count = len(packaged_schemas().by_name)
    except (OSError, ValueError) as error:
        detail = f"cannot be loaded ({type(error).__name__}): install the worker again"
        yield failed("schemas", "packaged", detail, ExitCode.FAILURE)
    else:
        yield passed("schemas", "packaged", f"{count} records")


def _kafka(settings: Settings) -> Iterator[Finding]:
    connection = KafkaConnection(**settings.connection_values())
    commands = settings.command_topics()
    plans = planned_topics(settings.kafka_topic_prefix, commands, TopicSizes())
    servers = ", ".join(settings.kafka_bootstrap_servers)
    try:
        found = describe_topics(connection, [plan.name for plan in plans])
    except KafkaUnavailableError as error:
        yield failed("kafka", servers, str(error), ExitCode.UNAVAILABLE)
        return
    except KafkaRefusedError as error:
        yield failed("kafka", servers, str(error), ExitCode.FAILURE)
        return
    yield passed("kafka", servers, "reached")
    for plan in plans:
        wait_max = settings.wait_max_seconds if plan.name in commands else None
        yield judge_topic(plan, found.get(plan.name), wait_max)


def _ledger(settings: Settings) -> Iterator[Finding]:
    # Imported here: only this command and two others need the ledger's libraries.
    from worker.adapters.sql.schema import FAULTS, USABLE, revision_state
    from worker.application.ports import LedgerUnavailableError

    try:
        state = revision_state(settings.ledger_url.get_secret_value())
    except LedgerUnavailableError as error:
        yield failed("ledger", "database", str(error), ExitCode.UNAVAILABLE)
    else:
        if state in USABLE:
            yield passed("ledger", "revision", "this release's")
        else:
            yield failed("ledger", "revision", FAULTS[state], ExitCode.LEDGER)


def _paywizard(settings: Settings) -> Iterator[Finding]:
    url = urlsplit(settings.paywizard_base_url)
    assert url.hostname is not None
    port = url.port or (443 if url.scheme == "https" else 80)
    subject = f"{url.hostname}:{port}"
    timeout = settings.paywizard_connect_timeout_seconds
    try:
        with socket.create_connection((url.hostname, port), timeout) as plain:
            if url.scheme == "https":
                context = ssl.create_default_context()
                with context.wrap_socket(plain, server_hostname=url.hostname):
                    pass
    except OSError as error:
        detail = f"cannot be reached: {error.strerror or error}"
        yield failed("paywizard", subject, detail, ExitCode.UNAVAILABLE)
    else:
        yield passed("paywizard", subject, "connected, nothing sent")


def _print(findings: tuple[Finding, ...]) -> None:
    table = Table("check", "subject", "verdict", "detail")
    for finding in findings:
        verdict = Text(finding.verdict, STYLES[finding.verdict])
        # Text, because brackets in a detail are not markup.
        table.add_row(finding.check, Text(finding.subject), verdict, Text(finding.detail))
    table_console().print(table)

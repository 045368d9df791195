"""The command line as a whole: help, version, exit codes, and errors that are one sentence."""

import json
import os
from collections.abc import Callable
from importlib.metadata import version

import pytest

from tests.unit.cli.command_line import Ended, runner

BROKEN = {
    "KAFKA_BOOTSTRAP_SERVERS": "nowhere",
    "HTTP_PORT": "99999",
    "PAYWIZARD_BASE_URL": "http://portal.paywizard.biz",
    "PAYWIZARD_CLIENT_SECRET": "planted secret\n",
    "LEDGER_URL": "mysql://u:planted@db/ledger",
}
IN_ORDER = {
    "KAFKA_GROUP_ID": "g",
    "PAYWIZARD_CLIENT_ID": "1",
    "PAYWIZARD_JWT_TOKEN": "planted",
    "PAYWIZARD_LOYALTY_CHANNEL": "FACTOR4",
}
COMMANDS = [
    "run",
    "check",
    "topics create",
    "ledger upgrade",
    "send",
    "send payment",
    "send tip",
    "send reload",
    "send issue-points",
    "send redeem-points",
    "send void",
    "send activate",
    "send inquiry",
    "send json",
    "send file",
    "results",
    "balances",
]


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ended]:
    for name in list(os.environ):
        if name.startswith(("PAYWIZARD_", "KAFKA_", "LEDGER_", "HTTP_", "LOG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    return runner(capsys)


def test_the_version_is_the_packages(run: Callable[..., Ended]) -> None:
    """`--version` says which release this is."""
    ended = run("--version")
    assert (ended.code, ended.out) == (0, f"paywizard-worker {version('paywizard-worker')}\n")


def test_the_program_lists_its_commands(run: Callable[..., Ended]) -> None:
    """Whoever types nothing learns what there is."""
    ended = run("--help")
    assert ended.code == 0
    for command in ("run", "check", "topics", "ledger", "send", "results", "balances"):
        assert f"│ {command} " in ended.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run: Callable[..., Ended], command: str) -> None:
    """Help needs no settings and nothing that answers."""
    ended = run(*command.split(), "--help")
    assert ended.code == 0
    assert f"Usage: paywizard-worker {command}" in ended.out


@pytest.mark.parametrize("words", [("fly",), ("run", "--fast"), ("topics", "create", "x")])
def test_wrong_usage_ends_with_2(run: Callable[..., Ended], words: tuple[str, ...]) -> None:
    """A misspelt command or option does nothing."""
    assert run(*words).code == 2


def test_check_shows_five_faults_in_one_go(
    run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five broken settings are five failed findings, exit code 2, and no secret shows (P10)."""
    for name, value in (BROKEN | IN_ORDER).items():
        monkeypatch.setenv(name, value)
    ended = run("check")
    assert ended.code == 2
    assert ended.out.count("failed") == 5
    assert all(name in ended.out for name in BROKEN)
    assert "planted" not in ended.out + ended.err


def test_check_tells_programs_the_same(
    run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--json` prints one document with the exit code and every finding."""
    for name, value in (BROKEN | IN_ORDER).items():
        monkeypatch.setenv(name, value)
    ended = run("check", "--json")
    document = json.loads(ended.out)
    failed = [found for found in document["checks"] if found["verdict"] == "failed"]
    assert (ended.code, document["exit_code"], len(failed)) == (2, 2, 5)
    assert "planted" not in ended.out


def test_a_start_with_broken_settings_names_all_faults(
    run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`run` ends with 2 before anything is touched."""
    for name, value in (BROKEN | IN_ORDER).items():
        monkeypatch.setenv(name, value)
    ended = run("run")
    assert ended.code == 2
    assert ended.err.startswith("The settings have 5 faults:\n")
    assert all(f"\n  {name}=" in ended.err for name in BROKEN)
    assert "planted" not in ended.err


def test_a_tool_names_the_one_setting_it_lacks(run: Callable[..., Ended]) -> None:
    """`send` asks for Kafka only, not for the ledger or for credentials."""
    ended = run("send", "inquiry", "--order", "A-1", "--account", "600000000000001")
    assert ended.code == 2
    assert ended.err.startswith(
        "The settings have a fault:\n  KAFKA_BOOTSTRAP_SERVERS: not set"
    )
    assert ended.err.count("\n") == 2

"""`send` before anything is sent: forms follow the schemas, and bad input is refused whole."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.command_line import Ended, runner
from worker.adapters.avro.packaged_schemas import packaged_schemas, schema_folder
from worker.cli.forms import FLAGS, FORMS, described
from worker.settings.fields import COMMAND_TOPICS

COMMANDS = sorted(
    name
    for name in packaged_schemas().by_name
    if name.startswith("paywizard.commands.") and not name.endswith(".ResolutionCommand")
)


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ended]:
    for name in list(os.environ):
        if name.startswith("KAFKA_"):
            monkeypatch.delenv(name)
    # Nothing listens there, and nothing may try: every case ends before a connection.
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    return runner(capsys)


def test_every_command_can_be_sent() -> None:
    """There is a form for each command record, on a topic that workers read."""
    assert sorted(f"paywizard.commands.{form.record}" for form in FORMS) == COMMANDS
    assert {form.topic for form in FORMS} == set(COMMAND_TOPICS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_field_of_a_command_has_a_flag(name: str) -> None:
    """A field that is added to a schema must be given a flag; `requestedAt` is the present."""
    form = next(form for form in FORMS if name.endswith(f".{form.record}"))
    _, fields = described(form)
    assert {field.name for field in fields} | {"requestedAt"} == set(
        packaged_schemas().by_name[name].shape.field_names
    )
    assert {field.flag for field in fields} <= set(FLAGS.values())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("payment", "--order", "A"), "Missing option '--account'"),
        (
            (
                "payment",
                "--order",
                "A",
                "--account",
                "1",
                "--amount",
                "1e2",
                "--currency",
                "USD",
            ),
            "--amount is not a decimal",
        ),
        (("issue-points", "--order", "A", "--account", "1", "--points", "x"), "'--points'"),
        (("inquiry", "--order", "A", "--account", "1", "--entry", "X"), "--entry is none of B"),
        (
            ("activate", "--order", "A", "--account", "1", "--customer", "/nowhere"),
            "'--customer'",
        ),
        (
            ("inquiry", "--order", "A", "--account", "1", "--topic", "t"),
            "t carries no commands",
        ),
        (("json", "{"), "The JSON is not JSON (line 1, column 2)"),
        (("json", "[]"), "The JSON: record is missing"),
        (("json", '{"record": "TransactionResult"}'), "record must be one of PaymentCommand"),
        (("json", '{"record": "InquiryCommand"}'), "tranOrderNo is missing"),
    ],
)
def test_what_is_no_command_is_refused_with_a_sentence(
    run: Callable[..., Ended], words: tuple[str, ...], sentence: str
) -> None:
    """Exit code 2, the field or flag by its name, and never its value."""
    ended = run("send", *words)
    assert ended.code == 2
    assert sentence in ended.err
    assert "Traceback" not in ended.err


def test_a_customer_file_is_checked_against_the_schema(
    run: Callable[..., Ended], tmp_path: Path
) -> None:
    """Personal data is not quoted back (P10)."""
    file = tmp_path / "customer.json"
    file.write_text(json.dumps({"firstNme": "Planted"}))
    ended = run("send", "activate", "--order", "A", "--account", "1", "--customer", str(file))
    assert ended.code == 2
    assert "customerInfo.firstNme is not a field" in ended.err
    assert "Planted" not in ended.err


def test_a_file_with_a_bad_line_is_not_sent_at_all(
    run: Callable[..., Ended], tmp_path: Path
) -> None:
    """All bad lines are named at once; the good ones wait."""
    good = json.dumps(
        json.loads((schema_folder() / "examples" / "PaymentCommand.json").read_text())
    )
    file = tmp_path / "commands.jsonl"
    file.write_text("\n".join([good, "", '{"record": "PaymentCommand"}', "x", good]))
    ended = run("send", "file", str(file))
    assert ended.code == 2
    first, *faults = ended.err.splitlines()
    assert first == "Nothing was sent."
    assert [fault[:6] for fault in faults] == ["Line 3", "Line 4"]


def test_a_file_that_is_no_text_is_refused(run: Callable[..., Ended], tmp_path: Path) -> None:
    """Binary input is a sentence, not a traceback."""
    file = tmp_path / "commands.jsonl"
    file.write_bytes(b"\xff\xfe")
    ended = run("send", "file", str(file))
    assert (ended.code, "is not UTF-8 text" in ended.err) == (2, True)

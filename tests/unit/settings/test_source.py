"""Values come from the environment or from files, and empty ones count as not set."""

from pathlib import Path

import pytest

from tests.unit.settings.environments import Load


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_any_setting_can_come_from_a_file(load: Load, tmp_path: Path, ending: str) -> None:
    """NAME_FILE names a file, whose one trailing line end is not part of the value."""
    file = tmp_path / "secret"
    file.write_bytes(b"from-file" + ending.encode())
    settings = load({"PAYWIZARD_JWT_TOKEN": None, "PAYWIZARD_JWT_TOKEN_FILE": str(file)})
    assert settings.paywizard_jwt_token is not None
    assert settings.paywizard_jwt_token.get_secret_value() == "from-file"


def test_a_name_and_its_file_together_are_a_fault(load: Load, tmp_path: Path) -> None:
    """Nobody has to guess which of the two counts."""
    file = tmp_path / "group"
    file.write_text("g")
    assert load.faults({"KAFKA_GROUP_ID_FILE": str(file)}) == (
        "KAFKA_GROUP_ID and KAFKA_GROUP_ID_FILE are both set: keep one of the two.",
    )


@pytest.mark.parametrize(
    ("content", "fault"),
    [(None, "cannot be read (No such file"), (b"\n", "is empty"), (b"\xff", "not UTF-8")],
)
def test_a_file_without_a_value_is_a_fault(
    load: Load, tmp_path: Path, content: bytes | None, fault: str
) -> None:
    """The fault names the file's variable and path, not the content."""
    file = tmp_path / "url"
    if content is not None:
        file.write_bytes(content)
    (found,) = load.faults({"LEDGER_URL": None, "LEDGER_URL_FILE": str(file)})
    assert found.startswith(f"LEDGER_URL_FILE='{file}': ")
    assert fault in found


def test_an_empty_value_counts_as_not_set(load: Load) -> None:
    """Templates leave variables empty; then the default holds."""
    settings = load({"HTTP_PORT": "", "KAFKA_SASL_USERNAME": "", "KAFKA_COMMAND_TOPICS": ""})
    assert settings.http_port == 8080
    assert settings.kafka_sasl_username is None
    assert len(settings.command_topics()) == 5


def test_empty_says_none_where_none_has_a_meaning(load: Load) -> None:
    """No prefix, nothing voidable, no code that proves a refusal."""
    settings = load(
        {"KAFKA_TOPIC_PREFIX": "", "PAYWIZARD_VOIDABLE": "", "PAYWIZARD_REFUSED_CODES": ""}
    )
    assert settings.command_topics()[0] == "commands.payment"
    assert settings.paywizard_voidable == frozenset()
    assert settings.paywizard_refused_codes == frozenset()

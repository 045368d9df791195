"""The documents about settings are made from the code."""

from ops.docs.configuration import PAGE, page
from worker.settings import Settings, settings_table_markdown


def test_the_table_names_every_setting_with_its_default() -> None:
    """README and docs/configuration.md are made from the code."""
    table = settings_table_markdown()
    assert all(f"| `{name.upper()}` |" in table for name in Settings.model_fields)
    assert "| `LEASE_SECONDS` | `90` |" in table
    assert "| `LEDGER_URL` | **required** |" in table


def test_the_configuration_page_is_up_to_date() -> None:
    """Run `python -m ops.docs.configuration` after a change of the settings."""
    assert PAGE.read_text(encoding="utf-8") == page()

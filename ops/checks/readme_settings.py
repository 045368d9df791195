"""Writes the settings table into README.md from the settings: `python -m ops.checks.readme_settings`."""

from pathlib import Path
from typing import Final

from worker.settings import settings_table_markdown

README: Final = Path(__file__).parents[2] / "README.md"
BEGIN: Final = "<!-- settings: begin (python -m ops.checks.readme_settings) -->\n"
END: Final = "<!-- settings: end -->\n"


def with_settings(text: str) -> str:
    """Return a text with the present table between its two marks, each of which it has once."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin, "the first mark is missing"
    assert end, "the second mark is missing"
    return f"{before}{begin}{settings_table_markdown()}{end}{after}"


if __name__ == "__main__":
    README.write_text(with_settings(README.read_text(encoding="utf-8")), encoding="utf-8")

"""What README, CHANGELOG and docs/ say agrees with the code."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from typer.main import get_command

from ops.checks.readme_settings import README, with_settings
from worker.adapters.kafka.admin import DAY_MS, TopicSizes, planned_topics
from worker.cli import build
from worker.domain.outcomes import DeadLetterReason, Reason
from worker.domain.replies import Doubt
from worker.settings.fields import COMMAND_TOPICS, Settings

ROOT = README.parent
TOPICS = ROOT / "docs" / "topics.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/*.md"))]
FOLDERS = ("worker", "tests", "ops", "schemas", "docs")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@cache
def text_of(page: Path) -> str:
    """Return a page's text."""
    return page.read_text(encoding="utf-8")


def prose_of(page: Path) -> str:
    """Return a page's text without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)


def table_rows(text: str) -> Iterator[list[str]]:
    """Yield the rows of tables as their cells, heads left out."""
    for line in re.findall(r"^\|(.*)\|$", text, re.MULTILINE):
        cells = [cell.strip() for cell in line.split("|")]
        if not all(re.fullmatch("-+", cell) for cell in cells):
            yield cells


def section(page: Path, heading: str) -> str:
    """Return what is under a heading, down to the next."""
    _, found, rest = text_of(page).partition(f"\n## {heading}\n")
    assert found, f"{page.name} has no heading {heading!r}"
    return rest.partition("\n## ")[0]


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as its readers' tools make them."""
    headings = re.findall(r"^#+ (.+)$", prose_of(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_settings_table_is_made_from_the_code() -> None:
    """Run `python -m ops.checks.readme_settings` after a change of the settings."""
    assert text_of(README) == with_settings(text_of(README))


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    """A link names a file of the tree, and a heading that is there."""
    for target in re.findall(r"\]\(([^)]+)\)", prose_of(page)):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path) if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors_of(linked), target


@every_page
def test_every_file_that_is_named_exists(page: Path) -> None:
    """A path in backticks is a path in the tree."""
    named = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[^`\s]*)`", prose_of(page))
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_architecture_names_files() -> None:
    """The test above has something to look at."""
    assert len(re.findall(r"`(?:worker|tests)/", text_of(ROOT / "docs/architecture.md"))) > 40


@every_page
def test_every_command_that_is_named_exists(page: Path) -> None:
    """`make ...` and `paywizard-worker ...` are commands that there are."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake ([a-z-]+)[` \n]", code_of(page)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    top = get_command(build())
    for words in re.findall(r"paywizard-worker ((?:[a-z]+(?:-[a-z]+)* ?)+)", code_of(page)):
        command = top
        for word in words.split():
            children = getattr(command, "commands", {})
            assert word in children, words
            command = children[word]


def code_of(page: Path) -> str:
    """Return what a page sets as code, in lines or in blocks."""
    blocks = re.findall(r"^```\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`[^`]+`", prose_of(page))])


@every_page
def test_every_setting_that_is_named_exists(page: Path) -> None:
    """Nobody is told to set what nobody reads."""
    settings = {name.upper() for name in Settings.model_fields}
    named = re.findall(
        r"`((?:KAFKA|PAYWIZARD|LEDGER|HTTP|LOG)_[A-Z_]+|[A-Z_]+_SECONDS)`", text_of(page)
    )
    assert set(named) - set(Doubt) <= settings


def test_every_promise_has_its_row() -> None:
    """P1 to P14, each with what is kept of it today."""
    rows = [cells for cells in table_rows(section(README, "What it promises")) if cells[0]]
    assert [number for number, _, _ in rows] == [f"P{number}" for number in range(1, 15)]
    assert all(re.match("(kept|in part|to come)", today) for _, _, today in rows)


def test_the_topics_are_as_they_are_planned() -> None:
    """docs/topics.md says how `topics create` makes each topic."""
    rows = [cells for cells in table_rows(text_of(TOPICS)) if len(cells) == 6]
    told = [
        (topic.strip("`"), partitions, cleanup, kept)
        for topic, _, _, partitions, cleanup, kept in rows[1:]
    ]
    planned = [
        (
            plan.name,
            str(plan.partitions),
            plan.configs["cleanup.policy"],
            f"{int(plan.configs['retention.ms']) // DAY_MS} days",
        )
        for plan in planned_topics("", COMMAND_TOPICS, TopicSizes())
    ]
    assert sorted(told) == sorted(planned)


def test_every_reason_of_a_result_is_told() -> None:
    """The lists that subscribers rely on are those of the code."""
    reasons = {status: codes(text) for status, text in table_rows(section(TOPICS, "Results"))}
    assert reasons["NOT_EXECUTED"] == {reason.value for reason in Reason}
    assert reasons["IN_DOUBT"] == {doubt.value for doubt in Doubt}


def test_every_reason_of_a_dead_letter_is_told() -> None:
    """The same for who looks after dead letters."""
    rows = table_rows(section(TOPICS, "Dead letters"))
    told = set().union(*(codes(reason) for reason, _ in rows))
    assert told == {reason.value for reason in DeadLetterReason}


def codes(text: str) -> set[str]:
    """Return the reasons in a text."""
    return set(re.findall(r"`([A-Z_]+)`", text))

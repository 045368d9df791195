"""The ledger's revision: what it is, whether this release may run on it, and its upgrade."""

from enum import Enum, auto
from pathlib import Path
from types import MappingProxyType
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from worker.adapters.sql.database import database_for
from worker.adapters.sql.errors import foreign_errors
from worker.adapters.sql.tables import metadata

MIGRATIONS: Final = Path(__file__).with_name("migrations")


class LedgerSchemaError(Exception):
    """This release cannot run on the ledger's revision; says in one sentence what to do."""


class RevisionState(Enum):
    """How the ledger's revision relates to this release."""

    AT_HEAD = auto()
    NEWER = auto()
    """By one revision, which only added: so that a rolling upgrade can be rolled back."""
    EMPTY = auto()
    BEHIND = auto()
    UNKNOWN = auto()
    HALF = auto()


USABLE: Final = frozenset({RevisionState.AT_HEAD, RevisionState.NEWER})

FAULTS: Final = MappingProxyType(
    {
        RevisionState.EMPTY: (
            "The ledger has no tables yet: run `paywizard-worker ledger upgrade`."
        ),
        RevisionState.BEHIND: (
            "The ledger is older than this release: run `paywizard-worker ledger upgrade`."
        ),
        RevisionState.UNKNOWN: (
            "The ledger has a revision that this release does not know: "
            "run the release that upgraded it."
        ),
        RevisionState.HALF: (
            "The ledger's tables are not those of its revision, as if it were half migrated: "
            "restore it, and then run `paywizard-worker ledger upgrade`."
        ),
    }
)


def upgrade(url: str) -> None:
    """Bring the ledger to this release's revision, if it is not there or newer by one.

    Makes an SQLite file if there is none. All of it is one SQL transaction, so that a ledger is
    never half migrated and a second upgrade waits for the first. ValueError for a URL that is not
    supported, LedgerSchemaError for a ledger that cannot be upgraded, LedgerUnavailableError.
    """
    database = database_for(url)
    database.create()
    engine = database.engine()
    try:
        with foreign_errors(), engine.begin() as connection:
            database.lock_upgrades(connection)
            state = state_on(connection)
            if state in {RevisionState.UNKNOWN, RevisionState.HALF}:
                raise LedgerSchemaError(FAULTS[state])
            if state not in USABLE:
                config = _config()
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
    finally:
        engine.dispose()


def revision_state(url: str) -> RevisionState:
    """Compare the ledger's revision with this release's; a missing file is EMPTY.

    ValueError for a URL that is not supported, LedgerUnavailableError for an unusable database.
    """
    database = database_for(url)
    if database.is_missing():
        return RevisionState.EMPTY
    engine = database.engine()
    try:
        with foreign_errors(), database.reading(engine).begin() as connection:
            return state_on(connection)
    finally:
        engine.dispose()


def state_on(connection: Connection) -> RevisionState:
    """Compare the revision found on a connection with this release's."""
    heads = MigrationContext.configure(connection).get_current_heads()
    if not heads:
        has_tables = inspect(connection).has_table("entries")
        return RevisionState.HALF if has_tables else RevisionState.EMPTY
    if len(heads) > 1:
        return RevisionState.HALF
    return _state_of(heads[0], connection)


def require_usable(connection: Connection) -> None:
    """Raise LedgerSchemaError unless this release may run on the ledger."""
    state = state_on(connection)
    if state not in USABLE:
        raise LedgerSchemaError(FAULTS[state])


def _state_of(revision: str, connection: Connection) -> RevisionState:
    script = ScriptDirectory.from_config(_config())
    head = script.get_current_head()
    assert head is not None, "there is a first revision"
    if revision != head and revision in {each.revision for each in script.walk_revisions()}:
        return RevisionState.BEHIND
    # Revisions are numbered without gaps, so the number tells how far ahead one is.
    if revision not in {head, f"{int(head) + 1:04}"}:
        return RevisionState.UNKNOWN
    if not _has_all_columns(connection):
        return RevisionState.HALF
    return RevisionState.AT_HEAD if revision == head else RevisionState.NEWER


def _has_all_columns(connection: Connection) -> bool:
    found = inspect(connection)
    return all(
        found.has_table(table.name)
        and {column.name for column in table.columns}
        <= {column["name"] for column in found.get_columns(table.name)}
        for table in metadata.sorted_tables
    )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config

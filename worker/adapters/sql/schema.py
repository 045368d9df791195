"""The ledger's revision: what it is, whether this release may run on it, and its upgrade."""

from enum import Enum, auto
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from worker.adapters.sql.engine import engine_for, reading, sqlite_path
from worker.adapters.sql.errors import foreign_errors
from worker.application.ports import LedgerUnavailableError

MIGRATIONS: Final = Path(__file__).with_name("migrations")


class LedgerSchemaError(Exception):
    """This release cannot run on the ledger's revision; says in one sentence what to do."""


class RevisionState(Enum):
    """How the ledger's revision relates to this release."""

    AT_HEAD = auto()
    EMPTY = auto()
    BEHIND = auto()
    UNKNOWN = auto()


FAULTS: Final = {
    RevisionState.EMPTY: "The ledger has no tables yet: run `paywizard-worker ledger upgrade`.",
    RevisionState.BEHIND: (
        "The ledger is older than this release: run `paywizard-worker ledger upgrade`."
    ),
    RevisionState.UNKNOWN: (
        "The ledger has a revision that this release does not know: "
        "run the release that upgraded it."
    ),
}


def upgrade(url: str) -> None:
    """Bring the ledger to this release's revision, creating its file if there is none.

    All of it is one SQL transaction, so that a ledger is never half migrated and a second
    upgrade waits for the first. ValueError for a URL that is not supported, LedgerSchemaError
    for a ledger of an unknown revision, LedgerUnavailableError for a file that cannot be used.
    """
    _create_file(sqlite_path(url))
    engine = engine_for(url)
    try:
        with foreign_errors(), engine.begin() as connection:
            if state_on(connection) is RevisionState.UNKNOWN:
                raise LedgerSchemaError(FAULTS[RevisionState.UNKNOWN])
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def revision_state(url: str) -> RevisionState:
    """Compare the ledger's revision with this release's; a missing file is EMPTY.

    ValueError for a URL that is not supported, LedgerUnavailableError for an unusable file.
    """
    if not sqlite_path(url).exists():
        return RevisionState.EMPTY
    engine = engine_for(url)
    try:
        with foreign_errors(), reading(engine).begin() as connection:
            return state_on(connection)
    finally:
        engine.dispose()


def state_on(connection: Connection) -> RevisionState:
    """Compare the revision found on a connection with this release's."""
    current = MigrationContext.configure(connection).get_current_revision()
    if current is None:
        return RevisionState.EMPTY
    script = ScriptDirectory.from_config(_config())
    if current == script.get_current_head():
        return RevisionState.AT_HEAD
    known = {revision.revision for revision in script.walk_revisions()}
    return RevisionState.BEHIND if current in known else RevisionState.UNKNOWN


def require_head(connection: Connection) -> None:
    """Raise LedgerSchemaError unless the ledger is at this release's revision."""
    state = state_on(connection)
    if state is not RevisionState.AT_HEAD:
        raise LedgerSchemaError(FAULTS[state])


def _create_file(path: Path) -> None:
    try:
        # For the owner's eyes only: the ledger holds card numbers.
        path.touch(mode=0o600)
    except OSError as error:
        raise LedgerUnavailableError(
            f"The ledger is unavailable: its file cannot be created ({error.strerror})."
        ) from error


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config

"""Statements on entries and writers, compiled once for the database at hand.

Every move is one guarded statement: it changes the row only if the version is still the one that
the caller has read, and the row that comes back says whether it did. So READ COMMITTED is enough.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Dialect,
    Float,
    FromClause,
    Integer,
    Select,
    SmallInteger,
    String,
    Table,
    TextClause,
    and_,
    bindparam,
    case,
    cast,
    exists,
    literal_column,
    null,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement

from worker.adapters.sql.tables import (
    DUE,
    FINAL_UNPUBLISHED,
    UNPUBLISHED,
    entries,
    writers,
)
from worker.adapters.sql.timestamps import database_later, database_now
from worker.domain.entry import NUMBERED
from worker.domain.moves import NextCheck
from worker.domain.status_checks import FIRST_CHECK_SECONDS

Inserts = Callable[[Table], sqlite.Insert] | Callable[[Table], postgresql.Insert]
INSERTS: Final[Mapping[str, Inserts]] = MappingProxyType(
    {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
)
"""Both know ON CONFLICT, each in a class of its own."""
ONE: Final = literal_column("1", Integer)
JSON_ROWS: Final = MappingProxyType(
    {"sqlite": "json_each({})", "postgresql": "json_array_elements(CAST({} AS json))"}
)
"""The items of a list in one parameter, as rows with a column `value`."""
KEY: Final = tuple_(entries.c.client_id, entries.c.tran_order_no)
BY_DATABASE: Final = (
    "claimed_at",
    "submitted_at",
    "undecided_since",
    "decided_at",
    "next_check_at",
    "purged_at",
)
"""The times of an entry, which only the database's clock tells."""


class Statement:
    """One statement as the driver takes it, with parameters by position.

    `parameters` brings named ones into their order; what the statement has no use for stays out.
    """

    def __init__(self, text: str, names: Sequence[str]) -> None:
        self.text = text
        self.parameters: Callable[[Mapping[str, object]], tuple[object, ...]] = (
            itemgetter(*names)  # gives a tuple only for two names or more
            if len(names) > 1
            else lambda row: tuple(row[name] for name in names)
        )


class Shape(NamedTuple):
    """What kind of move a statement makes: the columns it sets, and the guards beside version."""

    columns: tuple[str, ...]
    submits: bool
    begins_doubt: bool
    decides: bool
    next_check: NextCheck
    guards_published: bool
    takes: bool


class Statements:
    """What entries and writers are asked all the time; `orphan_after` is for next_check_at."""

    def __init__(self, dialect: Dialect, orphan_after_seconds: float) -> None:
        self._dialect = dialect
        self.insert = INSERTS[dialect.name]
        self._later = database_later(literal_column(str(float(orphan_after_seconds)), Float))
        self._moves: dict[Shape, Statement] = {}
        rows = JSON_ROWS[dialect.name]
        self.claim = self._claim()
        self.find = self._compiled(select(entries).where(_is_entry()))
        self.find_by_checkout_id = self._compiled(_find_by_checkout_id())
        self.why_refused = self._compiled(_why_refused())
        self.mark = self._compiled(_mark(rows), ["published"])
        self.lock = self._compiled(_lock(rows))
        self.held = self._compiled(_in_partition("source", UNPUBLISHED))
        self.held_final = self._compiled(_in_partition("final_source", FINAL_UNPUBLISHED))
        self.due = self._compiled(_due())
        self.again = self._compiled(_again())
        self.now = self._compiled(select(database_now()))
        self.register = self._counting("0")
        self.count = self._counting("1")
        self.counter = self._compiled(
            select(writers.c.counter).where(writers.c.owner == _key("owner"))
        )

    def move(self, shape: Shape) -> Statement:
        """The guarded statement of every move."""
        if shape not in self._moves:
            self._moves[shape] = self._move(shape)
        return self._moves[shape]

    def _compiled(self, statement: ClauseElement, columns: Sequence[str] = ()) -> Statement:
        compiled = statement.compile(dialect=self._dialect, column_keys=list(columns))
        assert isinstance(compiled, SQLCompiler)
        hidden = {name for name, value in compiled.params.items() if value is not None}
        assert hidden <= set(columns), "a constant that nobody would give"
        return Statement(str(compiled), compiled.positiontup or ())

    def _claim(self) -> Statement:
        now = database_now()
        is_submitted = bindparam("submits", type_=SmallInteger) == ONE
        begins_doubt = bindparam("begins_doubt", type_=SmallInteger) == ONE
        statement = (
            self.insert(entries)
            .values(
                claimed_at=now,
                submitted_at=case((is_submitted, now), else_=null()),
                undecided_since=case((begins_doubt, now), else_=null()),
                next_check_at=self._later,
            )
            .on_conflict_do_nothing(index_elements=["client_id", "tran_order_no"])
            .returning(*_told())
        )
        columns = [column.name for column in entries.c if column.name not in BY_DATABASE]
        return self._compiled(statement, columns)

    def _move(self, shape: Shape) -> Statement:
        values: dict[str, Any] = {"version": entries.c.version + ONE}
        if shape.submits:
            values["submitted_at"] = database_now()
        if shape.begins_doubt:
            values["undecided_since"] = database_now()
        if shape.decides:
            values["decided_at"] = database_now()
        if shape.next_check is not NextCheck.KEEP:
            later = shape.next_check is NextCheck.LATER
            values["next_check_at"] = self._later if later else database_now()
        statement = update(entries).where(_is_entry(), entries.c.version == _key("version"))
        if shape.guards_published:
            statement = statement.where(entries.c.published == _key("published"))
        if shape.takes:
            statement = statement.where(_original_is_free())
        if shape.takes and shape.submits:
            statement = statement.where(_original_is_eligible())
        return self._compiled(statement.values(**values).returning(*_told()), shape.columns)

    def _counting(self, step: str) -> Statement:
        """Move the row of a writer on by `step`, and lock it; insert it if there is none."""
        by = literal_column(step, Integer)
        statement = self.insert(writers).values(counter=by)
        return self._compiled(
            statement.on_conflict_do_update(
                index_elements=["owner"], set_={"counter": writers.c.counter + by}
            ).returning(writers.c.counter),
            ["owner"],
        )


def _told() -> tuple[ColumnElement[Any], ...]:
    """What a claim or a move tells of the row: all that only the database knows."""
    return (
        entries.c.submitted_at,
        entries.c.undecided_since,
        entries.c.decided_at,
        entries.c.next_check_at,
        entries.c.published,
    )


def _key(name: str) -> Any:
    column = writers.c.owner if name == "owner" else entries.c[name]
    return bindparam(f"key_{name}", type_=column.type)


def _is_entry() -> ColumnElement[bool]:
    return and_(
        entries.c.client_id == _key("client_id"),
        entries.c.tran_order_no == _key("tran_order_no"),
    )


def _original_is_free() -> ColumnElement[bool]:
    """Whether no other order holds the original for the same operation."""
    return ~_is_held_for(entries.c.operation)


def _is_held_for(operation: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether another order holds the original, by its checkoutId or by its number."""
    by_id, original, by_number = (entries.alias(name) for name in ("held", "its", "named"))
    number = literal_column(f"'{NUMBERED}'", String) + original.c.tran_order_no
    return or_(
        exists().where(*_is_other(by_id, operation), by_id.c.takes == _key("takes")),
        exists().where(
            original.c.client_id == entries.c.client_id,
            original.c.checkout_id == _key("takes"),
            *_is_other(by_number, operation),
            by_number.c.takes == number,
        ),
    )


def _is_other(
    holder: FromClause, operation: ColumnElement[str]
) -> tuple[ColumnElement[bool], ...]:
    return (
        holder.c.client_id == entries.c.client_id,
        holder.c.operation == operation,
        holder.c.tran_order_no != entries.c.tran_order_no,
    )


def _original_is_eligible() -> ColumnElement[bool]:
    """A tip finds its payment neither voided nor, where the ledger knows it, unsuccessful."""
    known, paid = (entries.alias(name) for name in ("known", "paid"))
    voided = _is_held_for(literal_column("'VOID'", String))
    is_known = exists().where(
        known.c.client_id == entries.c.client_id, known.c.checkout_id == _key("takes")
    )
    is_paid = exists().where(
        paid.c.client_id == entries.c.client_id,
        paid.c.checkout_id == _key("takes"),
        paid.c.state == literal_column("'SUCCEEDED'", String),
    )
    no_tip = entries.c.operation != literal_column("'TIP'", String)
    return or_(no_tip, ~voided & (~is_known | is_paid))


def _why_refused() -> ClauseElement:
    return select(
        entries.c.version,
        case((_original_is_free(), ONE), else_=literal_column("0", Integer)),
        case((_original_is_eligible(), ONE), else_=literal_column("0", Integer)),
    ).where(_is_entry())


def _find_by_checkout_id() -> ClauseElement:
    """Of several, one that SUCCEEDED first."""
    succeeded = entries.c.state == literal_column("'SUCCEEDED'", String)
    return (
        select(entries)
        .where(
            entries.c.client_id == _key("client_id"),
            entries.c.checkout_id == _key("checkout_id"),
        )
        .order_by(
            case((succeeded, literal_column("0", Integer)), else_=ONE), entries.c.tran_order_no
        )
    )


def _mark(rows: str) -> ClauseElement:
    published = _key("published")
    is_final = published == literal_column("2", Integer)
    is_awaited = entries.c.final_source_topic_id.is_(None)
    first_check = database_later(literal_column(str(FIRST_CHECK_SECONDS), Float))
    return (
        update(entries)
        .where(entries.c.published < published, KEY.in_(_pairs(rows, "keys")))
        .values(
            next_check_at=case(
                (is_final, null()),
                (is_awaited, first_check),
                else_=entries.c.next_check_at,
            )
        )
    )


def _lock(rows: str) -> ClauseElement:
    """Lock entries, and originals by client and checkoutId, in the order of their keys."""
    original = entries.alias("original")
    checkout = tuple_(original.c.client_id, original.c.checkout_id)
    keys = _pairs(rows, "keys").union(
        select(original.c.client_id, original.c.tran_order_no).where(
            checkout.in_(_pairs(rows, "originals"))
        )
    )
    return (
        select(ONE)
        .select_from(entries)
        .where(KEY.in_(keys))
        .order_by(entries.c.client_id, entries.c.tran_order_no)
        .with_for_update()
    )


def _pairs(rows: str, parameter: str) -> Select[*tuple[Any, ...]]:
    """Read a parameter that holds pairs as JSON."""
    values = (literal_column(f"value->>{index}", String) for index in (0, 1))
    return select(*values).select_from(text(rows.format(f":{parameter}")))


def _in_partition(source: str, unpublished: TextClause) -> ClauseElement:
    return select(entries).where(
        unpublished,
        entries.c[f"{source}_topic_id"] == _key("source_topic_id"),
        entries.c[f"{source}_partition"] == _key("source_partition"),
    )


def _due() -> ClauseElement:
    # SKIP LOCKED: what another process is at work on needs no check now.
    return (
        select(entries)
        .where(DUE, entries.c.next_check_at <= database_now())
        .order_by(entries.c.next_check_at)
        .limit(bindparam("limit", type_=Integer))
        .offset(literal_column("0", Integer))
        .with_for_update(skip_locked=True)
    )


def _again() -> ClauseElement:
    seconds = bindparam("seconds", type_=Float)
    return (
        update(entries)
        .where(_is_entry())
        .values(
            next_check_at=case(
                (cast(seconds, Float).is_(None), null()), else_=database_later(seconds)
            )
        )
        .returning(entries.c.next_check_at)
    )

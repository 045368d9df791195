"""`dead-letters redrive`: lets the records of dead letters come again, none twice by accident."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.progress import Progress

from worker.adapters.kafka.connection import KafkaConnection
from worker.adapters.kafka.tools import Outgoing, Sent, sending
from worker.adapters.paywizard.pace import Pace
from worker.adapters.system_clock import monotonic_seconds
from worker.application.fates import WORTH_IT
from worker.application.letters import Letter, Position
from worker.cli.letter_options import AsJson, Order, Reasons, Topic, Until, sought_of
from worker.cli.letters import LetterBox, Sought, letter_box, order_of
from worker.cli.operating import (
    DryRun,
    Operator,
    Since,
    Yes,
    confirm,
    ledger_errors,
    operator_name,
    operators_ledger,
)
from worker.cli.verdicts import Verdict, print_done, print_verdicts
from worker.settings import Settings, load_settings

if TYPE_CHECKING:
    from worker.adapters.sql.operating import OperatorsLedger
    from worker.adapters.sql.redrives import Redriven
    from worker.application.redriving import Redriving

CHANGED: Final = "changed meanwhile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which letters are wanted, and how to go about it."""

    sought: Sought
    again: bool
    operator: str
    records_per_second_max: float


@dataclass(slots=True)
class Desk:
    """What a redrive has in hand."""

    box: LetterBox
    ledger: "OperatorsLedger"
    redriving: "Redriving"
    plan: Plan
    left_out: Counter[str] = field(default_factory=Counter)

    async def verdict(self, letter: Letter) -> Verdict:
        """Foresee what would become of a letter now."""
        from worker.adapters.sql.redrives import redriven

        foreseen = await self.redriving.foresee(letter)
        with self.ledger.reading() as connection:
            before = redriven(connection, letter.position)
        return Verdict(
            letter=letter.position,
            reason=letter.reason,
            topic=letter.topic,
            order=foreseen.tran_order_no or order_of(letter),
            foreseen=foreseen,
            before=before,
            again=self.plan.again,
        )

    async def verdicts(self) -> list[Verdict]:
        """Foresee what would become of each wanted letter; their contents are not kept."""
        return [await self.verdict(letter) for letter in self.box.letters(self.plan.sought)]

    async def redrive(
        self, chosen: "Mapping[Position, Redriven | None]", connection: KafkaConnection
    ) -> list[tuple[Verdict, Sent]]:
        """Let the chosen letters' records come again, each after another look at it."""
        done: list[tuple[Verdict, Sent]] = []
        pace = Pace(self.plan.records_per_second_max)
        with sending(connection) as send, _progress(len(chosen)) as advance:
            for letter in self.box.letters(self.plan.sought):
                if letter.position not in chosen:
                    continue
                await _keep(pace)
                verdict = await self.verdict(letter)
                known = chosen[letter.position]
                record = (
                    self._noted(letter, known) if verdict.foreseen.fate in WORTH_IT else None
                )
                if record is None:
                    self.left_out[CHANGED] += 1
                else:
                    sent = send(record)
                    self._placed(letter, sent)
                    done.append((verdict, sent))
                advance()
        return done

    def _noted(self, letter: Letter, known: "Redriven | None") -> Outgoing | None:
        """Note durably that the letter is redriven, before it is; None: somebody else just did."""
        from worker.adapters.sql.redrives import begin

        with self.ledger.writing() as connection:
            noted = begin(connection, letter, self.plan.operator, known)
        if noted is None:
            return None
        assert letter.value is not None, "what has no value is still bad"
        trail = (
            ("redrive.count", str(noted.times).encode()),
            ("redrive.at", noted.at.isoformat(timespec="milliseconds").encode()),
            ("redrive.by", noted.by.encode()),
        )
        headers = (*letter.original_headers, *letter.trail, *trail)
        return Outgoing(topic=letter.topic, key=letter.key, value=letter.value, headers=headers)

    def _placed(self, letter: Letter, sent: Sent) -> None:
        from worker.adapters.sql.redrives import placed

        with self.ledger.writing() as connection:
            placed(connection, letter.position, (sent.topic, sent.partition, sent.offset))


Rate = Annotated[float, typer.Option(min=0.01, max=10_000, help="Records a second at most.")]
Again = Annotated[
    bool,
    typer.Option(
        "--again",
        help="Also those that were redriven before; without it each is redriven once at most.",
    ),
]


def redrive(  # noqa: PLR0913 one for each option
    topic: Topic = None,
    reasons: Reasons = None,
    order: Order = None,
    since: Since = None,
    until: Until = None,
    rate: Rate = 10.0,
    again: Again = False,
    operator: Operator = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Let the records of dead letters come again, on the topic they came from.

    First says for each letter what would happen, by the worker's own rules and its ledger:
    `execute`, `not executed` (its reason is named; that uses the number up), `replay` (the stored
    outcome again), `duplicate` (its order has its outcome), `conflict`, `still bad`, `excerpt`
    (it was too large to be kept whole), `forgotten` (an adopted ledger may have lost that it was
    executed) or `redriven before`. Only the first three are redriven. Needs all settings of the
    worker.

    Example: `paywizard-worker dead-letters redrive --reason UNKNOWN_SCHEMA --since 1d --dry-run`
    """
    settings = load_settings(Settings)
    plan = Plan(
        sought=sought_of(settings, topic, reasons, order, since, until),
        again=again,
        operator=operator_name(operator),
        records_per_second_max=rate,
    )
    with ledger_errors():
        asyncio.run(_redrive(settings, plan, yes=yes, dry_run=dry_run, as_json=as_json))


async def _redrive(
    settings: Settings, plan: Plan, *, yes: bool, dry_run: bool, as_json: bool
) -> None:
    from worker.bootstrap.operating import redriving

    connection = KafkaConnection(**settings.connection_values())
    box = letter_box(settings, connection)
    with operators_ledger(settings.ledger_url.get_secret_value()) as ledger:
        async with redriving(settings) as judging:
            desk = Desk(box, ledger, judging, plan)
            verdicts = await desk.verdicts()
            print_verdicts(verdicts, as_json=as_json, is_answer=dry_run)
            chosen = {each.letter: each.before for each in verdicts if each.goes}
            if dry_run or not chosen:
                return
            confirm(f"Redrive {len(chosen)} of {len(verdicts)} dead letters?", yes)
            done = await desk.redrive(chosen, connection)
    print_done(done, desk.left_out, as_json)


async def _keep(pace: Pace) -> None:
    """Wait until the next record may be sent."""
    now = monotonic_seconds()
    wait_seconds = pace.wait_seconds(now)
    await asyncio.sleep(wait_seconds)
    pace.take(now + wait_seconds)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("redriving", total=total)
        yield lambda: progress.advance(task)

"""Breaks at the edges: late commands, personal data, bad records, draining, purging (P8-P13)."""

from collections.abc import Sequence
from typing import Final

from tests.mutants.mutant import Mutant
from tests.mutants.suites import Suite

EDGES: Final[Sequence[Mutant]] = (
    Mutant(
        name="an expired command begins",
        promise="P8",
        why="A customer who has long left the till pays.",
        file="worker/application/work.py",
        old="return latest if expires_at is None else min(latest, expires_at)",
        new="return latest",
        suite=Suite.APPLICATION,
    ),
    Mutant(
        name="expired between submission and write",
        promise="P8",
        why="A connection that is slow in coming carries a command that is too late.",
        file="worker/adapters/paywizard/gateway.py",
        old="return not expired and window.is_open()",
        new="return window.is_open()",
        suite=Suite.WIRE,
    ),
    Mutant(
        name="card numbers are not masked",
        promise="P10",
        why="Whoever reads the logs can read cards.",
        file="worker/observability/redaction.py",
        old="return MASK + account_id[-4:] if len(account_id) > 8 else MASK",
        new="return account_id",
        suite=Suite.LOGS,
    ),
    Mutant(
        name="digits in a text are not looked at",
        promise="P10",
        why="A card number inside a sentence reaches the logs.",
        file="worker/observability/redaction.py",
        old="            text = _DIGITS.sub(self._digits, text)\n",
        new="            pass\n",
        suite=Suite.LOGS,
    ),
    Mutant(
        name="a dead letter's header names the card",
        promise="P10",
        why="A command's key is its card, and headers are shown where bodies are not.",
        file="worker/application/dead_letters.py",
        old='"dlq.message": DEAD_LETTER_SENTENCES[reason],',
        new='"dlq.message": f"{DEAD_LETTER_SENTENCES[reason]} {record.key!r}",',
        suite=Suite.APPLICATION,
    ),
    Mutant(
        name="a bad record is swallowed",
        promise="P11",
        why="Upstream waits for an outcome, and nobody knows that there was a command.",
        file="worker/application/reading.py",
        old="            return self._dead(record, bad.reason, bad.field)\n",
        new="""\
            letter = self.dead_letters.letter(record, bad.reason, bad.field, self.clock.now())

            async def nothing(_: Halt) -> Handled:
                return Handled(record=record, how=letter.how)

            return Job(line=None, handle=nothing)
""",
        suite=Suite.SEEDS,
    ),
    Mutant(
        name="a bad record stops the stream",
        promise="P11",
        why="One record of another program keeps a whole partition from being read.",
        file="worker/application/reading.py",
        old="        except BadRecordError as bad:\n",
        new="        except BadRecordError as bad:\n            if bad.field is None:\n                raise\n",
        suite=Suite.SEEDS,
    ),
    Mutant(
        name="open calls are left at the end",
        promise="P12",
        why="SIGTERM turns every open call into doubt.",
        file="worker/application/dispatch.py",
        old="                await asyncio.wait(self._jobs)\n",
        new="                pass\n",
        suite=Suite.APPLICATION,
    ),
    Mutant(
        name="purging leaves no tombstone",
        promise="P13",
        why="An old order number that comes again is executed again.",
        file="worker/adapters/sql/purging.py",
        old="connection.execute(_PURGE, [_tombstone(entry_of(tuple(row))) for row in rows])",
        new="""\
connection.execute(
                    entries.delete().where(
                        entries.c.client_id == bindparam("key_client_id"),
                        entries.c.tran_order_no == bindparam("key_tran_order_no"),
                    ),
                    [_tombstone(entry_of(tuple(row))) for row in rows],
                )""",
        suite=Suite.PURGING,
    ),
    Mutant(
        name="what is not published may be purged",
        promise="P13",
        why="An outcome is gone before anybody was told.",
        file="worker/adapters/sql/purging.py",
        old="                entries.c.published == Published.FINAL.value,\n",
        new="",
        suite=Suite.PURGING,
    ),
    Mutant(
        name="a purged outcome is told again",
        promise="P13",
        why="A duplicate hears of an outcome whose content is gone: a result of nothing.",
        file="worker/domain/claims.py",
        old="    if entry.purged_at is not None:\n        return None\n",
        new="",
        suite=Suite.DOMAIN,
    ),
)

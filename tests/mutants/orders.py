"""Breaks of what keeps an order to one effect, one outcome and the truth about it (P1-P5)."""

from collections.abc import Sequence
from typing import Final

from tests.mutants.mutant import Mutant
from tests.mutants.suites import Suite

ONE_EFFECT: Final[Sequence[Mutant]] = (
    Mutant(
        name="submitted after sending",
        promise="P1",
        why="A crash after the request leaves CLAIMED behind, and the order is paid again.",
        file="worker/application/asking.py",
        old="""\
            try:
                # SUBMITTED must be durable before a byte leaves: after a crash we then know
                # that money may have moved, and never ask for it again.
                entry = await self._submitted(entry, takes, claim_submitted)
            except OriginalRefusedError as refused:
                return Attempt(await self._refuse(work, entry, refused.reason))
            self._sent.add(entry.key)
            with self._stage("calling"):
                reply = await self.gateway.execute(work.command, work.card, window, takes)
""",
        new="""\
            with self._stage("calling"):
                reply = await self.gateway.execute(work.command, work.card, window, takes)
            try:
                entry = await self._submitted(entry, takes, claim_submitted)
            except OriginalRefusedError as refused:
                return Attempt(await self._refuse(work, entry, refused.reason))
            self._sent.add(entry.key)
""",
        suite=Suite.SEEDS,
    ),
    Mutant(
        name="no fence on the owner",
        promise="P1",
        why="Another process's submission looks like our own unsent one, and is made again.",
        file="worker/application/process_command.py",
        old="        if entry.owner != self.owner:\n            return Own.NONE\n",
        new="",
        suite=Suite.SEEDS,
    ),
    Mutant(
        name="a lost answer sends again",
        promise="P1",
        why="No answer is no proof: what PayWizard may have executed is asked for once more.",
        file="worker/domain/states.py",
        old="(State.SUBMITTED, Event.NO_ANSWER): State.IN_DOUBT",
        new="(State.SUBMITTED, Event.NO_ANSWER): State.CLAIMED",
        suite=Suite.SEEDS,
    ),
    Mutant(
        name="what was sent looks unsent",
        promise="P1",
        why="An answer that cannot be written leads back to CLAIMED, and to a second request.",
        file="worker/application/asking.py",
        old="            self._sent.add(entry.key)\n",
        new="",
        suite=Suite.APPLICATION,
    ),
    Mutant(
        name="decided without compare-and-set",
        promise="P1",
        why="Who has lost a race overwrites what the winner wrote.",
        file="worker/adapters/sql/statements.py",
        old='update(entries).where(_is_entry(), entries.c.version == _key("version"))',
        new="update(entries).where(_is_entry())",
        suite=Suite.LEDGER,
    ),
    Mutant(
        name="lease shorter than the request",
        promise="P1",
        why="An order is called in doubt while its request may still leave.",
        file="worker/settings/fields.py",
        old="value <= send + call",
        new="value <= 0",
        suite=Suite.SETTINGS,
    ),
    Mutant(
        name="a void is submitted with its claim",
        promise="P1",
        why="It holds no original then, and a second void of the same payment is sent.",
        file="worker/application/process_command.py",
        old="not isinstance(work.command, Inquiry | OnOriginal)",
        new="not isinstance(work.command, Inquiry)",
        suite=Suite.APPLICATION,
    ),
    Mutant(
        name="send clock begun after the commit",
        promise="P1",
        why="A process that is stopped after SUBMITTED wakes with a fresh window, and sends late.",
        file="worker/application/asking.py",
        old="""\
        async with halt.entering(self.gateway.slot(entry.client_id), left) as window:
            try:
                # SUBMITTED must be durable before a byte leaves: after a crash we then know
                # that money may have moved, and never ask for it again.
                entry = await self._submitted(entry, takes, claim_submitted)
            except OriginalRefusedError as refused:
                return Attempt(await self._refuse(work, entry, refused.reason))
            self._sent.add(entry.key)
""",
        new="""\
        try:
            entry = await self._submitted(entry, takes, claim_submitted)
        except OriginalRefusedError as refused:
            return Attempt(await self._refuse(work, entry, refused.reason))
        async with halt.entering(self.gateway.slot(entry.client_id), left) as window:
            self._sent.add(entry.key)
""",
        suite=Suite.SEEDS,
    ),
    Mutant(
        name="send window never closes",
        promise="P1",
        why="A process that was stopped for an hour sends what is long in doubt.",
        file="worker/adapters/paywizard/gateway.py",
        old="return self.boottime() < self.closes_at and self.slots.closed",
        new="return self.slots.closed",
        suite=Suite.WIRE,
    ),
    Mutant(
        name="an error's class is proof",
        promise="P1",
        why="A connection that was reset after the request counts as never connected.",
        file="worker/adapters/paywizard/errors.py",
        old="    if connected:\n",
        new="    if connected and error.__cause__ is None:\n",
        suite=Suite.GATEWAY,
    ),
    Mutant(
        name="a server's error excuses asking again",
        promise="P1",
        why="A gateway's 502 comes after the effect, and the order is paid twice.",
        file="worker/adapters/paywizard/classification.py",
        old="if http.status == HTTPStatus.TOO_MANY_REQUESTS:",
        new="if http.status >= HTTPStatus.TOO_MANY_REQUESTS:",
        suite=Suite.GATEWAY,
    ),
    Mutant(
        name="429 is believed though the operator does not",
        promise="P1",
        why="Where a contract says nothing of it, throttling may come after the effect, too (G22).",
        file="worker/adapters/paywizard/classification.py",
        old="    if not policy.retry_throttled:\n",
        new="    if policy is None:\n",
        suite=Suite.GATEWAY,
    ),
    Mutant(
        name="two voids of one original",
        promise="P1",
        why="Two orders revoke the same payment, because neither holds it.",
        file="worker/application/asking.py",
        old="entry = await self._submitted(entry, takes, claim_submitted)",
        new="entry = await self._submitted(entry, None, claim_submitted)",
        suite=Suite.APPLICATION,
    ),
    Mutant(
        name="sent again after ledger adoption",
        promise="P1",
        why="The restored copy says CLAIMED; the ledger that was lost had sent it.",
        file="worker/application/process_command.py",
        old="case Claim.TAKE_OVER if self._may_be_executed(work):",
        new="case Claim.TAKE_OVER if False:",
        suite=Suite.APPLICATION,
    ),
)

ONE_OUTCOME: Final[Sequence[Mutant]] = (
    Mutant(
        name="pending published twice",
        promise="P2",
        why="A record that comes again after its outcome is out publishes that once more.",
        file="worker/domain/claims.py",
        old="    if entry.published is not Published.NOTHING:\n        return Claim.PUBLISHED\n",
        new="",
        suite=Suite.DOMAIN,
    ),
    Mutant(
        name="final result before its first outcome",
        promise="P2",
        why="Subscribers hear how doubt ended before they hear of the doubt.",
        file="worker/domain/status_checks.py",
        old="        and entry.final_source is None\n        and entry.published is Published.FIRST\n",
        new="        and entry.final_source is None\n",
        suite=Suite.DOMAIN,
    ),
    Mutant(
        name="any record publishes the final result",
        promise="P2",
        why="A check and the one that holds the final outcome both publish it.",
        file="worker/domain/claims.py",
        old="if not final or entry.published is Published.FINAL:",
        new="if entry.published is Published.FINAL:",
        suite=Suite.SEEDS,
    ),
    Mutant(
        name="a final outcome is taken twice",
        promise="P2",
        why="After an operator has decided, two checks take the outcome, and both publish it.",
        file="worker/domain/moves.py",
        old="if entry.state not in FINAL or entry.final_source is not None:",
        new="if entry.state not in FINAL:",
        suite=Suite.LEDGER,
    ),
    Mutant(
        name="a check from before the decision publishes",
        promise="P2",
        why="It may be complete elsewhere: the final result is published twice, or by nobody.",
        file="worker/application/check_status.py",
        old="elif check.purpose is Purpose.DECIDED and awaits_final(entry):",
        new="elif awaits_final(entry):",
        suite=Suite.APPLICATION,
    ),
    Mutant(
        name="a resolution does not wait for the first outcome",
        promise="P2",
        why="An operator's decision overtakes the IN_DOUBT that it answers.",
        file="worker/domain/resolutions.py",
        old="if entry.state not in UNDECIDED or entry.published is Published.NOTHING:",
        new="if entry.state not in UNDECIDED:",
        suite=Suite.APPLICATION,
    ),
)

TRUTH: Final[Sequence[Mutant]] = (
    Mutant(
        name="no answer is called declined",
        promise="P4",
        why="The customer pays elsewhere, and has paid here as well.",
        file="worker/domain/results.py",
        old="            return Event.NO_ANSWER, StoredOutcome(",
        new="            return Event.DECLINED, StoredOutcome(",
        suite=Suite.SEEDS,
    ),
    Mutant(
        name='"not found" decides',
        promise="P4",
        why="PayWizard does not say that queries cover these orders; the money may have moved.",
        file="worker/domain/status_queries.py",
        old='return Finding(Kind.NOT_FOUND, "not found")',
        new='return Finding(Kind.DECIDED, "not found", Event.DECLINED, '
        "StoredOutcome(decided_by=DecidedBy.STATUS_QUERY, answer=Answer()))",
        suite=Suite.SEEDS,
    ),
    Mutant(
        name="another amount found by number decides",
        promise="P4",
        why="Another caller's order of that number says what became of ours.",
        file="worker/domain/status_queries.py",
        old='return None if _is_amount_of(entry, found) else "the amount is not ours"',
        new="return None",
        suite=Suite.DOMAIN,
    ),
    Mutant(
        name="no fingerprint check",
        promise="P5",
        why="A reused number with another amount passes for a harmless copy.",
        file="worker/domain/claims.py",
        old="return Claim.DUPLICATE if entry.fingerprint == fingerprint else Claim.CONFLICT",
        new="return Claim.DUPLICATE",
        suite=Suite.SEEDS,
    ),
)

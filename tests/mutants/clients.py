"""Breaks of what keeps one client's trouble from the others, and PayWizard's limits (P14)."""

from collections.abc import Sequence
from typing import Final

from tests.mutants.mutant import Mutant
from tests.mutants.suites import Suite

CLIENTS: Final[Sequence[Mutant]] = (
    Mutant(
        name="one client's refused token stops nobody",
        promise="P14",
        why="Its circuit stays closed: every command runs into the refusal and uses its number up.",
        file="worker/adapters/paywizard/slots.py",
        old="        self._become(self._circuit.call_refused(_now(), *self._probe_plan()))\n",
        new="        self._circuit.call_refused(_now(), *self._probe_plan())\n",
        suite=Suite.GATEWAY,
    ),
    Mutant(
        name="clients share their slots",
        promise="P14",
        why="One merchant's bad token, hanging calls or limit stop all merchants.",
        file="worker/adapters/paywizard/gateway.py",
        old="        return self._slots[client_id]\n",
        new="        return next(iter(self._slots.values()))\n",
        suite=Suite.WIRE,
    ),
    Mutant(
        name="a client's calls at once have no limit",
        promise="P14",
        why="One merchant's burst takes all of PayWizard's patience with us.",
        file="worker/adapters/paywizard/slots.py",
        old="self._free = asyncio.Semaphore(limits.concurrency_max)",
        new="self._free = asyncio.Semaphore(1_000_000)",
        suite=Suite.GATEWAY,
    ),
    Mutant(
        name="a client's calls a second have no limit",
        promise="P14",
        why="PayWizard throttles what we were told to hold back.",
        file="worker/adapters/paywizard/slots.py",
        old="        self._pace.take(_now())\n",
        new="",
        suite=Suite.GATEWAY,
    ),
    Mutant(
        name="who stops waiting keeps the slot",
        promise="P14",
        why="A client that is throttled loses its slots one by one, until none is left.",
        file="worker/adapters/paywizard/slots.py",
        old="        except asyncio.CancelledError:\n            self._free.release()\n            raise\n",
        new="        except asyncio.CancelledError:\n            raise\n",
        suite=Suite.GATEWAY,
    ),
    Mutant(
        name="calls that can wait take every slot",
        promise="P14",
        why="Questions about old orders keep the till waiting.",
        file="worker/adapters/paywizard/slots.py",
        old="self._spare = asyncio.Semaphore(max(1, limits.concurrency_max // SPARE_SHARE))",
        new="self._spare = asyncio.Semaphore(limits.concurrency_max)",
        suite=Suite.GATEWAY,
    ),
)

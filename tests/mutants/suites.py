"""The suites that a mutant is shown to: each whole, none picked for a single break."""

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final

SEEDS: Final = 300
SWEPT: Final = 1500
"""Of the runs that hit a fixed scenario at one step, so many are drawn."""


class Suite(StrEnum):
    """Who looks; none needs a service."""

    DOMAIN = "domain"
    APPLICATION = "application"
    KAFKA = "kafka threads"
    LEDGER = "ledger contract"
    PURGING = "purging"
    GATEWAY = "gateway"
    WIRE = "gateway on sockets"
    SETTINGS = "settings"
    LOGS = "logs"
    SEEDS = "simulation"
    SWEEPS = "sweeps"


NETS: Final = (Suite.SEEDS, Suite.SWEEPS)
"""Who looks after the suite that is named; what none of them sees has survived."""

FOLDERS: Final[Mapping[Suite, Sequence[str]]] = MappingProxyType(
    {
        Suite.DOMAIN: ["tests/unit/domain"],
        Suite.APPLICATION: ["tests/unit/application"],
        Suite.KAFKA: ["tests/unit/adapters/kafka"],
        Suite.LEDGER: ["tests/contract"],
        Suite.PURGING: ["tests/integration/ledger/test_purging.py"],
        Suite.GATEWAY: ["tests/unit/adapters/paywizard"],
        Suite.WIRE: ["tests/integration/gateway"],
        Suite.SETTINGS: ["tests/unit/settings"],
        Suite.LOGS: ["tests/unit/observability"],
    }
)
WITHOUT_SERVICES: Final[Mapping[Suite, Sequence[str]]] = MappingProxyType(
    {
        Suite.LEDGER: ["-m", "not integration", "-k", "ledger"],
        Suite.PURGING: ["-k", "not postgresql"],
    }
)


def command_of(suite: Suite) -> Sequence[str]:
    """How a suite is run in the present folder until its first failure."""
    if suite is Suite.SEEDS:
        return [sys.executable, "-m", "tests.mutants.simulate", "--seeds", str(SEEDS)]
    if suite is Suite.SWEEPS:
        return [sys.executable, "-m", "tests.mutants.simulate", "--swept", str(SWEPT)]
    quietly = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider"]
    chosen = WITHOUT_SERVICES.get(suite, ())
    return [sys.executable, "-m", "pytest", *quietly, *chosen, *FOLDERS[suite]]

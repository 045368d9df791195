"""All mutants: what the checks are checked with."""

from collections.abc import Sequence
from typing import Final

from tests.mutants.cards import CARDS
from tests.mutants.clients import CLIENTS
from tests.mutants.edges import EDGES
from tests.mutants.mutant import Mutant
from tests.mutants.orders import ONE_EFFECT, ONE_OUTCOME, TRUTH
from tests.mutants.orphans import ORPHANS
from tests.mutants.progress import LEDGERS, TENURES, TRANSACTIONS

MUTANTS: Final[Sequence[Mutant]] = (
    *ONE_EFFECT,
    *ONE_OUTCOME,
    *TRUTH,
    *TRANSACTIONS,
    *TENURES,
    *LEDGERS,
    *CARDS,
    *ORPHANS,
    *EDGES,
    *CLIENTS,
)

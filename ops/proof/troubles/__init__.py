"""All kinds of trouble that a proof knows."""

from ops.proof.troubles.kinds import KINDS, Kind, kinds_for

__all__ = ["KINDS", "Kind", "kinds_for"]

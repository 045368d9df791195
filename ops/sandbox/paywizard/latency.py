"""Latency distributions: from an even chance in [0, 1) to seconds."""

import math
from statistics import NormalDist
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from ops.sandbox.paywizard.part import Part

DOCUMENTED_SECONDS: Final = (4.0, 19.0)
"""Between these lie the sandbox's answers of paywizard-api.md section 8."""
_SMALLEST_CHANCE: Final = 1e-12


class Constant(Part):
    """Always the same."""

    distribution: Literal["constant"] = "constant"
    seconds: float = Field(ge=0)

    def at(self, chance: float) -> float:
        """Return the seconds for an even chance, which plays no part."""
        return self.seconds + 0 * chance


class Uniform(Part):
    """Evenly between two bounds."""

    distribution: Literal["uniform"] = "uniform"
    seconds_min: float = Field(ge=0)
    seconds_max: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.seconds_max < self.seconds_min:
            raise ValueError("secondsMax is below secondsMin")
        return self

    def at(self, chance: float) -> float:
        """Return the seconds for an even chance."""
        return self.seconds_min + (self.seconds_max - self.seconds_min) * chance


class Lognormal(Part):
    """Mostly near the median, with a long tail that ends at `seconds_max`."""

    distribution: Literal["lognormal"] = "lognormal"
    seconds_median: float = Field(gt=0)
    sigma: float = Field(gt=0, le=10)
    seconds_max: float = Field(gt=0)

    def at(self, chance: float) -> float:
        """Return the seconds for an even chance."""
        deviation = NormalDist().inv_cdf(max(chance, _SMALLEST_CHANCE))
        return min(self.seconds_median * math.exp(self.sigma * deviation), self.seconds_max)


class Documented(Part):
    """Evenly over the range that the published examples suggest, times `scale`."""

    distribution: Literal["documented"] = "documented"
    scale: float = Field(default=1.0, ge=0)

    def at(self, chance: float) -> float:
        """Return the seconds for an even chance."""
        low, high = DOCUMENTED_SECONDS
        return self.scale * (low + (high - low) * chance)


Latency = Annotated[
    Constant | Uniform | Lognormal | Documented, Field(discriminator="distribution")
]

"""The PayWizard simulator as a process beside us."""

import sys
from pathlib import Path

import httpx

from ops.sandbox.child_process import ChildProcess
from ops.sandbox.paywizard.fault_plan import FaultPlan, slow_plan
from ops.sandbox.paywizard.world import World

_START_SECONDS_MAX = 60.0


class SimulatorProcess(ChildProcess):
    """A simulator of its own on a free loopback port; `book_url` shows what reached it."""

    def __init__(
        self,
        folder: Path,
        world: World,
        latency_seconds: tuple[float, float] = (0.0, 0.0),
        seed: int = 0,
        plan: FaultPlan | None = None,
    ) -> None:
        """Start it and return once it listens. ChildError: it does not.

        `plan` is the fault plan that it starts with; without one it only waits `latency_seconds`.
        """
        config = folder / "paywizard.json"
        config.touch(mode=0o600)  # it holds the secrets
        config.write_text(world.to_json(), encoding="utf-8")
        faults = folder / "faults.json"
        faults.write_text((plan or slow_plan(*latency_seconds, seed)).to_json(), "utf-8")
        command = [sys.executable, "-m", "ops.sandbox.paywizard", "--config", str(config)]
        command += ["--faults", str(faults), "--seed", str(seed)]
        super().__init__("The PayWizard simulator", command, folder / "paywizard.log")
        try:
            self.url: str = self.said("listening", _START_SECONDS_MAX)["url"]
        except BaseException:
            self.close()
            raise
        self.book_url = f"{self.url}/book"

    def follow(self, plan: FaultPlan) -> None:
        """Let it follow another fault plan from now on. httpx.HTTPError: it does not."""
        answer = httpx.put(f"{self.url}/plan", content=plan.to_json(), trust_env=False)
        answer.raise_for_status()

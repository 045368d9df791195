"""`python -m ops.sandbox.paywizard`: the simulator as a process of its own.

Prints one JSON line on standard output once it listens, and leaves with 0 on SIGTERM or Ctrl-C.
"""

import argparse
import asyncio
import json
import signal
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from aiohttp import web
from pydantic import ValidationError

from ops.sandbox.paywizard.fault_plan import CALM, FaultPlan, read_plan, slow_plan
from ops.sandbox.paywizard.server import Behaviour, Simulator
from ops.sandbox.paywizard.world import World, make_sandbox_world, read_world, world_of


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and serve until told to end."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        world, plan = _world(options), _plan(options)
    except (OSError, ValidationError) as error:
        parser.error(f"configuration: {error}")
    behaviour = Behaviour(
        plan=plan, unauthorised_status=HTTPStatus(options.unauthorised_status)
    )
    asyncio.run(_serve(Simulator(world, behaviour), options.host, options.port))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops.sandbox.paywizard",
        description="PayWizard as its documents describe it, on this machine, without money.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default)")
    worlds = parser.add_mutually_exclusive_group()
    worlds.add_argument("--config", type=Path, metavar="FILE", help="clients and cards, JSON")
    worlds.add_argument(
        "--clients",
        metavar="JSON",
        help="an array of clients; cards are made from the seed. Without this and --config the "
        "clients are made from the seed too",
    )
    plans = parser.add_mutually_exclusive_group()
    plans.add_argument(
        "--faults", type=Path, metavar="FILE", help="the fault plan, JSON (docs/sandbox.md)"
    )
    plans.add_argument(
        "--latency",
        type=_latency,
        metavar="MIN,MAX",
        help="the plan that only waits so many seconds before an answer, after its effect",
    )
    parser.add_argument("--seed", type=int, default=0, help="for made-up data and --latency")
    parser.add_argument(
        "--unauthorised-status",
        type=int,
        choices=(200, 401),
        default=200,
        help="HTTP status for a bad token or signature; the code in the body is 401",
    )
    return parser


def _latency(text: str) -> tuple[float, float]:
    """Read `MIN,MAX`. Raises ValueError, which argparse reports."""
    low, high = (float(part) for part in text.split(","))
    if not 0 <= low <= high < float("inf"):
        raise ValueError("0 <= MIN <= MAX is needed")
    return low, high


def _world(options: argparse.Namespace) -> World:
    if options.config is not None:
        return read_world(options.config)
    if options.clients is not None:
        return world_of(options.clients, options.seed)
    return make_sandbox_world(options.seed)


def _plan(options: argparse.Namespace) -> FaultPlan:
    if options.faults is not None:
        return read_plan(options.faults)
    if options.latency is not None:
        low, high = options.latency
        return slow_plan(low, high, options.seed)
    return CALM


async def _serve(simulator: Simulator, host: str, port: int) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    runner = simulator.runner()
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        address = runner.addresses[0]
        url = f"http://{address[0]}:{address[1]}"
        print(json.dumps({"event": "listening", "url": url}), flush=True)
        await ended.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    main()

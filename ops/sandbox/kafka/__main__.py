"""Runs the sandbox's Kafka in the foreground: `python -m ops.sandbox.kafka [--prepare]`."""

import argparse
import os
import signal
import sys

from ops.sandbox.cache import cache_folder
from ops.sandbox.kafka import SandboxKafkaError, start_kafka
from ops.sandbox.kafka.choice import Source, choose, docker_engine_answers
from ops.sandbox.kafka.jars import fetch_jars


def main() -> int:
    """Print `KAFKA_BOOTSTRAP_SERVERS=...` once Kafka answers, and stop it on Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m ops.sandbox.kafka", description=main.__doc__
    )
    parser.add_argument(
        "--prepare",
        action="store_true",
        help="only fetch what a start needs, and say what lacks",
    )
    try:
        if parser.parse_args().prepare:
            prepare()
        else:
            run()
    except SandboxKafkaError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def prepare() -> None:
    """Fetch the jars if they are what `run` would start."""
    given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if choose(given, docker_engine_answers) is Source.JARS:
        fetch_jars(cache_folder(os.environ))


def run() -> None:
    """Run Kafka until a signal comes."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with start_kafka() as kafka:
        print(f"KAFKA_BOOTSTRAP_SERVERS={kafka.bootstrap_servers}", flush=True)
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())

"""Runs one benchmark and prints its tables as Markdown: ``python -m tests.benchmarks NAME``."""

from __future__ import annotations

import argparse
import importlib

# Each module has ``add_options(parser)`` and ``run(options) -> str``, which returns Markdown.
BENCHMARKS = {
    "calls": "overhead of remote calls, beside the official SDK; large values; many at once",
    "dev_server": "flash run beside uvicorn --reload: start, and save to new answer",
    "emulator": "throughput, latency, memory and idle cost of the embedded Runpod",
    "plugin": "what the pytest plugin costs runs that do not use it, and those that do",
}


def main() -> None:
    """Run the benchmark that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, subject in BENCHMARKS.items():
        module = importlib.import_module(f"{__package__}.{name}")
        one = names.add_parser(name, help=subject, description=module.__doc__)
        module.add_options(one)
        one.set_defaults(run=module.run)
    options = parser.parse_args()
    print(options.run(options))


if __name__ == "__main__":
    main()

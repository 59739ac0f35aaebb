"""``make bench``: run the benchmarks and print their table, each figure beside its baseline."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import signal
import sys

import simulations.benchmarks as here
from simulations.benchmarks.measure import Figure, show

_NOT_ONE = ("measure", "filling", "__main__")


def main() -> int:
    """Run those named, or all."""
    known = sorted(module.name for module in pkgutil.iter_modules(here.__path__) if module.name not in _NOT_ONE)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(known)}")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    for name in options.names:
        if name not in known:
            parser.error(f"there is no benchmark {name!r}; there are {', '.join(known)}")
    figures: list[Figure] = []
    failed = 0
    for name in options.names or known:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        try:
            figures += importlib.import_module(f"simulations.benchmarks.{name}").run()
        except Exception as error:  # noqa: BLE001 - the figures of the others must not be lost
            failed += 1
            print(f"{name} could not be measured: {type(error).__name__}: {error}", file=sys.stderr)
    show(figures, as_json=options.json)
    return 1 if failed else 0


def _end(*_: object) -> None:
    raise KeyboardInterrupt  # as Ctrl-C: what a benchmark started is ended


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)

"""Where the program begins: so light that Ctrl-C is clean also while the verbs are still being read from the disk."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from thatdam.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)

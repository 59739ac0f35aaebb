"""The same world told by two interpreters that order sets and dicts of strings differently."""

import os
import subprocess
import sys

PROGRAM = """
from {module} import {teller}
verdict = {teller}({seed})
print(verdict.trace, verdict.trace_events, verdict.kept)
"""


def told_twice(module, teller, seed):
    """Give the trace of a world that every promise was kept in, and its events, having seen that both tell the same."""

    def run(hash_seed):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(module=module, teller=teller, seed=seed)],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            timeout=220,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    one, other = run("1"), run("2")
    assert one == other
    trace, events, kept = one
    assert kept == "True"
    return trace, int(events)

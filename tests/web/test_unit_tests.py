"""The viewer's own unit tests, run by the Node.js of the environment."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_viewers_unit_tests_pass():
    command = [sys.executable, "tools/build_web.py", "--test"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr

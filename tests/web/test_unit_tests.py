"""The viewer's own unit tests, run by the Node.js of the environment, and that its types are the API's."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools import build_web

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_viewers_unit_tests_pass():
    command = [sys.executable, "tools/build_web.py", "--test"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_types_of_the_viewer_are_those_of_the_api():
    # That docs/openapi.json is what the routes say is tested with the other references (tests/house).
    try:
        build_web.install(build_web.Node())
        build_web.Node().run("types of the API", "scripts/types.mjs", "--check")
    except build_web.BuildError as error:
        pytest.fail(f"{error}; run `make docs` and commit what it writes")

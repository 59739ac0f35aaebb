"""These tests run the real sentence-transformers with torch, some 2 GB: ``make test-clip`` installs that and runs them.

``make test`` leaves the folder out and says so; in ``make test-clip`` nothing of it can be skipped.
"""

import os

collect_ignore_glob = [] if os.environ.get("THATDAM_TESTS_CLIP") else ["*"]


def pytest_report_header():
    if collect_ignore_glob:
        return "tests/clip: not part of this run; `make test-clip` runs it, with torch"
    return None

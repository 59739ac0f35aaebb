"""Tests that share a mesh of real nodes run in one process: pytest-xdist's groups hold with the pytest there is."""

import os

import pytest


@pytest.mark.xdist_group("house")
def test_a_group_is_part_of_a_tests_name_where_tests_run_in_several_processes(request):
    # pytest 9.2 made names immutable, by which pytest-xdist 3.8 loses its groups without a word: every mesh is made
    # twice, and tests that follow one another run beside one another.
    spread = "PYTEST_XDIST_WORKER" in os.environ
    assert request.node.nodeid.endswith("@house") == spread

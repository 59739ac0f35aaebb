"""Two hosts with no way to each other keep, list and fetch each other's files by way of a third, until they can."""

import os

import pytest

from simulations.hosts.lan import lan
from simulations.hosts.processes import end, on_hosts, until
from tests.namespaces import needs_namespaces

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs_root,
    needs_namespaces,
    pytest.mark.xdist_group("namespaces"),
    pytest.mark.timeout(400),
]


def rows(node):
    return node.json("nodes")


def via(node, other):
    """Give the id of the node by way of which another is reached; empty: by none; None: it is not reached."""
    listed = {one["name"]: one for one in rows(node)}
    there = listed.get(other)
    return None if there is None or there["rtt_ms"] is None else there["relay"] or ""


def test_parted_hosts_work_together_by_way_of_a_third_until_they_reach_each_other(tmp_path):
    with lan(3) as network:
        network.block(0, 2)
        network.block(2, 0)
        nodes = on_hosts(network, tmp_path, "--copies", "2")
        one, _, other = nodes
        names = ["n0", "n1", "n2"]
        ids = {node["name"]: node["id"] for node in rows(one)}
        try:
            until(lambda: via(one, names[2]) == via(other, names[0]) == ids[names[1]], 60, "carried by the second")
            assert via(one, names[1]) == ""
            text = one.run("nodes")
            assert names[1] in next(line for line in text.splitlines() if names[2] in line)

            file = tmp_path / "some.bin"
            file.write_bytes(os.urandom(9_000_000))
            other.run("put", str(file))

            def whole():
                parts = one.json("status")["partitions"]
                return parts["ok"] == parts["total"]

            until(whole, 60, "no partition is missing")
            (listed,) = one.json("ls")
            assert listed["name"] == "some.bin"
            back = tmp_path / "back.bin"
            one.run("get", listed["id"], str(back))
            assert back.read_bytes() == file.read_bytes()

            network.unblock(0)
            network.unblock(2)
            until(lambda: via(one, names[2]) == via(other, names[0]) == "", 60, "an own link")
        finally:
            end(nodes)

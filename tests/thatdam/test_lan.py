"""Nodes on a LAN of their own: they find each other without being told, and heal when the LAN does."""

import time

import pytest

from simulations.hosts.lan import lan
from simulations.hosts.processes import Process, end, until
from tests.namespaces import needs_namespaces

pytestmark = [pytest.mark.slow, pytest.mark.needs_root, needs_namespaces, pytest.mark.xdist_group("namespaces")]


def hosts(network, folder, count):
    environment = {"THATDAM_MESH_HOST": "", "THATDAM_MESH_MDNS": "true"}
    return [
        Process(folder / f"n{number}", "--name", f"n{number}", prefix=network.inside(number), settings=environment)
        for number in range(count)
    ]


def test_five_started_at_once_with_one_secret_become_one_mesh(tmp_path):
    with lan(5) as network:
        nodes = hosts(network, tmp_path, 5)
        began = time.monotonic()
        try:
            for node in nodes:
                node.launch()
            for node in nodes:
                node.await_start()
            for node in nodes:
                until(lambda node=node: len(node.alive_names()) == 5, 120, "every node sees all five")
            told = time.monotonic() - began
            assert len({node.json("status")["mesh"] for node in nodes}) == 1
            assert told < 120
        finally:
            end(nodes)


def test_both_sides_of_a_cut_go_on_and_are_one_again_after_it(tmp_path):
    with lan(4) as network:
        nodes = hosts(network, tmp_path, 4)
        try:
            for node in nodes:
                node.start()
            for node in nodes:
                until(lambda node=node: len(node.alive_names()) == 4, 60, "every node sees all")
            for left in (0, 1):
                for right in (2, 3):
                    network.block(left, right)
                    network.block(right, left)
            for node, expected in zip(nodes, (["n0", "n1"], ["n0", "n1"], ["n2", "n3"], ["n2", "n3"]), strict=True):
                until(lambda node=node, expected=expected: node.alive_names() == expected, 60, "the cut is seen")
            made = [
                node.json("source", "add", "test:?size=320x240", "--name", f"of-{side}")[0]["id"]
                for side, node in (("left", nodes[0]), ("right", nodes[2]))
            ]
            for number in range(4):
                network.unblock(number)
            for node in nodes:
                until(lambda node=node: len(node.alive_names()) == 4, 60, "the cut has healed")
                wanted = set(made)
                until(
                    lambda node=node, wanted=wanted: {row["id"] for row in node.json("source", "list")} >= wanted,
                    60,
                    "what either side wrote is everywhere",
                )
        finally:
            end(nodes)

"""Discovery keeps its promises: mDNS on a LAN of its own, and the simulator's announcements."""

import asyncio
import json
import subprocess
import sys

import pytest

from mesh.adapters.mdns import MdnsDiscovery
from mesh.core.identity import node_of_seed
from mesh.ports import Discovery
from simulations.hosts.lan import lan
from simulations.world.announcing import Air, Announcement
from simulations.world.fabric import Fabric
from simulations.world.trace import Trace
from tests.contracts.discovery_cases import CASES, Made
from tests.contracts.kinds import run
from tests.namespaces import needs_namespaces

PORTS = (Discovery,)
REAL = (MdnsDiscovery,)
FAKE = (Announcement,)


class SimulatedLan:
    def __init__(self):
        self.air = Air(Fabric(asyncio.get_running_loop(), 1, Trace()))
        self._count = 0

    def make(self, mesh="the-mesh"):
        self._count += 1
        made = Made(node_of_seed(bytes([self._count]) * 32), (f"10.0.0.{self._count}", 8326))
        made.discovery = Announcement(self.air, made.id, mesh, lambda: [made.host], f"n{self._count}.1")
        return made

    async def start(self, mesh="the-mesh"):
        made = self.make(mesh)
        await made.discovery.start(made.hear)
        return made


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_simulated_lan(case):
    async def whole():
        await case(SimulatedLan())

    run("fake", whole)


@pytest.mark.slow
@pytest.mark.needs_root
@needs_namespaces
@pytest.mark.xdist_group("namespaces")
def test_mdns_on_a_lan_of_its_own():
    with lan(1) as network:
        done = subprocess.run(
            [*network.inside(0), sys.executable, "-m", "tests.contracts.discovery_cases", network.addresses[0]],
            capture_output=True,
            text=True,
            timeout=110,
        )
    assert done.returncode == 0, done.stderr
    failed = json.loads(done.stdout.splitlines()[-1])  # what was logged stands before it
    assert not failed, "\n".join(failed.values())

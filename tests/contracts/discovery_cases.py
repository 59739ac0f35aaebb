"""What ``ports.Discovery`` promises, as cases over a world that makes discoveries of nodes on one LAN.

As a program it runs them over mDNS, for a host that is a network namespace of its own, and prints what failed as JSON.
"""

import asyncio
import json
import sys
import traceback

from mesh.adapters import mdns
from mesh.adapters.clock import SystemEntropy
from mesh.adapters.mdns import MdnsDiscovery
from mesh.core.identity import node_of_seed

WAIT_S = 40.0


async def until(true):
    async with asyncio.timeout(WAIT_S):
        while not true():
            await asyncio.sleep(0.02)


async def those_of_one_mesh_find_each_other_and_not_themselves(world):
    nodes = [await world.start() for _ in range(3)]
    await until(lambda: all(len(node.found) == 2 for node in nodes))
    for node in nodes:
        for other in nodes:
            if other is not node:
                assert other.host in node.found[other.id]
        assert node.id not in node.found


async def one_that_comes_later_is_told_of_and_told(world):
    first = await world.start()
    await asyncio.sleep(1.0)
    assert first.found == {}
    later = await world.start()
    await until(lambda: first.found and later.found)
    assert (list(first.found), list(later.found)) == ([later.id], [first.id])


async def those_of_another_mesh_are_never_told_of(world):
    one, other = await world.start(), await world.start(mesh="another-mesh")
    friend = await world.start()
    await until(lambda: friend.id in one.found and one.id in friend.found)
    await asyncio.sleep(1.0)
    assert other.found == {}
    assert other.id not in one.found
    assert other.id not in friend.found


async def one_that_has_closed_hears_and_is_heard_no_more(world):
    gone, stays = await world.start(), await world.start()
    await until(lambda: stays.found and gone.found)
    await gone.discovery.close()
    await gone.discovery.close()
    gone.found.clear()
    newcomer = await world.start()
    await until(lambda: newcomer.id in stays.found and stays.id in newcomer.found)
    await asyncio.sleep(1.0)
    assert gone.found == {}
    assert gone.id not in newcomer.found


async def one_that_never_started_can_be_closed(world):
    made = world.make()
    await made.discovery.close()


async def one_whose_addresses_change_is_told_of_anew(world):
    mdns.LOOK_S = 0.5
    one, other = await world.start(), await world.start()
    await until(lambda: one.found and other.found)
    before, one.host = one.host, ("10.200.30.40", one.host[1])
    # The former address stays in others' caches until its time is over, behind the new one.
    await until(lambda: other.found[one.id][0] == one.host)
    assert before != one.host


CASES = [
    those_of_one_mesh_find_each_other_and_not_themselves,
    one_that_comes_later_is_told_of_and_told,
    those_of_another_mesh_are_never_told_of,
    one_that_has_closed_hears_and_is_heard_no_more,
    one_that_never_started_can_be_closed,
]


OF_MDNS = [one_whose_addresses_change_is_told_of_anew]
"""What the simulated LAN leaves out: addresses of its machines change in tier 2, where nodes tell each other."""


class Made:
    """A node's discovery, and what it told."""

    def __init__(self, node, host):
        self.id = node
        self.host = host
        self.found = {}
        self.discovery = None

    def hear(self, node, hosts):
        self.found[node] = tuple(hosts)


class MdnsWorld:
    """Nodes of the host this runs on. Each case has a mesh of its own: they share the LAN."""

    def __init__(self, address):
        self._address = address
        self._mesh = SystemEntropy().token(8).hex()
        self._made = []

    def make(self, mesh=""):
        made = Made(node_of_seed(SystemEntropy().token(32)), (self._address, 8326 + len(self._made)))
        made.discovery = MdnsDiscovery(made.id, mesh or self._mesh, lambda: [made.host])
        self._made.append(made)
        return made

    async def start(self, mesh=""):
        made = self.make(mesh)
        await made.discovery.start(made.hear)
        return made

    async def end(self):
        for made in self._made:
            await made.discovery.close()


async def main(address):
    failed = {}
    for case in (*CASES, *OF_MDNS):
        world = MdnsWorld(address)
        try:
            await case(world)
        except Exception:  # noqa: BLE001 - told to the test that reads it
            failed[case.__name__] = traceback.format_exc()
        finally:
            await world.end()
    sys.stdout.write(json.dumps(failed))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

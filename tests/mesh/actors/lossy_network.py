"""Nodes with event logs in virtual time, over links that lose, delay and reorder what is sent, and that come and go."""

import asyncio
import random

from mesh.actors.events import EventLog
from mesh.actors.system import ActorSystem
from mesh.core.following import Gap
from mesh.ports import Unavailable
from proto.ids import MeshId, node_id_of
from simulations.world.clock import FakeClock
from simulations.world.loop import VirtualLoop

MESH = MeshId("a" * 26)
DELAY_S = (0.001, 0.2)


class Chance:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def token(self, size):
        return self.random.randbytes(size)

    def uniform(self, low, high):
        return self.random.uniform(low, high)


class Link:
    def __init__(self, world, here, peer):
        self.world, self.here, self.peer = world, here, peer

    async def send(self, channel, frame):
        if self.peer not in self.world.nodes[self.here].links_up:
            raise Unavailable("the link is down")
        if self.world.chance.random() >= self.world.loss:
            asyncio.get_running_loop().create_task(self.arrive(channel, frame))

    async def arrive(self, channel, frame):
        await asyncio.sleep(self.world.chance.uniform(*DELAY_S))
        there, here = self.world.nodes[self.peer], self.world.nodes[self.here]
        if self.here in there.links_up and self.peer in here.links_up:
            await there.system.on_frame(there.links_up[self.here], channel, frame)


class Node:
    """One life of a node."""

    def __init__(self, world, node_id, run):
        self.id, self.links_up, self.world = node_id, {}, world
        clock = FakeClock(asyncio.get_running_loop().time)
        self.system = ActorSystem(node_id, self, clock, Chance(run))
        self.log = EventLog(self.system, self, MESH, lambda: sorted(world.nodes), clock)
        self.run = run

    def links(self):
        return self.links_up


class World:
    """``told[origin]`` is what was told, in order: (run, number)."""

    def __init__(self, seed, names):
        self.chance = random.Random(seed)
        self.loss = 0.0
        self.ids = [node_id_of(bytes([number]) * 32) for number in range(1, names + 1)]
        self.nodes = {}
        self.told = {one: [] for one in self.ids}
        for one in self.ids:
            self.nodes[one] = Node(self, one, 1)
            self.nodes[one].log.open(1)
        for one in self.ids:
            for other in self.ids:
                self.join(one, other)

    def join(self, one, other):
        for here, there in ((one, other), (other, one)):
            if here != there and there not in self.nodes[here].links_up:
                self.nodes[here].links_up[there] = Link(self, here, there)
                self.nodes[here].system.on_link_up(self.nodes[here].links_up[there])

    def cut(self, one, other):
        for here, there in ((one, other), (other, one)):
            link = self.nodes[here].links_up.pop(there, None)
            if link is not None:
                self.nodes[here].system.on_link_down(link, "cut")

    async def restart(self, one, open_after_s=0.0):
        for other in self.ids:
            self.cut(one, other)
        old = self.nodes[one]
        await old.system.close()
        self.nodes[one] = Node(self, one, old.run + 1)
        for other in self.ids:
            if other != one:
                self.join(one, other)
        await asyncio.sleep(open_after_s)
        self.nodes[one].log.open(self.nodes[one].run)

    def tell(self, one, topic="capture.started"):
        run = self.nodes[one].run
        number = sum(1 for of, _ in self.told[one] if of == run) + 1
        self.told[one].append((run, number))
        self.nodes[one].log.tell(topic, {"camera": f"{run}/{number}"})


class Client:
    """Follows, and judges what it is told: every event once, in order, and whatever is missing was told of."""

    def __init__(self, world, node, **how):
        self.world, self.node = world, node
        self.had = {one: [] for one in world.ids}
        self.gaps = []
        self.cursor = ""
        self.how = how
        self.following = None
        self.open(node)

    def open(self, node):
        how = {"after": self.cursor} if self.cursor else self.how
        self.node = node
        self.following = self.world.nodes[node].log.follow(**how)
        self.cursor = self.cursor or self.following.cursor()

    def leave(self):
        self.following.close()

    async def read(self, for_s):
        end = asyncio.get_running_loop().time() + for_s
        while (left := end - asyncio.get_running_loop().time()) > 0:
            for item in await self.following.next(left):
                self.take(item)

    def take(self, item):
        self.cursor = self.following.cursor(item.cursor)
        if isinstance(item, Gap):
            self.gaps.append((item.origin, item.missed, item.why))
            self.had[item.origin].append(item)
            return
        run, number = map(int, item.event.data["camera"].split("/"))
        assert item.event.seq == number
        self.had[item.origin].append((run, number))

    def check(self, origin):
        """Judge what was told of one origin; gives how many events it had."""
        run, number = self.world.told[origin][0] if self.world.told[origin] else (1, 1)
        number -= 1
        unsure = False
        for item in self.had[origin]:
            if isinstance(item, Gap):
                if item.missed is None:
                    unsure = True
                else:
                    number += item.missed
                continue
            if item[0] != run:
                assert item[0] > run
                assert unsure, f"run {run} ended untold"
                run, number = item[0], 0
            assert item[1] == number + 1, f"{item} after {number}"
            number, unsure = item[1], False
        return sum(1 for item in self.had[origin] if not isinstance(item, Gap))


def simulate(work, seed=1, names=3):
    """Run ``work(world)`` in virtual time."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)

    async def main():
        world = World(seed, names)
        try:
            await work(world)
        finally:
            world.loss = 0.0
            for node in world.nodes.values():
                await node.system.close()

    try:
        loop.run_until_complete(main())
    finally:
        loop.end()
        asyncio.set_event_loop(None)
        loop.close()

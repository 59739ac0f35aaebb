"""Links in memory between actor systems of one process: a Network for tests that need several nodes and no sockets."""

import asyncio
from collections import deque

from mesh.actors.pipe import pipe
from mesh.actors.system import ActorSystem
from mesh.adapters.clock import SystemClock, SystemEntropy
from mesh.ports import Unavailable
from proto.ids import NodeId


class MemoryStream:
    """A pipe that gives nothing while its link is silent, and is reset when the link is cut."""

    def __init__(self, inner, link):
        self.inner, self.link = inner, link

    async def read(self, size_max=65536):
        data = await self.inner.read(size_max)
        await self.link.audible.wait()
        return data

    async def read_exactly(self, size):
        data = await self.inner.read_exactly(size)
        await self.link.audible.wait()
        return data

    async def write(self, data):
        self.link.bytes_sent += len(data)
        await self.inner.write(data)

    async def finish(self):
        await self.inner.finish()

    def reset(self):
        self.inner.reset()


class MemoryLink:
    def __init__(self, network, peer, audible):
        self.network, self.peer, self.audible = network, peer, audible
        self.address, self.rtt_s, self.relay = ("memory", 0), 0.0, None
        self.other = None
        self.queues = {}
        self.tasks = set()
        self.streams = []
        self.streams_opened = 0
        self.bytes_sent = 0
        self.up = True

    async def send(self, channel, frame):
        if not self.up:
            raise Unavailable("link is down")
        queue = self.other.queues.get(channel)
        if queue is None:
            queue = self.other.queues[channel] = asyncio.Queue(64)
            self.other.spawn(self.other.pump(channel, queue))
        await queue.put(frame)

    async def pump(self, channel, queue):
        while True:
            frame = await queue.get()
            await self.audible.wait()
            await self.network.handler.on_frame(self, channel, frame)

    def send_datagram(self, data):
        self.other.network.handler.on_datagram(self.other, data)

    async def open_stream(self, flow, header):
        if not self.up:
            raise Unavailable("link is down")
        mine, theirs = pipe()
        self.streams_opened += 1
        near, far = MemoryStream(mine, self), MemoryStream(theirs, self.other)
        self.streams = [one for one in self.streams if not one.inner._out.finished] + [near]
        self.other.spawn(self.other.serve(flow, header, far))
        return near

    async def serve(self, flow, header, stream):
        await self.audible.wait()
        try:
            await self.network.handler.on_stream(self, flow, header, stream)
        except Exception:
            stream.reset()
            raise

    def spawn(self, work):
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class MemoryNetwork:
    def __init__(self, name):
        self.node_id = name
        self.standing = {}
        self.handler = None

    def links(self):
        return self.standing


class MemoryMesh:
    """Nodes by name; ``join`` and ``cut`` their links, ``silence`` one without anybody hearing of it."""

    def __init__(self, names):
        self.networks = {name: MemoryNetwork(NodeId(name)) for name in names}
        self.systems = {}
        for name, network in self.networks.items():
            system = ActorSystem(NodeId(name), network, SystemClock(), SystemEntropy())
            network.handler = self.systems[name] = system
        self.audible = {}
        self.cuts = deque()

    def join(self, one, other):
        audible = asyncio.Event()
        audible.set()
        self.audible[frozenset((one, other))] = audible
        near = MemoryLink(self.networks[one], NodeId(other), audible)
        far = MemoryLink(self.networks[other], NodeId(one), audible)
        near.other, far.other = far, near
        self.networks[one].standing[NodeId(other)] = near
        self.networks[other].standing[NodeId(one)] = far
        self.systems[one].on_link_up(near)
        self.systems[other].on_link_up(far)

    def link(self, one, other):
        return self.networks[one].standing[NodeId(other)]

    def silence(self, one, other):
        self.audible[frozenset((one, other))].clear()

    def cut(self, one, other):
        for near, far in ((one, other), (other, one)):
            link = self.networks[near].standing.pop(NodeId(far), None)
            if link is None:
                continue
            link.up = False
            for stream in link.streams:
                stream.reset()
            for task in list(link.tasks):
                task.cancel()
            self.systems[near].on_link_down(link, "cut")

    async def close(self):
        for one in self.networks:
            for other in list(self.networks[one].standing):
                self.cut(one, str(other))
        for system in self.systems.values():
            await system.close()

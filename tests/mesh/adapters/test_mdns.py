"""A node whose address was lost in the multicast is asked for again; one whose addresses change says so."""

import asyncio

from mesh.adapters import mdns
from mesh.adapters.mdns import SERVICE, MdnsDiscovery
from proto.ids import MeshId, node_id_of

MESH = MeshId("m" * 26)
OTHER = node_id_of(b"o" * 32)


class Info:
    """What zeroconf tells of a service, once it was asked often enough."""

    asked = 0

    def __init__(self, service_type, name):
        self.port, self.decoded_properties = 8326, {"mesh": MESH}

    async def async_request(self, zeroconf, timeout_ms):
        Info.asked += 1
        return Info.asked > 2

    def parsed_addresses(self, version):
        return ["10.0.0.2"]


def test_a_name_that_did_not_resolve_is_tried_again(monkeypatch):
    monkeypatch.setattr(mdns, "AsyncServiceInfo", Info)
    monkeypatch.setattr(mdns, "RESOLVE_AGAIN_S", 0.02)

    async def main():
        made = MdnsDiscovery(node_id_of(b"n" * 32), MESH, lambda: [("10.0.0.1", 1)])
        found = asyncio.Queue()
        made._names.put_nowait(f"{OTHER}.{SERVICE}")
        task = asyncio.create_task(made._resolve(None, lambda *heard: found.put_nowait(heard)))
        async with asyncio.timeout(20):
            assert await found.get() == (OTHER, (("10.0.0.2", 8326),))
        task.cancel()
        assert Info.asked == 3

    asyncio.run(main())


class Zeroconf:
    """What was asked of zeroconf, in order."""

    def __init__(self):
        self.asked = asyncio.Queue()

    async def async_update_interfaces(self):
        self.asked.put_nowait("interfaces")

    async def async_update_service(self, info):
        self.asked.put_nowait((info.parsed_addresses(), info.port))
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


def test_addresses_that_change_are_advertised_once_and_none_is_no_news(monkeypatch):
    monkeypatch.setattr(mdns, "LOOK_S", 0.01)

    async def main():
        looked, hosts = asyncio.Queue(), [("10.0.0.1", 8326)]

        def now():
            looked.put_nowait(None)
            return hosts

        made, zeroconf = MdnsDiscovery(node_id_of(b"n" * 32), MESH, now), Zeroconf()
        task = asyncio.create_task(made._follow(zeroconf, made._info()))

        async def looks(count):
            while not looked.empty():
                looked.get_nowait()
            for _ in range(count):
                await looked.get()

        async with asyncio.timeout(20):
            await looks(3)
            hosts[:] = []
            await looks(3)
            assert zeroconf.asked.empty()
            hosts[:] = [("192.168.7.9", 8326), ("10.0.0.1", 8326), ("127.0.0.1", 8326)]
            assert await zeroconf.asked.get() == "interfaces"
            assert await zeroconf.asked.get() == (["192.168.7.9", "10.0.0.1"], 8326)
            await looks(3)
            assert zeroconf.asked.empty()
        task.cancel()

    asyncio.run(main())

"""A node whose name was heard and whose address was not is asked for again, as multicast is lost."""

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

"""Names of hosts come from other nodes: whatever they are, resolving one gives an address or Unavailable."""

import asyncio

import pytest

from mesh.adapters.quic.udp import UdpSocket
from mesh.ports import Unavailable


@pytest.mark.parametrize("name", ["x" * 255, "a\x00b", "..", "\udcff", "xn--" + "9" * 80])
def test_a_name_that_is_no_host_is_unavailable(name):
    async def main():
        with pytest.raises(Unavailable):
            await UdpSocket().resolve((name, 1))
        with pytest.raises(Unavailable):
            await UdpSocket().open((name, 0), lambda batch: None)

    asyncio.run(main())

"""Finding nodes of one mesh on the LAN: DNS-SD over mDNS (RFC 6762, 6763), through zeroconf.

Every node is an instance ``NODE_ID._thatdam._udp.local.`` whose TXT record names its mesh. What is found here is a
hint: the dial that follows proves it. What is advertised follows the machine's addresses, which are looked at every
LOOK_S. Invariant: nodes of other meshes are never told of; a machine without multicast is a line in the log, and is
tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Callable, Sequence

import structlog
from zeroconf import IPVersion, NonUniqueNameException, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from mesh.ports import Host
from proto.ids import MeshId, NodeId, is_node_id

SERVICE = "_thatdam._udp.local."
TOLD_AGAIN_S = 20.0
"""Who is known by mDNS is told again so often: a dial that failed gets fresh addresses."""
TRY_AGAIN_S = 30.0
LOOK_S = 30.0
"""How often it is looked whether the addresses to advertise have changed."""
RESOLVE_TIMEOUT_MS, RESOLVE_AGAIN_S = 3000, 5.0
"""How long it is asked where a name leads, and how often again when that was not answered."""
NAMES_MAX = 512
"""Instances waiting to be resolved; further ones come with their next announcement."""

_log = structlog.get_logger("mdns")
Found = Callable[[NodeId, Sequence[Host]], None]


class MdnsDiscovery:
    """A ``ports.Discovery``. ``hosts`` gives the addresses to advertise, once the network listens."""

    def __init__(self, node: NodeId, mesh: MeshId, hosts: Callable[[], Sequence[Host]]) -> None:
        self._node = node
        self._mesh = mesh
        self._hosts = hosts
        self._names: asyncio.Queue[str] = asyncio.Queue(NAMES_MAX)
        self._known: dict[NodeId, tuple[Host, ...]] = {}
        self._unresolved: dict[str, None] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self, found: Found) -> None:
        """Advertise this node and tell of others until ``close``."""
        self._task = asyncio.get_running_loop().create_task(self._keep(found), name="mdns")

    async def close(self) -> None:
        """Say goodbye and stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def _keep(self, found: Found) -> None:
        while True:
            try:
                await self._run(found)
            except (OSError, NonUniqueNameException) as error:
                _log.warning("no discovery on this LAN; use --join", reason=str(error), again_s=TRY_AGAIN_S)
            await asyncio.sleep(TRY_AGAIN_S)

    async def _run(self, found: Found) -> None:
        zeroconf = AsyncZeroconf(ip_version=IPVersion.V4Only)
        try:
            info = self._info()
            # The name is the node's key: two with one name are one node that restarted.
            await zeroconf.async_register_service(info, cooperating_responders=True)
            browser = AsyncServiceBrowser(zeroconf.zeroconf, SERVICE, handlers=[self._heard])
            following = asyncio.get_running_loop().create_task(self._follow(zeroconf, info), name="mdns/addresses")
            try:
                await self._resolve(zeroconf.zeroconf, found)
            finally:
                following.cancel()
                await asyncio.wait([following])
                with contextlib.suppress(Exception):
                    await browser.async_cancel()
        finally:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(asyncio.shield(zeroconf.async_unregister_all_services()), 1.0)
            await zeroconf.async_close()

    async def _follow(self, zeroconf: AsyncZeroconf, told: AsyncServiceInfo) -> None:
        """Advertise anew whenever the addresses have changed; one that is nowhere for now goes on as it was."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                now = self._info()
                if (now.port, now.addresses) == (told.port, told.addresses):
                    continue
                # A new address is often on an interface that was not there: it needs a socket of its own.
                await zeroconf.async_update_interfaces()
                await (await zeroconf.async_update_service(now))
            except OSError as error:
                _log.info("addresses not advertised", reason=str(error), again_s=LOOK_S)
                continue
            told = now
            _log.info("other addresses are advertised", hosts=now.parsed_addresses())

    def _info(self) -> AsyncServiceInfo:
        hosts = [(host, port) for host, port in self._hosts() if not _loopback(host)]
        if not hosts:
            raise OSError("this machine has no address on a LAN")
        return AsyncServiceInfo(
            SERVICE,
            f"{self._node}.{SERVICE}",
            port=hosts[0][1],
            properties={"mesh": self._mesh, "v": "1"},
            server=f"thatdam-{self._node[:16]}.local.",
            parsed_addresses=[host for host, _ in hosts],
        )

    def _heard(self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        del zeroconf, service_type
        if state_change is ServiceStateChange.Removed:
            self._known.pop(NodeId(name.partition(".")[0]), None)
            self._unresolved.pop(name, None)
            return
        with contextlib.suppress(asyncio.QueueFull):
            self._names.put_nowait(name)

    async def _resolve(self, zeroconf: Zeroconf, found: Found) -> None:
        loop = asyncio.get_running_loop()
        told_at = loop.time() + TOLD_AGAIN_S
        resolved_at = loop.time() + RESOLVE_AGAIN_S
        while True:
            try:
                async with asyncio.timeout_at(min(told_at, resolved_at)):
                    name = await self._names.get()
            except TimeoutError:
                if loop.time() >= told_at:
                    told_at = loop.time() + TOLD_AGAIN_S
                    for known, addresses in list(self._known.items()):
                        found(known, addresses)
                if loop.time() >= resolved_at:
                    # A name is told once: where it leads may have been lost on the way, as multicast is.
                    resolved_at = loop.time() + RESOLVE_AGAIN_S
                    again, self._unresolved = self._unresolved, {}
                    for name in again:
                        with contextlib.suppress(asyncio.QueueFull):
                            self._names.put_nowait(name)
                continue
            node = name.partition(".")[0]
            if not is_node_id(node) or node == self._node:
                continue
            info = AsyncServiceInfo(SERVICE, name)
            if not await info.async_request(zeroconf, RESOLVE_TIMEOUT_MS):
                if len(self._unresolved) < NAMES_MAX:
                    self._unresolved[name] = None
                continue
            if info.decoded_properties.get("mesh") != self._mesh or info.port is None:
                continue
            hosts = tuple((address, info.port) for address in info.parsed_addresses(IPVersion.V4Only))
            if hosts:
                self._known[NodeId(node)] = hosts
                found(NodeId(node), hosts)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

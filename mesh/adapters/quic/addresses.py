"""Which addresses of this machine other nodes can try."""

from __future__ import annotations

import ipaddress
import socket

import psutil

from mesh.ports import Host

ADDRESSES_MAX = 8
"""Addresses told to others; the rest are left out."""
_VIRTUAL = ("docker", "br-", "veth", "virbr", "cni", "flannel", "vmnet", "vboxnet")


def interface_addresses(port: int, *, with_v6: bool) -> list[Host]:
    """Give the addresses of the interfaces that are up: private IPv4 first, those of containers and loopback last."""
    up = {name for name, stats in psutil.net_if_stats().items() if stats.isup}
    ranked: list[tuple[int, str]] = []
    for name, addresses in sorted(psutil.net_if_addrs().items()):
        if name not in up:
            continue
        for entry in addresses:
            if entry.family not in (socket.AF_INET, socket.AF_INET6):
                continue
            ip = ipaddress.ip_address(entry.address.partition("%")[0])
            if ip.is_link_local or ip.is_multicast or (ip.version == 6 and not with_v6):
                continue
            rank = 3 if ip.is_loopback else 2 if name.startswith(_VIRTUAL) else 0 if ip.version == 4 else 1
            ranked.append((rank, str(ip)))
    ranked.sort(key=lambda found: found[0])
    reachable = [address for rank, address in ranked if rank < 3] or [address for _, address in ranked]
    return [(address, port) for address in reachable[:ADDRESSES_MAX]]


def is_wildcard(host: str) -> bool:
    """Tell whether a bind address means every interface."""
    return host in ("", "0.0.0.0", "::", "*")  # noqa: S104 - compared with, not bound to


def is_loopback(host: str) -> bool:
    """Tell whether an address stays inside this machine."""
    try:
        return ipaddress.ip_address(host.partition("%")[0].removeprefix("::ffff:")).is_loopback
    except ValueError:
        return False

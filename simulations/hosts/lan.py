"""Several hosts on one machine: network namespaces on a bridge; needs root, iproute2 and nftables (Linux)."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
from collections.abc import Iterator

_numbers = itertools.count(1)


def run(*words: str) -> str:
    """Run a command that must succeed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


class Lan:
    """Hosts on one bridge in a namespace of its own. Nothing of it reaches the machine's own network."""

    def __init__(self, hosts: int, mtu: int = 1500) -> None:
        self.name = f"tl{os.getpid() % 100000}x{next(_numbers)}"
        self.mtu = mtu
        self.hosts = [f"{self.name}h{number}" for number in range(hosts)]
        self.addresses = [f"10.99.1.{10 + number}" for number in range(hosts)]

    def make(self) -> None:
        """Make the hosts and their wires."""
        bridge = f"{self.name}b"
        run("ip", "netns", "add", bridge)
        run("ip", "netns", "exec", bridge, "ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        run("ip", "netns", "exec", bridge, "ip", "link", "set", "br0", "up")
        for number, (host, address) in enumerate(zip(self.hosts, self.addresses, strict=True)):
            run("ip", "netns", "add", host)
            run(
                *("ip", "netns", "exec", bridge, "ip", "link", "add", f"p{number}", "mtu", str(self.mtu)),
                *("type", "veth", "peer", "name", "eth0", "mtu", str(self.mtu), "netns", host),
            )
            run("ip", "netns", "exec", bridge, "ip", "link", "set", f"p{number}", "master", "br0", "up")
            for command in (
                ("addr", "add", f"{address}/24", "dev", "eth0"),
                ("link", "set", "eth0", "up"),
                ("link", "set", "lo", "up"),
                ("route", "add", "224.0.0.0/4", "dev", "eth0"),
            ):
                run("ip", "netns", "exec", host, "ip", *command)

    def inside(self, number: int) -> tuple[str, ...]:
        """Give the words that run a command on a host."""
        return ("ip", "netns", "exec", self.hosts[number])

    def block(self, number: int, other: int) -> None:
        """Drop everything that host ``number`` gets from ``other``, silently."""
        inside = self.inside(number)
        with contextlib.suppress(AssertionError):
            run(*inside, "nft", "add", "table", "inet", "f")
            run(*inside, "nft", "add chain inet f i { type filter hook input priority 0; }")
        run(*inside, "nft", "add", "rule", "inet", "f", "i", "ip", "saddr", self.addresses[other], "drop")

    def unblock(self, number: int) -> None:
        """Let everything in again."""
        run(*self.inside(number), "nft", "delete", "table", "inet", "f")

    def end(self) -> None:
        """Remove all of it."""
        for name in (*self.hosts, f"{self.name}b"):
            subprocess.run(("ip", "netns", "del", name), capture_output=True, check=False)


@contextlib.contextmanager
def lan(hosts: int, mtu: int = 1500) -> Iterator[Lan]:
    """Give a LAN for as long as the block runs."""
    made = Lan(hosts, mtu)
    try:
        made.make()
        yield made
    finally:
        made.end()

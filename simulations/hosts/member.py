"""A member and nothing else, as a process: transport and membership of a node, without what else a node does.

For benchmarks with many hosts on one machine. It is told to begin by a line on its standard input, so that the start
of an interpreter is in no figure, and prints a line whenever it believes something else of another member:
``member NAME STATE``. ``python -m simulations.hosts.member NAME HOST:PORT [SEED:PORT]``.
"""

from __future__ import annotations

import asyncio
import logging
import sys

import structlog
from blake3 import blake3

from mesh.actors.membership import Members
from mesh.actors.memory import AddressBook
from mesh.actors.system import ActorSystem
from mesh.adapters.clock import SystemClock, SystemEntropy
from mesh.adapters.quic.network import QuicNetwork
from mesh.core.identity import Authority, NodeIdentity, node_of_seed
from mesh.core.member import Member
from mesh.core.vouching import Signatures
from mesh.ports import Host
from proto.messages.membership import NodeInfo

_AUTHORITY = Authority(b"members measured on one machine "[:32])


class _Forgetful:
    """A memory that lasts as long as its process: every run of a benchmark is a first start."""

    async def load(self) -> tuple[int, AddressBook]:
        """Give nothing."""
        return 0, ()

    async def save_incarnation(self, incarnation: int) -> None:
        """Forget it."""

    async def save_book(self, book: AddressBook) -> None:
        """Forget it."""


def _say(member: Member) -> None:
    sys.stdout.write(f"member {member.info.name} {member.state}\n")
    sys.stdout.flush()


def _host(text: str) -> Host:
    host, _, port = text.rpartition(":")
    return host, int(port)


async def _run(name: str, listen: Host, seeds: tuple[Host, ...]) -> None:
    seed = blake3(name.encode()).digest()
    identity = NodeIdentity(seed, _AUTHORITY.admit(node_of_seed(seed), 0.0), _AUTHORITY.certificate())
    clock, entropy = SystemClock(), SystemEntropy()
    network = QuicNetwork(identity, listen, clock, entropy, lambda _: None)
    system = ActorSystem(identity.node, network, clock, entropy)
    info = NodeInfo(name, (listen,), "", ("proxy", "daemon", "storage"), "", 1 << 40, "0.1.0")
    members = Members(system, network, clock, entropy, seeds, info, _Forgetful(), Signatures(identity.sign))
    members.watch(_say)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    await network.start(system)
    await members.start()
    await asyncio.Event().wait()


def main() -> None:
    """Be a member until killed."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    name, listen, *seeds = sys.argv[1:]
    run = asyncio.run
    try:
        import uvloop

        run = uvloop.run
    except ImportError:
        pass
    run(_run(name, _host(listen), tuple(_host(seed) for seed in seeds)))


if __name__ == "__main__":
    main()

"""What a node stands on: its ports to the world, who it is, and what its machine has.

``real`` builds those of this machine, in one place; the simulator builds its own, and the same assembly
(``thatdam/node.py``) runs on both. Invariant: whatever ``real`` has taken is given back by ``close``.
"""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import platformdirs
import psutil

from mesh.actors.access import Passwords
from mesh.actors.admission import Papers
from mesh.adapters import passwords, vectors
from mesh.adapters.bulk.lane import BulkLane
from mesh.adapters.clock import SystemClock, SystemEntropy
from mesh.adapters.disk import FolderDisk
from mesh.adapters.executor import ThreadExecutor
from mesh.adapters.mdns import MdnsDiscovery
from mesh.adapters.node_key import DataFolder
from mesh.adapters.quic.addresses import is_loopback
from mesh.adapters.quic.credentials import Judge
from mesh.adapters.quic.network import QuicNetwork
from mesh.adapters.workers import ProcessWorkers
from mesh.core.identity import NodeIdentity
from mesh.ports import (
    Clock,
    Discovery,
    Disk,
    Entropy,
    Executor,
    Host,
    Network,
    Refused,
    Tables,
    VectorIndex,
    Workers,
)
from proto.ids import NodeId
from proto.messages.cameras import Device
from proto.messages.identity import Redeem, Redeemed
from roles.proxy.adapters import v4l2
from thatdam import capabilities, identity
from thatdam.capabilities import Machine
from thatdam.config import Config, parse_host
from thatdam.database import open_database
from thatdam.identity import Standing

DATABASE = "node.db"
EXECUTOR_THREADS = 8
JOINS_HOW = (
    "--join with an address needs the secret of the mesh to join: set THATDAM_SECRET (one that `thatdam secret` made) "
    "on both; or have a ticket made there with `thatdam invite`, and give that to --join"
)

Revoked = Callable[[NodeId], str | None]
"""Gives why a node may have no link, or None."""
Redeems = Callable[[Redeem, bytes], Awaitable[Redeemed]]
"""Takes a newcomer's ticket, said for a nonce."""


class Safe(Protocol):
    """Small private files of a node that only its owner can read."""

    def read_secret(self, name: str) -> bytes | None:
        """Give a file, or None when there is none."""

    def write_secret(self, name: str, data: bytes) -> None:
        """Write a file, durably."""


class Process(Protocol):
    """What this node's process uses."""

    def cpu_percent(self) -> float:
        """Give the share of one core since it was asked last."""

    def memory_bytes(self) -> int:
        """Give the memory it holds."""


@dataclass(frozen=True)
class Ports:
    """The ports of one node. ``network`` and ``discovery`` are made once the node knows whom it refuses and where it
    listens; ``present`` has the network show a renewed identity; ``data`` is told to people, and only adapters open
    files in it; ``cache`` is a folder for what can be made again, shared by the nodes of one person; ``copied`` is what
    to tell while another process with this node's key is taken for this node, or empty."""

    name: str
    data: Path
    standing: Standing
    machine: Machine
    clock: Clock
    entropy: Entropy
    executor: Executor
    disk: Disk
    tables: Tables
    safe: Safe
    workers: Workers
    passwords: Passwords
    process: Process
    devices: Callable[[], Sequence[Device]]
    network: Callable[[Revoked, Redeems, Judge], Network]
    present: Callable[[NodeIdentity], None]
    papers: Papers
    discovery: Callable[[Network], Discovery | None]
    close: Callable[[], None]
    make_index: Callable[[int], VectorIndex] = vectors.best_index
    cache: str = ""
    copied: Callable[[], str] = lambda: ""


class ThisProcess:
    """A ``Process``, measured."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._process.cpu_percent(None)

    def cpu_percent(self) -> float:
        """Give the share of one core since it was asked last."""
        return self._process.cpu_percent(None)

    def memory_bytes(self) -> int:
        """Give the memory it holds."""
        return self._process.memory_info().rss


async def real(config: Config) -> Ports:
    """Take hold of the data folder and build this machine's ports; PortError says in a sentence what is in the way."""
    clock, entropy = SystemClock(), SystemEntropy()
    folder = DataFolder(config.data_folder, entropy)
    undo = contextlib.ExitStack()
    try:
        undo.callback(folder.release)
        executor = ThreadExecutor(EXECUTOR_THREADS)
        undo.callback(executor.close)
        writers = ThreadExecutor(EXECUTOR_THREADS, "disk-write")
        undo.callback(writers.close)
        met: tuple[Host, ...] = ()
        if config.seeds and not (config.secret or config.ticket) and folder.read_secret(identity.AUTHORITY) is None:
            raise Refused(JOINS_HOW)  # before this folder is given a mesh of its own, which it could not leave
        if config.ticket:
            met = await identity.join(folder, config.ticket, config.node.roles, config.mesh.zone, clock, entropy)
        standing = await identity.settle(folder, config.secret, executor, entropy, clock.wall(), met)
        bind = _bind(config, standing)
        tables = await open_database(folder.root / DATABASE, folder.node_id)
        undo.callback(tables.close)
        advertise = tuple(parse_host(text, "mesh.advertise") for text in config.mesh.advertise)

        made: list[QuicNetwork] = []

        def network(revoked: Revoked, redeem: Redeems, judge: Judge) -> Network:
            listening = QuicNetwork(
                standing.identity,
                bind,
                clock,
                entropy,
                revoked,
                advertise,
                datagram_bytes=config.mesh.datagram_bytes,
                bulk=BulkLane(config.mesh.bulk_port, entropy) if config.mesh.bulk_lane else None,
                redeem=redeem,
                judge=judge,
            )
            made.append(listening)
            return listening

        def present(renewed: NodeIdentity) -> None:
            for listening in made:
                listening.identity = renewed

        def discovery(listening: Network) -> Discovery | None:
            if not config.mesh.mdns or standing.alone or is_loopback(bind[0]):
                return None
            return MdnsDiscovery(folder.node_id, standing.identity.mesh, listening.listening)

        return Ports(
            platform.node(),
            folder.root,
            standing,
            capabilities.this_machine(folder.root),
            clock,
            entropy,
            executor,
            FolderDisk(folder.root, executor, writers, reserve_bytes=config.node.reserve_mb << 20),
            tables,
            folder,
            ProcessWorkers(),
            passwords,
            ThisProcess(),
            v4l2.devices,
            network,
            present,
            identity.FolderPapers(folder, executor),
            discovery,
            undo.close,
            copied=lambda: next((listening.copied for listening in made if listening.copied), ""),
            cache=str(Path(platformdirs.user_cache_dir("thatdam", appauthor=False)) / "models"),
        )
    except BaseException:
        undo.close()
        raise


def _bind(config: Config, standing: Standing) -> Host:
    if config.seeds and standing.alone:
        raise Refused(JOINS_HOW)
    host = config.mesh.host or ("127.0.0.1" if standing.alone else "0.0.0.0")  # noqa: S104 - peers prove themselves
    return host, config.mesh.port

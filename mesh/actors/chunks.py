"""Chunks as every node has them: put, keep, get, and how many copies there are.

Decides whom bytes go to and come from. ``put`` waits for durable copies on distinct nodes; ``keep`` waits for this disk
alone, and copies follow on their own. Invariant: bytes that leave ``get`` have the hash that was asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Sequence

import structlog

from mesh.actors.chunkstore import ChunkStore
from mesh.actors.chunkwire import ACTOR, fetch_chunk, give_chunk, read_framed, write_framed
from mesh.actors.copier import Copier, Lag, Moving
from mesh.actors.hedge import hedged
from mesh.actors.placement import LayoutView, Peers
from mesh.actors.system import ActorSystem
from mesh.core.collection import CARRIED
from mesh.core.copies import Counted, Told, merge
from mesh.core.placement import partition_of
from mesh.core.rows import Change
from mesh.ports import Clock, Corrupt, DiskFull, Flow, NotFound, PortError, ReadOnly, Unavailable
from proto.ids import AssetId, ChunkId, NodeId
from proto.messages.chunks import CHUNK_BYTES_MAX, CopiesTold, CountCopies, Have, HaveChunks

HAVE_MAX = 4096
HAVE_TIMEOUT_S = 3.0
COUNTED_MAX = 256
RECENT_BYTES_MAX = 16 << 20
"""Bytes of chunks kept in memory of which parts were asked for; the one asked for longest ago goes first."""
PUT_HEDGE_S = 8.0
"""How long until a node that has not answered a put has the next one asked too."""
GET_HEDGE_S = 1.0
KEEP_CONFIRMED_S = 60.0
"""How long bytes stay on a node that need not hold them, for those who watch what was just recorded there."""

__all__ = [
    "ACTOR",
    "CHUNK_BYTES_MAX",
    "Chunks",
    "Lag",
    "Moving",
    "carry",
    "dereference",
    "read_framed",
    "reference",
    "write_framed",
]

_log = structlog.get_logger("chunks")


def reference(chunk: bytes, asset: AssetId, size: int) -> Change:
    """Give the change that says that an asset needs a chunk of ``size`` bytes."""
    return Change("references", chunk.hex(), asset, set={"size": size})


def dereference(chunk: bytes, asset: AssetId) -> Change:
    """Give the change that says that an asset needs a chunk no longer."""
    return Change("references", chunk.hex(), asset, delete=True)


def carry(chunk: bytes, asset: AssetId, packed: bytes) -> tuple[Change, Change]:
    """Give the changes that say that an asset needs a chunk no longer, for its bytes are in a packed one."""
    return Change("references", chunk.hex(), asset, set={CARRIED: packed}), dereference(chunk, asset)


class Chunks:
    """The chunks' face on one node.

    Who stores a chunk also writes its ``reference``: before the manifest that needs it can be seen.
    """

    def __init__(
        self,
        system: ActorSystem,
        store: ChunkStore,
        view: LayoutView,
        peers: Peers,
        clock: Clock,
        *,
        keep_confirmed_s: float = KEEP_CONFIRMED_S,
        move_bytes_s: float = 0.0,
    ) -> None:
        self._system = system
        self._store = store
        self._view = view
        self._peers = peers
        self._clock = clock
        self._recent: OrderedDict[ChunkId, bytes] = OrderedDict()
        self.copier = Copier(system, store, view, peers, clock, keep_s=keep_confirmed_s, move_bytes_s=move_bytes_s)

    async def open(self) -> None:
        """Start copying what has too few copies."""
        self.copier.open()

    # ------------------------------------------------------------ writing

    async def put(
        self,
        data: bytes,
        asset: AssetId,
        *,
        copies: int,
        flow: Flow = Flow.BULK,
        chunk: ChunkId | None = None,
    ) -> ChunkId:
        """Store bytes on ``copies`` distinct nodes, or as many as store. ``chunk``: their hash, where it is known.

        Those that are read-only are not counted as storing. Unavailable when fewer did; DiskFull when nobody has room,
        ReadOnly when all are.
        """
        if len(data) > CHUNK_BYTES_MAX:
            raise ValueError(f"a chunk of {len(data)} bytes is over {CHUNK_BYTES_MAX}")
        if chunk is None:
            chunk = ChunkId(await self._store.hash(data))
        order = self._view.at_hand(partition_of(chunk))
        stores = self._view.stores()
        candidates = [*order, *(node for node in stores if node not in order)]
        candidates.sort(key=self.copier.is_full)
        wanted = max(1, min(copies, len(stores)))
        if not candidates:
            return await self._store.add(data, asset, chunk, alone=True, checked=True)
        done, failures = await self._store_on_some(candidates, wanted, chunk, data, asset, flow)
        shut = sum(isinstance(one, ReadOnly) for one in failures.values())
        if done < max(1, min(wanted, len(stores) - shut)):
            told = "; ".join(f"{node[:8]}: {error}" for node, error in failures.items())
            text = f"only {done} of {wanted} nodes stored the bytes ({told})"
            if failures and shut == len(failures):
                raise ReadOnly(text)
            full = not done and all(isinstance(one, DiskFull) for one in failures.values())
            raise DiskFull(text) if full else Unavailable(text)
        return chunk

    async def _store_on_some(
        self, candidates: list[NodeId], wanted: int, chunk: ChunkId, data: bytes, asset: AssetId, flow: Flow
    ) -> tuple[int, dict[NodeId, PortError]]:
        """Store on ``wanted`` of the candidates, the first ones that can; gives how many did, and who failed how."""
        running: dict[asyncio.Task[None], NodeId] = {}
        failures: dict[NodeId, PortError] = {}
        done, late = 0, 0
        try:
            while done < wanted and (candidates or running):
                while candidates and done + len(running) - late < wanted:
                    node = candidates.pop(0)
                    running[asyncio.create_task(self._store_on(node, chunk, data, asset, flow))] = node
                ended, _ = await asyncio.wait(
                    running, timeout=PUT_HEDGE_S if candidates else None, return_when=asyncio.FIRST_COMPLETED
                )
                late = 0 if ended else len(running)  # they may still answer; further nodes are asked meanwhile
                for task in [task for task in running if task in ended]:
                    node = running.pop(task)
                    try:
                        task.result()
                    except PortError as error:
                        failures[node] = error
                        if isinstance(error, ReadOnly):
                            self.copier.note_full(node)
                    else:
                        done += 1
        finally:
            for task in running:
                task.cancel()
            if running:
                await asyncio.wait(running)
        return done, failures

    async def keep(self, data: bytes, asset: AssetId, chunk: ChunkId | None = None) -> ChunkId:
        """Store bytes durably on this node and return; copies follow. Waits for nobody else.

        ``chunk``: their hash, where it is known. DiskFull when there is no room here, ReadOnly when it takes none.
        """
        if len(data) > CHUNK_BYTES_MAX:
            raise ValueError(f"a chunk of {len(data)} bytes is over {CHUNK_BYTES_MAX}")
        if chunk is None:
            chunk = ChunkId(await self._store.hash(data))
        return await self._store.add(data, asset, chunk, alone=True, checked=True)

    async def _store_on(self, node: NodeId, chunk: ChunkId, data: bytes, asset: AssetId, flow: Flow) -> None:
        if node == self._system.node_id:
            await self._store.add(data, asset, chunk, checked=True)
        else:
            await give_chunk(self._system, node, chunk, data, asset, flow)

    # ------------------------------------------------------------ reading

    async def get(self, chunk: ChunkId, offset: int = 0, size: int | None = None) -> bytes:
        """Give a chunk's bytes, verified, from any copy; NotFound when all who could have it lack it."""
        if offset == 0 and size is None:
            return await self._whole(chunk)
        # Parts of a packed chunk are asked for one after another: the chunk is read and verified once for them.
        data = self._recent.pop(chunk, None)
        if data is None:
            data = await self._whole(chunk)
        self._recent[chunk] = data
        while len(self._recent) > 1 and sum(map(len, self._recent.values())) > RECENT_BYTES_MAX:
            self._recent.popitem(last=False)
        return data[offset : None if size is None else offset + size]

    async def _whole(self, chunk: ChunkId) -> bytes:
        asked: list[str] = []
        try:
            return await self._store.read(chunk)
        except NotFound:
            pass
        except Corrupt:
            asked.append("here: damaged")
        data = await self.fetch(chunk, asked)
        if asked[:1] == ["here: damaged"]:
            with contextlib.suppress(DiskFull, Unavailable):
                await self._store.add(data, AssetId(""), chunk, checked=True)  # healed
        return data

    async def fetch(self, chunk: ChunkId, asked: list[str] | None = None) -> bytes:
        """Give a chunk's bytes, verified, from another node; ``asked`` is told whom."""
        told = [] if asked is None else asked
        me = self._system.node_id
        holders = [node for node in self._view.present(partition_of(chunk)) if node != me]
        unreachable = False
        for beyond in (False, True):
            nodes = holders
            if beyond:
                # Owners may not have it yet: recorders and stand-ins keep bytes until they do.
                rest = [node for node in self._peers.alive_ids() if node != me and node not in holders]
                nodes = [node for node, has in (await self._who_has(chunk, rest)).items() if has]
            answers, failures = await hedged(
                nodes,
                lambda node: fetch_chunk(self._system, self._store.hash, node, chunk),
                after_s=GET_HEDGE_S,
                enough=lambda data: True,
            )
            if answers:
                return answers[-1]
            told += [f"{node[:8]}: {error}" for node, error in failures.items()]
            unreachable = unreachable or any(not isinstance(error, NotFound) for error in failures.values())
        away = [node for node in self._view.owners(partition_of(chunk)) if node != me and node not in holders]
        told += [f"{node[:8]}: not reachable" for node in away]
        text = f"chunk {chunk.hex()[:12]} has no copy that can be reached ({'; '.join(told) or 'nobody has it'})"
        raise Unavailable(text) if unreachable or away else NotFound(text)

    async def _who_has(self, chunk: ChunkId, nodes: Sequence[NodeId]) -> dict[NodeId, bool]:
        answers = await asyncio.gather(*(self._have(node, (chunk,)) for node in nodes))
        return {node: bool(answer and answer[:1] == b"\x01") for node, answer in zip(nodes, answers, strict=True)}

    async def _have(self, node: NodeId, chunks: Sequence[ChunkId]) -> bytes | None:
        try:
            answer = await self._system.ask(node, ACTOR, HaveChunks(tuple(chunks)), Have, timeout_s=HAVE_TIMEOUT_S)
        except PortError as error:
            _log.debug("not asked", peer=node[:8], error=str(error))
            return None
        return answer.there

    async def copies(self, chunks: Sequence[ChunkId]) -> dict[ChunkId, int]:
        """Count the durable copies of chunks on the nodes that can be asked now."""
        counts = {chunk: int(chunk in self._store) for chunk in chunks}
        others = [node for node in self._peers.alive_ids() if node != self._system.node_id]
        unique = list(counts)
        for at in range(0, len(unique), HAVE_MAX):
            batch = unique[at : at + HAVE_MAX]
            for there in await asyncio.gather(*(self._have(node, batch) for node in others)):
                for chunk, has in zip(batch, there or b"", strict=False):
                    counts[chunk] += int(has == 1)
        return counts

    async def copies_of(self, assets: Sequence[AssetId]) -> dict[AssetId, Counted]:
        """Count the copies of assets: every storing node is asked once, whatever the assets are made of."""
        view, alive = self._view, frozenset(self._peers.alive_ids())
        unique = list(dict.fromkeys(assets))
        shares = view.shares()
        nodes = list(alive)
        whole = all(not alive.isdisjoint(share.holders) for share in shares.values())
        found: dict[AssetId, Counted] = {}
        for at in range(0, len(unique), COUNTED_MAX):
            batch = unique[at : at + COUNTED_MAX]
            answers = await asyncio.gather(*(self._told(node, batch) for node in nodes))
            all_told = whole and all(
                answer is not None or node not in view.layout.places
                for node, answer in zip(nodes, answers, strict=True)
            )
            for number, asset in enumerate(batch):
                told = {node: answer[number] for node, answer in zip(nodes, answers, strict=True) if answer is not None}
                found[asset] = merge(told, shares, alive, view.copies(), all_told=all_told)
        return found

    async def _told(self, node: NodeId, assets: Sequence[AssetId]) -> list[Told] | None:
        message = CountCopies(tuple(assets))
        try:
            answer = await self._system.ask(node, ACTOR, message, CopiesTold, timeout_s=HAVE_TIMEOUT_S)
        except PortError as error:
            _log.debug("not asked", peer=node[:8], error=str(error))
            return None
        told = [Told(*counts, tuple(map(ChunkId, damaged))) for counts, damaged in answer.assets]
        return told if len(told) == len(assets) else None

    def moving(self) -> Moving:
        """Tell how far this node is in bringing what it has to those that hold it by now."""
        return self.copier.moving()

    def lag(self) -> Lag:
        """Tell what was kept on this node and is on no other yet."""
        return self.copier.lag()

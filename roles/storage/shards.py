"""The index shards of a storage node: for each model one vector index over the ``vectors`` rows this node holds.

The index is a cache of the rows: built from them a partition at a time, changed as they come, emptied of partitions
that are another's now. What this node wrote and only passes on is not in it. A shard answers with the best k of all it
holds, which contains the best k of the partitions it was asked for; what it holds besides are other nodes' copies,
which the merge drops. Of an asset something is kept here only once it has a vector: most of a million may have none.
``embeds`` tells whether the writer of a vector may make any: others' are left out.

Invariant: a partition is answered for only when its rows are synced and every vector among them is in the index.
"""

from __future__ import annotations

import asyncio
import functools
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import structlog

from mesh.actors.rowstore import RowStore
from mesh.actors.system import ActorSystem, Context
from mesh.core.placement import partition_of
from mesh.core.query import bits_of, partitions_in
from mesh.core.rows import Entry, unpack
from mesh.ports import Executor, NotFound, Refused, VectorIndex
from proto.codec import Value
from proto.ids import PartitionId
from proto.messages.search import SearchShard, ShardHit, ShardHits

ACTOR = "search"
BATCH = 256
"""Vectors added to an index at once, between which queries get their turn."""
MODELS_MAX = 8
LOAD_KEYS = 128
LOOK_EVERY_S = 5.0
"""How often it is looked whether this node holds other partitions than before."""

_log = structlog.get_logger("storage.shards")

MakeIndex = Callable[[int], VectorIndex]


@dataclass(slots=True)
class _Asset:
    """What a hit tells of its asset, and its scenes as (start, end, hero), by start."""

    name: str = ""
    kind: str = ""
    camera: str = ""
    poster: str = ""
    base_ms: int = 0
    trashed: bool = False
    scenes: list[tuple[int, int, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Model:
    index: VectorIndex
    keys: dict[tuple[str, int], int] = field(default_factory=dict)
    moments: dict[int, tuple[str, int, tuple[str, ...]]] = field(default_factory=dict)
    by_asset: dict[str, dict[int, None]] = field(default_factory=dict)
    adding: dict[int, bytes] = field(default_factory=dict)
    removing: dict[int, None] = field(default_factory=dict)
    last: int = 0


class Shards:
    """The actor ``search`` of a storage node."""

    def __init__(
        self,
        system: ActorSystem,
        store: RowStore,
        executor: Executor,
        make_index: MakeIndex,
        counting_by: Callable[[Sequence[str]], AbstractSet[PartitionId]],
        held: Callable[[], AbstractSet[PartitionId]],
        embeds: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._system = system
        self._store = store
        self._executor = executor
        self._make_index = make_index
        self._counting_by = counting_by
        self._held = held
        self._embeds = embeds
        self._loaded: set[PartitionId] = set()
        self._loading: set[PartitionId] = set()
        self._assets: dict[str, _Asset] = {}
        self._of_camera: dict[str, dict[str, None]] = {}
        self._of_kind: dict[str, dict[str, None]] = {}
        self._models: dict[str, _Model] = {}
        self._wake = asyncio.Event()
        self._reload: dict[str, None] = {}
        self._unread: dict[str, None] = {}
        """Assets that have vectors, and of which what a hit tells has to be read."""
        self._reading: list[str] = []

    async def open(self) -> None:
        """Begin to serve at once; partitions are answered for when the index holds them."""
        self._store.watch("assets", self._told)
        self._store.watch("scenes", self._told)
        self._store.watch("vectors", self._vector)
        self._system.spawn(ACTOR, self, mailbox_max=256, concurrency=4)
        self._system.supervisor.run("search/index", self._keep)

    def sizes(self) -> dict[str, int]:
        """Give how many vectors of each model are held."""
        return {name: len(model.keys) for name, model in sorted(self._models.items())}

    @property
    def behind(self) -> int:
        """How many changes wait to be indexed."""
        return sum(len(model.adding) + len(model.removing) for model in self._models.values())

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Handle a search."""
        match message:
            case SearchShard():
                return await self._search(message)
            case _:
                raise NotFound(f"search takes no {type(message).__name__} from {context.sender[:8]}")

    @property
    def ready(self) -> bool:
        """Whether every partition this node holds is in the index."""
        return self._loaded >= self._held()

    # ------------------------------------------------------------ building

    async def _keep(self) -> None:
        while True:
            self._wake.clear()
            await self._follow()
            await self.index_once()
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _follow(self) -> None:
        """Take in the partitions this node has come to hold, and drop those it does not hold any more."""
        held = self._held()
        gone = self._loaded - held
        if gone:
            self._loaded -= gone
            for asset in [one for one in self._assets if partition_of(one) in gone]:
                self._file(asset, self._assets.pop(asset), "", "")
                for model in self._models.values():
                    for key in list(model.by_asset.pop(asset, ())):
                        self._forget(model, key)
        new = sorted(held - self._loaded)
        for number in new:
            # From now on changes are taken as they come, so that none falls between the list and the watch.
            self._loading.add(number)
            await self._load(number)
            self._loading.discard(number)
            self._loaded.add(number)
        if new:
            _log.info("index built", partitions=len(new), vectors=sum(self.sizes().values()))

    async def _load(self, partition: PartitionId) -> None:
        """Take in every vector of a partition, and what is told of their assets."""
        after: tuple[str, ...] = ("vectors", "", "")
        while True:
            listed = await self._store.listing(partition, after, LOAD_KEYS)
            keys = [(one, pk, sk) for one, pk, sk, _ in listed if one == "vectors"]
            for packed in await self._store.fetch(keys):
                self._vector(unpack(packed))
            await self._read()
            if len(keys) < LOAD_KEYS:
                break
            after = keys[-1]
        await self.index_once()

    async def _read(self) -> None:
        """Read what is told of assets that came to have vectors."""
        while self._unread:
            assets = self._reading = list(self._unread)[:LOAD_KEYS]
            for asset in assets:
                del self._unread[asset]
            rows = await self._store.fetch([("assets", asset, "") for asset in assets])
            scenes = [packed for asset in assets for packed in await self._store.get_packed("scenes", asset, None)]
            for entry in map(unpack, (*rows, *scenes)):
                if entry.table == "scenes":
                    self._scene(entry)
                else:
                    self._asset(entry)
            self._reading = []

    def _told(self, entry: Entry) -> None:
        if entry.pk in self._reading:
            self._unread[entry.pk] = None  # what was read may be older than this
            self._wake.set()
        elif entry.table == "scenes":
            self._scene(entry)
        else:
            self._asset(entry)

    async def index_once(self) -> None:
        """Bring all waiting changes into the indexes."""
        await self._read()
        while self._reload:
            asset = next(iter(self._reload))
            del self._reload[asset]
            for entry in await self._store.get("vectors", asset, None):
                self._vector(entry)
        for model in list(self._models.values()):
            while model.adding or model.removing:
                gone, model.removing = list(model.removing), {}
                if gone:
                    await self._executor.run(model.index.remove, gone)
                keys = list(model.adding)[:BATCH]
                vectors = b"".join(model.adding[key] for key in keys)
                if keys:
                    await self._executor.run(model.index.add, keys, vectors)
                for key in keys:
                    del model.adding[key]

    def _mine(self, entry: Entry) -> bool:
        partition = partition_of(entry.pk)
        return partition in self._loaded or partition in self._loading

    def _asset(self, entry: Entry) -> None:
        if not self._mine(entry):
            return
        known = self._assets.get(entry.pk)
        if known is None:
            return
        fields = entry.row().fields
        self._file(entry.pk, known, _text(fields.get("camera")), _text(fields.get("kind")))
        known.name, known.poster = _text(fields.get("name")), _hex(fields.get("poster"))
        known.base_ms = _number(fields.get("started_ms")) or _number(fields.get("created_ms"))
        trashed = bool(fields.get("trashed_ms")) or not entry.alive
        if trashed and not known.trashed:
            for model in self._models.values():
                for key in list(model.by_asset.get(entry.pk, ())):
                    self._forget(model, key)
        elif known.trashed and not trashed:
            self._reload[entry.pk] = None
        known.trashed = trashed
        self._wake.set()

    def _file(self, asset: str, known: _Asset, camera: str, kind: str) -> None:
        """Put an asset under its camera and kind, so that a filter looks at no others; empty: under none."""
        for by, before, now in ((self._of_camera, known.camera, camera), (self._of_kind, known.kind, kind)):
            if before != now:
                if before:
                    by[before].pop(asset, None)
                    if not by[before]:
                        del by[before]
                if now:
                    by.setdefault(now, {})[asset] = None
        known.camera, known.kind = camera, kind

    def _scene(self, entry: Entry) -> None:
        if not self._mine(entry):
            return
        known = self._assets.get(entry.pk)
        if known is None:
            return
        start_ms = int(entry.sk) if entry.sk.isdecimal() else 0
        known.scenes = [scene for scene in known.scenes if scene[0] != start_ms]
        if entry.alive:
            fields = entry.row().fields
            known.scenes.append((start_ms, _number(fields.get("end_ms")), _hex(fields.get("hero"))))
            known.scenes.sort()

    def _vector(self, entry: Entry) -> None:
        if not self._mine(entry):
            return
        row = entry.row()
        name, vector = _text(row.fields.get("model")), row.fields.get("vector")
        at_ms = _number(row.fields.get("at_ms"))
        if not entry.alive:
            name, _, at_text = entry.sk.rpartition("/")
            model = self._models.get(name)
            if model is not None and at_text.isdecimal() and (key := model.keys.get((entry.pk, int(at_text)))):
                self._forget(model, key)
                self._wake.set()
            return
        known = self._assets.get(entry.pk)
        if not name or not isinstance(vector, bytes) or not vector or (known is not None and known.trashed):
            return
        if not self._embeds(entry.fields["vector"][0][1]):
            return
        model = self._model(name, len(vector) // 4)
        if model is None or len(vector) != 4 * model.index.dimension:
            _log.warning("vector of another length left out", model=name, asset=entry.pk, bytes=len(vector))
            return
        if known is None:
            self._assets[entry.pk] = _Asset()
            self._unread[entry.pk] = None
        slot = (entry.pk, at_ms)
        key = model.keys.get(slot, 0)
        if not key:
            model.last += 1
            key = model.keys[slot] = model.last
        model.moments[key] = (entry.pk, at_ms, _texts(row.fields.get("tags")))
        model.by_asset.setdefault(entry.pk, {})[key] = None
        model.adding[key] = vector
        self._wake.set()

    def _model(self, name: str, dimension: int) -> _Model | None:
        model = self._models.get(name)
        if model is None and len(self._models) < MODELS_MAX and dimension:
            model = self._models[name] = _Model(self._make_index(dimension))
        return model

    def _forget(self, model: _Model, key: int) -> None:
        asset, at_ms, _ = model.moments.pop(key)
        model.keys.pop((asset, at_ms), None)
        model.by_asset.get(asset, {}).pop(key, None)
        model.adding.pop(key, None)
        model.removing[key] = None

    # ------------------------------------------------------------ answering

    async def _search(self, message: SearchShard) -> ShardHits:
        asked = partitions_in(message.partitions)
        synced = self._counting_by(message.bases)
        unready = bits_of(number for number in asked if number not in self._loaded or number not in synced)
        model = self._models.get(message.model)
        if model is None:
            return ShardHits((), unready)
        if len(message.vector) != 4 * model.index.dimension:
            raise Refused(f"vectors of {message.model} have {model.index.dimension} numbers")
        allowed = self._allowed(model, message)
        search = functools.partial(model.index.search, message.vector, message.k, allowed)
        hits = []
        for neighbour in await self._executor.run(search):
            moment = model.moments.get(neighbour.key)
            if moment is not None:
                hits.append(self._hit(*moment, neighbour.similarity))
        return ShardHits(tuple(hits), unready)

    def _allowed(self, model: _Model, message: SearchShard) -> AbstractSet[int] | None:
        if not (message.camera or message.kind or message.since_ms is not None or message.until_ms is not None):
            return None
        allowed: set[int] = set()
        for asset in self._asked(message):
            known, keys = self._assets.get(asset), model.by_asset.get(asset)
            if known is not None and keys:
                allowed.update(_within(model, known, keys, message.since_ms, message.until_ms))
        return allowed

    def _asked(self, message: SearchShard) -> Iterable[str]:
        """Give the assets of the camera and kind asked for."""
        of_camera = self._of_camera.get(message.camera, {}) if message.camera else None
        of_kind = self._of_kind.get(message.kind, {}) if message.kind else None
        if of_camera is None:
            return self._assets if of_kind is None else of_kind
        if of_kind is None:
            return of_camera
        few, many = sorted((of_camera, of_kind), key=len)
        return [asset for asset in few if asset in many]

    def _hit(self, asset: str, at_ms: int, tags: tuple[str, ...], similarity: float) -> ShardHit:
        known = self._assets.get(asset) or _Asset()
        start_ms, end_ms, hero = 0, 0, ""
        at = bisect_right(known.scenes, at_ms, key=lambda scene: scene[0]) - 1
        if at >= 0 and at_ms <= known.scenes[at][1]:
            start_ms, end_ms, hero = known.scenes[at]
        return ShardHit(
            asset,
            at_ms,
            similarity,
            known.name[:512],
            known.kind[:64],
            known.camera[:64],
            known.poster,
            start_ms,
            end_ms,
            hero,
            tags[:16],
        )


def _within(
    model: _Model, known: _Asset, keys: Iterable[int], since_ms: int | None, until_ms: int | None
) -> Iterable[int]:
    if since_ms is None and until_ms is None:
        return keys
    low = -1 if since_ms is None else since_ms - known.base_ms
    high = None if until_ms is None else until_ms - known.base_ms
    return [key for key in keys if low <= model.moments[key][1] and (high is None or model.moments[key][1] <= high)]


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Value) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, tuple) else ()


def _hex(value: Value) -> str:
    return value.hex() if isinstance(value, bytes) else value[:64] if isinstance(value, str) else ""


def _number(value: Value) -> int:
    return int(value) if isinstance(value, int | float) else 0

"""Search from any node: words made into a vector here or by a node with the model, one replica of every partition
asked and a second one when it is slow, words of names and tags beside it, all fused.

Invariant: what the answer lacks, it says: partitions nobody answered for are in ``shards_total`` and not in
``shards_ok``, and without a model in reach the answer names the part and how to add it.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from mesh.actors.catalogue import Catalogue
from mesh.actors.placement import LayoutView
from mesh.actors.system import ActorSystem
from mesh.core.query import Op, Query, Where, bits_of, matches, partitions_in
from mesh.core.rows import Row
from mesh.core.search import (
    Found,
    Hit,
    Moment,
    SearchAnswer,
    Worded,
    fuse,
    lexical_words,
    merge_top,
    moments,
    shard_k,
    word_reason,
)
from mesh.ports import Embedder, PortError, Unavailable
from proto.codec import Value
from proto.ids import PARTITIONS, ModelId, NodeId, PartitionId
from proto.messages.search import AskWaiting, Embedded, EmbedText, SearchShard, ShardHit, ShardHits, Waiting

SHARD_ACTOR = "search"
ENCODER_ACTOR = "encoder"
WAITING_ACTOR = "search/waiting"
WAITING_TIMEOUT_S = 1.0
"""How long a search waits for the counts of what is not indexed yet; a node silent for longer is left out."""
HEDGE_S = 0.25
"""A replica slower than this gets company."""
SHARD_TIMEOUT_S = 3.0
EMBED_TIMEOUT_S = 20.0
MODELS_MAX = 3
"""Models of the mesh searched at once: the newest generations, not every one there ever was."""
SEEN_ONLY = "words in what was seen in it"
"""Why an asset is found that a scene of its own, which opens at the place, says better."""
WORDED_MAX = 100
SCENE_ASSETS_MAX = 32
"""Assets read because a scene of theirs matches and they themselves do not."""
LIMIT_MAX = 100
TEXT_CHARS_MAX = 500

_log = structlog.get_logger("search")


class Models(Protocol):
    """Who can embed what."""

    def embedders(self) -> Mapping[ModelId, Sequence[NodeId]]:
        """Give the models of the mesh with the nodes alive that have them, in a stable order."""


@dataclass(frozen=True, slots=True)
class _Asked:
    words: str
    camera: str
    since_ms: int | None
    until_ms: int | None
    kind: str
    limit: int


class Search:
    """The search's face on one node. ``local`` gives the embedder this node has, if any; ``problem`` says why not."""

    def __init__(
        self,
        system: ActorSystem,
        catalogue: Catalogue,
        view: LayoutView,
        models: Models,
        local: Callable[[], Embedder | None],
        problem: Callable[[], str] = lambda: "",
    ) -> None:
        self._system = system
        self._catalogue = catalogue
        self._view = view
        self._models = models
        self._local = local
        self._problem = problem

    async def search(
        self,
        words: str,
        *,
        camera: str = "",
        since_ms: int | None = None,
        until_ms: int | None = None,
        kind: str = "",
        limit: int = 20,
    ) -> SearchAnswer:
        """Find moments by words. Times are UTC milliseconds; empty or None: any. ``limit`` is at most LIMIT_MAX."""
        words = " ".join(words.split())[:TEXT_CHARS_MAX]
        limit = max(1, min(limit, LIMIT_MAX))
        if not words:
            return SearchAnswer((), PARTITIONS, PARTITIONS, "", "")
        asked = _Asked(words, camera, since_ms, until_ms, kind, limit)
        lexical, seen, counted = await asyncio.gather(self._by_words(asked), self._by_looks(asked), self._waiting())
        worded, words_ok = lexical
        rankings, looks_ok, models, problem = seen
        hits: tuple[Hit, ...] = fuse(rankings, worded, limit)
        shards_ok = min(words_ok, looks_ok)
        missing = [problem] if problem else []
        if shards_ok < PARTITIONS:
            missing.append(
                f"{PARTITIONS - shards_ok} of {PARTITIONS} shards did not answer, because the nodes that hold them are "
                "away or still catching up; what is in them is missing here"
            )
        return SearchAnswer(hits, shards_ok, PARTITIONS, ", ".join(models), "; ".join(missing), *counted)

    # ------------------------------------------------------------ not in the index yet

    async def _waiting(self) -> tuple[int, int]:
        """Give how many takes still run and how many assets wait, by asking one replica of each partition."""
        known = {*self._models.embedders()}
        local = self._local()
        if local is not None:
            known.add(local.model)
        models = tuple(sorted(known)[:MODELS_MAX])
        wanted: dict[NodeId, list[int]] = {}
        for part, nodes in self._view.presence().items():
            for node in nodes[:1]:
                wanted.setdefault(node, []).append(part)

        async def ask(node: NodeId, partitions: list[int]) -> tuple[int, int]:
            message = AskWaiting(bits_of(partitions), models)
            try:
                told = await self._system.ask(node, WAITING_ACTOR, message, Waiting, timeout_s=WAITING_TIMEOUT_S)
            except PortError as error:
                _log.debug("waiting not counted", peer=node[:8], error=str(error))
                return 0, 0
            return told.recording, told.waiting

        answers = await asyncio.gather(*(ask(node, partitions) for node, partitions in wanted.items()))
        return sum(one for one, _ in answers), sum(other for _, other in answers)

    # ------------------------------------------------------------ by words

    async def _by_words(self, asked: _Asked) -> tuple[list[Worded], int]:
        text = lexical_words(asked.words)
        if not text:
            return [], PARTITIONS
        conditions: list[tuple[str, Op, Value]] = [("trashed_ms", "missing", None)]
        if asked.camera:
            conditions.append(("camera", "eq", asked.camera))
        if asked.kind:
            conditions.append(("kind", "eq", asked.kind))
        where = tuple(Where(*one) for one in conditions)
        page, scenes = await asyncio.gather(
            self._catalogue.scan(Query("assets", where, text, order="rank", limit=WORDED_MAX)),
            self._catalogue.scan(Query("scenes", (), text, order="rank", limit=WORDED_MAX)),
        )
        told: dict[str, Row | None] = {row.pk: row for row in page.rows}
        others = list(dict.fromkeys(row.pk for row in scenes.rows if row.pk not in told))[:SCENE_ASSETS_MAX]
        told.update(zip(others, await asyncio.gather(*(self._asset(pk) for pk in others)), strict=True))
        ranked: list[tuple[int, Worded]] = []
        placed: set[str] = set()
        for scene in scenes.rows:
            asset = told.get(scene.pk)
            if asset is None or not matches(asset, where) or not _scene_in_time(asset, scene, asked):
                continue
            order, why = word_reason(scene, text)
            ranked.append((order, _worded_scene(asset, scene, why.replace("its tags", "what was seen here"))))
            placed.add(scene.pk)
        for row in page.rows:
            if _in_time(row, asked.since_ms, asked.until_ms):
                order, why = word_reason(row, text)
                if row.pk not in placed or why != SEEN_ONLY:
                    ranked.append((order, _worded(row, why)))
        ranked.sort(key=lambda pair: pair[0])
        return [found for _, found in ranked], min(page.partitions_ok, scenes.partitions_ok)

    async def _asset(self, asset: str) -> Row | None:
        try:
            return await self._catalogue.get("assets", asset)
        except PortError as error:
            _log.info("asset of a scene not read", asset=asset, error=str(error))
            return None

    # ------------------------------------------------------------ by looks

    async def _by_looks(self, asked: _Asked) -> tuple[list[list[Moment]], int, list[str], str]:
        known = dict(self._models.embedders())
        local = self._local()
        if local is not None:
            known.setdefault(local.model, [])
        if not known:
            why = self._problem() or "add one with: pip install 'thatdam[ai]' on a node with the encoder role"
            return (
                [],
                PARTITIONS,
                [],
                "search by what pictures show is off, because no reachable node has a model, so only names, tags and "
                f"details were searched; {why}",
            )
        names = sorted(known)[:MODELS_MAX]
        made = await asyncio.gather(*(self._embed(name, known[name], local, asked.words) for name in names))
        vectors = [one for one in made if one is not None]
        if not vectors:
            return [], PARTITIONS, [], f"search by what pictures show is off: no node could run the model {names[0]}"
        answers = await asyncio.gather(*(self._shards(vector, asked) for vector in vectors))
        rankings = [frames for frames, _ in answers]
        return rankings, min(ok for _, ok in answers), [vector.model for vector in vectors], ""

    async def _embed(
        self, model: ModelId, nodes: Sequence[NodeId], local: Embedder | None, words: str
    ) -> Embedded | None:
        if local is not None and local.model == model:
            try:
                return Embedded(model, await local.embed_text(words), local.floor)
            except PortError as error:
                _log.warning("words not embedded here", model=model, error=str(error))
        for node in nodes:
            if node == self._system.node_id:
                continue
            try:
                return await self._system.ask(
                    node, ENCODER_ACTOR, EmbedText(model, words), Embedded, timeout_s=EMBED_TIMEOUT_S
                )
            except PortError as error:
                _log.info("words not embedded", peer=node[:8], model=model, error=str(error))
        return None

    async def _shards(self, vector: Embedded, asked: _Asked) -> tuple[list[Moment], int]:
        k = shard_k(asked.limit)
        gathered = _Gathering(self._view)
        stores = bool(self._view.layout.places)
        async with asyncio.TaskGroup() as group:
            running: dict[asyncio.Task[ShardHits | None], list[int]] = {}

            def start(wanted: Mapping[NodeId, list[int]]) -> None:
                bases = self._view.bases()
                for node, partitions in wanted.items():
                    task = group.create_task(self._ask(node, vector, asked, k, partitions, bases))
                    running[task] = partitions

            start(gathered.next(range(PARTITIONS)))
            hedged = False
            while running and not gathered.whole:
                done, _ = await asyncio.wait(
                    running, timeout=None if hedged else HEDGE_S, return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    hedged = True
                    start(gathered.next(gathered.waiting()))
                for task in done:
                    failed = gathered.take(task.result(), running.pop(task))
                    start(gathered.next(failed))
            for task in running:
                task.cancel()
        frames = merge_top(gathered.answers, k, vector.floor)
        return moments(frames), gathered.answered if stores else PARTITIONS

    async def _ask(
        self, node: NodeId, vector: Embedded, asked: _Asked, k: int, partitions: list[int], bases: tuple[str, ...]
    ) -> ShardHits | None:
        message = SearchShard(
            vector.model,
            vector.vector,
            k,
            bits_of(partitions),
            asked.camera,
            asked.kind,
            asked.since_ms,
            asked.until_ms,
            bases,
        )
        try:
            return await self._system.ask(node, SHARD_ACTOR, message, ShardHits, timeout_s=SHARD_TIMEOUT_S)
        except Unavailable as error:
            _log.info("shard silent", peer=node[:8], error=str(error))
        except PortError as error:
            _log.warning("shard failed", peer=node[:8], error=str(error))
        return None


class _Gathering:
    """Which partitions have been answered for, and whom to ask next for the others."""

    def __init__(self, view: LayoutView) -> None:
        self._view = view
        self._left: dict[int, list[NodeId]] = {}
        self._open: dict[int, None] = dict.fromkeys(range(PARTITIONS))
        self.answers: list[list[Found]] = []

    @property
    def answered(self) -> int:
        """Partitions answered for."""
        return PARTITIONS - len(self._open)

    @property
    def whole(self) -> bool:
        """Whether nothing is left to wait for."""
        return not self._open

    def waiting(self) -> list[int]:
        """Give the partitions nobody has answered for yet."""
        return list(self._open)

    def next(self, partitions: Sequence[int]) -> dict[NodeId, list[int]]:
        """Give the next replica to ask of each partition; none where all have been asked."""
        wanted: dict[NodeId, list[int]] = {}
        presence = self._view.presence()
        for number in partitions:
            left = self._left.get(number)
            if left is None:
                left = self._left[number] = list(presence[PartitionId(number)])
            if left:
                wanted.setdefault(left.pop(0), []).append(number)
        return wanted

    def take(self, answer: ShardHits | None, partitions: list[int]) -> list[int]:
        """Take an answer; gives the partitions still without one."""
        if answer is None:
            return [number for number in partitions if number in self._open]
        self.answers.append([_found(hit) for hit in answer.hits])
        unready = dict.fromkeys(partitions_in(answer.unready))
        for number in partitions:
            if number not in unready:
                self._open.pop(number, None)
        return [number for number in unready if number in self._open]


def _found(hit: ShardHit) -> Found:
    return Found(
        hit.asset,
        hit.at_ms,
        hit.similarity,
        hit.name,
        hit.kind,
        hit.camera,
        hit.poster,
        hit.scene_start_ms,
        hit.scene_end_ms,
        hit.hero,
        hit.tags,
    )


def _worded(row: Row, why: str) -> Worded:
    return Worded(row.pk, _told(row, "name"), _told(row, "kind"), _told(row, "camera"), _told(row, "poster"), why)


def _worded_scene(asset: Row, scene: Row, why: str) -> Worded:
    start_ms, end_ms = _scene_span(scene)
    return dataclasses.replace(_worded(asset, why), at_ms=start_ms, end_ms=end_ms, hero=_told(scene, "hero"))


def _told(row: Row, name: str) -> str:
    value = row.fields.get(name)
    return value.hex() if isinstance(value, bytes) else value if isinstance(value, str) else ""


def _scene_span(scene: Row) -> tuple[int, int]:
    end = scene.fields.get("end_ms")
    start_ms = int(scene.sk) if scene.sk.isdecimal() else 0
    return start_ms, max(start_ms, end) if isinstance(end, int) else start_ms


def _base_ms(row: Row) -> int:
    started = row.fields.get("started_ms") or row.fields.get("created_ms")
    return started if isinstance(started, int) else 0


def _scene_in_time(asset: Row, scene: Row, asked: _Asked) -> bool:
    base_ms = _base_ms(asset)
    start_ms, end_ms = _scene_span(scene)
    return (asked.since_ms is None or base_ms + end_ms >= asked.since_ms) and (
        asked.until_ms is None or base_ms + start_ms <= asked.until_ms
    )


def _in_time(row: Row, since_ms: int | None, until_ms: int | None) -> bool:
    ended, start_ms = row.fields.get("ended_ms"), _base_ms(row)
    end_ms = ended if isinstance(ended, int) and ended else start_ms
    return (since_ms is None or end_ms >= since_ms) and (until_ms is None or start_ms <= until_ms)

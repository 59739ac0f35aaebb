"""Search over 100,000 vectors on three nodes with two copies: how long it takes, and how much it finds.

The rows are put into the nodes' databases while they are stopped, as they would lie there after as many pictures were
taken in; the nodes build their indexes from them. Vectors are mixtures of the vectors of a thousand words with noise,
so that queries have neighbours. Baseline: the same queries over all vectors by brute force (numpy) in this process,
which is also what recall is judged by; and the time of one HNSW index with all vectors in it.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import hnswlib
import httpx
import numpy as np
import numpy.typing as npt

from mesh.actors.rowstore import RowStore
from mesh.adapters.tables import SqliteTables
from mesh.core.placement import partition_of
from mesh.core.rows import Change, apply, pack
from proto.codec import Value
from proto.ids import NodeId
from roles.encoder.adapters.embedder_offline import DIMENSION, FLOOR, MODEL, OfflineEmbedder
from simulations.benchmarks.filling import layout_of, settled, start_again
from simulations.benchmarks.measure import Figure
from simulations.hosts.processes import Process, mesh, until

VECTORS = 100_000
QUERIES = 200
WORDS = 1000
LIMIT = 10
BATCH = 2000
STAMP_MS = 1_793_600_000_000
Array = npt.NDArray[np.float32]
_COLOURS = ("red", "blue", "green", "old", "new", "small", "large", "wooden", "broken", "shiny")
_THINGS = (
    *("dog", "cat", "horse", "car", "bus", "boat", "bridge", "tower", "cup", "guitar", "piano", "clock", "bottle"),
    *("chair", "laptop", "camera", "umbrella", "bicycle", "train", "rocket", "temple", "church", "castle", "flower"),
    *("tree", "mountain", "beach", "lake", "pizza", "banana", "orange", "apple", "violin", "drum", "hat", "shoe"),
)


def _unit(rows: Array) -> Array:
    unit: Array = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _words() -> list[str]:
    return [f"{colour} {thing} {number}" for number in range(3) for colour in _COLOURS for thing in _THINGS][:WORDS]


def _corpus(embedder: OfflineEmbedder, words: Sequence[str]) -> Array:
    base = np.stack([np.frombuffer(embedder.embed_text(word), np.float32) for word in words])
    chance = np.random.default_rng(1)
    first, second = chance.integers(0, len(words), (2, VECTORS))
    noise = chance.normal(0, 0.6 / np.sqrt(DIMENSION), (VECTORS, DIMENSION)).astype(np.float32)
    return _unit(base[first] + 0.5 * base[second] + noise)


def _camera(number: int) -> str:
    return "one" if number % 100 == 0 else "ten" if number % 10 == 1 else "rest"


def _asset(number: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    text = ""
    for _ in range(26):
        number, place = divmod(number, 32)
        text += letters[place]
    return text


async def _fill(node: Path, one: NodeId, writer: NodeId, vectors: Array) -> None:
    """Put the rows that a stopped node would hold into its database."""
    layout = await layout_of(node / "node.db")
    store = RowStore(SqliteTables(node / "node.db"))
    await store.open()
    waiting: list[bytes] = []
    for number in range(VECTORS):
        asset = _asset(number)
        if one not in layout.owners(partition_of(asset), 2):
            continue
        # Of no kind that jobs look into: what was seen is there already, and there are no bytes to look at.
        told: dict[str, Value] = {"kind": "other", "name": "p", "camera": _camera(number), "created_ms": STAMP_MS}
        told |= {"state": "ready", "probed": "1"}
        seen: dict[str, Value] = {"model": MODEL, "vector": vectors[number].tobytes(), "at_ms": 0}
        dot = ((STAMP_MS << 16) + number, writer)
        waiting.append(pack(apply(None, Change("assets", asset, set=told), dot)))
        waiting.append(pack(apply(None, Change("vectors", asset, f"{MODEL}/{0:012d}", set=seen), dot)))
        if len(waiting) >= BATCH:
            await store.take(waiting)
            waiting = []
    await store.take(waiting)


def _fill_all(nodes: Sequence[Process], ids: Sequence[str], vectors: Array) -> None:
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        made = [
            pool.submit(_fill_one, node.data, NodeId(one), NodeId(ids[0]), vectors)
            for node, one in zip(nodes, ids, strict=True)
        ]
        for each in made:
            each.result()


def _fill_one(node: Path, one: NodeId, writer: NodeId, vectors: Array) -> None:
    asyncio.run(_fill(node, one, writer, vectors))


def _ask(client: httpx.Client, words: str, camera: str) -> tuple[float, list[str]]:
    began = time.perf_counter()
    answer = client.get("/api/v1/search", params={"q": words, "limit": LIMIT, "camera": camera})
    taken = time.perf_counter() - began
    answer.raise_for_status()
    body = answer.json()
    assert body["shards_ok"] == body["shards_total"], body["missing"]
    return taken, [hit["asset"] for hit in body["hits"]]


def _quantiles(times: Sequence[float]) -> str:
    cut = statistics.quantiles(times, n=100)
    return f"p50 {cut[49] * 1000:.0f} ms, p99 {cut[98] * 1000:.0f} ms"


def _say(what: str) -> None:
    print(f"  {what}", file=sys.stderr, flush=True)


def run() -> list[Figure]:
    """Measure."""
    words = _words()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        embedder = OfflineEmbedder(folder)
        vectors = _corpus(embedder, words)
        queries = [word.rpartition(" ")[0] for word in words[:QUERIES]]
        nodes = mesh(folder, 3, "--copies", "2", settings={"THATDAM_NODE_ROLES": "storage,encoder"})
        try:
            ids = [node.node_id for node in nodes]
            until(lambda: all(settled(node, len(nodes)) for node in nodes), 120, "the layout is settled")
            for node in reversed(nodes):
                node.stop()
            _say("putting the rows into the nodes")
            _fill_all(nodes, ids, vectors)
            _say("starting the nodes and building their indexes")
            nodes[0].port = 0
            for node in nodes:
                start_again(node, nodes[0])
            return _measure(nodes, embedder, vectors, queries)
        finally:
            for node in reversed(nodes):
                node.stop()


def _ready(node: Process) -> bool:
    answer = node.get("/api/v1/search", q="dog", limit=1)
    return bool(answer["shards_ok"] == answer["shards_total"] and answer["model"] and answer["hits"])


def _measure(
    nodes: Sequence[Process], embedder: OfflineEmbedder, vectors: Array, queries: Sequence[str]
) -> list[Figure]:
    began = time.monotonic()
    for node in nodes:
        until(lambda node=node: _ready(node), 600, "every shard answers")  # type: ignore[misc]
    ready_s = time.monotonic() - began
    until(lambda: all(settled(node, len(nodes)) for node in nodes), 600, "every row is where it belongs")
    _say(f"every shard answers after {ready_s:.0f} s; asking")
    client = nodes[1].http()
    cameras = np.array([_camera(number) for number in range(VECTORS)])
    number_of = {_asset(number): number for number in range(VECTORS)}
    one = hnswlib.Index("cosine", DIMENSION)
    one.init_index(VECTORS, M=16, ef_construction=200)
    one.set_ef(128)
    one.add_items(vectors)
    figures = []
    for what, camera, target in (
        ("search over 100,000 vectors on 3 nodes", "", "50 ms p50; recall@10 0.98"),
        ("the same, a filter keeps 10 %", "ten", "recall@10 0.95"),
        ("the same, a filter keeps 1 %", "one", "recall@10 0.95"),
    ):
        kept = np.flatnonzero(cameras == camera) if camera else np.arange(VECTORS)
        some = vectors[kept]
        times, plain, recalls, graph = [], [], [], []
        for words in queries:
            took, found = _ask(client, words, camera)
            times.append(took)
            query = np.frombuffer(embedder.embed_text(words), np.float32)
            start = time.perf_counter()
            scores = some @ query
            best = np.argpartition(-scores, LIMIT)[:LIMIT]
            plain.append(time.perf_counter() - start)
            if not camera:
                start = time.perf_counter()
                one.knn_query(query, LIMIT)
                graph.append(time.perf_counter() - start)
            wanted = {int(kept[at]) for at in best if scores[at] >= FLOOR}
            got = {number_of[asset] for asset in found}
            if wanted:
                recalls.append(len(wanted & got) / len(wanted))
        base = f"brute force in one process {_quantiles(plain)}"
        if graph:
            base += f"; one HNSW index {_quantiles(graph)}; neither makes words into a vector"
        told = f"{_quantiles(times)}, recall@10 {statistics.fmean(recalls):.3f}"
        figures.append(Figure(what, told, base, target, len(queries)))
    figures.append(Figure("from start to every shard answering", f"{ready_s:.0f} s", "-", "stated", 1))
    return figures

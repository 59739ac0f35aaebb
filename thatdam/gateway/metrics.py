"""What Prometheus reads: a picture of the node taken at the moment it asks, ``thatdam_*`` by its naming rules.

Nothing is counted here but requests; each number is read from the room that keeps it. Labels are bounded: actors, task
families and tables by name, never ids of cameras, assets or people.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from mesh.actors.chunks import Lag
from mesh.core.following import Why
from roles.storage.collector import Reclaiming
from roles.storage.repair import RepairReport
from thatdam import __version__
from thatdam.gateway.guard import Guard
from thatdam.gateway.problems import TEXT, failing, media
from thatdam.gateway.traffic import BUCKETS_S, Traffic
from thatdam.node import Node


@dataclass(frozen=True, slots=True)
class Gathered:
    """What has to be awaited before a scrape can be written."""

    rows: int
    rows_waiting: int
    lag: Lag
    reclaiming: Reclaiming
    disk_total_bytes: int
    disk_free_bytes: int
    repair: RepairReport


async def gather(node: Node) -> Gathered:
    """Ask the node's stores."""
    rows, waiting = await node.catalogue.counts()
    disk = await asyncio.to_thread(shutil.disk_usage, node.data)
    return Gathered(
        rows,
        waiting,
        node.chunks.lag(),
        await node.collector.report(),
        disk.total,
        disk.free,
        await node.repair.report(),
    )


async def registry(node: Node, traffic: Traffic) -> CollectorRegistry:
    """Give everything that is told of a node now."""
    made = CollectorRegistry()
    made.register(NodeCollector(node, traffic, await gather(node)))
    ProcessCollector(namespace="thatdam", registry=made)
    return made


class NodeCollector(Collector):
    """One picture of a node, as metric families."""

    def __init__(self, node: Node, traffic: Traffic, gathered: Gathered) -> None:
        self._node = node
        self._traffic = traffic
        self._gathered = gathered

    def collect(self) -> Iterator[Metric]:
        """Give the families."""
        info = InfoMetricFamily("thatdam_build", "This node and its release")
        info.add_metric([], {"version": __version__, "node": self._node.node_id})
        yield info
        yield from self._stores()
        yield from self._repair()
        yield from self._index()
        yield from self._jobs()
        yield from self._live()
        yield from self._tasks()
        yield from self._actors()
        yield from self._http()

    def _stores(self) -> Iterator[Metric]:
        gathered = self._gathered
        yield _gauge("thatdam_rows", "Catalogue rows on this node", gathered.rows)
        yield _gauge(
            "thatdam_rows_waiting", "Rows written here that their holders have not confirmed", gathered.rows_waiting
        )
        yield _gauge("thatdam_chunks", "Chunks on this node", len(self._node.store))
        yield _gauge("thatdam_copy_lag_chunks", "Chunks here that too few nodes have", gathered.lag.chunks)
        yield _gauge("thatdam_copy_lag_bytes", "Bytes here that too few nodes have", gathered.lag.bytes)
        yield _gauge(
            "thatdam_copy_lag_seconds", "Age of the oldest chunk that too few nodes have", gathered.lag.seconds
        )
        idle, scrub = gathered.reclaiming, self._node.repair.scrub
        yield _gauge("thatdam_reclaimable_bytes", "Bytes here that nobody refers to any more", idle.bytes)
        yield _counter("thatdam_reclaimed_bytes", "Bytes that were collected here", idle.reclaimed_bytes)
        yield _gauge("thatdam_collection_held_up_by", "Nodes for whose word collection waits", len(idle.held_up_by))
        yield _gauge(
            "thatdam_scrub_ended_seconds", "When the last whole scrub ended, Unix time", scrub.last_ended_ms / 1000
        )
        yield _counter("thatdam_scrub_damaged_chunks", "Damaged chunks that scrubs found here", scrub.found)
        yield _gauge("thatdam_disk_size_bytes", "Size of the data folder's disk", gathered.disk_total_bytes)
        yield _gauge("thatdam_disk_free_bytes", "Room left on the data folder's disk", gathered.disk_free_bytes)
        yield _counter(
            "thatdam_peers_misbehaved",
            "Links that were cut because of what the peer sent",
            self._node.network.misbehaved,
        )
        yield _counter(
            "thatdam_strangers_refused",
            "Connections and datagrams of strangers that were ignored",
            self._node.network.strangers_refused,
        )
        relay = self._node.relay
        yield _gauge("thatdam_relay_links", "Pairs of nodes this node carries", len(relay.carrying))
        yield _counter("thatdam_relay_carried_bytes", "Bytes this node carried for others", relay.carried_bytes)
        yield _counter(
            "thatdam_relay_dropped_datagrams", "Datagrams of others that were more than it gives", relay.dropped
        )
        yield _gauge("thatdam_takes_recording", "Takes this node records now", len(self._node.recorder.running()))

    def _repair(self) -> Iterator[Metric]:
        repair = self._gathered.repair
        yield _gauge("thatdam_chunks_short", "Chunks with too few copies that this node tells of", repair.chunks_short)
        yield _gauge("thatdam_chunks_repairing", "Of these, those being copied", repair.chunks_repairing)
        yield _gauge("thatdam_chunks_damaged", "Chunks found damaged here and not mended yet", repair.chunks_damaged)
        yield _gauge("thatdam_chunks_unfound", "Of these, those no node that can be reached has", repair.chunks_unfound)
        yield _gauge(
            "thatdam_partitions_behind", "Partitions this node is still catching up with", repair.partitions_behind
        )
        yield _gauge("thatdam_rows_held", "Rows too far ahead of the clock, held until stamped again", repair.rows_held)
        yield _gauge(
            "thatdam_rows_to_pass_on", "Rows kept for owners that have not confirmed them", repair.rows_to_pass_on
        )
        yield _counter(
            "thatdam_moved_bytes",
            "Bytes given to others only because they hold them by a changed layout",
            self._node.chunks.moving().moved_bytes,
        )
        packer = self._node.packer
        yield _gauge("thatdam_takes_to_pack", "Takes to be looked at for packing", packer.waiting if packer else None)
        yield _counter(
            "thatdam_stretches_packed", "Stretches of takes packed here", packer.stretches_packed if packer else None
        )

    def _index(self) -> Iterator[Metric]:
        shards = self._node.shards
        vectors = GaugeMetricFamily(
            "thatdam_index_vectors", "Vectors this node answers searches from", labels=["model"]
        )
        for model, count in (shards.sizes() if shards is not None else {}).items():
            vectors.add_metric([model], count)
        yield vectors
        yield _gauge(
            "thatdam_index_changes_waiting", "Vectors to be put into or out of it", shards.behind if shards else None
        )

    def _jobs(self) -> Iterator[Metric]:
        leases, runner = self._node.leases, self._node.runner
        yield _gauge(
            "thatdam_jobs_open", "Jobs this node may lease out that are not done", leases.waiting if leases else None
        )
        yield _gauge("thatdam_jobs_running", "Jobs this node is at work on", len(runner.running()) if runner else None)
        yield _counter("thatdam_jobs_done", "Jobs this node did", runner.done if runner else None)
        yield _counter("thatdam_jobs_failed", "Attempts at jobs that failed here", runner.failed if runner else None)

    def _live(self) -> Iterator[Metric]:
        tracks = self._node.live.report()
        yield _gauge("thatdam_live_tracks", "Live tracks published or wanted here", len(tracks))
        viewers = GaugeMetricFamily("thatdam_live_viewers", "Subscribers of live tracks here", labels=["track"])
        lost = GaugeMetricFamily("thatdam_live_groups_lost", "Groups that present subscribers lost", labels=["track"])
        count: dict[str, int] = defaultdict(int)
        gone: dict[str, int] = defaultdict(int)
        for track in tracks:
            kind = track.name.rpartition("/")[2]
            count[kind] += track.subscribers
            gone[kind] += track.groups_lost
        for kind in sorted({"main", "jpeg", *count}):
            viewers.add_metric([kind], count[kind])
            lost.add_metric([kind], gone[kind])
        yield viewers
        yield lost

    def _tasks(self) -> Iterator[Metric]:
        restarts = CounterMetricFamily("thatdam_supervisor_restarts", "Restarts of supervised tasks", labels=["task"])
        errors = CounterMetricFamily("thatdam_supervisor_errors", "Failures of supervised tasks", labels=["task"])
        again: dict[str, int] = defaultdict(int)
        failed: dict[str, int] = defaultdict(int)
        for row in self._node.system.supervisor.report():
            family = row.name.partition("/")[0]
            again[family] += row.restarts
            failed[family] += row.errors
        for family in sorted(again):
            restarts.add_metric([family], again[family])
            errors.add_metric([family], failed[family])
        yield restarts
        yield errors
        pulse = self._node.pulse
        yield _gauge(
            "thatdam_loop_lag_worst_seconds", "Most that the event loop was late in ten seconds", pulse.worst_s
        )
        yield _gauge(
            "thatdam_loop_lag_median_seconds", "How late the event loop usually was in ten seconds", pulse.usual_s
        )

    def _actors(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("thatdam_actor_waiting", "Messages in a mailbox", labels=["actor"])
        handled = CounterMetricFamily("thatdam_actor_handled", "Messages an actor handled", labels=["actor"])
        overflows = CounterMetricFamily("thatdam_actor_overflows", "Messages a full mailbox refused", labels=["actor"])
        errors = CounterMetricFamily("thatdam_actor_errors", "Messages an actor failed at", labels=["actor"])
        for row in self._node.system.report():
            waiting.add_metric([row.name], row.waiting)
            handled.add_metric([row.name], row.handled)
            overflows.add_metric([row.name], row.overflows)
            errors.add_metric([row.name], row.errors)
        yield from (waiting, handled, overflows, errors)
        letters = CounterMetricFamily("thatdam_dead_letters", "Messages nobody handled, by why", labels=["reason"])
        for reason, count in self._node.system.letters.counts.items():
            letters.add_metric([reason.value], count)
        yield letters
        refused = CounterMetricFamily(
            "thatdam_roles_refused", "What was not taken of nodes without the role for it", labels=["role"]
        )
        for role, count in self._node.grants.refused.items():
            refused.add_metric([role], count)
        yield refused
        yield _counter("thatdam_events_dropped", "Events slow peers did not get", self._node.system.events_dropped)

    def _http(self) -> Iterator[Metric]:
        traffic = self._traffic
        answers = CounterMetricFamily("thatdam_http_requests", "Requests answered", labels=["method", "status"])
        for (method, status), count in sorted(traffic.answers.items()):
            answers.add_metric([method, str(status) if status else "left"], count)
        yield answers
        took = HistogramMetricFamily("thatdam_http_request_seconds", "Time until a request was answered whole")
        buckets, total = [], 0
        for bound in (*BUCKETS_S, float("inf")):
            total += traffic.took[bound]
            buckets.append(("+Inf" if bound == float("inf") else str(bound), float(total)))
        took.add_metric([], buckets, traffic.took_s)
        yield took
        events = self._node.events
        yield _gauge("thatdam_event_clients", "Open event feeds", events.followers)
        yield _counter("thatdam_events_missed", "Events that feeds were told are lost to them", events.missed)
        gaps = CounterMetricFamily("thatdam_event_gaps", "Gaps that feeds were told of, by why", labels=["reason"])
        for why in Why:
            gaps.add_metric([why.value], events.gaps[why])
        yield gaps


def install(app: FastAPI, node: Node, guard: Guard, traffic: Traffic) -> None:
    """Add the route."""

    @app.get(
        "/metrics",
        tags=["operations"],
        dependencies=[guard.local_or("viewer")],
        response_class=Response,
        responses=media({"text/plain": TEXT}) | failing(503),
    )
    async def metrics() -> Response:
        """Give the node's metrics for Prometheus."""
        return Response(generate_latest(await registry(node, traffic)), media_type=CONTENT_TYPE_LATEST)


def _gauge(name: str, told: str, value: float | None) -> GaugeMetricFamily:
    """Give a gauge; a value of None is one that a node without that role does not have."""
    return GaugeMetricFamily(name, told, value=value)


def _counter(name: str, told: str, value: float | None) -> CounterMetricFamily:
    return CounterMetricFamily(name, told, value=value)

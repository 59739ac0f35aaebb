"""P4: what was acknowledged is readable byte for byte; a take has at most the allowed loss, and states its holes.

The film knows every unit that left the source. A unit that is not in its take must lie in a stretch for which the
promise makes room: the last second before a crash (two where the machine never came back), until the source is open
again; a full disk; a machine that stood still. Where units are missing, and where the source itself was away for longer
than a moment, the timeline states a hole.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from mesh.core.manifest import Manifest
from mesh.ports import NotFound, PortError, Unavailable
from proto.ids import ChunkId
from roles.media.timeline import Page, Timeline, timeline
from simulations.checks.agreement import View, must_be_there
from simulations.checks.broken import Broken, few
from simulations.clients import content_of
from simulations.ledger import Ledger, Take
from simulations.nodes import Mesh
from simulations.world.film import GOP, RATE, VIDEO, Film, Shot
from simulations.world.world import Machine
from thatdam.node import Node

LOSS_RESTART_S = 1.0
LOSS_GONE_S = 2.0
BACK_S = 10.0
"""A machine that runs again opens its source and records it within so many seconds."""
HOLE_S = 0.6
"""A stretch without pictures as long as this must be stated."""
READ_LIMIT_S = 120.0


async def check_keeping(mesh: Mesh, ledger: Ledger, views: list[View]) -> list[Broken]:
    """Read everything back from nodes that did not take it in, where there are such; gives what is wrong."""
    broken: list[Broken] = []
    readers = [machine for machine in mesh.up() if machine.node is not None]
    if not readers or any(view.trouble for view in views):
        return broken
    for number, write in enumerate(ledger.writes):
        if write.kind == "file" and must_be_there(ledger, write):
            others = [machine for machine in readers if machine.name != write.node] or readers
            broken += await _check_file(mesh, others[number % len(others)], write.key, write.value)
    for number, take in enumerate(ledger.takes):
        others = [machine for machine in readers if machine.name != take.node] or readers
        broken += await _check_take(mesh, ledger, others[number % len(others)], take)
    return broken


async def _check_file(mesh: Mesh, reader: Machine[Node], asset: str, value: str) -> list[Broken]:
    async def read(node: Node) -> bytes:
        row = await node.catalogue.get("assets", asset)
        assert row is not None
        manifest: Manifest = await node.files.of(row)
        return b"".join([block async for block in node.files.read(manifest, 0, manifest.size)])

    try:
        data = await mesh.on(reader, read, READ_LIMIT_S)
    except (PortError, TimeoutError, AssertionError) as error:
        return [
            Broken("P4", f"{reader.name} cannot read the acknowledged file {value}: {type(error).__name__}: {error}")
        ]
    return [] if data == content_of(value) else [Broken("P4", f"{reader.name} reads other bytes of {value}")]


# ---------------------------------------------------------------- takes


@dataclass(frozen=True, slots=True)
class Found:
    """One sample of a part, as its bytes say."""

    track: int
    dts: int
    data: bytes


def samples_of(part: bytes) -> Iterator[Found]:
    """Take a CMAF part apart (ISO 14496-12: moof with traf, tfhd, tfdt, trun; then mdat)."""
    moof = next(body for kind, _, body in _boxes(part, 0, len(part)) if kind == b"moof")
    for kind, _, traf in _boxes(part, *moof):
        if kind != b"traf":
            continue
        track = dts = 0
        for inner, _, (start, _end) in _boxes(part, *traf):
            if inner == b"tfhd":
                (track,) = struct.unpack_from(">I", part, start + 4)
            elif inner == b"tfdt":
                (dts,) = struct.unpack_from(">Q", part, start + 4)
            elif inner == b"trun":
                count, at = struct.unpack_from(">Ii", part, start + 4)
                for row in range(count):
                    duration, size, _, _ = struct.unpack_from(">IIIi", part, start + 12 + 16 * row)
                    yield Found(track, dts, part[at : at + size])
                    dts += duration
                    at += size


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, tuple[int, int]]]:
    while start + 8 <= end:
        size = int.from_bytes(data[start : start + 4], "big")
        if size < 8 or start + size > end:
            raise ValueError("a box that does not fit")
        yield data[start + 4 : start + 8], start, (start + 8, start + size)
        start += size


async def _check_take(mesh: Mesh, ledger: Ledger, reader: Machine[Node], take: Take) -> list[Broken]:
    film = mesh.films.film(take.film)
    shots = {(shot.epoch, shot.track, shot.dts): shot for shot in film.shots}
    here: dict[tuple[int, int, int], None] = {}
    broken: list[Broken] = []

    async def read(node: Node) -> Timeline:
        pages = [Page.unpack(_body(row.fields["body"])) for row in await node.catalogue.rows("pages", take.take)]
        line = timeline(pages)
        for placed in line.parts:
            entry = placed.entry
            try:
                data = await node.chunks.get(ChunkId(entry.chunk), entry.offset, entry.size)
            except (NotFound, Unavailable):
                continue  # its units are missing: whether they may be is judged below
            for found in samples_of(data):
                name = (entry.epoch, found.track, found.dts)
                shot = shots.get(name)
                if shot is None or film.content(shot) != found.data:
                    told = f"track {found.track} at {found.dts} of opening {entry.epoch}"
                    broken.append(Broken("P4", f"the take of {take.node} holds what its source never gave: {told}"))
                here[name] = None
        return line

    try:
        line = await mesh.on(reader, read, READ_LIMIT_S)
    except (PortError, TimeoutError, ValueError, StopIteration) as error:
        told = f"{type(error).__name__}: {error}"
        return [Broken("P4", f"{reader.name} cannot read the take of {take.node} ({take.take[:8]}): {told}")]
    broken += _losses(ledger, take, film, here)
    broken += _holes(take, film, here, line, take.node in ledger.wrong_clocks)
    return broken[:20]


def _body(value: object) -> bytes:
    assert isinstance(value, bytes)
    return value


def _until_s(take: Take, film: Film) -> float:
    last = film.shots[-1].at_s if film.shots else 0.0
    return last if take.stop_asked_s is None else min(last, take.stop_asked_s)


def _losses(ledger: Ledger, take: Take, film: Film, here: dict[tuple[int, int, int], None]) -> list[Broken]:
    until_s = _until_s(take, film)
    allowed = _allowed(ledger, take)
    lost = [
        shot
        for shot in film.shots
        if take.started_s <= shot.at_s < until_s
        and (shot.epoch, shot.track, shot.dts) not in here
        and not any(low <= shot.at_s <= high for low, high in allowed)
    ]
    if not lost:
        return []
    at = [f"{low:.2f}-{high:.2f} s" for low, high in _stretches([shot.at_s for shot in lost], 0.1)]
    return [Broken("P4", f"{len(lost)} units of the take of {take.node} are lost without right: filmed at {few(at)}")]


def _allowed(ledger: Ledger, take: Take) -> list[tuple[float, float]]:
    stretches = []
    gone_s = ledger.gone.get(take.node)
    for outage in ledger.outages:
        if outage.node != take.node:
            continue
        until_s = outage.until_s if outage.until_s is not None else float("inf")
        if outage.kind == "crash":
            gone = gone_s is not None and outage.until_s is None
            stretches.append((outage.from_s - (LOSS_GONE_S if gone else LOSS_RESTART_S), until_s + BACK_S))
        elif outage.kind == "release":
            stretches.append((outage.from_s, until_s + BACK_S))
        elif outage.kind in ("pause", "full", "sick"):
            stretches.append((outage.from_s - LOSS_RESTART_S, until_s + BACK_S))
        elif outage.kind == "cut" and gone_s is not None:
            stretches.append((outage.from_s - LOSS_GONE_S, float("inf")))  # nobody else ever had it
    return stretches


def _stretches(times: list[float], apart_s: float) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for at in sorted(times):
        if found and at - found[-1][1] <= apart_s:
            found[-1] = (found[-1][0], at)
        else:
            found.append((at, at))
    return found


def _holes(
    take: Take, film: Film, here: dict[tuple[int, int, int], None], line: Timeline, wrong_clock: bool
) -> list[Broken]:
    """Every stretch without recorded pictures between two recorded ones is a stated hole, about as long.

    A machine that had lost the time cannot say how long: its hole is stated all the same.
    """
    kept: list[Shot] = [
        shot for shot in film.shots if shot.track == VIDEO.number and (shot.epoch, shot.track, shot.dts) in here
    ]
    broken = []
    stated = [gap.end_us - gap.start_us for gap in line.gaps]
    for before, after in pairwise(kept):
        hole_s = after.at_s - before.at_s
        if hole_s < HOLE_S:
            continue
        near = [one for one in stated if abs(one / 1e6 - hole_s) <= 1.0 or (wrong_clock and one == 0)]
        if near:
            stated.remove(near[0])
        else:
            told = f"nothing was recorded for {hole_s:.2f} s after {before.at_s:.2f} s"
            broken.append(Broken("P4", f"the take of {take.node} does not state a hole: {told}"))
    return broken + [
        Broken("P4", f"the take of {take.node} states a hole of {left / 1e6:.1f} s that is none")
        for left in stated
        if left / 1e6 >= GOP / RATE
    ]

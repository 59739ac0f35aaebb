"""Show what there is: a source opened by its worker, recorded as CMAF parts, put together as one MP4 and as HLS.

Everything lands in .demo/. Ctrl-C ends it cleanly; what was recorded until then is kept.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from blake3 import blake3

from mesh.adapters.workers import ProcessWorkers
from mesh.ports import WorkerSpec
from roles.media.mp4 import VirtualMp4
from roles.media.playlist import media_playlist, segments
from roles.media.segmenter import Part, Segmenter
from roles.media.timeline import Entry, Page, timeline
from roles.media.units import AccessUnit, GroupInfo
from roles.proxy.adapters.wire import GROUP, STATUS, UNIT, Config, Status

OUT = Path(".demo")
SECONDS = 6.0


async def record(url: str, name: str, folders: tuple[str, ...]) -> list[Part]:
    """Record a source for SECONDS; prints progress."""
    config = Config(url, name, folders)
    worker = await ProcessWorkers().spawn(WorkerSpec("roles.proxy.adapters.worker", config.pack(), 2 << 30))
    segmenter, parts = Segmenter("demo"), list[Part]()
    told = 0
    try:
        async with asyncio.timeout(SECONDS):
            while (frame := await worker.receive()) is not None:
                kind, body = frame[:1], frame[1:]
                if kind == GROUP:
                    parts += segmenter.begin(GroupInfo.unpack(body))
                elif kind == UNIT:
                    parts += segmenter.push(AccessUnit.unpack(body))
                elif kind == STATUS and (status := Status.unpack(body)).state == "error":
                    print(f"\n  {status.detail}", file=sys.stderr)
                if len(parts) > told:
                    told = len(parts)
                    print(f"\r  {name}: {told} parts", end="", flush=True)
    except TimeoutError:
        pass
    finally:
        await worker.stop()
    print()
    return parts + segmenter.flush()


def write(parts: list[Part], folder: Path) -> None:
    """Write parts, playlist and MP4."""
    folder.mkdir(parents=True, exist_ok=True)
    store: dict[bytes, bytes] = {}
    pages: list[Page] = []
    for part in parts:
        chunk, init = blake3(part.data).digest(), blake3(part.init()).digest()
        store[chunk], store[init] = part.data, part.init()
        entry = Entry(
            chunk,
            len(part.data),
            part.epoch,
            part.group,
            part.part,
            part.key,
            part.start_us,
            part.duration_us,
            part.captured_us,
            part.samples,
        )
        pages.append(Page("demo", init, len(part.init()), part.tracks, (entry,)))
    line = timeline(pages)
    cut = segments(line.parts, whole=True)
    for segment in cut:
        data = b"".join(store[placed.entry.chunk] for placed in segment.parts)
        (folder / f"{segment.name}.m4s").write_bytes(data)
    for page in pages:
        (folder / f"init-{page.init.hex()[:12]}.mp4").write_bytes(store[page.init])
    playlist = media_playlist(
        cut,
        ended=True,
        segment_uri=lambda segment: f"{segment.name}.m4s",
        init_uri=lambda placed: f"init-{placed.page.init.hex()[:12]}.mp4",
    )
    (folder / "index.m3u8").write_text(playlist)
    file = VirtualMp4(line)
    with (folder / "take.mp4").open("wb") as out:
        for piece in file.plan(0, file.size):
            out.write(file.render(piece, store[piece.placed.entry.chunk] if piece.placed else b""))
    print(f"  {len(parts)} parts, {line.duration_us / 1e6:.1f} s, {file.size / 1e6:.1f} MB:")
    print(f"  {folder / 'take.mp4'}  and  {folder / 'index.m3u8'}")


async def main() -> int:
    """Record the test camera, and a clip of the user's own when there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--media", type=Path, help="a folder of clips; its first MP4 is played as a camera too")
    options = parser.parse_args()
    media = options.media.resolve() if options.media else None
    if media is not None and not media.is_dir():
        print(f"{media} is no folder", file=sys.stderr)
        return 2
    sources = [("test:?size=1280x720&rate=25&tone=440", "test camera")]
    clip = next(iter(sorted(media.glob("*.mp4"))), None) if media else None
    if clip is not None:
        sources.append((f"file:{clip}?loop", clip.name))
    failed = 0
    for url, name in sources:
        print(f"recording {name} for {SECONDS:g} s")
        parts = await record(url, name, (str(media),) if media else ())
        if parts:
            write(parts, OUT / name.replace(" ", "-"))
        else:
            failed += 1
            print("  nothing was recorded", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except KeyboardInterrupt:
        print("\nstopped")

"""What the encoder does with an asset: L1, its frames embedded and tagged; L2, its scenes with a hero frame each.

Both write rows whose keys follow from the bytes and the model, so a job that runs twice, or on two nodes at once,
gives the same rows. Whichever of the two ends last gives the scenes the words of their frames.

Invariant: at most EMBED_AT_ONCE pictures of a job are in memory here; what a job writes is complete or the job fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Protocol

import structlog

from mesh.actors.catalogue import Catalogue
from mesh.actors.files import Files
from mesh.actors.jobs import HopelessError
from mesh.core.rows import Change, Row
from mesh.ports import Embedder, NotFound, Refused, Unavailable
from proto.codec import Value
from proto.ids import AssetId, ModelId
from proto.messages.jobs import Lease
from roles.encoder.adapters.wire import PICTURE, SCENE, MediaConfig, Picture, Scene, unpack
from roles.encoder.content import Content, Contents
from roles.encoder.media_work import Limits, MediaWork, UnreadableError, WorkerDiedError
from roles.encoder.tagging import FrameTags, asset_words, packed, scene_words, unpacked

FRAMES_WORKER, SCENES_WORKER = "roles.encoder.adapters.frames_worker", "roles.encoder.adapters.scenes_worker"
NICE = 15
FRAMES_LIMITS = Limits(3600, 6 * 3600.0, 1 << 30, silent_s=120.0, nice=NICE)
SCENES_LIMITS = Limits(6 * 3600, 12 * 3600.0, 2 << 30, silent_s=300.0, nice=NICE)
FRAMES_MAX = 1200
FRAME_EVERY_MS = 1000
EMBED_AT_ONCE = 4
ROWS_AT_ONCE = 64
NAME_CHARS_MAX = 200

_log = structlog.get_logger("analysis")


class ModelsThere(Protocol):
    """Which models the mesh has."""

    def known(self) -> Sequence[ModelId]:
        """Give the models of the nodes alive."""


class Analyst:
    """Does L1 and L2 on this node. ``embedder`` looks at pictures."""

    def __init__(
        self,
        catalogue: Catalogue,
        files: Files,
        contents: Contents,
        work: MediaWork,
        models: ModelsThere,
        embedder: Embedder,
    ) -> None:
        self._catalogue = catalogue
        self._files = files
        self._contents = contents
        self._work = work
        self._models = models
        self._embedder = embedder

    async def frames(self, lease: Lease) -> None:
        """Embed and tag sampled frames; HopelessError when the asset has no picture that can be decoded."""
        row = await self._row(lease)
        tags: list[FrameTags] = []
        changes: list[Change] = []
        waiting: list[Picture] = []

        async def embed() -> None:
            try:
                looks = await self._embedder.embed_frames([picture.jpeg for picture in waiting])
            except Refused as error:
                raise HopelessError(str(error)) from error
            if self._embedder.model != lease.version:
                raise Unavailable(f"this node no longer has the model {lease.version}")
            for picture, seen in zip(waiting, looks, strict=True):
                words = tuple((tag.word, tag.confidence) for tag in seen.tags)
                tags.append(FrameTags(picture.at_ms, words))
                fields: dict[str, Value] = {
                    "model": lease.version,
                    "vector": seen.vector,
                    "at_ms": picture.at_ms,
                    "tags": tuple(word for word, _ in words),
                }
                changes.append(Change("vectors", row.pk, _vector_key(lease.version, picture.at_ms), set=fields))
            waiting.clear()

        content = await self._content(row)
        config = MediaConfig(_name(row), content.size, FRAME_EVERY_MS, FRAMES_MAX)
        try:
            async with aclosing(self._work.run(FRAMES_WORKER, config, content, FRAMES_LIMITS)) as given:
                async for frame in given:
                    if frame[:1] == PICTURE:
                        waiting.append(unpack(Picture, frame))
                        if len(waiting) == EMBED_AT_ONCE:
                            await embed()
            if waiting:
                await embed()
        except WorkerDiedError as error:
            raise Unavailable(str(error)) from error
        except UnreadableError as error:
            raise HopelessError(str(error)) from error
        changes.append(Change("vectors", row.pk, _tags_key(lease.version), set={"frames": packed(tags)}))
        await self._write(changes)
        await self._tag_asset(row, tags)
        await self._tag_scenes(row.pk)

    async def scenes(self, lease: Lease) -> None:
        """Find scene boundaries; HopelessError when the asset has no moving pictures."""
        row = await self._row(lease)
        asset = AssetId(row.pk)
        changes: list[Change] = []
        content = await self._content(row)
        config = MediaConfig(_name(row), content.size)
        try:
            async with aclosing(self._work.run(SCENES_WORKER, config, content, SCENES_LIMITS)) as given:
                async for frame in given:
                    if frame[:1] == SCENE:
                        scene = unpack(Scene, frame)
                        fields: dict[str, Value] = {"end_ms": scene.end_ms, "hero_ms": scene.hero_ms}
                        if scene.hero:
                            fields["hero"] = (await self._files.put(scene.hero, asset)).hex()
                        changes.append(Change("scenes", asset, f"{scene.start_ms:012d}", set=fields))
        except WorkerDiedError as error:
            raise Unavailable(str(error)) from error
        except UnreadableError as error:
            raise HopelessError(str(error)) from error
        found = {change.sk for change in changes}
        standing = await self._catalogue.rows("scenes", asset)
        changes += [Change("scenes", asset, old.sk, delete=True) for old in standing if old.sk not in found]
        await self._write(changes)
        await self._tag_scenes(asset)

    # ------------------------------------------------------------ words

    async def _tag_asset(self, row: Row, tags: Sequence[FrameTags]) -> None:
        words = asset_words(tags)
        if not any(frame.words for frame in tags):
            return  # a model without words takes none away
        old = tuple(word for word in row.sets.get("auto_tags", ()) if word not in words)
        if old or any(word not in row.sets.get("auto_tags", ()) for word in words):
            await self._catalogue.write(
                Change("assets", row.pk, add={"auto_tags": words} if words else {}, remove={"auto_tags": old})
            )

    async def _tag_scenes(self, asset: str) -> None:
        scenes = await self._catalogue.rows("scenes", asset)
        if not scenes:
            return
        frames: list[FrameTags] = []
        for model in self._models.known():
            found = await self._catalogue.get("vectors", asset, _tags_key(model))
            if found is not None:
                frames += unpacked(found.fields.get("frames"))
        if not frames:
            return
        changes = []
        for scene in scenes:
            words = scene_words(frames, *_span(scene))
            standing = scene.sets.get("tags", ())
            add = tuple(word for word in words if word not in standing)
            remove = tuple(word for word in standing if word not in words)
            if add or remove:
                changes.append(Change("scenes", asset, scene.sk, add={"tags": add}, remove={"tags": remove}))
        await self._write(changes)

    # ------------------------------------------------------------ the asset

    async def _row(self, lease: Lease) -> Row:
        row = await self._catalogue.get("assets", lease.asset)
        if row is None:
            raise HopelessError("the asset is gone")
        return row

    async def _content(self, row: Row) -> Content:
        try:
            return await self._contents.open(row)
        except NotFound as error:
            # Its pages may not have come here yet.
            raise Unavailable(str(error)) from error

    async def _write(self, changes: Sequence[Change]) -> None:
        for at in range(0, len(changes), ROWS_AT_ONCE):
            await self._catalogue.write(*changes[at : at + ROWS_AT_ONCE])


def _span(scene: Row) -> tuple[int, int]:
    start_ms = int(scene.sk) if scene.sk.isdecimal() else 0
    return start_ms, _whole(scene.fields, "end_ms")


def _whole(fields: Mapping[str, Value], name: str) -> int:
    value = fields.get(name)
    return value if isinstance(value, int) else 0


def _name(row: Row) -> str:
    name = row.fields.get("name")
    return (name if isinstance(name, str) and name else row.pk)[:NAME_CHARS_MAX]


def _vector_key(model: str, at_ms: int) -> str:
    return f"{model}/{at_ms:012d}"


def _tags_key(model: str) -> str:
    return f"{model}/tags"

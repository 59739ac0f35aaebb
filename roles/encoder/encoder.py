"""The encoder of a node: which models the mesh has, this node's own, and the jobs it does with them.

A node tells its models with its membership, so any node knows whom to ask for a vector of words. Loading a model takes
seconds and happens behind the node's start; until then, and where nothing can be loaded, search goes by words alone and
says why.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import structlog

from mesh.actors.jobs import Handler, JobRunner
from mesh.actors.system import ActorSystem, Context
from mesh.core.jobs import FRAMES, SCENES, SCENES_VERSION, Work
from mesh.core.member import Member
from mesh.ports import Clock, Embedder, NotFound, PortError, Workers
from proto.ids import ModelId, NodeId
from proto.messages.membership import NodeInfo
from proto.messages.search import Embedded, EmbedText
from roles.encoder.analysis import NICE, Analyst
from roles.encoder.embedding import Choice, NoModelError, WorkerEmbedder

ACTOR = "encoder"
LOAD_AFTER_S, LOAD_AGAIN_S = 1.0, 60.0
"""Loading takes a core for some seconds: the node's own start, and its first picture, come first."""

INSTEAD = "; or name a model such as clip-ViT-B-32 in the setting encoder.model, with pip install 'thatdam[clip]'"

_log = structlog.get_logger("encoder")


class Peers(Protocol):
    """What the encoder needs of membership."""

    def alive(self) -> Mapping[NodeId, Member]:
        """Give the nodes alive, this one included, in a stable order."""

    def update(self, info: NodeInfo) -> None:
        """Tell something else of this node."""


class MeshModels:
    """Who can embed what, from what the nodes tell of themselves."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    def embedders(self) -> Mapping[ModelId, Sequence[NodeId]]:
        """Give the models of the mesh with the nodes alive that have them, in a stable order."""
        found: dict[ModelId, list[NodeId]] = {}
        for node, member in self._peers.alive().items():
            for model in member.info.models:
                found.setdefault(ModelId(model), []).append(node)
        return found

    def known(self) -> Sequence[ModelId]:
        """Give the models of the nodes alive, in order."""
        return sorted(self.embedders())


class Encoder:
    """The actor ``encoder``: this node's model, its jobs, and vectors of words for nodes without one.

    ``analyst`` makes what does the jobs out of the embedder of pictures.
    """

    def __init__(
        self,
        system: ActorSystem,
        peers: Peers,
        workers: Workers,
        clock: Clock,
        choice: Choice,
        runner: JobRunner,
        analyst: Callable[[Embedder], Analyst],
        *,
        finds_scenes: bool,
    ) -> None:
        self._system = system
        self._peers = peers
        self._runner = runner
        # Words come from people who wait, pictures from jobs that do not: a process each, so that neither queues.
        self._words = WorkerEmbedder(workers, choice, clock, nice=0, stays=True)
        self._pictures = WorkerEmbedder(workers, choice, clock, nice=NICE, stays=False)
        self._analyst = analyst(self._pictures)
        self._finds_scenes = finds_scenes
        self._instead = "" if choice.model else INSTEAD
        self._loaded = False
        self.problem = "the model is still being loaded"
        if choice.model:
            self.problem = f"the model {choice.model} is still being loaded, which takes long if it is downloaded first"

    def open(self) -> None:
        """Start to work; the model follows."""
        self._system.spawn(ACTOR, self, mailbox_max=64, concurrency=2)
        supervisor = self._system.supervisor
        supervisor.run("encoder/words", self._words.keep)
        supervisor.run("encoder/pictures", self._pictures.keep)
        if self._finds_scenes:
            self._runner.offer({Work(SCENES, SCENES_VERSION): self._analyst.scenes})
        supervisor.run("encoder/load", self._load)

    async def close(self) -> None:
        """Give the jobs under way back to those who lend them."""
        await self._runner.close()

    def local(self) -> Embedder | None:
        """Give this node's embedder of words once it is loaded."""
        return self._words if self._loaded else None

    async def _load(self) -> None:
        await asyncio.sleep(LOAD_AFTER_S)
        while True:
            try:
                await self._words.load()
                self._take_up()
            except NoModelError as error:
                # Nothing changes that until somebody installs something and starts the node again.
                self.problem = f"{error}{self._instead}"
                _log.warning("no model", why=self.problem)
                return
            except PortError as error:
                self.problem = str(error)
                _log.warning("model not loaded", why=self.problem, again_in_s=LOAD_AGAIN_S)
                await asyncio.sleep(LOAD_AGAIN_S)
                continue
            return

    def _take_up(self) -> None:
        model = self._words.model
        self._loaded, self.problem = True, ""
        handler: Handler = self._analyst.frames
        self._runner.offer({Work(FRAMES, model): handler})
        mine = self._peers.alive()[self._system.node_id].info
        self._peers.update(dataclasses.replace(mine, models=(model,)))

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Handle a request for a vector."""
        match message:
            case EmbedText():
                if not self._loaded or message.model != self._words.model:
                    raise NotFound(f"this node does not have the model {message.model}")
                vector = await self._words.embed_text(message.text)
                return Embedded(message.model, vector, self._words.floor)
            case _:
                raise NotFound(f"the encoder takes no {type(message).__name__} from {context.sender[:8]}")

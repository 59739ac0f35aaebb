"""P3: a camera that is to be recorded is recorded, as long as any node can, and by one node once all is well.

Looked at from outside, all the while: which nodes run a take, which could, and which of them reach the camera's node.
A node that runs a take and cannot reach the camera has nothing to record, whatever it believes.
"""

from __future__ import annotations

from simulations.checks.broken import Broken
from simulations.ledger import Ledger, Take
from simulations.nodes import Mesh
from simulations.world.world import Machine
from thatdam.node import Node

TAKEOVER_S = 5.0
LOOK_EVERY_S = 0.1
BACK_S = 10.0
"""A machine that runs again opens its source, and is linked with the others, within so many seconds."""


class Attendance:
    """Who records what, and the longest stretches in which nobody did who could have."""

    def __init__(self, mesh: Mesh, ledger: Ledger) -> None:
        self._mesh = mesh
        self._ledger = ledger
        self._since: dict[str, float] = {}
        self._told: dict[str, None] = {}
        self.broken: list[Broken] = []
        self.longest_s = 0.0

    def look(self) -> None:
        """Look at every take that runs."""
        now_s = self._mesh.loop.time()
        for take in self._ledger.takes:
            if take.stop_asked_s is not None or self._excused(take, now_s) or self._attended(take):
                self._since.pop(take.take, None)
                continue
            unattended_s = now_s - self._since.setdefault(take.take, now_s)
            self.longest_s = max(self.longest_s, unattended_s)
            if unattended_s > TAKEOVER_S and take.take not in self._told:
                self._told[take.take] = None
                told = f"nobody has recorded the camera of {take.node} for {TAKEOVER_S:g} s, though some could"
                self.broken.append(Broken("P3", told))

    def _excused(self, take: Take, now_s: float) -> bool:
        """Tell whether nobody need record: the camera's machine is not there, or nobody who could reaches it."""
        machine = self._mesh.machine(take.node)
        if take.node in self._ledger.gone or take.node in self._ledger.wiped:
            return True
        lately = any(
            outage.node == take.node
            and outage.kind != "cut"
            and (outage.until_s is None or now_s - outage.until_s < BACK_S)
            for outage in self._ledger.outages
        )
        return machine.state != "up" or lately or not any(self._could(one, machine) for one in self._mesh.up())

    def _could(self, one: Machine[Node], home: Machine[Node]) -> bool:
        able = "daemon" in self._mesh.roles_of(one) and not self._ledger.open(one.name, "full")
        return able and (one is home or self._mesh.fabric.answers(one.id, home.id))

    def _attended(self, take: Take) -> bool:
        home = self._mesh.machine(take.node)
        return any(self._could(one, home) for one in self._running(take))

    def _running(self, take: Take) -> list[Machine[Node]]:
        return [
            one
            for one in self._mesh.up()
            if one.node is not None and any(run.take == take.take for run in one.node.recorder.running().values())
        ]

    def settled(self) -> list[Broken]:
        """Give what is wrong once all has been well for a while: each take is one node's."""
        found = list(self.broken)
        for take in self._ledger.takes:
            if take.node in self._ledger.gone or take.node in self._ledger.wiped or take.stop_asked_s is not None:
                continue
            running = [one.name for one in self._running(take)]
            if len(running) > 1:
                found.append(Broken("P3", f"{' and '.join(running)} both record the camera of {take.node}"))
        return found

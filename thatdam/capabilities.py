"""Which roles this machine takes, and why: from what it has, unless a person said so."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from mesh.ports import Refused
from thatdam.config import ROLES

STORAGE_FREE_BYTES_MIN = 4 << 30
DAEMON_FREE_BYTES_MIN = 1 << 30
ENCODER_MEMORY_BYTES_MIN = 2 << 30
ENCODER_CORES_MIN = 2
ANALYSIS = ("onnxruntime", "ai_edge_litert", "cv2")
"""What ``thatdam[ai]`` brings; ``thatdam[clip]`` brings sentence_transformers instead."""

SCENES = ("scenedetect", "cv2")


@dataclass(frozen=True, slots=True)
class Machine:
    """What counts of a machine. Sizes in bytes."""

    cores: int
    memory_bytes: int
    disk_free_bytes: int
    analysis: bool
    scenes: bool = False


def this_machine(data: Path) -> Machine:
    """Look at this machine; ``data`` is the data folder, which exists."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    free = psutil.disk_usage(str(data)).free
    return Machine(cores, psutil.virtual_memory().total, free, has_analysis(_installed), has_scenes(_installed))


def has_analysis(installed: Callable[[str], bool]) -> bool:
    """Tell whether a model's runtime is installed."""
    return all(installed(name) for name in ANALYSIS) or installed("sentence_transformers")


def has_scenes(installed: Callable[[str], bool]) -> bool:
    """Tell whether scene boundaries can be found; ``thatdam[ai]`` and ``thatdam[clip]`` both bring what it needs."""
    return all(installed(name) for name in SCENES)


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def choose(wanted: Sequence[str], machine: Machine) -> dict[str, tuple[bool, str]]:
    """Give each role with whether it is taken, and the reason in words."""
    if wanted:
        return {
            role: (role in wanted, "as the settings say" if role in wanted else "the settings leave it out")
            for role in ROLES
        }
    free, memory = _size(machine.disk_free_bytes), _size(machine.memory_bytes)
    cores = f"{machine.cores} core" + ("s" if machine.cores != 1 else "")
    encoder = machine.cores >= ENCODER_CORES_MIN and machine.memory_bytes >= ENCODER_MEMORY_BYTES_MIN
    if not machine.analysis:
        encoder_why = "no model is installed; pip install 'thatdam[ai]' adds one"
    elif encoder:
        encoder_why = f"{cores}, {memory} of memory and a model"
    else:
        encoder_why = f"{cores} and {memory} of memory are too little ({ENCODER_CORES_MIN} and 2 GiB)"
    return {
        "proxy": (True, "every machine may have cameras"),
        "daemon": _by_room(machine.disk_free_bytes, DAEMON_FREE_BYTES_MIN, free),
        "storage": _by_room(machine.disk_free_bytes, STORAGE_FREE_BYTES_MIN, free),
        "encoder": (encoder and machine.analysis, encoder_why),
    }


def granted(
    chosen: dict[str, tuple[bool, str]], wanted: Sequence[str], grant: Sequence[str] | None
) -> dict[str, tuple[bool, str]]:
    """Leave out the roles that the mesh did not grant this node; Refused when one of them was asked for by name."""
    if grant is None:
        return chosen
    missing = [role for role in wanted if role not in grant]
    if missing:
        raise Refused(
            f"this node was not granted the role {' or '.join(missing)} (its ticket grants {', '.join(grant)}); leave "
            "it out, or have a ticket with it made by `thatdam invite --role` and join with another data folder"
        )
    return {
        role: (taken, why if taken or wanted else f"{why}. {_all_the_same(role, chosen, grant)}")
        if role in grant
        else (False, "this node's ticket does not grant it")
        for role, (taken, why) in chosen.items()
    }


def _all_the_same(role: str, chosen: dict[str, tuple[bool, str]], grant: Sequence[str]) -> str:
    """Say how a node takes a role that its ticket grants and that it does not take by itself."""
    said = " ".join(f"--role {one}" for one, (taken, _) in chosen.items() if one == role or (taken and one in grant))
    return f"Its ticket permits it, though: `thatdam up {said}` takes it all the same"


def _by_room(free_bytes: int, least_bytes: int, told: str) -> tuple[bool, str]:
    if free_bytes >= least_bytes:
        return True, f"{told} free on the disk"
    return False, f"only {told} free on the disk; this needs {_size(least_bytes)}"


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"

"""Scenario files: who is there, what is filmed, what goes wrong and when. TOML, one file a scenario.

Times are seconds after the mesh has formed; ``[low, high]`` is drawn from the seed. Machines are n1 to nN. Invariant: a
scenario that loads names only machines and faults there are; ScenarioError says which line of thought is wrong.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulations.world.entropy import SeededEntropy
from thatdam.config import ROLES

FOLDER = Path(__file__).parent / "scenarios"
NODES_MAX = {1: 100, 2: 30}
"""By tier."""
FAULTS = (
    *("crash", "gone", "boot", "pause", "resume", "partition", "shut", "heal", "clock"),
    *("weather", "full", "room", "disk", "rot", "wipe", "layout", "release"),
    *("address", "narrow"),
)
OF_DATAGRAMS = ("address", "narrow")
"""Faults that simulated links do not know."""
_NEEDS_NODE = (
    "crash",
    "gone",
    "boot",
    "pause",
    "resume",
    "clock",
    "full",
    "room",
    "disk",
    "rot",
    "wipe",
    "layout",
    "release",
    "address",
)


class ScenarioError(ValueError):
    """A scenario says what cannot be; the text tells what would be right."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera that is added and recorded at ``at_s``. ``recorded_by``: by another machine than its own, at first."""

    on: str
    at_s: float
    recorded_by: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One fault. ``node`` may be ``any``: one of those that run and film nothing. ``for_s``: it ends by itself.

    ``weather``: shares of packets lost (0 to 0.3), doubled, and late by up to ``spike_s`` (they overtake each other);
    ``delay_ms`` more for all. ``disk``: shares of writes that fail, of reads that fail, of writes that land in another
    file, of writes that a kill tears; ``slow`` times as long for each; ``read_only``: it takes no writes.
    ``rot``: ``bits`` of stored chunks flip.
    ``layout`` is an order, no fault: ``to`` is ``drain``, ``store``, ``zone NAME`` or ``weight TIMES``.
    ``release``: the node is stopped in good order and starts as of the release ``to``, ``next`` or ``present``.
    ``wipe``: the machine loses its disk with its key, and comes back after ``for_s`` as a new node.
    ``address``: the machine comes into another network; ``to = "port"``: its NAT forgets it, others see another port.
    ``narrow``: all paths, or those from ``source`` to ``target``, carry UDP payloads of up to ``size_bytes`` only.
    """

    at_s: float
    do: str
    node: str = ""
    for_s: float | None = None
    groups: tuple[tuple[str, ...], ...] | str = ()
    source: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    to: str = ""
    by_s: float = 0.0
    loss: float = 0.0
    duplicate: float = 0.0
    spike: float = 0.0
    spike_s: float = 0.2
    delay_ms: float = 0.0
    write_errors: float = 0.0
    read_errors: float = 0.0
    misdirected: float = 0.0
    torn: float = 0.0
    read_only: bool = False
    slow: float = 1.0
    bits: int = 1
    size_bytes: int = 1252


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story before it is told. ``clocks``: machines that boot with a wrong clock, ``1970`` or seconds ahead.
    ``tier``: 1 has simulated links; 2 the real transport over simulated datagrams; ``path_bytes``: the
    UDP payload that paths carry, None: Ethernet's."""

    name: str
    title: str
    nodes: int
    tier: int = 1
    copies: int = 2
    away_after_s: float = 15.0
    trouble_s: float = 60.0
    heal_budget_s: float = 90.0
    collect_after_s: float = 1_209_600.0
    collect_packed_after_s: float = 3600.0
    clocks: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    latency_ms: tuple[float, float] = (0.5, 3.0)
    path_bytes: int | None = None
    loss: float = 0.0
    searching: bool = False
    """Whether people put pictures and search rather than do everything."""
    cameras: tuple[Camera, ...] = ()
    events: tuple[Event, ...] = ()


def names() -> list[str]:
    """Give the scenarios that ship."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def fits(name: str, tier: int) -> bool:
    """Tell whether a scenario that ships can be told in a tier."""
    try:
        load(name, 1, tier=tier)
    except ScenarioError:
        return False
    return True


def load(name: str, seed: int, nodes: int | None = None, tier: int | None = None) -> Scenario:
    """Read a scenario by name or path, with its chances drawn from a seed; ``nodes`` and ``tier`` override its own."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ScenarioError(f"there is no scenario {name!r}; there are {', '.join(names())}") from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path} cannot be read: {error}") from None
    return read(path.stem, content, seed, nodes, tier)


def read(
    name: str, content: Mapping[str, Any], seed: int, nodes: int | None = None, tier: int | None = None
) -> Scenario:
    """Make a scenario of a file's content."""
    chance = SeededEntropy(seed, f"scenario {name}")
    known = {item.name for item in dataclasses.fields(Scenario)} - {"name", "cameras", "events"} | {"camera", "event"}
    unknown = sorted(set(content) - known)
    if unknown:
        raise ScenarioError(f"{name}: there is no setting {unknown[0]!r}; there are {', '.join(sorted(known))}")
    plain = {key: value for key, value in content.items() if key not in ("camera", "event", "latency_ms", "roles")}
    plain["nodes"] = nodes if nodes is not None else int(content.get("nodes", 5))
    plain["tier"] = tier if tier is not None else content.get("tier", 1)
    plain.setdefault("title", name)
    if "latency_ms" in content:
        plain["latency_ms"] = tuple(float(one) for one in content["latency_ms"])
    plain["roles"] = {node: tuple(roles) for node, roles in content.get("roles", {}).items()}
    cameras = tuple(
        _make(name, Camera, {**one, "at_s": _drawn(one.get("at_s", 1.0), chance)}) for one in content.get("camera", ())
    )
    events = tuple(_event(name, one, chance) for one in content.get("event", ()))
    scenario: Scenario = _make(name, Scenario, {**plain, "name": name, "cameras": cameras, "events": events})
    _check(scenario)
    return scenario


def _event(name: str, told: Mapping[str, Any], chance: SeededEntropy) -> Event:
    given = dict(told)
    for key in ("at_s", "for_s"):
        if key in given:
            given[key] = _drawn(given[key], chance)
    if isinstance(given.get("groups"), list):
        given["groups"] = tuple(tuple(group) for group in given["groups"])
    for key in ("source", "target"):
        given[key] = tuple(given.get(key, ()))
    event: Event = _make(name, Event, given)
    return event


def _make(name: str, kind: Any, given: Mapping[str, Any]) -> Any:
    try:
        return kind(**given)
    except TypeError as error:
        raise ScenarioError(f"{name}: {str(error).partition('()')[2].strip() or error}") from None


def _drawn(told: Any, chance: SeededEntropy) -> float:
    if isinstance(told, list) and len(told) == 2:
        return chance.uniform(float(told[0]), float(told[1]))
    if isinstance(told, int | float):
        return float(told)
    raise ScenarioError(f"a time is seconds, or [low, high], not {told!r}")


def _check(scenario: Scenario) -> None:
    if scenario.tier not in NODES_MAX:
        raise ScenarioError(f"{scenario.name}: a scenario is of tier 1 or 2, not {scenario.tier!r}")
    most = NODES_MAX[scenario.tier]
    if not 1 <= scenario.nodes <= most:
        raise ScenarioError(f"{scenario.name}: a world of tier {scenario.tier} has 1 to {most} nodes")
    machines = {f"n{number}" for number in range(1, scenario.nodes + 1)}

    def there(node: str) -> None:
        if node not in machines:
            raise ScenarioError(
                f"{scenario.name}: {node!r} is no machine; with {scenario.nodes} they are n1 to n{scenario.nodes}"
            )

    for node, roles in scenario.roles.items():
        there(node)
        for role in roles:
            if role not in ROLES:
                raise ScenarioError(f"{scenario.name}: there is no role {role!r}; the roles are {', '.join(ROLES)}")
    recorders = (camera.recorded_by or camera.on for camera in scenario.cameras)
    for node in (*scenario.clocks, *(camera.on for camera in scenario.cameras), *recorders):
        there(node)
    for event in scenario.events:
        if event.do not in FAULTS:
            raise ScenarioError(f"{scenario.name}: nothing is called {event.do!r}; there are {', '.join(FAULTS)}")
        if event.do in OF_DATAGRAMS and scenario.tier != 2:
            raise ScenarioError(f"{scenario.name}: {event.do} happens to datagrams, which only tier 2 has")
        if event.do in _NEEDS_NODE and event.node != "any":
            there(event.node)
        if event.do == "layout" and event.to.partition(" ")[0] not in ("drain", "store", "zone", "weight"):
            raise ScenarioError(
                f"{scenario.name}: an order is drain, store, zone NAME or weight TIMES, not {event.to!r}"
            )
        if event.do == "address" and event.to not in ("", "port"):
            raise ScenarioError(f'{scenario.name}: an address changes, or its "port", not {event.to!r}')
        if event.do == "release" and event.to not in ("next", "present"):
            raise ScenarioError(f"{scenario.name}: a release is next or present, not {event.to!r}")
        if event.do == "wipe" and event.node in {camera.on for camera in scenario.cameras}:
            raise ScenarioError(f"{scenario.name}: a camera belongs to a node, so {event.node} cannot be wiped")
        for share in (event.loss, event.duplicate, event.spike, event.write_errors, event.read_errors, event.torn):
            if not 0.0 <= share <= 1.0:
                raise ScenarioError(f"{scenario.name}: a share is 0.0 to 1.0, not {share:g}")
        if event.do == "partition" and isinstance(event.groups, str) and event.groups != "halves":
            raise ScenarioError(f'{scenario.name}: groups are lists of machines, or "halves"')
        groups = () if isinstance(event.groups, str) else event.groups
        for node in (*event.source, *event.target, *(one for group in groups for one in group)):
            there(node)


def as_data(scenario: Scenario) -> dict[str, Any]:
    """Give a scenario as plain data, every chance drawn; ``of_data`` reads it."""
    data = dataclasses.asdict(scenario)
    data["clocks"], data["roles"] = dict(scenario.clocks), {node: list(roles) for node, roles in scenario.roles.items()}
    return data


def of_data(data: Mapping[str, Any]) -> Scenario:
    """Make a scenario of plain data; ScenarioError says what cannot be."""
    name = str(data.get("name", ""))
    try:
        given = dict(data)
        given["cameras"] = tuple(Camera(**one) for one in given.get("cameras", ()))
        given["events"] = tuple(_of_plain(one) for one in given.get("events", ()))
        given["latency_ms"] = tuple(given.get("latency_ms", (0.5, 3.0)))
        given["roles"] = {node: tuple(roles) for node, roles in given.get("roles", {}).items()}
    except (TypeError, AttributeError) as error:
        raise ScenarioError(f"{name or 'this'} is no recorded scenario: {error}") from None
    scenario: Scenario = _make(name, Scenario, given)
    _check(scenario)
    return scenario


def _of_plain(data: Mapping[str, Any]) -> Event:
    given = dict(data)
    if not isinstance(given.get("groups", ()), str):
        given["groups"] = tuple(tuple(group) for group in given.get("groups", ()))
    for key in ("source", "target"):
        given[key] = tuple(given.get(key, ()))
    return Event(**given)

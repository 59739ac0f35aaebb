"""Membership beside serf: members in network namespaces of their own, both programs on the same hosts at once.

Both meet every fault at the same moment, so a figure and its baseline differ by the protocol alone; only joining is
measured one after the other, serf's first agent being there already. What counts is what each process itself reports,
stamped here when its line arrives. An interpreter's start is in no figure. Bytes are those of IP packets that leave a
host, counted by nftables at each program's port. Needs root, iproute2, nftables and serf (Linux).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from simulations.benchmarks.measure import Figure
from simulations.hosts.lan import Lan, lan
from simulations.hosts.lan import run as sh

SIZES = (8, 16, 32)
PORT, SERF_PORT = 8326, 7946
JOIN_S, SETTLE_S = 90.0, 6.0
IDLE_S, LOSS_S, STALL_S, CUT_S = 12.0, 30.0, 12.0, 40.0
NEVER = float("inf")
_ROOT = Path(__file__).resolve().parents[2]
_SERF = re.compile(rb"serf: Event(MemberJoin|MemberFailed|MemberLeave|MemberReap): (n\d+)")
_OURS = re.compile(rb"^member (n\d+) (\w+)")
_UP = {b"MemberJoin", b"alive", b"suspect"}


@dataclass
class _Told:
    """One line: when, by which host, of which host, and whether it is there."""

    at: float
    by: int
    of: int
    up: bool


@dataclass
class _Fleet:
    """One program on every host, and what its processes tell."""

    name: str
    port: int
    line: re.Pattern[bytes]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    told: list[_Told] = field(default_factory=list)
    view: dict[tuple[int, int], bool] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)
    ready: int = 0

    def begin(self, number: int, words: Sequence[str], selector: selectors.BaseSelector) -> None:
        """Start one process and have its lines read."""
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=_ROOT
        )
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        self.processes.append(process)
        selector.register(process.stdout, selectors.EVENT_READ, (self, number, bytearray()))

    def take(self, number: int, line: bytes) -> None:
        """Take a line of a process."""
        found = self.line.search(line)
        with self.changed:
            if line == b"ready":
                self.ready += 1
            elif found:
                words = found.groups()
                word, who = (words[0], words[1]) if words[0] in _SERF_WORDS else (words[1], words[0])
                told = _Told(time.monotonic(), number, int(who[1:]), word in _UP)
                if self.view.get((told.by, told.of), False) is not told.up:
                    self.told.append(told)
                self.view[(told.by, told.of)] = told.up
            self.changed.notify_all()

    def until(self, holds: Callable[[], bool], timeout_s: float) -> float:
        """Wait until something holds; gives when, or never."""
        with self.changed:
            return time.monotonic() if self.changed.wait_for(holds, timeout_s) else NEVER

    def complete(self, among: Sequence[int]) -> bool:
        """Tell whether each of ``among`` sees all of them."""
        return all(self.view.get((one, other), one == other) for one in among for other in among)

    def gone(self, number: int, by: Sequence[int]) -> bool:
        """Tell whether all of ``by`` have given a host up."""
        return not any(self.view.get((one, number), False) for one in by)

    def deaths(self, since: float, by: Sequence[int], of: Sequence[int]) -> int:
        """Count how often one of ``by`` gave one of ``of`` up."""
        with self.changed:
            return sum(1 for told in self.told if told.at >= since and not told.up and told.by in by and told.of in of)


_SERF_WORDS = {b"MemberJoin", b"MemberFailed", b"MemberLeave", b"MemberReap"}


class _Reader(threading.Thread):
    """Reads what every process prints, as it prints it."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.selector = selectors.DefaultSelector()
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            for key, _ in self.selector.select(0.2):
                fleet, number, begun = key.data
                data = os.read(key.fd, 1 << 16)
                if not data:
                    self.selector.unregister(key.fileobj)
                    continue
                begun += data
                *lines, rest = bytes(begun).split(b"\n")
                begun[:] = rest
                for line in lines:
                    fleet.take(number, line)


@dataclass
class _Size:
    """What was measured of one program in a mesh of so many hosts."""

    joined_s: float = NEVER
    idle_bytes: float = 0.0
    lost: int = 0
    stalled: int = 0
    healed_s: float = NEVER
    killed_s: float = NEVER


def _nft(net: Lan, host: int, *rules: str) -> None:
    done = subprocess.run(
        (*net.inside(host), "nft", "-f", "-"), input="\n".join(rules), text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, f"nft: {done.stderr}"


def _count(net: Lan) -> None:
    for host in range(len(net.hosts)):
        _nft(
            net,
            host,
            "add table inet count",
            "add chain inet count o { type filter hook output priority 0; }",
            f"add rule inet count o udp sport {PORT} counter",
            f"add rule inet count o meta l4proto {{ tcp, udp }} th sport {SERF_PORT} counter",
            f"add rule inet count o tcp dport {SERF_PORT} counter",
        )


def _bytes(net: Lan) -> tuple[int, int]:
    """Give the bytes that left all hosts: ours, serf's."""
    totals = [0, 0]
    for host in range(len(net.hosts)):
        listed = json.loads(sh(*net.inside(host), "nft", "-j", "list", "chain", "inet", "count", "o"))
        counts = [
            part["counter"]["bytes"]
            for entry in listed["nftables"]
            if "rule" in entry
            for part in entry["rule"]["expr"]
            if "counter" in part
        ]
        totals[0] += counts[0]
        totals[1] += counts[1] + counts[2]
    return totals[0], totals[1]


@contextlib.contextmanager
def _dropping(net: Lan, rules: Sequence[str]) -> Iterator[None]:
    """Have each host drop what its rule says."""
    chain = ("add table inet f", "add chain inet f i { type filter hook input priority 0; }")
    try:
        for host, rule in enumerate(rules):
            _nft(net, host, *chain, f"add rule inet f i {rule} drop")
        yield
    finally:
        for host in range(len(rules)):
            subprocess.run((*net.inside(host), "nft", "delete", "table", "inet", "f"), capture_output=True, check=False)


def _start(net: Lan, fleet: _Fleet, reader: _Reader, words: Callable[[int], Sequence[str]]) -> float:
    """Start one program on all hosts; gives seconds until all see all."""
    everyone = range(len(net.hosts))
    waits = fleet.port == PORT
    for number in everyone:
        if number == 1 and not waits:
            time.sleep(1.0)  # an agent that cannot join at once gives up
        if number < 2:
            began = time.monotonic()
        fleet.begin(number, (*net.inside(number), *words(number)), reader.selector)
    if waits:
        assert fleet.until(lambda: fleet.ready == len(net.hosts), JOIN_S) != NEVER, "the members did not start"
        time.sleep(1.0)
        began = time.monotonic()
        for process in fleet.processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.flush()
    return fleet.until(lambda: fleet.complete(everyone), JOIN_S) - began


def _measure(net: Lan, ours: _Fleet, serf: _Fleet, reader: _Reader) -> tuple[_Size, _Size]:
    everyone = list(range(len(net.hosts)))
    fleets = {0: ours, 1: serf}
    found = (_Size(), _Size())
    seed = net.addresses[0]

    def member(number: int) -> Sequence[str]:
        joins = (f"{seed}:{PORT}",) if number else ()
        name, listen = f"n{number}", f"{net.addresses[number]}:{PORT}"
        return (sys.executable, "-m", "simulations.hosts.member", name, listen, *joins)

    def agent(number: int) -> Sequence[str]:
        joins = (f"-join={seed}:{SERF_PORT}",) if number else ()
        bind = f"-bind={net.addresses[number]}:{SERF_PORT}"
        return ("serf", "agent", f"-node=n{number}", bind, "-rpc-addr=127.0.0.1:7373", "-profile=lan", *joins)

    def together(reached: Callable[[_Fleet], bool], since: float, timeout_s: float) -> list[float]:
        """Wait for both programs side by side; gives the seconds each took."""
        times = [NEVER, NEVER]

        def wait(number: int) -> None:
            times[number] = fleets[number].until(lambda: reached(fleets[number]), timeout_s) - since

        threads = [threading.Thread(target=wait, args=(number,)) for number in fleets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return times

    found[1].joined_s = _start(net, serf, reader, agent)
    found[0].joined_s = _start(net, ours, reader, member)
    assert found[0].joined_s != NEVER, "the members did not find each other"
    time.sleep(SETTLE_S)

    _count(net)
    before, began = _bytes(net), time.monotonic()
    time.sleep(IDLE_S)
    spent, lasted = _bytes(net), time.monotonic() - began
    for number in fleets:
        found[number].idle_bytes = (spent[number] - before[number]) / lasted / len(everyone)

    lost = "meta l4proto { tcp, udp } numgen random mod 100 < 30"
    began = time.monotonic()
    with _dropping(net, [lost] * len(everyone)):
        time.sleep(LOSS_S)
    for number, fleet in fleets.items():
        found[number].lost = fleet.deaths(began, everyone, everyone)
    together(lambda fleet: fleet.complete(everyone), began, 30.0)

    stalled = everyone[-(len(everyone) // 4) :]
    healthy = everyone[: -len(stalled)]
    began = time.monotonic()
    for _ in range(2):
        for what, pause_s in ((signal.SIGSTOP, STALL_S), (signal.SIGCONT, 0.5)):
            for fleet in fleets.values():
                for number in stalled:
                    fleet.processes[number].send_signal(what)
            time.sleep(pause_s)
    time.sleep(1.0)
    for number, fleet in fleets.items():
        found[number].stalled = fleet.deaths(began, everyone, healthy)
    together(lambda fleet: fleet.complete(everyone), began, 40.0)

    half = len(everyone) // 2
    sides = everyone[:half], everyone[half:]
    told = ["ip saddr { " + ", ".join(net.addresses[other] for other in sides[one < half]) + " }" for one in everyone]
    with _dropping(net, told):
        time.sleep(CUT_S)
    began = time.monotonic()
    for number, seconds in enumerate(together(lambda fleet: fleet.complete(everyone), began, 45.0)):
        found[number].healed_s = seconds

    time.sleep(2.0)
    victim, *rest = reversed(everyone)
    began = time.monotonic()
    for fleet in fleets.values():
        fleet.processes[victim].kill()
    for number, seconds in enumerate(together(lambda fleet: fleet.gone(victim, rest), began, 40.0)):
        found[number].killed_s = seconds
    return found


def _one(size: int) -> tuple[_Size, _Size]:
    reader = _Reader()
    reader.start()
    ours, serf = _Fleet("thatdam", PORT, _OURS), _Fleet("serf", SERF_PORT, _SERF)
    with lan(size) as net:
        try:
            return _measure(net, ours, serf, reader)
        finally:
            for process in (*ours.processes, *serf.processes):
                process.kill()
                process.wait()
            reader.over.set()
            reader.join()


def _s(seconds: float) -> str:
    return "never" if seconds == NEVER else f"{seconds:.1f} s"


def run() -> list[Figure]:
    """Measure."""
    if os.geteuid() != 0:
        raise RuntimeError("making hosts takes root: run `sudo make bench NAMES=membership`")
    for tool, package in (("ip", "iproute2"), ("nft", "nftables"), ("serf", "serf")):
        if shutil.which(tool) is None:
            raise RuntimeError(f"{tool} is missing: install the package {package} (Debian: apt install {package})")
    chosen = os.environ.get("MEMBERS")
    sizes = tuple(int(size) for size in chosen.split(",")) if chosen else SIZES
    found: list[tuple[_Size, _Size]] = []
    for size in sizes:
        print(f"  {size} hosts ...", file=sys.stderr, flush=True)
        found.append(_one(size))
        print(f"  {found[-1]}", file=sys.stderr, flush=True)
    named = " / ".join(str(size) for size in sizes)

    def figure(what: str, tell: Callable[[_Size], str], target: str) -> Figure:
        ours, serf = (" / ".join(tell(pair[number]) for pair in found) for number in (0, 1))
        return Figure(f"membership, {named} hosts: {what}", ours, f"serf {serf}", target, 1)

    return [
        figure("all joined", lambda one: _s(one.joined_s), "serf's"),
        figure("kill -9 seen by all", lambda one: _s(one.killed_s), "serf's"),
        figure(f"false deaths in {LOSS_S:g} s at 30 % loss", lambda one: str(one.lost), "0"),
        figure("healthy declared dead, a quarter stalled", lambda one: str(one.stalled), "0"),
        figure(f"partition of {CUT_S:g} s healed after", lambda one: _s(one.healed_s), "10 s"),
        figure("idle bytes/s a host (IP)", lambda one: f"{one.idle_bytes:.0f}", "stated"),
    ]

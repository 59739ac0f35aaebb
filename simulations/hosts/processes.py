"""Real nodes as processes of their own, as a person starts them: for tests of the whole, and for benchmarks."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx

from mesh.core.secret import make_secret
from simulations.hosts.lan import Lan

THATDAM = str(Path(sys.executable).parent / "thatdam")
SECRET = make_secret(b"tests of processes..")
START_TIMEOUT_S = 120.0
T = TypeVar("T")


def until(true: Callable[[], T], timeout_s: float = 30.0, told: str = "") -> T:
    """Wait until something holds and give it; what it last gave is in the failure."""
    deadline = time.monotonic() + timeout_s
    while True:
        asked = time.monotonic()
        found = true()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {told or true!r}; last: {found!r}")
        time.sleep(max(0.2, time.monotonic() - asked))  # who asks by a process of its own takes half the time at most


class Process:
    """One node: started, asked over the command line or HTTP, stopped or killed."""

    def __init__(
        self,
        data: Path,
        *flags: str,
        secret: str = SECRET,
        prefix: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.data = data
        self.flags = flags
        self.prefix = tuple(prefix)
        self.environment = {
            **os.environ,
            "THATDAM_MESH_HOST": "127.0.0.1",
            "THATDAM_MESH_MDNS": "false",
            "THATDAM_NODE_RESERVE_MB": "16",
            # A model for each of many nodes on one machine is more than it has; what needs one asks for the role.
            "THATDAM_NODE_ROLES": "proxy,daemon,storage",
            **(settings or {}),
        }
        if secret:
            self.environment["THATDAM_SECRET"] = secret
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.mesh_port = 0

    def start(self) -> Process:
        """Start it and wait until it answers."""
        self.launch()
        return self.await_start()

    def launch(self) -> None:
        """Start it and do not wait."""
        self.data.mkdir(parents=True, exist_ok=True)
        (self.data / "cli.json").unlink(missing_ok=True)
        log = (self.data.parent / f"{self.data.name}.log").open("ab")
        port = ("--port", str(self.port))
        self.process = subprocess.Popen(
            [*self.prefix, THATDAM, "up", "--data", str(self.data), *port, *self.flags],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=self.environment,
        )

    def await_start(self) -> Process:
        """Wait until it answers."""
        assert self.process is not None
        access = self.data / "cli.json"
        try:
            until(lambda: access.exists() or self._over(), START_TIMEOUT_S, "the node starts")
            assert not self._over(), self.log()
            until(self._answers, START_TIMEOUT_S, "the node answers")
        except AssertionError:
            self.process.kill()  # nobody else knows of it
            raise
        found = re.findall(r"^mesh .* at [0-9.]+:(\d+)", self.log(), re.MULTILINE)
        self.mesh_port = int(found[-1]) if found else 0
        return self

    def _answers(self) -> bool:
        if self.prefix:  # on a host of its own, whose loopback is not ours
            return "stop    Ctrl-C" in self.log()
        try:
            return self.http().get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def _over(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def alive_names(self) -> list[str]:
        """Give the names of the nodes it believes to live, over the command line."""
        return sorted(row["name"] for row in self.json("nodes") if row["state"] == "alive")

    def log(self) -> str:
        """Give what it has told so far."""
        return (self.data.parent / f"{self.data.name}.log").read_text(errors="replace")

    def http(self) -> httpx.Client:
        """Give a client of its API, as the command line of its machine."""
        access = json.loads((self.data / "cli.json").read_text())
        headers = {"Authorization": f"Bearer {access['token']}"}
        return httpx.Client(base_url=access["url"], headers=headers, timeout=30)

    def get(self, path: str, **params: Any) -> Any:
        """Ask its API."""
        answer = self.http().get(path, params=params)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def run(self, *words: str, code: int = 0) -> str:
        """Run a verb against it; the exit status must be ``code``. Gives what was printed."""
        command = [*self.prefix, THATDAM, *words, "--data", str(self.data)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=self.environment, check=False)
        assert done.returncode == code, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout if code == 0 else done.stderr

    def json(self, *words: str) -> Any:
        """Run a verb with --json."""
        return json.loads(self.run(*words, "--json"))

    @property
    def node_id(self) -> str:
        """Its id."""
        return next(str(node["id"]) for node in self.get("/api/v1/nodes")["nodes"] if node["self"])

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Stop it as Ctrl-C does; it must end well."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                assert self.process.wait(30) == 0, self.log()
            except subprocess.TimeoutExpired:
                self.kill()
                raise


def mesh(folder: Path, count: int, *flags: str, settings: Mapping[str, str] | None = None) -> list[Process]:
    """Start nodes of one mesh that all know the first one's address; returns once each sees all."""
    nodes = [Process(folder / "n0", "--name", "n0", *flags, settings=settings).start()]
    join = ("--join", f"127.0.0.1:{nodes[0].mesh_port}")
    try:
        for number in range(1, count):
            name = f"n{number}"
            nodes.append(Process(folder / name, "--name", name, *join, *flags, settings=settings).start())
        for node in nodes:
            _sees(node, count)
    except BaseException:
        end(nodes)
        raise
    return nodes


def on_hosts(
    network: Lan, folder: Path, *flags: str, settings: Mapping[str, str] | None = None, find_s: float = 90.0
) -> list[Process]:
    """Start a node on each host of a LAN, all at once; returns once each knows of all, by multicast alone."""
    settings = {"THATDAM_MESH_HOST": "", "THATDAM_MESH_MDNS": "true", **(settings or {})}
    nodes = [
        Process(folder / f"n{at}", "--name", f"n{at}", *flags, prefix=network.inside(at), settings=settings)
        for at in range(len(network.hosts))
    ]
    try:
        for node in nodes:
            node.launch()
        for node in nodes:
            node.await_start()
        for node in nodes:
            until(lambda node=node: len(node.alive_names()) == len(nodes), find_s, "every host sees all")  # type: ignore[misc]
    except BaseException:
        end(nodes)
        raise
    return nodes


def _sees(node: Process, count: int) -> None:
    until(lambda: len(alive(node)) == count, 30, "every node sees all")


def alive(node: Process) -> list[str]:
    """Give the names of the nodes that ``node`` believes to live."""
    return sorted(row["name"] for row in node.get("/api/v1/nodes")["nodes"] if row["state"] == "alive")


def end(nodes: list[Process]) -> None:
    """Stop what still runs; the first failure is told after all were tried."""
    failures = []
    for node in reversed(nodes):
        try:
            node.stop()
        except AssertionError as error:
            failures.append(error)
    if failures:
        raise failures[0]

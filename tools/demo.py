"""The whole system on this machine: three nodes, two cameras, recordings with two copies, and search over them.

Starts three nodes as processes of their own on loopback, with data folders under .demo/, adds a test camera and a clip
as cameras of the first, records both, takes in pictures and clips (--media, or some that it makes), waits until they
are understood, shows what is found, and leaves the mesh running until Ctrl-C. Needs no hardware and no internet.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from demo_media import FILM, Query, make_media, seen
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from mesh.adapters.clock import SystemEntropy
from mesh.adapters.node_key import DataFolder
from mesh.ports import Refused

THATDAM = Path(sys.executable).parent / "thatdam"
OUT = Path(".demo").resolve()
RECORD_S = 12.0
NODES = ("studio", "attic", "laptop")
START_TIMEOUT_S = 60.0
INDEX_TIMEOUT_S = 600.0
INDEXED_S = 15.0
"""What a job has found reaches every index a moment after it is done; on a busy machine that takes some seconds."""
PLACES = 3
"""What a search must find is among its first so many."""
say = Console(highlight=False, width=None if sys.stdout.isatty() else 140)


class DemoError(Exception):
    """The demo cannot go on; the text says why."""


class Node:
    """One node: a process of its own."""

    def __init__(self, name: str, secret: str, flags: list[str]) -> None:
        self.name = name
        self.data = OUT / name
        self.log = OUT / f"{name}.log"
        environment = {**os.environ, "THATDAM_SECRET": secret, "THATDAM_MESH_HOST": "127.0.0.1"}
        self.environment = {**environment, "THATDAM_NODE_RESERVE_MB": "256", "THATDAM_MESH_AWAY_AFTER_S": "60"}
        command = [THATDAM, "up", "--data", self.data, "--name", name, "--port", "0", "--copies", "2", *flags]
        # A session of its own: Ctrl-C is for the demo, which ends the nodes in order.
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=self.environment,
            start_new_session=True,
        )

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise DemoError(f"{self.name} ended: {self.log.read_text(errors='replace')[-800:]}")
            if "stop " in self.log.read_text(errors="replace") and (self.data / "cli.json").exists():
                return
            time.sleep(0.1)
        raise DemoError(f"{self.name} did not start within {START_TIMEOUT_S:g} s; see {self.log}")

    def run(self, *words: str) -> str:
        """Run a verb against it."""
        command = [str(THATDAM), *words, "--data", str(self.data)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=self.environment)
        if done.returncode:
            raise DemoError(f"thatdam {' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.strip()

    def json(self, *words: str) -> Any:
        """Run a verb with --json."""
        return json.loads(self.run(*words, "--json"))

    def address(self) -> str:
        """Give where it listens for other nodes."""
        return str(next(row for row in self.json("nodes") if row["self"])["addresses"][0])

    def stop(self) -> None:
        """Wait for its end, which was asked for."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(25)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def progress(text: str) -> Progress:
    """Give a progress line."""
    return Progress(
        SpinnerColumn(), TextColumn(f"{text:<34}"), BarColumn(30), TextColumn("{task.description}"), TimeElapsedColumn()
    )


def start_nodes(nodes: list[Node], folders: list[Path], secret: str) -> None:
    """Start the three; the first is told to the others."""
    flags = [flag for folder in folders for flag in ("--file-folder", str(folder))]
    with progress("three nodes") as bar:
        task = bar.add_task("", total=len(NODES))
        for name in NODES:
            join = ["--join", nodes[0].address()] if nodes else []
            nodes.append(Node(name, secret, [*flags, *join]))
            nodes[-1].wait()
            bar.update(task, advance=1, description=name)
        deadline = time.monotonic() + START_TIMEOUT_S
        while any(sum(row["state"] == "alive" for row in node.json("nodes")) < len(NODES) for node in nodes):
            if time.monotonic() > deadline:
                raise DemoError("the nodes did not find each other; their logs are in .demo/")
            time.sleep(0.3)


def record(nodes: list[Node], clip: Path | None) -> list[dict[str, Any]]:
    """Record the test camera and the clip, from another node than theirs; gives the takes."""
    sources = [("test:?size=1280x720&rate=25&tone=440", "Test camera")]
    if clip is not None:
        sources.append((f"file:{clip}?loop", f"Clip {clip.stem}"))
    cameras = [nodes[0].json("source", "add", url, "--name", name)[0] for url, name in sources]
    with progress(f"recording {len(cameras)} cameras") as bar:
        task = bar.add_task("connecting", total=RECORD_S)
        deadline = time.monotonic() + START_TIMEOUT_S
        while (states := [row["state"] for row in nodes[1].json("source", "list")]) != ["online"] * len(cameras):
            if time.monotonic() > deadline:
                raise DemoError(f"the cameras are {', '.join(states)}; see .demo/{nodes[0].name}.log")
            time.sleep(0.3)
        nodes[1].run("record", "start", *(camera["id"] for camera in cameras))
        began = time.monotonic()
        while (done := time.monotonic() - began) < RECORD_S:
            copies = nodes[2].json("status")["copies"]
            told = f"second copy {copies['lag_s']:.1f} s behind" if copies["waiting"] else "every part has two copies"
            bar.update(task, completed=done, description=told)
            time.sleep(0.5)
        bar.update(task, completed=RECORD_S)
        nodes[1].run("record", "stop", *(camera["id"] for camera in cameras))
    return [row for row in nodes[2].json("ls") if row["kind"] == "take"]


def understood(node: Node) -> None:
    """Wait until every job is done; what failed is told."""
    with progress("understanding what was kept") as bar:
        task = bar.add_task("", total=None)
        deadline, quiet = time.monotonic() + INDEX_TIMEOUT_S, 0
        while time.monotonic() < deadline and quiet < 3:
            jobs = node.json("jobs")
            done = sum(job["state"] in ("done", "failed") for job in jobs)
            bar.update(task, total=max(1, len(jobs)), completed=done, description=f"{done} of {len(jobs)} jobs")
            quiet = quiet + 1 if jobs and done == len(jobs) else 0
            time.sleep(1.0)
        for job in node.json("jobs"):
            if job["state"] == "failed":
                say.print(f"  [yellow]job {job['kind']} failed:[/] {job['error']}")


def search(node: Node, queries: list[Query]) -> bool:
    """Run the searches and show what they find; tells whether each found what it must."""
    table = Table(title=f"\nsearched on {node.name}, where none of it was taken in", box=None, title_justify="left")
    for name in ("words", "must find", "found", "place", "why", "shards"):
        table.add_column(name, no_wrap=name != "why")
    right = True
    for query in queries:
        deadline = time.monotonic() + INDEXED_S
        while True:
            answer = node.json("search", query.words)
            hits = answer["hits"]
            place = next((number for number, hit in enumerate(hits, 1) if query.found_by(hit)), 0)
            if place or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        right = right and 0 < place <= PLACES
        hit = hits[place - 1] if place else None
        at = hit["at"] if hit else None
        table.add_row(
            f'"{query.words}"',
            query.told(),
            "[red]no[/]" if hit is None else hit["name"] if at is None else f"{hit['name']} at {at:.1f} s",
            f"{place} of {len(hits)}" if place else "-",
            hit["why"][0] if hit else "-",
            f"{answer['shards_ok']}/{answer['shards_total']}",
        )
        if answer.get("missing"):
            say.print(f"  [yellow]{answer['missing']}[/]")
    say.print(table)
    return right


def surest(node: Node, queries: list[Query]) -> list[Query]:
    """Give the one of these whose asset is found first and looks most like it: models guess, too."""
    sure = []
    for query in queries:
        hit = next(iter(node.json("search", query.words)["hits"]), None)
        alike = re.search(r"looks like it \(([\d.]+)\)", " ".join(hit["why"])) if hit else None
        if hit and alike and query.found_by(hit):
            sure.append((float(alike[1]), query))
    return [max(sure, key=lambda one: one[0])[1]] if sure else []


def tell(nodes: list[Node]) -> None:
    """Say where to look and what to try."""
    say.print("\n[bold]Open any of them[/] (each link signs you in once, within ten minutes):")
    for node in nodes:
        say.print(f"  {node.name:<8} {node.run('login')}", soft_wrap=True)
    last, first = nodes[-1], nodes[0]
    say.print("\n[bold]Try next[/], in another terminal:")
    for words, what in (
        (f"status --data {last.data}", "who is there, and what has too few copies"),
        (f"ls --data {last.data}", "everything kept, from a node that recorded none of it"),
        (f"search 'your words' --data {last.data}", "the moment, not the file"),
        (f"record start CAMERA --data {last.data}", "record a camera of another node"),
    ):
        say.print(f"  {os.path.relpath(THATDAM)} {words}   [dim]# {what}[/]", soft_wrap=True)
    say.print(f"  kill -9 {first.process.pid}   [dim]# {first.name} dies; its takes still play from the others[/]")


def watch(nodes: list[Node]) -> None:
    """Say when a node has ended, until all have."""
    standing = list(nodes)
    while standing:
        for node in [one for one in standing if one.process.poll() is not None]:
            standing.remove(node)
            left = ", ".join(one.name for one in standing)
            say.print(f"{node.name} has ended; " + (f"the mesh goes on with {left}" if left else "no node is left"))
        time.sleep(0.5)


def stop(nodes: list[Node]) -> None:
    """End the nodes in order; a second Ctrl-C ends them at once."""

    def at_once(*_: object) -> None:
        say.print("ending them at once")
        for node in nodes:
            node.process.kill()

    signal.signal(signal.SIGINT, at_once)
    signal.signal(signal.SIGTERM, at_once)
    say.print("stopping the nodes; running takes are finished first (Ctrl-C again ends them at once)")
    for node in reversed(nodes):
        node.process.send_signal(signal.SIGTERM)
    for node in reversed(nodes):
        node.stop()


def _in_use(data: Path) -> bool:
    try:
        DataFolder(data, SystemEntropy()).release()
    except Refused:
        return True
    return False


def main() -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--media", type=Path, help="a folder of clips and pictures, instead of some that are made")
    parser.add_argument("--once", action="store_true", help="end when all was shown, instead of at Ctrl-C")
    options = parser.parse_args()
    for name in NODES:
        if (OUT / name).is_dir() and _in_use(OUT / name):
            raise DemoError(f"a demo runs already with {OUT}; end it first, with Ctrl-C in its terminal")
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    if options.media is not None and not options.media.is_dir():
        raise DemoError(f"{options.media} is no folder")
    media, queries = make_media(OUT / "media", options.media.resolve() if options.media else None)
    secret = subprocess.run([str(THATDAM), "secret"], capture_output=True, text=True, check=True).stdout.strip()
    clips = sorted(
        (path for path in media.rglob("*") if path.suffix.lower() in (".mp4", ".mov", ".mkv")),
        key=lambda path: path.name == FILM,
    )
    nodes: list[Node] = []
    try:
        start_nodes(nodes, [media], secret)
        takes = record(nodes, clips[0] if clips else None)
        for take in takes:
            copies = f"{take['copies']} of {take['copies_wanted']} copies"
            say.print(f"  {take['name']}: {take['duration']:.1f} s, {take['size_bytes'] / 1e6:.1f} MB, {copies}")
        say.print(f"taking in {media} on {nodes[1].name}")
        say.print(nodes[1].run("ingest", str(media)))
        understood(nodes[1])
        if options.media is not None:
            queries += surest(nodes[2], seen(nodes[2].json("ls", "--all")))
        right = search(nodes[2], queries)
        tell(nodes)
        if options.once:
            return 0 if right else 1
        say.print("\n[bold]Ctrl-C[/] ends all of it.")
        watch(nodes)
        return 0
    finally:
        stop(nodes)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say.print("stopped")
        sys.exit(0)
    except DemoError as error:
        say.print(f"[red]{error}[/]")
        sys.exit(1)

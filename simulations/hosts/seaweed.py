"""SeaweedFS on hosts of a LAN, where its program ``weed`` is on the path: a store of the same kind, to compare with.

A master and a volume server a host, two copies in different racks, files cut at 4 MiB as ours are.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from simulations.hosts.lan import Lan
from simulations.hosts.processes import until

MASTER_PORT, VOLUME_PORT = 9333, 8080


def there() -> bool:
    """Tell whether the program is there."""
    return shutil.which("weed") is not None


class Seaweed:
    """A running store; ``pids`` are its servers'."""

    def __init__(self, network: Lan, pids: list[int]) -> None:
        self.pids = pids
        self._inside = network.inside(0)
        self._master = f"{network.addresses[0]}:{MASTER_PORT}"

    def ready(self) -> bool:
        """Tell whether the master knows all volume servers."""
        asking = f"import urllib.request as r; print(r.urlopen('http://{self._master}/dir/status').read().decode())"
        asked = subprocess.run(
            (*self._inside, sys.executable, "-c", asking), capture_output=True, text=True, check=False
        )
        return asked.stdout.count(f':{VOLUME_PORT}"') >= len(self.pids) - 1

    def put(self, *files: Path) -> float:
        """Store files; gives the seconds it took."""
        began = time.monotonic()
        words = ("weed", "upload", f"-master={self._master}", "-replication=010", "-maxMB=4", *map(str, files))
        done = subprocess.run((*self._inside, *words), capture_output=True, text=True, check=True, timeout=300)
        told = json.loads(done.stdout)
        assert len(told) == len(files), done.stdout
        assert all(one["fid"] for one in told), done.stdout
        return time.monotonic() - began


@contextlib.contextmanager
def seaweed(network: Lan, folder: Path) -> Iterator[Seaweed]:
    """Give a store for as long as the block runs."""
    running: list[subprocess.Popen[bytes]] = []
    master = network.addresses[0]
    with (folder / "weed.log").open("ab") as log:

        def start(number: int, *words: str) -> None:
            running.append(subprocess.Popen((*network.inside(number), "weed", *words), stdout=log, stderr=log))

        try:
            (folder / "master").mkdir()
            start(0, "master", f"-ip={master}", f"-ip.bind={master}", f"-mdir={folder / 'master'}")
            for number, address in enumerate(network.addresses):
                data = folder / f"volume{number}"
                data.mkdir()
                where = (f"-ip={address}", f"-ip.bind={address}", f"-port={VOLUME_PORT}", f"-dir={data}", "-max=40")
                start(
                    number, "volume", *where, f"-master={master}:{MASTER_PORT}", "-dataCenter=dc1", f"-rack=r{number}"
                )
            store = Seaweed(network, [one.pid for one in running])
            until(store.ready, 60, "every volume server is known")
            yield store
        finally:
            for one in running:
                one.terminate()
            for one in running:
                one.wait(30)

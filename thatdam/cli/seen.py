"""What this machine has brought into the mesh: path, size and time of change of each file, so that a second run over
a folder reads none of it again.

A line of JSON a file, appended once the mesh has it, so that Ctrl-C loses nothing. It is a memory only: without it
every file is hashed again, and the mesh asked for the hash.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

FOLDER = "ingested"


class Seen:
    """The files of one mesh."""

    def __init__(self, data: Path, mesh: str) -> None:
        self._file = data / FOLDER / f"{mesh[:52]}.jsonl"
        self._lock = threading.Lock()
        self._known: dict[str, tuple[int, int]] = {}
        try:
            with self._file.open(encoding="utf-8") as lines:
                for line in lines:
                    self._take(line)
        except OSError:
            return

    def _take(self, line: str) -> None:
        try:
            told = json.loads(line)
            self._known[str(told["path"])] = (int(told["size"]), int(told["mtime_ns"]))
        except (ValueError, KeyError, TypeError):
            return  # a line that a power cut left half

    def unchanged(self, path: Path, size: int, mtime_ns: int) -> bool:
        """Tell whether a file is as it was when it was brought."""
        return self._known.get(_key(path)) == (size, mtime_ns)

    def note(self, path: Path, size: int, mtime_ns: int, asset: str) -> None:
        """Take note that the mesh has a file."""
        line = json.dumps({"path": _key(path), "size": size, "mtime_ns": mtime_ns, "asset": asset})
        with self._lock:
            self._file.parent.mkdir(mode=0o700, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as out:
                out.write(line + "\n")
            self._known[_key(path)] = (size, mtime_ns)


def _key(path: Path) -> str:
    return os.fsencode(path.resolve()).hex() if not str(path.resolve()).isprintable() else str(path.resolve())

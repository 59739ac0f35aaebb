"""Verbs that move bytes: put and ingest bring files in, get brings an asset out.

Invariant: what is told as kept has the hash of what was read here; a file that got its name by ``get`` is whole.
Ctrl-C leaves nothing half: an upload that breaks off leaves no asset, and a download goes on where it ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import typer
from blake3 import blake3
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from mesh.core.names import NAME_CHARS_MAX, safe_file_name
from thatdam.cli.client import Client, NodeError, Upload, errors, fail
from thatdam.cli.library import asset_path, size_text
from thatdam.cli.seen import Seen
from thatdam.cli.show import AsJson, Data

BLOCK_BYTES = 1 << 20
UPLOADS_AT_ONCE = 3
UPLOAD_WRITE_S, UPLOAD_ANSWER_S = 60.0, 180.0
"""How long a block of an upload, and its answer, may take."""
INTERRUPTED = 130


def _one_each(said: list[str] | None) -> list[str] | None:
    for tag in said or ():
        if "," in tag:
            raise typer.BadParameter(f"a tag has no comma: {tag!r}; say --tag once for each")
    return said


Tags = Annotated[
    list[str] | None, typer.Option("--tag", "-t", help="a tag for each; may be said again", callback=_one_each)
]


class FileTroubleError(Exception):
    """A file here cannot be brought; one sentence."""


class StoppedError(Exception):
    """Ctrl-C."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file on this machine."""

    path: Path
    size: int
    mtime_ns: int


def _progress(shown: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=errors,
        disable=not shown or not errors.is_terminal,
        transient=True,
    )


class _Bringer:
    """Uploads files, a few at once; ``stop`` ends all of them."""

    def __init__(self, client: Client, tags: list[str], progress: Progress) -> None:
        self._client = client
        self._tags = tags
        self._progress = progress
        self.task = progress.add_task("", total=0)
        self.stop = threading.Event()

    def expect(self, files: list[Path]) -> None:
        """Show how far these are."""
        size = 0
        for path in files:
            with contextlib.suppress(FileTroubleError):
                size += _look(path).size
        shown = _name_of(files[0]) if len(files) == 1 else f"{len(files)} files"
        self._progress.update(self.task, description=shown, total=size)

    def upload(self, file: Found, name: str) -> dict[str, Any]:
        """Bring one file; FileTroubleError or NodeError says why not."""
        whole = blake3()
        sent = 0

        def body() -> Iterator[bytes]:
            nonlocal sent
            with _open(file.path) as source:
                while block := source.read(min(BLOCK_BYTES, file.size - sent)):
                    if self.stop.is_set():
                        raise StoppedError
                    whole.update(block)
                    sent += len(block)
                    yield block
                    self._progress.advance(self.task, len(block))
            if sent != file.size:
                raise FileTroubleError("it became shorter while it was read; try again when it is finished")

        params = {"name": name, "tags": ",".join(self._tags)}
        upload = Upload(file.size, body(), UPLOAD_WRITE_S, UPLOAD_ANSWER_S)
        try:
            asset: dict[str, Any] = self._client.ask("PUT", "/api/v1/uploads", params=params, upload=upload)
        finally:
            self._progress.advance(self.task, file.size - sent)
        if asset["meta"].get("blake3") != whole.hexdigest():
            raise FileTroubleError(f"what arrived is not what was sent (asset {asset['id']}); check it, and try again")
        return asset


def _open(path: Path) -> Any:
    try:
        return path.open("rb")
    except OSError as error:
        raise FileTroubleError(f"it cannot be read: {error.strerror}") from error


def _look(path: Path) -> Found:
    try:
        found = path.stat()
    except OSError as error:
        raise FileTroubleError(f"it cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise FileTroubleError("it is a folder; `thatdam ingest` takes folders" if path.is_dir() else "it is no file")
    return Found(path, found.st_size, found.st_mtime_ns)


def _name_of(path: Path) -> str:
    """Give a file's name as text, also where it is no UTF-8 on the disk."""
    return os.fsencode(path.name).decode("utf-8", "replace")[:NAME_CHARS_MAX]


def put(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="files to bring into the mesh")],
    tags: Tags = None,
    name: Annotated[str, typer.Option(help="name to keep it under; for one file")] = "",
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Bring files into the mesh; waits until each has two copies where two nodes store."""
    if name and len(files) > 1:
        raise fail("--name is for one file", 2)
    client = Client(data)
    kept: list[dict[str, Any]] = []
    failed: list[tuple[Path, str]] = []
    with _progress(not as_json) as progress:
        bringer = _Bringer(client, tags or [], progress)
        bringer.expect(files)
        for path, told in _in_order(bringer, files, name):
            if isinstance(told, Exception):
                failed.append((path, str(told)))
                continue
            kept.append(told)
            if not as_json:
                print(f"{told['id']}  {size_text(told['size_bytes'])}  {_copies(told)}  {told['name']}", flush=True)
                if told["error"]:
                    errors.print(f"  kept as it is, but {told['error']}", markup=False, highlight=False, soft_wrap=True)
    if as_json:
        print(json.dumps({"kept": kept, "failed": _told(failed)}, indent=2))
    for path, why in failed:
        fail(f"{path}: {why}")
    if failed:
        raise typer.Exit(1)


def _in_order(
    bringer: _Bringer, files: list[Path], name: str
) -> Iterator[tuple[Path, dict[str, Any] | FileTroubleError | NodeError]]:
    """Bring files, a few at once, and give what became of each in the order they were said."""

    def bring(path: Path) -> dict[str, Any]:
        return bringer.upload(_look(path), name or _name_of(path))

    running: deque[tuple[Path, Future[dict[str, Any]]]] = deque()
    waiting = iter(files)
    pool = ThreadPoolExecutor(UPLOADS_AT_ONCE)
    try:
        while True:
            while len(running) < UPLOADS_AT_ONCE and (path := next(waiting, None)) is not None:
                running.append((path, pool.submit(bring, path)))
            if not running:
                return
            path, future = running.popleft()
            try:
                yield path, future.result()
            except (FileTroubleError, NodeError) as error:
                yield path, error
    except KeyboardInterrupt:
        bringer.stop.set()
        raise fail("stopped; what was on its way is not kept", INTERRUPTED) from None
    finally:
        bringer.stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _copies(asset: dict[str, Any]) -> str:
    count, wanted = asset["copies"], asset["copies_wanted"]
    if count is None:
        return f"? of {wanted} copies"
    return f"{count} of {wanted} {'copy' if wanted == 1 else 'copies'}"


def _told(failed: list[tuple[Path, str]]) -> list[dict[str, str]]:
    return [{"path": os.fsencode(path).decode("utf-8", "replace"), "error": why} for path, why in failed]


def ingest(
    paths: Annotated[
        list[Path], typer.Argument(metavar="FOLDER|FILE...", help="what to bring; folders with all in them")
    ],
    tags: Tags = None,
    hidden: Annotated[bool, typer.Option("--hidden", help="also names that begin with a dot")] = False,
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Bring folders into the mesh; what is there already, unchanged, is passed over."""
    client = Client(data)
    session = client.call("GET", "/api/v1/session")
    seen = Seen(client.folder, session["mesh"])
    files, failed = _walk(paths, hidden)
    new = [file for file in files if not seen.unchanged(file.path, file.size, file.mtime_ns)]
    run = _Ingest(client, seen, tags or [], failed, len(files) - len(new))
    with _progress(not as_json) as progress:
        interrupted = run.all(new, progress)
    if as_json:
        print(json.dumps(run.report(), indent=2))
    else:
        run.tell()
    if interrupted:
        raise fail("stopped; run it again and it goes on with the rest", INTERRUPTED)
    if run.failed:
        raise typer.Exit(1)


def _walk(paths: list[Path], hidden: bool) -> tuple[list[Found], list[tuple[Path, str]]]:
    """Find the files, each once, in the order of their names; links to folders are not followed."""
    found: dict[Path, Found] = {}
    failed: list[tuple[Path, str]] = []

    def take(path: Path) -> None:
        try:
            found.setdefault(path.resolve(), _look(path))
        except (FileTroubleError, OSError, RuntimeError) as error:
            failed.append((path, str(error)))

    for path in paths:
        if not path.is_dir():
            take(path)
            continue
        trouble: list[OSError] = []
        for folder, folders, names in os.walk(path, onerror=trouble.append):
            folders[:] = sorted(one for one in folders if hidden or not one.startswith("."))
            for name in sorted(names):
                if hidden or not name.startswith("."):
                    take(Path(folder) / name)
        failed += [(Path(str(error.filename)), f"it cannot be read: {error.strerror}") for error in trouble]
    return list(found.values()), failed


class _Ingest:
    """One run over many files."""

    def __init__(
        self, client: Client, seen: Seen, tags: list[str], failed: list[tuple[Path, str]], unchanged: int
    ) -> None:
        self._client = client
        self._seen = seen
        self._tags = tags
        self.failed = failed
        self.unchanged = unchanged
        self.added: list[tuple[Path, dict[str, Any]]] = []

    def all(self, files: list[Found], progress: Progress) -> bool:
        """Bring the files; tells whether Ctrl-C ended it before the last."""
        bringer = _Bringer(self._client, self._tags, progress)
        progress.update(bringer.task, total=sum(file.size for file in files))
        waiting = iter(files)
        running: dict[Future[dict[str, Any] | None], Found] = {}
        done = 0
        pool = ThreadPoolExecutor(UPLOADS_AT_ONCE)
        try:
            while True:
                while len(running) < UPLOADS_AT_ONCE and (file := next(waiting, None)) is not None:
                    running[pool.submit(self._one, bringer, file)] = file
                if not running:
                    return False
                progress.update(bringer.task, description=f"{done}/{len(files)} files")
                ended, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    done += 1
                    if not self._taken(running.pop(future), future):
                        # The node is gone: the other files would only say the same.
                        waiting = iter(())
        except KeyboardInterrupt:
            bringer.stop.set()
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)
            try:
                wait(running)
                for future, file in running.items():
                    self._taken(file, future)
            finally:
                signal.signal(signal.SIGINT, before)
            return True
        finally:
            pool.shutdown(wait=True)

    def _one(self, bringer: _Bringer, file: Found) -> dict[str, Any] | None:
        """Bring a file, or give None when the mesh has it under this name already."""
        name = _name_of(file.path)
        digest = _hash(file, bringer.stop)
        for trashed in (False, True):
            found = self._client.ask("GET", "/api/v1/assets", params={"content": digest, "trashed": trashed})
            standing = next((asset for asset in found["assets"] if asset["name"] == name), None)
            if standing is not None:
                self._seen.note(file.path, file.size, file.mtime_ns, standing["id"])
                return None
        asset = bringer.upload(file, name)
        if asset["meta"].get("blake3") == digest:
            self._seen.note(file.path, file.size, file.mtime_ns, asset["id"])
        return asset

    def _taken(self, file: Found, future: Future[dict[str, Any] | None]) -> bool:
        try:
            asset = future.result()
        except StoppedError:
            return True
        except FileTroubleError as error:
            self.failed.append((file.path, str(error)))
        except NodeError as error:
            self.failed.append((file.path, str(error)))
            return error.status is not None
        else:
            if asset is None:
                self.unchanged += 1
            else:
                self.added.append((file.path, asset))
        return True

    def report(self) -> dict[str, Any]:
        """Give what happened, for programs."""
        return {
            "added": [{**asset, "path": os.fsencode(path).decode("utf-8", "replace")} for path, asset in self.added],
            "unchanged": self.unchanged,
            "failed": _told(self.failed),
        }

    def tell(self) -> None:
        """Say what happened."""
        size = sum(asset["size_bytes"] for _, asset in self.added)
        print(f"{len(self.added)} added ({size_text(size)}), {self.unchanged} unchanged, {len(self.failed)} failed")
        for path, asset in self.added:
            if asset["error"]:
                errors.print(f"kept as it is: {path}: {asset['error']}", markup=False, highlight=False, soft_wrap=True)
        for path, why in self.failed:
            fail(f"not kept: {path}: {why}")


def _hash(file: Found, stop: threading.Event) -> str:
    whole = blake3()
    with _open(file.path) as source:
        while block := source.read(BLOCK_BYTES):
            if stop.is_set():
                raise StoppedError
            whole.update(block)
    return whole.hexdigest()


# ---------------------------------------------------------------- out


def get(
    asset: Annotated[str, typer.Argument(help="id of the asset")],
    to: Annotated[Path | None, typer.Argument(help="file or folder to write; default: its name, here")] = None,
    force: Annotated[bool, typer.Option("--force", help="replace a file that is there")] = False,
    data: Data = "",
    as_json: AsJson = False,
) -> None:
    """Bring an asset here as a file (a take: MP4), checked against its hash; goes on where it broke off."""
    client = Client(data)
    told = client.call("GET", f"/api/v1/assets/{asset_path(asset)}")
    name = safe_file_name(f"{told['name'] or asset}.mp4" if told["kind"] == "take" else told["name"] or asset)
    path = to / name if to is not None and to.is_dir() else to or Path(name)
    if path.exists() and not path.is_file():
        raise fail(f"{path} is no regular file, and is left as it is; give another name")
    if path.exists() and not force:
        raise fail(f"{path} is there already; give another name, or --force to replace it")
    try:
        url = f"/api/v1/assets/{told['id']}/file"
        size = _download(client, url, path, told["meta"].get("blake3"), shown=not as_json)
    except NodeError as error:
        raise fail(f"{error}; run it again to go on") from None
    except OSError as error:
        raise fail(f"{path} cannot be written: {error.strerror}; run it again to go on") from None
    except KeyboardInterrupt:
        raise fail("stopped; run it again to go on", INTERRUPTED) from None
    if as_json:
        print(json.dumps({"asset": told["id"], "path": str(path), "size_bytes": size}, indent=2))
    else:
        print(f"{path}: {size} bytes")


def _download(client: Client, url: str, path: Path, expected: str | None, *, shown: bool) -> int:
    """Bring a file; it gets its name only when it is whole and has the hash that it should have."""
    headers = client.head(url)
    tag, size = headers["etag"], int(headers["content-length"])
    # The part's name tells which bytes it is a part of: those of a take that has grown are never joined.
    part = path.with_name(f"{path.name[:200]}.{tag.strip(chr(34))[-12:]}.part")
    whole = blake3()
    with _progress(shown) as progress, part.open("a+b") as out:
        out.seek(0)
        while block := out.read(BLOCK_BYTES):
            whole.update(block)
        have = out.tell()
        if have > size:
            have = _from_start(out)
            whole = blake3()
        task = progress.add_task(path.name, total=size, completed=have)
        if have < size:
            asked = {"Range": f"bytes={have}-", "If-Range": tag} if have else {}
            with client.stream(url, asked) as answer:
                if have and answer.status != HTTPStatus.PARTIAL_CONTENT:
                    _from_start(out)
                    whole = blake3()
                    progress.update(task, completed=0)
                for block in answer.blocks(BLOCK_BYTES):
                    out.write(block)
                    whole.update(block)
                    progress.advance(task, len(block))
        out.flush()
        os.fsync(out.fileno())
        got = out.tell()
    if got != size or (expected is not None and whole.hexdigest() != expected):
        part.unlink()
        raise NodeError("what came is not what the mesh keeps; it is thrown away", None)
    part.replace(path)
    return got


def _from_start(out: Any) -> int:
    out.truncate(0)
    out.seek(0)
    return 0

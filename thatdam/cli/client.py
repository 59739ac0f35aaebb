"""How the verbs reach a node: its address and token lie in its data folder, readable by its owner alone."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import typer
from rich.console import Console

from proto.ids import is_short_id
from thatdam.places import ACCESS_FILE, default_data_folder

TIMEOUT_S = 30.0
errors = Console(stderr=True)


class NodeError(Exception):
    """The node said no, in a sentence, with its HTTP ``status``; None: it did not answer."""

    def __init__(self, text: str, status: int | None) -> None:
        super().__init__(text)
        self.status = status


def fail(text: str, code: int = 1) -> typer.Exit:
    """Print an error sentence and give the exit to raise."""
    errors.print(text, style="red", markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(code)


def lacks(answer: Mapping[str, Any]) -> str:
    """Say in how far a list is not whole; empty when it is."""
    if answer["partitions_ok"] >= answer["partitions_total"]:
        return ""
    soon = "; the others catch up, as when a node joins: ask again in a few seconds" if answer["catching_up"] else ""
    return f"incomplete: {answer['partitions_ok']} of {answer['partitions_total']} partitions answered{soon}"


def segment(said: str) -> str:
    """Give a name or id as one segment of a path, so that no letter in it makes another request of it."""
    if not said or "/" in said or said in (".", ".."):
        raise fail(f"{said!r} is no name or id of anything here")
    return quote(said, safe="")


def access_file(data: str) -> Path:
    """Give where a node says how its verbs reach it; ``data`` as a person said it, empty for the usual folder."""
    return (Path(data).expanduser() if data else default_data_folder()) / ACCESS_FILE


class Answer:
    """What a node answers, its body not read yet."""

    def __init__(self, made: http.client.HTTPResponse) -> None:
        self._made = made
        self.status = made.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; case does not matter."""
        return self._made.headers  # type: ignore[return-value]

    @property
    def is_error(self) -> bool:
        """The node said no."""
        return self.status >= 400

    def json(self) -> Any:
        """Read the body, which is JSON."""
        return json.loads(self._made.read())

    def blocks(self, size_bytes: int) -> Iterator[bytes]:
        """Read the body in blocks; ``http.client.IncompleteRead`` when it ends before its end."""
        while block := self._made.read(size_bytes):
            yield block
        if self._made.length:
            raise http.client.IncompleteRead(b"", self._made.length)


@dataclass(frozen=True, slots=True)
class Upload:
    """A body that is sent as it comes. ``write_s``, ``answer_s``: how long a block, and the answer, may take."""

    size_bytes: int
    blocks: Iterable[bytes]
    write_s: float
    answer_s: float


class Client:
    """A node's API, as the verbs use it. Threads may share it."""

    def __init__(self, data: str) -> None:
        file = access_file(data)
        folder = self.folder = file.parent
        try:
            access = json.loads(file.read_text(encoding="utf-8"))
            self.base = str(access["url"])
            self.headers = {"Authorization": f"Bearer {access['token']}"}
            self._host, self._port = urlsplit(self.base).hostname or "", urlsplit(self.base).port
        except (OSError, ValueError, KeyError, TypeError):
            raise fail(f"no node has run in {folder}; start one with `thatdam up`, or say --data") from None

    @property
    def events_url(self) -> str:
        """Give where the node tells events, over a WebSocket."""
        return self.base.replace("http", "ws", 1).rstrip("/") + "/api/v1/events"

    def call(self, method: str, path: str, **more: Any) -> Any:
        """Ask the node; an error is printed as the sentence it is and ends the command."""
        try:
            return self.ask(method, path, **more)
        except NodeError as error:
            raise fail(str(error)) from None

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        upload: Upload | None = None,
    ) -> Any:
        """Ask the node and give its JSON; NodeError with the sentence it answered."""
        with self._asked(method, path, {}, params, json, upload) as answer:
            if answer.is_error:
                raise _refused(answer)
            return None if answer.status == 204 else answer.json()

    @contextmanager
    def stream(self, path: str, headers: dict[str, str]) -> Iterator[Answer]:
        """Open a download; NodeError also for what goes wrong while it is read."""
        with self._asked("GET", path, headers) as answer:
            if answer.is_error:
                raise _refused(answer)
            yield answer

    @contextmanager
    def _asked(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        params: Mapping[str, Any] | None = None,
        told: Any = None,
        upload: Upload | None = None,
    ) -> Iterator[Answer]:
        sent = {**self.headers, **headers}
        body: bytes | Iterable[bytes] | None = None
        if upload is not None:
            body = upload.blocks
            sent |= {"Content-Length": str(upload.size_bytes), "Content-Type": "application/octet-stream"}
        elif told is not None:
            body = json.dumps(told).encode()
            sent["Content-Type"] = "application/json"
        wait_s = upload.write_s if upload is not None else TIMEOUT_S
        connection = http.client.HTTPConnection(self._host, self._port, timeout=wait_s)
        with contextlib.closing(connection):
            try:
                connection.connect()
                # Who has no room for a body says so before it has come, and hears no more of it.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.request(method, path + _query(params), body, sent)
                if upload is not None:
                    connection.sock.settimeout(upload.answer_s)
                yield Answer(connection.getresponse())
            except (OSError, http.client.HTTPException) as error:
                raise self._gone(error) from error

    def camera(self, wanted: str) -> str:
        """Give the id of a camera said by id or name; also an id of one that is no more."""
        answer = self.call("GET", "/api/v1/cameras")
        cameras = answer["cameras"]
        if any(one["id"] == wanted for one in cameras):
            return wanted
        found = [one["id"] for one in cameras if one["name"] == wanted]
        if len(found) > 1:
            raise fail(f"{len(found)} cameras are called {wanted!r}; say the id: {', '.join(found)}")
        if found:
            return str(found[0])
        if is_short_id(wanted):
            return wanted  # a camera that was removed has takes still
        called = ", ".join(sorted(repr(one["name"]) for one in cameras)) or "there is none yet"
        lacking = f" ({told})" if (told := lacks(answer)) else ""
        raise fail(f"no camera is called {wanted!r}; the cameras: {called}{lacking}")

    def head(self, path: str) -> Mapping[str, str]:
        """Give the headers of a resource."""
        with self._asked("HEAD", path, {}) as answer:
            if answer.is_error:
                raise NodeError(f"the node answered {answer.status} for {path}", answer.status)
            return answer.headers

    def _gone(self, error: OSError | http.client.HTTPException) -> NodeError:
        why = "it hung up" if isinstance(error, http.client.HTTPException) else error.strerror or str(error)
        return NodeError(f"the node does not answer at {self.base}; is `thatdam up` running? ({why})", None)


def _query(params: Mapping[str, Any] | None) -> str:
    """Give parameters as the API takes them: several values of one name, true and false."""
    if not params:
        return ""
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        values: Sequence[Any] = value if isinstance(value, list | tuple) else (value,)
        pairs += [
            (name, str(one).lower() if isinstance(one, bool) else "" if one is None else str(one)) for one in values
        ]
    return f"?{urlencode(pairs)}"


def _refused(answer: Answer) -> NodeError:
    try:
        # Where a parameter stands in the request is of no use to who typed a verb.
        text = str(answer.json()["detail"]).removeprefix("query.").removeprefix("body.")
    except (ValueError, KeyError, TypeError):
        text = f"the node answered {answer.status}"
    return NodeError(text, answer.status)

"""How the verbs reach a node: its address and token lie in its data folder, readable by its owner alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import typer
from rich.console import Console

from proto.ids import is_short_id
from thatdam.config import ACCESS_FILE, default_data_folder

if TYPE_CHECKING:
    import httpx

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


def segment(said: str) -> str:
    """Give a name or id as one segment of a path, so that no letter in it makes another request of it."""
    if not said or "/" in said or said in (".", ".."):
        raise fail(f"{said!r} is no name or id of anything here")
    return quote(said, safe="")


def access_file(data: str) -> Path:
    """Give where a node says how its verbs reach it; ``data`` as a person said it, empty for the usual folder."""
    return (Path(data).expanduser() if data else default_data_folder()) / ACCESS_FILE


class Client:
    """A node's API, as the verbs use it."""

    def __init__(self, data: str) -> None:
        import httpx  # here and below: whoever calls no node, as a node itself, does without it

        file = access_file(data)
        folder = self.folder = file.parent
        try:
            access = json.loads(file.read_text(encoding="utf-8"))
            self.base = str(access["url"])
            self.headers = {"Authorization": f"Bearer {access['token']}"}
            self._http = httpx.Client(base_url=self.base, headers=self.headers, timeout=TIMEOUT_S)
        except (OSError, ValueError, KeyError):
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

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """Ask the node and give its JSON; NodeError with the sentence it answered."""
        import httpx

        try:
            answer = self._http.request(method, path, **more)
        except httpx.TransportError as error:
            raise self._gone(error) from error
        if answer.status_code == 204:
            return None
        if answer.is_error:
            raise _refused(answer)
        return answer.json()

    @contextmanager
    def stream(self, path: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """Open a download; NodeError also for what goes wrong while it is read."""
        import httpx

        try:
            with self._http.stream("GET", path, headers=headers) as answer:
                if answer.is_error:
                    answer.read()
                    raise _refused(answer)
                yield answer
        except httpx.TransportError as error:
            raise self._gone(error) from error

    def camera(self, wanted: str) -> str:
        """Give the id of a camera said by id or name; also an id of one that is no more."""
        cameras = self.call("GET", "/api/v1/cameras")["cameras"]
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
        raise fail(f"no camera is called {wanted!r}; the cameras: {called}")

    def head(self, path: str) -> httpx.Headers:
        """Give the headers of a resource."""
        import httpx

        try:
            answer = self._http.head(path)
        except httpx.TransportError as error:
            raise self._gone(error) from error
        if answer.is_error:
            raise NodeError(f"the node answered {answer.status_code} for {path}", answer.status_code)
        return answer.headers

    def _gone(self, error: httpx.TransportError) -> NodeError:
        return NodeError(f"the node does not answer at {self.base}; is `thatdam up` running? ({error})", None)


def _refused(answer: httpx.Response) -> NodeError:
    try:
        # Where a parameter stands in the request is of no use to who typed a verb.
        text = str(answer.json()["detail"]).removeprefix("query.").removeprefix("body.")
    except (ValueError, KeyError, TypeError):
        text = f"the node answered {answer.status_code}"
    return NodeError(text, answer.status_code)

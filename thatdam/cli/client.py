"""How the verbs reach a node: its address and token lie in its data folder, readable by its owner alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import typer
from rich.console import Console

from thatdam.config import default_data_folder

ACCESS_FILE = "cli.json"
TIMEOUT_S = 30.0
errors = Console(stderr=True)


def fail(text: str, code: int = 1) -> typer.Exit:
    """Print an error sentence and give the exit to raise."""
    errors.print(text, style="red", markup=False, highlight=False)
    return typer.Exit(code)


class Client:
    """A node's API, as the verbs use it."""

    def __init__(self, data: str) -> None:
        folder = Path(data).expanduser() if data else default_data_folder()
        try:
            access = json.loads((folder / ACCESS_FILE).read_text(encoding="utf-8"))
            self.base = str(access["url"])
            self._http = httpx.Client(
                base_url=self.base, headers={"Authorization": f"Bearer {access['token']}"}, timeout=TIMEOUT_S
            )
        except (OSError, ValueError, KeyError):
            raise fail(f"no node has run in {folder}; start one with `thatdam up`, or say --data") from None

    def call(self, method: str, path: str, **more: Any) -> Any:
        """Ask the node; an error is printed as the sentence it is and ends the command."""
        try:
            answer = self._http.request(method, path, **more)
        except httpx.TransportError as error:
            raise fail(
                f"the node does not answer at {self._http.base_url}; is `thatdam up` running? ({error})"
            ) from None
        if answer.status_code == 204:
            return None
        body = answer.json()
        if answer.is_error:
            raise fail(str(body.get("detail", body)))
        return body

    def download(self, path: str, to: Path) -> int:
        """Bring a file here; it appears under its name only when it is whole."""
        part = to.with_name(to.name + ".part")
        try:
            with self._http.stream("GET", path) as answer, part.open("wb") as out:
                if answer.is_error:
                    answer.read()
                    raise fail(str(answer.json().get("detail")))
                for block in answer.iter_bytes(1 << 20):
                    out.write(block)
            part.replace(to)
        except httpx.TransportError as error:
            raise fail(f"the node stopped answering: {error}") from None
        finally:
            part.unlink(missing_ok=True)
        return to.stat().st_size

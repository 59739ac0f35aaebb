"""While a world runs, real time, real chance and real threads fail whoever touches them.

Invariant: what was replaced is put back when the world ends, also after an error.
"""

from __future__ import annotations

import concurrent.futures
import datetime
import logging
import os
import random
import secrets  # noqa: TID251 - to forbid it
import sys
import threading
import time
import uuid  # noqa: TID251 - to forbid it
from collections import deque
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, NoReturn

import structlog


class Forbidden(AssertionError):
    """A simulated node touched the real world."""


OURS = ("mesh", "roles", "proto", "thatdam", "simulations")
LOG_LINES_KEPT = 2000


class _Whole(type):
    """Real datetimes count as the forbidding ones, for libraries that check what they are given."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _REAL_DATETIME)


_REAL_DATETIME = datetime.datetime


class _Datetime(datetime.datetime, metaclass=_Whole):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> NoReturn:
        raise Forbidden("datetime.now: ask the Clock port")

    @classmethod
    def utcnow(cls) -> NoReturn:
        raise Forbidden("datetime.utcnow: ask the Clock port")


_TARGETS: tuple[tuple[Any, str], ...] = (
    (time, "time"),
    (time, "time_ns"),
    (time, "sleep"),
    (os, "urandom"),
    (uuid, "uuid1"),
    (uuid, "uuid4"),
    (secrets, "token_bytes"),
    (secrets, "token_hex"),
    (secrets, "token_urlsafe"),
    (secrets, "randbits"),
    (secrets, "choice"),
    (random, "random"),
    (random, "uniform"),
    (random, "randrange"),
    (random, "choice"),
    (random, "shuffle"),
    (random.SystemRandom, "random"),
    (random.SystemRandom, "getrandbits"),
    (threading.Thread, "start"),
    (concurrent.futures.ThreadPoolExecutor, "submit"),
)


def _forbid(name: str) -> Callable[..., NoReturn]:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise Forbidden(f"{name}: a simulated node may not touch it; ask its port")

    return fail


@contextmanager
def real_world_forbidden(now: Callable[[], float], errors: Callable[[str], None]) -> Iterator[deque[str]]:
    """Forbid it within the block. Gives the log's last lines; those of level error also go to ``errors``."""
    lines: deque[str] = deque(maxlen=LOG_LINES_KEPT)

    def keep(_: Any, method: str, event: MutableMapping[str, Any]) -> str:
        event.pop("exc_info", None)
        line = f"{method} {' '.join(f'{key}={value}' for key, value in event.items())}"
        lines.append(f"{now():.6f} {line}")
        if method in ("error", "critical", "exception"):
            errors(line)
        raise structlog.DropEvent

    saved = [(owner, name, owner.__dict__[name]) for owner, name in _TARGETS]
    real = datetime.datetime
    modules = [
        module
        for name, module in sorted(sys.modules.items())
        if name.split(".")[0] in OURS and getattr(module, "datetime", None) is real
    ]
    log_config = structlog.get_config()
    disabled = logging.root.manager.disable
    try:
        for owner, name, _ in saved:
            setattr(owner, name, _forbid(f"{getattr(owner, '__name__', owner)}.{name}"))
        datetime.datetime = _Datetime  # type: ignore[misc]
        for module in modules:
            module.datetime = _Datetime  # type: ignore[attr-defined]
        structlog.configure(processors=[keep], cache_logger_on_first_use=False)
        logging.disable(logging.CRITICAL)
        yield lines
    finally:
        for owner, name, value in saved:
            setattr(owner, name, value)
        datetime.datetime = real  # type: ignore[misc]
        for module in modules:
            module.datetime = real  # type: ignore[attr-defined]
        structlog.configure(**log_config)
        logging.disable(disabled)

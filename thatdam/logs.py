"""How a node tells its log: one line an event on standard error, as text or JSON, with the correlation id."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from mesh.actors.system import correlation
from proto.ids import NodeId
from thatdam.config import LogConfig

_Event = dict[str, Any]


def configure(config: LogConfig, node: NodeId) -> None:
    """Set up the log of this process. Tracebacks are told at level debug alone: a line says what went wrong."""
    level = getattr(logging, config.level.upper())

    def named(_: Any, __: str, event: Any) -> Any:
        event["node"] = node[:8]
        if correlation.get():
            event["correlation_id"] = correlation.get()
        if level > logging.DEBUG:
            event.pop("exc_info", None)
        return event

    shape: Any = (
        structlog.processors.JSONRenderer()
        if config.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            named,
            structlog.processors.format_exc_info,
            shape,
        ]
        if config.format == "json"
        else [structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True), named, shape],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )

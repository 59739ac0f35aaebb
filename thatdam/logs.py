"""How a node tells its log: one line an event on standard error, as text or JSON, with the correlation id.

What libraries log through the standard library takes the same way, so that in JSON every line is JSON.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from mesh.actors.system import correlation
from proto.ids import NodeId
from thatdam.config import LogConfig

CHATTY = ("aioquic", "aioice", "aiortc", "asyncio", "httpx", "httpcore", "quic", "uvicorn", "websockets", "zeroconf")
"""Libraries that tell at level info what is none of the operator's business."""


BYE_OF_NOBODY = "Packet contains no CRYPTO frame"
"""What aioquic says of a goodbye that comes as the first packet: a dialler gave up before anything it sent arrived, or
its connection is forgotten here already, as every goodbye is sent twice. No connection comes of it, and no harm."""


def _bye_is_no_warning(record: logging.LogRecord) -> bool:
    """Tell such goodbyes at level debug."""
    if record.levelno == logging.WARNING and BYE_OF_NOBODY in str(record.msg):
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return logging.getLogger("quic").isEnabledFor(logging.DEBUG)
    return True


def configure(config: LogConfig, node: NodeId) -> None:
    """Set up the log of this process. Tracebacks are told at level debug alone: a line says what went wrong."""
    level = getattr(logging, config.level.upper())

    def named(_: Any, __: str, event: Any) -> Any:
        if node:  # not known yet while it starts
            event["node"] = node[:8]
        if correlation.get():
            event["correlation_id"] = correlation.get()
        if level > logging.DEBUG:
            event.pop("exc_info", None)
        return event

    json = config.format == "json"
    shape: Any = (
        structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        named,
        *([structlog.processors.format_exc_info] if json else []),
    ]
    structlog.configure(
        processors=[*shared, shape],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, shape],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("quic").addFilter(_bye_is_no_warning)  # a filter that is there already is added no second time
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING) if level > logging.DEBUG else level)

"""Log lines: for people on a terminal, JSON otherwise or on request; always to standard error.

What belongs here: the set-up of structlog and the loggers it hands out. What does not: progress displays (the command
line draws those) and results (standard output belongs to them).
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Final, Literal, TextIO, cast

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger, Processor

LogFormat = Literal["auto", "human", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logs(log_format: LogFormat = "auto", level: LogLevel = "info", stream: TextIO | None = None) -> None:
    """Send log lines of this process to a stream.

    Parameters
    ----------
    log_format
        ``"human"``, ``"json"``, or ``"auto"``: human on a terminal, JSON elsewhere.
    level
        Least level that is written.
    stream
        Where to; standard error as it is at each line where None.
    """
    import structlog  # noqa: PLC0415 -- a command that logs nothing need not wait for it

    terminal = is_terminal(stream or sys.stderr)
    human = log_format == "human" or (log_format == "auto" and terminal)
    render: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=terminal and not no_colour(), pad_event_to=0, sort_keys=False)]
        if human
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if human else "iso", utc=True),
            *render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: structlog.WriteLogger(cast("TextIO", stream or sys.stderr)),
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> FilteringBoundLogger:
    """Return a logger whose lines carry the name of the room that writes them."""
    import structlog  # noqa: PLC0415 -- as above

    if not structlog.is_configured():
        configure_logs()  # structlog's own default writes to standard output
    return cast("FilteringBoundLogger", structlog.get_logger(room=name))


def no_colour() -> bool:
    """Return whether the user asked for no colour (``NO_COLOR``, see no-color.org, or a dumb terminal)."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def is_terminal(stream: TextIO) -> bool:
    """Return whether a stream is a terminal; a closed or foreign stream is none."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False

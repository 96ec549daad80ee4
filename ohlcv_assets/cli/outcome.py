"""How a command ends: exit codes, and every error as one sentence on standard error.

What belongs here: the last line of defence around a command. What does not: wording, which is written where an error
is raised.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from enum import IntEnum
from typing import Final

from typer.exceptions import Abort, TyperException

from ohlcv_assets.errors import OhlcvError
from ohlcv_assets.logs import is_terminal, no_colour


class ExitCode(IntEnum):
    """Exit codes of every command."""

    OK = 0
    FAILED = 1
    REFUSED = 2
    DEFECT = 70
    INTERRUPTED = 130


MEANINGS: Final[dict[ExitCode, str]] = {
    ExitCode.OK: "all is well",
    ExitCode.FAILED: "it ran, but something did not hold: a failed check, a failed day, a gate missed",
    ExitCode.REFUSED: "the request, a setting, a file or the machine stands in the way; nothing was changed by it",
    ExitCode.DEFECT: "a defect in ohlcv itself; --debug shows where",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C",
}
_SENTENCES: Final[dict[type[Exception], str]] = {
    Abort: "stopped; nothing was changed.",
    MemoryError: "there is not enough memory; ask for less at a time.",
}
_FULL_DISK: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit code."""
    debug = "--debug" in arguments
    try:
        from ohlcv_assets.cli.app import command

        code = command().main(args=arguments, prog_name="ohlcv", standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # Typer turns the first into the second, and uses it for nothing else
        return _reader_left()
    except KeyboardInterrupt:  # while a command's parts were still being imported
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 -- the last line of defence: every error becomes one sentence
        if debug:
            traceback.print_exc()
        return _explain(error)
    return code if isinstance(code, int) else ExitCode.OK


def _explain(error: Exception) -> ExitCode:
    for kind, sentence in _SENTENCES.items():
        if isinstance(error, kind):
            return _say(sentence, ExitCode.REFUSED)
    if isinstance(error, TyperException):
        message = " ".join(error.format_message().split())
        if not message:  # no command was given, and the help is printed already
            return ExitCode.REFUSED
        hint = "" if message.endswith("?") else " `ohlcv --help` and `ohlcv COMMAND --help` show what there is."
        return _say(f"{message.rstrip('.')}{'' if message.endswith('?') else '.'}{hint}", ExitCode.REFUSED)
    if isinstance(error, OhlcvError):
        return _say(str(error), ExitCode.REFUSED)
    if isinstance(error, OSError):
        return _say(_machine(error), ExitCode.REFUSED)
    what = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return _say(f"a defect in ohlcv: {what} (run it again with --debug to see where).", ExitCode.DEFECT)


def _machine(error: OSError) -> str:
    where = f" at {os.fspath(error.filename)!r}" if isinstance(error.filename, str | os.PathLike) else ""
    what = error.strerror or str(error)
    if error.errno in _FULL_DISK:
        return f"there is no room left on the disk{where} ({what}); free some or set OHLCV_DATA_DIR elsewhere."
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return f"the machine does not let ohlcv in{where} ({what}); check the permissions or set OHLCV_DATA_DIR."
    return f"the machine refused{where}: {what}; check the path and try again."


def _say(sentence: str, code: ExitCode) -> ExitCode:
    label = "\x1b[1;31merror:\x1b[0m" if is_terminal(sys.stderr) and not no_colour() else "error:"
    print(f"{label} {sentence}", file=sys.stderr)  # noqa: T201 -- this is where errors are printed
    return code


def _reader_left() -> ExitCode:
    """End quietly when the reader of a pipe (`| head`) has seen enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.OK

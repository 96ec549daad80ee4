"""A service started for a benchmark, in a process of its own.

What belongs here: starting `ohlcv serve` and stopping it. What does not: asking it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ohlcv_assets.errors import UserError
from ohlcv_assets.settings import variable

_START: Final = "from ohlcv_assets.cli import main; raise SystemExit(main())"
_ADDRESS: Final = re.compile(r" at (http://127\.0\.0\.1:[0-9]+),")
_PATIENCE: Final = 60.0
_LOOK: Final = 0.02
_LAST_LINES: Final = 3

UNBOUND: Final[Mapping[str, object]] = {
    "serve_host": "127.0.0.1",
    "serve_port": 0,
    "serve_open_reads": True,
    # One client of a benchmark stands for many.
    "serve_rate": 1e9,
    # A year of one-minute bars is 527,040.
    "serve_rows": 1_000_000,
    "log_format": "json",
    "log_level": "info",
}
"""Settings of a service that is measured, where they differ: its bounds of one client."""


@contextmanager
def served(overrides: Mapping[str, object], folder: Path) -> Iterator[str]:
    """Serve the settings' store in another process; give the address.

    Parameters
    ----------
    overrides
        Settings by name that outrank those of the environment.
    folder
        Where the service's log lines go.

    Raises
    ------
    UserError
        The service did not start; what it said is in the error.
    """
    log = folder / "serve.log"
    given = {variable(name): str(value) for name, value in {**overrides, **UNBOUND}.items()}
    with log.open("wb") as sink:
        process = subprocess.Popen([sys.executable, "-c", _START, "serve"], stderr=sink, env={**os.environ, **given})  # noqa: S603 -- our own command
    try:
        yield _address(process, log)
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes], patience: float = _PATIENCE) -> None:
    """End a process, by force where it does not end by itself."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Return where a service listens, as soon as it says so."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        found = _ADDRESS.search(log.read_text("utf-8", errors="replace"))
        if found is not None:
            return found[1]
        time.sleep(_LOOK)
    said = " ".join(log.read_text("utf-8", errors="replace").split("\n")[-_LAST_LINES:]).strip()
    raise UserError(f"The service did not start: {said or 'it said nothing'}")

"""The command line, `ohlcv`: one module a command, and what they share.

What belongs here: reading requests and showing results. What does not: doing the work, which the rooms below do.
Command modules import what they need when they run, so that `ohlcv --help` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ohlcv_assets.cli.outcome import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one `ohlcv` command line and return its exit code.

    Parameters
    ----------
    arguments
        The words after `ohlcv`; those of this process where None.
    """
    return run(list(sys.argv[1:] if arguments is None else arguments))

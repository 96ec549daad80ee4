"""A stand-in for InfluxData's load generator.

What belongs here: a program named ``inch`` that notes what it was called with, writes something or ends with an error.
What does not: the real one, which nobody needs to have for the tests.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path

import pytest

_SOURCE = """import json, pathlib, sys, time
pathlib.Path({calls!r}).open("a").write(json.dumps(sys.argv[1:]) + "\\n")
time.sleep({seconds})
token = sys.argv[sys.argv.index("-token") + 1]
print("Authorization Token: " + token)
sys.stderr.write({said!r}.replace("TOKEN", token))
sys.exit({code})
"""

_START = """#!/bin/sh
exec {python} {source} "$@"
"""
"""A shell starts it: a first line names no interpreter whose path has a space."""


class StandIn:
    """The program, first on PATH.

    Parameters
    ----------
    folder
        Where it is made.
    monkeypatch
        Puts the folder on PATH.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder / "bin"
        self._folder.mkdir()
        self._calls = folder / "calls"
        self._calls.touch()
        monkeypatch.setenv("PATH", f"{self._folder}{os.pathsep}{os.environ['PATH']}")
        self.answers()

    def answers(self, code: int = 0, said: str = "", seconds: float = 0.0) -> None:
        """Let it end with a code, after some seconds, having said something on standard error: TOKEN is its token."""
        source = self._folder / "inch.py"
        source.write_text(_SOURCE.format(calls=str(self._calls), said=said, code=code, seconds=seconds))
        path = self._folder / "inch"
        path.write_text(_START.format(python=shlex.quote(sys.executable), source=shlex.quote(str(source))))
        path.chmod(0o755)

    @property
    def calls(self) -> list[dict[str, str]]:
        """What it was called with each time: options and their values."""
        calls = [json.loads(line) for line in self._calls.read_text().splitlines()]
        return [dict(zip(words[1::2], words[2::2], strict=True)) for words in calls]

"""Changing some lines of an ``.env`` file, and keeping all others.

What belongs here: finding the lines of a variable, writing them anew, permissions of the file. What does not: which
variables (``setup``), reading settings (``settings``).
"""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dotenv.parser import parse_stream

from ohlcv_assets.lake.atomic import replacing

PRIVATE: Final = stat.S_IRUSR | stat.S_IWUSR
"""Permissions of a file with secrets: its owner reads and writes."""

_PLAIN: Final = re.compile(r"^[A-Za-z0-9_=+/.:@%-]+$")


def update_env_file(path: Path, values: Mapping[str, str]) -> tuple[str, ...]:
    """Write variables into an ``.env`` file, all at once or not at all, readable for its owner alone.

    Lines of other variables, comments and empty lines stay as they are; a variable that is there is changed in its
    place, one that is not is added at the end. A symbolic link stays one.

    Parameters
    ----------
    path
        The file; made where there is none.
    values
        Text by variable, without quotes.

    Returns
    -------
    tuple of str
        The variables that were missing or had another value.
    """
    target = Path(os.path.realpath(path))
    old = target.read_text("utf-8") if target.exists() else ""
    new, changed = _edited(old, values)
    if changed:
        _write(target, new)
    elif is_open(target):
        target.chmod(PRIVATE)
    return changed


def is_open(path: Path) -> bool:
    """Tell whether others than its owner may do anything with a file; False where there is none."""
    return path.exists() and stat.S_IMODE(path.stat().st_mode) & ~PRIVATE != 0


def _edited(text: str, values: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return the text with the values in it, and which of them it did not have."""
    bindings = list(parse_stream(io.StringIO(text)))
    there = {binding.key.upper(): binding.value for binding in bindings if binding.key is not None}
    changed = tuple(name for name, value in values.items() if there.get(name) != value)
    lines = []
    for binding in bindings:
        name = None if binding.key is None else binding.key.upper()
        if name is None or name not in changed:
            lines.append(binding.original.string)
            continue
        before = re.match(r"\s*", binding.original.string)
        lines.append(f"{before[0] if before else ''}{name}={_quoted(values[name])}\n")
    kept = "".join(lines)
    if kept and not kept.endswith("\n"):
        kept += "\n"
    return kept + "".join(f"{name}={_quoted(values[name])}\n" for name in changed if name not in there), changed


def _quoted(value: str) -> str:
    if _PLAIN.match(value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _write(target: Path, text: str) -> None:
    with replacing(target) as temporary:
        # Made private before there is anything in it.
        temporary.touch(PRIVATE)
        temporary.write_text(text, encoding="utf-8")
        if target.exists():
            owner = target.stat()
            os.chown(temporary, owner.st_uid, owner.st_gid)

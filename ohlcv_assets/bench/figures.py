"""A figure with its target and its peer, timing, and comparison with kept results.

What belongs here: the value types of a benchmark and the arithmetic on them. What does not: what is measured
(``cases``).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from ohlcv_assets.errors import UserError

T = TypeVar("T")
TOLERANCE = 0.15
"""A figure that got worse by more than this share is a regression; the noise of a shared machine is about 10 %."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    Attributes
    ----------
    case, name
        Which benchmark it belongs to, and what it is.
    value, unit
        The figure.
    target
        What it should be at least (rates) or at most (all others); None where nothing was promised.
    peer, ratio
        The named limit or peer measured in the same run, and this figure's ratio to it (above 1: faster or smaller than
        the peer); empty text and None where there is none.
    method
        How it was measured.
    spread
        The least and the largest value where the figure is the median of several; None where it is not.
    """

    case: str
    name: str
    value: float
    unit: str
    target: float | None
    peer: str
    ratio: float | None
    method: str
    spread: tuple[float, float] | None = None

    @property
    def higher_is_better(self) -> bool:
        """Whether more is better: so it is for rates alone."""
        return self.unit.endswith("/s")

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        return self.value >= self.target if self.higher_is_better else self.value <= self.target


@dataclass(frozen=True, slots=True)
class Timing:
    """Wall and processor seconds of the fastest of several runs, and what that run returned."""

    wall: float
    cpu: float


def best_of(repeats: int, action: Callable[[], T]) -> tuple[Timing, T]:
    """Run an action several times and return the timing of the fastest run and its result.

    The fastest run is what the machine can do; the others are what its neighbours took.
    """
    best: tuple[Timing, T] | None = None
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        result = action()
        timing = Timing(time.perf_counter() - wall, time.process_time() - cpu)
        if best is None or timing.wall < best[0].wall:
            best = (timing, result)
    if best is None:
        raise UserError(f"A benchmark needs at least one run; {repeats} were asked for.")
    return best


def results_file(folder: Path, name: str) -> Path:
    """Return the file that results of that name are kept in.

    Raises
    ------
    UserError
        The name is no name of a file.
    """
    if re.fullmatch(r"[A-Za-z0-9._-]{1,80}", name) is None:
        raise UserError(f"{name!r} cannot name benchmark results; use letters, digits, dots, dashes and underscores.")
    return folder / f"{name}.json"


def save(folder: Path, name: str, figures: Sequence[Figure], machine: Mapping[str, object]) -> Path:
    """Keep results under a name and return the file."""
    path = results_file(folder, name)
    folder.mkdir(parents=True, exist_ok=True)
    document = {"machine": dict(machine), "figures": [asdict(figure) for figure in figures]}
    temporary = path.with_suffix(".partial")
    temporary.write_text(json.dumps(document, indent=2), encoding="utf-8")
    temporary.replace(path)
    return path


def load(folder: Path, name: str) -> list[Figure]:
    """Return the results kept under a name.

    Raises
    ------
    UserError
        Where there are none, naming those there are; or where the file is not a result file.
    """
    path = results_file(folder, name)
    if not path.is_file():
        kept = ", ".join(sorted(file.stem for file in folder.glob("*.json"))) or "none yet"
        raise UserError(f"There are no benchmark results named {name!r} in {folder}; kept: {kept}.")
    try:
        return [Figure(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))["figures"]]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not a file of benchmark results; delete it or choose another name.") from error


@dataclass(frozen=True, slots=True)
class Change:
    """A figure beside the one kept earlier; ``change`` is positive where it got better."""

    case: str
    name: str
    unit: str
    before: float
    now: float
    change: float

    @property
    def regression(self) -> bool:
        """Whether it got worse by more than the tolerance."""
        return self.change < -TOLERANCE


def compare(before: Sequence[Figure], now: Sequence[Figure]) -> list[Change]:
    """Return the change of every figure that both runs have."""
    kept = {(figure.case, figure.name): figure for figure in before}
    changes = []
    for figure in now:
        old = kept.get((figure.case, figure.name))
        if old is None or old.value == 0 or figure.value == 0:
            continue
        gain = figure.value / old.value if figure.higher_is_better else old.value / figure.value
        changes.append(Change(figure.case, figure.name, figure.unit, old.value, figure.value, gain - 1))
    return changes

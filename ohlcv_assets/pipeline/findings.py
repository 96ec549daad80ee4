"""What a look at the days finds: files, stored trades and bars, each sound, not made yet, or wrong on some days.

What belongs here: summing up days as ``status`` has them. What does not: looking (``status``), proving (``checks``),
how far bars reach (``bar_status``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ohlcv_assets.pipeline.bar_status import DayRange
from ohlcv_assets.pipeline.status import DayStatus

State = Literal["sound", "incomplete", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one kind of data.

    Attributes
    ----------
    name
        ``"files"``, ``"stored trades"`` or ``"bars"``.
    holds
        What holds of a day that is sound.
    sound
        Days that are.
    incomplete, wrong
        Days that are not made yet, and days on which something is not as it should be, with what that is.
    """

    name: str
    holds: str
    sound: int
    incomplete: tuple[DayRange, ...]
    wrong: tuple[DayRange, ...]

    @property
    def state(self) -> State:
        """In one word."""
        return "wrong" if self.wrong else "incomplete" if self.incomplete else "sound"


Judged = tuple[State, str]
"""How one day stands, and why."""

NOTHING: Final = "no trades yet"
POSTED: Final = "posted trades, no file yet"
_SOUND: Final[Judged] = ("sound", "")


def findings_of(days: Sequence[DayStatus]) -> tuple[Finding, ...]:
    """Return what was found.

    Parameters
    ----------
    days
        In order.
    """
    return (
        _finding("files", "The day's file is there and was made from what the settings describe.", days, _file),
        _finding("stored trades", "The store provably holds the trades of the day's file.", days, _stored),
        _finding("bars", "The bars of every resolution hold exactly the day's trades.", days, _bars),
    )


def _finding(name: str, holds: str, days: Sequence[DayStatus], judge: Callable[[DayStatus], Judged]) -> Finding:
    judged = [(there.day, *judge(there)) for there in days]
    return Finding(
        name,
        holds,
        sum(state == "sound" for _, state, _ in judged),
        _ranges([(day, reason) for day, state, reason in judged if state == "incomplete"]),
        _ranges([(day, reason) for day, state, reason in judged if state == "wrong"]),
    )


def _file(there: DayStatus) -> Judged:
    if there.file == "present":
        return _SOUND
    # What is wrong with a file names its path, so two days never have the same words.
    return ("incomplete", "no file yet") if there.file == "missing" else ("wrong", there.file)


def _stored(there: DayStatus) -> Judged:
    if there.store == "proved":
        return _SOUND
    if there.store == "posted":
        return "incomplete", POSTED
    return ("incomplete", NOTHING) if there.store == "missing" else ("wrong", there.store)


def _bars(there: DayStatus) -> Judged:
    if there.store == "posted":
        return "incomplete", POSTED  # what they are to hold is not settled before the day is closed
    expected = there.filed if there.content_hash else there.planned
    other = [name for name, held in there.bars.items() if held.bars > 0 and held.trades != expected]
    absent = [name for name, held in there.bars.items() if held.bars == 0 and expected > 0]
    if there.stored == 0 and any(held.bars > 0 for held in there.bars.values()):
        return "wrong", "bars of trades that are gone"
    if not other and not absent:
        return _SOUND
    if there.stored == 0:
        return "incomplete", NOTHING
    if other:
        return "wrong", f"{', '.join(other)} of other trades"
    return "incomplete", "no bars yet" if len(absent) == len(there.bars) else f"no bars of {', '.join(absent)}"


def _ranges(days: Sequence[tuple[dt.date, str]]) -> tuple[DayRange, ...]:
    """Return consecutive days of one reason together."""
    found: list[DayRange] = []
    for day, reason in days:
        if found and found[-1].reason == reason and (day - found[-1].last).days == 1:
            found[-1] = DayRange(found[-1].first, day, reason)
        else:
            found.append(DayRange(day, day, reason))
    return tuple(found)

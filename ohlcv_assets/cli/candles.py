"""Bars drawn as candles in a terminal.

What belongs here: drawing. What does not: reading bars. Half blocks give two levels a line; a body is coloured by its
direction. Without colour a rising body is hatched and a falling one solid; without Unicode they are ``o`` and ``#``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.text import Text

_VOLUMES: Final = " ▁▂▃▄▅▆▇█"
_ASCII_VOLUMES: Final = " ..::||##"
_BODIES: Final = (7, 5, 3, 1)
_LABEL_GAP: Final = 2


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar as it is drawn; ``label`` stands below it."""

    label: str
    open: float
    high: float
    low: float
    close: float
    volume: float

    @property
    def rising(self) -> bool:
        """Whether it closed at or above its opening."""
        return self.close >= self.open


@dataclass(frozen=True, slots=True)
class Style:
    """What the terminal can show."""

    unicode: bool = True
    colour: bool = True


def fitting(count: int, width: int) -> int:
    """Return how many of ``count`` candles fit into a width of characters."""
    return max(1, min(count, (width - 12) // 2))


def draw(candles: Sequence[Candle], *, digits: int, width: int, height: int = 12, style: Style | None = None) -> Text:
    """Draw candles with a price axis, labels and a strip of volumes.

    Parameters
    ----------
    candles
        Bars in order; at least one.
    digits
        Decimals of the prices on the axis.
    width, height
        Characters available for the whole picture, and lines of the price area.
    style
        What the terminal can show; everything where None.
    """
    from rich.text import Text

    style = style or Style()
    shown = candles[-fitting(len(candles), width) :]
    low, high = min(c.low for c in shown), max(c.high for c in shown)
    margin = max(len(f"{price:,.{digits}f}") for price in (low, high)) + 1
    slot, body = _slots(len(shown), width - margin - 2)
    cells = [_column(candle, low, high, height, body, style) for candle in shown]
    axis = _axis(low, high, height, digits)
    bar = "│" if style.unicode else "|"
    picture = Text(no_wrap=True)
    for line in range(height):
        picture.append(f"{axis.get(line, ''):>{margin}} ", style="dim")
        picture.append(bar, style="dim")
        for candle, column in zip(shown, cells, strict=True):
            picture.append(column[line].center(slot), style=_colour(candle, style))
        picture.append("\n")
    _foot(picture, shown, margin, slot, body, style)
    return picture


def _slots(count: int, room: int) -> tuple[int, int]:
    """Return the width of a candle with its gap, and of its body."""
    slot = max(2, min(room // count, _BODIES[0] + 2))
    return slot, next(body for body in _BODIES if body < slot)


def _colour(candle: Candle, style: Style) -> str:
    if not style.colour:
        return ""
    return "green" if candle.rising else "red"


def _column(candle: Candle, low: float, high: float, height: int, body: int, style: Style) -> list[str]:
    """Return one candle from the top line down, each line ``body`` characters wide."""
    levels = 2 * height
    scale = levels / (high - low) if high > low else 0.0

    def level(price: float) -> int:
        return min(levels - 1, int((price - low) * scale)) if scale else height

    top, bottom = level(candle.high), level(candle.low)
    upper, lower = level(max(candle.open, candle.close)), level(min(candle.open, candle.close))
    lines = []
    for line in range(height):
        halves = tuple(
            "body" if lower <= half <= upper else "wick" if bottom <= half <= top else ""
            for half in (levels - 1 - 2 * line, levels - 2 - 2 * line)
        )
        lines.append(_cell(halves, body, style, rising=candle.rising))
    return lines


def _cell(halves: tuple[str, ...], body: int, style: Style, *, rising: bool) -> str:
    if "body" not in halves:
        if "wick" not in halves:
            return " " * body
        if not style.unicode:
            return "|".center(body)
        return {("wick", "wick"): "│", ("wick", ""): "╵", ("", "wick"): "╷"}[halves[0], halves[1]].center(body)
    if not style.unicode:
        return ("o" if rising else "#") * body
    if not style.colour and rising:
        return "▒" * body
    return ("█" if halves == ("body", "body") else "▀" if halves[0] == "body" else "▄") * body


def _axis(low: float, high: float, height: int, digits: int) -> dict[int, str]:
    """Return price labels by line, about one every three lines, each the price at its line's middle."""
    lines = range(0, height, 3) if high > low else range(height // 2, height // 2 + 1)
    step = (high - low) / height
    return {line: f"{high - (line + 0.5) * step if step else high:,.{digits}f}" for line in lines}


def _foot(picture: Text, shown: Sequence[Candle], margin: int, slot: int, body: int, style: Style) -> None:
    """Append volumes and labels."""
    most = max(c.volume for c in shown)
    ramp = _VOLUMES if style.unicode else _ASCII_VOLUMES
    picture.append(f"{'volume':>{margin}}   "[: margin + 2], style="dim")
    for candle in shown:
        filled = math.ceil(candle.volume / most * (len(ramp) - 1)) if most > 0 else 0
        picture.append((ramp[filled] * body).center(slot), style="cyan" if style.colour else "")
    picture.append("\n" + " " * (margin + 2))
    every = max(1, math.ceil((max(len(c.label) for c in shown) + 1) / slot))
    for position in range(0, len(shown), every):
        room = slot * min(every, len(shown) - position)
        label = shown[position].label
        text = label.center(slot).ljust(room) if len(label) <= slot else label.ljust(room)
        picture.append(text[: max(room, len(label))], style="dim")

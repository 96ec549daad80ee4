"""Bars drawn as candles."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from ohlcv_assets.cli.candles import Candle, Style, draw, fitting

pytestmark = pytest.mark.unit

UP = Candle("Jan 02", 10.0, 14.0, 9.0, 13.0, 500.0)
DOWN = Candle("Jan 03", 13.0, 13.5, 10.0, 11.0, 1_000.0)
FLAT = Candle("Jan 04", 10.0, 10.0, 10.0, 10.0, 0.0)


def drawn(*candles: Candle, width: int = 60, height: int = 10, style: Style | None = None) -> str:
    """Return a picture as a terminal gets it."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=width, color_system="standard")
    console.print(draw(candles, digits=2, width=width, height=height, style=style))
    return out.getvalue()


def test_rising_is_green_and_falling_red() -> None:
    """The colour of a body is its direction."""
    assert "\x1b[32m" in drawn(UP)
    assert "\x1b[31m" not in drawn(UP)
    assert "\x1b[31m" in drawn(DOWN)


def test_bodies_wicks_axis_volumes_and_labels_are_there() -> None:
    """A picture has everything that a reader of candles looks for."""
    text = drawn(UP, DOWN)
    for sign in ("█", "│", "volume", "Jan 02", "Jan 03", "13.75"):
        assert sign in text


def test_without_colour_the_direction_still_shows() -> None:
    """Hatched rises, solid falls."""
    assert "▒" in drawn(UP, style=Style(colour=False))
    assert "▒" not in drawn(DOWN, style=Style(colour=False))
    assert "\x1b[32m" not in drawn(UP, style=Style(colour=False))


def test_without_unicode_plain_characters_draw() -> None:
    """A terminal that only has ASCII gets ASCII."""
    text = drawn(UP, DOWN, style=Style(unicode=False, colour=False))
    assert text.isascii()
    assert "ooo" in text
    assert "###" in text
    assert "|" in text


def test_a_price_that_never_moves_is_a_line() -> None:
    """One price and no volume divide nothing by zero."""
    text = drawn(FLAT, FLAT)
    assert "10.00" in text
    assert "▄" in text or "▀" in text or "█" in text


def test_half_lines_show_wicks_and_bodies() -> None:
    """Two levels a line: ends of wicks and bodies stand where they belong."""
    shapes = [Candle(f"{n}", 10 + n * 0.3, 12 + n * 0.7, 9 - n * 0.2, 11 + n * 0.45, n + 1.0) for n in range(8)]
    text = drawn(*shapes, width=100, height=7)
    for sign in "▀▄█│╵╷":
        assert sign in text


def test_only_the_latest_that_fit_are_drawn() -> None:
    """More bars than room: the latest stay, no line is wider than the terminal."""
    many = [Candle(f"{n:05d}", 10, 12, 9, 11, 5.0) for n in range(300)]
    text = draw(many, digits=2, width=60).plain
    assert fitting(300, 60) == 24
    assert fitting(3, 10) == 1
    assert "00299" not in text  # the last label would not fit beside its neighbours
    assert "00276" in text
    assert max(len(line) for line in text.splitlines()) <= 60


def test_a_full_picture() -> None:
    """Levels, axis and labels stand exactly here."""
    picture = draw([UP, DOWN], digits=1, width=40, height=5, style=Style(unicode=False, colour=False)).plain
    assert [line.rstrip() for line in picture.splitlines()] == [
        " 13.5 | ooooooo  #######",
        "      | ooooooo  #######",
        "      | ooooooo  #######",
        " 10.5 | ooooooo     |",
        "      |    |",
        "volume  :::::::  #######",
        "         Jan 02   Jan 03",
    ]

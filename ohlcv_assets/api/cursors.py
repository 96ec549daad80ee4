"""Where the next page begins, as a text that means nothing to clients.

What belongs here: making and reading such texts. What does not: reading pages.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from ohlcv_assets.api.problems import ProblemError
from ohlcv_assets.units import Nanos


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended.

    Attributes
    ----------
    about
        What the page was of; a cursor is good for the same alone.
    at
        Nanoseconds: the last instant handed out.
    resolution
        Of the page, where it has one: the pages after it have the same.
    """

    about: str
    at: Nanos
    resolution: str = ""


def cursor_of(place: Place) -> str:
    """Return a place as a text."""
    packed = json.dumps([1, place.about, place.at, place.resolution], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def place_of(cursor: str, about: str) -> Place:
    """Return where a page ended.

    Raises
    ------
    ProblemError
        The text is no cursor, or one of another request.
    """
    try:
        version, named, at, resolution = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        usable = version == 1 and named == about and type(at) is int and abs(at) < 2**63 and type(resolution) is str
    except (ValueError, TypeError):
        usable = False
    if not usable:
        raise ProblemError(
            "invalid", "The cursor is of another request; repeat all parameters with it, or leave it out."
        )
    return Place(about, Nanos(at), resolution)

"""Cutting a body of lines in two, for a server or proxy that finds it too large.

What belongs here: where to cut. What does not: when.
"""

from __future__ import annotations

Part = tuple[bytes, int]


def halves(body: bytes, rows: int) -> tuple[Part, Part]:
    """Return both halves of a body, each with the number of its lines.

    Parameters
    ----------
    body
        Lines that hold no line break of their own, each but perhaps the last ended by one.
    rows
        How many; two or more.
    """
    cut = body.find(b"\n", len(body) // 2 - 1) + 1
    if cut in {0, len(body)}:
        # The last line is longer than all others together.
        cut = body.rfind(b"\n", 0, len(body) - 1) + 1
    first = body.count(b"\n", 0, cut)
    return (body[:cut], first), (body[cut:], rows - first)

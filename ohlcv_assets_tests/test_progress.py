"""Events and observers."""

from __future__ import annotations

import pytest

from ohlcv_assets.progress import Progress, everybody, nobody, only

pytestmark = pytest.mark.unit

EVENT = Progress("write", "2024-03-15", done=10, total=None, unit="trades")


def test_nobody_is_silent() -> None:
    """The default observer takes any event and does nothing."""
    nobody(EVENT)


def test_everybody_in_order() -> None:
    """Several observers are told the same event in the order given."""
    told: list[tuple[str, Progress]] = []

    everybody(lambda event: told.append(("first", event)), lambda event: told.append(("second", event)))(EVENT)

    assert told == [("first", EVENT), ("second", EVENT)]


def test_only_some_stages_are_told() -> None:
    """Whoever wants to hear of some stages is not told of others."""
    told: list[Progress] = []
    observer = only(told.append, "write", "load")
    observer(EVENT)
    observer(Progress("generate", "2024-03-15", 1, 1, "trades"))
    assert told == [EVENT]


def test_events_compare_by_value() -> None:
    """Two events that say the same are equal; detail is empty unless given."""
    assert Progress("write", "2024-03-15", 10, None, "trades") == EVENT
    assert dict(EVENT.detail) == {}

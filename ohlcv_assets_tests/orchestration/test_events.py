"""What the events of a run say became of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import pytest

from ohlcv_assets.orchestration.events import failure_of

pytestmark = pytest.mark.unit


def failure(error: Any = None, description: str | None = None) -> dg.DagsterEvent:  # Any: as little of it as is read
    """Return an event of a step that failed."""
    data = SimpleNamespace(user_failure_data=SimpleNamespace(description=description), error=error)
    return cast("dg.DagsterEvent", SimpleNamespace(step_failure_data=data, step_key="bars"))


def test_a_sentence_is_what_a_failure_says() -> None:
    """The step's own words come first."""
    assert failure_of(failure(description="The disk is full.")) == "The disk is full."


def test_what_was_raised_first_is_what_a_failure_was_about() -> None:
    """Of a chain of errors the one at its beginning tells the cause, on one line."""
    first = SimpleNamespace(message="ValueError: too\n  few", cause=None)
    assert failure_of(failure(SimpleNamespace(message="wrapped", cause=first))) == "ValueError: too few"


def test_a_failure_without_any_word_names_its_step() -> None:
    """Something is always said."""
    assert failure_of(failure()) == "Step bars failed."

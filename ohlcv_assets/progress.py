"""One way to watch anything that takes long: the command line draws it, Dagster logs it, tests read it.

What belongs here: the event, the observer protocol and its two plain implementations. What does not: drawing, logging.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Progress:
    """One step forward of something that takes long.

    Attributes
    ----------
    stage
        What is going on: ``"generate"``, ``"write"``, ``"load"``, ``"roll up"``, ``"check"``, ``"import"``,
        ``"backfill"`` and the like.
    subject
        What it is going on for: a day (``2024-03-15``), a symbol, a file name.
    done
        How much is done of this stage and subject, in ``unit``.
    total
        How much there is to do, or None where nobody knows yet.
    unit
        ``"trades"``, ``"bars"``, ``"bytes"``, ``"days"``.
    detail
        Further figures (rates, latencies, retries); plain numbers and short texts only, never secrets.
    """

    stage: str
    subject: str
    done: int
    total: int | None
    unit: str
    detail: Mapping[str, float | int | str] = field(default_factory=dict)


class Observer(Protocol):
    """Somebody who watches. Called often, from any thread; it must be quick and must not raise."""

    def __call__(self, event: Progress, /) -> None:
        """Take notice of one event."""
        ...


def nobody(_event: Progress, /) -> None:
    """Watch nothing: the default observer."""


def everybody(*observers: Observer) -> Observer:
    """Return one observer that tells several, in the order given."""

    def tell(event: Progress, /) -> None:
        for observer in observers:
            observer(event)

    return tell


def only(observer: Observer, *stages: str) -> Observer:
    """Return an observer that tells another about some stages alone."""

    def tell(event: Progress, /) -> None:
        if event.stage in stages:
            observer(event)

    return tell

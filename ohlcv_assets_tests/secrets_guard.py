"""Nothing that a test emits may hold a token, a password or a line of trades.

What belongs here: listening to every test of the suite - standard output and error, log records, the texts of all
errors of ours, what commands print, Dagster's events - and failing the test that let something out. What does not:
provoking it (``test_secrets``).
"""

from __future__ import annotations

import functools
import logging
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import pytest
from dagster import DagsterInstance

from ohlcv_assets.errors import OhlcvError

SECRETS: Final[set[str]] = set()
"""Every token and password that tests make, as ``servers`` makes them."""

LINE: Final = re.compile(r"symbol=[^\s]* (?:price|amount|side|open)=")
"""What only line protocol looks like: a tag followed by fields. A series alone may be named."""

_SHORTEST: Final = 8
_HEARD: Final[list[str]] = []
"""What was heard since the latest test began."""

_LISTENING: Final = pytest.StashKey[bool]()


def keep_secret(text: str) -> str:
    """Remember a secret and return it."""
    SECRETS.add(text)
    return text


def hear(text: str) -> None:
    """Listen to what was said elsewhere: in a process of its own, in a file."""
    _HEARD.append(text)


def leaks(texts: Iterable[str], secrets: Iterable[str] = SECRETS) -> list[str]:
    """Return what of the texts should never have been said, in words that do not say it again."""
    whole = "\n".join(texts)
    found = [
        f"a secret that begins {secret[:3]!r}" for secret in secrets if len(secret) >= _SHORTEST and secret in whole
    ]
    line = LINE.search(whole)
    return found + ([f"line protocol at {whole[max(0, line.start() - 20) : line.start()]!r}"] if line else [])


class _Ear(logging.Handler):
    """Hears all log records of the process."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Listen to what was said."""
        hear(self.format(record))


@pytest.fixture(autouse=True)
def _overheard(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Listen while a test runs.

    To log records; to the texts of all errors of ours, raised or not; to what commands print, in this process or in
    one of their own; to all events of Dagster with their metadata.
    """
    _HEARD.clear()
    request.node.stash[_LISTENING] = True
    monkeypatch.setattr(OhlcvError, "__init__", _telling_arguments(OhlcvError.__init__))
    # What a test reads from these is in no report of pytest's any more.
    monkeypatch.setattr(pytest.CaptureFixture, "readouterr", _telling(pytest.CaptureFixture.readouterr))
    monkeypatch.setattr(subprocess.Popen, "communicate", _telling(subprocess.Popen.communicate))
    monkeypatch.setattr(DagsterInstance, "handle_new_event", _telling_arguments(DagsterInstance.handle_new_event))
    ear = _Ear()
    logging.getLogger().addHandler(ear)
    yield
    logging.getLogger().removeHandler(ear)


def _telling(function: Callable[..., Iterable[Any]]) -> Callable[..., Iterable[Any]]:
    """Return a function whose results, one or more texts, are heard; Any: text, bytes or None."""

    @functools.wraps(function)
    def told(*args: Any, **named: Any) -> Iterable[Any]:
        """Any: passed on."""
        results = function(*args, **named)
        for each in results:
            hear(each.decode(errors="replace") if isinstance(each, bytes) else str(each))
        return results

    return told


def _telling_arguments(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method whose arguments are heard; Any: of whatever kind they are."""

    @functools.wraps(function)
    def told(self: object, *args: Any, **named: Any) -> Any:
        """Any: passed on."""
        for each in [*args, *named.values()]:
            hear(str(each))
        return function(self, *args, **named)

    return told


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Fail a test that said what nobody may know, in itself or while it was set up and taken down."""
    outcome: Any = yield  # Any: pluggy's result has no type parameter here
    report: pytest.TestReport = outcome.get_result()
    if report.when == "setup" or not report.passed or not item.stash.get(_LISTENING, False):
        return
    # What the test printed and logged; pytest keeps it for its own report.
    emitted = [content for _, _, content in item._report_sections]
    found = leaks([*emitted, *_HEARD])
    if found:
        item.stash[_LISTENING] = False
        report.outcome = "failed"
        report.longrepr = f"The test let out {', '.join(found)}."

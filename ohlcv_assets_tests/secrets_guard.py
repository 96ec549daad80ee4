"""Nothing that a test emits may hold a token, a password or a line of trades.

What belongs here: listening to every test of the suite - standard output, standard error, log records, the texts of all
errors of ours - and failing the test that let something out. What does not: provoking it (``test_secrets``).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import pytest

from ohlcv_assets.errors import OhlcvError

SECRETS: Final[set[str]] = set()
"""Every token and password that tests make, as ``servers`` makes them."""

LINE: Final = re.compile(r"symbol=[^\s]* (?:price|amount|side|open)=")
"""What only line protocol looks like: a tag followed by fields. A series alone may be named."""

_SHORTEST: Final = 8
_HEARD: Final = pytest.StashKey[list[str]]()


def keep_secret(text: str) -> str:
    """Remember a secret and return it."""
    SECRETS.add(text)
    return text


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

    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.NOTSET)
        self._heard = heard
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what was said."""
        self._heard.append(self.format(record))


@pytest.fixture(autouse=True)
def _overheard(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the log records and the texts of all errors of ours, raised or not, while a test runs."""
    heard: list[str] = []
    request.node.stash[_HEARD] = heard
    made = OhlcvError.__init__

    def remembered(self: OhlcvError, *args: Any) -> None:
        """Any: what an exception is made of."""
        heard.extend(str(arg) for arg in args)
        made(self, *args)

    monkeypatch.setattr(OhlcvError, "__init__", remembered)
    ear = _Ear(heard)
    logging.getLogger().addHandler(ear)
    yield
    logging.getLogger().removeHandler(ear)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Fail a test that passed but said what nobody may know."""
    outcome: Any = yield  # Any: pluggy's result has no type parameter here
    report: pytest.TestReport = outcome.get_result()
    if report.when != "call" or not report.passed or not SECRETS:
        return
    # What the test printed and logged; pytest keeps it for its own report.
    emitted = [content for _, _, content in item._report_sections]
    found = leaks([*emitted, *item.stash.get(_HEARD, [])])
    if found:
        report.outcome = "failed"
        report.longrepr = f"The test let out {', '.join(found)}."

"""The tree of errors."""

from __future__ import annotations

import re

import pytest

from ohlcv_assets import errors

pytestmark = pytest.mark.unit

CLASSES = {name: value for name, value in vars(errors).items() if isinstance(value, type)}


def test_everything_is_exported() -> None:
    """Every class is public."""
    assert set(CLASSES) == set(errors.__all__)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_one_root(name: str) -> None:
    """Every error can be caught as OhlcvError."""
    assert issubclass(CLASSES[name], errors.OhlcvError)


def test_the_drawn_tree_is_the_real_one() -> None:
    """The tree in the module's docstring names every class under its parent."""
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^ {4}([│ ├└─]*)(\w+)(?:  |$)", line)
        if found is not None:
            depth = len(found[1]) // 4
            path = [*path[:depth], found[2]]
            drawn[found[2]] = path[depth - 1] if depth > 0 else "Exception"

    assert drawn == {name: value.__bases__[0].__name__ for name, value in CLASSES.items()}

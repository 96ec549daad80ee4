"""The documentation of commands and settings is the code's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ohlcv_assets.cli.app import command
from ohlcv_assets.cli.config import markdown_table
from ohlcv_assets.cli.outcome import MEANINGS
from ohlcv_assets.settings import Settings, variable
from ohlcv_assets_tests.commands import Ohlcv

pytestmark = pytest.mark.unit
DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "cli.md").read_text("utf-8")


def commands(group: Any, *path: str) -> Iterator[tuple[str, Any]]:  # Any: Typer's commands have no public type
    """Yield every command with its full name, groups included."""
    yield " ".join(("ohlcv", *path)), group
    for name, member in sorted(getattr(group, "commands", {}).items()):
        yield from commands(member, *path, name)


COMMANDS = dict(commands(command()))


def section(name: str) -> str:
    """Return what the page says of a command; the root's options are in their own section."""
    title = "Options before the command" if name == "ohlcv" else f"`{name}`"
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/cli.md has no section {title}"
    return found[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented(name: str) -> None:
    """Each command has its section, which names every option, long and short."""
    text = section(name)
    for parameter in COMMANDS[name].params:
        options = [option for option in (*parameter.opts, *parameter.secondary_opts) if option.startswith("-")]
        for option in options:
            if option not in {"--help", "-h"} or name == "ohlcv":
                assert f"`{option}" in text, f"docs/cli.md does not mention {option} of {name}"


def test_every_documented_option_exists() -> None:
    """The page promises no option that a command lacks."""
    for name, found in COMMANDS.items():
        known = {option for parameter in found.params for option in parameter.opts} | {"--help", "-h"}
        table = [line.split("|")[1] for line in section(name).splitlines() if line.startswith("| `-")]
        for option in re.findall(r"`(--?[a-z-]+)", "\n".join(table)):
            assert option in known, f"docs/cli.md promises {option} of {name}"


def test_every_documented_command_exists() -> None:
    """The page promises no command that is not there."""
    assert set(re.findall(r"^## `(ohlcv[a-z ]*)`", PAGE, flags=re.MULTILINE)) == COMMANDS.keys() - {"ohlcv"}


def test_every_command_has_help() -> None:
    """A command says what it does, and each option what it is for."""
    for name, found in COMMANDS.items():
        assert found.help, name
        for parameter in found.params:
            assert parameter.help, f"{parameter.name} of {name}"


def test_exit_codes_are_documented() -> None:
    """The page, the help and the code agree on the exit codes."""
    table = dict(re.findall(r"^\| (\d+) \| (.+) \|$", PAGE, flags=re.MULTILINE))
    assert table == {str(int(code)): meaning for code, meaning in MEANINGS.items()}


def test_every_setting_is_documented(ohlcv: Ohlcv) -> None:
    """The table of docs/settings.md is what `ohlcv config --markdown` prints."""
    page = (DOCS / "settings.md").read_text("utf-8")
    shown = ohlcv("config", "--markdown")
    assert shown.out == markdown_table() + "\n"
    assert f"<!-- settings -->\n{shown.out}<!-- /settings -->" in page
    prose = page.split("<!-- /settings -->")[1]
    assert set(re.findall(r"OHLCV_[A-Z_]+", prose)) <= {variable(name) for name in Settings.model_fields}

"""Variables are written into .env, and everything else in it stays."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from dotenv import dotenv_values

from ohlcv_assets.stores.influxdb.admin.envfile import is_open, update_env_file

pytestmark = pytest.mark.unit


def mode(path: Path) -> int:
    """Return a file's permissions."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_missing_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """A file with tokens is never readable for others."""
    path = tmp_path / ".env"
    assert update_env_file(path, {"OHLCV_INFLUX_TOKEN": "abc=="}) == ("OHLCV_INFLUX_TOKEN",)
    assert path.read_text() == "OHLCV_INFLUX_TOKEN=abc==\n"
    assert mode(path) == 0o600
    assert sorted(tmp_path.iterdir()) == [path]


def test_other_lines_stay(tmp_path: Path) -> None:
    """Comments, empty lines, quotes and other variables come through byte for byte; new ones go to the end."""
    path = tmp_path / ".env"
    text = "# mine\n\nexport OTHER='a b' # why\nOHLCV_INFLUX_TOKEN=old # note\n\nLAST=\"x\""
    path.write_text(text)
    changed = update_env_file(path, {"OHLCV_INFLUX_TOKEN": "new", "OHLCV_NEXT": "1"})
    assert changed == ("OHLCV_INFLUX_TOKEN", "OHLCV_NEXT")
    expected = "# mine\n\nexport OTHER='a b' # why\nOHLCV_INFLUX_TOKEN=new\n\nLAST=\"x\"\nOHLCV_NEXT=1\n"
    assert path.read_text() == expected


def test_nothing_is_written_where_nothing_changes(tmp_path: Path) -> None:
    """A file that says so already keeps its time; one that others may read is closed to them."""
    path = tmp_path / ".env"
    path.write_text("ohlcv_influx_token='same'\n")
    path.chmod(0o644)
    before = path.stat().st_mtime_ns
    assert is_open(path)
    assert update_env_file(path, {"OHLCV_INFLUX_TOKEN": "same"}) == ()
    assert update_env_file(path, {"OHLCV_INFLUX_TOKEN": "same"}) == ()
    assert path.read_text() == "ohlcv_influx_token='same'\n"
    assert path.stat().st_mtime_ns == before
    assert not is_open(path)


def test_nothing_to_write_makes_no_file(tmp_path: Path) -> None:
    """No values, no file."""
    assert update_env_file(tmp_path / ".env", {}) == ()
    assert not (tmp_path / ".env").exists()


@pytest.mark.parametrize("value", ["a b", "it's", 'quo"te', "back\\slash", "$HOME # x", "ä"])
def test_any_text_comes_back(tmp_path: Path, value: str) -> None:
    """A value with spaces, quotes or a dollar is read as it was written."""
    path = tmp_path / ".env"
    update_env_file(path, {"OHLCV_INFLUX_ORG": value})
    assert dotenv_values(path)["OHLCV_INFLUX_ORG"] == value


def test_a_link_stays_one(tmp_path: Path) -> None:
    """The file behind a symbolic link is changed, not the link."""
    there = tmp_path / "there.env"
    there.write_text("A=1\n")
    link = tmp_path / ".env"
    link.symlink_to(there)
    update_env_file(link, {"B": "2"})
    assert link.is_symlink()
    assert there.read_text() == "A=1\nB=2\n"

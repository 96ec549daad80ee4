"""Log lines for people and for machines."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from ohlcv_assets.logs import configure_logs, get_logger, is_terminal, no_colour

pytestmark = pytest.mark.unit


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    yield
    structlog.reset_defaults()


def test_lines_are_json_where_nobody_looks() -> None:
    """Outside a terminal a line is one JSON object with level, time and room."""
    stream = io.StringIO()
    configure_logs(stream=stream)
    get_logger("lake").info("written", rows=3)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["rows"], line["room"], line["level"]) == ("written", 3, "lake", "info")
    assert line["timestamp"].endswith("Z")


def test_an_error_is_part_of_its_line() -> None:
    """A logged exception stays inside the one JSON object."""
    stream = io.StringIO()
    configure_logs("json", stream=stream)
    try:
        int("torn")
    except ValueError:
        get_logger("lake").exception("failed")
    assert "ValueError: invalid literal" in json.loads(stream.getvalue())["exception"]


def test_lines_are_for_people_on_a_terminal() -> None:
    """On a terminal a line reads plainly, in colour."""
    stream = Terminal()
    configure_logs(stream=stream)
    get_logger("lake").warning("slow disk", seconds=3)
    assert "slow disk" in stream.getvalue()
    assert "\x1b[" in stream.getvalue()


@pytest.mark.parametrize("variable", [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colour_where_none_is_wanted(variable: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR and dumb terminals get plain text."""
    monkeypatch.setenv(*variable)
    stream = Terminal()
    configure_logs(stream=stream)
    get_logger("lake").warning("slow disk")
    assert no_colour()
    assert "\x1b[" not in stream.getvalue()


def test_either_form_can_be_asked_for_anywhere() -> None:
    """The setting outranks what the stream is."""
    terminal, pipe = Terminal(), io.StringIO()
    configure_logs("json", stream=terminal)
    get_logger("lake").info("written")
    configure_logs("human", stream=pipe)
    get_logger("lake").info("written")
    assert json.loads(terminal.getvalue())["event"] == "written"
    assert not pipe.getvalue().startswith("{")


def test_lines_below_the_level_are_left_out() -> None:
    """The level is the least that is written."""
    stream = io.StringIO()
    configure_logs("json", "warning", stream)
    get_logger("lake").info("not this")
    get_logger("lake").error("but this")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["but this"]


def test_lines_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output belongs to results, even before anybody has set up the log."""
    structlog.reset_defaults()
    get_logger("lake").info("written")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "written" in captured.err


def test_a_closed_stream_is_no_terminal() -> None:
    """A stream that cannot say is taken for none."""
    stream = io.StringIO()
    stream.close()
    assert not is_terminal(stream)

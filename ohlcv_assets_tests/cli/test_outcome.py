"""How a command ends: exit codes and one sentence."""

from __future__ import annotations

import errno
import io
import subprocess
import sys

import pytest
from typer.exceptions import Abort

from ohlcv_assets.cli import app, main, outcome
from ohlcv_assets.errors import StoreBusyError, UnknownSymbolError

pytestmark = pytest.mark.unit


class Ends:
    """A command that ends in one way."""

    def __init__(self, how: object) -> None:
        self.how = how

    def main(self, **_options: object) -> object:
        """End so."""
        if isinstance(self.how, BaseException):
            raise self.how
        return self.how


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> object:
    """Make `ohlcv` end in a way of one's choice."""

    def end(how: object, *arguments: str) -> int:
        monkeypatch.setattr(app, "command", lambda: Ends(how))
        return outcome.run(list(arguments))

    return end


@pytest.mark.parametrize(
    ("how", "code", "says"),
    [
        (None, 0, ""),
        (0, 0, ""),
        (1, 1, ""),
        (130, 130, ""),
        ("text", 0, ""),
        (UnknownSymbolError("There is no symbol 'X'."), 2, "error: There is no symbol 'X'.\n"),
        (StoreBusyError("The store is held by 7."), 2, "error: The store is held by 7.\n"),
        (MemoryError(), 2, "error: there is not enough memory; ask for less at a time.\n"),
        (OSError(errno.ENOSPC, "No space left on device", "/d/f"), 2, "no room left on the disk at '/d/f'"),
        (OSError(errno.EFBIG, "File too large"), 2, "no room left on the disk (File too large)"),
        (PermissionError(errno.EACCES, "Permission denied", "/d"), 2, "does not let ohlcv in at '/d'"),
        (OSError(errno.EROFS, "Read-only file system", "/d"), 2, "does not let ohlcv in at '/d'"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "x"), 2, "the machine refused at 'x': No such"),
        (OSError("odd"), 2, "the machine refused: odd;"),
        (KeyboardInterrupt(), 130, ""),
        (Abort(), 2, "error: stopped; nothing was changed.\n"),
        (KeyError("x"), 70, "error: a defect in ohlcv: KeyError: 'x' (run it again with --debug to see where).\n"),
    ],
)
def test_every_ending_has_its_code_and_sentence(
    how: object, code: int, says: str, ending: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """Errors go to standard error as one sentence, without a traceback."""
    assert callable(ending)
    assert ending(how) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert says in captured.err
    assert captured.err.count("\n") <= 1


def test_debug_shows_where(ending: object, capsys: pytest.CaptureFixture[str]) -> None:
    """With --debug the traceback comes before the sentence."""
    assert callable(ending)
    assert ending(KeyError("x"), "--debug") == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["plam"], "No such command 'plam'. Did you mean 'plan', 'replay'?"),
        (["plan", "--sead", "1"], "No such option: --sead"),
        (["plan", "--seed", "x"], "Invalid value for '--seed'"),
        (["trades"], "Missing argument 'symbol'"),
        (["--set", "seed", "plan"], "--set 'seed' has no value; write --set NAME=VALUE."),
    ],
)
def test_a_wrong_command_line_is_one_sentence(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Usage mistakes exit 2 and say what is wrong."""
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert says in captured.err
    assert captured.err.count("\n") == 1


def test_errors_are_red_on_a_terminal_that_wants_colour(monkeypatch: pytest.MonkeyPatch, ending: object) -> None:
    """NO_COLOR is respected here as well."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    assert callable(ending)
    for no_color, coloured in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", no_color)
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        ending(MemoryError())
        assert ("\x1b[" in terminal.getvalue()) is coloured


def test_the_words_of_the_process_are_used(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The console script passes no arguments."""
    monkeypatch.setattr(sys, "argv", ["ohlcv", "--version"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("ohlcv 0.")


def test_help_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """The first help names every command and the exit codes."""
    assert main(["--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for command in ("plan", "import", "backfill", "status", "verify", "trades", "bars", "realism", "report", "bench"):
        assert f" {command} " in text
    assert "Exit codes: 0 all is well" in text
    assert main([]) == 2
    captured = capsys.readouterr()
    assert " plan " in captured.out
    assert captured.err == ""


@pytest.mark.integration
def test_help_loads_no_heavy_library() -> None:
    """`ohlcv --help` answers at once because it imports nothing that takes long."""
    code = (
        "import sys; from ohlcv_assets.cli import main; main(['--help']); "
        "heavy = {'dagster', 'polars', 'numba', 'pandas', 'pyarrow', 'duckdb', 'numpy', 'pydantic'}; "
        "heavy &= set(sys.modules); "
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.integration
def test_a_reader_that_leaves_is_no_error() -> None:
    """`ohlcv ... | head` ends quietly."""
    code = (
        "import sys; from ohlcv_assets.cli import app, main\n"
        "@app.app.command()\n"
        "def talk():\n"
        "    for _ in range(100_000): print('a line of some length')\n"
        "sys.exit(main(['talk']))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(120) == 0
        assert process.stderr.read() == b""

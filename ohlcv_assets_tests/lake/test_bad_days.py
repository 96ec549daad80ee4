"""Full disks, read-only folders and killed writers, with real processes where a real one can be had."""

from __future__ import annotations

import datetime as dt
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from ohlcv_assets.errors import MachineError
from ohlcv_assets.lake import atomic, machine
from ohlcv_assets.lake.lake import Lake

pytestmark = pytest.mark.integration

DAY = dt.date(2024, 3, 15)

MakeTrades = Callable[..., pa.Table]
Cut = Callable[[pa.Table, int], Iterator[pa.RecordBatch]]

WRITER = """
import datetime as dt, sys, time
from pathlib import Path
import pyarrow.ipc as ipc
from ohlcv_assets.lake.lake import Lake

lake = Lake(Path(sys.argv[1]))
table = ipc.open_file(sys.argv[2]).read_all()
mode = sys.argv[3]

def batches():
    for batch in table.to_batches(max_chunksize=1000):
        yield batch
    print("all given", flush=True)
    while mode == "hang":
        time.sleep(0.01)

if mode == "limit":
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    lake.write(dt.date(2024, 3, 15), batches(), {"seed": "1"})
except Exception as error:
    print(type(error).__name__, error, sep="|", flush=True)
"""


def start(lake: Lake, trades: pa.Table, folder: Path, mode: str) -> subprocess.Popen[str]:
    """Write a day file in a process of its own."""
    source = folder / "trades.arrow"
    with pa.ipc.new_file(str(source), trades.schema) as sink:
        sink.write_table(trades)
    # A killed process would leave broken coverage data behind.
    unmeasured = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(lake.root), str(source), mode],
        stdout=subprocess.PIPE,
        text=True,
        env=unmeasured,
    )


def test_file_size_limit(lake: Lake, make_trades: MakeTrades, tmp_path: Path) -> None:
    """Out of room in the middle of a file is one sentence with what, where and how much is free; nothing is left."""
    process = start(lake, make_trades({"A": 5000, "B": 5000}), tmp_path, "limit")
    output, _ = process.communicate(timeout=60)
    kind, _, message = output.strip().splitlines()[-1].partition("|")
    assert kind == "MachineError"
    assert "write the day file of 2024-03-15" in message
    assert str(lake.path(DAY)) in message
    assert "MB are free" in message
    assert list(lake.path(DAY).parent.iterdir()) == []


def test_killed_writer(lake: Lake, make_trades: MakeTrades, cut: Cut, tmp_path: Path) -> None:
    """A writer killed in the middle leaves no visible file, and the next writer clears what it left."""
    trades = make_trades({"A": 3000, "B": 3000})
    process = start(lake, trades, tmp_path, "hang")
    assert process.stdout is not None
    assert process.stdout.readline() == "all given\n"
    assert lake.days() == ()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    left = list(lake.path(DAY).parent.iterdir())
    assert [path.suffix for path in left] == [".tmp"]
    lake.write(DAY, cut(trades, 500), {"seed": "1"})
    assert list(lake.path(DAY).parent.iterdir()) == [lake.path(DAY)]
    assert lake.read(DAY).equals(trades)


def test_below_a_file(tmp_path: Path, make_trades: MakeTrades, cut: Cut) -> None:
    """A data folder that cannot be made because a file stands there is one sentence."""
    (tmp_path / "file").write_text("x")
    lake = Lake(tmp_path / "file" / "trades")
    with pytest.raises(MachineError, match="something else stands where"):
        lake.write(DAY, cut(make_trades({"A": 3}), 3), {}, force=True)


def test_read_only_folder(lake: Lake, make_trades: MakeTrades, cut: Cut, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only folder is one sentence, on writing and on deleting."""
    lake.write(DAY, cut(make_trades({"A": 3}), 3), {})

    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(MachineError, match=r"read-only file system: make the folder writable"):
        lake.write(DAY + dt.timedelta(1), iter([]), {})
    with pytest.raises(MachineError, match="delete the day file"):
        lake.delete(DAY)
    monkeypatch.undo()
    assert lake.read(DAY).num_rows == 3


def test_unreadable_file(lake: Lake, make_trades: MakeTrades, cut: Cut, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine does not let us read is the machine's fault, not damage."""
    lake.write(DAY, cut(make_trades({"A": 3}), 3), {})

    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("pyarrow.parquet.read_metadata", refuse)
    with pytest.raises(MachineError, match=r"input/output error\.$"):
        lake.inspect(DAY)


def test_no_room_is_known_before(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day that cannot fit is refused before a byte is written, with the room it takes."""
    monkeypatch.setattr(machine, "free_bytes", lambda _where: 1_000_000)
    with pytest.raises(MachineError, match=r"takes about 9\.0 MB, and 1\.0 MB are free"):
        lake.write(DAY, iter([]), {}, expected=1_000_000)
    assert not lake.root.exists()


def test_errors_without_a_number_pass(tmp_path: Path) -> None:
    """An OSError that is not the machine's passes through unchanged; room needed is told where it is known."""
    with pytest.raises(OSError, match="strange"), machine.machine_errors("do", tmp_path):
        raise OSError("strange")
    with (
        pytest.raises(MachineError, match=r"it takes about 2\.0 MB"),
        machine.machine_errors("do", tmp_path, 2_000_000),
    ):
        raise OSError(errno.ENOSPC, "full")


def test_leftovers(tmp_path: Path) -> None:
    """Only what certainly nobody works on is removed: dead processes here, and old leftovers of other hosts."""
    host = socket.gethostname().replace(".", "-").replace("_", "-")
    mine = tmp_path / atomic.temporary_name("x")
    reborn = tmp_path / f".x.{host}.{os.getpid()}.1.0.tmp"
    elsewhere = tmp_path / ".x.other-host.1.1.0.tmp"
    old = tmp_path / ".y.other-host.1.1.0.tmp"
    folder = tmp_path / f".z.{host}.4194304.5.0.tmp"
    ours = tmp_path / "trades.parquet"
    for path in (mine, reborn, elsewhere, old, ours):
        path.touch()
    folder.mkdir()
    (folder / "inside").touch()
    before = time.time() - 200_000
    os.utime(old, (before, before))
    assert atomic.remove_leftovers(tmp_path) == 3
    assert sorted(tmp_path.iterdir()) == sorted([mine, elsewhere, ours])


def test_leftover_that_vanishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A temporary file that its owner renames meanwhile is nobody's leftover."""
    gone = tmp_path / ".x.other-host.1.1.0.tmp"
    monkeypatch.setattr(Path, "iterdir", lambda _self: iter([gone]))
    assert atomic.remove_leftovers(tmp_path) == 0


def test_text_is_replaced_whole(tmp_path: Path) -> None:
    """A text file is replaced as a whole, and an error on the way leaves the old one and nothing else."""
    path = tmp_path / "new" / "folder" / "a.txt"
    atomic.write_text(path, "one")
    atomic.write_text(path, "two")
    assert path.read_text() == "two"
    with pytest.raises(UnicodeEncodeError):
        atomic.write_text(path, "three \ud800")
    assert list(path.parent.iterdir()) == [path]
    assert path.read_text() == "two"

"""What nobody may know stays unsaid, whatever goes wrong and however much is logged."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
import structlog

from ohlcv_assets.errors import OhlcvError
from ohlcv_assets.logs import configure_logs
from ohlcv_assets.progress import Progress
from ohlcv_assets.stores.influxdb.layout import Layout
from ohlcv_assets_tests.secrets_guard import leaks
from ohlcv_assets_tests.servers import Server
from ohlcv_assets_tests.stores.influxdb.faulty import Fault, What
from ohlcv_assets_tests.stores.influxdb.proxy import Proxy
from ohlcv_assets_tests.stores.influxdb.stores import plan, trade_store
from ohlcv_assets_tests.stores.made import FIRST, batches, made_day, promise

pytestmark = pytest.mark.integration

ROOT: Final = Path(__file__).parents[3]

_QUOTING: Final = b'{"code":"invalid","message":"unable to parse \'trades,symbol=A price=1,amount=2,side=1i 5\': bad"}'

FAULTS: Final[dict[str, tuple[What, dict[str, Any]]]] = {
    "nothing": ("pass", {}),
    "reset": ("reset", {}),
    "refused within the body": ("refuse", {}),
    "no answer": ("swallow", {}),
    "quoted back as 400": ("answer", {"status": 400, "body": _QUOTING}),
    "quoted back as 500": ("answer", {"status": 500, "body": _QUOTING}),
    "401": ("answer", {"status": 401, "body": b'{"code":"unauthorized","message":"unauthorized access"}'}),
    "422": ("answer", {"status": 422, "body": b'{"message":"partial write: field type conflict dropped=3"}'}),
    "429": ("answer", {"status": 429}),
    "503": ("answer", {"status": 503, "body": b"<html>no</html>"}),
    "cut short": ("truncate", {}),
}


PLACES: Final = (
    ("fake", "native", "/"),
    ("fake", "native", "/api/v2/write"),
    ("fake", "client", "/api/v2/write"),
    ("real", "client", "/api/v2/write"),
)
"""Server, writer, and how the path of the requests begins that go wrong; the writer matters for writes alone."""


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """Return everything that is logged at the level of debugging, by us and by libraries."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    configure_logs("json", "debug", stream)
    yield stream
    structlog.reset_defaults()
    root.setLevel(level)
    root.removeHandler(handler)


@pytest.mark.parametrize(("kind", "carrier", "path"), PLACES)
@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_let_out(
    request: pytest.FixtureRequest,
    said: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    name: str,
    kind: str,
    carrier: str,
    path: str,
) -> None:
    """Logs, output, errors with their causes, reprs, progress and figures of loads that fail say no secret."""
    server: Server = request.getfixturevalue(f"{kind}_server")
    # Asked for after the server, and so gone before it.
    layout: Layout = request.getfixturevalue("fresh_layout")(server)
    what, fields = FAULTS[name]
    seen: list[Progress] = []
    texts: list[str] = []
    table = made_day(FIRST, 400)
    with Proxy(server.url) as proxy:
        before = Server(proxy.url, server.org, server.operator_token)
        store = trade_store(before, layout, plan(carrier, timeout=0.2, deadline=0.6), patience=0.6)
        proxy.script.append(Fault(what, path=path, skip=2, times=None, **fields))
        try:
            report = store.replace_day(promise(FIRST, table), batches(table), seen.append)
            texts += [repr(report), repr(report.detail)]
        except OhlcvError as error:
            texts += ["".join(traceback.format_exception(error)), repr(error), repr(vars(error))]
        with suppress(OhlcvError):
            texts.append(repr(list(store.day_records().values())))
        proxy.heal()
        texts += [repr(store), store.name, repr(store._connection), repr(store._connection.address)]
        texts += [repr(store._writer), repr(store._writer.story), repr(before), repr(seen)]
        store.close()
    captured = capfd.readouterr()
    assert leaks([*texts, said.getvalue(), captured.out, captured.err]) == []


def test_the_guard_hears_what_is_let_out() -> None:
    """A secret and a line are found in any text, and the finding does not say the secret again."""
    found = leaks(["x", "a token-of-mine b", "trades,symbol=A price=1,amount=2,side=1i 5"], ["token-of-mine"])
    assert len(found) == 2
    assert "token-of-mine" not in " ".join(found)
    assert leaks(["oldest point trades,symbol=A at 2024-01-31T00:00:00Z dropped"], ["token-of-mine"]) == []


_LEAKING: Final = """
import json, logging, subprocess, sys
import dagster as dg
import pytest
from ohlcv_assets.errors import StoreAccessError
from ohlcv_assets_tests.secrets_guard import hear, keep_secret

TOKEN = keep_secret("a-token-" + "of-somebody")
LINE = "trades,symbol=A " + "price=1,amount=2,side=1i 5"

@pytest.mark.parametrize("text", [TOKEN, LINE, "nothing"])
class TestLeaks:
    def test_output(self, text):
        print(text)

    def test_log(self, text):
        logging.getLogger("somewhere").warning("said %s", text)

    def test_error(self, text):
        StoreAccessError(f"no right for {text}")

    def test_command(self, text, capsys):
        sys.stderr.write(text)
        capsys.readouterr()

    def test_process(self, text):
        subprocess.run([sys.executable, "-c", "import sys; print(sys.argv[1])", text], capture_output=True, check=True)

    def test_dagster(self, text):
        @dg.op
        def leaking(context):
            context.log_event(dg.AssetMaterialization("a", metadata={"told": text}))

        @dg.job
        def job():
            leaking()

        job.execute_in_process()

    def test_elsewhere(self, text):
        hear(text)

    @pytest.fixture
    def late(self, text):
        yield
        print(text)

    def test_end(self, text, late):
        pass
"""


def test_the_guard_fails_whoever_lets_something_out(tmp_path: Path) -> None:
    """A token or a line in output, logs, errors, commands, processes, metadata or at a test's end fails that test."""
    file = tmp_path / "test_leaking.py"
    file.write_text(_LEAKING)
    words = ["-p", "ohlcv_assets_tests.secrets_guard", "-p", "no:cacheprovider", "-rA", f"--rootdir={tmp_path}"]
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", *words, str(file)], stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as process:
        # Not by `communicate`, which the guard listens to: this one reports what it found.
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()
    found = {word: [line for line in lines if line.startswith(f"{word} ")] for word in ("PASSED", "FAILED", "ERROR")}
    assert len(found["FAILED"]) == 14
    assert len(found["ERROR"]) == 2
    assert not any("[nothing]" in line for line in found["FAILED"] + found["ERROR"])
    assert sum("The test let out" in line for line in lines) >= 16
    assert sum("[nothing]" in line for line in found["PASSED"]) == 8

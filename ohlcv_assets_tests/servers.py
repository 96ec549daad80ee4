"""A real InfluxDB for the tests: where one is found, how one is started, and buckets of one's own on it.

What belongs here: ``OHLCV_TEST_INFLUX_URL``, else ``influxd`` on PATH, else Docker, else a reason why there is none.
What does not: fixtures (``server_fixtures``), the fake server (``stores/influxdb/fake``).
"""

from __future__ import annotations

import contextlib
import gc
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import urllib3
from pydantic import SecretStr

from ohlcv_assets.stores.influxdb.connection import Address, Connection
from ohlcv_assets.stores.influxdb.layout import Layout, layout_of
from ohlcv_assets_tests.secrets_guard import keep_secret

ORG: Final = "ohlcv-poc"
IMAGE: Final = "influxdb:2.9.1"
START_PATIENCE: Final = 90.0
PORTS: Final = 4
"""How many are tried."""
PULL_PATIENCE: Final = 120.0
HTTP: Final = urllib3.PoolManager(timeout=10.0, retries=False)


class NoServerError(Exception):
    """There is no InfluxDB to test on; the text says what was tried."""


@dataclass
class Server:
    """A server that answers, set up.

    Attributes
    ----------
    url, org
        Where and for whom.
    operator_token
        May do everything.
    version
        What the server calls itself.
    kind
        How it came about: ``"given"``, ``"influxd"``, ``"docker"`` or ``"fake"``.
    """

    url: str
    org: str
    operator_token: str = field(repr=False)
    version: str = "?"
    kind: str = "given"

    def address(self, token: str | None = None, **changes: Any) -> Address:
        """Return where the server is, let in by the operator's token or another; Any: fields of Address."""
        return Address(self.url, self.org, SecretStr(token or self.operator_token), **changes)

    def connect(self, token: str | None = None, size: int = 4, **changes: Any) -> Connection:
        """Return a connection; Any: fields of Address."""
        return Connection(self.address(token, **changes), size)


@dataclass
class OwnServer(Server):
    """A process of the tests' own, which they may kill, restart and limit."""

    folder: Path = Path()
    command: Sequence[str] = ()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start the process and wait until it answers; the same folder and port every time."""
        with (self.folder / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self.environ}
            )
        wait_for(self.url, self.process)

    def kill(self) -> None:
        """Kill the process (SIGKILL) and wait until it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def restart(self) -> None:
        """Kill the process if it lives, and start it on what it left behind."""
        self.kill()
        self.start()

    def log(self) -> str:
        """Return what the process printed so far."""
        return (self.folder / "log.txt").read_text(errors="replace")


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes] | None = None, patience: float = START_PATIENCE) -> str:
    """Wait until a server answers, and return its version.

    Raises
    ------
    NoServerError
        It ended or did not answer in time.
    """
    until = time.monotonic() + patience
    while True:
        with contextlib.suppress(urllib3.exceptions.HTTPError, OSError):
            reply = HTTP.request("GET", f"{url}/ping")
            if reply.status == 204:
                return reply.headers.get("X-Influxdb-Version", "?").removeprefix("v")
        if process is not None and process.poll() is not None:
            raise NoServerError(f"influxd ended with {process.returncode} before it answered")
        if time.monotonic() > until:
            raise NoServerError(f"nothing answered at {url} within {patience:g} s")
        time.sleep(0.05)


def set_up_first(url: str, org: str = ORG) -> str:
    """Do the initial set-up of a fresh server with made-up secrets and return its operator token."""
    token = keep_secret(secrets.token_urlsafe(32))
    document = {
        "username": "tests",
        "password": keep_secret(secrets.token_urlsafe(16)),
        "org": org,
        "bucket": "first",
        "token": token,
    }
    reply = HTTP.request("POST", f"{url}/api/v2/setup", json=document)
    if reply.status != 201:
        raise NoServerError(f"the initial set-up at {url} answered {reply.status}")
    return token


@contextmanager
def influxd(
    folder: Path | None = None, flags: Sequence[str] = (), before: Sequence[str] = (), **environ: str
) -> Iterator[OwnServer]:
    """Run ``influxd`` of PATH on a free port, in a folder that is removed at the end.

    Parameters
    ----------
    folder
        Where it keeps its data; a temporary one where None.
    flags
        More arguments of ``influxd``.
    before
        A command that starts it, such as ``prlimit --as=...``.
    **environ
        More environment variables, such as ``GOMEMLIMIT``.
    """
    program = shutil.which("influxd")
    if program is None:
        raise NoServerError("influxd is not on PATH")
    own = Path(tempfile.mkdtemp(prefix="ohlcv-influxd-"))
    data = own if folder is None else folder
    paths = [f"--bolt-path={data}/bolt", f"--sqlite-path={data}/sqlite", f"--engine-path={data}/engine"]
    command = [*before, program, *paths, "--reporting-disabled", "--log-level=error", *flags]
    server = OwnServer("", ORG, "", kind="influxd", folder=own, environ=environ)
    try:
        _start_somewhere(server, command)
        yield server
    finally:
        server.kill()
        shutil.rmtree(own, ignore_errors=True)


def _start_somewhere(server: OwnServer, command: Sequence[str]) -> None:
    """Start a server on a port that was free a moment ago and set it up; on another one where somebody was quicker."""
    for left in reversed(range(PORTS)):
        server.url = f"http://127.0.0.1:{free_port()}"
        server.command = [*command, f"--http-bind-address={server.url.removeprefix('http://')}"]
        try:
            server.start()
            server.version = wait_for(server.url, server.process)
            # Where the port is somebody else's by now, it is their server that answers, and that is set up already.
            server.operator_token = set_up_first(server.url)
        except NoServerError:
            server.kill()
            if left == 0:
                raise
        else:
            return


@contextmanager
def given() -> Iterator[Server]:
    """Return the server that the environment names."""
    url = os.environ["OHLCV_TEST_INFLUX_URL"].rstrip("/")
    token = os.environ.get("OHLCV_TEST_INFLUX_TOKEN")
    if not token:
        raise NoServerError("OHLCV_TEST_INFLUX_URL needs OHLCV_TEST_INFLUX_TOKEN, a token that may do everything")
    version = wait_for(url, patience=5)
    keep_secret(token)
    yield Server(url, os.environ.get("OHLCV_TEST_INFLUX_ORG", ORG), token, version, "given")


@contextmanager
def docker() -> Iterator[Server]:
    """Run the image in a container, where an engine answers and the image is there or comes soon."""
    image = os.environ.get("OHLCV_TEST_INFLUX_IMAGE", IMAGE)
    _require_image(image)
    # Imported late: it is slow to import and of no use without an engine.
    from testcontainers.core.config import testcontainers_config  # noqa: PLC0415
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415

    # The reaper is an image of its own, which may not be there; the container ends with this context.
    testcontainers_config.ryuk_disabled = True
    with DockerContainer(image).with_exposed_ports(8086) as container:
        url = f"http://{container.get_container_host_ip()}:{container.get_exposed_port(8086)}"
        version = wait_for(url)
        yield Server(url, ORG, set_up_first(url), version, "docker")


def _require_image(image: str) -> None:
    """Raise NoServerError unless the engine answers and has the image, or can pull it in time."""
    lacking = _lacking(image)
    # The package leaves the socket of an engine that is away to the collector, which tells it as a warning: here
    # rather than in some later test.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    if lacking is not None:
        raise NoServerError(lacking)


def _lacking(image: str) -> str | None:
    """Return why there is no container of the image to be had; None where there is."""
    # Imported late: of no use where an earlier way worked.
    import docker as engine  # type: ignore[import-untyped]  # noqa: PLC0415  # publishes no types

    try:
        client = engine.from_env(timeout=10)
        with contextlib.closing(client):
            client.ping()
            try:
                client.images.get(image)
            except engine.errors.ImageNotFound:
                until = time.monotonic() + PULL_PATIENCE
                name, _, tag = image.partition(":")
                for _ in client.api.pull(name, tag=tag or "latest", stream=True):
                    if time.monotonic() > until:
                        return f"the image {image} did not come in {PULL_PATIENCE:g} s"
    except (engine.errors.DockerException, OSError) as error:
        return f"Docker does not run {image} ({type(error).__name__})"
    return None


@contextmanager
def find_server() -> Iterator[Server]:
    """Give the first server there is.

    Raises
    ------
    NoServerError
        None; the text says what was tried.
    """
    if os.environ.get("OHLCV_TEST_INFLUX_URL"):
        with given() as server:
            yield server
        return
    if shutil.which("influxd") is not None:
        with influxd() as own:
            yield own
        return
    try:
        with docker() as contained:
            yield contained
    except NoServerError as error:
        raise NoServerError(f"OHLCV_TEST_INFLUX_URL is not set, influxd is not on PATH, {error}") from error


def layout_named(prefix: str, retention: int = 0) -> Layout:
    """Return buckets whose names all begin so, none of them shared; seconds."""
    status = f"{prefix}status"
    shards = {"shard": 7 * 86_400, "bar_shard": 30 * 86_400}
    return layout_of(prefix, "trades", retention=retention, bar_retention=0, status=status, **shards)


def made_layout(server: Server, retention: int = 0) -> Layout:
    """Make fresh buckets with names of their own and return them."""
    layout = layout_named(f"t{uuid.uuid4().hex[:12]}_", retention)
    connection = server.connect()
    for bucket in layout.buckets:
        make_bucket(connection, bucket.name, bucket.retention, bucket.shard)
    connection.close()
    return layout


def make_bucket(connection: Connection, name: str, retention: int = 0, shard: int = 7 * 86_400) -> str:
    """Make one bucket and return its id; seconds."""
    rule = {"type": "expire", "everySeconds": retention, "shardGroupDurationSeconds": shard}
    document = {"orgID": connection.org_id(), "name": name, "retentionRules": [rule]}
    made = connection.call("POST", "/api/v2/buckets", doing="make a bucket", document=document)
    return str(made.document()["id"])


def drop_layout(server: Server, layout: Layout) -> None:
    """Remove buckets, those that are still there, and the labels that leases left of them."""
    connection = server.connect()
    for bucket in layout.buckets:
        drop_bucket(connection, bucket.name)
    labels = connection.call(
        "GET", "/api/v2/labels", doing="list labels", query={"orgID": connection.org_id()}
    ).document()
    found: Any = labels.get("labels") or []  # Any: a JSON document
    for label in found:
        if layout.trades.name in label["name"]:
            path = f"/api/v2/labels/{label['id']}"
            connection.call("DELETE", path, doing="remove a label", accept=frozenset({404}))
    connection.close()


def drop_bucket(connection: Connection, name: str) -> None:
    """Remove a bucket if it is there."""
    query = {"orgID": connection.org_id(), "name": name}
    found: Any = connection.call("GET", "/api/v2/buckets", doing="find a bucket", query=query, accept=frozenset({404}))
    for bucket in found.document().get("buckets") or []:
        path = f"/api/v2/buckets/{bucket['id']}"
        connection.call("DELETE", path, doing="remove a bucket", accept=frozenset({404}))


def make_token(server: Server, permissions: Sequence[Mapping[str, object]]) -> tuple[str, str]:
    """Make a token and return its id and the token; a permission is ``{"action", "resource"}``."""
    connection = server.connect()
    document = {"orgID": connection.org_id(), "permissions": list(permissions)}
    made = connection.call("POST", "/api/v2/authorizations", doing="make a token", document=document).document()
    connection.close()
    return str(made["id"]), keep_secret(str(made["token"]))

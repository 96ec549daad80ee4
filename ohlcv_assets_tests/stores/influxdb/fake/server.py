"""An InfluxDB 2.9.1 as far as this project uses one: real HTTP, everything else in memory.

What belongs here: routes, rights, statuses and messages as the real server has them. What does not: what is asked in
Flux and InfluxQL (``flux``, ``influxql``).
"""

from __future__ import annotations

import gzip
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from ohlcv_assets_tests.secrets_guard import keep_secret
from ohlcv_assets_tests.servers import ORG, Server
from ohlcv_assets_tests.stores.influxdb.fake import flux, influxql
from ohlcv_assets_tests.stores.influxdb.fake.backups import Backups
from ohlcv_assets_tests.stores.influxdb.fake.instants import nanos_of
from ohlcv_assets_tests.stores.influxdb.fake.organisation import (
    Bucket,
    Document,
    Organisation,
    RefusedError,
    conflict,
    invalid,
    not_found,
)
from ohlcv_assets_tests.stores.influxdb.fake.points import DroppedError, UnparsableError, parse
from ohlcv_assets_tests.stores.influxdb.fake.predicates import tags_of
from ohlcv_assets_tests.stores.influxdb.fake.tasks import Tasks
from ohlcv_assets_tests.stores.influxdb.faulty import Answer, FaultyServer, Request

VERSION: Final = "2.9.1"
_ALWAYS: Final = {"X-Influxdb-Build": "OSS", "X-Influxdb-Version": f"v{VERSION}"}
_JSON: Final = {"Content-Type": "application/json; charset=utf-8"}
_OPEN: Final = frozenset({"/ping", "/health", "/ready", "/metrics", "/api/v2/setup"})
_UNITS: Final = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_HEALTH: Final = {"name": "influxdb", "message": "ready for queries and writes", "status": "pass", "checks": []}


class FakeServer(FaultyServer):
    """The server itself; not set up at first.

    Attributes
    ----------
    held
        Everything it holds but tasks; tests may look and change things behind the loader's back.
    tasks
        Its tasks.
    backups
        Its shards.
    """

    def __init__(self) -> None:
        super().__init__()
        self.held = Organisation()
        self.tasks = Tasks(self.held)
        self.backups = Backups(self.held)
        self._one_at_a_time = threading.RLock()
        self._routes: dict[str, Callable[[Request, Document, str], Answer]] = {
            "/api/v2/orgs": self._orgs,
            "/api/v2/users": self._users,
            "/api/v2/me": self._me,
            "/api/v2/buckets": self._buckets,
            "/api/v2/authorizations": self._authorizations,
            "/api/v2/labels": self._labels,
            "/api/v2/tasks": self._tasks,
            "/api/v2/write": self._write,
            "/api/v2/delete": self._delete,
            "/api/v2/backup": self._backup,
            "/api/v2/restore": self._restore,
            "/api/v2/query": self._flux,
            "/query": self._influxql,
        }

    def carry_out(self, request: Request) -> Answer:
        """Do what a request asks for."""
        try:
            with self._one_at_a_time:
                answer = self._open(request) if request.path in _OPEN else self._guarded(request)
        except RefusedError as error:
            document = {"code": error.code, "message": error.message}
            answer = Answer(error.status, {**_JSON, "X-Platform-Error-Code": error.code}, json.dumps(document).encode())
        return Answer(answer.status, {**_ALWAYS, **answer.headers}, answer.body)

    def _open(self, request: Request) -> Answer:
        if request.path == "/ping":
            return Answer(204)
        if request.path == "/metrics":
            points = sum(len(bucket.shelf) for bucket in self.held.buckets.values())
            text = f"# TYPE storage_writer_ok_points histogram\nstorage_writer_ok_points_sum {points}\n"
            return Answer(200, {"Content-Type": "text/plain; version=0.0.4"}, text.encode())
        if request.path != "/api/v2/setup":
            return _json({**_HEALTH, "version": f"v{VERSION}"})
        if request.method == "GET":
            return _json({"allowed": not self.held.id})
        document = _document(request)
        if len(document.get("password") or "password") < 8:
            raise invalid("passwords must be at least 8 characters long")
        return _json(self.held.set_up(document), 201)

    def _guarded(self, request: Request) -> Answer:
        secret = request.headers.get("authorization", "").partition(" ")[2]
        token = self.held.let_in(secret)
        if token is None:
            raise RefusedError(401, "unauthorized", "unauthorized access")
        for path, route in self._routes.items():
            if request.path == path or request.path.startswith(f"{path}/"):
                return route(request, token, request.path.removeprefix(path).strip("/"))
        raise not_found("path not found")

    def _orgs(self, request: Request, token: Document, identity: str) -> Answer:
        if request.method == "POST":
            self._require(token, "write", "orgs")
            self.held.name = _document(request)["name"]
            return _json(self.held.document, 201)
        self._require_org(request)
        if identity.endswith("/owners"):
            return _json({"users": [{"role": "owner", **self.held.user}]})
        if identity:
            return _json(self.held.document)
        seen = self.held.may(token, "read", "orgs", self.held.id)
        return _json({"orgs": [self.held.document] if seen else []})

    def _require_org(self, request: Request) -> None:
        name = request.query.get("org", self.held.name)
        if name not in {self.held.name, self.held.id}:
            raise not_found(f'organization name "{name}" not found')

    def _users(self, _request: Request, _token: Document, _identity: str) -> Answer:
        return _json({"users": [self.held.user]})

    def _me(self, _request: Request, _token: Document, _identity: str) -> Answer:
        return _json(self.held.user)

    def _buckets(self, request: Request, token: Document, identity: str) -> Answer:
        if identity:
            bucket = self.held.buckets.get(identity)
            if bucket is None:
                raise not_found("bucket not found")
            return self._bucket(request, token, bucket)
        if request.method == "POST":
            self._require(token, "write", "buckets")
            return _json(self.held.add_bucket(_document(request)), 201)
        seen = [
            bucket.document
            for key, bucket in self.held.buckets.items()
            if self.held.may(token, "read", "buckets", key) or self.held.may(token, "write", "buckets", key)
        ]
        name = request.query.get("name")
        if name is not None:
            seen = [document for document in seen if document["name"] == name]
            if not seen and "orgID" in request.query:
                raise not_found(f'bucket "{name}" not found')
        first = int(request.query.get("offset", 0))
        return _json({"buckets": seen[first : first + int(request.query.get("limit", 20))]})

    def _bucket(self, request: Request, token: Document, bucket: Bucket) -> Answer:
        identity = bucket.document["id"]
        if request.method == "GET":
            self._require(token, "read", "buckets", identity)
            return _json(bucket.document)
        self._require(token, "write", "buckets", identity)
        if request.method == "DELETE":
            del self.held.buckets[identity]
            return Answer(204)
        document = _document(request)
        if "retentionRules" in document:
            bucket.set_rules(document["retentionRules"])
        if "description" in document:
            bucket.document["description"] = document["description"]
        return _json(bucket.document)

    def _authorizations(self, request: Request, token: Document, identity: str) -> Answer:
        if identity and identity not in self.held.tokens:
            raise not_found("authorization not found")
        if request.method == "GET" and not identity:
            seen = self.held.tokens.values() if self.held.may(token, "read", "authorizations") else ()
            return _json({"authorizations": [self.held.shown(found) for found in seen]})
        if request.method == "GET":
            self._require(token, "read", "authorizations")
            return _json(self.held.shown(self.held.tokens[identity]))
        self._require(token, "write", "authorizations")
        if request.method == "DELETE":
            del self.held.tokens[identity]
            return Answer(204)
        if request.method == "PATCH":
            found = self.held.tokens[identity]
            found.update({key: value for key, value in _document(request).items() if key in {"status", "description"}})
            return _json(self.held.shown(found))
        return _json(self.held.add_token(_document(request)), 201)

    def _labels(self, request: Request, token: Document, identity: str) -> Answer:
        if request.method == "GET" and not identity and not self.held.may(token, "read", "labels"):
            return _json({"labels": []})
        self._require(token, "read" if request.method == "GET" else "write", "labels")
        if not identity:
            if request.method == "POST":
                return _json({"label": self.held.add_label(_document(request))}, 201)
            return _json({"labels": list(self.held.labels.values())})
        if len(identity) != 16:
            raise invalid("id must have a length of 16 bytes")
        label = self.held.labels.get(identity)
        if label is None:
            raise not_found("label not found")
        if request.method == "DELETE":
            del self.held.labels[identity]
            return Answer(204)
        if request.method == "PATCH":
            self.held.patch_label(label, _document(request))
        return _json({"label": label})

    def _tasks(self, request: Request, token: Document, identity: str) -> Answer:
        identity, _, run = identity.partition("/runs")
        if run or request.path.endswith("/runs"):
            return self._runs(request, token, identity, run.strip("/"))
        if request.method == "POST":
            return _json(self.tasks.add(token, _document(request)), 201)
        if request.method == "PATCH":
            return _json(self.tasks.change(token, identity, _document(request)))
        if request.method == "DELETE":
            self.tasks.remove(token, identity)
            return Answer(204)
        if identity:
            return _json(self.tasks.find(token, identity))
        return _json({"tasks": self.tasks.named(token, request.query)})

    def _runs(self, request: Request, token: Document, identity: str, run: str) -> Answer:
        if request.method == "DELETE":
            self.tasks.cancel(token, identity, run)
            return Answer(204)
        return _json({"runs": self.tasks.runs_of(token, identity, request.query)})

    def _require(self, token: Document, action: str, kind: str, identity: str | None = None) -> None:
        if not self.held.may(token, action, kind, identity):
            place = f"{kind}/{identity}" if identity else kind
            raise RefusedError(401, "unauthorized", f"{action}:orgs/{self.held.id}/{place} is unauthorized")

    def _target(self, request: Request, token: Document, refusal: str) -> Bucket:
        self._require_org(request)
        bucket = self.held.bucket(request.query.get("bucket", ""))
        if not self.held.may(token, "write", "buckets", bucket.document["id"]):
            inactive = ": token is inactive" if token["status"] != "active" else ""
            raise RefusedError(403, "forbidden", f"{refusal}{inactive}")
        return bucket

    def _write(self, request: Request, token: Document, _identity: str) -> Answer:
        unit = _UNITS.get(request.query.get("precision", "ns"))
        if unit is None:
            raise invalid("invalid precision; valid precision units are ns, us, ms, and s")
        bucket = self._target(request, token, "insufficient permissions for write")
        body = request.body
        if request.headers.get("content-encoding") == "gzip":
            try:
                body = gzip.decompress(body)
            except (OSError, EOFError) as error:
                text = "An internal error has occurred - check server logs"
                raise RefusedError(500, "internal error", text) from error
        try:
            bucket.shelf.write(parse(body, unit, time.time_ns()))
        except UnparsableError as error:
            raise invalid(str(error)) from error
        except DroppedError as error:
            text = f"failure writing points to database: {error}"
            raise RefusedError(422, "unprocessable entity", text) from error
        return Answer(204)

    def _delete(self, request: Request, token: Document, _identity: str) -> Answer:
        bucket = self._target(request, token, "insufficient permissions to delete")
        document = _document(request)
        try:
            start, stop = nanos_of(document["start"]), nanos_of(document["stop"])
            wanted = tags_of(document.get("predicate") or "")
        except (KeyError, ValueError) as error:
            raise invalid(f"error decoding json body: {error}") from error
        bucket.shelf.delete(start, stop, wanted)
        return Answer(204)

    def _backup(self, request: Request, token: Document, what: str) -> Answer:
        self._require(token, "read", "authorizations")
        if what == "metadata":
            boundary = secrets.token_hex(16)
            kind = f"multipart/mixed; boundary={boundary}"
            return Answer(200, {"Content-Type": kind}, self.backups.metadata(boundary))
        body = self.backups.shard(int(what.removeprefix("shards/")), request.query.get("since"))
        return Answer(200, {"Content-Type": "application/octet-stream"}, body)

    def _restore(self, request: Request, token: Document, what: str) -> Answer:
        self._require(token, "write", "authorizations")
        self.backups.restore(int(what.removeprefix("shards/")), request.body)
        return Answer(200)

    def _flux(self, request: Request, token: Document, _identity: str) -> Answer:
        self._require_org(request)
        text = request.body.decode()
        dialect: Document = {}
        if "json" in request.headers.get("content-type", ""):
            document = _document(request)
            text, dialect = document["query"], document.get("dialect") or {}
        body = flux.run(text, self._readable(token), annotations=bool(dialect.get("annotations")))
        return Answer(200, {"Content-Type": "text/csv; charset=utf-8"}, body)

    def _influxql(self, request: Request, token: Document, _identity: str) -> Answer:
        query = dict(request.query)
        if "form" in request.headers.get("content-type", ""):
            query.update({name: values[-1] for name, values in parse_qs(request.body.decode()).items()})
        accepted = request.headers.get("accept", "")
        kind = next((kind for kind in ("csv", "x-msgpack") if kind in accepted), "json")
        body = influxql.run(query, self._readable(token), self._names(token), kind)
        return Answer(200, {"Content-Type": f"application/{kind}"}, body)

    def _names(self, token: Document) -> list[str]:
        """Return the names of the buckets that a token may read."""
        held = self.held.buckets.items()
        return [bucket.document["name"] for key, bucket in held if self.held.may(token, "read", "buckets", key)]

    def _readable(self, token: Document) -> Callable[[str], Bucket | None]:
        """Return what finds a bucket by name, None where it is not there or may not be read."""

        def find(name: str) -> Bucket | None:
            for key, bucket in self.held.buckets.items():
                if bucket.document["name"] == name and self.held.may(token, "read", "buckets", key):
                    return bucket
            return None

        return find


@dataclass
class Fake(Server):
    """A fake server that is running and set up; ``http`` is where its faults are scripted."""

    http: FakeServer | None = None

    @property
    def faults(self) -> FakeServer:
        """The server, to script faults into and to count what it has seen."""
        assert self.http is not None
        return self.http


@contextmanager
def fake_influxdb() -> Iterator[Fake]:
    """Run a fake server, set up like a real one."""
    token = keep_secret(secrets.token_urlsafe(32))
    with FakeServer() as http:
        http.held.set_up({"username": "tests", "password": "password", "org": ORG, "bucket": "first", "token": token})
        yield Fake(http.url, ORG, token, VERSION, "fake", http)


def _json(document: Document, status: int = 200) -> Answer:
    return Answer(status, _JSON, json.dumps(document).encode())


def _document(request: Request) -> Document:
    try:
        found: Any = json.loads(request.body)
    except ValueError as error:
        raise invalid("an error occurred decoding the body") from error
    if not isinstance(found, dict):
        raise conflict("the body is no object")
    return found

"""Looks at tokens: are they accepted, may they do what they must, may they do more.

What belongs here: tries that change nothing, or take back what they changed. What does not: what a role needs
(``rights``).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace

from pydantic import SecretStr

from ohlcv_assets.errors import StoreAccessError
from ohlcv_assets.stores.influxdb.admin.administration import Administration
from ohlcv_assets.stores.influxdb.admin.buckets import contents
from ohlcv_assets.stores.influxdb.admin.checkup import Finding, Patient, State
from ohlcv_assets.stores.influxdb.admin.rights import ROLES, Content, Role, actions
from ohlcv_assets.stores.influxdb.admin.tokens import VARIABLES, stand
from ohlcv_assets.stores.influxdb.connection import Connection


def look_at_tokens(patient: Patient) -> Iterator[Finding]:
    """Yield a finding for each token there is, and one for the loader's where there is none."""
    admin = _operator(patient)
    if patient.operator is not None and admin is None:
        remedy = (
            "correct OHLCV_INFLUX_OPERATOR_TOKEN or leave it unset; only setup, doctor and proofs by backups use it"
        )
        yield Finding("operator token", "warn", "OHLCV_INFLUX_OPERATOR_TOKEN is not accepted by the server", remedy)
    for role in ROLES:
        token = patient.tokens.get(role)
        if token is None:
            if role == "load":
                yield Finding("load token", "fail", "OHLCV_INFLUX_TOKEN is not set", f"{patient.setup}, or set it")
            continue
        yield _by_record(patient, admin, role, token) if admin is not None else _by_trying(patient, role, token)
        if role == "load":
            yield from _leases(patient, token)


def _operator(patient: Patient) -> Administration | None:
    """Return management calls with the operator token, where there is one that is accepted."""
    if patient.operator is None:
        return None
    admin = Administration(Connection(replace(patient.address, token=patient.operator), size=1))
    return admin if admin.works(patient.operator) else None


def _by_record(patient: Patient, admin: Administration, role: Role, token: SecretStr) -> Finding:
    name, variable = f"{role} token", VARIABLES[role]
    places = {place.id: place for place in admin.places().values()}
    buckets = contents(patient.layout, places.values())
    names = {id_: place.bucket.name for id_, place in places.items()}
    standing = stand(admin, role, token, admin.authorizations(), buckets, names)
    if standing.fault is None:
        seen = "by its tries" if standing.record is None else "by its record"
        return Finding(name, "ok", f"{variable} may do what it must, {seen}")
    state: State = "warn" if standing.fault == "extra" else "fail"
    return Finding(name, state, f"{variable} {standing.text}", _new_token(patient))


def _by_trying(patient: Patient, role: Role, token: SecretStr) -> Finding:
    """Try what can be tried without the operator token."""
    name, variable = f"{role} token", VARIABLES[role]
    admin = Administration(Connection(replace(patient.address, token=token), size=1))
    if not admin.works(token):
        return Finding(name, "fail", f"{variable} is not accepted by the server", _new_token(patient))
    lacking, extra = [], []
    for bucket, content in _own(patient).items():
        tries = {"read": admin.sees_bucket(bucket) is not None, "write": admin.may_write(bucket)}
        allowed = actions(role, content)
        lacking += [f"{action} {bucket!r}" for action in allowed if not tries[action]]
        extra += [f"{action} {bucket!r}" for action in tries if tries[action] and action not in allowed]
    if lacking:
        remedy = f"{patient.setup}, which makes missing buckets and tokens; {_new_token(patient)}"
        return Finding(name, "fail", f"{variable} may not (or there is no such bucket): {', '.join(lacking)}", remedy)
    if extra:
        return Finding(name, "warn", f"{variable} may do more than it needs: {', '.join(extra)}", _new_token(patient))
    if admin.authorizations():
        text = f"{variable} may manage tokens, as an operator token does"
        return Finding(name, "warn", text, _new_token(patient))
    return Finding(name, "ok", f"{variable} may do what it must, by trying")


def _own(patient: Patient) -> dict[str, Content]:
    """Return what the buckets of the dataset hold, by name."""
    layout = patient.layout
    bars: dict[str, Content] = {bucket.name: "bars" for bucket in layout.bars.values()}
    return {layout.trades.name: "trades", **bars, layout.status.name: "records"}


def _leases(patient: Patient, token: SecretStr) -> Iterator[Finding]:
    """Make and remove a label, as a lease does."""
    connection = Connection(replace(patient.address, token=token), size=1)
    try:
        document = {"orgID": connection.org_id(), "name": f"ohlcv/doctor/{uuid.uuid4()}", "properties": {}}
        made = connection.call("POST", "/api/v2/labels", doing="make a label", document=document).document()
        id_ = str(dict(made["label"])["id"])  # type: ignore[call-overload]  # a JSON document
        connection.call("DELETE", f"/api/v2/labels/{id_}", doing="remove a label", accept=frozenset({404}))
    except StoreAccessError as error:
        yield Finding("leases", "fail", str(error), _new_token(patient))
        return
    yield Finding("leases", "ok", "labels, which leases are made of, can be made and removed")


def _new_token(patient: Patient) -> str:
    return f"{patient.repair} puts a new token in its place"

"""The project's tokens: made once, found again, compared with what they should be allowed.

What belongs here: one token a role, how it is described, and what is wrong with one. What does not: what a role needs
(``rights``), where tokens are kept (``envfile``).

A server tells a token once, when it makes it. So that a token can be told from others later, the description of its
record carries the first digits of the token's SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import SecretStr

from ohlcv_assets.stores.influxdb.admin.administration import Administration, Authorization
from ohlcv_assets.stores.influxdb.admin.rights import Content, Right, Role, actions, rights_of, said

VARIABLES: Final[Mapping[Role, str]] = {
    "load": "OHLCV_INFLUX_TOKEN",
    "read": "OHLCV_INFLUX_READ_TOKEN",
    "tasks": "OHLCV_INFLUX_TASKS_TOKEN",
}
_UNFINISHED: Final = "unfinished"

Fault = Literal["dead", "lacking", "extra"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a token stands.

    Attributes
    ----------
    record
        Its record; None where no record carries its digits.
    fault
        ``"dead"``: not accepted. ``"lacking"``: a right is missing. ``"extra"``: it may do more than it should. None
        where nothing is wrong.
    text
        The fault in words, to follow the variable's name.
    lacking
        Ids or names of buckets it cannot use as it should; others than buckets are named by their kind.
    """

    record: Authorization | None
    fault: Fault | None = None
    text: str = ""
    lacking: frozenset[str] = frozenset()


def digits(token: SecretStr) -> str:
    """Return what a token is known again by; it tells nothing of the token."""
    return hashlib.sha256(token.get_secret_value().encode()).hexdigest()[:12]


def description(role: Role, sign: str) -> str:
    """Return the description of a token's record."""
    return f"ohlcv {role} token {sign}"


def record_of(token: SecretStr, records: Sequence[Authorization]) -> Authorization | None:
    """Return the record of a token among those the server shows; None where it is not there."""
    return next((record for record in records if record.description.endswith(f" token {digits(token)}")), None)


def others(role: Role, token: SecretStr, records: Sequence[Authorization]) -> list[Authorization]:
    """Return records of a role's tokens that are accepted and are not this one."""
    own = description(role, digits(token))
    beginning = description(role, "")
    return [
        record
        for record in records
        if record.active and record.description.startswith(beginning) and record.description != own
    ]


def stand(
    admin: Administration,
    role: Role,
    token: SecretStr,
    records: Sequence[Authorization],
    buckets: Mapping[str, Content],
    names: Mapping[str, str],
) -> Standing:
    """Compare a token with what its role needs: by its record, or by trying where there is none.

    Parameters
    ----------
    admin
        Management calls with the operator's token.
    role
        What the token is for.
    token
        The token.
    records
        All records of the organisation.
    buckets
        What each of the project's buckets holds, by id.
    names
        The buckets' names by id.
    """
    if not admin.works(token):
        return Standing(record_of(token, records), "dead", "is not accepted by the server")
    record = record_of(token, records)
    if record is None:
        return _by_trying(admin, role, token, buckets, names)
    wanted = rights_of(role, admin.org_id(), buckets)
    lacking = wanted - record.rights
    # Rights on buckets that are gone allow nothing.
    extra = {right for right in record.rights - wanted if not _of_gone_bucket(right, names)}
    if lacking:
        text = f"lacks rights: {said(lacking, names)}"
        return Standing(record, "lacking", text, frozenset(right.id or right.kind for right in lacking))
    if extra:
        return Standing(record, "extra", f"may do more than it needs: {said(extra, names)}")
    return Standing(record)


def _of_gone_bucket(right: Right, names: Mapping[str, str]) -> bool:
    return right.kind == "buckets" and right.id != "" and right.id not in names


def _by_trying(
    admin: Administration, role: Role, token: SecretStr, buckets: Mapping[str, Content], names: Mapping[str, str]
) -> Standing:
    """Try each bucket with a token that was not made by ``setup``; more rights than needed cannot be seen."""
    lacking = set()
    for id_, content in buckets.items():
        tries = {"read": admin.sees_bucket(names[id_], token) is not None, "write": admin.may_write(names[id_], token)}
        lacking |= {Right(action, "buckets", id_) for action in actions(role, content) if not tries[action]}
    if not lacking:
        return Standing(None)
    ids = frozenset(right.id for right in lacking)
    return Standing(None, "lacking", f"lacks rights: {said(lacking, names)}", ids)


def make(admin: Administration, role: Role, buckets: Mapping[str, Content]) -> SecretStr:
    """Make a role's token and describe it, so that it is found again."""
    id_, token = admin.make_token(description(role, _UNFINISHED), rights_of(role, admin.org_id(), buckets))
    admin.describe_token(id_, description(role, digits(token)))
    return token


def unfinished(records: Sequence[Authorization]) -> list[Authorization]:
    """Return records of tokens that nobody ever got: whoever made them was interrupted."""
    return [record for record in records if record.description.endswith(f" token {_UNFINISHED}")]

"""Setting a server up: first set-up, buckets, tokens; and, run again, what differs from the settings.

What belongs here: the order of the steps, and what is made, changed or only told. What does not: the calls
(``administration``), where secrets are kept (the caller passes ``keep``).

Every step can be interrupted: secrets are kept before the server gets them where we make them up, and a token that the
server makes is kept before the next step.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pydantic import SecretStr

from ohlcv_assets.errors import SettingsError, StoreAccessError
from ohlcv_assets.stores.influxdb.admin.administration import Administration, Authorization, Place
from ohlcv_assets.stores.influxdb.admin.buckets import contents, descriptions, difference, shortens, span
from ohlcv_assets.stores.influxdb.admin.checkup import setup_command
from ohlcv_assets.stores.influxdb.admin.rights import ROLES, Role
from ohlcv_assets.stores.influxdb.admin.tokens import VARIABLES, Standing, make, others, stand, unfinished
from ohlcv_assets.stores.influxdb.connection import Address, Connection
from ohlcv_assets.stores.influxdb.layout import Bucket, Layout

OPERATOR: Final = "OHLCV_INFLUX_OPERATOR_TOKEN"
PASSWORD: Final = "OHLCV_INFLUX_PASSWORD"  # noqa: S105 -- the name of a variable

Keep = Callable[[Mapping[str, SecretStr]], None]
"""Keeps secrets by variable, at once and for good."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a server is to be set up with.

    Attributes
    ----------
    address
        Where the server is; its token is not used.
    layout
        The buckets.
    dataset
        The dataset that the buckets are for.
    operator
        The operator token; on a fresh server the one it gets, made up where None.
    tokens
        The tokens there are, by role.
    username, password
        Of the first user; a password is made up where None.
    repair
        Whether what differs is changed.
    """

    address: Address
    layout: Layout
    dataset: str
    operator: SecretStr | None = None
    tokens: Mapping[Role, SecretStr] = field(default_factory=dict)
    username: str = "ohlcv"
    password: SecretStr | None = None
    repair: bool = False

    @property
    def remedy(self) -> str:
        """The command that changes what differs."""
        return setup_command(self.dataset, "--repair")


@dataclass(frozen=True, slots=True)
class Drift:
    """Something that is not as the settings say, and was left so.

    Attributes
    ----------
    name
        The bucket or variable.
    text
        What differs.
    remedy
        What to do.
    """

    name: str
    text: str
    remedy: str


@dataclass(slots=True)
class Story:
    """What a set-up did.

    Attributes
    ----------
    fresh
        Whether the server had never been set up before.
    made, changed
        What was, in words.
    drift
        What was left though it differs.
    notes
        What is worth knowing and no fault.
    """

    fresh: bool = False
    made: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    drift: list[Drift] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def set_up(order: Order, keep: Keep) -> Story:
    """Make what is missing on a server, and tell or repair what differs.

    Parameters
    ----------
    order
        What there should be.
    keep
        Keeps secrets that were made.

    Raises
    ------
    SettingsError
        Retention and shard duration do not go together.
    StoreAccessError
        The server is set up already and no operator token is given, or it may not do what is needed.
    StoreUnavailableError
        The server does not answer.
    """
    _require_room(order.layout)
    story = Story()
    admin = _administration(order, keep, story)
    admin.org_id()
    made = _set_up_buckets(admin, order, story)
    _set_up_tokens(admin, order, keep, story, made)
    return story


def _require_room(layout: Layout) -> None:
    """Refuse shards that last as long as points are kept: the server does."""
    for bucket, shard, retention in (
        (layout.trades, "OHLCV_INFLUX_SHARD", "OHLCV_INFLUX_RETENTION"),
        *((bucket, "OHLCV_INFLUX_BAR_SHARD", "OHLCV_INFLUX_BAR_RETENTION") for bucket in layout.bars.values()),
    ):
        if bucket.retention != 0 and bucket.retention <= bucket.shard:
            raise SettingsError(
                f"The bucket {bucket.name!r} cannot keep points for {span(bucket.retention)} in shards of "
                f"{span(bucket.shard)}: give {shard} less than {retention}."
            )


def _administration(order: Order, keep: Keep, story: Story) -> Administration:
    """Return management calls with the operator token, after a first set-up where the server waits for one."""
    bare = Connection(replace(order.address, token=None), size=1)
    asking = Administration(bare)
    operator = order.operator
    story.fresh = asking.is_fresh()
    if story.fresh:
        operator = _set_up_first(asking, order, keep, story)
    bare.close()
    if operator is None:
        raise StoreAccessError(
            f"InfluxDB at {order.address.url} is set up already: give its operator token once as {OPERATOR} (in the "
            "environment or in .env); `ohlcv influx doctor` looks at everything without it."
        )
    return Administration(Connection(replace(order.address, token=operator), size=1))


def _set_up_first(admin: Administration, order: Order, keep: Keep, story: Story) -> SecretStr:
    operator = order.operator or SecretStr(secrets.token_urlsafe(48))
    password = order.password or SecretStr(secrets.token_urlsafe(24))
    made_up = {OPERATOR: operator} if order.operator is None else {}
    if order.password is None:
        made_up[PASSWORD] = password
    # Kept first: were the reply lost, nobody could ever be let in again.
    keep(made_up)
    admin.onboard(order.username, password, order.layout.trades, operator)
    story.made += [f"user {order.username!r}", f"organisation {order.address.org!r}", "operator token"]
    return operator


def _set_up_buckets(admin: Administration, order: Order, story: Story) -> set[str]:
    """Make and compare buckets; return the names of those that were made."""
    there = admin.places()
    described = descriptions(order.layout, order.dataset)
    made = set()
    for bucket in order.layout.buckets:
        place = there.get(bucket.name)
        if place is None:
            admin.make_bucket(bucket, described[bucket.name])
        elif story.fresh:
            admin.change_bucket(place, bucket, described[bucket.name])
        else:
            _compare_bucket(admin, order, story, place, bucket)
            continue
        made.add(bucket.name)
        story.made.append(f"bucket {bucket.name!r}")
    return made


def _compare_bucket(admin: Administration, order: Order, story: Story, place: Place, bucket: Bucket) -> None:
    what = difference(bucket, place.bucket)
    description = descriptions(order.layout, order.dataset)[bucket.name]
    if what is not None and not order.repair:
        loss = " and the server then deletes what is older" if shortens(bucket, place.bucket) else ""
        remedy = f"{order.remedy} sets what the settings say{loss}; or correct the settings"
        story.drift.append(Drift(f"bucket {bucket.name!r}", what, remedy))
    elif what is not None:
        admin.change_bucket(place, bucket, place.description or description)
        story.changed.append(f"bucket {bucket.name!r}: {what}; set to the settings, shards from now on")
    elif not place.description:
        admin.change_bucket(place, bucket, description)
        story.changed.append(f"bucket {bucket.name!r}: described as the project's")


def _set_up_tokens(admin: Administration, order: Order, keep: Keep, story: Story, made: set[str]) -> None:
    """Make missing tokens, replace those that cannot know the buckets just made, tell or repair the others."""
    places = {place.id: place for place in admin.places().values()}
    buckets = contents(order.layout, places.values())
    names = {id_: place.bucket.name for id_, place in places.items()}
    new = {id_ for id_, name in names.items() if name in made}
    records = admin.authorizations()
    for record in unfinished(records):
        admin.remove_token(record.id)
    for role in ROLES:
        token = order.tokens.get(role)
        standing = None if token is None else stand(admin, role, token, records, buckets, names)
        if token is None or standing is None or standing.fault is not None:
            expected = standing is None or story.fresh or (standing.fault == "lacking" and standing.lacking <= new)
            if standing is not None and not expected and not order.repair:
                remedy = f"{order.remedy} puts a new token in its place"
                story.drift.append(Drift(VARIABLES[role], standing.text, remedy))
                continue
            token = make(admin, role, buckets)
            keep({VARIABLES[role]: token})
            _tell_made(admin, role, standing, story, repaired=not expected)
        _tell_others(role, token, admin.authorizations(), story)


def _tell_made(admin: Administration, role: Role, standing: Standing | None, story: Story, *, repaired: bool) -> None:
    """Say that a token was made; one that was repaired is removed, one that only lacked new buckets may be in use."""
    if standing is None:
        story.made.append(f"{role} token")
        return
    if repaired and standing.record is not None:
        admin.remove_token(standing.record.id)
    story.changed.append(f"{role} token: the old one {standing.text}; a new one is in its place")


def _tell_others(role: Role, token: SecretStr, records: Sequence[Authorization], story: Story) -> None:
    for record in others(role, token, records):
        story.notes.append(
            f"another {role} token, made {record.created}, is accepted too (id {record.id}): remove it in InfluxDB "
            f"(`influx auth delete --id {record.id}`) once nobody uses it"
        )

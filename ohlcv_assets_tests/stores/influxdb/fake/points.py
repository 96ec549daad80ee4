"""Points in memory: line protocol in, series out.

What belongs here: parsing, types, shards, retention, deleting. What does not: HTTP, buckets' names, queries.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

Value = float | int | bool | str
Tags = tuple[tuple[str, str], ...]
SeriesKey = tuple[str, Tags]
Point = tuple[SeriesKey, dict[str, Value], int]

SECOND: Final = 1_000_000_000
FIRST, LAST = -9223372036854775806, 9223372036854775806
YEAR_ONE: Final = -62_135_596_800 * SECOND

_KEY = rb"(?:\\[,= ]|[^,= \n])++"
_STRING = rb'"(?:\\.|[^"\\])*+"'
_FIELD = rb"(" + _KEY + rb')=(?:"((?:\\.|[^"\\])*+)"|([^, "\n]++))'
_LINE: Final = re.compile(
    rb"((?:\\[, ]|[^, \n#])(?:\\[, ]|[^, \n])*+(?:," + _KEY + rb"=" + _KEY + rb")*+) ++"
    rb"(" + _KEY + rb"=(?:" + _STRING + rb'|[^, "\n]++)(?:,' + _KEY + rb"=(?:" + _STRING + rb'|[^, "\n]++))*+)'
    rb"(?: ++(-?[0-9]++))? *+(?:\n|\Z)",
    re.DOTALL,
)
_FIELDS: Final = re.compile(_FIELD, re.DOTALL)
_TAGS: Final = re.compile(rb",(" + _KEY + rb")=(" + _KEY + rb")")
_MEASUREMENT: Final = re.compile(rb"(?:\\[, ]|[^, ])++")
_ESCAPED: Final = re.compile(rb"\\([,= ])")
_ESCAPED_IN_STRING: Final = re.compile(rb'\\(["\\])')
_FLOAT: Final = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BOOLEANS: Final = {
    **dict.fromkeys([b"t", b"T", b"true", b"True", b"TRUE"], True),
    **dict.fromkeys([b"f", b"F", b"false", b"False", b"FALSE"], False),
}


class UnparsableError(ValueError):
    """A line that is none; the text is the server's."""


class DroppedError(ValueError):
    """Some points of a batch were not stored; the text is the server's."""


def parse(body: bytes, unit: int, now: int) -> list[Point]:
    """Return the points of a body.

    Raises
    ------
    UnparsableError
        At least one line is none; the text quotes them all.
    """
    points: list[Point] = []
    bad: list[str] = []
    keys: dict[bytes, SeriesKey] = {}
    at = 0
    while at < len(body):
        found = _LINE.match(body, at)
        if found is None:
            end = body.find(b"\n", at) + 1 or len(body)
            line = body[at:end].strip()
            if line and not line.startswith(b"#"):
                bad.append(f"unable to parse '{line.decode(errors='replace')}': {_why(line)}")
            at = end
            continue
        at = found.end()
        try:
            points.append(_point(found, keys, unit, now))
        except ValueError as error:
            bad.append(f"unable to parse '{found.group().strip().decode(errors='replace')}': {error}")
    if bad:
        raise UnparsableError("\n".join(bad))
    return points


def _why(line: bytes) -> str:
    return "missing fields" if b" " not in line else "missing tag value" if b"= " in line else "invalid field format"


def _point(found: re.Match[bytes], keys: dict[bytes, SeriesKey], unit: int, now: int) -> Point:
    head, fields, stamp = found.groups()
    key = keys.get(head)
    if key is None:
        key = keys[head] = series_key(head)
    values = {
        _text(name): _value(plain) if plain is not None else _ESCAPED_IN_STRING.sub(rb"\1", quoted).decode()
        for name, quoted, plain in ((m[1], m[2], m[3]) for m in _FIELDS.finditer(fields))
    }
    ts = now if stamp is None else int(stamp) * unit
    if not FIRST <= ts <= LAST:
        raise ValueError("time outside range -9223372036854775806 - 9223372036854775806")
    return key, values, ts


def series_key(head: bytes) -> SeriesKey:
    """Return measurement and tags of what comes before the first space of a line."""
    found = _MEASUREMENT.match(head)
    assert found is not None
    tags = sorted((_text(name), _text(value)) for name, value in _TAGS.findall(head, found.end()))
    return _text(found.group()), tuple(tags)


def _text(escaped: bytes) -> str:
    return _ESCAPED.sub(rb"\1", escaped).decode()


def _value(text: bytes) -> Value:
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text[-1:] in b"iu" and re.fullmatch(rb"[+-]?[0-9]+", text[:-1]):
        number = int(text[:-1])
        if not -(2**63) <= number < 2**63:
            raise ValueError("unable to parse integer: value out of range")
        return number
    if _FLOAT.fullmatch(text) is None:
        raise ValueError("invalid number" if text[:1].isdigit() or text[:1] in b"+-.Nn" else "invalid boolean")
    number_read = float(text)
    if number_read in {float("inf"), float("-inf")}:
        raise ValueError("invalid float")
    return number_read


def kind_of(value: Value) -> str:
    """Return what InfluxDB calls a value's type."""
    return {bool: "boolean", int: "integer", float: "float", str: "string"}[type(value)]


@dataclass
class Shelf:
    """The points of one bucket.

    Attributes
    ----------
    retention, shard
        Seconds; a retention of 0 keeps for ever.
    series
        Fields by instant, by series.
    kinds
        Types of fields by shard.
    shards
        Numbers of the shards that there are: those that a point was ever written to.
    """

    retention: int = 0
    shard: int = 7 * 86_400
    series: dict[SeriesKey, dict[int, dict[str, Value]]] = field(default_factory=dict)
    kinds: dict[tuple[int, str, str], str] = field(default_factory=dict)
    shards: set[int] = field(default_factory=set)

    def write(self, points: list[Point]) -> None:
        """Store points.

        Raises
        ------
        DroppedError
            Some of them were not stored; the others were.
        """
        lower = int(time.time() * SECOND) - self.retention * SECOND if self.retention > 0 else FIRST
        old = [point for point in points if point[2] < lower]
        dropped, conflict = 0, ""
        for (measurement, tags), fields, ts in points:
            if ts < lower:
                continue
            shard = self._shard_of(ts)
            self.shards.add(shard)
            found = ""
            for name, value in fields.items():
                kind = kind_of(value)
                known = self.kinds.setdefault((shard, measurement, name), kind)
                if known != kind and not found:
                    found = (
                        f'input field "{name}" on measurement "{measurement}" is type {kind}, already exists as '
                        f"type {known}"
                    )
            if found:
                dropped, conflict = dropped + 1, conflict or found
            else:
                self.series.setdefault((measurement, tags), {}).setdefault(ts, {}).update(fields)
        if old:
            raise DroppedError(
                f"partial write: dropped {len(old)} points outside retention policy of duration "
                f"{self.retention // 3600}h0m0s dropped={len(old)} for database: fake for retention policy: autogen"
            )
        if dropped:
            raise DroppedError(f"partial write: field type conflict: {conflict} dropped={dropped}")

    def delete(self, start: int, stop: int, wanted: Mapping[str, str]) -> None:
        """Delete what lies in ``[start, stop]``, both inclusive, with these tags; ``_measurement`` counts as one."""
        for key in list(self.series):
            tags = {"_measurement": key[0], **dict(key[1])}
            if all(tags.get(name, "") == value for name, value in wanted.items()):
                kept = {ts: fields for ts, fields in self.series[key].items() if not start <= ts <= stop}
                if kept:
                    self.series[key] = kept
                else:
                    del self.series[key]
        # A shard forgets the types of a measurement when the last point of it goes.
        used = {(self._shard_of(ts), key[0]) for key, held in self.series.items() for ts in held}
        self.kinds = {known: kind for known, kind in self.kinds.items() if known[:2] in used}

    def _shard_of(self, ts: int) -> int:
        return (ts - YEAR_ONE) // (self.shard * SECOND)

    def points(self, start: int, stop: int) -> Iterator[tuple[SeriesKey, int, dict[str, Value]]]:
        """Yield the points in ``[start, stop)``, by series in order, then by instant."""
        for key in sorted(self.series):
            held = self.series[key]
            for ts in sorted(held):
                if start <= ts < stop:
                    yield key, ts, held[ts]

    def __len__(self) -> int:
        return sum(map(len, self.series.values()))

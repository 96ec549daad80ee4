"""The names in a tar, read while it comes."""

from __future__ import annotations

import io
import random
import tarfile
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohlcv_assets.stores.influxdb.bulk.listing import IncompleteError, names_in

pytestmark = pytest.mark.unit


def tar(sizes: list[int]) -> bytes:
    """Return a tar of files of some sizes, with a folder before them, padded as little as may be."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        folder = tarfile.TarInfo("bucket")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for number, size in enumerate(sizes):
            member = tarfile.TarInfo(f"bucket/{number}.tsm")
            member.size = size
            archive.addfile(member, io.BytesIO(bytes([7]) * size))
        end = archive.offset
    return held.getvalue()[: end + 1024]


def cut(body: bytes, seed: int) -> list[bytes]:
    """Return a body in pieces."""
    chance = random.Random(seed)  # noqa: S311 -- any lengths will do
    places = sorted(chance.choices(range(len(body) + 1), k=8))
    return [body[start:stop] for start, stop in pairwise([0, *places, len(body)])]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from([0, 1, 511, 512, 513, 5000]), max_size=5), st.integers(0, 99))
def test_names_however_it_is_cut(sizes: list[int], seed: int) -> None:
    """Names come in order, whatever the files hold and wherever pieces end."""
    assert names_in(cut(tar(sizes), seed)) == [f"bucket/{number}.tsm" for number in range(len(sizes))]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 100), st.integers(0, 99))
def test_what_is_not_whole_is_refused(share: int, seed: int) -> None:
    """A tar that ends early is none, wherever it does: a listing may not lack a name."""
    whole = tar([700, 3000])
    with pytest.raises(IncompleteError, match="no tar, or an incomplete one"):
        names_in(cut(whole[: (len(whole) - 1024) * share // 100], seed))


@pytest.mark.parametrize("behind", [b"{}", b'{"code":"internal error"}'.ljust(512), b"x" * 1024, tar([5])])
def test_words_behind_the_end_are_an_error(behind: bytes) -> None:
    """A server that fails on the way ends the tar and says so behind it."""
    with pytest.raises(IncompleteError):
        names_in([tar([10]) + behind])


def test_other_content_is_refused() -> None:
    """What is no head of a member is no tar."""
    with pytest.raises(IncompleteError):
        names_in([b"x" * 1024, bytes(1024)])

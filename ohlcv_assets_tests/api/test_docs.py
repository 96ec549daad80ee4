"""The pages of the API are the code's: their examples run, and their reference is made of the OpenAPI document."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ohlcv_assets.api.reference import document, markdown_reference
from ohlcv_assets.settings import PREFIX
from ohlcv_assets_tests.api.made import HOME, asking, new_key, service_in
from ohlcv_assets_tests.commands import TINY

pytestmark = pytest.mark.integration
DOCS = Path(__file__).parents[2] / "docs"
PAGES = {name: (DOCS / name).read_text("utf-8") for name in ("api.md", "tradingview.md")}
EXAMPLE = re.compile(r"```console\n\$ curl -s '([^']+)'\n(.*?)```", re.DOTALL)
POSTED = re.compile(
    r"""```console\n\$ curl -s -H "X-API-Key: \$KEY" -d '([^']+)' -H 'Content-Type: ([^']+)' '([^']+)'\n(.*?)```""",
    re.DOTALL,
)
EXAMPLES = [(name, *found) for name, page in PAGES.items() for found in EXAMPLE.findall(page)]


@pytest.mark.parametrize(("page", "address", "shown"), EXAMPLES)
def test_examples_are_what_happens(client: TestClient, page: str, address: str, shown: str) -> None:
    """Each answer is the one in the page, to the character; only ids of requests differ."""
    assert address.startswith(HOME), page
    said = re.sub(r"urn:ohlcv:request:[0-9a-f]+", "urn:ohlcv:request:ID", client.get(address).text)
    assert " ".join(shown.split()) == " ".join(said.split())


def test_posting_is_what_happens(tmp_path: Path) -> None:
    """On a dataset of the same days; the answer is the one in the page."""
    (given,) = POSTED.findall(PAGES["api.md"])
    names = {name.removeprefix(PREFIX).lower(): value for name, value in TINY.items()}
    service = service_in(tmp_path, (), **names)
    with asking(service, {"X-API-Key": new_key(service, "write")}) as client:
        reply = client.post(given[2], content=given[0], headers={"Content-Type": given[1]})
    assert reply.text == given[3].strip()


def test_there_are_examples() -> None:
    """In both pages, and they say what they ran on."""
    assert {name for name, *_ in EXAMPLES} == set(PAGES)
    assert len(EXAMPLES) > 10
    for variable, value in TINY.items():
        assert f"{variable}={value}" in PAGES["api.md"]


def test_the_reference_is_made_of_the_document() -> None:
    """`python -m ohlcv_assets.api.reference` prints what stands in the page."""
    made = markdown_reference(document())
    assert f"<!-- reference -->\n{made}\n<!-- /reference -->" in PAGES["api.md"]

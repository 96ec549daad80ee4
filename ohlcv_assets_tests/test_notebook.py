"""The notebook of the documentation runs."""

from __future__ import annotations

import warnings
from pathlib import Path

import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebook.ipynb"


@pytest.mark.e2e
def test_the_notebook_runs_from_top_to_bottom(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell runs on a dataset with few trades and leaves its result."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the client's own libraries announce their future changes
        from nbclient import NotebookClient  # noqa: PLC0415 -- it warns when it is imported

        notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]  # it publishes half its types
        NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert tiny.is_dir()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    text = str(outputs)
    for said in (
        "28 symbols, 2024-01-04 to 2024-01-09",
        "trades in the first half hour",
        "over the limit of 100",
        "vwap",
    ):
        assert said in text

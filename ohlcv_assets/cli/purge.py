"""`ohlcv purge`: deleting days, a dataset or a store's content, after asking.

What belongs here: what to delete, the question, the figures. What does not: deleting (``pipeline.purge``).
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Literal

import typer

from ohlcv_assets.cli.context import AsJson, From, To, request_of
from ohlcv_assets.cli.output import number, remark, show, show_json
from ohlcv_assets.cli.ranges import days_asked
from ohlcv_assets.errors import UserError
from ohlcv_assets.logs import is_terminal

What = Literal["everything", "files", "store", "dataset"]


def purge(
    ctx: typer.Context,
    what: Annotated[
        What,
        typer.Argument(
            help="everything: files, trades and bars of the days; files: day files only; store: trades and bars only; "
            "dataset: the whole folder of the dataset."
        ),
    ],
    *,
    start: From = None,
    end: To = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete days, a store's content or a whole dataset; asks first."""
    from ohlcv_assets.pipeline.purge import purge_dataset, purge_days

    project = request_of(ctx).project()
    name = project.dataset.name
    if what == "dataset":
        if start is not None or end is not None:
            raise UserError("A dataset is deleted whole; leave out --from and --to, or purge everything of some days.")
        _agree(f"Delete dataset {name!r} with all its files, trades and bars: {project.dataset.root}?", yes=yes)
        there = purge_dataset(project)
        _tell({"dataset": name, "deleted": there}, f"Dataset {name} is {'deleted' if there else 'not there'}.", as_json)
        return
    days = days_asked(project.dataset.days, name, start, end)
    span = str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]} ({len(days)} days)"
    _agree(f"Delete {_WORDS[what]} of {span} in dataset {name!r}?", yes=yes)
    gone = purge_days(project, days, files=what != "store", store=what != "files")
    done = f"Deleted {number(gone.files)} files, {number(gone.trades)} trades and {number(gone.bars)} bars of {span}."
    document = {"dataset": name, "first": days[0], "last": days[-1], **asdict(gone)}
    _tell(document, done, as_json)


_WORDS = {"everything": "files, trades and bars", "files": "the day files", "store": "trades and bars in the store"}


def _agree(question: str, *, yes: bool) -> None:
    """Ask, unless told not to.

    Raises
    ------
    UserError
        Nobody is there to answer.
    Abort
        The answer is no.
    """
    if yes:
        return
    if not is_terminal(sys.stdin):
        raise UserError("Nobody is here to confirm the deletion; say --yes.")
    typer.confirm(question, abort=True, err=True)


def _tell(document: dict[str, object], sentence: str, as_json: bool) -> None:
    if as_json:
        show_json(document)
        return
    show(sentence)
    remark("Dagster's history keeps what it recorded; `ohlcv status` says what is there now.")

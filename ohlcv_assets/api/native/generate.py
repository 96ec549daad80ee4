"""``POST /api/v1/generate``: trades made to order, as a job.

What belongs here: what may be asked for. What does not: making trades and posting them (``generating``).
"""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Annotated, Final

from fastapi import APIRouter, Body, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from ohlcv_assets.api.documented import accepted, problems
from ohlcv_assets.api.gate import Caller, Documented, Requires
from ohlcv_assets.api.generating import Order, generating, open_days, plan_of
from ohlcv_assets.api.jobs import Kind
from ohlcv_assets.api.native import actions, jobs
from ohlcv_assets.api.native.jobs import JobState
from ohlcv_assets.api.parameters import Shared
from ohlcv_assets.api.posting.commit import Post, Verdict
from ohlcv_assets.api.problems import ProblemError
from ohlcv_assets.api.service import Service
from ohlcv_assets.market.plan import Plan
from ohlcv_assets.settings import Arrivals, PriceModel, Sizes

router = APIRouter(prefix="/api/v1", tags=["jobs"], dependencies=Documented)

_KIND: Final[Kind] = "generate"
_MOST: Final = 100_000_000


class Generate(BaseModel):
    """Trades to be made."""

    model_config = ConfigDict(extra="forbid", strict=True)

    count: int = Field(
        ge=1, le=_MOST, description="Trades over all days and symbols; at most OHLCV_SERVE_GENERATE of them."
    )
    first_day: actions.Day | None = Field(
        default=None, description="First day; the one after the last closed day where absent."
    )
    last_day: actions.Day | None = Field(
        default=None, description="Last day, included; that of the dataset where absent."
    )
    symbols: (
        Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(min_length=1, max_length=1_000)]
        | None
    ) = Field(default=None, description="Names of symbols; all of the dataset where absent.")
    price_model: PriceModel | None = Field(
        default=None, description="How prices move: stochastic-volatility, gbm or mean-reverting; as set where absent."
    )
    arrivals: Arrivals | None = Field(
        default=None, description="When trades arrive: clustered or poisson; as set where absent."
    )
    sizes: Sizes | None = Field(
        default=None, description="How large they are: pareto-lognormal, lognormal or fixed; as set where absent."
    )
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = Field(
        default=None, description="Seed of chance; the dataset's where absent, and prices then go on from its own."
    )


_EXAMPLES: Final = {
    "few": {"summary": "Ten thousand trades on the open days", "value": {"count": 10000}},
    "chosen": {
        "summary": "Chosen days, symbols and laws",
        "value": {
            "count": 5000,
            "first_day": "2024-12-30",
            "last_day": "2024-12-31",
            "symbols": ["BTC-USD", "ETH-USD"],
            "arrivals": "poisson",
            "seed": 7,
        },
    },
}
_JOB: Final = jobs.EXAMPLE | {
    "kind": _KIND,
    "about": {"count": 10000, "first_day": "2024-12-30", "last_day": "2024-12-31"},
    "progress": {
        "stage": _KIND,
        "subject": "2024-12-30",
        "done": 5000,
        "total": 10000,
        "unit": "trades",
        "detail": {"stored": 5000, "batches": 1, "trades_per_second": 25000.0, "seconds_left": 0.2},
    },
}


@router.post(
    "/generate",
    summary="Generate trades",
    status_code=202,
    response_class=Response,
    responses=accepted("The job.", JobState, _JOB)
    | problems(
        "malformed", "not-allowed", "body-too-large", "unknown-symbol", "closed", "under-way", "busy", "timed-out"
    ),
    openapi_extra={"requestBody": {"description": "What to generate."}},
)
async def generate(
    service: Shared,
    caller: Annotated[Caller, Depends(Requires("write"))],
    asked: Annotated[Generate, Body(openapi_examples=_EXAMPLES)],
) -> Response:
    """Start a job that generates trades of open days and takes them in as posted ones, batch by batch.

    Days that are proved or being loaded are closed. The same order gives the same trades, and those that are stored
    already are not stored again: a job that was cancelled goes on where its order is given once more.
    """
    order, plan = await service.pool.ask("plan", lambda: _planned(service, asked), service.settings.serve_timeout)
    loop = asyncio.get_running_loop()

    def submit(post: Post) -> Verdict:
        return asyncio.run_coroutine_threadsafe(service.posting.desk.post(post), loop).result()

    about = {
        "count": order.count,
        "first_day": str(order.days[0]),
        "last_day": str(order.days[-1]),
        "symbols": order.symbols if asked.symbols is not None else None,
        "price_model": order.price_model,
        "arrivals": order.arrivals,
        "sizes": order.sizes,
        "seed": order.seed,
    }
    job = service.jobs.start(_KIND, about, caller.name, generating(plan, order, caller.name, submit))
    return jobs.accepted(job)


def _planned(service: Service, asked: Generate) -> tuple[Order, Plan]:
    """Return what is meant and how many trades there will be of each symbol and day; asks the store.

    Raises
    ------
    ProblemError, UserError
        It cannot be done.
    """
    settings, project = service.settings, service.project
    if project.dataset.kind != "synthetic":
        raise ProblemError("invalid", f"The dataset {project.dataset.name} was imported; trades of it are not made up.")
    if asked.count > settings.serve_generate:
        raise ProblemError("invalid", f"At most {settings.serve_generate} trades are generated by one request.")
    names = project.dataset.universe.names if asked.symbols is None else tuple(dict.fromkeys(asked.symbols))
    order = Order(
        count=asked.count,
        days=_days(service, asked),
        symbols=tuple(service.symbol(name).name for name in names),
        price_model=asked.price_model or settings.price_model,
        arrivals=asked.arrivals or settings.arrivals,
        sizes=asked.sizes or settings.sizes,
        seed=settings.seed if asked.seed is None else asked.seed,
    )
    return order, plan_of(project, order)


def _days(service: Service, asked: Generate) -> tuple[dt.date, ...]:
    meant = actions.days_asked(service, actions.DaysAsked(first_day=asked.first_day, last_day=asked.last_day))
    return open_days(service.project, None if asked.first_day is None else meant[0], meant[-1])

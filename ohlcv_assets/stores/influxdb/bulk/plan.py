"""Whether days are loaded in bulk, and by whose right.

What belongs here: what the user wishes. What does not: whether it can be done (``choice``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import SecretStr

Wish = Literal["auto", "bulk", "line"]


@dataclass(frozen=True, slots=True)
class BulkPlan:
    """How whole days are to be loaded.

    Attributes
    ----------
    wish
        ``"bulk"`` and ``"line"``: so and not otherwise; ``"auto"``: in bulk where that can be done.
    operator
        The operator's token; None where there is none.
    """

    wish: Wish = "auto"
    operator: SecretStr | None = field(default=None, repr=False)

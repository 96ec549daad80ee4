"""When trades arrive: intensities of minutes, exact counts, and clusters within a minute.

What belongs here: laws of arrivals. What does not: the average shape of a session (``profiles``), the waiting times
themselves (``kernels``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ohlcv_assets.generate.kernels import MINUTE_MICROS, compiled

NOISE_MEMORY: Final = 0.5 ** (1.0 / 8.0)
NOISE_SPREAD: Final = 0.40
"""Persistence per minute (half-life of eight minutes) and spread of log-intensity that prices do not explain."""
MOOD_POWER: Final = 1.0
"""Intensity rises with this power of the minute's volatility: counts follow it (Jones, Kaul and Lipson 1994)."""
GAMMA_SHAPE: Final = 8.0
"""Shape of the memoryless gamma noise of a minute's intensity; its variance is the inverse."""
CHILDREN: Final = 0.35
"""Share of trades that follow another within milliseconds: one order filled in several trades."""


@dataclass(frozen=True, slots=True)
class ArrivalLaw:
    """Arrivals of one session.

    Attributes
    ----------
    weights
        Shape (minutes,), float64: relative intensities, not normalised.
    followers
        Share of trades that follow another at once.
    """

    weights: NDArray[np.float64]
    followers: float


class Arrivals(Protocol):
    """A law of arrivals."""

    def law(self, profile: NDArray[np.float64], mood: NDArray[np.float64], rng: np.random.Generator) -> ArrivalLaw:
        """Return the intensities of a session, given its average shape and the volatility's mood, by minute."""
        ...


class Clustered:
    """A Cox process: shape of the session, volatility, noise with memory; and clusters within the minute."""

    def law(self, profile: NDArray[np.float64], mood: NDArray[np.float64], rng: np.random.Generator) -> ArrivalLaw:
        """Return noisy intensities."""
        minutes = len(profile)
        noise = np.empty(minutes)
        remember(rng.standard_normal(minutes), noise)
        gamma = rng.standard_gamma(GAMMA_SHAPE, minutes)
        return ArrivalLaw(profile * gamma * np.exp(MOOD_POWER * mood + noise), CHILDREN)


class Poisson:
    """A Poisson process of constant intensity given the day's count: the control."""

    def law(self, profile: NDArray[np.float64], mood: NDArray[np.float64], rng: np.random.Generator) -> ArrivalLaw:  # noqa: ARG002 -- the protocol's form
        """Return equal intensities."""
        return ArrivalLaw(np.ones(len(profile)), 0.0)


def minute_counts(total: int, weights: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw how many trades each minute has: multinomial, so that they add up to exactly the day's total.

    Parameters
    ----------
    total
        Trades of the session, at most a microsecond each.
    weights
        Shape (minutes,): relative intensities.
    rng
        The session's stream.

    Returns
    -------
    NDArray[np.int64]
        Shape (minutes,); a minute has at most as many trades as microseconds, the rest moves to minutes with room.
    """
    counts = rng.multinomial(total, weights / weights.sum()).astype(np.int64)
    excess = int(np.maximum(counts - MINUTE_MICROS, 0).sum())
    if excess > 0:
        counts = np.minimum(counts, MINUTE_MICROS)
        room = np.cumsum(MINUTE_MICROS - counts)
        counts += np.diff(np.minimum(room, excess), prepend=0)
    return counts


@compiled
def remember(normals: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Write an AR(1) sequence of spread ``NOISE_SPREAD``, started in its stationary law."""
    step = np.sqrt(1.0 - NOISE_MEMORY**2)
    state = normals[0]
    for minute in range(len(normals)):
        out[minute] = NOISE_SPREAD * state
        state = NOISE_MEMORY * state + step * normals[minute]

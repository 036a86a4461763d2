"""The likelihood of a temperature, from logits and the tokens that were drawn. Arrays only: no model, no text.

For tokens x_t with logits z_t, b = 1/T: l(b) = sum_t [b z_t(x_t) - logsumexp(b z_t)] is concave, so the maximum is
unique and Newton's method finds it: l'(b) = sum_t [z_t(x_t) - mean_b z_t], l''(b) = -sum_t Var_b z_t.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from tempering.errors import LogitsError, ParameterError
from tempering.sampling.rows import checked_rows
from tempering.sampling.thermodynamics import blocks
from tempering.sampling.tilt import tilted_mass
from tempering.thermometer.peak import read_peak

Values = NDArray[np.float64]
OUTSIDE = -1e100
"""The gap of a token outside the kept set: its weight is 0, and as it is finite, so is weight times gap."""
HIGHEST = 1e6
"""Above this 1/T a draw cannot be told from a greedy one in float64; the search ends there."""
CLOSE = 1e-5
"""A Newton step below this share is the last: what it leaves is its square."""


@dataclass(frozen=True)
class Tokens:
    """Drawn tokens with their distributions: what a temperature is read from.

    Attributes:
        logits: float32 or float64 [tokens, vocab], as they were given; -inf outside the kept set.
        best: the largest of each row, shape [tokens], of the same type.
        own: the gap of the token drawn, its logit less the largest, shape [tokens]; -inf if it lies outside the kept
            set.
    """

    logits: NDArray[np.floating]
    best: NDArray[np.floating]
    own: Values

    @classmethod
    def of(cls, logits: ArrayLike, drawn: ArrayLike) -> Tokens:
        """Return tokens from logits [tokens, vocab] and the ids drawn [tokens]; logits in float32 are not copied.

        Raises:
            LogitsError: a row holds NaN or +inf, or nothing but -inf.
            ParameterError: the shapes differ, or an id lies outside the vocabulary.
        """
        rows = np.asarray(logits)
        best = rows.max(axis=1) if rows.dtype == np.float32 and rows.ndim == 2 and rows.size else None
        if best is None or not np.isfinite(best).all():  # another type is converted, and what is wrong is named
            rows, _ = checked_rows(logits)
            best = rows.max(axis=1)
        ids = np.asarray(drawn)
        if ids.shape != rows.shape[:1] or ids.dtype.kind not in "iu":
            raise ParameterError(f"tokens must be {len(rows)} ids, got shape {list(ids.shape)}", field="tokens")
        if ids.size and not 0 <= ids.min() <= ids.max() < rows.shape[1]:
            raise ParameterError(f"tokens must be ids in [0, {rows.shape[1]})", field="tokens")
        own = np.take_along_axis(rows, ids[:, None].astype(np.intp), axis=1)[:, 0]
        return cls(rows, best, own.astype(np.float64) - best)

    @classmethod
    def joined(cls, parts: Sequence[Tokens]) -> Tokens:
        """Return the tokens of several texts as one."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("logits", "best", "own")))

    def __len__(self) -> int:
        return len(self.own)

    @property
    def impossible(self) -> list[int]:
        """The places of tokens that no temperature can have drawn: outside the kept set."""
        return np.flatnonzero(np.isneginf(self.own)).tolist()

    def at(self, places: NDArray[np.bool_]) -> Tokens:
        """Return some of the tokens, chosen by a mask."""
        return Tokens(self.logits[places], self.best[places], self.own[places])

    def every(self, stride: int) -> Tokens:
        """Return every ``stride``-th token."""
        return Tokens(np.ascontiguousarray(self.logits[::stride]), self.best[::stride].copy(), self.own[::stride])

    def moments(self, inverse: float) -> tuple[Values, Values, Values]:
        """Return log Z, mean gap and variance of the gap at b = 1/T in float64, each shape [tokens]."""
        total, mean, square = np.empty((3, len(self)))
        for rows in blocks(*self.logits.shape):
            gaps = np.maximum(np.subtract(self.logits[rows], self.best[rows, None], dtype=np.float64), OUTSIDE)
            weights = np.exp(inverse * gaps) if inverse else (gaps > OUTSIDE).astype(np.float64)
            total[rows] = weights.sum(axis=1)
            weights *= gaps
            mean[rows] = weights.sum(axis=1)
            square[rows] = np.einsum("tv,tv->t", weights, gaps)
        mean, square = mean / total, square / total
        return np.log(total), mean, np.maximum(square - mean**2, 0.0)

    def log_likelihood(self, temperature: float) -> float:
        """Return the log-likelihood of a temperature in nats; -inf where it is impossible.

        Example:
            >>> tokens = Tokens.of([[0.0, 0.0], [1.0, 1.0]], [0, 1])
            >>> round(tokens.log_likelihood(0.7), 6)
            -1.386294
        """
        if temperature == 0:  # greedy: sure of the first best, and nothing else
            return 0.0 if (self.own == 0).all() else -math.inf
        inverse = 1 / temperature
        own = self.own * inverse if inverse else np.where(np.isneginf(self.own), -np.inf, 0.0)
        return float((own - self.moments(inverse)[0]).sum())


@dataclass(frozen=True)
class Reading:
    """The temperature that a text was drawn at, as its tokens tell it.

    Attributes:
        temperature: the maximum-likelihood estimate; 0 if every token is a best one, inf if even uniform draws would
            have been likelier than any finite T.
        low: lower end of the profile-likelihood interval.
        high: upper end; inf where the text cannot rule out any high T.
        n: how many tokens.
        log_likelihood: at the estimate, nats.
        log_likelihood_at_one: at T = 1, nats.
        confidence: nominal coverage of the interval.
    """

    temperature: float
    low: float
    high: float
    n: int
    log_likelihood: float
    log_likelihood_at_one: float
    confidence: float = 0.95

    @property
    def gain(self) -> float:
        """Bits a token that the estimate predicts the text better than T = 1 does."""
        return (self.log_likelihood - self.log_likelihood_at_one) / (self.n * math.log(2)) if self.n else math.nan

    def as_dict(self) -> dict[str, float | int | str]:
        """Return JSON-ready values; inf as text."""
        values = {
            "temperature": self.temperature,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "log_likelihood": self.log_likelihood,
            "log_likelihood_at_one": self.log_likelihood_at_one,
            "gain_bits_per_token": self.gain,
            "confidence": self.confidence,
        }
        return {
            name: str(value) if isinstance(value, float) and math.isinf(value) else value
            for name, value in values.items()
        }


def read_temperature(tokens: Tokens, *, confidence: float = 0.95) -> Reading:
    """Estimate the temperature at which tokens were drawn, by maximum likelihood in 1/T.

    The interval holds every T whose log-likelihood lies within chi-square(1) / 2 of the maximum (profile likelihood,
    Wilks 1938), which unlike a standard error stays right at the edges.

    Long texts are read from one or two passes over their logits in float32 (``thermometer.peak``): T to 1e-5 of itself,
    the ends to 1e-3 of the interval's width. Short ones, and those near T = 0 or inf, by Newton's method in float64.

    Args:
        tokens: drawn tokens with their distributions, under the truncation that they were drawn with.
        confidence: nominal coverage, in (0, 1).

    Raises:
        ParameterError: confidence is outside its range, or there is no token.
        LogitsError: a token lies outside the kept set, so that no T can have drawn it; ``row`` is its place.

    Example:
        >>> reading = read_temperature(Tokens.of([[0.0, 1.0]] * 100, [0] * 30 + [1] * 70))
        >>> round(reading.temperature, 3)  # p = .7 needs 1/T = log(7/3)
        1.18
    """
    if not 0 < confidence < 1:
        raise ParameterError(f"confidence must be in (0, 1), got {confidence}", field="confidence")
    if not len(tokens):
        raise ParameterError("there is no token to read a temperature from", field="tokens")
    if impossible := tokens.impossible:
        raise LogitsError(
            f"token {impossible[0]} lies outside the kept set: no temperature can have drawn it", row=(impossible[0],)
        )

    drop = float(special.chdtri(1, 1 - confidence)) / 2
    if (found := read_peak(tokens, drop)) is not None:
        best, top, low, high = found
        at_one = float((tokens.own - np.log(tilted_mass(tokens.logits, tokens.best, 1.0))).sum())
    else:
        curve = _Curve(tokens)
        best, top = _maximum(curve)
        at_one = curve.at(1.0)[0]
        low, high = _crossing(curve, top - drop, best, 0.0), _crossing(curve, top - drop, best, HIGHEST)
    return Reading(_to_t(best), _to_t(high), _to_t(low), len(tokens), top, at_one, confidence)


class _Curve:
    """The log-likelihood as a function of b = 1/T: each point is computed once."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.known: dict[float, tuple[float, float, float]] = {}

    def at(self, inverse: float) -> tuple[float, float, float]:
        """Return the log-likelihood, its slope and its curvature (>= 0, of the other sign)."""
        if inverse not in self.known:
            log_z, mean, variance = self.tokens.moments(inverse)
            # One sum of differences: that of the sums would lose what a cold text is about.
            value = float((inverse * self.tokens.own - log_z).sum())
            self.known[inverse] = value, float((self.tokens.own - mean).sum()), float(variance.sum())
        return self.known[inverse]


def _maximum(curve: _Curve) -> tuple[float, float]:
    """Return the b in [0, HIGHEST] of the largest likelihood, and its logarithm there.

    Newton inside a shrinking bracket, from b = 1. The last step is not computed again: after one below ``CLOSE`` the
    error is its square, and the likelihood there follows to the third order.
    """
    if (curve.tokens.own == 0).all():
        return HIGHEST, curve.at(HIGHEST)[0]  # every token is a best one: the likelihood rises for ever
    inverse, low, high = 1.0, -math.inf, HIGHEST
    for _ in range(200):
        value, slope, curvature = curve.at(inverse)
        low, high = (inverse, high) if slope > 0 else (low, inverse)
        target = inverse + slope / curvature if curvature > 0 else math.inf
        if low == -math.inf and target <= inverse / 4:
            if curve.at(0.0)[1] <= 0:
                return 0.0, curve.at(0.0)[0]
            low = 0.0
        if not low < target < high:
            floor = max(low, 1e-12)
            target = math.sqrt(floor * high) if high / floor > 4 else (floor + high) / 2
        elif abs(target - inverse) <= CLOSE * inverse:
            step = target - inverse
            return target, value + slope * step - curvature * step**2 / 2
        if abs(target - inverse) <= 1e-12 * inverse:
            break
        inverse = target
    return inverse, curve.at(inverse)[0]


def _crossing(curve: _Curve, level: float, best: float, end: float) -> float:
    """Return the b between the maximum and an end where the log-likelihood falls to a level; the end if it does not.

    Newton: as the log-likelihood is concave, its tangents lie above it, so after one step every iterate lies on the
    outer side and the steps lead inwards to the crossing. The last step is not computed again, as in ``_maximum``.
    """
    if best == end:
        return end
    near = min(curve.known, key=lambda known: (abs(known - best), known))
    value, _, curvature = curve.at(near)
    width = math.sqrt(2 * max(value - level, 0.0) / max(curvature, 1e-300))
    inverse = max(best - width, end) if end < best else min(best + width, end)
    for _ in range(100):
        value, slope, _ = curve.at(inverse)
        if inverse == end and value >= level:
            return end
        target = inverse - (value - level) / slope if slope else end
        target = max(target, end) if end < best else min(target, end)
        if abs(target - inverse) <= 30 * CLOSE * abs(inverse - best):
            return target
        inverse = target
    return inverse


def _to_t(inverse: float) -> float:
    return math.inf if inverse == 0 else 0.0 if inverse >= HIGHEST else 1 / inverse


@dataclass(frozen=True)
class Pooled:
    """Many texts read together.

    Attributes:
        reading: one temperature for all.
        each: the reading of each text.
        statistic: likelihood ratio of one temperature each against one for all.
        p_value: of the hypothesis that one temperature explains all texts; chi-square with texts - 1 degrees of
            freedom, an approximation that is poor where a text alone reads 0 or inf.
    """

    reading: Reading
    each: tuple[Reading, ...]
    statistic: float
    p_value: float


def read_together(texts: Sequence[Tokens], *, confidence: float = 0.95) -> Pooled:
    """Read one temperature from many texts, and test whether one explains all.

    Raises:
        ParameterError: there is no text.
        LogitsError: a token is impossible, see ``read_temperature``.

    Example:
        >>> cold, hot = Tokens.of([[0.0, 3.0]] * 60, [1] * 60), Tokens.of([[0.0, 3.0]] * 60, [0, 1] * 30)
        >>> read_together([cold, hot]).p_value < 0.001
        True
    """
    if not texts:
        raise ParameterError("there is no text to read a temperature from", field="texts")
    one = read_temperature(Tokens.joined(texts), confidence=confidence)
    each = tuple(read_temperature(text, confidence=confidence) for text in texts)
    statistic = max(0.0, 2 * (sum(reading.log_likelihood for reading in each) - one.log_likelihood))
    p_value = float(special.chdtrc(len(texts) - 1, statistic)) if len(texts) > 1 else math.nan
    return Pooled(one, each, statistic, p_value)

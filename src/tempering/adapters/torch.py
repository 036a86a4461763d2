"""Distribution and draw on torch tensors, on their device, without a copy to the host. Needs torch.

The definitions are those of ``tempering.sampling``, line by line, in float64; so are the random numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from tempering.errors import LogitsError, MissingExtraError, ParameterError
from tempering.params import SamplingParams
from tempering.sampling.adaptive import EDT_BASE
from tempering.sampling.mirostat import first_mu
from tempering.sampling.noise import COIN, DOMAIN, GROUP, GROUPS, INVERSE, TOKENS, WORDS
from tempering.sampling.penalties import ContextLike, contexts_of, continuations, ids_of
from tempering.sampling.truncation import TOLERANCE

try:
    import torch
except ImportError:
    raise MissingExtraError("torch is not installed; install it with: pip install 'tempering[transformers]'") from None

Tensor = Any  # torch.Tensor: torch is an extra, and its types are not there without it
LOW = 0xFFFFFFFF


@dataclass(frozen=True)
class _Step:
    """What a rule sees, as in ``tempering.sampling.truncation``."""

    ranking: Tensor
    scores: Tensor
    keep: Tensor

    @cached_property
    def logprobs(self) -> Tensor:
        return torch.log_softmax(self.scores.masked_fill(~self.keep, -math.inf), dim=1)

    @cached_property
    def by_rank(self) -> Tensor:
        return self.ranking.masked_fill(~self.keep, -math.inf).sort(dim=1, descending=True, stable=True).indices

    @cached_property
    def entropy(self) -> Tensor:
        p = self.logprobs.exp()
        return -(p * self.logprobs.masked_fill(p == 0, 0.0)).sum(dim=1).clamp(max=0.0)

    def first(self, order: Tensor, count: Tensor) -> Tensor:
        """Return the kept set that holds the first ``count`` ids of each row of an order, at least one."""
        places = torch.arange(order.shape[1], device=order.device) < count.clamp(min=1)[:, None]
        return torch.zeros_like(self.keep).scatter(1, order, places) & self.keep

    def prefix(self, order: Tensor, mass: float, edge: str = "reach") -> Tensor:
        """Return the smallest prefix of an order whose mass reaches ``mass``; ``edge`` moves its end."""
        total = self.logprobs.exp().gather(1, order).cumsum(dim=1)
        below = (total < mass - TOLERANCE if edge == "reach" else total <= mass + TOLERANCE).sum(dim=1)
        return self.first(order, below if edge == "drop" else 1 + below)

    def at_least(self, floor: Tensor | float) -> Tensor:
        """Return the tokens whose log-probability reaches a floor, and the best."""
        return (self.logprobs >= floor - TOLERANCE).scatter(1, self.by_rank[:, :1], True) & self.keep


def distribution(logits: Tensor, params: SamplingParams | None = None, context: ContextLike = None) -> Tensor:
    """Return the probabilities that a token is drawn with: ``tempering.distribution`` on tensors.

    Args:
        logits: shape [..., vocab], any float type and device (one that has float64).
        params: the settings; T=1 without truncation unless given.
        context: earlier tokens, for the penalties.

    Returns:
        float64, shape [..., vocab], on the same device.

    Raises:
        LogitsError: a row holds NaN or +inf, or nothing but -inf.
        ParameterError: contexts do not fit the rows.
    """
    params = params or SamplingParams()
    rows = _checked(logits)
    if not params.xtc_probability:
        return _logprobs(rows, params, context, None).exp().reshape(logits.shape)
    q = params.xtc_probability
    outcomes = [_logprobs(rows, params, context, torch.full_like(rows[:, 0], coin)).exp() for coin in (1.0, -1.0)]
    return (outcomes[0] * (1 - q) + outcomes[1] * q).reshape(logits.shape)


def draw(
    logits: Tensor,
    params: SamplingParams | None = None,
    *,
    seed: int | None = None,
    sequence: Tensor | int = 0,
    step: Tensor | int = 0,
    context: ContextLike = None,
    method: str = "gumbel",
) -> Tensor:
    """Draw one token a row: the tokens of ``tempering.draw``, on tensors.

    Args:
        logits: shape [..., vocab].
        params: the settings.
        seed: in [0, 2**64); ``params.seed`` unless given.
        sequence: which text, one number or one a row (int64; the bits of numbers beyond 2**63).
        step: which place in the text, one number or one a row.
        context: earlier tokens, for the penalties.
        method: ``gumbel`` or ``inverse``.

    Returns:
        Token ids, int64, shape [...], on the same device.

    Raises:
        LogitsError: a row must not be sampled.
        ParameterError: a key is outside its range, or there is no such method.
    """
    params = params or SamplingParams()
    seed = params.seed if seed is None else seed
    if not 0 <= seed < WORDS or method not in {"gumbel", "inverse"}:
        raise ParameterError("seed must be in [0, 2**64) and method gumbel or inverse", field="seed")
    rows, shape = _checked(logits), logits.shape[:-1]
    texts, places = (_key(value, shape, rows.device) for value in (sequence, step))
    coins = _inside(words(seed, texts, places, 1, COIN))[:, 0] if params.xtc_probability else None
    scores = _logprobs(rows, params, context, coins)
    if method == "gumbel":
        return (scores + gumbel(seed, texts, places, rows.shape[1])).argmax(dim=1).reshape(shape)
    running = scores.exp().cumsum(dim=1)
    u = _inside(words(seed, texts, places, 1, INVERSE))
    return (running > u * running[:, -1:]).to(torch.int8).argmax(dim=1).reshape(shape)


def gumbel(seed: int, sequences: Tensor, steps: Tensor, vocabulary: int) -> Tensor:
    """Return the noise of ``tempering.sampling.noise``, float64 [rows, vocabulary], made where the keys are."""
    groups = -(-vocabulary // GROUP)
    drawn = words(seed, sequences, steps, groups, GROUPS)[..., None]
    first, place = -torch.log(_inside(drawn)) / GROUP, drawn & (GROUP - 1)
    after = -torch.log(_inside(words(seed, sequences, steps, groups * GROUP, TOKENS)))
    arrivals = (first + after.reshape(-1, groups, GROUP)).scatter(2, place, first)
    return -torch.log(arrivals.reshape(-1, groups * GROUP)[:, :vocabulary])


def words(seed: int, sequences: Tensor, steps: Tensor, count: int, stream: int) -> Tensor:
    """Return the random words of ``tempering.sampling.noise`` as int64 of the same bits, [rows, count]."""
    places = torch.arange(-(-count // 4), device=sequences.device)
    c0, c1, c2, c3 = (places + 1)[None], steps[:, None], sequences[:, None], torch.full_like(places, stream)[None]
    k0, k1 = seed, DOMAIN
    for _ in range(10):
        high0, low0 = _wide(c0, 0xD2E7470EE14C6C93)
        high1, low1 = _wide(c2, 0xCA5A826395121157)
        c0, c1, c2, c3 = high1 ^ c1 ^ _signed(k0), low1, high0 ^ c3 ^ _signed(k1), low0
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) % WORDS, (k1 + 0xBB67AE8584CAA73B) % WORDS
    return torch.stack(torch.broadcast_tensors(c0, c1, c2, c3), dim=-1).reshape(len(sequences), -1)[:, :count]


def _inside(drawn: Tensor) -> Tensor:
    """Return words as uniform numbers inside (0, 1)."""
    return (((drawn >> 12) & (2**52 - 1)).to(torch.float64) + 0.5) * 2.0**-52


def _signed(word: int) -> int:
    """Return the int64 with the bits of an unsigned word: torch has no arithmetic on uint64."""
    return word - WORDS if word >= WORDS // 2 else word


def _wide(a: Tensor, b: int) -> tuple[Tensor, Tensor]:
    """Return the upper and lower half of an unsigned product, from products of 32-bit halves."""
    a0, a1, b0, b1 = a & LOW, (a >> 32) & LOW, b & LOW, b >> 32
    middle = a1 * b0 + (((a0 * b0) >> 32) & LOW)
    cross = a0 * b1 + (middle & LOW)
    return a1 * b1 + ((middle >> 32) & LOW) + ((cross >> 32) & LOW), a * _signed(b)


def _key(value: Tensor | int, shape: Any, device: Any) -> Tensor:
    if isinstance(value, int):
        if not 0 <= value < WORDS:
            raise ParameterError("sequence and step must be whole numbers in [0, 2**64)", field="sequence")
        value = _signed(value)
    return torch.as_tensor(value, dtype=torch.int64, device=device).broadcast_to(shape).reshape(-1)


def _checked(logits: Tensor) -> Tensor:
    if logits.dim() == 0 or logits.shape[-1] == 0:
        raise LogitsError(f"logits must have the shape [..., vocab] with vocab >= 1, got {list(logits.shape)}")
    rows = logits.reshape(-1, logits.shape[-1]).to(torch.float64)
    largest = rows.max(dim=1).values
    bad = ~torch.isfinite(largest)
    if bool(bad.any()):  # the one number that is read back from the device
        first = int(bad.nonzero()[0])
        value = float(largest[first])
        problem = "NaN" if math.isnan(value) else "+inf" if value > 0 else "no token left: every logit is -inf"
        raise LogitsError(f"row {first} of logits: {problem}", row=(first,))
    return rows


def _logprobs(rows: Tensor, params: SamplingParams, context: ContextLike, coins: Tensor | None) -> Tensor:
    """Apply every step of the order; return log-probabilities, -inf outside the kept set."""
    active = set(params.active_steps())
    ranking = scores = rows
    keep = ~torch.isneginf(rows)
    before_joint: Tensor = None
    for name in params.steps:
        step = _Step(ranking, scores, keep)
        if name not in active:
            continue
        if name in {"penalties", "dry"}:
            ranking = scores = _penalised(scores, params, context, name)
        elif name == "smoothing":
            d = scores.masked_fill(~keep, -math.inf)
            best = d.max(dim=1, keepdim=True).values
            d = (scores - best).masked_fill(~keep, 0.0)
            c, f = params.smoothing_curve, params.smoothing_factor
            scores = best - f * ((3 - c) / 2 * d**2 - (c - 1) / 2 * d**3)
        elif name == "temperature":
            scores, keep = _tempered(step, params)
        elif name == "xtc" and coins is not None:
            keep = torch.where((coins < params.xtc_probability)[:, None], _xtc(step, params.xtc_threshold), keep)
        elif name == "mirostat":
            mu = [first_mu(params) if seen.mu is None else seen.mu for seen in contexts_of(context, len(rows))]
            bound = torch.tensor(mu, dtype=torch.float64, device=rows.device)[:, None]
            keep = step.at_least(-(bound + TOLERANCE) * math.log(2) + TOLERANCE)
        elif name in params.joint:
            before_joint = keep if before_joint is None else before_joint
            keep = keep & _RULES[name](replace(step, keep=before_joint), params)
        else:
            keep = _RULES[name](step, params)
    return _Step(ranking, scores, keep).logprobs


def _tempered(step: _Step, params: SamplingParams) -> tuple[Tensor, Tensor]:
    t = torch.full_like(step.scores[:, 0], params.temperature)
    if params.edt_theta and 0 < params.temperature < math.inf:
        t = params.temperature * EDT_BASE ** (params.edt_theta / step.entropy)
    elif params.dynatemp_range and 0 < params.temperature < math.inf:
        largest = step.keep.sum(dim=1).to(torch.float64).log()
        share = torch.where(largest > 0, step.entropy / largest, 1.0).clamp(max=1.0)
        low, high = max(0.0, params.temperature - params.dynatemp_range), params.temperature + params.dynatemp_range
        t = low + (high - low) * share**params.dynatemp_exponent
    kept = step.scores.masked_fill(~step.keep, -math.inf)
    gaps = (step.scores - kept.max(dim=1, keepdim=True).values).masked_fill(~step.keep, -math.inf)
    scores = torch.where(((t == 0) | torch.isinf(t))[:, None], 0.0, gaps / t[:, None])
    greedy = torch.zeros_like(step.keep).scatter(1, kept.argmax(dim=1, keepdim=True), True)
    return scores, torch.where((t == 0)[:, None], greedy, step.keep)


def _penalised(scores: Tensor, params: SamplingParams, context: ContextLike, name: str) -> Tensor:
    out = scores.clone()
    for row, seen in zip(out, contexts_of(context, len(scores)), strict=True):
        ids = ids_of(seen, scores.shape[1])
        if name == "dry":
            for token, length in continuations(ids).items():
                if length >= max(params.dry_allowed_length, 1):
                    power = min((length - params.dry_allowed_length) * math.log(params.dry_base), 700.0)
                    row[token] -= params.dry_multiplier * math.exp(power)
            continue
        used = torch.tensor(sorted(set(ids.tolist())), dtype=torch.int64, device=scores.device)
        r = params.repetition_penalty
        row[used] = torch.where(row[used] > 0, row[used] / r, row[used] * r)
        for token in set(seen.generated):
            row[token] -= params.frequency_penalty * seen.generated.count(token) + params.presence_penalty
    return out


def _top_k(step: _Step, params: SamplingParams) -> Tensor:
    k = min(params.top_k, step.keep.shape[1])
    if params.ties == "all":
        ranked = step.ranking.masked_fill(~step.keep, -math.inf).gather(1, step.by_rank)
        return step.keep & (step.ranking >= ranked[:, k - 1 : k])
    return step.first(step.by_rank, torch.full_like(step.by_rank[:, 0], k))


def _typical_p(step: _Step, params: SamplingParams) -> Tensor:
    distance = (-step.logprobs - step.entropy[:, None]).abs().gather(1, step.by_rank).clamp(max=1e6)
    nearest = distance.round(decimals=12).sort(dim=1, stable=True).indices
    return step.prefix(step.by_rank.gather(1, nearest), params.typical_p)


def _top_n_sigma(step: _Step, params: SamplingParams) -> Tensor:
    count = step.keep.sum(dim=1, keepdim=True)
    mean = step.ranking.masked_fill(~step.keep, 0.0).sum(dim=1, keepdim=True) / count
    squares = ((step.ranking - mean).masked_fill(~step.keep, 0.0) ** 2).sum(dim=1, keepdim=True)
    best = step.ranking.masked_fill(~step.keep, -math.inf).max(dim=1, keepdim=True).values
    floor = best - params.top_n_sigma * (squares / count).sqrt() - TOLERANCE
    return (step.ranking >= floor).scatter(1, step.by_rank[:, :1], True) & step.keep


def _top_h(step: _Step, params: SamplingParams) -> Tensor:
    ranked = step.logprobs.gather(1, step.by_rank)
    p = ranked.exp()
    mass, own = p.cumsum(dim=1), (-p * ranked.masked_fill(p == 0, 0.0)).cumsum(dim=1)
    within = mass.log() + own / mass <= params.top_h * step.entropy[:, None] + TOLERANCE
    return step.first(step.by_rank, within.to(torch.int64).cumprod(dim=1).sum(dim=1))


def _eta(step: _Step, params: SamplingParams) -> Tensor:
    least = math.log(params.eta)
    return step.at_least((least / 2 - step.entropy).clamp(max=least)[:, None])


_RULES: dict[str, Callable[[_Step, SamplingParams], Tensor]] = {
    "top_k": _top_k,
    "top_p": lambda step, params: step.prefix(step.by_rank, params.top_p, params.top_p_edge),
    "min_p": lambda step, params: step.at_least(step.logprobs.max(dim=1, keepdim=True).values + math.log(params.min_p)),
    "typical_p": _typical_p,
    "top_n_sigma": _top_n_sigma,
    "epsilon": lambda step, params: step.at_least(math.log(params.epsilon)),
    "eta": _eta,
    "top_h": _top_h,
    "p_less": lambda step, _: step.at_least((2 * step.logprobs).exp().sum(dim=1, keepdim=True).log()),
}


def _xtc(step: _Step, threshold: float) -> Tensor:
    top = step.keep & (step.logprobs >= math.log(threshold) - TOLERANCE)
    last = (top.sum(dim=1) - 1).clamp(min=0)[:, None]
    spared = torch.zeros_like(top).scatter(1, step.by_rank.gather(1, last), True)
    return step.keep & (~top | spared)

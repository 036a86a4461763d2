"""What a study found: plan, completions, measured values, estimates. Knows nothing of how it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tempering.generation.completion import Completion

if TYPE_CHECKING:
    import polars as pl

    from tempering.statistics.turning import TurningPoint
    from tempering.study.audit import Audit
    from tempering.study.between import Between
    from tempering.study.manifest import RunManifest
    from tempering.study.plan import StudyPlan
    from tempering.study.thermodynamics import ThermodynamicCurves


@dataclass(frozen=True)
class NextToken:
    """One real next token at every temperature of the study.

    Attributes:
        prompt: the text before the token.
        tokens: the texts of the most likely tokens, most likely first.
        probabilities: ``probabilities[temperature][i]`` of ``tokens[i]``; the rest of the mass is elsewhere.
        entropies: entropy in nats at each temperature.
    """

    prompt: str
    tokens: tuple[str, ...]
    probabilities: dict[float, tuple[float, ...]]
    entropies: dict[float, float]


@dataclass(frozen=True)
class StudyResults:
    """Everything that a report needs.

    Attributes:
        plan: what was asked for.
        manifest: what ran: model, versions, when.
        completions: every sample, sorted by prompt, temperature and sample index.
        values: one row a completion and measure: ``prompt_id`` (str), ``temperature`` (f64), ``sample`` (i64),
            ``measure`` (str), ``value`` (f64, null where the measure is undefined for the text).
        estimates: one row a measure and temperature: ``measure``, ``temperature``, ``mean``, ``low``, ``high`` (95 %),
            ``n`` (values), ``prompts`` (clusters).
        trends: one row a measure: ``measure``, ``rho`` (Spearman's, of value and T), ``low``, ``high``, ``n``,
            ``prompts``, ``detectable`` (the smallest that would be seen with power .8).
        slopes: one row a measure: the change a unit of T, see ``slopes_of``.
        correlations: one row a pair of criteria, see ``correlations_of``.
        comparisons: one row a headline measure and temperature against the reference, see ``comparisons_of``.
        curves: the smooth curve of each measure with its band, see ``curves_of``.
        changes: where the slope of each headline measure changes, see ``changes_of``.
        against: the reference temperature.
        next_token: the distribution of one real next token; None where the model gives text only.
        audit: what the settings beside temperature do; None where the model gives text only.
        thermodynamics: what the logits along the texts say of every temperature; None where the model gives text only.
        turning: the entropy turning point of fixed texts; None but in a built-in study, with logits.
        between: measures between the sampled temperatures, by reweighting, with refusals.
        notes: what a reader must know of the measures: the training text and how exactly it was searched, the judge,
        what was left out and why.
        identities: what was measured with what: the identity of the corpus, the judge, ..., by need.
    """

    plan: StudyPlan
    manifest: RunManifest
    completions: tuple[Completion, ...]
    values: pl.DataFrame
    estimates: pl.DataFrame
    trends: pl.DataFrame
    slopes: pl.DataFrame
    correlations: pl.DataFrame
    comparisons: pl.DataFrame
    curves: pl.DataFrame
    changes: pl.DataFrame
    against: float
    next_token: NextToken | None
    audit: Audit | None
    thermodynamics: ThermodynamicCurves | None = None
    turning: TurningPoint | None = None
    between: tuple[Between, ...] = ()
    notes: tuple[str, ...] = ()
    identities: Mapping[str, str] = field(default_factory=dict)

    @property
    def paired(self) -> bool:
        """Whether texts of one sample index share their noise over all T; a server draws with noise of its own."""
        return all(completion.served is None for completion in self.completions)

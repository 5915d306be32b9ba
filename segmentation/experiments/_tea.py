"""Results of tea-tasting as effects of segments; its objects are read by what they have, the package is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, stats

from segmentation._format import count, name_some
from segmentation._frames import kind_of
from segmentation._results import Result
from segmentation.experiments._analyze_intake import label_of
from segmentation.experiments._interaction import interaction_test
from segmentation.experiments._sample_ratio import FAIL, WARN, verdict_of

__all__ = ["ImportedExperiment", "from_tea_tasting"]

ALL = "all"
NEEDED = ("control", "treatment", "effect_size", "effect_size_ci_lower", "effect_size_ci_upper", "pvalue", "statistic")
MANY = 1e6


@dataclass(frozen=True, eq=False, repr=False)
class ImportedExperiment(Result):
    """Effects that another tool computed, in the shape in which they are used here.

    Attributes
    ----------
    table : pandas.DataFrame
        Per outcome, arm and segment ("all" where there were no segments): ``control``, ``treated`` (means), ``lift``,
        ``lift_low``, ``lift_high``, ``se``, ``df`` (inf for a normal), ``p_value``.
    interaction : pandas.DataFrame
        Per outcome and arm, whether segments differ at all (Cochran's Q); empty without segments.
    sample_ratio : pandas.DataFrame
        Per segment and arm ``p_value`` and ``verdict``, where the result has such a check.
    settings : dict
    warnings : tuple of str
    """

    table: pd.DataFrame
    interaction: pd.DataFrame
    sample_ratio: pd.DataFrame
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    @property
    def trustworthy(self) -> bool:
        """Whether no sample-ratio check failed."""
        return not bool((self.sample_ratio["verdict"] == "failed").any())

    def estimates(self, outcome: str | None = None, arm: str | None = None) -> pd.DataFrame:
        """Return ``estimate``, ``se``, ``df`` by segment; outcome and arm may be left out where there is one."""
        rows: Any = self.table
        for what, wanted in (("outcome", outcome), ("arm", arm)):
            known = list(dict.fromkeys(rows[what]))
            if (wanted is None and len(known) > 1) or (wanted is not None and str(wanted) not in known):
                raise ValueError(f"{what} must be one of {name_some(known, 12)}, got {wanted!r}.")
            rows = rows if wanted is None else rows[rows[what] == str(wanted)]
        made: pd.DataFrame = rows.set_index("segment")[["lift", "se", "df"]].rename(columns={"lift": "estimate"})
        return made

    def _facts(self) -> dict[str, Any]:
        return {
            "table": self.table, "interaction": self.interaction,
            "sample_ratio": self.sample_ratio, "settings": self.settings,
            "warnings": self.warnings,
        }  # fmt: skip

    @property
    def headline(self) -> str:
        """What was read."""
        n = len(set(self.table["segment"]))
        return f"{count(len(self.table), 'comparison')} from {self.settings['source']}, {count(n, 'segment')}"

    def __str__(self) -> str:
        parts = [self.headline, "", self.table.to_string(index=False, float_format="{:.4g}".format)]
        if len(self.interaction):
            parts += ["", "Does the effect differ between segments?",
                      self.interaction.to_string(index=False, float_format="{:.4g}".format)]  # fmt: skip
        return "\n".join([*parts, *(f"Note: {text}" for text in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        tables = [self.table, self.interaction] if len(self.interaction) else [self.table]
        shown = "".join(part.to_html(index=False, float_format="{:.4g}".format, escape=True) for part in tables)
        return f"<p>{escape(self.headline)}</p>{shown}{''.join(f'<p>Note: {escape(t)}</p>' for t in self.warnings)}"


def from_tea_tasting(result: Any, *, arm: str = "treatment") -> ImportedExperiment:
    """Read what tea-tasting found, of all customers or segment by segment.

    Parameters
    ----------
    result : ExperimentResult, ExperimentResults, or a mapping of segment to one of these
        What ``Experiment.analyze`` returned; for effects by segment, analyse each segment's rows with it.
    arm : str, default="treatment"
        How the treated arm is called where the result does not say (``ExperimentResult`` of two variants).

    Returns
    -------
    ImportedExperiment
        For `curves_from_experiment`, `update_effects`, `effects_to_profile`, `pool_effects(found.estimates(...))`.

    Raises
    ------
    TypeError, ValueError
        If it is no such result, or has no metric with an effect.

    Notes
    -----
    tea-tasting has no standard error in its results: it is the effect over its statistic, and where the effect is 0
    comes from the interval. Degrees of freedom are those with which the statistic has its p-value. Metrics without an
    effect (quantiles by bootstrap without a statistic, power) are left out and named. Its results say nothing of
    learning segments from the outcome, of many comparisons, nor whether segments differ at all: the last is tested
    here.

    Examples
    --------
    >>> from types import SimpleNamespace as Metric
    >>> from segmentation.experiments import from_tea_tasting
    >>> spend = Metric(control=10.0, treatment=11.0, effect_size=1.0, effect_size_ci_lower=0.02,
    ...                effect_size_ci_upper=1.98, pvalue=0.0455, statistic=2.0)
    >>> from_tea_tasting({"new": {"spend": spend}, "regular": {"spend": spend}}).estimates()["se"].to_dict()
    {'new': 0.5, 'regular': 0.5}
    """
    if not isinstance(result, Mapping) or not result:
        raise TypeError(
            "result must be what tea_tasting's Experiment.analyze returned, or map segments to it; got "
            f"{kind_of(result)}."
        )
    by_segment = _is_by_segment(result)
    parts = {str(label_of(name)): part for name, part in result.items()} if by_segment else {ALL: result}
    rows, ratios, left = [], [], set()
    for segment, part in parts.items():
        for arm_name, metrics in _variants(part, arm):
            for name, metric in metrics.items():
                kind = _kind(metric)
                if kind == "ratio":
                    p = float(metric.pvalue)
                    ratios.append({"segment": segment, "arm": arm_name, "p_value": p, "verdict": verdict_of(p)})
                elif kind == "effect":
                    rows.append({"outcome": str(name), "arm": arm_name, "segment": segment} | _figures(metric))
                else:
                    left.add(str(name))
    if not rows:
        raise ValueError(
            f"no metric of the result has an effect with a statistic ({name_some(sorted(left))} left out)."
        )
    table = pd.DataFrame(rows)
    checks = pd.DataFrame(ratios, columns=["segment", "arm", "p_value", "verdict"])
    interaction = _interaction(table) if by_segment else pd.DataFrame()
    notes = _notes(table, checks, sorted(left))
    settings = {"source": "tea-tasting", "by_segment": by_segment, "n_segments": len(parts)}
    return ImportedExperiment(table, interaction, checks, settings, notes)


def _is_by_segment(result: Mapping[Any, Any]) -> bool:
    """Tell a mapping of segments from a result, which maps metrics to figures, or pairs of variants to results."""
    inner = next(iter(result.values()))
    if not isinstance(inner, Mapping):
        return False
    return not all(isinstance(key, tuple) and len(key) == 2 for key in result)


def _variants(part: Any, arm: str) -> list[tuple[str, Mapping[Any, Any]]]:
    if not isinstance(part, Mapping) or not part:
        raise TypeError(f"each segment needs a result of tea_tasting's Experiment.analyze, got {kind_of(part)}.")
    if all(isinstance(key, tuple) and len(key) == 2 and isinstance(value, Mapping) for key, value in part.items()):
        return [(str(label_of(key[1])), value) for key, value in part.items()]
    return [(arm, part)]


def _kind(metric: Any) -> str:
    def has(names: Any) -> bool:
        return all(isinstance(getattr(metric, name, None), int | float | np.number) for name in names)

    if has(NEEDED):
        return "effect"
    return "ratio" if has(("control", "treatment", "pvalue")) and not hasattr(metric, "effect_size") else "other"


def _figures(metric: Any) -> dict[str, float]:
    effect, statistic, p = float(metric.effect_size), float(metric.statistic), float(metric.pvalue)
    low, high = float(metric.effect_size_ci_lower), float(metric.effect_size_ci_upper)
    if effect != 0 and statistic != 0:
        se, df = effect / statistic, _freedom(abs(statistic), p)
    else:  # only the interval tells, whose level is not in the result; 95 % is the package's own default
        se, df = (high - low) / 2 / float(stats.norm.ppf(0.975)), np.inf
    return {
        "control": float(metric.control), "treated": float(metric.treatment), "lift": effect, "lift_low": low,
        "lift_high": high, "se": se if np.isfinite(se) and se > 0 else np.nan, "df": df, "p_value": p,
    }  # fmt: skip


def _freedom(statistic: float, p: float) -> float:
    """Return the degrees of freedom with which a t statistic has its two-sided p-value; inf where a normal has it."""

    def gap(log_df: float) -> float:
        return 2 * float(stats.t.sf(statistic, np.exp(log_df))) - p

    low, high = 0.0, float(np.log(MANY))
    if not 0 < p < 1 or gap(high) >= 0 or gap(low) <= 0:
        return float("inf")
    return float(np.exp(optimize.brentq(gap, low, high)))


def _interaction(table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (outcome, arm), part in table.groupby(["outcome", "arm"], sort=False):
        lift, se, df = (part[name].to_numpy(dtype=float) for name in ("lift", "se", "df"))
        rows.append({"outcome": outcome, "arm": arm} | vars(interaction_test(lift, se, df)))
    return pd.DataFrame(rows)


def _notes(table: pd.DataFrame, checks: pd.DataFrame, left: list[str]) -> tuple[str, ...]:
    notes = ["standard errors are computed back from effects and statistics."]
    if left:
        notes.append(f"metrics without an effect and a statistic left out: {name_some(left)}.")
    if checks.empty:
        notes.append(
            "the result has no sample-ratio check (SampleRatio): whether arms got their customers is not known."
        )
    for verdict, limit in (("failed", FAIL), ("warning", WARN)):
        found = checks.loc[checks["verdict"] == verdict, "segment"]
        if len(found):
            notes.append(f"sample ratio {verdict} (p below {limit:g}) in {name_some(dict.fromkeys(found))}.")
    if table["se"].isna().any():
        notes.append(f"no standard error in {count(int(table['se'].isna().sum()), 'comparison')}.")
    return tuple(notes)

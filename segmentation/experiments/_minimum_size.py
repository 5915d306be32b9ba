"""How many customers a segment needs before an experiment in it can show the lift that matters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, name_some, number
from segmentation._results import Result
from segmentation.experiments._plan_input import baseline_table, check_shares, check_table, lifts, per_segment
from segmentation.experiments._plan_power import SIDES, Comparison
from segmentation.governance._anonymity import MINIMUM

__all__ = ["MinimumSize", "minimum_segment_size"]


@dataclass(frozen=True, repr=False, eq=False)
class MinimumSize(Result):
    """How many customers each segment needs, as `minimum_segment_size` returns it.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per segment, see `minimum_segment_size`.
    warnings : tuple of str
    settings : dict
        Everything the figures rest on, as resolved.
    """

    table: pd.DataFrame
    warnings: tuple[str, ...]
    settings: dict[str, Any]

    @property
    def n_needed(self) -> pd.Series[Any]:
        """Customers needed per segment, both arms together; missing where no number is enough."""
        return self.table["n_needed"]

    @property
    def too_small(self) -> list[str]:
        """Segments known to have fewer customers than they need."""
        if "enough" not in self.table:
            return []
        return [str(name) for name in self.table.index[~self.table["enough"].to_numpy(dtype=bool)]]

    def _facts(self) -> dict[str, Any]:
        return {
            "table": self.table.reset_index(),
            "warnings": self.warnings,
            "settings": self.settings,
        }

    def __str__(self) -> str:
        settings = self.settings
        corrected = (
            f", corrected for {count(settings['n_comparisons'], 'comparison')}" if settings["n_comparisons"] > 1 else ""
        )
        head = (
            f"Customers a segment needs so that an experiment of {settings['n_arms']} arms finds the lift in "
            f"{settings['power']:.0%} of cases\n(alpha {settings['alpha']:g} {settings['alternative']}{corrected})"
        )
        return "\n".join([head, self.table.to_string(), *(f"Note: {text}" for text in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{escape(text)}</p>" for text in self.warnings)
        return f"{self.table.to_html()}{notes}"


def minimum_segment_size(
    baseline: Any,
    *,
    lift: Any = None,
    rel_lift: Any = None,
    sd: Any = None,
    n_customers: Any = None,
    power: float = 0.8,
    alpha: float = 0.05,
    alternative: str = "two-sided",
    n_arms: int = 2,
    control_share: float | None = None,
    n_comparisons: int | None = None,
    privacy_minimum: int = MINIMUM,
) -> MinimumSize:
    """Tell how many customers a segment needs so that an experiment in it can show the lift that matters.

    Parameters
    ----------
    baseline : number, mapping, Series or dataframe
        What an untreated customer does: one number, or one per segment. Without `sd` it is a proportion between 0 and
        1 (who visits, who buys); with `sd` a mean (money). A table has a column ``mean`` and may have ``sd`` and
        ``n_customers``, as `outcome_baseline` makes it.
    lift, rel_lift : number, mapping or Series
        Smallest difference (treated - control) worth finding: absolute, or as a share of the baseline. Exactly one of
        both; negative ones are allowed.
    sd : number, mapping or Series, optional
        Standard deviation of a single customer's outcome, zeros included. For money it is usually several times the
        mean, and decides everything: take it from data.
    n_customers : number, mapping or Series, optional
        Present sizes; the result then says which are enough and which lift they can show.
    power : float, default=0.8
        Chance to find the lift in a segment where it is there.
    alpha : float, default=0.05
        Chance to find anything in an experiment where nothing works, all comparisons together.
    alternative : {"two-sided", "one-sided"}, default="two-sided"
    n_arms : int, default=2
        Control and treatments.
    control_share : float, optional
        Share of the segment that is not treated; the treatments share the rest. By default all arms are equal.
    n_comparisons : int, optional
        Comparisons that `alpha` is shared over (Bonferroni). By default treatments times segments: every one of them
        will be looked at. 1 for an experiment that is analysed in one segment only.
    privacy_minimum : int, default=10
        No segment needs fewer, whatever the power.

    Returns
    -------
    MinimumSize
        Its ``table`` is indexed by segment ("all" for a single number): ``baseline``, ``sd`` (where given), ``lift``,
        ``n_control``, ``n_treated`` (of each treatment), ``n_needed`` (the whole segment; missing where no number is
        enough), and with sizes ``n_customers``, ``enough``, ``detectable_lift`` (the smallest lift, in the direction of
        the one asked for, that the present size can show; missing where there is none).

    Raises
    ------
    ValueError, TypeError, ColumnError
        If a figure is impossible (a proportion outside 0 to 1, a lift of 0, ...), both or no lifts are given, or
        segments do not match.

    Notes
    -----
    Proportions: the difference of two proportions, pooled variance under the null and separate ones under the
    alternative (Fleiss, Levin, Paik 2003, Statistical Methods for Rates and Proportions, section 4.2, without
    continuity correction). Means: the t test with equal variances, by the noncentral t distribution. Both count a
    two-sided test's wrong direction as no success. The t test is no worse for skewed money as long as arms are about
    equally large, because their skewness cancels; with very unequal arms its tails are not what they say.
    Bonferroni holds for any dependence of the comparisons.

    Examples
    --------
    >>> from segmentation.experiments import minimum_segment_size
    >>> print(minimum_segment_size({"loyal": 0.18, "new": 0.10}, lift=0.02))
    Customers a segment needs so that an experiment of 2 arms finds the lift in 80% of cases
    (alpha 0.05 two-sided, corrected for 2 comparisons)
             baseline  lift  n_control  n_treated  n_needed
    segment
    loyal        0.18  0.02       7313       7313     14626
    new          0.10  0.02       4652       4652      9304
    >>> minimum_segment_size(20, sd=60, rel_lift=0.1, n_customers=10_000).table["detectable_lift"].round(2).item()
    3.36
    """
    _check_numbers(power, alpha, alternative, n_arms, control_share, n_comparisons, privacy_minimum)
    table = baseline_table(baseline)
    for name, values in (("sd", sd), ("n_customers", n_customers)):
        if values is not None:
            table[name] = per_segment(values, table.index, name)
    check_table(table)
    if "n_customers" in table and (table["n_customers"] < 0).any():
        where = table.index[table["n_customers"] < 0]
        raise ValueError(f"n_customers must be 0 or more; it is not for {name_some(where)}.")
    table["lift"] = lifts(lift, rel_lift, table)
    treatments = n_arms - 1
    comparisons = treatments * len(table) if n_comparisons is None else int(n_comparisons)
    share = 1 / n_arms if control_share is None else float(control_share)
    plan = Comparison(alpha / comparisons, power, SIDES[alternative], (1 - share) / share / treatments)
    rows, warnings = [], []
    for segment, row in table.iterrows():
        spread = float(row["sd"]) if "sd" in table else None
        n_control = plan.n_control(float(row["mean"]), float(row["lift"]), spread)
        arms: dict[str, Any] = {"n_control": pd.NA, "n_treated": pd.NA, "n_needed": pd.NA}
        if math.isfinite(n_control):
            n_control = max(2.0, n_control, privacy_minimum * share)
            control, treated = math.ceil(n_control - 1e-9), math.ceil(n_control * plan.ratio - 1e-9)
            arms = {"n_control": control, "n_treated": treated, "n_needed": control + treatments * treated}
        else:
            warnings.append(
                f"{segment!r}: no number of customers shows a lift of {number(row['lift'])} on {number(row['mean'])}: "
                "the treated would lie outside 0 to 1, or the lift is too small to be seen by anybody."
            )
        present = {}
        if "n_customers" in table:
            n = float(row["n_customers"])
            present = {
                "n_customers": int(n),
                "enough": arms["n_needed"] is not pd.NA and n >= arms["n_needed"],
                "detectable_lift": plan.detectable(
                    float(row["mean"]), spread, n * share, math.copysign(1, row["lift"])
                ),
            }
        rows.append(
            {"baseline": row["mean"]}
            | ({} if spread is None else {"sd": spread})
            | {"lift": row["lift"]}
            | arms
            | present
        )
    result = pd.DataFrame(rows, index=table.index)
    result = result.astype(dict.fromkeys(("n_control", "n_treated", "n_needed"), "Int64"))
    settings = {
        "power": power,
        "alpha": alpha,
        "alternative": alternative,
        "n_arms": n_arms,
        "control_share": share,
        "n_comparisons": comparisons,
        "alpha_per_comparison": alpha / comparisons,
        "privacy_minimum": privacy_minimum,
        "outcome": "mean" if "sd" in table else "proportion",
    }
    return MinimumSize(result, tuple(warnings), settings)


def _check_numbers(
    power: Any, alpha: Any, alternative: Any, n_arms: Any, control_share: Any, n_comparisons: Any, privacy_minimum: Any
) -> None:
    check_shares(power, alpha, alternative, control_share=control_share)
    for name, value, least in (
        ("n_arms", n_arms, 2),
        ("n_comparisons", n_comparisons, 1),
        ("privacy_minimum", privacy_minimum, 0),
    ):
        if value is None and name == "n_comparisons":
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")

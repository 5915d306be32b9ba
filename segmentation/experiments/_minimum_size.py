"""How many customers a segment needs before an experiment in it can show the lift that matters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, stats

from segmentation._format import count, name_some, number
from segmentation._frames import is_frame, kind_of, to_pandas
from segmentation.assignment import UNASSIGNED, as_assignment
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.governance._anonymity import MINIMUM

__all__ = ["MinimumSize", "minimum_segment_size", "outcome_baseline"]

SIDES = {"two-sided": 2, "one-sided": 1}
ALL = "all"
MOST = 1e12  # more customers than there are people: the lift is too small to be seen


@dataclass(frozen=True, repr=False, eq=False)
class MinimumSize:
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

    def to_pandas(self) -> pd.DataFrame:
        """Return the table."""
        return self.table

    def to_dict(self) -> dict[str, Any]:
        """Return table, warnings and settings as plain values."""
        return {
            "table": self.table.reset_index().to_dict("records"),
            "warnings": list(self.warnings),
            "settings": dict(self.settings),
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


def outcome_baseline(assignment: Any, outcome: Any) -> pd.DataFrame:
    """Describe an outcome per segment as `minimum_segment_size` needs it.

    Parameters
    ----------
    assignment : dataframe or Series
        From `segmentation.assign`.
    outcome : Series
        One number per customer, indexed by customer; customers without a value are left out of mean and spread.

    Returns
    -------
    pandas.DataFrame
        Index ``segment``; ``mean``, ``sd``, ``n_customers`` (of the segment, with or without an outcome), ``n_known``.
        An outcome of only 0 and 1 (or False and True) has no column ``sd``: it is a proportion.

    Raises
    ------
    TypeError, CustomerTableError
        If the outcome is no Series of numbers, or no customer is in both.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.experiments import outcome_baseline
    >>> segments = pd.Series(["a", "a", "b", "b"], index=pd.Index([1, 2, 3, 4], name="customer_id"))
    >>> outcome_baseline(segments, pd.Series([0, 10, 4, 6], index=segments.index))["mean"].to_dict()
    {'a': 5.0, 'b': 5.0}
    """
    table = as_assignment(assignment)
    if not isinstance(outcome, pd.Series):
        raise TypeError(f"outcome must be a Series indexed by customer, got {kind_of(outcome)}.")
    if outcome.index.has_duplicates:
        twice = outcome.index[outcome.index.duplicated()].unique()
        raise CustomerTableError(f"customers stand twice in the outcome: {name_some(twice)}.")
    together = table.index.intersection(outcome.index)
    if not len(together):
        raise CustomerTableError(
            f"no customer is in both tables: ids of the assignment look like {name_some(table.index[:3])}, those of "
            f"the outcome like {name_some(outcome.index[:3])}."
        )
    try:
        values = outcome.reindex(table.index).astype("float64")
    except (TypeError, ValueError) as error:
        raise TypeError(f"the outcome must be numbers: {error}.") from error
    by_segment = values.groupby(table["segment"].to_numpy(), observed=False)
    segments = [name for name in table["segment"].cat.categories if name != UNASSIGNED]
    result = pd.DataFrame(
        {
            "mean": by_segment.mean(),
            "sd": by_segment.std(ddof=1),
            "n_customers": table["segment"].value_counts(),
            "n_known": by_segment.count(),
        }
    ).loc[segments]
    result.index.name = "segment"
    return result.drop(columns="sd") if values.dropna().isin([0.0, 1.0]).all() else result


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
    table = _baseline_table(baseline)
    for name, values in (("sd", sd), ("n_customers", n_customers)):
        if values is not None:
            table[name] = _per_segment(values, table.index, name)
    _check_table(table)
    table["lift"] = _lift(lift, rel_lift, table)
    treatments = n_arms - 1
    comparisons = treatments * len(table) if n_comparisons is None else int(n_comparisons)
    share = 1 / n_arms if control_share is None else float(control_share)
    plan = _Plan(alpha / comparisons, power, SIDES[alternative], (1 - share) / share / treatments, treatments)
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


@dataclass(frozen=True)
class _Plan:
    """One comparison of a treatment with the control; `ratio` is treated per control."""

    alpha: float
    power: float
    sides: int
    ratio: float
    treatments: int

    def n_control(self, mean: float, lift: float, sd: float | None) -> float:
        """Customers in the control arm; infinite where none is enough."""
        if not self.possible(mean, lift, sd):
            return math.inf
        short: Callable[[float], float] = lambda log_n: self.reached(mean, lift, sd, math.exp(log_n)) - self.power  # noqa: E731
        low, high = math.log(2.0), math.log(MOST)
        if short(low) >= 0:
            return 2.0
        if short(high) < 0:
            return math.inf
        return math.exp(optimize.brentq(short, low, high, xtol=1e-10))

    def possible(self, mean: float, lift: float, sd: float | None) -> bool:
        return sd is not None or 0 <= mean + lift <= 1

    def reached(self, mean: float, lift: float, sd: float | None, n: float) -> float:
        """Power with `n` customers in the control arm, in the direction of the lift."""
        lift = abs(lift) if sd is not None else lift
        if sd is not None:
            if sd == 0:
                return 1.0
            df = n * (1 + self.ratio) - 2
            shift = lift / (sd * math.sqrt((1 + 1 / self.ratio) / n))
            if df > 1e5 or shift > 30:  # the noncentral t is the normal there, and its series slow
                return float(stats.norm.sf(stats.t.isf(self.alpha / self.sides, df) - shift))
            return float(stats.nct.sf(stats.t.isf(self.alpha / self.sides, df), df, shift))
        treated = mean + lift
        pooled = (mean + self.ratio * treated) / (1 + self.ratio)
        null = math.sqrt(pooled * (1 - pooled) * (1 + 1 / self.ratio))
        other = math.sqrt(mean * (1 - mean) + treated * (1 - treated) / self.ratio)
        gap = abs(lift) * math.sqrt(n) - stats.norm.isf(self.alpha / self.sides) * null
        return float(gap > 0) if other == 0 else float(stats.norm.cdf(gap / other))

    def detectable(self, mean: float, sd: float | None, n: float, sign: float) -> float:
        """Smallest lift in the direction of `sign` that `n` in the control arm can show."""
        if n < 2:
            return math.nan
        room = 1 - mean if sign > 0 else mean
        most = room if sd is None else 1e3 * sd
        short: Callable[[float], float] = lambda size: self.reached(mean, sign * size, sd, n) - self.power  # noqa: E731
        if most <= 0 or short(most) < 0:
            return math.nan
        return sign * float(optimize.brentq(short, most * 1e-12, most))


def _baseline_table(baseline: Any) -> pd.DataFrame:
    """Return a table with a column ``mean``, indexed by segment."""
    if isinstance(baseline, Mapping):
        baseline = pd.Series(dict(baseline), dtype="float64")
    if isinstance(baseline, pd.Series):
        table = baseline.rename("mean").to_frame()
    elif is_frame(baseline):
        table = to_pandas(baseline)
        if "segment" in table.columns:
            table = table.set_index("segment")
        if "mean" not in table.columns:
            raise ColumnError(f"a baseline table needs a column 'mean', got {name_some(table.columns)}.")
        table = table[[name for name in ("mean", "sd", "n_customers") if name in table.columns]]
    elif isinstance(baseline, int | float | np.number) and not isinstance(baseline, bool):
        table = pd.DataFrame({"mean": [float(baseline)]}, index=[ALL])
    else:
        raise TypeError(f"baseline must be a number, or one per segment, got {kind_of(baseline)}.")
    if not len(table) or table.index.has_duplicates:
        raise ValueError(f"baseline needs one row per segment, got {name_some(table.index) or 'none'}.")
    try:
        table = table.astype("float64")
    except (TypeError, ValueError) as error:
        raise TypeError(f"baseline must be numbers: {error}.") from error
    return table.rename_axis("segment")


def _per_segment(values: Any, segments: pd.Index, name: str) -> pd.Series[Any]:
    """Return one number per segment from one number or a mapping."""
    if isinstance(values, int | float | np.number) and not isinstance(values, bool):
        return pd.Series(float(values), index=segments)
    if not isinstance(values, Mapping | pd.Series):
        raise TypeError(f"{name} must be a number, or one per segment, got {kind_of(values)}.")
    given = pd.Series(dict(values), dtype="float64")
    missing = [segment for segment in segments if segment not in given.index]
    if missing:
        raise ValueError(f"{name} has no value for {name_some(missing)}; it has {name_some(given.index)}.")
    return given.reindex(segments)


def _check_table(table: pd.DataFrame) -> None:
    for name in table.columns:
        bad = table.index[~np.isfinite(table[name].to_numpy())]
        if len(bad):
            raise ValueError(
                f"{name} must be a finite number; it is not for {name_some(bad)}. Leave these segments out."
            )
    if "sd" in table:
        if (table["sd"] < 0).any():
            raise ValueError(f"sd must not be negative; it is for {name_some(table.index[table['sd'] < 0])}.")
    else:
        outside = table.index[(table["mean"] < 0) | (table["mean"] > 1)]
        if len(outside):
            raise ValueError(
                f"without sd the baseline is a proportion between 0 and 1; it is not for {name_some(outside)} (values "
                f"{name_some(table.loc[outside, 'mean'])}). Give sd= for a mean, such as money."
            )


def _lift(lift: Any, rel_lift: Any, table: pd.DataFrame) -> pd.Series[Any]:
    if (lift is None) == (rel_lift is None):
        raise ValueError("give either lift= (absolute) or rel_lift= (a share of the baseline), and one of them only.")
    if lift is not None:
        result = _per_segment(lift, table.index, "lift")
    else:
        result = _per_segment(rel_lift, table.index, "rel_lift") * table["mean"]
    zero = result.index[~(np.isfinite(result) & (result != 0))]
    if len(zero):
        raise ValueError(f"the lift must be a finite number other than 0; it is not for {name_some(zero)}.")
    return result


def _check_numbers(
    power: Any, alpha: Any, alternative: Any, n_arms: Any, control_share: Any, n_comparisons: Any, privacy_minimum: Any
) -> None:
    shares = [("power", power), ("alpha", alpha)] + (
        [] if control_share is None else [("control_share", control_share)]
    )
    for name, value in shares:
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < 1:
            raise ValueError(f"{name} must be a number between 0 and 1, got {value!r}.")
    if power <= alpha:
        raise ValueError(f"power must be larger than alpha, got {power!r} and {alpha!r}.")
    if alternative not in SIDES:
        raise ValueError(f"alternative must be one of {name_some(SIDES)}, got {alternative!r}.")
    for name, value, least in (
        ("n_arms", n_arms, 2),
        ("n_comparisons", n_comparisons, 1),
        ("privacy_minimum", privacy_minimum, 0),
    ):
        if value is None and name == "n_comparisons":
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")

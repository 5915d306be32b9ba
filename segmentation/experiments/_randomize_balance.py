"""Are the arms alike in what was known before? Differences per covariate, and one honest test of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from segmentation._format import column_difference, count, name_some, number
from segmentation._frames import is_frame, kind_of
from segmentation._plotting import shorten
from segmentation._results import Result
from segmentation._validation import as_customers
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.experiments._analyze_intake import label_of
from segmentation.experiments._randomize import Randomization
from segmentation.experiments._randomize_input import as_columns
from segmentation.experiments._randomize_manifest import HOLDOUT
from segmentation.experiments._randomize_omnibus import (
    BalanceTest,
    by_permutation,
    corrected_by_holm,
    n_repeats,
)

__all__ = ["BalanceCheck", "check_balance"]

LEVELS_AT_MOST = 50
TOO_LARGE = 1e140
SHOWN = 12
# Imbens and Rubin (2015), Causal Inference, section 14.2, take a quarter as too much for regression to mend.
LARGE = 0.25


@dataclass(frozen=True, repr=False, eq=False)
class BalanceCheck(Result):
    """How alike the arms are, as `check_balance` returns it.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per treatment and covariate (a level, for text), see `check_balance`.
    p_value : float
        Of the omnibus test over all covariates and arms.
    statistic : float
    df : int
    settings : dict
    warnings : tuple of str
    """

    table: pd.DataFrame
    p_value: float
    statistic: float
    df: int
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def largest(self) -> float:
        """Largest absolute standardised difference."""
        return float(self.table["std_difference"].abs().max())

    def _facts(self) -> dict[str, Any]:
        return {
            "p_value": self.p_value,
            "statistic": self.statistic,
            "df": self.df,
            "table": self.table,
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def __str__(self) -> str:
        how = f"{self.settings['n_permutations']:,} permutations" if self.settings["n_permutations"] else "chi-squared"
        n_covariates = self.table["covariate"].nunique()
        n_customers = self.settings["n_customers"]
        head = (
            f"Balance of {count(n_customers, 'customer')} on {count(n_covariates, 'covariate')}: p = "
            f"{number(self.p_value)} for all together ({how}); largest standardised difference {self.largest:.3f}"
        )
        order = self.table["std_difference"].abs().sort_values(ascending=False, kind="stable").index
        shown = self.table.loc[order[:SHOWN]].round(4)
        shown["covariate"] = [shorten(name, 40) for name in shown["covariate"]]
        rest = f"... ({count(len(self.table), 'row')} in all)" if len(self.table) > SHOWN else ""
        return "\n".join(
            [*filter(None, (head, shown.to_string(index=False), rest)), *(f"Note: {text}" for text in self.warnings)]
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = escape(str(self).split("\n", 1)[0])
        notes = "".join(f"<p>{escape(text)}</p>" for text in self.warnings)
        return f"<p>{head}</p>{self.table.round(4).to_html(index=False)}{notes}"

    def plot(self, ax: Any = None) -> Any:
        """Draw the standardised differences (a love plot); returns the axes."""
        from segmentation.experiments._randomize_display import BalanceDisplay

        return BalanceDisplay.from_check(self).plot(ax).ax_


def check_balance(
    assigned: Any,
    covariates: Any,
    *,
    within: str | Sequence[str] | None = None,
    control: str | None = None,
    n_permutations: int | str = "auto",
    alpha: float = 0.01,
    random_state: Any = None,
) -> BalanceCheck:
    """Compare the arms on what was known about customers before the experiment.

    Parameters
    ----------
    assigned : Randomization, or dataframe with a column ``arm``
        Those held out are left out.
    covariates : dataframe or Series
        One row per customer, from before the experiment. Numbers, booleans, dates; text is taken by level (at most 50).
        Missing values are put at the mean, and being missing is compared as a covariate of its own.
    within : str, sequence of str or None
        Columns of `assigned` within which blocks were drawn: arms are then compared within them. Known for a
        Randomization.
    control : str, optional
        By default "control", or the first arm.
    n_permutations : int or "auto", default="auto"
        Random re-assignments that the p-values are counted from; 0 for the limiting chi-squared distribution, which
        "auto" takes for many customers (30,000 or more with 999 permutations).
    alpha : float, default=0.01
        Below this p-value a warning says that something is likely wrong.
    random_state : int, Generator or None

    Returns
    -------
    BalanceCheck
        ``table``: ``covariate``, ``arm``, ``mean_control``, ``mean_arm``, ``std_difference`` (difference of the means
        over the root of the average of the two variances), ``n_control``, ``n_arm``, ``p_value`` (of this
        covariate, all arms together) and ``p_corrected`` (Holm over the covariates).

    Raises
    ------
    ColumnError, CustomerTableError, ValueError, TypeError
        If the tables share no customer, there is no column ``arm``, a covariate cannot be compared.

    Notes
    -----
    The omnibus statistic is the sum over arms of the squared Mahalanobis distance of their means from those of all
    customers, in the covariance that random assignment gives (Hansen and Bowers 2008, Statistical Science 23(2),
    doi:10.1214/08-STS254), correlated covariates counting once. Random assignments in the counts that came out
    (with blocks: within each) are all equally likely, so the permutation p-value is exact.

    Of correct randomizations 1 in 100 has p below .01. The test does not ask whether to adjust (always do, for what
    predicts the outcome) but whether the randomization was broken on the way: a filter after it, a join that lost
    customers, another list sent.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from segmentation.experiments import check_balance, randomize
    >>> ids = pd.RangeIndex(1000, name="customer_id")
    >>> age = pd.Series(np.random.default_rng(0).normal(40, 12, 1000), index=ids, name="age")
    >>> check = check_balance(randomize(list(ids), within=None, salt="spring-mail"), age, random_state=0)
    >>> round(check.p_value, 1), round(check.largest, 2)
    (1.0, 0.0)
    """
    if isinstance(alpha, bool) or not isinstance(alpha, int | float | np.number) or not 0 < alpha < 1:
        raise ValueError(f"alpha must be a number between 0 and 1, got {alpha!r}.")
    table, strata_columns = _assigned(assigned, within)
    arms = list(table["arm"].cat.categories)
    if control is None and arms:
        control = "control" if "control" in arms else arms[0]
    control = str(label_of(control))
    if control not in arms:
        raise ValueError(f"control must be one of the arms {name_some(arms)}, got {control!r}.")
    values, notes = _covariates(covariates, table.index)
    table = table.loc[values.index]
    present = [arm for arm in arms if (table["arm"] == arm).any()]
    if len(present) < 2 or control not in present:
        raise ValueError(
            f"there is nothing to compare: of {name_some(arms)} only {name_some(present)} have covariates."
        )
    codes = pd.Categorical(table["arm"], categories=pd.Index(present, dtype=object)).codes.astype(np.intp)
    stratum = (
        table.groupby(list(strata_columns), observed=True, sort=True).ngroup().to_numpy()
        if strata_columns
        else np.zeros(len(table), dtype=np.intp)
    )
    x = values.to_numpy(dtype=np.float64)
    test = BalanceTest(x, stratum.astype(np.intp))
    observed = test.statistics(codes, len(present))
    df = test.rank * (len(present) - 1)
    repeats = n_repeats(n_permutations, len(table))
    if repeats:
        p_value, p_single = by_permutation(test, codes, len(present), observed, repeats, random_state)
    else:
        p_value = float(stats.chi2.sf(observed[0], df)) if df else 1.0
        p_single = np.where(test.varies, stats.chi2.sf(observed[1], len(present) - 1), 1.0)
    result = _differences(x, codes, present, control, list(values.columns), p_single)
    settings = {
        "control": control,
        "arms": present,
        "within": list(strata_columns),
        "n_customers": len(table),
        "n_permutations": repeats,
        "alpha": alpha,
    }
    return BalanceCheck(result, p_value, float(observed[0]), df, settings, (*notes, *_judged(result, p_value, alpha)))


def _assigned(assigned: Any, within: Any) -> tuple[pd.DataFrame, tuple[str, ...]]:
    if isinstance(assigned, Randomization):
        blocks = assigned.manifest.within if assigned.manifest.method == "blocks" else ()
        table, columns = assigned.assigned, as_columns(within) if within is not None else blocks
    else:
        if isinstance(assigned, pd.Series):
            assigned = assigned.rename("arm").to_frame()
        if not is_frame(assigned):
            raise TypeError(
                f"assigned must be a Randomization or a dataframe with a column 'arm', got {kind_of(assigned)}."
            )
        table, columns = as_customers(assigned), as_columns(within)
    missing = [name for name in ("arm", *columns) if name not in table.columns]
    if missing:
        raise ColumnError(f"assigned {column_difference(['arm', *columns], list(table.columns))}.")
    table = table[table["arm"].notna() & (table["arm"] != HOLDOUT)]
    arm = table["arm"]
    codes, levels = pd.factorize(arm.astype(object))
    texts = np.array([label_of(level) for level in levels], dtype=object)
    if isinstance(arm.dtype, pd.CategoricalDtype):
        names = [label_of(name) for name in arm.cat.categories if name != HOLDOUT]
    else:
        names = sorted(set(texts))
    return table.assign(arm=pd.Categorical(texts[codes], categories=pd.Index(names, dtype=object))), columns


def _covariates(covariates: Any, customers: pd.Index) -> tuple[pd.DataFrame, list[str]]:
    """Return numbers without missing values for the customers in both tables, and notes."""
    if isinstance(covariates, pd.Series):
        covariates = covariates.to_frame(covariates.name or "covariate")
    table = as_customers(covariates)
    together = customers.intersection(table.index)
    if not len(together):
        raise CustomerTableError(
            f"no customer is in both tables: ids that were assigned look like {name_some(customers[:3])}, those of the "
            f"covariates like {name_some(table.index[:3])}."
        )
    table = table.loc[together]
    columns: dict[str, NDArray[np.float64]] = {}
    for name in table.columns:
        made = _numbers(table[name], str(name))
        twice = [each for each in made if each in columns]
        if twice:
            raise ColumnError(
                f"the covariate {str(name)!r} is compared as {name_some(twice)}, and another one is called that: "
                "rename one of both."
            )
        columns |= made
    if not columns:
        raise ColumnError("there is no covariate to compare: the table has no columns.")
    alone = len(customers) - len(together)
    notes = []
    if alone:
        notes.append(
            f"{count(alone, 'customer')} of {len(customers):,} have no covariates and are left out; whether that "
            "depends on the arm is not seen here."
        )
    return pd.DataFrame(columns, index=together), notes


def _numbers(column: pd.Series[Any], name: str) -> dict[str, NDArray[np.float64]]:
    """Return one covariate as one column or one per level, and its being missing where some are."""
    missing = column.isna().to_numpy()
    result: dict[str, NDArray[np.float64]] = {}
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        column = (column - column.min()).dt.total_seconds() / 86400
    if pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        if np.isinf(values).any():
            raise ColumnError(f"covariate {name!r} has infinite values: leave them out or cut them off.")
        if (np.abs(values[~missing]) > TOO_LARGE).any():
            raise ColumnError(f"covariate {name!r} has values above {TOO_LARGE:.0e}, too large to be squared.")
        known = values[~missing]
        result[name] = np.where(missing, known.mean() if known.size else 0.0, values)
    else:
        texts = column.astype(object).where(~missing, None)
        levels = sorted({str(value) for value in texts[~missing]})
        if len(levels) > LEVELS_AT_MOST:
            raise ColumnError(
                f"covariate {name!r} has {len(levels):,} levels, at most {LEVELS_AT_MOST} are compared: group them, or "
                "drop the column if it only names customers."
            )
        as_text = np.array([None if value is None else str(value) for value in texts], dtype=object)
        result |= {f"{name}={level}": (as_text == level).astype(np.float64) for level in levels}
    if missing.any():
        result[f"{name} is missing"] = missing.astype(np.float64)
    return result


def _differences(
    x: NDArray[np.float64],
    codes: NDArray[np.intp],
    arms: Sequence[str],
    control: str,
    names: Sequence[str],
    p_single: NDArray[np.float64],
) -> pd.DataFrame:
    means = np.stack([x[codes == arm].mean(axis=0) for arm in range(len(arms))])
    variances = np.stack(
        [x[codes == a].var(axis=0, ddof=1) if (codes == a).sum() > 1 else means[a] * 0 for a in range(len(arms))]
    )
    corrected = corrected_by_holm(p_single)
    base = arms.index(control)
    rows = []
    for place, arm in enumerate(arms):
        if place == base:
            continue
        spread = np.sqrt((variances[place] + variances[base]) / 2)
        gap = means[place] - means[base]
        std = np.divide(gap, spread, out=np.where(gap == 0, 0.0, np.copysign(np.inf, gap)), where=spread > 0)
        rows.append(
            pd.DataFrame(
                {
                    "covariate": names,
                    "arm": arm,
                    "mean_control": means[base],
                    "mean_arm": means[place],
                    "std_difference": std,
                    "n_control": int((codes == base).sum()),
                    "n_arm": int((codes == place).sum()),
                    "p_value": p_single,
                    "p_corrected": corrected,
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


def _judged(table: pd.DataFrame, p_value: float, alpha: float) -> list[str]:
    found = []
    if p_value < alpha:
        worst = table.loc[table["p_corrected"] < alpha, "covariate"].unique()
        where = f" (most of all {name_some(worst)})" if len(worst) else ""
        found.append(
            f"the arms differ more than random assignment makes them in {1 - alpha:.0%} of cases{where}. Look "
            "for a filter after the randomization, a join that lost customers, a list that was changed; do not draw "
            "again until it looks good."
        )
    large = table.loc[table["std_difference"].abs() > LARGE, "covariate"].unique()
    if len(large):
        found.append(
            f"standardised differences above {LARGE:g}: {name_some(large)}. With so few customers that may be chance; "
            "adjust for these covariates in the analysis."
        )
    return found

"""Do segments or features stand in for a protected attribute? How strongly, how surely, and which."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some, percent
from segmentation._frames import is_frame, kind_of
from segmentation._plotting import COLOURS, axes_or_new, tidy
from segmentation._results import Result
from segmentation._validation import as_customers
from segmentation.assignment import as_assignment
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.governance._anonymity import MINIMUM
from segmentation.governance._association import associate, auc_across_folds, holm
from segmentation.governance._carriers import N_FOLDS, carrier_codes, protected_codes, protected_table

__all__ = ["ProxyAudit", "proxy_audit"]

SEGMENT = "segment"
# Cohen (1988), Statistical Power Analysis, chapter 7: effect size w of small, medium and large; V is w for two groups.
STRENGTHS = ((0.5, "strong"), (0.3, "moderate"), (0.1, "weak"), (0.0, "very weak"))
SHOWN = 15


@dataclass(frozen=True, repr=False, eq=False)
class ProxyAudit(Result):
    """How strongly segments and features stand in for protected attributes.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per protected attribute and carrier (the segments, each feature), see `proxy_audit`.
    composition : pandas.DataFrame
        One row per protected attribute, segment and group: ``n_customers`` of the segment, ``share`` of the group among
        them, ``overall`` share. It has small counts: publish it through disclosure control only.
    notes : tuple of str
        Who was left out.
    settings : dict
        level, alpha, n_permutations, random_state, n_customers.
    """

    table: pd.DataFrame
    composition: pd.DataFrame
    notes: tuple[str, ...]
    settings: dict[str, Any]

    @property
    def proxies(self) -> pd.DataFrame:
        """The rows of ``table`` that are found to be proxies, strongest first."""
        return self.table[self.table["proxy"]].sort_values("cramers_v", ascending=False, kind="stable")

    @property
    def findings(self) -> tuple[str, ...]:
        """One sentence per proxy found, strongest first."""
        return tuple(self._sentence(row) for _, row in self.proxies.iterrows())

    def _sentence(self, row: pd.Series[Any]) -> str:
        is_segment = row["kind"] == SEGMENT
        who = "The segments stand in" if is_segment else f"The feature {row['carrier']!r} stands in"
        text = (
            f"{who} for {row['protected']!r} ({row['strength']}): V {row['cramers_v']:.2f} "
            f"({row['cramers_v_low']:.2f} to {row['cramers_v_high']:.2f}; chance: up to {row['v_by_chance']:.2f}); "
            f"guessing it from {'the segment' if is_segment else 'the feature'} has an AUC of {row['auc']:.2f} "
            f"({row['auc_low']:.2f} to {row['auc_high']:.2f}; 0.5 is chance)."
        )
        return text + (self._extreme(row["protected"]) if is_segment else "")

    def _extreme(self, protected: Any) -> str:
        rows = self.composition[
            (self.composition["protected"] == protected)
            & (self.composition["n_customers"] >= MINIMUM)
            & (self.composition["share"] * self.composition["n_customers"] >= MINIMUM)
        ]
        if not len(rows):
            return ""
        spread = np.sqrt(rows["overall"] * (1 - rows["overall"]) / rows["n_customers"])
        most = rows.loc[((rows["share"] - rows["overall"]) / spread).idxmax()]
        return (
            f" Most of all {most['segment']!r}: {percent(most['share'])} {most['group']!r}, "
            f"{percent(most['overall'])} overall."
        )

    def _facts(self) -> dict[str, Any]:
        return {
            "settings": self.settings,
            "notes": self.notes,
            "findings": self.findings,
            "table": self.table,
        }

    def __str__(self) -> str:
        n_features = int((self.table["kind"] != SEGMENT).sum() / max(self.table["protected"].nunique(), 1))
        attributes = name_some(self.table["protected"].unique())
        head = f"Proxy audit of {attributes}: the segments and {count(n_features, 'feature')}"
        lines = [head, *(f"  {sentence}" for sentence in self.findings)]
        quiet = self.table[~self.table["proxy"]]
        if len(quiet):
            low = quiet["cramers_v_high"].max()
            lines.append(
                f"  Not told from chance: {name_some(quiet['carrier'].unique())} (V at most {low:.2f} with "
                f"{percent(self.settings['level'])} confidence each)."
            )
        return "\n".join([*lines, *(f"  Note: {note}." for note in self.notes)])

    def _opening(self) -> tuple[str, ...]:
        return self.findings

    def _closing(self) -> tuple[str, ...]:
        return self.notes

    def _html_tables(self) -> tuple[str, ...]:
        return (self.table.round(3).to_html(index=False),)

    def plot(self, ax: Any = None, *, protected: Any = None) -> Any:
        """Draw Cramer's V of each carrier with its interval, and what chance gives.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        protected : optional
            Which attribute, by default the first.

        Returns
        -------
        matplotlib Axes
        """
        names = list(self.table["protected"].unique())
        name = names[0] if protected is None else protected
        if name not in names:
            raise ValueError(f"protected must be one of {name_some(names)}, got {protected!r}.")
        rows = self.table[self.table["protected"] == name].sort_values("cramers_v", kind="stable").tail(SHOWN)
        ax = axes_or_new(ax, 7.0, 1.6 + 0.35 * len(rows))
        places = np.arange(len(rows))
        colours = [COLOURS["first"] if found else COLOURS["quiet"] for found in rows["proxy"]]
        ax.hlines(places, rows["cramers_v_low"], rows["cramers_v_high"], colors=colours, linewidth=2)
        ax.scatter(rows["cramers_v"], places, color=colours, zorder=3)
        ax.scatter(rows["v_by_chance"], places, marker="|", s=160, color=COLOURS["actual"])
        ax.set_yticks(
            places, ["segments" if k == SEGMENT else str(c) for k, c in zip(rows.kind, rows.carrier, strict=True)]
        )
        ax.set_xlim(left=-0.01)  # so that a mark at 0 is seen whole
        ax.set_ylim(-0.6, len(rows) - 0.4)
        label = "Cramér's V (bias-corrected)\norange: proxy found; black mark: 95 % of what chance gives"
        tidy(ax, title=f"What stands in for {name}", x=label, y="")
        return ax


def proxy_audit(
    assignment: Any,
    protected: Any,
    features: Any = None,
    *,
    level: float = 0.9,
    alpha: float = 0.05,
    n_permutations: int | None = None,
    random_state: Any = None,
) -> ProxyAudit:
    """Ask how strongly segments, and which features, stand in for protected attributes.

    Parameters
    ----------
    assignment : dataframe or Series
        From `segmentation.assign`.
    protected : Series or dataframe
        One or several protected attributes, indexed by customer: at most 20 groups each; cut numbers first.
    features : dataframe, optional
        What the segments were made of, or might be; one row per customer. Numbers are cut into at most ten bins of
        equally many customers, so that any shape of dependence is seen; missing values are a group.
    level : float, default=0.9
        Level of the intervals.
    alpha : float, default=0.05
        Chance to call anything a proxy in an audit of attributes that have nothing to do with segments or features.
    n_permutations : int, optional
        Tables drawn for the null; by default enough for the correction, 999 at least.
    random_state : int or Generator, optional
        A number makes the audit repeatable.

    Returns
    -------
    ProxyAudit
        Its ``table`` has one row per protected attribute and carrier:

        ``protected``, ``carrier``, ``kind``
            The attribute; "segment" or the name of the feature; which of both it is.
        ``n_customers``, ``n_groups``
            Customers compared, groups of the carrier.
        ``cramers_v``, ``_low``, ``_high``
            Bias-corrected Cramer's V, 0 (nothing) to 1 (tells it exactly), bootstrap interval.
        ``v_by_chance``
            95 % of shuffled data have a V up to this.
        ``mutual_information``, ``_low``, ``_high``, ``share_explained``
            Bits, corrected for bias; and as a share of the uncertainty about the attribute.
        ``auc``, ``_low``, ``_high``
            Of guessing the attribute from the carrier for customers not learnt from (5 folds; one group against the
            rest, averaged by size).
        ``p_value``, ``p_adjusted``, ``proxy``, ``strength``
            By permutation of customers; corrected for all rows (Holm); whether ``p_adjusted < alpha``; and "very weak",
            "weak", "moderate" or "strong" by Cohen's conventions (0.1, 0.3, 0.5).

    Raises
    ------
    TypeError, ColumnError, CustomerTableError, ValueError
        If a table is not what it should be, no customer is in both, or a protected attribute has no two groups of at
        least ten customers.

    Notes
    -----
    A proxy is found where shuffling the customers' attribute would hardly ever give as strong a link; with many
    customers a very weak one is found too, so read V and AUC, not only whether. The interval of the AUC takes the
    learnt rule as given: where few customers hardly show a link it is too narrow (it held the AUC 76 % of the time
    instead of 90 % for a V of 0.1 and 300 customers); the verdict rests on the permutation, not on it.
    Each carrier is looked at alone:
    features that stand in for an attribute only together show in the segments made of them, not here. That nothing is
    found is no proof that there is nothing, nor is a link by itself a wrong: what it means has to be judged.

    References
    ----------
    Bergsma (2013), doi:10.1016/j.jkss.2012.10.002. LeDell et al. (2015), doi:10.1214/15-EJS1035. Phipson and Smyth
    (2010), permutation p-values are never zero, doi:10.2202/1544-6115.1585.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from segmentation.governance import proxy_audit
    >>> ids = pd.RangeIndex(400, name="customer_id")
    >>> gender = pd.Series(np.tile(["f", "m"], 200), index=ids, name="gender")
    >>> segments = pd.Series(np.where(gender == "f", "a", "b"), index=ids).where(ids >= 100, "a")
    >>> audit = proxy_audit(segments, gender, random_state=0)
    >>> audit.proxies[["carrier", "strength"]].values.tolist()
    [['segment', 'strong']]
    """
    _check_settings(level, alpha, n_permutations)
    rng = np.random.default_rng(random_state)
    table = as_assignment(assignment)
    attributes = protected_table(protected)
    carriers = _carriers(table, features)
    together = table.index.intersection(attributes.index).intersection(carriers.index)
    if not len(together):
        raise CustomerTableError(
            f"no customer is in all tables: ids of the assignment look like {name_some(table.index[:3])}, those of "
            f"protected like {name_some(attributes.index[:3])}."
        )
    notes = [
        f"{count(len(index) - len(together), 'customer')} of {what} not in the other tables, left out"
        for what, index in (("the assignment", table.index), ("protected", attributes.index))
        if len(index) > len(together)
    ]
    attributes, carriers = attributes.loc[together], carriers.loc[together]
    n_tests = len(attributes.columns) * len(carriers.columns)
    draws = max(999, math.ceil(10 * n_tests / alpha)) if n_permutations is None else int(n_permutations)
    rows, composition = [], []
    for name in attributes.columns:
        codes, groups, left_out = protected_codes(attributes[name], name)
        notes += left_out
        inside = codes >= 0
        folds = _folds(codes[inside], rng)
        for position, carrier in enumerate(carriers.columns):
            found, labels = carrier_codes(carriers.iloc[:, position][inside], len(groups))
            counts = _counts(found, codes[inside], folds, len(labels), len(groups))
            kind = SEGMENT if position == 0 else "feature"
            row = {"protected": name, "carrier": carrier, "kind": kind, "n_customers": int(inside.sum())}
            rows.append(row | _figures(counts, level, draws, rng))
            if kind == SEGMENT:
                composition.append(_composition(counts.sum(axis=0), labels, groups, name))
    result = pd.DataFrame(rows)
    result["p_adjusted"] = holm(result["p_value"].to_numpy())
    result["proxy"] = result["p_adjusted"] < alpha
    result["strength"] = [
        next(word for least, word in STRENGTHS if v >= least) if found else "none found"
        for v, found in zip(result["cramers_v"], result["proxy"], strict=True)
    ]
    settings = {
        "level": level,
        "alpha": alpha,
        "n_permutations": draws,
        "random_state": random_state if isinstance(random_state, int | None) else "generator",
        "n_customers": len(together),
    }
    return ProxyAudit(result, pd.concat(composition, ignore_index=True), tuple(notes), settings)


def _check_settings(level: Any, alpha: Any, n_permutations: Any) -> None:
    for name, value in (("level", level), ("alpha", alpha)):
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < 1:
            raise ValueError(f"{name} must be a number between 0 and 1, got {value!r}.")
    if n_permutations is not None and (
        isinstance(n_permutations, bool) or not isinstance(n_permutations, int | np.integer) or n_permutations < 99
    ):
        raise ValueError(f"n_permutations must be a whole number of at least 99, got {n_permutations!r}.")


def _carriers(table: pd.DataFrame, features: Any) -> pd.DataFrame:
    """Return the segment and the features beside each other, for the customers in both."""
    segment = table["segment"].astype(object).rename(SEGMENT).to_frame()
    if features is None:
        return segment
    if isinstance(features, pd.Series):
        features = features.to_frame("feature" if features.name is None else features.name)
    if not is_frame(features):
        raise TypeError(f"features must be a table with one row per customer, got {kind_of(features)}.")
    known = as_customers(features)
    if SEGMENT in known.columns:
        raise ColumnError(f"a feature is called {SEGMENT!r}: rename it, the segments have this name.")
    return segment.join(known, how="inner")


def _folds(codes: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Deal the customers of each group out to the folds, as evenly as can be."""
    order = rng.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    folds = np.empty(len(codes), dtype=np.int64)
    folds[order] = np.arange(len(codes)) % N_FOLDS
    return folds


def _counts(
    carrier: NDArray[np.int64], protected: NDArray[np.int64], folds: NDArray[np.int64], n_rows: int, n_columns: int
) -> NDArray[np.float64]:
    cell = (folds * n_rows + carrier) * n_columns + protected
    counted = np.bincount(cell, minlength=N_FOLDS * n_rows * n_columns).reshape(N_FOLDS, n_rows, n_columns)
    return counted[:, counted.sum(axis=(0, 2)) > 0].astype(np.float64)


def _figures(counts: NDArray[np.float64], level: float, draws: int, rng: np.random.Generator) -> dict[str, Any]:
    whole = counts.sum(axis=0)
    share = whole.sum(axis=0) / whole.sum()
    uncertainty = float(-(share * np.log2(share)).sum())
    if len(whole) == 1:  # one value for all: it says nothing, and there is nothing to test
        nothing = dict.fromkeys(("cramers_v", "cramers_v_low", "cramers_v_high", "v_by_chance"), 0.0)
        nothing |= dict.fromkeys(("mutual_information", "mutual_information_low", "mutual_information_high"), 0.0)
        auc = (0.5, 0.5, 0.5)
        figures = nothing | {"p_value": 1.0}
    else:
        figures = associate(whole, level=level, n_permutations=draws, rng=rng)._asdict()
        auc = auc_across_folds(counts, level)
    p_value = figures.pop("p_value")
    return {
        "n_groups": len(whole),
        **figures,
        "share_explained": min(figures["mutual_information"] / uncertainty, 1.0),
        "auc": auc[0],
        "auc_low": auc[1],
        "auc_high": auc[2],
        "p_value": p_value,
    }


def _composition(whole: NDArray[np.float64], labels: list[str], groups: list[str], name: Any) -> pd.DataFrame:
    size = whole.sum(axis=1)
    overall = whole.sum(axis=0) / whole.sum()
    rows = [
        {
            "protected": name,
            "segment": label,
            "group": group,
            "n_customers": int(size[i]),
            "share": whole[i, j] / size[i],
            "overall": overall[j],
        }
        for i, label in enumerate(labels)
        for j, group in enumerate(groups)
    ]
    return pd.DataFrame(rows)

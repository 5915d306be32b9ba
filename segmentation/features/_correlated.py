"""Groups of features that say nearly the same, with one proposed to stand for each group."""

from __future__ import annotations

import numbers
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation._frames import is_frame, kind_of
from segmentation._validation import as_customers
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.features._association import Feature, association_matrix, make_feature
from segmentation.features._column_roles import decide
from segmentation.features._column_values import read_column, refuse_infinite
from segmentation.features._correlated_result import CorrelatedGroups

__all__ = ["correlated_groups"]

# Chance that any pair at all is called related in a table of unrelated columns.
FALSE_ALARM = 0.05
PAIRS_NAMED = 3


def correlated_groups(
    X: Any,
    threshold: float = 0.8,
    *,
    linkage: Literal["complete", "average"] = "complete",
    representative: Literal["central", "fewest_missing", "first"] = "central",
    max_customers: int = 20_000,
    random_state: int = 0,
) -> CorrelatedGroups:
    """Find groups of features that are nearly the same, and propose one to stand for each.

    Distances count every column: four columns that measure one thing weigh four times as much as one that measures
    another. Keeping one column of a group gives every thing one vote.

    Parameters
    ----------
    X : dataframe of shape (n_customers, n_features), or array
        Columns of any type, as `CustomerPreprocessor` reads them; missing values may occur.
    threshold : float in (0, 1], default=0.8
        From this association on, two features count as near-duplicates. 0.8 means that 64 % of the variance of the
        one's ranks is also the other's.
    linkage : {"complete", "average"}, default="complete"
        "complete": in a group **every** pair reaches the threshold, so a chain of neighbours (a like b, b like c) does
        not become one group. "average": a group's features reach it on average.
    representative : {"central", "fewest_missing", "first"}, default="central"
        Which member is proposed: "central", the one with the highest mean association with the other members;
        "fewest_missing"; "first", in the order of the columns. Ties: fewest missing, then first.
    max_customers : int, default=20,000
        A larger table is sampled: the standard error of an association is then below 0.01.
    random_state : int, default=0
        Seed of the sample.

    Returns
    -------
    CorrelatedGroups

    Raises
    ------
    ColumnError
        If there is no column, or one holds infinity.
    CustomerTableError
        If there are fewer than three customers.
    ValueError
        If a parameter is not allowed.

    Notes
    -----
    The measure is |Spearman's rho| of two quantities, ordinals, dates or two-valued columns; Cramer's V, corrected
    for bias [1]_, of two categories; for a category and a quantity the correlation ratio of ranks, the square root of
    epsilon squared of Kruskal and Wallis [2]_. For two-valued columns the three agree. A pair that reaches the
    threshold in so few customers that chance explains it (5 % for the whole table, by Bonferroni) is not related.

    Association is of ranks and without sign: a feature and its reverse are near-duplicates; two features whose
    relation is a U are not.

    References
    ----------
    .. [1] Bergsma (2013), A bias-correction for Cramer's V and Tschuprow's T, J. Korean Statistical Society 42(3),
       doi:10.1016/j.jkss.2012.10.002.
    .. [2] Kruskal, Wallis (1952), Use of ranks in one-criterion variance analysis, JASA 47(260),
       doi:10.1080/01621459.1952.10483441.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from segmentation.features import correlated_groups
    >>> rng = np.random.default_rng(0)
    >>> spend = rng.lognormal(size=200)
    >>> customers = pd.DataFrame({
    ...     "spend": spend, "spend_in_cents": 100 * spend, "margin": spend * rng.normal(0.3, 0.01, 200),
    ...     "age": rng.normal(45, 12, 200),
    ... })
    >>> print(correlated_groups(customers))
    4 features: 1 group of two or more, 1 alone; 2 would stand for all (threshold 0.8, complete linkage, 200 customers)
      spend: stands for spend_in_cents (1.00), margin (1.00)
    """
    _check(threshold, linkage, representative, max_customers)
    table = as_customers(X) if is_frame(X) else _of_array(X)
    if not len(table.columns):
        raise ColumnError("there is no feature to compare: the table has no column beside the ids.")
    if len(table) < 3:
        raise CustomerTableError(
            f"features are compared over customers, of which three are the least; got {len(table)}."
        )
    n_customers = len(table)
    if n_customers > max_customers:
        chosen = np.random.default_rng(random_state).choice(n_customers, max_customers, replace=False)
        table = table.iloc[np.sort(chosen)]
    features = _features(table, named=is_frame(X))
    strength, p = association_matrix(features)
    n_pairs = max(len(features) * (len(features) - 1) // 2, 1)
    by_chance = (strength >= threshold) & (p > FALSE_ALARM / n_pairs) & ~np.eye(len(features), dtype=bool)
    related = np.where(by_chance, 0.0, strength)
    labels = _clusters(related, threshold, linkage)
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    ordered = [_from_representative(group, strength, features, representative) for group in members]
    ordered.sort(key=lambda group: (-len(group), min(group)))
    settings = {
        "threshold": float(threshold),
        "linkage": linkage,
        "rule": representative,
        "n_customers": n_customers,
        "n_used": len(table),
        "features": tuple(feature.name for feature in features),
    }
    return CorrelatedGroups(
        _group_table(ordered, strength, features),
        _matrix(ordered, strength, features),
        settings,
        tuple(_warnings(features, by_chance)),
    )


def _check(threshold: Any, linkage: Any, representative: Any, max_customers: Any) -> None:
    if isinstance(threshold, bool) or not isinstance(threshold, numbers.Real) or not 0 < float(threshold) <= 1:
        raise ValueError(f"threshold must be an association in (0, 1], got {threshold!r}.")
    for name, value, allowed in (
        ("linkage", linkage, ("complete", "average")),
        ("representative", representative, ("central", "fewest_missing", "first")),
    ):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {name_some(allowed)}, got {value!r}.")
    if isinstance(max_customers, bool) or not isinstance(max_customers, numbers.Integral) or max_customers < 3:
        raise ValueError(f"max_customers must be an integer of at least 3, got {max_customers!r}.")


def _of_array(X: Any) -> pd.DataFrame:
    array = np.asarray(X)
    if array.ndim != 2:
        raise ValueError(f"expected a dataframe or an array of shape (n_customers, n_features), got {kind_of(X)}.")
    return pd.DataFrame({f"x{i}": array[:, i] for i in range(array.shape[1])})


def _features(table: pd.DataFrame, *, named: bool) -> list[Feature]:
    columns = {name: read_column(column) for name, column in table.items()}
    refuse_infinite(columns.items())
    return [make_feature(name, values, decide(name, values, named=named)) for name, values in columns.items()]


def _clusters(related: NDArray[np.float64], threshold: float, linkage: str) -> NDArray[np.int64]:
    from scipy.cluster.hierarchy import fcluster
    from scipy.cluster.hierarchy import linkage as tree
    from scipy.spatial.distance import squareform

    if len(related) == 1:
        return np.array([1])
    distance = 1.0 - related
    np.fill_diagonal(distance, 0.0)
    # the smallest step above, so that rounding does not part what is exactly at the threshold
    labels: NDArray[np.int64] = fcluster(
        tree(squareform(distance, checks=False), method=linkage), 1.0 - threshold + 1e-9, criterion="distance"
    )
    return labels


def _from_representative(
    group: NDArray[np.int64], strength: NDArray[np.float64], features: list[Feature], rule: str
) -> list[int]:
    """Return the members of a group, the representative first, the others by their association with it."""
    mean = {int(i): float(strength[i, group].sum() - 1.0) / max(len(group) - 1, 1) for i in group}

    def preference(i: int) -> tuple[float, ...]:
        missing = float(features[i].n_missing)
        if rule == "central":
            return (-round(mean[i], 9), missing, float(i))
        return (missing, float(i)) if rule == "fewest_missing" else (float(i),)

    chosen = min((int(i) for i in group), key=preference)
    return sorted((int(i) for i in group), key=lambda i: (i != chosen, -strength[i, chosen], i))


def _group_table(ordered: list[list[int]], strength: NDArray[np.float64], features: list[Feature]) -> pd.DataFrame:
    rows = [
        {
            "group": number,
            "size": len(group),
            "representative": features[group[0]].name,
            "association": float(strength[i, group[0]]),
            "kind": features[i].kind,
            "n_missing": features[i].n_missing,
        }
        for number, group in enumerate(ordered, start=1)
        for i in group
    ]
    names = [features[i].name for group in ordered for i in group]
    return pd.DataFrame(rows, index=pd.Index(names, name="feature"))


def _matrix(ordered: list[list[int]], strength: NDArray[np.float64], features: list[Feature]) -> pd.DataFrame:
    order = [i for group in ordered for i in group]
    names = pd.Index([features[i].name for i in order], name="feature")
    return pd.DataFrame(strength[np.ix_(order, order)], index=names, columns=names)


def _warnings(features: list[Feature], by_chance: NDArray[np.bool_]) -> list[str]:
    found = []
    empty = [feature.name for feature in features if feature.kind == "empty"]
    if empty:
        found.append(f"{count(len(empty), 'feature')} without any difference between customers: {name_some(empty)}.")
    text = [feature.name for feature in features if feature.kind == "text"]
    if text:
        found.append(f"ids and free text were not compared: {name_some(text)}.")
    pairs = [f"{features[i].name} and {features[j].name}" for i, j in zip(*np.nonzero(np.triu(by_chance)), strict=True)]
    if pairs:
        found.append(
            f"{count(len(pairs), 'pair')} reached the threshold in so few customers that chance explains it, and "
            f"{'was' if len(pairs) == 1 else 'were'} not grouped: {', '.join(pairs[:PAIRS_NAMED])}."
        )
    return found

"""Uncertainty of segments: totals in many possible worlds, and how sure their order is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from segmentation._format import name_some
from segmentation._frames import is_frame, to_pandas
from segmentation._progress import progress
from segmentation.assignment import UNASSIGNED, as_assignment
from segmentation.base import Scorer
from segmentation.compose import prepared
from segmentation.exceptions import ColumnError, CustomerTableError

__all__ = ["rank_probability", "sample_segments"]

# Draws times customers that are held at once: about 80 MB.
LARGEST_CHUNK = 10_000_000


def sample_segments(
    model: Any,
    X: Any,
    assignment: Any,
    *,
    n_draws: int = 1000,
    random_state: Any = None,
    progress_bar: bool | None = None,
) -> pd.DataFrame:
    """Draw what each segment will be worth: totals of the primary score, summed within each draw.

    The draws of single customers are never kept together, so a million customers fit in memory.

    Parameters
    ----------
    model : fitted Scorer with draws, or fitted Pipeline that ends in one
        For instance `segmentation.scorers.CLVScorer`.
    X : dataframe or array of shape (n_customers, n_features)
        Customers to score.
    assignment : dataframe or Series
        From `assign`, or segment names indexed by customer. All customers of `X` must be in it; others are no
        part of the totals.
    n_draws : int, default=1000
    random_state : int, RandomState or None, default=None
    progress_bar : bool or None, default=None
        None: where standard error is a terminal.

    Returns
    -------
    pandas.DataFrame of shape (n_draws, n_segments)
        Index ``draw``, columns ``segment``, in the order of the assignment; "unassigned" only where there are such
        customers. A row is one possible world: quantiles over rows are intervals, and `profile_segments` and
        `rank_probability` take the table as it is. ``attrs["score"]`` names the score, and
        ``attrs["n_without_score"]`` counts customers who have none; they add nothing.

    Raises
    ------
    TypeError
        If the model draws nothing.
    CustomerTableError
        If customers of `X` are not in the assignment.

    Examples
    --------
    >>> import segmentation as sg
    >>> from segmentation import datasets, features
    >>> from segmentation.scorers import CLVScorer
    >>> orders = datasets.load_cdnow()
    >>> columns = dict(customer_id="customer_id", timestamp="timestamp", amount="amount")
    >>> purchases = features.btyd_table(orders, **columns)
    >>> groups = purchases["frequency"].gt(1).map({True: "regular", False: "rare"}).rename("segment")
    >>> draws = sg.sample_segments(CLVScorer().fit(purchases), purchases, groups, n_draws=200, random_state=0)
    >>> low, high = draws["regular"].quantile([0.05, 0.95])  # 90 % interval of what they will spend in a year
    >>> 50_000 < low < 60_000 < high < 70_000
    True
    >>> sg.rank_probability(draws).loc["regular", "rare"]
    np.float64(1.0)
    """
    if not isinstance(n_draws, int | np.integer) or isinstance(n_draws, bool) or n_draws < 1:
        raise ValueError(f"n_draws must be a positive integer, got {n_draws!r}.")
    data, index, scorer = prepared(model, X, Scorer, "sample_segments")
    if not hasattr(scorer, "sample_customers"):
        raise TypeError(f"{type(scorer).__name__} draws nothing (its tag draws is False), so it has no uncertainty.")
    table = as_assignment(assignment)
    _, customers = scorer._customers(data, reset=False)
    customers = customers if index is None else index
    missing = customers.difference(table.index)
    if len(missing):
        raise CustomerTableError(
            f"{len(missing):,} of {len(customers):,} customers are not in the assignment ({name_some(missing)}): "
            "assign them, or leave them out of X."
        )
    segment = table["segment"].reindex(customers)
    names = [str(name) for name in segment.cat.categories]
    codes = segment.cat.codes.to_numpy(dtype=np.int64)
    rng = check_random_state(random_state)
    totals = np.zeros((int(n_draws), len(names)))
    chunk = max(1, LARGEST_CHUNK // max(len(customers), 1))
    n_without = 0
    with progress(what="drawing", total=int(n_draws), unit="draw", show=progress_bar) as bar:
        for start in range(0, int(n_draws), chunk):
            size = min(chunk, int(n_draws) - start)
            draws = scorer.sample_customers(data, size, rng)
            there = ~np.isnan(draws).any(axis=0)
            for i, row in enumerate(draws):
                totals[start + i] = np.bincount(codes[there], row[there], len(names))
            n_without = max(n_without, int((~there).sum()))
            bar.update(size)
    columns = pd.Index(names, name="segment")
    result = pd.DataFrame(totals, columns=columns, index=pd.RangeIndex(int(n_draws), name="draw"))
    result.attrs |= {"score": str(scorer.score_names_[0]), "n_without_score": n_without, **scorer._table_attrs()}
    return result if (codes == names.index(UNASSIGNED)).any() else result.drop(columns=UNASSIGNED)


def rank_probability(draws: Any, *, kind: str = "pairs") -> pd.DataFrame:
    """Say how sure it is that one segment is worth more than another.

    Parameters
    ----------
    draws : dataframe or array of shape (n_draws, n_segments), or mapping of segment to its draws
        From `sample_segments`, or any table with a column per segment and a row per possible world (divide by the
        number of customers to compare means instead of totals). "unassigned" is left out; segments of an array are
        called by their position.
    kind : {"pairs", "ranks"}, default="pairs"
        "pairs": the probability that the segment of the row is worth more than that of the column, ties counted half,
        0.5 on the diagonal. "ranks": the probability that the segment has rank 1, 2, ... (1 = worth most), ties
        shared among the ranks they take.

    Returns
    -------
    pandas.DataFrame of shape (n_segments, n_segments)
        Index ``segment``; columns ``segment`` or ``rank``.

    Notes
    -----
    The frequencies of draws: with 1,000 of them a probability is known to about +- 0.03. 0.5 means that the order is a
    toss-up.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation import rank_probability
    >>> draws = pd.DataFrame({"regular": [10.0, 12, 9, 11], "rare": [5.0, 6, 10, 4]})
    >>> rank_probability(draws).loc["regular", "rare"]
    np.float64(0.75)
    >>> rank_probability(draws, kind="ranks").loc["regular"].tolist()
    [0.75, 0.25]
    """
    if kind not in ("pairs", "ranks"):
        raise ValueError(f"kind must be 'pairs' or 'ranks', got {kind!r}.")
    if isinstance(draws, Mapping):
        draws = pd.DataFrame({name: np.asarray(values) for name, values in draws.items()})
    elif isinstance(draws, np.ndarray) and draws.ndim == 2:
        draws = pd.DataFrame(draws)
    if not is_frame(draws):
        raise TypeError(f"draws must be a dataframe with one column per segment, got {type(draws).__name__}.")
    table = to_pandas(draws)
    table = table[[name for name in table.columns if name != UNASSIGNED]]
    if not table.columns.astype(str).is_unique or not len(table) or not len(table.columns):
        raise ColumnError(f"draws need rows, and one column per segment; got {name_some(table.columns)}.")
    no_numbers = [name for name in table if not pd.api.types.is_numeric_dtype(table[name].dtype)]
    if no_numbers or any(pd.api.types.is_complex_dtype(dtype) for dtype in table.dtypes):
        raise ColumnError(f"draws must be numbers; {name_some(no_numbers or table.columns)} are not.")
    values = table.to_numpy(dtype=np.float64)
    if not np.all(np.isfinite(values)):
        wrong = table.columns[~np.isfinite(values).all(axis=0)]
        raise ColumnError(f"draws are missing or infinite for {name_some(wrong)}.")
    names = pd.Index([str(name) for name in table.columns], name="segment")
    # one segment at a time against all, so that many draws of many segments fit in memory
    n = len(names)
    probability = np.zeros((n, n))
    for i, own in enumerate(values.T):
        less, equal = values < own[:, None], values == own[:, None]
        if kind == "pairs":
            probability[i] = less.mean(axis=0) + equal.mean(axis=0) / 2
            continue
        # ties share the ranks from one after those above to as many below as they are
        tied = equal.sum(axis=1)
        above = n - tied - less.sum(axis=1)
        rank = np.arange(n)[None, :]
        share = (rank >= above[:, None]) & (rank < (above + tied)[:, None])
        probability[i] = (share / tied[:, None]).mean(axis=0)
    columns = names if kind == "pairs" else pd.RangeIndex(1, n + 1, name="rank")
    return pd.DataFrame(probability, index=names, columns=columns)

"""What the customers of a segment buy more of than all others."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import norm

from segmentation._format import count
from segmentation.assignment import as_assignment
from segmentation.evaluation._affinity_notes import left_out_notes, more_of_everything
from segmentation.evaluation._affinity_orders import Baskets, CategoryRoles, read_baskets
from segmentation.evaluation._affinity_report import AffinityReport
from segmentation.evaluation._affinity_shrinkage import learn_spread
from segmentation.evaluation._affinity_statistics import (
    CellSums,
    exact_p_values,
    lifts,
    permutation_p_values,
    sum_cells,
)
from segmentation.evaluation._overlap_membership import between
from segmentation.exceptions import CustomerTableError

__all__ = ["affinity"]

Measure = Literal["customers", "lines", "spend"]
Direction = Literal["over", "both"]

# Cells in which so many buyers are expected take part in estimating how far true lifts lie apart.
EXPECTED_AT_LEAST = 5.0
LARGEST_LOG = 700.0


def affinity(
    assignment: Any,
    orders: Any,
    category: str,
    *,
    customer_id: str,
    amount: str | None = None,
    measure: Measure = "customers",
    direction: Direction = "over",
    min_customers: int = 10,
    alpha: float = 0.05,
    level: float = 0.9,
    n_permutations: int = 999,
    random_state: Any = None,
    show_progress: bool | None = None,
) -> AffinityReport:
    """Find the products or categories that a segment buys more of than all other customers.

    Parameters
    ----------
    assignment : dataframe or Series
        From `assign`; a Series of your own segment names, indexed by customer, will do.
    orders : dataframe
        One row per order line: pandas, polars (eager or lazy), pyarrow, a DuckDB relation, Dask or PySpark, never
        changed. It is brought down to one row per customer and category in its own engine.
    category : str
        Column with the product or category: text or whole numbers.
    customer_id : str
        Column with the ids of the assignment.
    amount : str, optional
        Column with what was paid for the line. Negative ones are refunds: no purchases, left out and counted.
    measure : {"customers", "lines", "spend"}, default="customers"
        What is compared. "customers": the share of customers who buy it at all. "lines", "spend": the share it has of
        a customer's own lines, or money, averaged over customers, each counted alike (as the ``category_share`` of
        `order_features`); customers who spent nothing have none.
    direction : {"over", "both"}, default="over"
        Look for what a segment buys more of, or also for what it buys less of.
    min_customers : int, default=10
        Categories that fewer customers buy and segments with fewer customers are not compared. Rows with fewer buyers
        in the segment are compared but not shown, unless it buys less of it than the rest, with as many buyers there,
        and that is looked for. All are counted.
    alpha : float, default=0.05
        The chance, at most, that a report finds **anything** where segments buy alike.
    level : float, default=0.9
        Level of the intervals, of each by itself.
    n_permutations : int, default=999
        Shuffles of the customers; for "lines" and "spend" only.
    random_state : int, Generator or None
    show_progress : bool, optional
        Show how far the shuffles are; by default where standard error is a terminal.

    Returns
    -------
    AffinityReport
        ``table`` has one row per segment and category, segments in their order, what was found first, then by the lower
        bound of the shrunken lift:

        ``segment``, ``category``, ``n_customers``
            Customers of the segment who buy it.
        ``share``, ``share_rest``, ``lift``, ``lift_low``, ``lift_high``
            Share in the segment and among all other customers who bought anything, the unassigned included; one over
            the other (one customer of the average kind is added to each side for it), and its interval.
        ``shrunken_lift``, ``_low``, ``_high``
            The lift drawn towards 1 the more, the less is known: small numbers make large lifts by chance. To rank by.
        ``p_value``, ``p_adjusted``, ``found``
            By itself; corrected for all comparisons of the report; whether that is at most `alpha`.
        ``direction``
            "over" or "under".

    Raises
    ------
    ColumnError, TypeError, AssignmentError, CustomerTableError, ValueError
        If a table or parameter is not what it should be, or nothing is left to compare.

    Notes
    -----
    **The customer is the unit.** Lines of one customer say the same thing over and over: tests that count lines, such
    as log odds of words (Monroe, Colaresi and Quinn 2008, doi:10.1093/pan/mpn018), find much in shuffled segments.

    **Correction.** The family-wise error rate is held, not the false discovery rate: a list of what a segment loves is
    read entry by entry, and of segments that mean nothing the report should be empty. For "customers" p-values are
    exact (Fisher) and corrected by Holm; for "lines" and "spend" by shuffling the customers, with Welch's statistic and
    the step-down maximum of Westfall and Young. At least 20 / `alpha` shuffles are advisable: no p-value is below 1 /
    (`n_permutations` + 1). In shuffled segments the rate is held exactly. Segments of equal taste whose baskets differ
    much in size are found more often than that where a part of the customers buys a few lines only: of 100 reports on
    700 customers with 8 lines and 400 with 40, 4 found something beside 100 customers with 2 lines, and 11 beside 300.

    **Shrinkage.** How far true log lifts lie from 0 is learnt from all cells of the report where 5 buyers or more are
    expected, as a mixture of normal distributions (Stephens 2017); the shrunken lift is the median of what the true one
    is likely to be. Whether something was found rests on the p-value, not on this interval.

    **More of everything.** Where a segment's customers buy far more categories than others, its share of customers is
    above the rest nearly everywhere: the report says so. "lines" or "spend" compare what they choose instead.

    Segments that were **formed from these purchases** differ in them by construction: lifts then describe the segments,
    and p-values mean nothing.

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6, 65-70. Westfall and Young (1993), Resampling-Based Multiple
    Testing. Stephens (2017), adaptive shrinkage, doi:10.1093/biostatistics/kxw041. Janssen (1997), studentised
    permutation tests, doi:10.1016/S0167-7152(97)00043-6.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from segmentation.evaluation import affinity
    >>> rng = np.random.default_rng(0)
    >>> segment = pd.Series(np.repeat(["young", "old"], 200), name="segment").rename_axis("customer_id")
    >>> likes = {"tea": 0.2, "cola": 0.2}
    >>> lines = [(i, what) for i in range(400) for what, p in likes.items()
    ...          if rng.random() < p + 0.3 * (i < 200) * (what == "cola")]
    >>> orders = pd.DataFrame([*lines, *((i, "bread") for i in range(400))], columns=["customer", "kind"])
    >>> report = affinity(segment, orders, "kind", customer_id="customer")
    >>> report.found[["segment", "category", "n_customers"]].values.tolist()
    [['young', 'cola', 96]]
    """
    _check(measure, direction, amount, min_customers, n_permutations)
    level, alpha = between(level, "level"), between(alpha, "alpha")
    table = as_assignment(assignment)
    baskets = read_baskets(table, orders, CategoryRoles(customer_id, None, amount, category))
    compared, baskets = _compared(baskets, measure)
    rng = np.random.default_rng(random_state)
    segment, n_segments = baskets.segment, len(baskets.segments)
    cells = sum_cells(segment, n_segments, compared)
    kept_segments = (cells.n >= min_customers) & (cells.n <= cells.n_all - min_customers)
    kept_categories = cells.buyers_all >= min_customers
    tested = kept_segments[:, None] & kept_categories[None, :]
    if not tested.any():
        raise CustomerTableError(
            f"nothing to compare: {int(kept_segments.sum())} of {count(n_segments, 'segment')} with {min_customers} "
            f"customers or more inside and outside, {int(kept_categories.sum())} of "
            f"{count(len(kept_categories), 'category', 'categories')} that {min_customers} customers or more buy."
        )
    if measure == "customers":
        p_values, adjusted = exact_p_values(cells, tested, direction)
    else:
        p_values, adjusted = permutation_p_values(
            segment, n_segments, compared, tested, direction, int(n_permutations), rng, show=show_progress
        )
    result, spread = _table(baskets, cells, tested, p_values, adjusted, measure, level)
    result["found"] = (result["p_adjusted"] <= alpha) & (result["direction"].eq("over") | (direction == "both"))
    enough = result["n_customers"] >= min_customers
    if direction == "both":
        enough |= result["direction"].eq("under") & (result.pop("n_rest") >= min_customers)
    else:
        result = result.drop(columns="n_rest")
    n_suppressed = int((~enough).sum())
    shown = result[enough].sort_values(
        ["segment", "found", "shrunken_lift_low"], ascending=[True, False, False], kind="stable", ignore_index=True
    )
    shown["segment"] = shown["segment"].astype(object)
    settings: dict[str, Any] = {
        "category": category,
        "measure": measure,
        "direction": direction,
        "min_customers": int(min_customers),
        "alpha": alpha,
        "level": level,
        "correction": "Holm" if measure == "customers" else "Westfall-Young",
        "n_permutations": int(n_permutations) if measure != "customers" else 0,
        "random_state": random_state if isinstance(random_state, int | None) else "generator",
        "spread_of_log_lifts": spread,
        "n_tested": int(tested.sum()),
        "n_suppressed": n_suppressed,
        "n_categories": len(kept_categories),
        "n_rare_categories": int((~kept_categories).sum()),
        "segments_left_out": [name for name, kept in zip(baskets.segments, kept_segments, strict=True) if not kept],
        **baskets.counts,
    }
    segments = _segments(baskets, cells, shown, enough, result)
    warnings = (*left_out_notes(settings), *more_of_everything(segments, measure))
    return AffinityReport(shown, segments, settings, warnings)


def _check(measure: Any, direction: Any, amount: Any, min_customers: Any, n_permutations: Any) -> None:
    if measure not in ("customers", "lines", "spend"):
        raise ValueError(f"measure must be 'customers', 'lines' or 'spend', got {measure!r}.")
    if measure == "spend" and amount is None:
        raise ValueError("measure='spend' needs the column with the money: amount='...'.")
    if direction not in ("over", "both"):
        raise ValueError(f"direction must be 'over' or 'both', got {direction!r}.")
    for name, value, least in (("min_customers", min_customers, 2), ("n_permutations", n_permutations, 99)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")


def _compared(baskets: Baskets, measure: str) -> tuple[sparse.csr_matrix, Baskets]:
    """Return what is compared, customers x categories, and the baskets of those who take part."""
    shape = (len(baskets.segment), len(baskets.categories))
    if measure == "customers":
        values = np.ones(len(baskets.customer))
    else:
        weight = baskets.lines if measure == "lines" else baskets.value
        assert weight is not None  # noqa: S101  # spend without an amount is refused before
        own = np.bincount(baskets.customer, weight, shape[0])
        if measure == "spend" and not (own > 0).all():
            return _without(baskets, own > 0)
        values = weight / own[baskets.customer]
    return sparse.csr_matrix((values, (baskets.customer, baskets.category)), shape=shape), baskets


def _without(baskets: Baskets, spent: NDArray[np.bool_]) -> tuple[sparse.csr_matrix, Baskets]:
    """Leave out those who spent nothing: they have no shares of it."""
    if not spent.any():
        raise ValueError("nobody spent anything: all amounts are 0; measure='lines' compares lines instead.")
    pairs, place = spent[baskets.customer], np.cumsum(spent) - 1
    value = baskets.value[pairs] if baskets.value is not None else None
    counts = {
        **baskets.counts,
        "n_customers": int(spent.sum()),
        "n_spent_nothing": int((~spent).sum()),
        "n_unassigned": int((baskets.segment[spent] == len(baskets.segments)).sum()),
    }
    customer = place[baskets.customer[pairs]]
    kept = Baskets(
        baskets.segments, baskets.categories, baskets.segment[spent], customer, baskets.category[pairs],
        baskets.lines[pairs], value, counts,
    )  # fmt: skip
    return _compared(kept, "spend")


def _table(
    baskets: Baskets,
    cells: CellSums,
    tested: NDArray[np.bool_],
    p_values: NDArray[np.float64],
    adjusted: NDArray[np.float64],
    measure: str,
    level: float,
) -> tuple[pd.DataFrame, float]:
    """Return all cells that were tested, and the spread of true log lifts."""
    log_lift, variance = lifts(cells, binary=measure == "customers")
    expected = cells.n[:, None] * cells.buyers_all[None, :] / cells.n_all
    learnt = tested & (expected >= EXPECTED_AT_LEAST) & (variance > 0)  # no lift is known of what everybody buys
    spread = learn_spread(log_lift[learnt], variance[learnt])
    rows, columns = np.nonzero(tested)
    own, noise = log_lift[tested], variance[tested]
    half = float(norm.ppf((1 + level) / 2)) * np.sqrt(noise)
    drawn, drawn_low, drawn_high = spread.shrink(own, noise, (0.5, (1 - level) / 2, (1 + level) / 2))
    rest = (cells.total_all[None, :] - cells.total) / (cells.n_all - cells.n)[:, None]
    share = (cells.total / np.maximum(cells.n, 1)[:, None])[tested]
    table = pd.DataFrame(
        {
            "segment": pd.Categorical.from_codes(rows, categories=pd.Index(baskets.segments, dtype=object)),
            "category": np.array(baskets.categories, dtype=object)[columns],
            "n_customers": cells.buyers[tested].astype(np.int64),
            "n_rest": (cells.buyers_all[columns] - cells.buyers[tested]).astype(np.int64),
            "share": share,
            "share_rest": rest[tested],
            "lift": np.exp(own),
            "lift_low": _times(own - half),
            "lift_high": _times(own + half),
            "shrunken_lift": np.exp(drawn),
            "shrunken_lift_low": _times(drawn_low),
            "shrunken_lift_high": _times(drawn_high),
            "p_value": p_values[tested],
            "p_adjusted": adjusted[tested],
            "direction": pd.Series(np.where(share >= rest[tested], "over", "under"), dtype=object),
        }
    )
    return table, spread.overall


def _times(log: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a bound of a lift; where next to nothing is known it may lie beyond all floats."""
    return np.exp(np.clip(log, -LARGEST_LOG, LARGEST_LOG))


def _segments(
    baskets: Baskets, cells: CellSums, shown: pd.DataFrame, enough: pd.Series[bool], every: pd.DataFrame
) -> pd.DataFrame:
    """Return one row per segment: how many bought, how widely, and what is not shown."""
    names = pd.Index(baskets.segments, dtype=object)
    found = shown.loc[shown["found"], "segment"].value_counts().reindex(names, fill_value=0)
    hidden = every.loc[~enough, "segment"].astype(object).value_counts().reindex(names, fill_value=0)
    bought = cells.buyers.sum(axis=1)
    rest = cells.n_all - cells.n
    return pd.DataFrame(
        {
            "segment": names,
            "n_customers": cells.n.astype(np.int64),
            "n_found": found.to_numpy(dtype=np.int64),
            "n_suppressed": hidden.to_numpy(dtype=np.int64),
            "categories_per_customer": bought / np.where(cells.n > 0, cells.n, np.nan),
            "categories_per_customer_rest": (cells.buyers_all.sum() - bought) / np.where(rest > 0, rest, np.nan),
        }
    )

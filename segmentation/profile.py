"""The profile table: one row per segment, what it is like and what it is worth."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation._frames import is_frame, to_pandas
from segmentation._notes import notes_of, with_notes
from segmentation._validation import as_customers
from segmentation.assignment import UNASSIGNED, as_assignment
from segmentation.exceptions import ColumnError, CustomerTableError, UnmatchedCustomersWarning

__all__ = ["profile_segments"]

# A free-text column would otherwise become thousands of columns.
LEVELS_AT_MOST = 50
# From so many draws on it is told whether they belong to the score.
FEWEST_JUDGED = 50


def profile_segments(
    assignment: Any,
    *,
    scores: Any = None,
    features: Any = None,
    draws: Any = None,
    level: float = 0.9,
) -> pd.DataFrame:
    """Describe each segment by its size, its scores and its features.

    Parameters
    ----------
    assignment : dataframe or Series
        From `assign`; a Series or table of your own segment names, indexed by customer, will do (in
        whole numbers -1 is in none).
    scores : dataframe, optional
        One row per customer, numeric columns, for instance from `score_customers`.
    features : dataframe, optional
        One row per customer; numeric, boolean, date, text or categorical columns.
    draws : array or dataframe of shape (n_draws, n_customers), or mapping of score name to one, optional
        Draws of scores, as ``sample_customers`` returns them. Columns of an array are the customers of `scores` in
        their order; columns of a dataframe are customer ids. Totals of segments from `sample_segments` will do too (for
        many customers they are the only ones that fit in memory), and know their score. Other draws without a mapping
        belong to the first score. Draws of customers without the score are left out, as the customers are from its mean
        and total.
    level : float, default=0.9
        Level of the intervals from `draws`.

    Returns
    -------
    pandas.DataFrame
        Index ``segment``, in the order of the assignment's categories; a row "unassigned" only where there are such
        customers. Empty segments stay, with 0 customers and missing means. Columns:

        ``n_customers``, ``share``
            Customers in the segment, and their share of all customers of the assignment.
        ``<score>_mean``, ``<score>_total``, ``<score>_share``, ``<score>_n``
            Over the customers of the segment that have the score; share of the total over all rows of the profile
            (missing for all where that total is 0 or one of the segments' is negative); how many have it.
        ``<score>_mean_low``, ``<score>_mean_high`` and likewise for ``_total`` and ``_share``
            With `draws`: quantiles of the figure aggregated **within each draw**. Bounds of single customers are
            never summed.
        ``<feature>``
            Mean of a numeric or date column; share of true of a boolean one; missing values left out.
        ``<feature>=<level>``
            Share of each level of a text or categorical column among the customers for whom it is known. A column
            in which nothing is known gives one column ``<feature>``, missing.

        Notes of the assignment (``attrs["notes"]``) go with the profile and are printed below it.
        ``attrs["unmatched"]`` counts the customers that stand in one table and not in the other, for instance
        ``{"scores": {"only_in_scores": 0, "only_in_assignment": 2}}``.

    Warns
    -----
    UnmatchedCustomersWarning
        If customers of `scores` or `features` have no assignment (they are left out) or the reverse (they count in
        ``n_customers`` only).

    Raises
    ------
    ColumnError
        If two columns would get the same name, a score is not numeric, a score or feature is infinite, or a text
        column has more than 50 levels.
    CustomerTableError
        If ids are missing or stand twice, the assignment has no rows, or shares no customer with another table.
    ValueError
        If draws have not one column per customer of `scores`, are not finite for one who has the score, or (those
        of `sample_segments`) cannot be draws of these scores.

    Examples
    --------
    >>> import pandas as pd
    >>> import segmentation as sg
    >>> ids = pd.Index([1, 2, 3], name="customer_id")
    >>> profile = sg.profile_segments(
    ...     pd.Series(["a", "a", "b"], index=ids),
    ...     scores=pd.DataFrame({"clv": [10.0, 30.0, 60.0]}, index=ids),
    ...     features=pd.DataFrame({"region": ["north", "south", "south"]}, index=ids))
    >>> profile.loc["a"].to_dict()  # doctest: +NORMALIZE_WHITESPACE
    {'n_customers': 2.0, 'share': 0.6666666666666666, 'clv_mean': 20.0, 'clv_total': 40.0, 'clv_share': 0.4,
     'clv_n': 2.0, 'region=north': 0.5, 'region=south': 0.5}
    """
    if isinstance(level, bool) or not isinstance(level, int | float | np.number) or not 0 < level < 1:
        raise ValueError(f"level must be a number between 0 and 1, got {level!r}.")
    table = as_assignment(assignment)
    if not len(table):
        raise CustomerTableError("there is nothing to profile: the assignment has no customers (0 rows).")
    segment = table["segment"]
    if not (segment == UNASSIGNED).any():
        segment = segment.cat.set_categories(segment.cat.categories[:-1])  # remove_categories would sort the others
    names = segment.cat.categories
    size = segment.value_counts(sort=False).to_numpy()
    columns: dict[str, Any] = {"n_customers": size, "share": size / len(table)}
    unmatched: dict[str, dict[str, int]] = {}
    if scores is not None:
        scores = _matched(scores, table.index, "scores", unmatched)
        spread = _draws_by_score(draws, scores)
        for name in scores.columns:
            values = _score_values(scores[name], name)
            _add(columns, _score_figures(values, segment, name).items())
            if name in spread:
                _add(columns, _intervals(spread[name], values, segment, name, level))
    elif draws is not None:
        raise ValueError("draws need the scores they belong to: profile_segments(..., scores=..., draws=...).")
    if features is not None:
        features = _matched(features, table.index, "features", unmatched)
        for name in features.columns:
            _add(columns, _feature_figures(features[name], segment, name))
    profile = pd.DataFrame(columns, index=pd.Index(names.astype(object), name="segment"))
    profile.attrs["unmatched"] = unmatched
    _warn_unmatched(unmatched)
    return with_notes(profile, notes_of(assignment))


def _add(columns: dict[str, Any], new: Iterable[tuple[str, Any]]) -> None:
    """Add columns, refusing a name that is taken."""
    for name, values in new:
        if name in columns:
            raise ColumnError(
                f"two columns of the profile would be called {name!r}: rename the score or the feature it comes from."
            )
        columns[name] = values


def _matched(frame: Any, customers: pd.Index, what: str, unmatched: dict[str, dict[str, int]]) -> pd.DataFrame:
    """Return the table of a customer's scores or features, and count ids found on one side only."""
    if isinstance(frame, pd.Series):
        if frame.name is None:
            raise ColumnError(f"{what} is a Series without a name; series.rename('...') gives it one.")
        frame = frame.to_frame()
    if not is_frame(frame):
        raise TypeError(f"{what} must be a dataframe with one row per customer, got {type(frame).__name__}.")
    table = as_customers(frame)
    both = int(table.index.isin(customers).sum())
    if not both:
        raise CustomerTableError(
            f"no customer of {what} is in the assignment: its ids look like {name_some(table.index[:3])} "
            f"({table.index.dtype}), those of the assignment like {name_some(customers[:3])} ({customers.dtype})."
        )
    unmatched[what] = {f"only_in_{what}": len(table) - both, "only_in_assignment": len(customers) - both}
    return table


def _warn_unmatched(unmatched: dict[str, dict[str, int]]) -> None:
    texts = []
    for what, counts in unmatched.items():
        extra, without = counts[f"only_in_{what}"], counts["only_in_assignment"]
        if extra:
            texts.append(f"{count(extra, 'customer')} of {what} not in the assignment (left out)")
        if without:
            texts.append(f"{count(without, 'customer')} of the assignment not in {what} (counted in n_customers only)")
    if texts:
        warnings.warn("; ".join(texts) + ".", UnmatchedCustomersWarning, stacklevel=3)


def _plain(column: pd.Series[Any]) -> pd.Series[Any]:
    """Give a column the dtype of what it holds, so that the same data have the same profile whatever brought them.

    A boolean with missing values arrives from polars, and a date from pyarrow and DuckDB, as Python objects.
    """
    dtype = column.dtype
    if not (isinstance(dtype, pd.ArrowDtype) or pd.api.types.is_object_dtype(dtype)) or pd.api.types.is_numeric_dtype(
        dtype
    ):
        return column
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind == "boolean":
        return column.astype("boolean")
    if kind in {"integer", "floating", "mixed-integer-float", "decimal"}:
        return column.where(column.notna(), np.nan).astype(np.float64)
    if kind in {"date", "datetime", "datetime64"}:
        return pd.to_datetime(column.astype(object))
    return pd.to_timedelta(column.astype(object)) if kind in {"timedelta", "timedelta64"} else column


def _is_number(dtype: Any) -> bool:
    """Tell whether a column of this type has a mean; a complex one has none that can be compared."""
    is_number = pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype)
    return is_number and not pd.api.types.is_complex_dtype(dtype)


def _finite(column: pd.Series[Any], what: str) -> pd.Series[Any]:
    """Return a column of numbers as floats, NaN where missing, or say for whom it is infinite."""
    values = pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan), index=column.index)
    infinite = values.index[np.isinf(values)]
    if len(infinite):
        raise ColumnError(f"{what} is infinite for {name_some(infinite)}.")
    return values


def _score_values(score: pd.Series[Any], name: Any) -> pd.Series[Any]:
    """Return a score as floats, NaN for customers who have none."""
    if not isinstance(name, str):
        raise ColumnError(f"score names must be text, got {name!r}.")
    score = _plain(score)
    if not _is_number(score.dtype):
        raise ColumnError(
            f"score {name!r} holds {score.dtype} (values {name_some(score.iloc[:4], 3)}), not numbers; "
            "give it as one of the features, or convert it."
        )
    return _finite(score, f"score {name!r}")


def _score_figures(values: pd.Series[Any], segment: pd.Series[Any], name: str) -> dict[str, Any]:
    """Mean, total, share and count of one score per segment."""
    grouped = values.reindex(segment.index).groupby(segment, observed=False)
    total = grouped.sum().to_numpy()
    return {
        f"{name}_mean": grouped.mean().to_numpy(),
        f"{name}_total": total,
        f"{name}_share": _shares(total),
        f"{name}_n": grouped.count().to_numpy(),
    }


def _shares(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide totals of segments, shape (..., n_segments), by their sum.

    Missing where that is 0 or a total is negative: a loss is no share of a whole.
    """
    whole = totals.sum(axis=-1, keepdims=True)
    parts_of_it = (whole > 0) & (totals >= 0).all(axis=-1, keepdims=True)
    shares: NDArray[np.float64] = np.divide(totals, whole, out=np.full_like(totals, np.nan), where=parts_of_it)
    return shares


def _draws_by_score(draws: Any, scores: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Read draws as one table per score: rows are draws, columns customer ids."""
    if draws is None:
        return {}
    if not len(scores.columns):
        raise ColumnError("draws need the score they belong to, and scores has no column.")
    first = getattr(draws, "attrs", {}).get("score", scores.columns[0])
    given = draws if isinstance(draws, Mapping) else {first: draws}
    unknown = [name for name in given if name not in scores.columns]
    if unknown:
        raise ColumnError(f"draws for {name_some(unknown)}, which is no score: {name_some(scores.columns)}.")
    return {
        name: to_pandas(values) if _of_segments(values) else _draw_table(name, values, scores.index)
        for name, values in given.items()
    }


def _of_segments(draws: Any) -> bool:
    """Tell whether draws are totals of segments already, as `sample_segments` returns them."""
    return isinstance(draws, pd.DataFrame) and draws.columns.name == "segment"


def _draw_table(name: str, values: Any, customers: pd.Index) -> pd.DataFrame:
    if is_frame(values):
        table = to_pandas(values)
    else:
        array = np.asarray(values, dtype=np.float64)
        if array.ndim != 2 or array.shape[1] != len(customers):
            raise ValueError(
                f"draws of {name!r} must have one column per customer of scores: shape (n_draws, {len(customers)}), "
                f"got {array.shape}. sample_customers(X) returns that shape for the X that was scored."
            )
        table = pd.DataFrame(array, columns=customers)
    if not len(table):
        raise ValueError(f"draws of {name!r} have no rows.")
    if not table.columns.is_unique:
        repeated = table.columns[table.columns.duplicated()]
        raise ValueError(f"draws of {name!r} have more than one column for {name_some(repeated)}.")
    missing = customers.difference(table.columns)
    if len(missing):
        raise ValueError(f"draws of {name!r} lack {count(len(missing), 'customer')} of scores: {name_some(missing)}.")
    return table


def _intervals(
    draws: pd.DataFrame, score: pd.Series[Any], segment: pd.Series[Any], name: str, level: float
) -> Iterable[tuple[str, Any]]:
    """Aggregate within each draw, then take quantiles over draws.

    Over the same customers as the figure itself: those who are assigned and have the score.
    """
    codes = segment.cat.codes.reindex(score.index[score.notna()]).dropna().astype(np.int64)
    n_segments = len(segment.cat.categories)
    counts = np.bincount(codes, minlength=n_segments)
    if _of_segments(draws):
        totals = _totals_of(draws, segment, counts, name)
    else:
        totals = _totals_within(draws, codes, n_segments, name)
    if "score" in draws.attrs:
        _refuse_other_draws(totals, score.reindex(codes.index).to_numpy(), name)
    means = np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0)
    for figure, table in (("mean", means), ("total", totals), ("share", _shares(totals))):
        low, high = np.quantile(table, [(1 - level) / 2, (1 + level) / 2], axis=0)
        yield f"{name}_{figure}_low", low
        yield f"{name}_{figure}_high", high


def _refuse_other_draws(totals: NDArray[np.float64], score: NDArray[np.float64], name: str) -> None:
    """Refuse draws that cannot be those of this score: their total is always far above it, or always far below."""
    whole, expected = totals.sum(axis=1), float(score.sum())
    low, high = float(whole.min()), float(whole.max())
    # the expectation lies beyond all of many draws by more than all of them span: not the work of chance
    if len(whole) >= FEWEST_JUDGED and not low - (high - low) <= expected <= high + (high - low):
        raise ValueError(
            f"draws of {name!r} add up to {low:,.6g} to {high:,.6g}, and the scores to {expected:,.6g}: they are draws "
            "of another score, or made with other settings (horizon, margin, discount rate) than the scores."
        )


def _totals_of(
    draws: pd.DataFrame, segment: pd.Series[Any], counts: NDArray[np.int64], name: str
) -> NDArray[np.float64]:
    """Put totals of segments in the order of the assignment, (n_draws, n_segments)."""
    categories = segment.cat.categories
    unknown = [one for one in draws.columns if one not in categories]
    lacking = [one for one, n in zip(categories, counts, strict=True) if n and one not in draws.columns]
    if unknown or lacking:
        raise ColumnError(
            f"draws of {name!r} are not those of this assignment: "
            f"{'unknown segments ' + name_some(unknown) if unknown else 'none for ' + name_some(lacking)}."
        )
    totals = draws.reindex(columns=categories, fill_value=0.0).to_numpy(dtype=np.float64)
    if not len(totals) or not np.all(np.isfinite(totals)):
        raise ValueError(f"draws of {name!r} are missing, or not finite.")
    return totals


def _totals_within(draws: pd.DataFrame, codes: pd.Series[Any], n_segments: int, name: str) -> NDArray[np.float64]:
    """Add the customers of each segment up within each draw, (n_draws, n_segments)."""
    values = draws.loc[:, codes.index].to_numpy(dtype=np.float64)
    wrong = ~np.isfinite(values).all(axis=0)
    if wrong.any():
        raise ValueError(
            f"draws of {name!r} are not finite for {count(int(wrong.sum()), 'customer')} who "
            f"{'has' if wrong.sum() == 1 else 'have'} the score: {name_some(codes.index[wrong])}."
        )
    totals = np.zeros((len(values), n_segments))
    for code in range(n_segments):
        totals[:, code] = values[:, codes.to_numpy() == code].sum(axis=1)
    return totals


def _feature_figures(feature: pd.Series[Any], segment: pd.Series[Any], name: Any) -> Iterable[tuple[str, Any]]:
    """Mean of a numeric column, shares of the levels of any other, per segment."""
    feature = _plain(feature)
    dtype = feature.dtype
    aligned = feature.reindex(segment.index)
    if _is_number(dtype):
        values = _finite(aligned, f"feature {name!r}")
        yield str(name), values.groupby(segment, observed=False).mean().to_numpy()
    elif pd.api.types.is_datetime64_any_dtype(dtype) or pd.api.types.is_timedelta64_dtype(dtype):
        yield str(name), aligned.groupby(segment, observed=False).mean().array
    else:
        levels = feature.cat.categories if isinstance(dtype, pd.CategoricalDtype) else _levels(feature, name)
        if not len(levels):  # nothing is known of anybody; the feature stays visible
            yield str(name), np.full(len(segment.cat.categories), np.nan)
            return
        codes = pd.Categorical(aligned.astype(object), categories=levels)
        counts = pd.crosstab(segment, codes, dropna=False).reindex(
            index=segment.cat.categories, columns=levels, fill_value=0
        )
        known = counts.sum(axis=1)
        shares = counts.div(known.where(known > 0), axis=0)
        for one in levels:
            yield f"{name}={one}", shares[one].to_numpy(dtype=np.float64)


def _levels(feature: pd.Series[Any], name: Any) -> list[Any]:
    """Return the sorted levels of a text column, refusing free text."""
    try:
        levels = feature.dropna().unique()
    except TypeError as error:  # no hash
        values = name_some(feature.dropna().iloc[:1])
        raise ColumnError(f"feature {name!r} holds values such as {values}: neither numbers nor levels.") from error
    if len(levels) > LEVELS_AT_MOST:
        raise ColumnError(
            f"feature {name!r} has {len(levels):,} different values ({name_some(levels, 3)}); a profile takes at most "
            f"{LEVELS_AT_MOST} levels of a text column. Group the rare ones, drop the column, or make it numeric."
        )
    try:
        return sorted(levels.tolist(), key=lambda value: (str(type(value)), value))
    except TypeError:  # no order among them
        return sorted(levels.tolist(), key=str)

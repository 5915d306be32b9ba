"""Scores of rating scales from the answers to their items, with what there is to know about their quality."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from segmentation._format import column_difference, count, name_some, number
from segmentation._validation import as_customers
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.features._column_values import as_numbers, read_column
from segmentation.features._reliability import alpha_of, cronbach_alpha, item_rest, pairwise_covariance
from segmentation.features._response_style import response_styles, style_warnings
from segmentation.features._survey_result import SurveyScales

__all__ = ["survey_scales"]

Range = tuple[float, float]
# Chance that any item of a survey with right keys is called wrong.
FALSE_ALARM = 0.05


def survey_scales(
    answers: Any,
    keys: Mapping[str, Sequence[str]],
    reverse: Iterable[str] = (),
    *,
    min_answered: float = 0.5,
    answer_range: tuple[float, float] | Mapping[str, tuple[float, float]] | None = None,
    level: float = 0.9,
) -> SurveyScales:
    """Turn answers to rating items into one score per scale.

    Parameters
    ----------
    answers : dataframe
        One row per customer, the items as numbers (1 = disagree ... 6 = agree); other columns are ignored.
    keys : mapping of scale to items
        Which items make which scale: ``{"openness": ["O1", "O2"]}``. An item may stand in one scale only.
    reverse : iterable of str
        Items that ask for the opposite; their answer x becomes ``low + high - x``.
    min_answered : float or int, default=0.5
        A float is the share of the items of a scale, an int their number, that a customer must have answered to get a
        score: the mean of those. The default is the half rule in use for questionnaires of health.
    answer_range : (low, high), or mapping of scale to (low, high), optional
        What could be answered. By default learnt from all items of a scale together, which is wrong where nobody
        chose an extreme answer: the reliability table and a note say so.
    level : float, default=0.9
        Level of the intervals of alpha.

    Returns
    -------
    SurveyScales
        ``scores``, ``reliability``, ``items``, ``styles``, ``warnings``.

    Raises
    ------
    ColumnError
        If items are not there, stand in two scales, are no numbers, or `reverse` names an item of no scale.
    CustomerTableError
        If an answer lies outside of the range given.
    ValueError
        If a parameter is not allowed.

    Notes
    -----
    Cronbach's alpha [1]_ is ``k / (k - 1) * (1 - trace(C) / sum(C))`` of the covariances C of the items after keying,
    each of those who answered both (pairwise); its interval assumes no distribution (see `References` [2]_) but that
    answers are missing by chance.

    Reversing an item raises alpha exactly where its correlation with the rest of the scale is below 0. Where one is
    by more than chance explains (5 % for all items together), the fewest items that would have to be turned round for
    none to go against the rest are named as likely to have a wrong key.

    Straight-lining is half or more of a customer's answers in one string of equal ones [3]_, in the order in which the
    items stand in the table, and longer than anybody's would be if all items were answered independently. Acquiescence
    is the mean answer over items of both keyings in equal parts; who lies beyond three standard deviations (from the
    middle 90 % of the customers) is flagged, and reported where there are more of them than chance explains. Nobody is
    left out: that is for you to decide, with ``styles``.

    References
    ----------
    .. [1] Cronbach (1951), Coefficient alpha and the internal structure of tests, Psychometrika 16,
       doi:10.1007/BF02310555.
    .. [2] Maydeu-Olivares, Coffman, Hartmann (2007), Asymptotically distribution-free interval estimation of
       coefficient alpha, Psychological Methods 12(2), doi:10.1037/1082-989X.12.2.157.
    .. [3] Curran (2016), Methods for the detection of carelessly invalid responses in survey data, J. Experimental
       Social Psychology 66, doi:10.1016/j.jesp.2015.07.006.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.features import survey_scales
    >>> answers = pd.DataFrame({
    ...     "likes_new": [5, 4, 2, 1, None], "tries_first": [5, 5, 2, 1, 4], "keeps_old": [1, 2, 4, 5, None],
    ... }, index=pd.Index(list("abcde"), name="customer_id"))
    >>> result = survey_scales(answers, {"novelty": list(answers)}, reverse=["keeps_old"], answer_range=(1, 5))
    >>> result.scores["novelty"].round(2).to_dict()
    {'a': 5.0, 'b': 4.33, 'c': 2.0, 'd': 1.0, 'e': nan}
    >>> result.reliability[["n_items", "n_reversed", "n_scored", "n_unscored"]].to_dict("index")
    {'novelty': {'n_items': 3, 'n_reversed': 1, 'n_scored': 4, 'n_unscored': 1}}
    """
    scales = _checked_keys(keys)
    turned = _checked_reverse(reverse, scales)
    _check_parameters(min_answered, level)
    table = _answers(answers, scales)
    ranges = _ranges(table, scales, answer_range)
    keyed = table.copy()
    for scale, items in scales.items():
        low, high = ranges[scale]
        for item in items:
            if item in turned:
                keyed[item] = low + high - keyed[item]
    scores = pd.DataFrame({scale: _scores(keyed[items], min_answered) for scale, items in scales.items()})
    reliability = _reliability(keyed, scores, scales, turned, ranges, answer_range, level)
    item_table = _items(table, keyed, scales, turned)
    middle = {item: sum(ranges[scale]) / 2 for scale, items in scales.items() for item in items}
    styles = response_styles(table, scales, turned, middle)
    warnings = (
        *_key_warnings(keyed, scales, turned),
        *style_warnings(styles, table, len(turned)),
        *_range_warnings(reliability),
        *_score_warnings(reliability),
    )
    settings = {"reverse": tuple(sorted(turned)), "min_answered": min_answered, "level": level}
    return SurveyScales(scores, reliability, item_table, styles, settings, warnings)


# --- what comes in


def _checked_keys(keys: Any) -> dict[str, list[str]]:
    if not isinstance(keys, Mapping) or not keys:
        raise ValueError(f"keys must map each scale to its items, got {keys!r}.")
    scales = {}
    for scale, items in keys.items():
        if isinstance(items, str) or not isinstance(items, Iterable):
            raise ValueError(f"keys[{scale!r}] must be a list of items, got {items!r}.")
        scales[scale] = list(items)
        if not scales[scale]:
            raise ValueError(f"keys[{scale!r}] has no item.")
    listed = [item for items in scales.values() for item in items]
    repeated = sorted({str(item) for item in listed if listed.count(item) > 1})
    if repeated:
        raise ColumnError(
            f"{count(len(repeated), 'item stands', 'items stand')} more than once in keys: {name_some(repeated)}."
        )
    return scales


def _checked_reverse(reverse: Any, scales: Mapping[str, list[str]]) -> frozenset[str]:
    if isinstance(reverse, str):
        raise ValueError(f"reverse must be a list of items, got the text {reverse!r}: write [{reverse!r}].")
    turned = frozenset(reverse)
    listed = [item for items in scales.values() for item in items]
    strange = sorted(turned - set(listed), key=str)
    if strange:
        raise ColumnError(f"reverse names items that are in no scale; {column_difference(strange, listed)}.")
    return turned


def _check_parameters(min_answered: Any, level: Any) -> None:
    whole = isinstance(min_answered, numbers.Integral)
    if (
        isinstance(min_answered, bool)
        or not isinstance(min_answered, numbers.Real)
        or (whole and float(min_answered) < 1)
        or (not whole and not 0 < float(min_answered) <= 1)
    ):
        raise ValueError(f"min_answered must be a share in (0, 1] or a number of items, got {min_answered!r}.")
    if not isinstance(level, numbers.Real) or not 0 < float(level) < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level!r}.")


def _answers(answers: Any, scales: Mapping[str, list[str]]) -> pd.DataFrame:
    """Return the items as numbers, in the order of the table, which is that of the questionnaire."""
    table = as_customers(answers)
    listed = [item for items in scales.values() for item in items]
    if any(item not in table.columns for item in listed):
        raise ColumnError(f"items are not in the table; {column_difference(listed, list(table.columns))}.")
    if not len(table):
        raise CustomerTableError("a table without customers has no scores.")
    wanted = set(listed)
    columns = {}
    for item in [name for name in table.columns if name in wanted]:
        values = read_column(table[item])
        x = as_numbers(values)
        lost = np.isnan(x) & ~values.missing
        if values.kind == "date" or lost.any() or np.isinf(x).any():
            examples = table[item][lost | np.isinf(x)].unique() if values.kind != "date" else table[item].head(2)
            raise ColumnError(
                f"item {item!r} must hold numbers, and has {name_some(examples)}: turn the words into numbers, from "
                "disagreement to agreement, and what is no answer into a missing value."
            )
        columns[item] = x
    return pd.DataFrame(columns, index=table.index)


def _ranges(table: pd.DataFrame, scales: Mapping[str, list[str]], given: Any) -> dict[str, Range]:
    if isinstance(given, Mapping):
        strange = [scale for scale in given if scale not in scales]
        if strange:
            raise ValueError(f"answer_range names scales that are not in keys: {name_some(strange)}.")
    ranges = {}
    for scale, items in scales.items():
        found = given.get(scale) if isinstance(given, Mapping) else given
        if found is None:
            values = table[items].to_numpy()
            if np.isnan(values).all():
                raise CustomerTableError(f"scale {scale!r} has no answer at all.")
            ranges[scale] = (float(np.nanmin(values)), float(np.nanmax(values)))
            continue
        ranges[scale] = _given_range(scale, found)
        low, high = ranges[scale]
        outside = (table[items] < low) | (table[items] > high)
        if outside.to_numpy().any():
            columns = list(outside.columns[outside.any()])
            rows = outside.index[outside.any(axis=1)]
            raise CustomerTableError(
                f"scale {scale!r}: {count(int(outside.to_numpy().sum()), 'answer')} outside of {number(low)} to "
                f"{number(high)}, in {name_some(columns)}, of {name_some(rows)}. Make codes for missing answers "
                "missing, or correct answer_range."
            )
    return ranges


def _given_range(scale: str, given: Any) -> Range:
    try:
        low, high = (float(value) for value in given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"answer_range of {scale!r} must be (low, high), got {given!r}.") from error
    if not low < high:
        raise ValueError(f"answer_range of {scale!r} must have low < high, got {given!r}.")
    return low, high


# --- what comes out


def _scores(items: pd.DataFrame, min_answered: float) -> pd.Series[Any]:
    """Mean of the answers there are, where there are enough."""
    needed = min_answered if isinstance(min_answered, numbers.Integral) else min_answered * len(items.columns)
    enough = items.notna().sum(axis=1) >= needed - 1e-9
    result: pd.Series[Any] = items.mean(axis=1).where(enough)
    return result


def _reliability(
    keyed: pd.DataFrame,
    scores: pd.DataFrame,
    scales: Mapping[str, list[str]],
    turned: frozenset[str],
    ranges: Mapping[str, Range],
    given: Any,
    level: float,
) -> pd.DataFrame:
    rows = []
    for scale, items in scales.items():
        values = keyed[items]
        scored = scores[scale].notna()
        alpha = cronbach_alpha(values.to_numpy(), level)
        is_given = given is not None and (not isinstance(given, Mapping) or scale in given)
        rows.append(
            {
                "n_items": len(items),
                "n_reversed": len(turned.intersection(items)),
                "alpha": alpha.alpha,
                "alpha_low": alpha.low,
                "alpha_high": alpha.high,
                "mean_correlation": alpha.mean_correlation,
                "n_scored": int(scored.sum()),
                "n_completed": int((scored & values.isna().any(axis=1)).sum()),
                "n_unscored": int((~scored).sum()),
                "low": ranges[scale][0],
                "high": ranges[scale][1],
                "range": "given" if is_given else "learnt",
            }
        )
    return pd.DataFrame(rows, index=pd.Index(list(scales), name="scale"))


def _items(
    table: pd.DataFrame, keyed: pd.DataFrame, scales: Mapping[str, list[str]], turned: frozenset[str]
) -> pd.DataFrame:
    rows, names = [], []
    for scale, items in scales.items():
        covariance, _ = pairwise_covariance(keyed[items].to_numpy())
        for i, item in enumerate(items):
            names.append(item)
            rows.append(
                {
                    "scale": scale,
                    "reversed": item in turned,
                    "n_answered": int(table[item].notna().sum()),
                    "mean": float(table[item].mean()),
                    "item_rest_correlation": item_rest(covariance, i),
                    "alpha_if_dropped": alpha_of(np.delete(np.delete(covariance, i, 0), i, 1)),
                    "alpha_if_reversed": alpha_of(_one_reversed(covariance, i)),
                }
            )
    return pd.DataFrame(rows, index=pd.Index(names, name="item"))


def _one_reversed(covariance: NDArray[np.float64], item: int) -> NDArray[np.float64]:
    result = covariance.copy()
    result[item, :] *= -1
    result[:, item] *= -1  # its variance has changed its sign twice
    return result


# --- what to say


def _key_warnings(keyed: pd.DataFrame, scales: Mapping[str, list[str]], turned: frozenset[str]) -> list[str]:
    """Name, for each scale with an item against the rest by more than chance, the fewest items to turn round."""
    n_items = sum(len(items) for items in scales.values())
    limit = float(stats.norm.ppf(1.0 - FALSE_ALARM / n_items))
    found = []
    for scale, items in scales.items():
        covariance, n = pairwise_covariance(keyed[items].to_numpy())
        rest = np.array([item_rest(covariance, i) for i in range(len(items))])
        against = -np.arctanh(np.clip(rest, -1 + 1e-12, 1 - 1e-12)) * np.sqrt(np.maximum(np.diag(n) - 3, 0.0))
        if not (against > limit).any():
            continue
        wrong, better = _turn_round(covariance)
        now = ", ".join(f"{items[i]!r} ({'reversed' if items[i] in turned else 'not reversed'} now)" for i in wrong)
        found.append(
            f"likely wrong {'key' if len(wrong) == 1 else 'keys'} in {scale!r}: {now}. The other way round, alpha "
            f"would be {alpha_of(better):.2f} instead of {alpha_of(covariance):.2f}."
        )
    return found


def _turn_round(covariance: NDArray[np.float64]) -> tuple[list[int], NDArray[np.float64]]:
    """Turn round the item most against the rest until none is; return the fewer items, and the covariances then.

    Each step raises the sum of all covariances, so it ends. Turning the others round instead gives the same scale
    upside down.
    """
    turned: set[int] = set()
    while True:
        sums = covariance.sum(axis=1) - np.diag(covariance)
        worst = int(sums.argmin())
        if sums[worst] >= -1e-12 * np.abs(covariance).max():
            break
        covariance = _one_reversed(covariance, worst)
        turned ^= {worst}
    others = set(range(len(covariance))) - turned
    return sorted(turned if len(turned) <= len(others) else others), covariance


def _range_warnings(reliability: pd.DataFrame) -> list[str]:
    learnt = reliability[(reliability["range"] == "learnt") & (reliability["n_reversed"] > 0)]
    ranges = dict.fromkeys(
        f"{number(low)} to {number(high)}" for low, high in zip(learnt["low"], learnt["high"], strict=True)
    )
    return (
        [
            f"the range of the answers was learnt from them ({', '.join(ranges)}), for {name_some(learnt.index)}; "
            "give answer_range to be sure that reversed items are turned round the right middle."
        ]
        if len(learnt)
        else []
    )


def _score_warnings(reliability: pd.DataFrame) -> list[str]:
    without = reliability[reliability["n_unscored"] > 0]["n_unscored"]
    if without.empty:
        return []
    parts = ", ".join(f"{scale} {n:,}" for scale, n in without.items())
    return [f"customers without a score, because they answered too few items: {parts}."]

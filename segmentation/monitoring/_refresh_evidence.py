"""Facts about an ageing segmentation: what a refit would change, what refits of old data change anyway, identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.base import clone

from segmentation._progress import progress
from segmentation.assignment import UNASSIGNED
from segmentation.compose import assign
from segmentation.monitoring._match import match_assignments, match_segments
from segmentation.monitoring._match_events import events_of
from segmentation.monitoring._match_evidence import count_pairs, evidence_of_customers
from segmentation.monitoring._match_result import SegmentMatch

__all__ = [
    "Noise",
    "best_names",
    "codes_of",
    "differs",
    "displaced",
    "gains_of_numbers",
    "goes_on",
    "identity_of",
    "noise_of_refits",
    "number_of_segments",
]

# From so many of the smaller table's customers on, the same customers say which segment is which.
ENOUGH_SHARED = 0.5
# The defaults of match_segments.
ALPHA, MIN_JACCARD = (signature(match_segments).parameters[name].default for name in ("alpha", "min_jaccard"))
# Samples, and customers in each, for silhouettes with one segment more.
N_NUMBERS, SAMPLE = 6, 800


Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Noise:
    """How refits differ from an assignment, by refit to a resample of the customers.

    ``displaced``: share of customers in another segment; ``events``: whether any segment did not go on.
    """

    displaced: NDArray[np.float64]
    events: NDArray[np.bool_]


def codes_of(assignment: pd.DataFrame) -> tuple[Codes, list[str]]:
    """Return codes, -1 for nobody's, and names of the segments of an assignment."""
    names = [str(name) for name in assignment["segment"].cat.categories]
    codes = assignment["segment"].cat.codes.to_numpy(dtype=np.int64)
    nobody = names.index(UNASSIGNED)
    return np.where(codes == nobody, -1, codes), names[:nobody]


def _pairing(old: Codes, new: Codes) -> tuple[Codes, NDArray[np.int64]]:
    """Return the old code of each new one (-1 for none) so that most customers keep theirs, and the counts."""
    counts = count_pairs(old, new, int(old.max(initial=0)) + 1, int(new.max(initial=0)) + 1)
    rows, columns = linear_sum_assignment(-counts[:-1, :-1])
    pairing = np.full(counts.shape[1] - 1, -2, dtype=np.int64)
    pairing[columns] = rows
    return pairing, counts


def best_names(old: pd.DataFrame, new: pd.DataFrame) -> dict[str, str]:
    """Return the old name of each new segment so that as many customers as possible keep theirs."""
    (old_codes, old_names), (new_codes, new_names) = codes_of(old), codes_of(new)
    pairing, _ = _pairing(old_codes, new_codes)
    pairs = zip(new_names, pairing.tolist(), strict=False)  # either may have no segments, and then one code in counts
    return {name: old_names[code] for name, code in pairs if 0 <= code < len(old_names)}


def displaced(old: pd.DataFrame, new: pd.DataFrame, names: dict[str, str]) -> NDArray[np.bool_]:
    """Tell who is in another segment, new segments called as `names` says; one without an old name is another."""
    called = (
        new["segment"]
        .astype(object)
        .map(lambda name: UNASSIGNED if name == UNASSIGNED else names.get(str(name), f"new {name}"))
    )
    result: NDArray[np.bool_] = called.to_numpy() != old["segment"].astype(object).map(str).to_numpy()
    return result


def differs(old: Codes, new: Codes) -> tuple[float, bool]:
    """Return the share of customers displaced, and whether any segment does not go on, by the rules of matching."""
    pairing, counts = _pairing(old, new)
    called = np.where(new < 0, -1, pairing[new])
    events = events_of(evidence_of_customers(counts, ALPHA), MIN_JACCARD)
    whole = {*events.event_old, *events.event_new} <= {"continued"}
    return float((called != old).mean()), not whole


def goes_on(match: SegmentMatch) -> bool:
    """Tell whether every segment goes on under its id, whole: nothing split, merged, born or died."""
    there = {"continued", "renamed"}
    return set(match.table["event"]) <= there and set(match.old["event"]) <= there


def noise_of_refits(
    model: Any, customers: pd.DataFrame, n_refits: int, rng: np.random.Generator, against: Codes | None = None
) -> tuple[Noise, list[Any]]:
    """Fit the model to resamples of customers; compare each with `against` or with the next, on all of them."""
    models, found = [], []
    for _ in progress(range(n_refits), what="refits to resamples", unit="fit"):
        models.append(clone(model).fit(_resample(customers, rng)))
        found.append(codes_of(assign(models[-1], customers))[0])
    pairs = [(against, codes) for codes in found] if against is not None else list(
        zip(found, [*found[1:], found[0]], strict=True))  # fmt: skip
    shares, events = zip(*(differs(*pair) for pair in pairs), strict=True)
    return Noise(np.array(shares), np.array(events)), models


def _resample(customers: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    rows = rng.integers(0, len(customers), len(customers))
    return customers.iloc[rows].set_axis(pd.RangeIndex(len(rows), name="customer_id"), axis=0)


def number_of_segments(model: Any) -> tuple[str, int] | None:
    """Return the parameter of a model that is its number of segments, and its value."""
    name = f"{model.steps[-1][0]}__n_clusters" if getattr(model, "steps", None) else "n_clusters"
    value = model.get_params().get(name)
    return (name, int(value)) if isinstance(value, int | np.integer) and value >= 2 else None


def gains_of_numbers(
    model: Any, reference: pd.DataFrame, current: pd.DataFrame, columns: Sequence[Any], rng: np.random.Generator
) -> tuple[dict[int, NDArray[np.float64]], dict[int, NDArray[np.float64]]] | None:
    """Return, for one segment more, by how much the mean silhouette gains, then and now, by sample.

    One segment fewer is not asked: of groups at unequal distances it comes to suit better when merely their mix
    changes, and a group that is gone shows in the segments of a refit, which has to split another. Columns are put on
    the scale of their own table: on that of the reference, a feature that merely scatters more would outweigh the
    others today, and cutting it in two would seem to suit better. None where the model has no number of segments or
    columns are no complete numbers.
    """
    found = number_of_segments(model)
    numeric = all(pd.api.types.is_numeric_dtype(reference[name].dtype) for name in columns)
    if found is None or not numeric or any(t[list(columns)].isna().to_numpy().any() for t in (reference, current)):
        return None
    name, number = found
    both: list[dict[int, list[float]]] = []
    for table in (reference, current):
        middle, spread = table[list(columns)].mean(), table[list(columns)].std().replace(0, 1.0)
        gains: dict[int, list[float]] = {n: [] for n in (number + 1,)}
        for _ in range(N_NUMBERS):
            sample = table.iloc[rng.choice(len(table), min(len(table), SAMPLE), replace=False)]
            space = ((sample[list(columns)] - middle) / spread).to_numpy(dtype=np.float64)
            own = _silhouette(clone(model), sample, space)
            for other, values in gains.items():
                values.append(_silhouette(clone(model).set_params(**{name: other}), sample, space) - own)
        both.append(gains)
    then, now = ({n: np.array(values) for n, values in gains.items()} for gains in both)
    return then, now


def _silhouette(model: Any, sample: pd.DataFrame, space: NDArray[np.float64]) -> float:
    from sklearn.metrics import silhouette_score

    codes, _ = codes_of(assign(model.fit(sample), sample))
    there = codes >= 0
    if len(np.unique(codes[there])) < 2:
        return -1.0
    return float(silhouette_score(space[there], codes[there]))


def identity_of(
    before: pd.DataFrame,
    by_model: pd.DataFrame,
    by_refit: pd.DataFrame,
    reference: pd.DataFrame,
    current: pd.DataFrame,
    columns: Sequence[Any],
) -> tuple[SegmentMatch, str]:
    """Match the segments of the refit with the old ones; return the first way in which all go on, else the first.

    1. Both definitions on the same new customers. 2. The same customers at both dates: right also where all values have
    shifted so far that the old definition puts everybody elsewhere. 3. Where customers differ: centres, each table's
    columns at mean 0 and standard deviation 1, which takes out what moved everybody alike.
    """
    old, new = codes_of(by_model), codes_of(by_refit)
    evidence = evidence_of_customers(count_pairs(old[0], new[0], len(old[1]), len(new[1])), ALPHA)
    settings = {"by": "customers", "min_jaccard": MIN_JACCARD, "alpha": ALPHA}
    # a segment of the model where nobody is today has died now: none was retired before
    first = match_assignments(by_model, by_refit, evidence, settings, [], gone=())
    if goes_on(first):
        return first, "both definitions on the same customers"
    shared = before.index.intersection(by_refit.index)
    if len(shared) >= ENOUGH_SHARED * min(len(before), len(by_refit)):
        match = match_segments(before, by_refit, by="customers")
        if goes_on(match):
            return match, "the same customers at both dates"
    numeric = [name for name in columns if pd.api.types.is_numeric_dtype(reference[name].dtype)]
    tables = [_standard(table[numeric]) for table in (reference, current)] if numeric else []
    if tables and not any(table.isna().to_numpy().any() for table in tables):
        match = match_segments(before, by_refit, by="centres", features_old=tables[0], features_new=tables[1])
        if goes_on(match):
            return match, "centres after what moved everybody alike is taken out"
    return first, "both definitions on the same customers"


def _standard(table: pd.DataFrame) -> pd.DataFrame:
    spread = table.std().replace(0, 1.0)
    return (table - table.mean()) / spread

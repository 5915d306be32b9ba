"""How well segments hold together and stand apart, by four indices and segment by segment."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from segmentation._format import count, name_some, percent
from segmentation.evaluation._density_validity import DensityValidity, density_validity
from segmentation.evaluation._refits import root_seed
from segmentation.evaluation._silhouette import (
    LEAST_PER_SEGMENT,
    METRICS,
    Grouped,
    Silhouettes,
    exact_silhouettes,
    group_customers,
    sampled_silhouettes,
)
from segmentation.evaluation._validity_indices import CentreIndices, centre_indices
from segmentation.evaluation._validity_input import Placed, place_customers
from segmentation.evaluation._validity_report import UNASSIGNED_WORDS, ValidityReport
from segmentation.exceptions import CustomerTableError

__all__ = ["validity"]

# All pairs of 20,000 customers take a second or two; pairs grow with the square.
EXACT_UP_TO = 20_000
SAMPLE = 2_000
# A segment's spanning tree takes the square of its size.
DBCV_SIZE = 2_000


def validity(
    X: Any,
    assignment: Any,
    *,
    space: Any = None,
    metric: str = "euclidean",
    sample_size: int | None = None,
    unassigned: Literal["exclude", "zero"] = "exclude",
    dbcv: bool | None = None,
    dbcv_size: int = DBCV_SIZE,
    random_state: Any = None,
    show_progress: bool | None = None,
) -> ValidityReport:
    """Measure how well segments hold together and stand apart, in all and one by one.

    Parameters
    ----------
    X : dataframe or array of shape (n_customers, n_features)
        The customers, numbers only; with `space`, what the model takes.
    assignment : assignment table, Series, or sequence of labels
        From `segmentation.assign`. Tables meet by customer id, and ids on one side only are counted; arrays, on
        either side, are aligned by position. Labels below 0 are unassigned.
    space : fitted Segmenter or Pipeline, optional
        Judge the segments where this model measured distances, on its own scaled columns: see `clustering_space`.
        Without it distances are those of the columns as they come.
    metric : {"euclidean", "sqeuclidean", "manhattan", "chebyshev", "canberra", "cosine", "hamming", "jaccard"}, \
default="euclidean"
        Distance of silhouette and DBCV; "jaccard" takes everything but 0 as yes. Calinski-Harabasz, Davies-Bouldin
        and dispersion are about centres and always Euclidean.
    sample_size : int, optional
        How many customers' silhouettes to work out, each from its distances to all customers; at least 50 of every
        segment. None: everybody among up to 20,000 assigned customers, 2,000 of more. As many as there are customers:
        everybody, whatever it costs.
    unassigned : {"exclude", "zero"}, default="exclude"
        "exclude": customers in no segment count nowhere, but in DBCV. "zero": each counts with a silhouette of 0 in
        the mean of all, so that leaving many out does not improve it; the indices of centres are about the assigned
        either way. They are never taken for a segment, which ``sklearn.metrics`` does with the label -1.
    dbcv : bool, optional
        Whether to compute DBCV; None: where there are unassigned customers.
    dbcv_size : int, default=2000
        DBCV uses at most so many customers of a segment at a time.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the samples; nothing else is random.
    show_progress : bool or None, default=None
        None: on a terminal only.

    Returns
    -------
    ValidityReport
        The indices, the same per segment, and what is to be known beside them.

    Raises
    ------
    CustomerTableError
        If values are missing or infinite, no customer is in both tables, or arrays differ in length.
    AssignmentError, ColumnError, TypeError, ValueError
        If an argument is not what it should be.

    Notes
    -----
    The silhouette, Calinski-Harabasz and Davies-Bouldin favour round segments of like width: of bent or drawn-out ones
    they are low though the segments are plain to see, and k-means optimises what they measure. DBCV [1]_ asks instead
    whether the sparsest link within a segment is shorter than the way to the next one; it suits segments of density
    and is recommended where there are unassigned customers, each of whom counts 0 in it. No index says that segments
    exist: all give some value for any division, and the values of different data do not compare.

    With fewer than two segments there is nothing to stand apart from, and the values are NaN. Somebody alone in a
    segment has a silhouette of 0. Where centres coincide Davies-Bouldin is infinite, where segments have no width
    Calinski-Harabasz is (``sklearn.metrics`` gives 0 for the one and 1 for the other).

    The standard error is about evaluating a sample of these customers, not about having these customers. Memory grows
    with the number of customers, not with its square.

    References
    ----------
    .. [1] Moulavi, Jaskowiak, Campello, Zimek, Sander (2014), Density-based clustering validation, SDM,
       doi:10.1137/1.9781611973440.96.
    .. [2] Rousseeuw (1987), Silhouettes: a graphical aid to the interpretation and validation of cluster analysis,
       J. Computational and Applied Mathematics 20, doi:10.1016/0377-0427(87)90125-7.

    Examples
    --------
    >>> import pandas as pd
    >>> import segmentation as sg
    >>> from segmentation.evaluation import validity
    >>> from segmentation.segmenters import KMeansSegmenter
    >>> customers = pd.DataFrame({"visits": [1, 2, 1, 2, 30, 31], "spend": [5.0, 6, 5, 7, 900, 950]})
    >>> model = KMeansSegmenter(n_clusters=2, random_state=0).fit(customers)
    >>> report = validity(customers, sg.assign(model, customers), space=model)
    >>> print(report)
    Validity of 2 segments (6 customers assigned; euclidean distances, as KMeansSegmenter measured distances)
      silhouette: 0.9739, from -1 to 1, higher is better [recommended here]
      calinski_harabasz: 3,266, from 0, higher is better
      davies_bouldin: 0.03498, from 0, lower is better
               n_customers  silhouette  share_negative nearest_segment
    segment
    segment_1            4       0.984             0.0       segment_2
    segment_2            2       0.954             0.0       segment_1
    """
    _check(metric, sample_size, unassigned, dbcv, dbcv_size)
    placed = place_customers(X, assignment, space, "validity")
    seed = root_seed(random_state)
    rng = check_random_state(seed)
    if metric == "cosine" and len(zero := np.flatnonzero(~placed.points.any(axis=1))):
        raise CustomerTableError(
            f"metric='cosine' has no distance for a customer whose values are all 0: {name_some(placed.ids[zero])}."
        )
    grouped = group_customers(placed.points, placed.codes, metric)
    n, n_assigned = len(placed.codes), len(grouped.rows)
    centres = centre_indices(_plain(placed, grouped), grouped.starts)
    wanted = n_assigned < n if dbcv is None else dbcv
    found, density = None, None
    largest = int(np.diff(grouped.starts).max(initial=0))
    size = (n_assigned if n_assigned <= EXACT_UP_TO else SAMPLE) if sample_size is None else int(sample_size)
    if len(grouped.codes) > 1:
        found = (
            exact_silhouettes(grouped, show=show_progress)
            if size >= n_assigned
            else sampled_silhouettes(grouped, size, rng, show=show_progress)
        )
        density = density_validity(grouped, n, dbcv_size, rng, show=show_progress) if wanted else None
    table = _table(placed, grouped, centres, found, density)
    settings = {
        "metric": metric,
        "space": placed.space,
        "unassigned": unassigned,
        "method": "exact" if found is None or len(found.positions) == n_assigned else "sampled",
        "n_customers": n,
        "n_assigned": n_assigned,
        "n_unassigned": n - n_assigned,
        "n_evaluated": 0 if found is None else len(found.positions),
        "sample_size": sample_size,
        "dbcv_size": dbcv_size if density is not None else None,
        # where nothing was drawn, no seed is needed for the same result
        "random_state": seed if random_state is not None or size < n_assigned or largest > dbcv_size else None,
    }
    return ValidityReport(
        table,
        _summary(settings, centres, found, density),
        _samples(placed, grouped, found),
        settings,
        (*placed.warnings, *_remarks(placed, table, settings, density)),
    )


def _check(metric: Any, sample_size: Any, unassigned: Any, dbcv: Any, dbcv_size: Any) -> None:
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {name_some(METRICS, len(METRICS))}, got {metric!r}.")
    for name, value, least in (("sample_size", sample_size, 1), ("dbcv_size", dbcv_size, 3)):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= least
        if not whole and not (value is None and name == "sample_size"):
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")
    if unassigned not in UNASSIGNED_WORDS:
        raise ValueError(f"unassigned must be 'exclude' or 'zero', got {unassigned!r}.")
    if dbcv not in (None, True, False):
        raise ValueError(f"dbcv must be True, False or None, got {dbcv!r}.")


def _plain(placed: Placed, grouped: Grouped) -> NDArray[np.float64]:
    """Return values sorted by segment as they are: yes and no of "jaccard" have lost them."""
    if grouped.metric == "jaccard":
        return placed.points[grouped.rows]
    return np.asarray(grouped.values, dtype=np.float64)


def _table(
    placed: Placed,
    grouped: Grouped,
    centres: CentreIndices,
    found: Silhouettes | None,
    density: DensityValidity | None,
) -> pd.DataFrame:
    """One row per segment of the assignment, empty ones with nothing but their count."""
    names = np.array(placed.segments, dtype=object)
    filled: dict[str, Any] = {}
    if found is not None:
        whose = grouped.owner[found.positions]
        k = len(grouped.codes)
        evaluated = np.bincount(whose, minlength=k)
        counts = np.zeros((k, k), dtype=np.int64)
        np.add.at(counts, (whose, found.nearest), 1)
        filled = {
            "n_evaluated": evaluated,
            "silhouette": found.means,
            "silhouette_se": found.errors,
            "share_negative": np.bincount(whose, found.scores < 0, minlength=k) / evaluated,
            "nearest_segment": names[grouped.codes[counts.argmax(axis=1)]],
            "nearest_share": counts.max(axis=1) / evaluated,
        }
    filled |= {"dispersion": centres.dispersion, "davies_bouldin": centres.closeness}
    if density is not None:
        filled |= {"dbcv": density.per_segment, "dbcv_n": density.n_used}
    columns = [*FIGURES]
    table = pd.DataFrame(filled, index=grouped.codes).reindex(index=range(len(names)), columns=columns)
    table.insert(0, "n_customers", placed.sizes)
    for name in ("n_evaluated", "dbcv_n"):
        table[name] = table[name].fillna(0).astype(np.int64)
    table["nearest_segment"] = table["nearest_segment"].astype(object)
    return table.set_axis(pd.Index(names, name="segment", dtype=object), axis=0)


FIGURES = (
    "n_evaluated",
    "silhouette",
    "silhouette_se",
    "share_negative",
    "nearest_segment",
    "nearest_share",
    "dispersion",
    "davies_bouldin",
    "dbcv",
    "dbcv_n",
)


def _summary(
    settings: dict[str, Any], centres: CentreIndices, found: Silhouettes | None, density: DensityValidity | None
) -> pd.DataFrame:
    nothing = np.nan
    share = settings["n_assigned"] / max(settings["n_customers"], 1) if settings["unassigned"] == "zero" else 1.0
    recommended = "dbcv" if settings["n_unassigned"] and density is not None else "silhouette"
    rows = [
        (
            "silhouette",
            nothing if found is None else found.mean * share,
            nothing if found is None else found.error * share,
            "higher",
            "from -1 to 1",
        ),
        (
            "dbcv",
            nothing if density is None else density.value,
            nothing if density is None else density.error,
            "higher",
            "from -1 to 1",
        ),
        ("calinski_harabasz", centres.calinski_harabasz, nothing, "higher", "from 0"),
        ("davies_bouldin", centres.davies_bouldin, nothing, "lower", "from 0"),
    ]
    summary = pd.DataFrame(rows, columns=["index", "value", "se", "better", "range"]).set_index("index")
    summary["recommended"] = summary.index == recommended
    return summary


def _samples(placed: Placed, grouped: Grouped, found: Silhouettes | None) -> pd.DataFrame:
    categories = pd.Index(placed.segments, dtype=object)
    if found is None:
        empty = pd.Categorical([], categories=categories)
        return pd.DataFrame(
            {"segment": empty, "silhouette": np.zeros(0), "nearest_segment": empty}, index=placed.ids[:0]
        )
    whose = grouped.codes[grouped.owner[found.positions]]
    return pd.DataFrame(
        {
            "segment": pd.Categorical.from_codes(whose, categories=categories),
            "silhouette": found.scores,
            "nearest_segment": pd.Categorical.from_codes(grouped.codes[found.nearest], categories=categories),
        },
        index=placed.ids[grouped.rows[found.positions]],
    )


def _remarks(
    placed: Placed, table: pd.DataFrame, settings: dict[str, Any], density: DensityValidity | None
) -> list[str]:
    """Say what must be known beside the figures."""
    remarks, sizes = [], placed.sizes
    empty, alone = (list(table.index[sizes == n]) for n in (0, 1))
    if not (sizes > 0).any():
        remarks.append("nobody is in a segment: there is nothing to measure.")
    elif (sizes > 0).sum() == 1:
        remarks.append("there is only one segment with customers: nothing to stand apart from, no index is defined.")
    if empty and (sizes > 0).any():
        remarks.append(f"{count(len(empty), 'segment has', 'segments have')} no customers: {name_some(empty)}.")
    if alone:
        remarks.append(
            f"{count(len(alone), 'segment has', 'segments have')} one customer ({name_some(alone)}), whose silhouette "
            "is 0 by definition."
        )
    if settings["n_unassigned"]:
        share = settings["n_unassigned"] / settings["n_customers"]
        remarks.append(
            f"{count(settings['n_unassigned'], 'customer')} ({percent(share)}) unassigned, "
            f"{UNASSIGNED_WORDS[settings['unassigned']]}."
        )
        if density is not None:
            remarks.append("DBCV is recommended here: it is about density and counts every unassigned customer as 0.")
    if settings["method"] == "sampled":
        remarks.append(
            f"silhouettes of {settings['n_evaluated']:,} of {settings['n_assigned']:,} customers, each from its "
            f"distances to all; at least {LEAST_PER_SEGMENT} of every segment. sample_size sets how many."
        )
    if density is not None and (density.n_used < sizes[sizes > 0]).any():
        remarks.append(
            f"DBCV: mean of five samples of at most {settings['dbcv_size']:,} customers per segment; its standard "
            "error is their spread. A sample is sparser, so drawn-out segments come out too low."
        )
    return remarks

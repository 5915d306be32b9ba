"""Segments as dense groups of customers, of any shape, with those who are in none left apart."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._tags import SegmentationTags
from segmentation.base import Segmenter, largest_degree
from segmentation.exceptions import WeakDensityWarning
from segmentation.segmenters._density_learn import Learnt, Prepared, learn_density, prepare
from segmentation.segmenters._density_membership import soft_membership
from segmentation.segmenters._density_notes import DensityFigures, problems_of, remarks_on
from segmentation.segmenters._density_package import DensitySettings, resolve_size
from segmentation.segmenters._density_tree import (
    Density,
    Places,
    add_core_distances,
    locate,
    nearest_codes,
    reorder,
)
from segmentation.segmenters._scaling import Scale, apply_scaling

__all__ = ["HDBSCANSegmenter"]

NOISE = ("keep", "nearest", "soft")


class _Batch(np.ndarray[Any, np.dtype[np.float64]]):
    """The customers of one call: an array that remembers what the first hook worked out and the next one needs."""

    scaled: NDArray[np.float64]
    places: Places | None
    degrees: NDArray[np.float64]

    def __array_finalize__(self, obj: Any) -> None:
        """Forget everything in arrays that are made from this one."""
        self.places = None

    @classmethod
    def of(cls, X: NDArray[np.float64]) -> _Batch:
        """Look at customers as a batch."""
        return X if isinstance(X, _Batch) else X.view(_Batch)


class HDBSCANSegmenter(Segmenter):
    """Put customers who lie close together in a crowd into one segment, whatever its shape, and leave out the others.

    HDBSCAN [1]_ [2]_ looks for groups that are denser than what lies between them. It chooses their number, finds
    long and bent ones, and leaves customers between the groups unassigned. It asks whether there are such groups at
    all, and for real surveys the answer is mostly no: ``notes_`` and a warning say so. Where customers are to be
    divided all the same, k-means or latent classes are the tools.

    Parameters
    ----------
    min_cluster_size : int, float or None, default=None
        The least number of customers in a segment: a count, a share of the customers (a float between 0 and 1), or
        None for the larger of 15 and 2 %. With `max_fit_customers`, of the customers learnt from.
    min_samples : int, default=10
        How many neighbours within reach make a customer part of a crowd. Larger leaves more customers unassigned.
    cluster_selection_method : {"eom", "leaf"}, default="eom"
        "eom": the groups that persist longest over all densities; "leaf": the finest ones.
    cluster_selection_epsilon : float, default=0.0
        Groups that part at a smaller distance than this, on the scaled columns, stay one [3]_.
    metric : {"euclidean", "manhattan", "chebyshev", "canberra", "hamming", "jaccard", "haversine"}, \
default="euclidean"
        Distance on the scaled columns. "jaccard" takes everything but 0 as yes; "haversine" takes latitude and
        longitude in radians, with ``scale=None``.
    scale : {"auto", "standard"} or None, default="auto"
        As in `KMeansSegmenter`; ``scaling_`` shows what was chosen.
    noise : {"keep", "nearest", "soft"}, default="keep"
        What becomes of customers in no dense group:

        - "keep": they stay unassigned;
        - "nearest": they join the segment of the nearest customer who is in one;
        - "soft": everybody goes to the segment of the largest degree of membership, however small it is.

        ``share_unassigned_`` and ``notes_`` tell how many there are in each case.
    approx_min_span_tree : bool, default=True
        As in the package. With False the tree is exact, and the order of the rows hardly matters as long as few
        customers have the same values.
    max_fit_customers : int, optional
        Learn from a uniform sample of at most so many customers, and assign the others to what was found. The
        sample, and with it the result, does not depend on the order of the rows; nor does it where a table is no
        larger than this.
    random_state : int, RandomState or None, default=None
        Seed of the sample; nothing else is random.

    Attributes
    ----------
    segments_ : ndarray of shape (n_segments,)
        ``"segment_1"``, ``"segment_2"``, ...: the largest first, by ``labels_``; equal sizes by the first coordinate
        of the centre. Empty where no segment was found.
    labels_ : ndarray of shape (n_customers,)
        What ``predict`` gives for the same customers; -1 for unassigned.
    hdbscan_labels_ : ndarray of shape (n_fit_customers,)
        The package's own labels of the customers learnt from, in the codes of ``segments_``, before any treatment of
        noise. A cluster of the package that is made only of rows identical to more rows in another one is no
        segment; its code is beyond the last.
    n_relabelled_ : int
        How many customers learnt from got another label than the package's, before any treatment of noise, so that
        identical ones share a segment. 0 where no two are identical.
    fit_positions_ : ndarray of shape (n_fit_customers,)
        Row numbers of the customers learnt from; all rows in order without `max_fit_customers`.
    share_unassigned_ : float
        Share of all customers who are in no dense group, before any treatment of noise.
    share_repeated_ : float
        Share of customers who repeat the values of another one already counted.
    min_cluster_size_ : int
        The count that was used.
    notes_ : tuple of str
        What must be known beside the segments, in plain sentences; empty where there is nothing to say.
    centers_ : pandas.DataFrame
        Means of each segment's customers in original units: index ``segment``, one column per feature. A segment
        that is bent may have its centre outside.
    scaling_ : pandas.DataFrame
        What was done to each column: index ``feature``; ``treatment``, ``unit``, ``center``, ``width``, ``skewness``.
    density_ : dict of str to ndarray
        What prediction needs, as arrays; no object of the package is kept.

    Warns
    -----
    WeakDensityWarning
        If no or only one segment was found, more than half of the customers are in no dense group, or more than
        20 % repeat another's values; with the figures and what to try.

    Raises
    ------
    CustomerTableError
        If values are not finite.
    ColumnError
        If a column is not numeric, or columns are not those of ``fit``.
    ValueError
        If a parameter is not one of its values.

    See Also
    --------
    density_path : Segments, share unassigned and validity over the settings.
    KMeansSegmenter : Divides customers whether or not there are groups.
    hdbscan.HDBSCAN : The package underneath.

    Notes
    -----
    *New customers* are placed as by ``hdbscan.approximate_predict``, with one difference: a customer with the values
    of one learnt from gets exactly the answer that one got. So ``labels_`` is what ``predict`` gives. The package
    itself fits identical rows to different clusters where distances are equal; here the label that most of them have
    holds for all. Someone far from everybody is in no dense group.

    *Membership* follows ``hdbscan.membership_vector`` for all customers alike, without its dependence on units: how
    near the densest customers of a segment are, and how much density is lost on the way to it. A row sums to the
    degree of being in any segment at all. With ``noise="keep"`` and "nearest" the label is not always the segment of
    the largest degree, and an unassigned customer's degrees show where it would belong. "soft" leaves nobody
    unassigned unless there is no segment.

    *Finding no segment* is a result: everybody is unassigned, whatever `noise` is, and ``transform`` has no column.

    *The order of rows*: the package's result depends on it, much where distances are equal, as among repeated answers,
    and a little through its approximate spanning tree. With `max_fit_customers`, even one that is larger than the
    table, customers are put into an order of their own first; see `approx_min_span_tree` too.

    References
    ----------
    .. [1] Campello, Moulavi, Sander (2013), Density-based clustering based on hierarchical density estimates, PAKDD,
       doi:10.1007/978-3-642-37456-2_14.
    .. [2] McInnes, Healy, Astels (2017), hdbscan: Hierarchical density based clustering, Journal of Open Source
       Software 2(11), doi:10.21105/joss.00205.
    .. [3] Malzer, Baum (2020), A hybrid approach to hierarchical density-based cluster selection, IEEE MFI,
       doi:10.1109/MFI49285.2020.9235263.

    Examples
    --------
    >>> import numpy as np
    >>> from segmentation.segmenters import HDBSCANSegmenter
    >>> rng = np.random.default_rng(0)
    >>> crowds = [rng.normal(center, 1, size=(size, 2)) for center, size in [((0, 0), 200), ((9, 9), 100)]]
    >>> model = HDBSCANSegmenter().fit(np.concatenate(crowds))
    >>> model.centers_.round(0).astype(int).to_dict("index")
    {'segment_1': {'x0': 0, 'x1': 0}, 'segment_2': {'x0': 9, 'x1': 9}}
    >>> model.predict([[0.5, 0.5], [8.5, 9.0], [40.0, -40.0]])
    array([ 0,  1, -1])
    """

    def __init__(
        self,
        min_cluster_size: int | float | None = None,
        *,
        min_samples: int = 10,
        cluster_selection_method: Literal["eom", "leaf"] = "eom",
        cluster_selection_epsilon: float = 0.0,
        metric: str = "euclidean",
        scale: Scale = "auto",
        noise: Literal["keep", "nearest", "soft"] = "keep",
        approx_min_span_tree: bool = True,
        max_fit_customers: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.min_cluster_size = min_cluster_size
        self.min_samples = min_samples
        self.cluster_selection_method = cluster_selection_method
        self.cluster_selection_epsilon = cluster_selection_epsilon
        self.metric = metric
        self.scale = scale
        self.noise = noise
        self.approx_min_span_tree = approx_min_span_tree
        self.max_fit_customers = max_fit_customers
        self.random_state = random_state

    def __sklearn_tags__(self) -> SegmentationTags:
        tags = super().__sklearn_tags__()
        tags.segmenter_tags.membership = "soft"
        tags.segmenter_tags.unassigned = True  # with any noise: where there is no segment, nobody is in one
        return tags

    def _customers(self, X: Any, *, reset: bool) -> tuple[Any, pd.Index]:
        """Validate the customers as any segmenter does; the hooks get them as a batch."""
        array, index = super()._customers(X, reset=reset)
        return _Batch.of(array), index

    def _fit(self, X: NDArray[np.float64], y: Any) -> Sequence[str]:
        if self.noise not in NOISE:
            raise ValueError(f"noise must be 'keep', 'nearest' or 'soft', got {self.noise!r}.")
        batch, values, names = _Batch.of(X), np.asarray(X), self._names(X)
        prepared = prepare(values, names, self.scale, self.max_fit_customers, self.random_state)
        settings = DensitySettings(
            min_cluster_size=resolve_size(self.min_cluster_size, len(prepared.positions)),
            min_samples=self.min_samples,
            cluster_selection_method=self.cluster_selection_method,
            cluster_selection_epsilon=self.cluster_selection_epsilon,
            metric=self.metric,
            approx_min_span_tree=self.approx_min_span_tree,
        )
        learnt = learn_density(prepared, settings)
        density, places_of_rows = add_core_distances(learnt.density, self.metric, self.min_samples)
        places = self._places_of_all(density, prepared, places_of_rows)
        codes = self._decide(density, prepared.scaled, places)
        centers, rank = _canonical(values, codes, density.n_segments)
        density = reorder(density, rank)

        self.density_ = dict(vars(density))
        batch.scaled = prepared.scaled
        batch.places = replace(places, code=np.append(rank, -1)[places.code])
        batch.degrees = soft_membership(density, batch.scaled, batch.places, self.metric)
        beyond = np.arange(density.n_segments, int(learnt.package_codes.max(initial=-1)) + 1)
        self.hdbscan_labels_ = np.concatenate([rank, beyond, [-1]])[learnt.package_codes]
        self.n_relabelled_ = learnt.n_relabelled
        self.fit_positions_ = prepared.positions
        self.min_cluster_size_ = settings.min_cluster_size
        self.scaling_ = prepared.scaling
        segments = [f"segment_{i}" for i in range(1, density.n_segments + 1)]
        self.centers_ = pd.DataFrame(centers, index=pd.Index(segments, name="segment", dtype=object), columns=names)
        self._report(places, learnt, prepared, settings)
        return segments

    def _names(self, X: NDArray[np.float64]) -> list[Any]:
        return list(getattr(self, "feature_names_in_", [f"x{i}" for i in range(X.shape[1])]))

    def _places_of_all(self, density: Density, prepared: Prepared, places_of_rows: Places) -> Places:
        """Return the places of all customers, of whom perhaps only some were learnt from."""
        n = len(prepared.scaled)
        if len(prepared.positions) < n:
            return locate(density, prepared.scaled, self.metric, self.min_samples)
        back = np.empty(n, dtype=np.intp)
        back[prepared.positions] = np.arange(n)
        return Places(places_of_rows.node[back], places_of_rows.density[back], places_of_rows.code[back])

    def _report(self, places: Places, learnt: Learnt, prepared: Prepared, settings: DensitySettings) -> None:
        """Set the shares and the notes, and warn where segments are doubtful."""
        n = len(places.code)
        n_unassigned = int((places.code < 0).sum())
        self.share_unassigned_ = n_unassigned / n
        self.share_repeated_ = prepared.n_repeated / n
        figures = DensityFigures(
            n_customers=n,
            n_fit_customers=len(prepared.positions),
            n_segments=learnt.density.n_segments,
            n_unassigned=n_unassigned,
            n_repeated=prepared.n_repeated,
            n_relabelled=learnt.n_relabelled,
            noise=self.noise,
            settings=settings,
        )
        problems = problems_of(figures)
        self.notes_ = (*problems, *remarks_on(figures))
        if problems:
            warnings.warn(" ".join(problems), WeakDensityWarning, stacklevel=5)

    def _place(self, X: NDArray[np.float64]) -> tuple[Density, _Batch, Places]:
        """Work out where the customers of a batch stand, once."""
        density, batch = Density(**self.density_), _Batch.of(X)
        if batch.places is None:
            batch.scaled = apply_scaling(np.asarray(X), self.scaling_)
            places = locate(density, batch.scaled, self.metric, self.min_samples)
            batch.degrees = soft_membership(density, batch.scaled, places, self.metric)
            batch.places = places
        return density, batch, batch.places

    def _membership(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._place(X)[1].degrees

    def _codes(self, X: NDArray[np.float64], membership: NDArray[np.float64]) -> NDArray[np.int64]:
        density, batch, places = self._place(X)
        return self._decide(density, batch.scaled, places, membership)

    def _decide(
        self,
        density: Density,
        scaled: NDArray[np.float64],
        places: Places,
        degrees: NDArray[np.float64] | None = None,
    ) -> NDArray[np.int64]:
        """Choose a segment for each customer, by what `noise` says."""
        if self.noise == "soft":
            return largest_degree(soft_membership(density, scaled, places, self.metric) if degrees is None else degrees)
        if self.noise == "nearest":
            return nearest_codes(density, scaled, places.code, self.metric)
        return places.code


def _canonical(
    X: NDArray[np.float64], codes: NDArray[np.int64], n_segments: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Put segments in order: the largest first, equal sizes by the centre.

    Returns
    -------
    centers : ndarray of shape (n_segments, n_features)
        In the new order; NaN for a segment without customers.
    rank : ndarray of shape (n_segments,)
        New code of each segment.
    """
    sizes = np.bincount(codes[codes >= 0], minlength=n_segments)
    centers = np.full((n_segments, X.shape[1]), np.nan)
    for code in np.flatnonzero(sizes):
        centers[code] = X[codes == code].mean(axis=0)
    order = sorted(range(n_segments), key=lambda code: (-sizes[code], *centers[code]))
    rank = np.empty(n_segments, dtype=np.int64)
    rank[order] = np.arange(n_segments)
    return centers[order], rank

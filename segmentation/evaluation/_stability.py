"""Would other customers of the same kind have given the same segments? Stability, globally and per segment."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some, percent
from segmentation.evaluation._agreement import adjusted_rand, best_jaccard, contingency
from segmentation.evaluation._refits import (
    Customers,
    Refit,
    Scheme,
    check_segmenter,
    last_step,
    left_to_chance,
    name_of,
    needs_prediction,
    root_seed,
    seeds_of,
    starts_of,
)
from segmentation.evaluation._refits_base import base_solution
from segmentation.evaluation._refits_run import (
    Base,
    Pair,
    compare_pair,
    refit_alone,
    run_all,
    sizes_found,
    warnings_heard,
)
from segmentation.evaluation._stability_reading import readings
from segmentation.evaluation._stability_report import StabilityReport
from segmentation.exceptions import FitError

__all__ = ["segment_stability"]

SCHEMES = ("bootstrap", "subsample", "split")
QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}
FEW_PAIRS = 20


def segment_stability(
    segmenter: Any,
    X: Any,
    n_pairs: int = 100,
    scheme: Scheme = "bootstrap",
    *,
    base: Any = None,
    n_restarts: int = 10,
    subsample_share: float = 0.8,
    y: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> StabilityReport:
    """Measure how much of each segment comes back when the segmenter learns from other samples of the customers.

    `n_pairs` times, two samples are drawn, a fresh copy of the segmenter is fitted to each, and both copies say in
    which segment all customers are:

    - *global stability*: the adjusted Rand index of the two, one value per pair;
    - *SLSW*, the stability of each segment of the base solution [1]_ [2]_: its largest Jaccard coefficient with any
      segment of a refit, averaged over the two refits of the pair.

    Beside this stands *optimiser noise*: copies fitted to the very same customers, from other starts. Where these
    already disagree, part of the instability comes from too few starts and says nothing about the customers.

    Parameters
    ----------
    segmenter : Segmenter, or Pipeline that ends in one
        Copied for every refit, never changed. If it is fitted and `base` is not given, what it predicts for `X` is
        the base solution.
    X : dataframe or array of shape (n_customers, n_features)
        The customers.
    n_pairs : int, default=100
        Pairs of samples; two refits each.
    scheme : {"bootstrap", "subsample", "split"}, default="bootstrap"
        How the two samples of a pair are drawn: n of n with replacement; a share of them without replacement; or
        two halves that have no customer in common. Bootstrap samples repeat customers, which density methods take
        for crowds: use "subsample" with them.
    base : fitted segmenter or assignment, optional
        The solution whose segments are judged, for instance the best of many starts, or the one in use. By default
        a copy is fitted to all customers. An assignment is matched to `X` by customer id.
    n_restarts : int, default=10
        Copies fitted to all customers from other seeds, to measure optimiser noise; 0 leaves it out. A segmenter
        without any random state needs none.
    subsample_share : float, default=0.8
        Share of the customers in each sample with "subsample".
    y : array of shape (n_customers,), optional
        Handed to ``fit``, for segmenters that take one.
    n_jobs : int, optional
        Processes; None means 1. The result does not depend on it: each process works on one thread.
    random_state : int, RandomState, Generator or None, default=None
        Seed of samples and refits. Every random state in the segmenter, of all its steps, is set anew in each refit.

    Returns
    -------
    StabilityReport
        ``table`` per segment, ``global_stability``, ``slsw``, ``restart_agreement``, ``restart_jaccard``, ``pairs``,
        ``failures``, ``settings``, ``warnings``.

    Raises
    ------
    TypeError
        If `segmenter` is no Segmenter.
    OutOfSampleError
        If it cannot predict for customers that it was not fitted on.
    FitError
        If the base solution has no segment, or no pair of refits succeeded; with the first error.

    Notes
    -----
    All customers count in every figure. *Unassigned* customers are a group of their own for the adjusted Rand index,
    so that falling out of every segment is a disagreement; left out, a segmenter that assigns only its surest
    customers would look stable. They are no segment, so nothing is matched to them in SLSW.

    A refit that fails leaves its pair out; ``failures`` counts and names it. A refit that finds fewer segments is
    compared as it is. A segment that is empty in the base solution has no SLSW (NaN).

    Stability is necessary, not sufficient: k-means cuts an even cloud in the same way each time if it is long
    enough. Whether segments are *natural* is another question (`structure_verdict`).

    References
    ----------
    .. [1] Dolnicar, Leisch (2017), Using segment level stability to select target segments in data-driven market
       segmentation studies, Marketing Letters 28(3), doi:10.1007/s11002-017-9423-8.
    .. [2] Dolnicar, Gruen, Leisch (2018), Market Segmentation Analysis, chapter 7.5, doi:10.1007/978-981-10-8818-6.
    .. [3] Hennig (2007), Cluster-wise assessment of cluster stability, Computational Statistics & Data Analysis
       52(1), doi:10.1016/j.csda.2006.11.025.

    Examples
    --------
    >>> import numpy as np
    >>> from segmentation.evaluation import segment_stability
    >>> from segmentation.segmenters import KMeansSegmenter
    >>> rng = np.random.default_rng(0)
    >>> customers = np.concatenate([rng.normal(center, 1, (60, 2)) for center in (0, 10, 20)])
    >>> report = segment_stability(KMeansSegmenter(3), customers, n_pairs=20, random_state=0)
    >>> report.table["median"].tolist()
    [1.0, 1.0, 1.0]
    >>> float(np.median(report.global_stability))
    1.0
    """
    who = "segment_stability"
    check_segmenter(segmenter, who)
    needs_prediction(segmenter, who)
    _check_numbers(n_pairs, n_restarts, scheme, subsample_share)
    customers = Customers.of(X, y)
    notes: list[str] = []
    root = root_seed(random_state)
    (for_base,), for_restarts, for_pairs = seeds_of(root, 1, n_restarts, n_pairs)

    solution, customers, origin = base_solution(segmenter, customers, base, for_base, notes)
    if len(customers) < 2:
        raise FitError(f"{who} draws samples of the customers and needs at least two of them, got {len(customers)}.")
    restarts = _restarts(segmenter, customers, for_restarts, n_jobs)
    work = partial(compare_pair, segmenter, customers, solution, scheme, subsample_share)
    pairs: list[Pair] = run_all(work, list(enumerate(for_pairs)), n_jobs=n_jobs, what="refits on samples")
    kept = _kept(pairs, segmenter)

    slsw = _slsw(kept, solution)
    agreement, restart_jaccard = _restart_figures(restarts, solution)
    notes += _warnings(segmenter, scheme, solution, customers, pairs, kept, restarts)
    settings = {
        "segmenter": name_of(segmenter),
        "parameters": {name: repr(value) for name, value in segmenter.get_params(deep=False).items()},
        "starts": starts_of(segmenter),
        "base": origin,
        "scheme": scheme,
        "subsample_share": subsample_share if scheme == "subsample" else None,
        "n_pairs": n_pairs,
        "n_pairs_compared": len(kept),
        "n_restarts": len(restarts),
        "n_customers": len(customers),
        "n_unassigned": int((solution.codes < 0).sum()),
        "unassigned": "a group of its own in the adjusted Rand index; no segment in SLSW; nobody is left out",
        "best_starts_median": _median([starts for pair in kept for starts in pair.best_starts]),
        "n_jobs": n_jobs,
        "random_state": root,
    }
    return StabilityReport(
        table=_table(slsw, restart_jaccard, solution),
        global_stability=np.array([pair.ari for pair in kept]),
        slsw=slsw,
        restart_agreement=agreement,
        restart_jaccard=restart_jaccard,
        pairs=_pairs_table(kept),
        failures=_failures(pairs, restarts),
        settings=settings,
        warnings=tuple(notes),
    )


def _check_numbers(n_pairs: Any, n_restarts: Any, scheme: Any, share: Any) -> None:
    for name, value, least in (("n_pairs", n_pairs, 1), ("n_restarts", n_restarts, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")
    if scheme not in SCHEMES:
        raise ValueError(f"scheme must be one of {name_some(SCHEMES)}, got {scheme!r}.")
    if not 0 < share <= 1:
        raise ValueError(f"subsample_share must lie in (0, 1], got {share!r}.")


def _restarts(
    segmenter: Any, customers: Customers, seeds: Sequence[np.random.SeedSequence], n_jobs: int | None
) -> list[Refit]:
    if not left_to_chance(segmenter):  # equal seeds or not, it would give the same segments each time
        return []
    work = partial(refit_alone, segmenter, customers)
    return run_all(work, seeds, n_jobs=n_jobs, what="other starts, same customers", unit="refit")


def _kept(pairs: Sequence[Pair], segmenter: Any) -> list[Pair]:
    kept = [pair for pair in pairs if not pair.errors]
    if kept:
        return kept
    n_failed = sum(len(pair.errors) for pair in pairs)
    raise FitError(
        f"no pair of refits of {name_of(segmenter)} succeeded: {n_failed:,} of {count(2 * len(pairs), 'refit')} "
        f"failed, at least one in each pair. The first error: {pairs[0].errors[0]}"
    )


def _slsw(kept: Sequence[Pair], solution: Base) -> pd.DataFrame:
    return pd.DataFrame(
        np.array([pair.jaccard for pair in kept]),
        index=pd.Index([pair.number for pair in kept], name="pair"),
        columns=pd.Index(solution.segments, name="segment", dtype=object),
    )


def _restart_figures(restarts: Sequence[Refit], solution: Base) -> tuple[NDArray[np.float64], pd.DataFrame]:
    """Return how the restarts agree with each other, and what of each segment of the base comes back in each."""
    good = [(i, fit, fit.codes) for i, fit in enumerate(restarts) if fit.codes is not None]
    agreement = [
        adjusted_rand(contingency(codes, others, fit.n_segments, other.n_segments))
        for (_, fit, codes), (_, other, others) in combinations(good, 2)
    ]
    jaccard = pd.DataFrame(
        [best_jaccard(solution.against(codes, fit.n_segments)) for _, fit, codes in good],
        index=pd.Index([i for i, _, _ in good], name="restart"),
        columns=pd.Index(solution.segments, name="segment", dtype=object),
        dtype=np.float64,
    )
    return np.array(agreement, dtype=np.float64), jaccard


def _table(slsw: pd.DataFrame, restart_jaccard: pd.DataFrame, solution: Base) -> pd.DataFrame:
    sizes = np.bincount(solution.codes[solution.codes >= 0], minlength=len(solution.segments))
    table = pd.DataFrame({"n_customers": sizes, "share": sizes / len(solution.codes)}, index=slsw.columns)
    for name, level in QUANTILES.items():
        table[name] = slsw.quantile(level)
    table["mean"] = slsw.mean()
    table["mean_se"] = slsw.sem()
    table["restart_median"] = restart_jaccard.median()
    table["restart_mean"] = restart_jaccard.mean()
    table["reading"] = readings(table)
    return table


def _pairs_table(kept: Sequence[Pair]) -> pd.DataFrame:
    return pd.DataFrame(
        [(pair.ari, *pair.n_segments, *pair.unassigned, *pair.best_starts, pair.trivial) for pair in kept],
        index=pd.Index([pair.number for pair in kept], name="pair"),
        columns=[
            "ari",
            "n_segments_first",
            "n_segments_second",
            "share_unassigned_first",
            "share_unassigned_second",
            "best_starts_first",
            "best_starts_second",
            "trivial",
        ],
    )


def _failures(pairs: Sequence[Pair], restarts: Sequence[Refit]) -> pd.DataFrame:
    """Return one row per kind of error: where, how often, its text."""
    rows = [("sample", pair.number, error) for pair in pairs for error in pair.errors]
    rows += [("restart", i, fit.error) for i, fit in enumerate(restarts) if fit.error]
    table = pd.DataFrame(rows, columns=["where", "first_number", "error"])
    grouped = table.groupby(["where", "error"], sort=False, as_index=False)
    return grouped.agg(n_refits=("first_number", "size"), first_number=("first_number", "min"))


def _median(values: Sequence[float]) -> float | None:
    known = [value for value in values if not np.isnan(value)]
    return float(np.median(known)) if known else None


def _warnings(
    segmenter: Any,
    scheme: str,
    solution: Base,
    customers: Customers,
    pairs: Sequence[Pair],
    kept: Sequence[Pair],
    restarts: Sequence[Refit],
) -> list[str]:
    notes = []
    errors = [error for pair in pairs for error in pair.errors]
    if errors:
        notes.append(
            f"{len(errors):,} of {count(2 * len(pairs), 'refit')} failed, so {len(pairs) - len(kept):,} of "
            f"{count(len(pairs), 'pair')} are left out; the first error: {errors[0]}"
        )
    failed = [fit.error for fit in restarts if fit.error]
    if failed:
        notes.append(f"{len(failed):,} of {count(len(restarts), 'restart')} failed; the first error: {failed[0]}")
    if len(kept) < FEW_PAIRS:
        notes.append(f"only {count(len(kept), 'pair')}: quantiles of so few say little; 50 to 100 are usual.")
    notes.append(sizes_found([n for pair in kept for n in pair.n_segments], len(solution.segments)))
    trivial = sum(pair.trivial for pair in kept)
    if trivial:
        notes.append(
            f"in {trivial:,} of {count(len(kept), 'pair')} both refits put everybody into one group (one segment, or "
            "all unassigned): their ARI is 1 by definition and says nothing about stability."
        )
    sizes = np.bincount(solution.codes[solution.codes >= 0], minlength=len(solution.segments))
    empty = [name for name, size in zip(solution.segments, sizes, strict=True) if not size]
    if empty:
        notes.append(f"{name_some(empty)} empty in the base solution: no stability is given.")
    unassigned = float((solution.codes < 0).mean())
    if unassigned:
        refits = np.median([share for pair in kept for share in pair.unassigned])
        notes.append(
            f"{percent(unassigned)} of {count(len(customers), 'customer')} are unassigned in the base solution, "
            f"{percent(float(refits))} in the median refit; they count as a group of their own in the global figure."
        )
    if scheme == "bootstrap" and _looks_for_crowds(segmenter):
        notes.append(
            "Bootstrap samples repeat customers (a third of their rows or so), and a method that looks for crowds "
            "takes repeated rows for one: compare with scheme='subsample'."
        )
    heard = [pair.heard for pair in pairs] + [fit.heard for fit in restarts]
    notes += warnings_heard(heard, 2 * len(pairs) + len(restarts))
    return [note for note in notes if note]


def _looks_for_crowds(segmenter: Any) -> bool:
    """Tell whether it is a density method: only these ask how many customers make a crowd."""
    names = {name.split("__")[-1] for name in last_step(segmenter).get_params(deep=True)}
    return bool(names & {"min_samples", "min_cluster_size"})

"""Where segments come from as their number grows: stability of segments across solutions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from segmentation._format import name_some
from segmentation.assignment import UNASSIGNED
from segmentation.evaluation._agreement import adjusted_rand, contingency, match_codes, origin_certainty
from segmentation.evaluation._refits import (
    Customers,
    Refit,
    check_segmenter,
    last_step,
    name_of,
    refit,
    root_seed,
    seeds_of,
    starts_of,
)
from segmentation.evaluation._refits_run import run_all, warnings_heard
from segmentation.evaluation._stability_path_result import StabilityPath
from segmentation.exceptions import FitError

__all__ = ["find_parameter", "stability_path"]

NUMBER_NAMES = ("n_segments", "n_clusters", "n_classes")


def stability_path(
    segmenter: Any,
    X: Any,
    n_segments: Iterable[int] = range(2, 9),
    *,
    parameter: str | None = None,
    y: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> StabilityPath:
    """Follow segments over solutions of growing number: which stay, which split, which are put together anew (SLSA).

    For every number of segments a copy is fitted to all customers. Its segments are paired with those of the solution
    before, one to one, so that as many customers as possible keep their segment; a paired segment keeps its name, and
    one that is new gets the next number. Then, for every segment, where its members were before:
    SLSA = 1 - entropy of the shares of their origins / log(number of groups of the solution before) [1]_.
    1 says that all come from one segment, and it is 1 where there was only one; 0 that they come from all of them in
    equal parts.

    Parameters
    ----------
    segmenter : Segmenter, or Pipeline that ends in one
        It needs a parameter for the number of segments. It need not predict for other customers.
    X : dataframe or array of shape (n_customers, n_features)
    n_segments : iterable of int, default=range(2, 9)
        Numbers of segments; sorted, each once.
    parameter : str, optional
        Name of the parameter, as in ``set_params``: ``"n_clusters"``, ``"clusterer__n_components"``. By default it is
        looked for in the segmenter: ``n_segments``, ``n_clusters``, ``n_classes``, or else ``n_components``.
    y : array of shape (n_customers,), optional
    n_jobs : int, optional
        Processes; the result does not depend on it.
    random_state : int, RandomState, Generator or None, default=None
        Seed; every random state in the segmenter is set anew for each number of segments.

    Returns
    -------
    StabilityPath
        ``table``, ``flows``, ``solutions``, ``assignments``, ``settings``, ``warnings``.

    Raises
    ------
    TypeError, ValueError
        If `segmenter` is no Segmenter, or the parameter is not found or not unique.
    FitError
        If no fit succeeded. One that fails is left out and named in ``warnings``.

    Notes
    -----
    Customers who were *unassigned* are a group of origin beside the segments, in the entropy and in the number of
    groups, where there are any. Few starts in the segmenter make solutions differ by chance, which looks like
    instability: give it many (``n_init``).

    References
    ----------
    .. [1] Dolnicar, Leisch (2017), Using segment level stability to select target segments in data-driven market
       segmentation studies, Marketing Letters 28(3), doi:10.1007/s11002-017-9423-8.

    Examples
    --------
    >>> import numpy as np
    >>> from segmentation.evaluation import stability_path
    >>> from segmentation.segmenters import KMeansSegmenter
    >>> rng = np.random.default_rng(0)
    >>> customers = np.concatenate([rng.normal(center, 1, (60, 2)) for center in (0, 10, 20)])
    >>> path = stability_path(KMeansSegmenter(), customers, [3, 4], random_state=0)
    >>> path.table.loc[4, "slsa"].tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    check_segmenter(segmenter, "stability_path")
    numbers = _checked_numbers(n_segments)
    name = find_parameter(segmenter) if parameter is None else _checked_parameter(segmenter, parameter)
    customers, root = Customers.of(X, y), root_seed(random_state)
    # a number of segments has the same seed whatever other numbers are asked for
    all_seeds = seeds_of(root, numbers[-1] + 1)[0]
    tasks = [(n, all_seeds[n]) for n in numbers]
    work = partial(_fit_with, segmenter, name, customers)
    fits: list[Refit] = run_all(work, tasks, n_jobs=n_jobs, what="solutions", unit="solution")
    notes = [
        f"{n} segments: the fit failed and is left out: {f.error}"
        for n, f in zip(numbers, fits, strict=True)
        if f.error
    ]
    good = [(n, fit) for n, fit in zip(numbers, fits, strict=True) if not fit.error]
    if not good:
        raise FitError(f"no fit of {name_of(segmenter)} succeeded; the first error: {notes[0]}")
    notes += [f"{n} segments were asked for and {fit.n_segments} found." for n, fit in good if fit.n_segments != n]
    notes += warnings_heard([fit.heard for fit in fits], len(fits))
    settings = {
        "segmenter": name_of(segmenter),
        "parameter": name,
        "n_segments": numbers,
        "starts": starts_of(segmenter),
        "n_customers": len(customers),
        "unassigned": "a group of origin beside the segments, where there are any",
        "n_jobs": n_jobs,
        "random_state": root,
    }
    return _follow(good, customers, settings, notes)


def _checked_numbers(n_segments: Iterable[int]) -> list[int]:
    if not isinstance(n_segments, Iterable):
        raise TypeError(f"n_segments must be numbers of segments such as range(2, 9), got {n_segments!r}.")
    values = list(n_segments)
    wrong = [n for n in values if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1]
    if wrong or not values:
        raise ValueError(f"n_segments must be whole numbers of at least 1, got {name_some(wrong) or 'none'}.")
    return sorted({int(n) for n in values})


def find_parameter(segmenter: Any) -> str:
    """Find the parameter that holds the number of segments, as ``set_params`` of the whole model names it.

    Examples
    --------
    >>> from segmentation.segmenters import KMeansSegmenter
    >>> find_parameter(KMeansSegmenter())
    'n_clusters'
    """
    last = last_step(segmenter)
    # of a pipeline only its last step: n_components of a PCA before it is not the number of segments
    prefix = f"{segmenter.steps[-1][0]}__" if last is not segmenter else ""
    names = sorted(last.get_params(deep=True))
    for wanted in (NUMBER_NAMES, ("n_components",)):
        found = [name for name in names if name.split("__")[-1] in wanted]
        if len(found) == 1:
            return prefix + str(found[0])
        if found:
            raise ValueError(
                f"{name_of(segmenter)} has several parameters that may hold the number of segments: "
                f"{name_some(prefix + name for name in found)}. Say which: parameter={prefix + found[0]!r}."
            )
    raise ValueError(
        f"{name_of(segmenter)} has no parameter for the number of segments that is known by its name "
        f"({', '.join(NUMBER_NAMES)}, n_components); its parameters are {name_some(names)}. Name it with parameter=."
    )


def _checked_parameter(segmenter: Any, parameter: str) -> str:
    known = clone(segmenter).get_params(deep=True)
    if parameter not in known:
        raise ValueError(f"parameter must be one of {name_some(sorted(known), 12)}, got {parameter!r}.")
    return parameter


def _fit_with(segmenter: Any, name: str, customers: Customers, task: tuple[int, np.random.SeedSequence]) -> Refit:
    number, seed = task
    return refit(clone(segmenter).set_params(**{name: number}), customers, seed)


def _follow(
    good: Sequence[tuple[int, Refit]], customers: Customers, settings: dict[str, Any], notes: list[str]
) -> StabilityPath:
    """Relabel each solution after the one before, and tabulate where members came from."""
    nodes, flows, solutions, columns = [], [], [], {}
    previous: tuple[int, NDArray[np.int64], list[int]] | None = None
    n_tracks = 0
    for number, fit in good:
        codes, n_found = np.asarray(fit.codes), fit.n_segments
        if previous is None:
            tracks, counts = list(range(1, n_found + 1)), None
        else:
            counts = contingency(previous[1], codes, len(previous[2]), n_found)
            tracks = _tracks(match_codes(counts), previous[2], n_tracks)
        n_tracks = max([n_tracks, *tracks])
        # in the order of the tracks, so that rows and codes of a solution read like those of the one before
        order = np.argsort(tracks)
        codes = _reordered(codes, order)
        tracks = [tracks[i] for i in order]
        names = [f"segment_{track}" for track in tracks]
        counts = None if previous is None else contingency(previous[1], codes, len(previous[2]), n_found)
        nodes += _nodes(number, names, tracks, codes, counts, previous)
        if counts is not None and previous is not None:
            flows += _flows(number, names, counts, previous)
        sizes = np.bincount(codes[codes >= 0], minlength=n_found)
        solutions.append(
            (
                number,
                n_found,
                int(sizes.min(initial=len(codes))) if n_found else 0,
                float((codes < 0).mean()),
                np.nan if counts is None else adjusted_rand(counts),
            )
        )
        columns[number] = pd.Categorical.from_codes(
            np.where(codes < 0, n_found, codes), categories=pd.Index([*names, UNASSIGNED], dtype=object)
        )
        previous = (number, codes, tracks)
    return StabilityPath(
        pd.DataFrame(nodes).set_index(["n_segments", "segment"]),
        pd.DataFrame(
            flows,
            columns=[
                "previous_n_segments",
                "origin",
                "n_segments",
                "segment",
                "n_customers",
                "share",
                "share_of_segment",
            ],
        ),
        pd.DataFrame(
            solutions, columns=["n_segments", "n_found", "smallest", "share_unassigned", "ari_previous"]
        ).set_index("n_segments"),
        pd.DataFrame(columns, index=customers.index).rename_axis(columns="n_segments"),
        settings,
        tuple(notes),
    )


def _tracks(counterpart: NDArray[np.int64], previous: Sequence[int], n_tracks: int) -> list[int]:
    """Give each segment the track of its counterpart, and those without one the next numbers."""
    tracks = []
    for code in counterpart:
        if code < 0:
            n_tracks += 1
        tracks.append(n_tracks if code < 0 else previous[code])
    return tracks


def _reordered(codes: NDArray[np.int64], order: NDArray[Any]) -> NDArray[np.int64]:
    place = np.empty(len(order) + 1, dtype=np.int64)
    place[order] = np.arange(len(order))
    place[-1] = -1  # unassigned stays so
    return place[codes]


def _nodes(
    number: int,
    names: Sequence[str],
    tracks: Sequence[int],
    codes: NDArray[np.int64],
    counts: NDArray[np.int64] | None,
    previous: tuple[int, NDArray[np.int64], list[int]] | None,
) -> list[dict[str, Any]]:
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    slsa = np.full(len(names), np.nan) if counts is None else origin_certainty(counts)
    rows = []
    for i, name in enumerate(names):
        origin, share = None, np.nan
        if counts is not None and previous is not None and sizes[i]:
            main = int(counts[:, i].argmax())
            origin = UNASSIGNED if main == len(previous[2]) else f"segment_{previous[2][main]}"
            share = counts[main, i] / sizes[i]
        rows.append(
            {
                "n_segments": number,
                "segment": name,
                "track": tracks[i],
                "n_customers": int(sizes[i]),
                "share": sizes[i] / len(codes),
                "slsa": slsa[i],
                "main_origin": origin,
                "main_origin_share": share,
            }
        )
    return rows


def _flows(
    number: int,
    names: Sequence[str],
    counts: NDArray[np.int64],
    previous: tuple[int, NDArray[np.int64], list[int]],
) -> list[tuple[Any, ...]]:
    origins = [*(f"segment_{track}" for track in previous[2]), UNASSIGNED]
    total, sizes = counts.sum(), counts.sum(axis=0)
    return [
        (previous[0], origin, number, name, int(counts[i, j]), counts[i, j] / total, counts[i, j] / sizes[j])
        for i, origin in enumerate(origins)
        for j, name in enumerate([*names, UNASSIGNED])
        if counts[i, j]
    ]

"""Many refits, in this process or in several, with the same result either way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from segmentation._format import count, name_some
from segmentation._progress import progress
from segmentation.evaluation._agreement import adjusted_rand, best_jaccard, contingency
from segmentation.evaluation._refits import Customers, Refit, Scheme, draw_rows, refit

__all__ = ["Base", "Pair", "compare_pair", "refit_alone", "run_all", "warnings_heard"]

# Tasks per worker: few enough that sending the customers costs nothing, enough that workers end together.
ROUNDS = 4


@dataclass(frozen=True, eq=False)
class Base:
    """The solution that is judged: the code of every customer and the names of its segments."""

    codes: NDArray[np.int64]
    segments: tuple[str, ...]

    def against(self, codes: NDArray[np.int64], n_segments: int) -> NDArray[np.int64]:
        """Count the customers of every combination of its segments with those of another solution."""
        return contingency(self.codes, codes, len(self.segments), n_segments)


@dataclass(frozen=True, eq=False)
class Pair:
    """What two refits gave: their agreement, and how much of each segment of the base came back.

    `trivial` tells that both put everybody into one group, where agreement is 1 by definition and says nothing.
    """

    number: int
    ari: float
    jaccard: NDArray[np.float64]
    n_segments: tuple[int, int]
    unassigned: tuple[float, float]
    best_starts: tuple[float, float]
    errors: tuple[str, ...]
    heard: tuple[tuple[str, str], ...]
    trivial: bool


def compare_pair(
    model: Any,
    customers: Customers,
    base: Base,
    scheme: Scheme,
    share: float,
    task: tuple[int, np.random.SeedSequence],
) -> Pair:
    """Draw two samples, fit a copy to each, and compare what both say about all customers."""
    number, seed = task
    for_rows, *for_fits = seed.spawn(3)
    samples = draw_rows(np.random.default_rng(for_rows), len(customers), scheme, share)
    fits = [refit(model, customers.rows(rows), s, customers) for rows, s in zip(samples, for_fits, strict=True)]
    ari, jaccard = np.nan, np.full(len(base.segments), np.nan)
    first, second = fits
    if first.codes is not None and second.codes is not None:
        ari = adjusted_rand(contingency(first.codes, second.codes, first.n_segments, second.n_segments))
        both = [best_jaccard(base.against(fit.codes, fit.n_segments)) for fit in fits if fit.codes is not None]
        jaccard = np.mean(both, axis=0)
    return Pair(
        number,
        ari,
        jaccard,
        (first.n_segments, second.n_segments),
        (_unassigned(first), _unassigned(second)),
        (first.best_starts, second.best_starts),
        tuple(fit.error for fit in fits if fit.error),
        first.heard + second.heard,
        all(fit.codes is not None and not np.ptp(fit.codes) for fit in fits),
    )


def _unassigned(fit: Refit) -> float:
    return np.nan if fit.codes is None else float((fit.codes < 0).mean())


def refit_alone(model: Any, customers: Customers, seed: np.random.SeedSequence) -> Refit:
    """Fit another copy to all customers, from another seed: what differs is the optimiser's doing."""
    return refit(model, customers, seed)


def run_all(
    work: Callable[[Any], Any], tasks: Sequence[Any], *, n_jobs: int | None, what: str, unit: str = "pair"
) -> list[Any]:
    """Do `work` for every task, in order; in processes of their own where `n_jobs` asks for more than one.

    One thread each, also in a single process: sums over threads differ in their last digits, and results must not
    depend on `n_jobs`.
    """
    from joblib import Parallel, delayed, effective_n_jobs, parallel_config  # heavy: only when used

    n_workers = min(effective_n_jobs(n_jobs), max(len(tasks), 1))
    if n_workers == 1:
        with threadpool_limits(1):
            return [work(task) for task in progress(tasks, what=what, unit=unit)]
    size = max(1, -(-len(tasks) // (ROUNDS * n_workers)))
    parts = [tasks[i : i + size] for i in range(0, len(tasks), size)]
    results: list[Any] = []
    with (
        parallel_config("loky", inner_max_num_threads=1),
        progress(what=what, total=len(tasks), unit=unit) as bar,
    ):
        parallel = Parallel(n_jobs=n_workers, return_as="generator")
        for part in parallel(delayed(_do_part)(work, part) for part in parts):
            results.extend(part)
            bar.update(len(part))
    return results


def _do_part(work: Callable[[Any], Any], tasks: Sequence[Any]) -> list[Any]:
    with threadpool_limits(1):
        return [work(task) for task in tasks]


def warnings_heard(heard: Iterable[Sequence[tuple[str, str]]], n_fits: int) -> list[str]:
    """Say once per kind of warning how many fits gave it, with the first text."""
    kinds: Counter[str] = Counter()
    texts: dict[str, str] = {}
    for one in heard:
        for kind, text in one:
            kinds[kind] += 1
            texts.setdefault(kind, text)
    return [
        f"{kind} in {times:,} of {count(n_fits, 'refit')}; the first: {texts[kind]}"
        for kind, times in kinds.most_common()
    ]


def sizes_found(n_segments: Iterable[int], expected: int) -> str:
    """Say how many refits had another number of segments than the base solution; empty where none had."""
    found = Counter(int(n) for n in n_segments)
    others = {n: times for n, times in sorted(found.items()) if n != expected}
    if not others:
        return ""
    listed = name_some([f"{n} in {times:,}" for n, times in others.items()])
    return (
        f"{sum(others.values()):,} of {count(found.total(), 'refit')} found another number of segments than the "
        f"{expected} of the base solution ({listed}); they are compared as they are."
    )

"""How many customers change segment when their data are a little different."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation.evaluation._agreement import contingency, match_codes
from segmentation.evaluation._refits import (
    Customers,
    Refit,
    check_segmenter,
    last_step,
    left_to_chance,
    name_of,
    root_seed,
    seeded_clone,
    seeds_of,
    starts_of,
    was_fitted,
)
from segmentation.evaluation._refits import refit as fit_again
from segmentation.evaluation._refits_run import Base, run_all, warnings_heard
from segmentation.evaluation._robustness_changes import Change, apply_change, as_changes
from segmentation.evaluation._robustness_report import REFIT_ALONE, UNSEEN, RobustnessReport, tabulate
from segmentation.exceptions import CustomerTableError, FitError, OutOfSampleError

__all__ = ["assignment_robustness"]


@dataclass(frozen=True, eq=False)
class Repeat:
    """One repeat of one perturbation: for each customer of the base its code now, or why there is none."""

    codes: NDArray[np.int64] | None
    n_new: int = 0
    error: str = ""
    heard: tuple[tuple[str, str], ...] = ()


def assignment_robustness(
    segmenter: Any,
    X: Any,
    perturbations: Any = ("imputation", "noise"),
    *,
    refit: bool = False,
    n_repeats: int = 20,
    imputer: Any = "median",
    columns: Sequence[Any] | None = None,
    level: float = 0.9,
    y: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> RobustnessReport:
    """Count the customers who change segment when their data are perturbed, per customer and per segment.

    Two questions, kept apart by `refit`:

    - False: the segments stay as they are defined. Who lands in another one because *their own data* differ?
    - True: segments are learnt anew from the perturbed data, and each is paired with the old segment with which it
      shares most customers, one to one. Who changes then, because of their data *or because definitions moved*? What
      refitting changes by itself, on the data as they are, stands beside it as "refit alone".

    Parameters
    ----------
    segmenter : Segmenter, or Pipeline that ends in one
        If it is fitted, its predictions for `X` are the segments that are compared with; else, and if it cannot
        predict, a copy is fitted. It is never changed.
    X : dataframe or array of shape (n_customers, n_features)
    perturbations : str, callable, sequence of these, or mapping, default=("imputation", "noise")
        What happens to the data. A mapping gives names to levels, functions and tables:

        - ``"imputation"``: this share of the values (default 0.05) goes missing at random and is filled by `imputer`;
        - ``"noise"``: numbers of more than two values get normal noise with this share (default 0.1) of the column's
          standard deviation, within its range and whole where the column is; of all other columns this share of the
          answers is replaced by that of a customer drawn at random;
        - any name with a table: the customers as they are in it, matched by id. Late data: the table as it was or
          became later. Removed duplicates: the table without them;
        - any name with a function ``f(X, rng) -> X``, which gets a copy of the customers (a table indexed by
          ``customer_id``, or an array where `X` is one) and a numpy Generator. It may leave customers of a table out.
    refit : bool, default=False
        Whether segments are learnt anew.
    n_repeats : int, default=20
        Repeats of each perturbation. One where nothing in it is random: a second table without refitting.
    imputer : {"median", "none"} or transformer, default="median"
        "median": median or, for other than numbers, the most frequent value; "none": values stay missing, for
        pipelines that impute and segmenters that take missing values; or a transformer of scikit-learn, cloned.
    columns : sequence of column labels, optional
        Columns that "imputation" and "noise" perturb. By default those that the segmenter uses.
    level : float, default=0.9
        Share of the repeats between ``changed_share_low`` and ``changed_share_high``.
    y : array of shape (n_customers,), optional
        Handed to ``fit``; only with perturbations that keep all customers in their order.
    n_jobs : int, optional
        Processes; the result does not depend on it.
    random_state : int, RandomState, Generator or None, default=None

    Returns
    -------
    RobustnessReport
        ``table`` per perturbation, ``segments`` per perturbation and segment, ``customers`` with the share of repeats
        in which each changed and a ``confidence``, ``settings``, ``warnings``.

    Raises
    ------
    TypeError, ValueError
        If `segmenter` is no Segmenter, or a perturbation is not one.
    OutOfSampleError
        If the segmenter cannot predict and `refit` is False.
    FitError
        If no repeat of a perturbation succeeded. Those that fail are counted in ``warnings``.

    Notes
    -----
    Becoming unassigned, and coming out of it, is a change. A customer who is absent from a perturbed table is not
    counted in that repeat. The bounds are quantiles over repeats: what one more such perturbation of the
    same customers would give. They say nothing about other customers.

    Values missing completely at random are the mild case: where those with high values hide them, more changes.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from segmentation.evaluation import assignment_robustness
    >>> from segmentation.segmenters import RuleSegmenter
    >>> customers = pd.DataFrame({"visits": range(10)}, index=pd.Index(range(10), name="customer_id"))
    >>> rules = RuleSegmenter({"often": "visits >= 5", "seldom": "visits < 5"})
    >>> late = customers.assign(visits=customers["visits"] + 1)
    >>> report = assignment_robustness(rules, customers, {"late data": late})
    >>> report.table["changed_share"].to_dict()
    {'late data': 0.1}
    >>> report.customers["late data"].to_numpy().nonzero()[0].tolist()
    [4]
    """
    who = "assignment_robustness"
    check_segmenter(segmenter, who)
    _check_parameters(n_repeats, imputer, level)
    if not refit and not last_step(segmenter).__sklearn_tags__().segmenter_tags.out_of_sample:
        raise OutOfSampleError(
            f"{name_of(segmenter)} cannot predict for customers whose data have changed (tag out_of_sample=False): ask "
            "with refit=True, or give it a way to predict, such as ClustererSegmenter(clusterer, classifier=...)."
        )
    customers, root = Customers.of(X, y), root_seed(random_state)
    (for_base,), for_alone, *_ = seeds_of(root, 1, n_repeats)
    model, base = _base(segmenter, customers, for_base)
    changes = as_changes(perturbations, _used(model, customers, columns), imputer, is_table=customers.is_table)

    results: dict[str, list[Repeat]] = {}
    notes: list[str] = []
    if refit and left_to_chance(segmenter):
        alone = partial(_refit_alone, segmenter, customers, base)
        results[REFIT_ALONE] = run_all(alone, for_alone, n_jobs=n_jobs, what=REFIT_ALONE, unit="repeat")
    # each perturbation has its own seeds, so that adding one does not change the others
    all_seeds = np.random.SeedSequence([root, 1])
    for change, seeds in zip(changes, all_seeds.spawn(len(changes)), strict=True):
        repeats = n_repeats if change.random or (refit and left_to_chance(segmenter)) else 1
        work = partial(_once, segmenter if refit else None, model, customers, base, change)
        results[change.name] = run_all(work, seeds.spawn(repeats), n_jobs=n_jobs, what=change.name, unit="repeat")
    for name, repeats_done in results.items():
        notes += _problems(name, repeats_done, customers)

    texts = {change.name: change.text for change in changes}
    stacked = {name: _stacked(repeats_done) for name, repeats_done in results.items()}
    per_change, per_segment, per_customer = tabulate(base, customers.index, stacked, level)
    per_change["what"] = [texts.get(name, "the same data, other starts") for name in per_change.index]
    settings = {
        "segmenter": name_of(segmenter),
        "starts": starts_of(segmenter),
        "refit": refit,
        "perturbations": texts,
        "n_repeats": n_repeats,
        "imputer": imputer if isinstance(imputer, str) else repr(imputer),
        "level": level,
        "n_customers": len(customers),
        "n_unassigned": int((base.codes < 0).sum()),
        "n_jobs": n_jobs,
        "random_state": root,
    }
    return RobustnessReport(per_change, per_segment, per_customer, settings, tuple(notes))


def _check_parameters(n_repeats: Any, imputer: Any, level: Any) -> None:
    if isinstance(n_repeats, bool) or not isinstance(n_repeats, int | np.integer) or n_repeats < 1:
        raise ValueError(f"n_repeats must be a whole number of at least 1, got {n_repeats!r}.")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level!r}.")
    if isinstance(imputer, str) and imputer not in ("median", "none"):
        raise ValueError(f"imputer must be 'median', 'none' or a transformer, got {imputer!r}.")
    if not isinstance(imputer, str) and not hasattr(imputer, "fit_transform"):
        raise TypeError(f"imputer must be 'median', 'none' or a transformer with fit_transform, got {imputer!r}.")


def _base(segmenter: Any, customers: Customers, seed: np.random.SeedSequence) -> tuple[Any, Base]:
    """Return a fitted model and the segments that are compared with."""
    if was_fitted(segmenter) and last_step(segmenter).__sklearn_tags__().segmenter_tags.out_of_sample:
        model = segmenter
        codes = model.predict(customers.data)
    else:
        model = seeded_clone(segmenter, seed)
        model.fit(customers.data) if customers.y is None else model.fit(customers.data, customers.y)
        codes = last_step(model).labels_
    segments = tuple(str(name) for name in last_step(model).segments_)
    if not segments:
        raise FitError(f"{name_of(segmenter)} found no segment in these customers, so nobody can change theirs.")
    return model, Base(np.asarray(codes), segments)


def _used(model: Any, customers: Customers, columns: Sequence[Any] | None) -> list[Any] | None:
    """Return the columns to perturb: those named, or those that the segmenter, or the pipeline's first step, uses."""
    present = list(customers.data.columns) if customers.is_table else list(range(customers.data.shape[1]))
    if columns is not None:
        unknown = [name for name in columns if name not in present]
        if unknown:
            raise ValueError(f"columns {name_some(unknown)} are not in X; there are {name_some(present, 12)}.")
        return list(columns)
    first = model.steps[0][1] if getattr(model, "steps", None) else model
    used = [name for name in getattr(first, "feature_names_in_", []) if name in present]
    return used or None


def _refit_alone(segmenter: Any, customers: Customers, base: Base, seed: np.random.SeedSequence) -> Repeat:
    return _matched(fit_again(segmenter, customers, seed), base, np.arange(len(customers)))


def _once(
    segmenter: Any, model: Any, customers: Customers, base: Base, change: Change, seed: np.random.SeedSequence
) -> Repeat:
    """Perturb the customers once, and predict for them, or refit (where a segmenter is given)."""
    for_change, for_fit = seed.spawn(2)
    changed, positions = apply_change(change, customers, np.random.default_rng(for_change))
    if segmenter is None:
        try:
            codes = np.asarray(model.predict(changed.data))
        except Exception as error:  # counted and named; whatever the perturbed data do to a plug-in
            return Repeat(None, error=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
        return Repeat(_placed(codes, positions, len(base.codes)), int((positions < 0).sum()))
    if customers.y is not None:
        if not np.array_equal(positions, np.arange(len(customers))):
            raise CustomerTableError(
                f"perturbation {change.name!r} leaves customers out or changes their order, and y is matched by "
                "position: use it without y."
            )
        changed = Customers(changed.data, changed.index, customers.y)
    return _matched(fit_again(segmenter, changed, for_fit), base, positions)


def _matched(fit: Refit, base: Base, positions: NDArray[np.int64]) -> Repeat:
    """Give the segments of a refit the codes of their counterparts; those without one are new, beyond the last."""
    if fit.codes is None:
        return Repeat(None, error=fit.error, heard=fit.heard)
    n = len(base.segments)
    known = positions >= 0
    counts = contingency(base.codes[positions[known]], fit.codes[known], n, fit.n_segments)
    counterpart = match_codes(counts)
    counterpart = np.append(np.where(counterpart < 0, n, counterpart), -1)
    return Repeat(_placed(counterpart[fit.codes], positions, len(base.codes)), int((~known).sum()), heard=fit.heard)


def _placed(codes: NDArray[np.int64], positions: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Bring codes of perturbed customers to where these stood before."""
    placed = np.full(n, UNSEEN, dtype=np.int64)
    known = positions >= 0
    placed[positions[known]] = codes[known]
    return placed


def _stacked(repeats: Sequence[Repeat]) -> NDArray[np.int64]:
    return np.array([one.codes for one in repeats if one.codes is not None])


def _problems(name: str, repeats: Sequence[Repeat], customers: Customers) -> list[str]:
    """Count what failed and who was not there; raise where nothing is left."""
    good = [one.codes for one in repeats if one.codes is not None]
    errors = [one.error for one in repeats if one.error]
    if not good:
        raise FitError(f"no repeat of perturbation {name!r} succeeded; the first error: {errors[0]}")
    notes = []
    if errors:
        notes.append(
            f"{name!r}: {len(errors):,} of {count(len(repeats), 'repeat')} failed; the first error: {errors[0]}"
        )
    absent = np.mean([(codes == UNSEEN).sum() for codes in good])
    new = np.mean([one.n_new for one in repeats if one.codes is not None])
    if absent or new:
        notes.append(
            f"{name!r}: {absent:,.0f} of {count(len(customers), 'customer')} are not in the perturbed table and are "
            f"not compared; {new:,.0f} there are not in X and are left out (mean over repeats)."
        )
    heard = warnings_heard([one.heard for one in repeats], len(repeats))
    return [*notes, *(f"{name!r}: {text}" for text in heard)]

"""Running the checks: on one object, as a list of results, or as pytest tests."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.base import clone

from segmentation._frames import is_frame
from segmentation._validation import as_customers
from segmentation.base import Prioritizer, Scorer, Segmenter
from segmentation.exceptions import SegmentationWarning
from segmentation.testing import _prioritizer_checks, _scorer_checks, _segmenter_checks
from segmentation.testing._common import Case, Check, CheckSkipped
from segmentation.testing._data import make_customers, make_profile

__all__ = [
    "CheckResult",
    "check_prioritizer",
    "check_scorer",
    "check_segmenter",
    "list_checks",
    "parametrize_with_checks",
]

OnFail = Literal["raise", "list"]


@dataclass(frozen=True)
class CheckResult:
    """Outcome of one check.

    Attributes
    ----------
    check : str
        Its name; scikit-learn's own checks start with ``sklearn.``.
    status : {"passed", "failed", "skipped"}
        "skipped" where the check does not apply, or rests on another check that failed.
    message : str
        Why, unless passed.
    error : Exception or None
        What was raised.
    """

    check: str
    status: Literal["passed", "failed", "skipped"]
    message: str = ""
    error: BaseException | None = field(default=None, repr=False, compare=False)


def list_checks(kind: Literal["segmenter", "scorer", "prioritizer"]) -> list[str]:
    """Return the names of the checks for one kind of plug-in, in the order in which they run.

    Examples
    --------
    >>> from segmentation.testing import list_checks
    >>> list_checks("prioritizer")[:2]
    ['check_interface', 'check_final_methods']
    """
    return list(_CHECKS[kind])


def check_segmenter(
    segmenter: Segmenter, data: Any = None, *, on_fail: OnFail = "raise", sklearn_checks: bool = True
) -> list[CheckResult]:
    """Check that a segmenter keeps the promises of the interface.

    Parameters
    ----------
    segmenter : Segmenter
        Unfitted; it is cloned, never changed.
    data : dataframe, optional
        Customers that it can learn from, at least 30. By default `make_customers`: the numeric columns for a
        segmenter that takes arrays, all columns for one with the tag ``dataframe_only``.
    on_fail : {"raise", "list"}, default="raise"
        Raise the first failure, or run everything and return all results.
    sklearn_checks : bool, default=True
        Also run scikit-learn's own estimator checks, on a segmenter that takes arrays and predicts for new customers.

    Returns
    -------
    list of CheckResult

    Raises
    ------
    AssertionError
        With ``on_fail="raise"``: the first check that failed, chained to what it saw.

    Examples
    --------
    >>> from segmentation.segmenters import KMeansSegmenter
    >>> from segmentation.testing import check_segmenter
    >>> results = check_segmenter(KMeansSegmenter(n_clusters=3), sklearn_checks=False)
    >>> {result.status for result in results}
    {'passed'}
    """
    return _run("segmenter", segmenter, data, on_fail, sklearn_checks)


def check_scorer(
    scorer: Scorer, data: Any = None, *, y: Any = None, on_fail: OnFail = "raise", sklearn_checks: bool = True
) -> list[CheckResult]:
    """Check that a scorer keeps the promises of the interface.

    Parameters
    ----------
    scorer : Scorer
        Unfitted; it is cloned, never changed.
    data : dataframe, optional
        Customers that it can learn from; by default as for `check_segmenter`.
    y : array of shape (n_customers,), optional
        Outcome, for scorers that learn from one.
    on_fail : {"raise", "list"}, default="raise"
    sklearn_checks : bool, default=True

    Returns
    -------
    list of CheckResult

    Raises
    ------
    AssertionError
        With ``on_fail="raise"``: the first check that failed.
    """
    return _run("scorer", scorer, data, on_fail, sklearn_checks, y)


def check_prioritizer(
    prioritizer: Prioritizer, data: pd.DataFrame | None = None, *, on_fail: OnFail = "raise"
) -> list[CheckResult]:
    """Check that a prioritizer keeps the promises of the interface.

    Parameters
    ----------
    prioritizer : Prioritizer
    data : pandas.DataFrame, optional
        A profile with at least two segments that it can rank; by default `make_profile`.
    on_fail : {"raise", "list"}, default="raise"

    Returns
    -------
    list of CheckResult

    Raises
    ------
    AssertionError
        With ``on_fail="raise"``: the first check that failed.
    """
    return _run("prioritizer", prioritizer, data, on_fail, sklearn_checks=False)


def parametrize_with_checks(plugins: Iterable[Any]) -> Any:
    """Turn the checks into a pytest decorator: one test per plug-in and check.

    Parameters
    ----------
    plugins : iterable of Segmenter, Scorer, Prioritizer, or (plug-in, data)

    Returns
    -------
    decorator
        For a test function with the arguments ``plugin`` and ``check``, whose body is ``check(plugin)``. A check
        that does not apply, or that rests on one that failed, is skipped.

    Examples
    --------
    >>> from segmentation.prioritizers import ValuePrioritizer
    >>> from segmentation.testing import parametrize_with_checks
    >>> @parametrize_with_checks([ValuePrioritizer(by="clv_total")])
    ... def test_my_plugins(plugin, check):
    ...     check(plugin)
    """
    import pytest

    parameters = []
    for given in plugins:
        plugin, data = given if isinstance(given, tuple) else (given, None)
        kind = _kind_of_plugin(plugin)
        names = [*_CHECKS[kind], *([SKLEARN] if _sklearn_applies(plugin) else [])]
        parameters += [
            pytest.param(plugin, partial(_pytest_check, kind, name, data), id=f"{type(plugin).__name__}-{name}")
            for name in names
        ]
    return pytest.mark.parametrize(("plugin", "check"), parameters)


SKLEARN = "sklearn"
_CHECKS: dict[str, dict[str, Check]] = {
    "segmenter": _segmenter_checks.CHECKS,
    "scorer": _scorer_checks.CHECKS,
    "prioritizer": _prioritizer_checks.CHECKS,
}


def _kind_of_plugin(plugin: Any) -> str:
    for kind, interface in (("segmenter", Segmenter), ("scorer", Scorer), ("prioritizer", Prioritizer)):
        if isinstance(plugin, interface):
            return kind
    raise TypeError(
        f"{type(plugin).__name__} is no Segmenter, Scorer or Prioritizer; give an instance of a subclass of one."
    )


def _takes_arrays(plugin: Any) -> bool:
    return isinstance(plugin, Segmenter | Scorer) and not plugin._needs_table()


def _sklearn_applies(plugin: Any) -> bool:
    """Tell whether scikit-learn's checks apply: they take for granted that a transformer transforms new rows."""
    if not _takes_arrays(plugin):
        return False
    return not isinstance(plugin, Segmenter) or bool(plugin.__sklearn_tags__().segmenter_tags.out_of_sample)


def _case(kind: str, plugin: Any, data: Any, y: Any = None) -> Case:
    """Put together what the checks of one plug-in work on."""
    if kind == "prioritizer":
        return Case(plugin, make_profile() if data is None else data)
    if data is None:
        data = make_customers(numeric=_takes_arrays(plugin))
    elif not is_frame(data):
        raise TypeError(f"data must be a dataframe of customers, got {type(data).__name__}.")
    customers = as_customers(data)
    if y is not None and len(y) != len(customers):
        raise ValueError(f"y must have one value per customer ({len(customers)}), got {len(y)}.")
    return Case(plugin, customers, None if y is None else np.asarray(y))


def _run(kind: str, plugin: Any, data: Any, on_fail: OnFail, sklearn_checks: bool, y: Any = None) -> list[CheckResult]:
    if on_fail not in ("raise", "list"):
        raise ValueError(f"on_fail must be 'raise' or 'list', got {on_fail!r}.")
    if isinstance(plugin, type):
        raise TypeError(f"give an instance, not the class: {plugin.__name__}(...).")
    _case(kind, plugin, data, y)  # wrong arguments are no finding
    results: dict[str, CheckResult] = {}
    for name, check in _CHECKS[kind].items():
        results[name] = _run_one(name, check, kind, plugin, data, y, results)
        if on_fail == "raise" and results[name].status == "failed":
            raise AssertionError(f"{name}: {results[name].message}") from results[name].error
    failed = [name for name, result in results.items() if result.status == "failed"]
    listed = list(results.values())
    if sklearn_checks and not failed and y is None and _sklearn_applies(plugin):
        listed += _run_sklearn(plugin, on_fail)
    return listed


def _run_one(
    name: str, check: Check, kind: str, plugin: Any, data: Any, y: Any, results: dict[str, CheckResult]
) -> CheckResult:
    """Run one check, unless one that it rests on did not pass."""
    broken = [needed for needed in check.needs if results[needed].status != "passed"]
    if broken:
        return CheckResult(name, "skipped", f"rests on {broken[0]}, which did not pass")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SegmentationWarning)  # small data make small segments
            check.run(_case(kind, plugin, data, y))
    except CheckSkipped as reason:
        return CheckResult(name, "skipped", str(reason))
    except Exception as error:  # whatever a plug-in raises is the finding
        message = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
        return CheckResult(name, "failed", message, error)
    return CheckResult(name, "passed")


def _run_sklearn(plugin: Any, on_fail: OnFail) -> list[CheckResult]:
    """Run scikit-learn's estimator checks and put their outcomes in our form."""
    from sklearn.exceptions import SkipTestWarning
    from sklearn.utils.estimator_checks import check_estimator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)  # skips are in the result
        # estimators warn of the degenerate data that scikit-learn feeds them
        warnings.simplefilter("ignore", UserWarning)
        outcomes = check_estimator(clone(plugin), on_fail=None)
    results = []
    for outcome in outcomes:
        error = outcome["exception"]
        status: Literal["passed", "failed", "skipped"] = (
            outcome["status"] if outcome["status"] in ("passed", "skipped") else "failed"
        )
        results.append(CheckResult(f"sklearn.{outcome['check_name']}", status, str(error or ""), error))
        if on_fail == "raise" and status == "failed":
            raise AssertionError(f"sklearn.{outcome['check_name']}: {error}") from error
    return results


def _pytest_check(kind: str, name: str, data: Any, plugin: Any) -> None:
    """Run one check as a pytest test, with the checks that it rests on before it."""
    import pytest

    if name == SKLEARN:
        _run_sklearn(plugin, "raise")
        return
    results: dict[str, CheckResult] = {}
    for needed in [*_with_needs(name, _CHECKS[kind]), name]:
        results[needed] = _run_one(needed, _CHECKS[kind][needed], kind, plugin, data, None, results)
    if results[name].status == "skipped":
        pytest.skip(results[name].message)
    if results[name].status == "failed":
        raise AssertionError(results[name].message) from results[name].error


def _with_needs(name: str, checks: dict[str, Check]) -> Sequence[str]:
    """Return all that a check rests on, in the order of the kit."""
    needed: set[str] = set()
    waiting = list(checks[name].needs)
    while waiting:
        one = waiting.pop()
        if one not in needed:
            needed.add(one)
            waiting += checks[one].needs
    return [check for check in checks if check in needed]

"""What the checks of all kinds of plug-ins share."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from segmentation.base import Scorer, Segmenter
from segmentation.exceptions import ColumnError, CustomerTableError, OutputError

__all__ = [
    "Case",
    "Check",
    "CheckSkipped",
    "check_bad_tables",
    "check_columns",
    "check_customer_alone",
    "check_final_methods",
    "check_fit_runs",
    "check_input_unchanged",
    "check_pickle",
    "check_refit",
    "check_same_twice",
    "expect_equal",
    "expect_error",
    "is_cloneable",
    "needs_new_customers",
    "outputs",
    "require",
]


class CheckSkipped(Exception):  # noqa: N818  (not an error)
    """Raised by a check that does not apply to a plug-in; the text says why."""


@dataclass(frozen=True)
class Check:
    """A check, and the names of those whose failure would only show again in this one."""

    run: Callable[[Case], None]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """A plug-in and the table it is checked on. Every access makes a copy, so that no check disturbs another."""

    plugin: Any
    table: pd.DataFrame
    outcome: Any = None

    def model(self) -> Any:
        """Return an unfitted copy with a fixed seed where there is one to fix."""
        copy = clone(self.plugin)
        seeds = {name: 0 for name in copy.get_params() if name.split("__")[-1] == "random_state"}
        return copy.set_params(**seeds)

    def data(self) -> pd.DataFrame:
        """Return a copy of the table."""
        return self.table.copy(deep=True)

    def y(self) -> Any:
        """Return a copy of the outcome, where there is one."""
        return None if self.outcome is None else self.outcome.copy()

    def fitted(self, rows: Any = slice(None)) -> Any:
        """Return a copy fitted on the table, or on some of its rows."""
        y = self.y()
        return fit(self.model(), self.data().iloc[rows], None if y is None else y[rows])


# The final methods are called through the interface: an override is the business of check_final_methods alone.


def fit(model: Any, X: Any, y: Any = None) -> Any:
    """Fit through the interface."""
    return (Segmenter if isinstance(model, Segmenter) else Scorer).fit(model, X, y)


def outputs(model: Any, X: Any) -> np.ndarray[Any, Any]:
    """Return codes and membership of a segmenter, or the scores of a scorer, as one matrix."""
    if isinstance(model, Segmenter):
        return np.column_stack([Segmenter.predict(model, X), np.asarray(Segmenter.transform(model, X))])
    return np.asarray(Scorer.transform(model, X))


def require(condition: Any, message: str) -> None:
    """Raise AssertionError with the message unless the condition holds (``python -O`` drops bare asserts)."""
    if not condition:
        raise AssertionError(message)


def expect_equal(left: Any, right: Any, message: str) -> None:
    """Require equal numbers, up to rounding; NaN equals NaN."""
    left, right = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    same = left.shape == right.shape and np.allclose(left, right, rtol=1e-7, atol=1e-9, equal_nan=True)
    require(same, message)


def expect_error(action: Callable[[], Any], kinds: type[Exception] | tuple[type[Exception], ...], what: str) -> str:
    """Require that an action raises one of these errors; return its message."""
    try:
        action()
    except kinds as error:
        return str(error)
    except Exception as error:
        wanted = getattr(kinds, "__name__", kinds)
        raise AssertionError(f"{what}: expected {wanted}, got {type(error).__name__}: {error}") from error
    raise AssertionError(f"{what}: expected an error, got none.")


def is_cloneable(plugin: Any) -> None:
    """Require that __init__ only stores its parameters, so that clone, set_params and repr work."""
    copy = clone(plugin)  # raises, with scikit-learn's explanation, where __init__ changes a parameter
    require(copy.get_params().keys() == plugin.get_params().keys(), "a clone has other parameters than the original.")
    set_in_init = [name for name in vars(copy) if name.endswith("_") and not name.startswith("_")]
    require(not set_in_init, f"__init__ sets fitted attributes {set_in_init}; set them in the hooks.")
    repr(plugin)


def check_final_methods(interface: type) -> Callable[[Case], None]:
    """No final method of the interface is overridden: they hold the promises on names, index and values."""

    def run(case: Case) -> None:
        cls = type(case.plugin)
        final = [name for name, value in vars(interface).items() if _is_final(value)]
        overridden = [
            name
            for name in final
            if name in vars(case.plugin) or next(c for c in cls.__mro__ if name in vars(c)) is not interface
        ]
        require(
            not overridden,
            f"{cls.__name__} overrides final methods {overridden}. Write the hook underneath instead "
            "(_fit, _membership, _codes, _scores, _sample, _priority_scores, ...).",
        )

    return run


def _is_final(value: Any) -> bool:
    """Tell whether a class attribute was marked final, also below a descriptor such as available_if's."""
    return bool(getattr(value, "__final__", False) or getattr(getattr(value, "fn", None), "__final__", False))


def check_fit_runs(case: Case) -> None:
    """``fit`` learns from the customers; what it returns is for the checks of output."""
    try:
        case.fitted()
    except OutputError:
        return


def check_input_unchanged(case: Case) -> None:
    """Neither ``fit`` nor ``predict`` changes the caller's table or array."""
    for kind in ("table", "array"):
        if kind == "array" and case.plugin._needs_table():
            continue
        model = case.model()
        given: Any = case.data() if kind == "table" else case.data().to_numpy(dtype=np.float64)
        before = given.copy()
        try:
            fit(model, given, case.y())
            _same(before, given, "fit", kind)
            if _predicts(case):
                outputs(model, given)
        except AssertionError:
            raise
        except Exception as error:  # any other is found by the checks that come after this one
            require(
                "read-only" not in str(error), f"a hook writes into the {kind} it was given ({error}); copy it first."
            )
        _same(before, given, "fit, predict or transform", kind)


def _same(before: Any, after: Any, method: str, kind: str) -> None:
    same = before.equals(after) if isinstance(before, pd.DataFrame) else np.array_equal(before, after, equal_nan=True)
    require(same, f"{method} changed the {kind} it was given; work on a copy (X = X.copy()).")


def check_same_twice(case: Case) -> None:
    """Two fits with the same seed agree, and so do two predictions of one model."""
    if _predicts(case):
        first, second = case.fitted(), case.fitted()
        results = [outputs(first, case.data()), outputs(second, case.data())]
        expect_equal(
            results[0],
            outputs(first, case.data()),
            "two calls on the same customers give different results; draw random numbers in _fit only.",
        )
    else:
        results = [np.asarray(Segmenter.fit_transform(case.model(), case.data(), case.y())) for _ in range(2)]
    expect_equal(
        results[0],
        results[1],
        "two fits on the same customers give different results; take randomness from the parameter random_state, and "
        "give segments an order that does not depend on chance (the largest first).",
    )


def check_customer_alone(case: Case) -> None:
    """A customer's result does not depend on who else is in the table, nor on the order of rows."""
    needs_new_customers(case)
    model, data = case.fitted(), case.data()
    expected = outputs(model, case.data())
    order = np.random.default_rng(1).permutation(len(data))
    expect_equal(
        outputs(model, data.iloc[order]),
        expected[order],
        "results do not follow their customers when rows change order.",
    )
    half = np.arange(0, len(data), 2)
    expect_equal(
        outputs(model, data.iloc[half]), expected[half], "a customer's result depends on who else is in the table."
    )
    expect_equal(outputs(model, data.iloc[[3]]), expected[[3]], "a customer scored alone gets another result.")


def needs_new_customers(case: Case) -> None:
    if not _predicts(case):
        raise CheckSkipped("tag out_of_sample=False: it does not predict for other customers")


def _predicts(case: Case) -> bool:
    return not isinstance(case.plugin, Segmenter) or case.plugin.__sklearn_tags__().segmenter_tags.out_of_sample


def check_columns(case: Case) -> None:
    """Needed columns are recorded and required; a table estimator ignores others and their order."""
    needs_new_customers(case)
    model, data = case.fitted(), case.data()
    used = list(getattr(model, "feature_names_in_", []))
    require(hasattr(model, "feature_names_in_"), "feature_names_in_ is missing after fit on a table.")
    if not used:
        raise CheckSkipped("it uses no column")
    require(model.n_features_in_ == len(used), "n_features_in_ is not the number of feature_names_in_.")
    message = expect_error(
        lambda: outputs(model, data.drop(columns=used[0])), ColumnError, f"predict without the column {used[0]!r}"
    )
    require(str(used[0]) in message, f"the error for a missing column does not name it: {message}")
    if not case.plugin._needs_table():
        return
    expected = outputs(model, case.data())
    rearranged = data[data.columns[::-1]].assign(a_column_nobody_needs="?")
    expect_equal(outputs(model, rearranged), expected, "other columns, or another order of columns, change the result.")
    refitted = fit(case.model(), rearranged, case.y())
    require(
        "a_column_nobody_needs" not in list(refitted.feature_names_in_),
        "fit records columns it does not use: return those it uses from _required_columns.",
    )


def check_pickle(case: Case) -> None:
    """A fitted plug-in survives pickle and gives the same results to the bit."""
    needs_new_customers(case)
    model = case.fitted()
    restored = pickle.loads(pickle.dumps(model))  # noqa: S301  (made on the line itself)
    same = np.array_equal(outputs(model, case.data()), outputs(restored, case.data()), equal_nan=True)
    require(same, "results differ after pickle.")


def check_refit(case: Case) -> None:
    """Fitting again forgets the first fit."""
    needs_new_customers(case)
    part = slice(0, 2 * len(case.table) // 3)
    fresh = case.fitted(part)
    again = case.fitted()
    y = case.y()
    fit(again, case.data().iloc[part], None if y is None else y[part])
    expect_equal(outputs(again, case.data()), outputs(fresh, case.data()), "a second fit keeps something of the first.")


def check_bad_tables(case: Case) -> None:
    """Repeated ids and a table without rows are refused; predicting for nobody gives nothing."""
    data = case.data()
    repeated = pd.concat([data, data.iloc[:1]])
    y = case.y()
    longer = None if y is None else np.append(y, y[:1])
    expect_error(lambda: fit(case.model(), repeated, longer), CustomerTableError, "fit on a table with a repeated id")
    nobody = None if y is None else y[:0]
    expect_error(lambda: fit(case.model(), data.iloc[:0], nobody), ValueError, "fit on a table without rows")

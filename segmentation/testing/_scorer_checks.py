"""The promises of a Scorer, one check each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from segmentation.base import Scorer
from segmentation.compose import score_customers
from segmentation.exceptions import OutputError
from segmentation.testing import _common
from segmentation.testing._common import Case, Check, CheckSkipped, expect_equal, require

__all__ = ["CHECKS"]

UNITS = ("currency", "count", "probability", "index")


def _check_interface(case: Case) -> None:
    """It is a Scorer, its parameters can be read and set, its tags have allowed values."""
    require(isinstance(case.plugin, Scorer), f"{type(case.plugin).__name__} is not a subclass of Scorer.")
    _common.is_cloneable(case.plugin)
    tags: Any = getattr(case.plugin.__sklearn_tags__(), "scorer_tags", None)
    require(tags is not None, "__sklearn_tags__ has no scorer_tags; start it with super().__sklearn_tags__().")
    require(tags.unit in UNITS, f"tag unit must be one of {UNITS}, got {tags.unit!r}.")
    for name in ("higher_is_better", "dataframe_only", "draws"):
        value = getattr(tags, name)
        require(isinstance(value, bool), f"tag {name} must be True or False, got {value!r}.")


def _raw(case: Case) -> tuple[list[str], NDArray[Any]]:
    """Call the hooks as the interface does, but look at what they return before it is refused."""
    model = case.model()
    data, _ = model._customers(case.data(), reset=True)
    names = list(model._fit(data, case.y()))
    model.score_names_ = np.array(names, dtype=object)
    data, _ = model._customers(case.data(), reset=False)
    return names, np.asarray(model._scores(data))


def _check_names(case: Case) -> None:
    """``_fit`` returns at least one name; names are unique, non-empty text."""
    try:
        model = case.fitted()
        Scorer.transform(model, case.data())
    except OutputError as error:
        require(" name" not in str(error), str(error))
        return
    require(
        list(Scorer.get_feature_names_out(model)) == list(model.score_names_),
        "get_feature_names_out is not score_names_.",
    )


def _check_customers_kept(case: Case) -> None:
    """``_scores`` returns one row for every customer it was given."""
    _, scores = _raw(case)
    rows = scores.shape[0] if scores.ndim else 0
    require(
        rows == len(case.table),
        f"_scores returned {rows} rows for {len(case.table)} customers; a customer without a score gets NaN.",
    )


def _check_scores(case: Case) -> None:
    """Scores are numbers, one column per name, never infinite; probabilities lie in [0, 1]."""
    names, scores = _raw(case)
    shape = (len(case.table), len(names))
    require(scores.shape == shape, f"_scores returned shape {scores.shape}, expected {shape}.")
    require(scores.dtype.kind in "fiub", f"_scores returned {scores.dtype}, expected float64.")
    require(not np.isinf(scores.astype(float)).any(), "_scores returned infinities.")
    require(not np.isnan(scores[:, 0].astype(float)).all(), "the primary score is missing for every customer.")
    if case.plugin.__sklearn_tags__().scorer_tags.unit == "probability":
        primary = scores[:, 0][~np.isnan(scores[:, 0])]
        require(((primary >= 0) & (primary <= 1)).all(), "tag unit='probability', but the score leaves [0, 1].")


def _check_table(case: Case) -> None:
    """``score_customers`` gives every customer one row under its own id, the primary score first."""
    model, data = case.fitted(), case.data()
    table = Scorer.score_customers(model, case.data())
    require(table.index.name == "customer_id" and table.index.equals(data.index), "ids are not those of the customers.")
    require(list(table.columns) == list(model.score_names_), "columns are not score_names_.")
    expect_equal(table, Scorer.transform(model, case.data()), "score_customers is not transform.")
    expect_equal(
        table.iloc[:, 0], Scorer.score_samples(model, case.data()), "score_samples is not the first score of transform."
    )
    nobody = Scorer.score_customers(model, data.iloc[:0])
    require(nobody.shape == (0, table.shape[1]), "score_customers fails on an empty table.")


def _check_draws(case: Case) -> None:
    """Draws have the promised shape, depend on the seed alone, and scatter around the score."""
    if not case.plugin.__sklearn_tags__().scorer_tags.draws:
        raise CheckSkipped("tag draws=False")
    model = case.fitted()
    draws = model.sample_customers(case.data(), n_draws=50, random_state=3)
    require(draws.shape == (50, len(case.table)), f"draws have shape {draws.shape}, expected {(50, len(case.table))}.")
    again = model.sample_customers(case.data(), n_draws=50, random_state=3)
    expect_equal(draws, again, "the same seed gives other draws; use the generator that _sample is handed.")
    other = model.sample_customers(case.data(), n_draws=50, random_state=4)
    require(not np.array_equal(draws, other, equal_nan=True), "another seed gives the same draws.")


def _check_pipeline(case: Case) -> None:
    """It works as the last step of a pipeline, with ids kept."""
    pipeline = Pipeline([("same", FunctionTransformer()), ("scores", case.model())])
    pipeline[:-1].fit(case.data())
    _common.fit(pipeline[-1], case.data(), case.y())
    table = score_customers(pipeline, case.data())
    alone = Scorer.score_customers(case.fitted(), case.data())
    require(table.index.equals(alone.index), "ids are lost in a pipeline.")
    expect_equal(table, alone, "a pipeline changes the scores.")


CHECKS: dict[str, Check] = {
    "check_interface": Check(_check_interface),
    "check_final_methods": Check(_common.check_final_methods(Scorer)),
    "check_input_unchanged": Check(_common.check_input_unchanged, ("check_interface",)),
    "check_fit_runs": Check(_common.check_fit_runs, ("check_input_unchanged",)),
    "check_names": Check(_check_names, ("check_fit_runs",)),
    "check_customers_kept": Check(_check_customers_kept, ("check_names",)),
    "check_scores": Check(_check_scores, ("check_customers_kept",)),
    "check_same_twice": Check(_common.check_same_twice, ("check_scores",)),
    "check_customer_alone": Check(_common.check_customer_alone, ("check_same_twice",)),
    "check_table": Check(_check_table, ("check_same_twice",)),
    "check_draws": Check(_check_draws, ("check_same_twice",)),
    "check_columns": Check(_common.check_columns, ("check_same_twice",)),
    "check_pickle": Check(_common.check_pickle, ("check_same_twice",)),
    "check_refit": Check(_common.check_refit, ("check_same_twice",)),
    "check_bad_tables": Check(_common.check_bad_tables, ("check_fit_runs",)),
    "check_pipeline": Check(_check_pipeline, ("check_same_twice",)),
}

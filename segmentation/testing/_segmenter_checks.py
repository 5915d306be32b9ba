"""The promises of a Segmenter, one check each."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from segmentation.assignment import UNASSIGNED
from segmentation.base import ROUNDING, Segmenter
from segmentation.compose import assign
from segmentation.exceptions import OutputError
from segmentation.testing import _common
from segmentation.testing._common import Case, Check, expect_equal, require

__all__ = ["CHECKS"]


def _check_interface(case: Case) -> None:
    """It is a Segmenter, its parameters can be read and set, its tags have allowed values."""
    require(isinstance(case.plugin, Segmenter), f"{type(case.plugin).__name__} is not a subclass of Segmenter.")
    _common.is_cloneable(case.plugin)
    tags: Any = getattr(case.plugin.__sklearn_tags__(), "segmenter_tags", None)
    require(tags is not None, "__sklearn_tags__ has no segmenter_tags; start it with super().__sklearn_tags__().")
    require(
        tags.membership in ("hard", "soft", "overlapping"),
        f"tag membership must be 'hard', 'soft' or 'overlapping', got {tags.membership!r}.",
    )
    for name in ("unassigned", "out_of_sample", "dataframe_only"):
        value = getattr(tags, name)
        require(isinstance(value, bool), f"tag {name} must be True or False, got {value!r}.")


def _raw(case: Case) -> tuple[Any, list[tuple[str, Any, Any]]]:
    """Call the hooks as the interface does, but look at what they return before it is refused."""
    model = case.model()
    data, index = model._customers(case.data(), reset=True)
    names = list(model._fit(data, case.y()))
    model.segments_ = np.array(names, dtype=object)
    raw = [("_fit_membership", data, np.asarray(model._fit_membership(data)))]
    if case.plugin.__sklearn_tags__().segmenter_tags.out_of_sample:
        data, index = model._customers(case.data(), reset=False)
        raw.append(("_membership", data, np.asarray(model._membership(data))))
    require(len(index) == len(case.table), "customers were lost before the hooks.")
    return model, raw


def _check_names(case: Case) -> None:
    """``_fit`` returns names that are unique, non-empty text, none of them "unassigned"."""
    try:
        model = case.fitted()
    except OutputError as error:
        require(" names" not in str(error) and "is the name of" not in str(error), str(error))
        return
    expect = list(model.segments_)
    require(model.segments_.dtype == object, "segments_ must be an array of text (dtype object).")
    require(list(Segmenter.get_feature_names_out(model)) == expect, "get_feature_names_out is not segments_.")


def _check_customers_kept(case: Case) -> None:
    """Hooks return one row for every customer they were given."""
    model, raw = _raw(case)
    for hook, data, membership in raw:
        rows = membership.shape[0] if membership.ndim else 0
        require(
            rows == len(case.table),
            f"{hook} returned {rows} rows for {len(case.table)} customers; who is in no segment has a row of zeros.",
        )
        codes = np.asarray(model._codes(data, membership))
        require(
            codes.shape == (len(case.table),),
            f"_codes returned shape {codes.shape} for {len(case.table)} customers; -1 is the code of being in none.",
        )


def _check_membership(case: Case) -> None:
    """Degrees are finite numbers in [0, 1], one column per segment, and keep what the tag ``membership`` says."""
    model, raw = _raw(case)
    kind = case.plugin.__sklearn_tags__().segmenter_tags.membership
    for hook, _, membership in raw:
        shape = (len(case.table), len(model.segments_))
        require(membership.shape == shape, f"{hook} returned shape {membership.shape}, expected {shape}.")
        require(membership.dtype.kind in "fiub", f"{hook} returned {membership.dtype}, expected float64.")
        require(np.isfinite(membership).all(), f"{hook} returned values that are not finite.")
        require(
            membership.size == 0 or (membership.min() >= -ROUNDING and membership.max() <= 1 + ROUNDING),
            f"{hook} returned degrees outside [0, 1].",
        )
        if kind == "overlapping":
            continue
        require(
            (membership.sum(axis=1) <= 1 + 1e-6).all(),
            f"{hook}: degrees of a customer sum to more than 1, which only the tag membership='overlapping' allows.",
        )
        if kind == "hard":
            require(
                ((membership < ROUNDING) | (membership > 1 - ROUNDING)).all(),
                f"{hook}: degrees between 0 and 1 need the tag membership='soft'.",
            )


def _check_codes(case: Case) -> None:
    """Codes are integers in -1..n_segments-1; -1 only with the tag ``unassigned``."""
    model, raw = _raw(case)
    may_be_none = case.plugin.__sklearn_tags__().segmenter_tags.unassigned
    for _, data, membership in raw:
        codes = np.asarray(model._codes(data, membership))
        require(codes.dtype.kind in "iu", f"codes must be integers, got {codes.dtype}.")
        highest = len(model.segments_) - 1
        require(
            codes.size == 0 or (codes.min() >= -1 and codes.max() <= highest),
            f"codes must lie in -1..{highest}, got {codes.min()} to {codes.max()}.",
        )
        require(
            may_be_none or (codes >= 0).all(),
            "customers are left in no segment (code -1), but the tag unassigned is False.",
        )


def _check_labels(case: Case) -> None:
    """``labels_``, ``fit_predict`` and ``fit_transform`` are what ``predict`` and ``transform`` give."""
    model = case.fitted()
    require(model.labels_.dtype == np.int64, f"labels_ must be int64, got {model.labels_.dtype}.")
    expect_equal(
        Segmenter.fit_predict(case.model(), case.data(), case.y()), model.labels_, "fit_predict is not labels_."
    )
    if not case.plugin.__sklearn_tags__().segmenter_tags.out_of_sample:
        return
    expect_equal(
        Segmenter.predict(model, case.data()),
        model.labels_,
        "labels_ are not what predict gives for the same customers.",
    )
    expect_equal(
        Segmenter.fit_transform(case.model(), case.data(), case.y()),
        Segmenter.transform(model, case.data()),
        "fit_transform is not what transform gives for the same customers.",
    )


def _check_assignment(case: Case) -> None:
    """``assign`` gives every customer one row under its own id, and all segments as categories."""
    _common.needs_new_customers(case)
    model, data = case.fitted(), case.data()
    table = Segmenter.assign(model, case.data())
    require(list(table.columns) == ["segment", "membership"], f"columns are {list(table.columns)}.")
    require(table.index.name == "customer_id" and table.index.equals(data.index), "ids are not those of the customers.")
    categories = [*model.segments_, UNASSIGNED]
    require(list(table["segment"].cat.categories) == categories, "categories are not all segments, then 'unassigned'.")
    codes = Segmenter.predict(model, case.data())
    expect_equal(np.where(codes < 0, len(model.segments_), codes), table["segment"].cat.codes, "assign is not predict.")
    require(table["membership"].between(0, 1).all(), "membership lies outside [0, 1].")
    nobody = Segmenter.assign(model, data.iloc[:0])
    require(len(nobody) == 0 and list(nobody.columns) == ["segment", "membership"], "assign fails on an empty table.")


def _check_one_customer(case: Case) -> None:
    """Learning from one customer works, or is refused with a ValueError that says why."""
    y = case.y()
    try:
        _common.fit(case.model(), case.data().iloc[:1], None if y is None else y[:1])
    except ValueError as error:
        require(str(error).strip(), "fit on one customer raises a ValueError without a message.")


def _check_pipeline(case: Case) -> None:
    """It works as the last step of a pipeline, with ids kept."""
    _common.needs_new_customers(case)
    pipeline = Pipeline([("same", FunctionTransformer()), ("segments", case.model())])
    pipeline[:-1].fit(case.data())
    _common.fit(pipeline[-1], case.data(), case.y())
    table = assign(pipeline, case.data())
    alone = Segmenter.assign(case.fitted(), case.data())
    require(table.index.equals(alone.index), "ids are lost in a pipeline.")
    expect_equal(table["segment"].cat.codes, alone["segment"].cat.codes, "a pipeline changes the segments.")


CHECKS: dict[str, Check] = {
    "check_interface": Check(_check_interface),
    "check_final_methods": Check(_common.check_final_methods(Segmenter)),
    "check_input_unchanged": Check(_common.check_input_unchanged, ("check_interface",)),
    "check_fit_runs": Check(_common.check_fit_runs, ("check_input_unchanged",)),
    "check_names": Check(_check_names, ("check_fit_runs",)),
    "check_customers_kept": Check(_check_customers_kept, ("check_names",)),
    "check_membership": Check(_check_membership, ("check_customers_kept",)),
    "check_codes": Check(_check_codes, ("check_membership",)),
    "check_same_twice": Check(_common.check_same_twice, ("check_codes",)),
    "check_customer_alone": Check(_common.check_customer_alone, ("check_same_twice",)),
    "check_labels": Check(_check_labels, ("check_same_twice",)),
    "check_assignment": Check(_check_assignment, ("check_same_twice",)),
    "check_columns": Check(_common.check_columns, ("check_same_twice",)),
    "check_pickle": Check(_common.check_pickle, ("check_same_twice",)),
    "check_refit": Check(_common.check_refit, ("check_same_twice",)),
    "check_bad_tables": Check(_common.check_bad_tables, ("check_fit_runs",)),
    "check_one_customer": Check(_check_one_customer, ("check_codes",)),
    "check_pipeline": Check(_check_pipeline, ("check_same_twice",)),
}

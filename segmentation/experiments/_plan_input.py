"""Baselines, lifts and sizes per segment, read from what people have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import column_difference, count, name_some
from segmentation._frames import is_frame, kind_of, to_pandas
from segmentation._validation import CUSTOMER_ID
from segmentation.assignment import UNASSIGNED, as_assignment
from segmentation.exceptions import ColumnError
from segmentation.experiments._plan_power import SIDES

__all__ = ["baseline_table", "check_shares", "check_table", "lifts", "per_segment", "profile_sizes"]

ALL = "all"
COLUMNS = ("mean", "sd", "n_customers")


def is_number(value: Any) -> bool:
    """Tell whether a value is one number."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def baseline_table(baseline: Any, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """Return a table with a column ``mean``, indexed by segment; of its other columns those named."""
    if isinstance(baseline, Mapping):
        baseline = pd.Series(dict(baseline), dtype="float64")
    if isinstance(baseline, pd.Series):
        table = baseline.to_frame("mean")
    elif is_frame(baseline):
        table = to_pandas(baseline)
        if "segment" in table.columns:
            table = table.set_index("segment")
        if "mean" not in table.columns:
            raise ColumnError(f"a baseline table needs a column 'mean', got {name_some(table.columns)}.")
        table = table[[name for name in columns if name in table.columns]]
    elif is_number(baseline):
        table = pd.DataFrame({"mean": [float(baseline)]}, index=[ALL])
    else:
        raise TypeError(f"baseline must be a number, or one per segment, got {kind_of(baseline)}.")
    if not len(table) or table.index.has_duplicates:
        raise ValueError(f"baseline needs one row per segment, got {name_some(table.index) or 'none'}.")
    try:
        table = table.astype("float64")
    except (TypeError, ValueError) as error:
        raise TypeError(f"baseline must be numbers: {error}.") from error
    return table.rename_axis("segment")


def per_segment(values: Any, segments: pd.Index, name: str, profile: pd.DataFrame | None = None) -> pd.Series[Any]:
    """Return one number per segment from one number, a mapping, or the name of a column of the profile."""
    if is_number(values):
        return pd.Series(float(values), index=segments)
    if isinstance(values, str) and profile is not None:
        if values not in profile.columns:
            raise ColumnError(
                f"{name}={values!r} is no column of the profile: {column_difference([values], list(profile.columns))}."
            )
        values = profile[values]
    if not isinstance(values, Mapping | pd.Series):
        raise TypeError(f"{name} must be a number, or one per segment, got {kind_of(values)}.")
    given = pd.Series(dict(values), dtype="float64")
    missing = [segment for segment in segments if segment not in given.index]
    if missing:
        raise ValueError(f"{name} has no value for {name_some(missing)}; it has {name_some(given.index)}.")
    return given.reindex(segments)


def profile_sizes(profile: Any) -> tuple[pd.DataFrame, list[str]]:
    """Return a profile with ``n_customers``, without the unassigned, and notes about it.

    A profile, an assignment (counted), or sizes per segment.
    """
    if isinstance(profile, Mapping):
        profile = pd.Series(dict(profile), dtype="float64")
    by_customer = isinstance(profile, pd.Series) and profile.index.name == CUSTOMER_ID  # labels, not sizes
    if isinstance(profile, pd.Series) and pd.api.types.is_numeric_dtype(profile.dtype) and not by_customer:
        table = profile.to_frame("n_customers")
    elif isinstance(profile, pd.Series):
        table = _counted(profile)
    elif is_frame(profile):
        table = to_pandas(profile)
        if "n_customers" in table.columns:
            table = table.set_index("segment") if "segment" in table.columns else table
        elif "segment" in table.columns:
            table = _counted(table)
        else:
            raise ColumnError(
                "a profile needs a column 'n_customers' (segmentation.profile_segments makes one), an assignment a "
                f"column 'segment'; got {name_some(table.columns)}."
            )
    else:
        raise TypeError(
            f"profile must be a profile of segments, an assignment, or sizes per segment, got {kind_of(profile)}."
        )
    if table.index.has_duplicates:
        twice = table.index[table.index.duplicated()].unique()
        raise ValueError(f"a segment stands twice in the profile: {name_some(twice)}.")
    sizes = table["n_customers"].to_numpy(dtype=np.float64, na_value=np.nan)
    bad = table.index[~(np.isfinite(sizes) & (sizes >= 0))]
    if len(bad):
        raise ValueError(f"n_customers must be 0 or more; it is not for {name_some(bad)}.")
    table = table.assign(n_customers=sizes).rename_axis("segment")
    notes = []
    if UNASSIGNED in table.index:
        alone = int(table["n_customers"].to_dict()[UNASSIGNED])
        notes.append(f"{count(alone, 'customer is', 'customers are')} in no segment and not in the plan.")
        table = table.drop(index=UNASSIGNED)
    if not len(table):
        raise ValueError("the profile has no segments.")
    return table, notes


def _counted(assignment: Any) -> pd.DataFrame:
    sizes = as_assignment(assignment)["segment"].value_counts(sort=False)
    table = pd.DataFrame({"n_customers": sizes.to_numpy(dtype=np.float64)}, index=list(sizes.index))
    return table[(table["n_customers"] > 0) | (table.index != UNASSIGNED)]


def check_table(table: pd.DataFrame) -> None:
    """Refuse what is no number, a negative spread, and proportions outside 0 to 1."""
    for name in table.columns:
        bad = table.index[~np.isfinite(table[name].to_numpy())]
        if len(bad):
            raise ValueError(
                f"{name} must be a finite number; it is not for {name_some(bad)}. Leave these segments out."
            )
    if "sd" in table:
        if (table["sd"] < 0).any():
            raise ValueError(f"sd must not be negative; it is for {name_some(table.index[table['sd'] < 0])}.")
    else:
        outside = table.index[(table["mean"] < 0) | (table["mean"] > 1)]
        if len(outside):
            raise ValueError(
                f"without sd the baseline is a proportion between 0 and 1; it is not for {name_some(outside)} (values "
                f"{name_some(table.loc[outside, 'mean'])}). Give sd= for a mean, such as money."
            )


def lifts(
    absolute: Any,
    relative: Any,
    table: pd.DataFrame,
    names: tuple[str, str] = ("lift", "rel_lift"),
    profile: pd.DataFrame | None = None,
) -> pd.Series[Any]:
    """Return the absolute lift per segment from the one of both that is given."""
    if (absolute is None) == (relative is None):
        raise ValueError(
            f"give either {names[0]}= (absolute) or {names[1]}= (a share of the baseline), and one of them only."
        )
    if absolute is not None:
        result = per_segment(absolute, table.index, names[0], profile)
    else:
        result = per_segment(relative, table.index, names[1], profile) * table["mean"]
    zero = result.index[~(np.isfinite(result) & (result != 0))]
    if len(zero):
        raise ValueError(f"the lift must be a finite number other than 0; it is not for {name_some(zero)}.")
    return result


def check_shares(power: Any, alpha: Any, alternative: Any, **shares: Any) -> None:
    """Refuse what is no share between 0 and 1, and an unknown alternative; shares that are None are not given."""
    given = {"power": power, "alpha": alpha} | {name: value for name, value in shares.items() if value is not None}
    for name, value in given.items():
        if not is_number(value) or not 0 < value < 1:
            raise ValueError(f"{name} must be a number between 0 and 1, got {value!r}.")
    if power <= alpha:
        raise ValueError(f"power must be larger than alpha, got {power!r} and {alpha!r}.")
    if alternative not in SIDES:
        raise ValueError(f"alternative must be one of {name_some(SIDES)}, got {alternative!r}.")

"""Reading a figure from a profile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import column_difference, name_some
from segmentation.exceptions import ColumnError

__all__ = ["profile_column"]


def profile_column(profile: pd.DataFrame, name: Any, who: str) -> NDArray[np.float64]:
    """Return a column of the profile as floats, or raise ColumnError with the nearest names."""
    if name not in profile.columns:
        raise ColumnError(f"{who}: {column_difference([name], list(profile.columns))}.")
    column = profile[name]
    if not (pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype)):
        raise ColumnError(
            f"{who}: column {name!r} holds {column.dtype} (values {name_some(column.unique(), 3)}), not numbers."
        )
    values: NDArray[np.float64] = column.to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = profile.index[np.isinf(values)]
    if len(infinite):
        raise ColumnError(f"{who}: column {name!r} is infinite for {name_some(infinite)}.")
    return values

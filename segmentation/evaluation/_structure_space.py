"""In which columns groups are looked for: those a segmenter measures distances in, or the numbers of a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.evaluation._refits import Customers, last_step
from segmentation.evaluation._validity_space import clustering_space

__all__ = ["numeric_part", "space_of"]


def numeric_part(customers: Customers) -> tuple[pd.DataFrame, list[Any]]:
    """Return the columns of numbers as floats, and the names of the other columns."""
    table = customers.data if customers.is_table else pd.DataFrame(np.asarray(customers.data))
    numbers = [name for name in table.columns if _is_number(table[name])]
    values = table[numbers].astype(np.float64).set_axis(customers.index, axis=0)
    return values, [name for name in table.columns if name not in set(numbers)]


def _is_number(column: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column))


def space_of(model: Any, customers: Customers) -> NDArray[np.float64]:
    """Return the customers as the fitted model sees them, or their numbers, standardised, where it reads columns."""
    if last_step(model).__sklearn_tags__().segmenter_tags.dataframe_only:
        values = numeric_part(customers)[0].to_numpy()
        middle = np.nanmedian(values, axis=0)
        values = np.where(np.isnan(values), middle, values)
        width = values.std(axis=0)
        return np.asarray((values - values.mean(axis=0)) / np.where(width > 0, width, 1.0), dtype=np.float64)
    return clustering_space(model, customers.data).to_numpy(dtype=np.float64)

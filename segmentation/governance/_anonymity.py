"""k-anonymity: how many people share each combination of what others may know about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import column_difference, count, name_some, percent
from segmentation._frames import is_frame, kind_of, to_pandas
from segmentation._validation import CUSTOMER_ID
from segmentation.exceptions import ColumnError, CustomerTableError

__all__ = ["MINIMUM", "AnonymityResult", "k_anonymity"]

# A group below this size is called small wherever this package publishes a table. A convention, not a law of nature:
# rules of thumb for published tables lie between 3 and 20; whoever publishes decides.
MINIMUM = 10


@dataclass(frozen=True, repr=False, eq=False)
class AnonymityResult:
    """How many people share each combination of quasi-identifiers.

    Attributes
    ----------
    k : int
        Size of the smallest class: everybody is one of at least `k` who look alike.
    classes : pandas.DataFrame
        One row per combination that occurs, smallest first: the quasi-identifiers, ``n_customers``, and per
        sensitive column ``<column>_values``, how many different values occur in the class.
    l_diversity : dict of str to int
        Per sensitive column the smallest number of different values in a class (distinct l-diversity).
    quasi_identifiers : tuple
    n_customers : int
    n_with_missing : int
        People with a missing quasi-identifier.
    minimum : int
        Size under which a class is called small.
    """

    k: int
    classes: pd.DataFrame
    l_diversity: dict[str, int]
    quasi_identifiers: tuple[Any, ...]
    n_customers: int
    n_with_missing: int
    minimum: int

    def below(self, k: int | None = None) -> pd.DataFrame:
        """Return the classes with fewer than `k` people, by default fewer than ``minimum``."""
        return self.classes[self.classes["n_customers"] < (self.minimum if k is None else k)]

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of the classes."""
        return self.classes.copy()

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values, without the classes."""
        small = self.below()
        return {
            "k": self.k,
            "l_diversity": dict(self.l_diversity),
            "quasi_identifiers": [str(name) for name in self.quasi_identifiers],
            "n_customers": self.n_customers,
            "n_classes": len(self.classes),
            "n_with_missing": self.n_with_missing,
            "minimum": self.minimum,
            "n_small_classes": len(small),
            "n_customers_in_small_classes": int(small["n_customers"].sum()),
        }

    def __str__(self) -> str:
        figures = self.to_dict()
        inside = figures["n_customers_in_small_classes"]
        lines = [
            f"k = {self.k} for {name_some(self.quasi_identifiers)}: "
            f"{count(self.n_customers, 'customer')} in {count(len(self.classes), 'class', 'classes')}",
            f"  classes of fewer than {self.minimum}: {figures['n_small_classes']:,}, with "
            f"{count(inside, 'customer')} ({percent(inside / self.n_customers)})",
        ]
        lines += [
            f"  l = {n} different values of {name!r} in a class, at least" for name, n in self.l_diversity.items()
        ]
        if self.n_with_missing:
            lines.append(
                f"  {count(self.n_with_missing, 'customer')} with a missing value, which counts as a value of its own"
            )
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>{self.below().head(10).to_html(index=False)}"


def k_anonymity(table: Any, quasi_identifiers: Any, *, sensitive: Any = (), minimum: int = MINIMUM) -> AnonymityResult:
    """Count how many people share each combination of quasi-identifiers.

    Parameters
    ----------
    table : dataframe
        One row per person. Where it has ids (a column or index ``customer_id``), different ids are counted, so that
        several rows of one person do not pass for a crowd.
    quasi_identifiers : column or list of columns
        What somebody may know about a person from elsewhere: age, postcode, occupation, segment.
    sensitive : column or list of columns, optional
        What nobody is to learn; for each the number of different values per class is counted.
    minimum : int, default=10
        Size under which a class is called small.

    Returns
    -------
    AnonymityResult

    Raises
    ------
    TypeError
        If it is no table.
    ColumnError
        If a column is not there, is named twice, or no quasi-identifier is named.
    CustomerTableError
        If the table has no rows, or ids are missing.

    Notes
    -----
    A missing value is a value of its own: two people whose age is missing look alike, somebody of 30 does not look
    like them. For a table in which a missing value could be anything this is the cautious reading. Numbers are compared
    as they are; round or cut them first as they will be published. k-anonymity says nothing about what a class has in
    common: if all its people share the sensitive value (l = 1), it is known for each of them.

    References
    ----------
    Sweeney (2002). k-anonymity: a model for protecting privacy. doi:10.1142/S0218488502001648.
    Machanavajjhala et al. (2007). l-diversity. doi:10.1145/1217299.1217302.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.governance import k_anonymity
    >>> people = pd.DataFrame({"age": ["30s", "30s", "40s"], "city": ["A", "A", "A"], "illness": ["x", "y", "x"]})
    >>> print(k_anonymity(people, ["age", "city"], sensitive="illness", minimum=2))
    k = 1 for 'age', 'city': 3 customers in 2 classes
      classes of fewer than 2: 1, with 1 customer (33.3 %)
      l = 1 different values of 'illness' in a class, at least
    """
    if not is_frame(table):
        raise TypeError(f"k_anonymity takes a table with one row per person, got {kind_of(table)}.")
    frame = to_pandas(table)
    if CUSTOMER_ID not in frame.columns and CUSTOMER_ID in frame.index.names:
        frame = frame.reset_index()
    known, secret = _listed(quasi_identifiers), _listed(sensitive)
    _check(frame, known, secret)
    ids = frame[CUSTOMER_ID] if CUSTOMER_ID in frame.columns else pd.Series(np.arange(len(frame)))
    if ids.isna().any():
        raise CustomerTableError(f"{count(int(ids.isna().sum()), 'row has', 'rows have')} no customer id.")
    # names of our own, so that no column of the table is in the way
    group, combinations = _groups(frame, known)
    people = pd.DataFrame({"group": group, "id": pd.factorize(ids)[0]})
    size = people.drop_duplicates().groupby("group").size()
    classes = combinations.assign(n_customers=size.to_numpy())
    l_diversity = {}
    for name in secret:
        # a missing value is a value of its own here too
        values = pd.DataFrame({"group": group, "value": pd.factorize(frame[name])[0]}).drop_duplicates()
        classes[f"{name}_values"] = values.groupby("group").size().to_numpy()
        l_diversity[str(name)] = int(classes[f"{name}_values"].min())
    missing = frame[known].isna().any(axis=1).to_numpy()
    return AnonymityResult(
        k=int(size.min()),
        classes=classes.sort_values("n_customers", kind="stable", ignore_index=True),
        l_diversity=l_diversity,
        quasi_identifiers=tuple(known),
        n_customers=int(ids.nunique()),
        n_with_missing=int(ids[missing].nunique()),
        minimum=minimum,
    )


def _listed(names: Any) -> list[Any]:
    return list(names) if isinstance(names, Sequence) and not isinstance(names, str) else [names]


def _check(frame: pd.DataFrame, known: list[Any], secret: list[Any]) -> None:
    if not known:
        raise ColumnError("name at least one quasi-identifier: a column that others may know about a person.")
    if len({*known, *secret}) < len(known) + len(secret):
        raise ColumnError(
            f"a column is named twice: quasi-identifiers {name_some(known)}, sensitive {name_some(secret)}."
        )
    if any(name not in frame.columns for name in [*known, *secret]):
        raise ColumnError(f"k_anonymity: {column_difference([*known, *secret], list(frame.columns))}.")
    taken = {"n_customers", *(f"{name}_values" for name in secret)} & {str(name) for name in known}
    if taken:
        raise ColumnError(f"rename {name_some(sorted(taken))}: the result has a column of this name.")
    if not len(frame):
        raise CustomerTableError("there is nobody in the table (0 rows), so there is no k.")


def _groups(frame: pd.DataFrame, known: list[Any]) -> tuple[Any, pd.DataFrame]:
    """Number the combinations that occur, missing as a value; return a number per row, and one row per combination."""
    number = np.zeros(len(frame), dtype=np.int64)
    for name in known:
        codes, values = pd.factorize(frame[name])
        # renumbered after each column, so that the product of many levels never overflows
        number = pd.factorize(number * (len(values) + 1) + codes + 1)[0].astype(np.int64)
    first = pd.Series(number).drop_duplicates().index
    return number, frame[known].iloc[first].reset_index(drop=True)

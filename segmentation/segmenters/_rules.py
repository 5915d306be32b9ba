"""Segments that people define: one rule per segment, in a small safe language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import column_difference, name_some
from segmentation._frames import is_frame, is_pandas, kind_of, to_pandas
from segmentation._tags import SegmentationTags
from segmentation._validation import CUSTOMER_ID, as_customers
from segmentation._why import Why
from segmentation.assignment import UNASSIGNED
from segmentation.base import Segmenter
from segmentation.exceptions import ColumnError, RuleError
from segmentation.segmenters._rule_columns import column_names
from segmentation.segmenters._rule_coverage import coverage_table, warn_empty
from segmentation.segmenters._rule_language import check_columns
from segmentation.segmenters._rule_match import (
    match_in_engine,
    match_matrix,
    match_rules,
    plain_names,
    used_columns,
)
from segmentation.segmenters._rule_parser import parse_rules
from segmentation.segmenters._rule_tree import Rule
from segmentation.segmenters._rule_why import explain_rules

__all__ = ["RuleSegmenter"]

SEGMENT = "segment"
CASE_SENSITIVE = {nw.Implementation.PANDAS, nw.Implementation.POLARS, nw.Implementation.PYARROW}


class RuleSegmenter(Segmenter):
    """Put customers into segments by rules that people write.

    A rule is an expression on the columns of the customer table, such as
    ``18 <= age <= 25 and occupation in ('student', 'pupil')``. It either matches a customer or does not; what
    cannot be decided because a value is missing does not match, and neither does its negation. Rules may
    overlap: ``transform`` shows all that match, ``predict`` takes the first.

    The language is a safe subset of Python expressions that is never evaluated as Python: columns by their
    names or as ``col("any name")``; numbers, texts in quotes, True, False; comparisons, chained too; and, or,
    not; in and not in with a list of constants; + - * /; ``is_missing(x)``; dates as ISO texts. The page
    *rules* of the documentation has every construct, and what missing values, NaN, infinities, time zones
    and types mean.

    Parameters
    ----------
    rules : mapping of str to str
        Segment name to rule. Their order is the order of the segments, and decides who is first.
    otherwise : str, optional
        Name of a last segment, for customers that no rule matches. By default they are unassigned.

    Attributes
    ----------
    rules_ : dict of str to str
        Each rule on one line with normalised spacing, without comments.
    coverage_ : pandas.DataFrame
        One row per segment, in order; the last row is `otherwise`, or "unassigned". Columns: ``n_matched``
        (customers of ``fit`` that the rule matches), ``n_alone`` (those that no other rule matches),
        ``n_together`` (those that another rule matches too), ``n_first`` (those that ``predict`` gives to it;
        these add up to all customers) and ``share`` (``n_first`` as a share of all).
    n_unmatched_ : int
        Number of customers of ``fit`` that no rule matches.
    segments_, labels_, n_features_in_, feature_names_in_
        As for every `Segmenter`; the features are the columns that the rules use.

    Raises
    ------
    RuleError
        In ``fit``: if a rule is not in the language, too large (more than 10,000 characters, 1,000 parts or 50
        levels), names a column that is not there, or compares what cannot be compared; the message shows the
        place. Also if there is no rule, or a name is "unassigned" or stands for `otherwise` too.
    TypeError
        In ``fit``: if `rules` is no mapping of text to text, or the customers are no table.
    ColumnError
        In ``predict``, ``transform`` and ``assign``: if a column that the rules use is not there.

    Warns
    -----
    EmptySegmentWarning
        In ``fit``, for a rule that matches nobody, or whose customers all belong to rules before it.

    Notes
    -----
    `pandas.DataFrame.query` takes similar text, with other meanings: there a missing age matches
    ``not (age > 30)``, here it does not; there ``/`` by zero is infinite, here it is unknown.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.segmenters import RuleSegmenter
    >>> people = pd.DataFrame(
    ...     {"age": [19, 24, 51, None], "occupation": ["pupil", "clerk", "clerk", "student"]},
    ...     index=pd.Index(["c1", "c2", "c3", "c4"], name="customer_id"),
    ... )
    >>> rules = RuleSegmenter(
    ...     {"young": "age < 25", "in training": "occupation in ('student', 'pupil')"}, otherwise="others"
    ... ).fit(people)
    >>> rules.assign(people)["segment"].to_dict()
    {'c1': 'young', 'c2': 'young', 'c3': 'others', 'c4': 'in training'}
    >>> rules.transform(people)
    array([[1., 1., 0.],
           [1., 0., 0.],
           [0., 0., 1.],
           [0., 1., 0.]])
    >>> print(rules.coverage_.reset_index().to_string(index=False))
        segment  n_matched  n_alone  n_together  n_first  share
          young          2        1           1        2   0.50
    in training          2        1           1        1   0.25
         others          1        1           0        1   0.25
    """

    rules_: dict[str, str]
    coverage_: pd.DataFrame
    n_unmatched_: int

    def __init__(self, rules: Mapping[str, str], *, otherwise: str | None = None) -> None:
        self.rules = rules
        self.otherwise = otherwise

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        """Show the rules in their order, which decides; scikit-learn's repr would sort them."""
        otherwise = "" if self.otherwise is None else f", otherwise={self.otherwise!r}"
        rules = repr(self.rules)
        shown = rules if len(rules) <= N_CHAR_MAX else f"{rules[:N_CHAR_MAX]}..."
        return f"{type(self).__name__}(rules={shown}{otherwise})"

    def __sklearn_tags__(self) -> SegmentationTags:
        tags = super().__sklearn_tags__()
        tags.segmenter_tags.membership = "overlapping"
        tags.segmenter_tags.unassigned = True
        tags.segmenter_tags.dataframe_only = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.input_tags.allow_nan = True
        return tags

    def _customers(self, X: Any, *, reset: bool) -> tuple[Any, pd.Index]:
        """Name the rule and the place where ``fit`` misses a column, before the base names the column alone."""
        if reset and is_frame(X):
            _check_columns(self._parse(), column_names(X), CUSTOMER_ID)
        return super()._customers(X, reset=reset)

    def _required_columns(self) -> Sequence[str]:
        return used_columns(self._parse())

    def _fit(self, X: pd.DataFrame, y: Any) -> Sequence[str]:
        self._parsed = self._parse()
        self.rules_ = {rule.name: rule.normalised for rule in self._parsed}
        self._with_rest = self.otherwise is not None
        return [*self.rules_, *([] if self.otherwise is None else [self.otherwise])]

    def _fit_membership(self, X: pd.DataFrame) -> NDArray[np.float64]:
        matches = match_matrix(self._parsed, X)
        self.coverage_ = coverage_table(matches, list(self.rules_), self.otherwise)
        self.n_unmatched_ = int(self.coverage_["n_first"].iloc[-1])
        warn_empty(self._parsed, matches, X, stacklevel=4)
        return self._with_unmatched(matches)

    def _membership(self, X: pd.DataFrame) -> NDArray[np.float64]:
        return self._with_unmatched(match_matrix(self._parsed, X))

    def _with_unmatched(self, matches: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Turn matches into degrees, with those that no rule matches as the last column where it has a name."""
        if self._with_rest:
            matches = np.column_stack([matches, ~matches.any(axis=1)])
        return matches.astype(np.float64)

    _explanation_unit = "none, a rule matches or does not"

    def _explain(self, X: pd.DataFrame, membership: NDArray[np.float64], codes: NDArray[np.int64]) -> list[Why]:
        return explain_rules(self._parsed, X, codes, self._with_rest)

    def _parse(self) -> list[Rule]:
        """Parse the rules, and check the names that only make sense together."""
        rules = parse_rules(self.rules)
        names = [rule.name for rule in rules]
        if UNASSIGNED in names:
            raise RuleError(f"{UNASSIGNED!r} is the name of being in no segment; give that rule another one.")
        if self.otherwise is None:
            return rules
        if not isinstance(self.otherwise, str):
            raise TypeError(
                f"otherwise must be the name of a segment or None, got {self.otherwise!r:.60} "
                f"({kind_of(self.otherwise)})."
            )
        if not self.otherwise.strip():
            raise RuleError("otherwise must not be empty; None leaves unmatched customers unassigned.")
        if self.otherwise == UNASSIGNED:
            raise RuleError(
                f"otherwise={UNASSIGNED!r} is the name of being in no segment; that is what otherwise=None does."
            )
        if self.otherwise in names:
            raise RuleError(f"otherwise={self.otherwise!r} is also the name of a rule; give it another one.")
        return rules

    def match_table(self, frame: Any, *, customer_id: str | None = None, collect: bool = True) -> Any:
        """Show for each customer which rules match, computed in the table's own engine.

        It needs no ``fit`` and uses `rules` and `otherwise` as they stand.

        Parameters
        ----------
        frame : dataframe
            The customers: pandas, polars (eager or lazy), pyarrow, DuckDB, or anything else that narwhals knows.
        customer_id : str, optional
            The column with the customer ids. By default ``customer_id`` where there is such a column, else the
            index of a pandas frame, else the row number.
        collect : bool, default=True
            Whether the result comes to pandas; otherwise it stays in its engine, and lazy where it was lazy.

        Returns
        -------
        pandas.DataFrame, or a dataframe of the kind of `frame`
            One column of true and false per rule, under its name, and ``segment``: the first that matches, else
            `otherwise`, else "unassigned"; in pandas a Categorical of all segments, then "unassigned", elsewhere
            text. The ids are the index, called ``customer_id``; with ``collect=False`` they are the first column,
            under their own name, and a pandas index stays as it was. Rows of engines without an order come in any.

        Raises
        ------
        RuleError
            As for ``fit``.
        ColumnError
            If the id column is not there, or a rule is called ``segment`` or like the id column; with
            ``collect=False`` in an engine that speaks SQL, capital letters make no difference.
        CustomerTableError
            With ``collect=True``: if ids are missing or stand twice.

        Examples
        --------
        >>> import polars as pl
        >>> people = pl.DataFrame({"customer_id": [7, 8, 9], "age": [22, None, 64]})
        >>> table = RuleSegmenter({"young": "age < 30", "adult": "age >= 18"}).match_table(people)
        >>> print(table.reset_index().to_string(index=False))
         customer_id  young  adult    segment
                   7   True   True      young
                   8  False  False unassigned
                   9  False   True      adult
        """
        rules = self._parse()
        if not is_frame(frame):
            raise TypeError(f"match_table takes a dataframe (pandas, polars, DuckDB, ...), got {kind_of(frame)}.")
        names = [rule.name for rule in rules]
        ids = _id_column(frame, customer_id)
        _check_columns(rules, column_names(frame), ids)
        clashes = [name for name in names if name in {ids, SEGMENT}]
        if clashes:
            raise ColumnError(
                f"the table of matches has a column {name_some(clashes)} besides the rule of that name; "
                "give the rule another one."
            )
        if collect:
            return self._collected(rules, frame, ids)
        none = UNASSIGNED if self.otherwise is None else self.otherwise
        if is_pandas(frame):
            table = self._as_pandas(rules, match_matrix(rules, frame), frame.index)
            if ids in frame.columns:
                table.insert(0, ids, frame[ids])
            return table
        _refuse_same_but_case(nw.from_native(frame).implementation, [*names, SEGMENT, *([] if ids is None else [ids])])
        return match_in_engine(rules, frame, ids, none, SEGMENT)

    def _collected(self, rules: Sequence[Rule], frame: Any, ids: str | None) -> pd.DataFrame:
        """Match in the engine, and bring only the result to pandas."""
        if is_pandas(frame):
            customers = as_customers(frame, ids)
            matches, index = match_matrix(rules, customers), customers.index
        else:
            table = as_customers(to_pandas(nw.to_native(match_rules(rules, frame, ids))))
            matches, index = table[plain_names(rules)].to_numpy(dtype=bool), table.index
        return self._as_pandas(rules, matches, index)

    def _as_pandas(self, rules: Sequence[Rule], matches: NDArray[np.bool_], index: pd.Index) -> pd.DataFrame:
        names = [rule.name for rule in rules]
        segments = [*names, *([] if self.otherwise is None else [self.otherwise]), UNASSIGNED]
        table = pd.DataFrame(matches, index=index, columns=pd.Index(names, dtype=object))
        categories = pd.Index(segments, dtype=object)
        table[SEGMENT] = pd.Categorical.from_codes(_first_codes(matches), categories=categories)
        return table


def _first_codes(matches: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each row the position of the first match, and the number of rules where there is none."""
    codes: NDArray[np.int64] = np.where(matches.any(axis=1), matches.argmax(axis=1), matches.shape[1])
    return codes


def _refuse_same_but_case(engine: nw.Implementation, names: Sequence[str]) -> None:
    """Refuse columns that an engine which speaks SQL would take for one another."""
    if engine in CASE_SENSITIVE:
        return
    folded = [name.casefold() for name in names]
    same = [name for name in names if folded.count(name.casefold()) > 1]
    if same:
        raise ColumnError(
            f"{name_some(same)} differ by small and capital letters only, which {engine.value} does not keep apart; "
            "rename one, or use collect=True."
        )


def _check_columns(rules: Sequence[Rule], columns: Sequence[Any], ids: str | None) -> None:
    """Raise RuleError where a rule names a column that is not there, or the ids."""
    for rule in rules:
        if ids is not None and ids in rule.columns():
            raise rule.source.error(
                f"{ids!r} identifies customers and is no feature; copy it to a column of another name.",
                rule.columns()[ids].place,
            )
        check_columns(rule, columns)


def _id_column(frame: Any, customer_id: str | None) -> str | None:
    """Find where the customer ids stand; None where the rows have no names of their own."""
    names = column_names(frame)
    if customer_id is None:
        return CUSTOMER_ID if CUSTOMER_ID in names else None
    if customer_id in names or (is_pandas(frame) and customer_id in frame.index.names):
        return customer_id
    raise ColumnError(
        f"no column {customer_id!r} to take customer ids from; {column_difference([customer_id], names)}."
    )

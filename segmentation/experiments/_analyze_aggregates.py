"""Aggregates of an experiment: what analysis needs of the rows, to be kept, added up over days and analysed later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import column_difference, count, name_some
from segmentation._frames import is_pandas, kind_of, to_pandas
from segmentation._validation import CUSTOMER_ID
from segmentation.assignment import UNASSIGNED
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.experiments._analyze_intake import CLUSTER, label_of, prepare, read_cells, segment_order
from segmentation.experiments._analyze_outcomes import Outcome, as_outcomes
from segmentation.experiments._analyze_sums import customers_of_sums, moments_of_sums
from segmentation.experiments._moments import Floats, Moments

__all__ = ["ExperimentAggregates", "aggregate_experiment"]

KEYS = ["segment", "arm"]
LEFT_OUT = ("n_without_arm", "n_not_held_out", "n_repeated")  # counts that stand beside the cells
DEFINITION = ["outcome", "column", "per", "log", "cap", "kind"]


@dataclass(frozen=True, eq=False, repr=False)
class ExperimentAggregates:
    """Counts, means and cross products of an experiment per segment and arm.

    `aggregate_experiment` makes it from rows, `from_sums` from sums that a database has computed, `from_table` from a
    table saved earlier. Two of one experiment, over different customers, are added with ``+``.

    Attributes
    ----------
    cells : pandas.DataFrame
        One row per segment, arm (and cluster) that has customers: ``segment``, ``arm``, (``cluster``),
        ``n_customers``.
    moments : mapping from the name of an outcome to `Moments`
        In the order of `cells`; variables are the outcome, its denominator, and the covariates.
    outcomes : tuple of Outcome
    covariates : tuple of str
    segments : tuple of str
        In the order in which results show them.
    n_missing_covariates : array (cells, covariates)
        Customers without the covariate; they count with the mean of all.
    settings : mapping
        ``n_without_arm`` and ``n_not_held_out``: customers left out; ``n_repeated``: rows whose ``customer_id`` stands
        in another row too; ``cluster``: the column.
    """

    cells: pd.DataFrame
    moments: Mapping[str, Moments]
    outcomes: tuple[Outcome, ...]
    covariates: tuple[str, ...]
    segments: tuple[str, ...]
    n_missing_covariates: Floats
    settings: Mapping[str, Any]

    @property
    def arms(self) -> list[str]:
        """Arms that have customers, sorted."""
        return sorted(self.cells["arm"].unique())

    @property
    def clustered(self) -> bool:
        """Whether cells are split by cluster."""
        return CLUSTER in self.cells

    def __add__(self, other: Any) -> ExperimentAggregates:
        """Add the customers of another part of the same experiment; nobody may be in both."""
        if not isinstance(other, ExperimentAggregates):
            return NotImplemented
        if self.settings["held_out"] != other.settings["held_out"]:
            raise ValueError("one of the aggregates holds only held-out customers: make both with the same held_out=.")
        mine, theirs = (
            (self.outcomes, self.covariates, self.clustered),
            (other.outcomes, other.covariates, other.clustered),
        )
        if mine != theirs:
            raise ValueError(
                "only aggregates of the same outcomes, covariates and clusters add up: here "
                f"{name_some(o.label for o in self.outcomes)} with covariates {list(self.covariates)}"
                f"{' by cluster' if self.clustered else ''}, there {name_some(o.label for o in other.outcomes)} with "
                f"{list(other.covariates)}{' by cluster' if other.clustered else ''}."
            )
        cells = pd.concat([self.cells, other.cells], ignore_index=True)
        moments = {label: m.joined(other.moments[label]) for label, m in self.moments.items()}
        missing = np.concatenate([self.n_missing_covariates, other.n_missing_covariates])
        segments = tuple(dict.fromkeys([*self.segments, *other.segments]))
        counts = {name: self.settings.get(name, 0) + other.settings.get(name, 0) for name in LEFT_OUT}
        return _grouped(cells, moments, self.outcomes, self.covariates, segments, missing, {**self.settings, **counts})

    def __radd__(self, other: Any) -> ExperimentAggregates:
        """Let ``sum(parts)`` work."""
        return self if other == 0 else NotImplemented

    def to_table(self) -> pd.DataFrame:
        """Return all figures as one plain table, to be saved (CSV, Parquet) and read by `from_table`.

        Returns
        -------
        pandas.DataFrame
            ``segment``, ``arm``, (``cluster``), what the outcome is (``outcome``, ``column``, ``per``, ``log``,
            ``cap``, ``kind``), ``statistic`` ("customers", "missing", "n", "mean",
            "origin" (to be added to the mean), "cross", and without keys "left out"), ``first`` and ``second`` (the
            variables: "outcome", "denominator", or "x:" and the covariate) and ``value``.
        """
        keys = [name for name in (*KEYS, CLUSTER) if name in self.cells]
        parts = [self._part({}, "customers", "", "", self.cells["n_customers"].to_numpy())]
        blank = {**dict.fromkeys([*keys, *DEFINITION, "second"], ""), "log": False, "cap": np.nan}
        left = {name: self.settings.get(name, 0) for name in LEFT_OUT}
        parts.append(
            pd.DataFrame([{**blank, "statistic": "left out", "first": k, "value": v} for k, v in left.items()])
        )
        parts += [
            self._part({}, "missing", f"x:{name}", "", self.n_missing_covariates[:, i])
            for i, name in enumerate(self.covariates)
        ]
        for outcome in self.outcomes:
            m = self.moments[outcome.label]
            about = {
                "outcome": outcome.label, "column": outcome.column, "per": outcome.per or "", "log": outcome.log,
                "cap": np.nan if outcome.cap is None else outcome.cap, "kind": outcome.kind,
            }  # fmt: skip
            variables = _variables(outcome, self.covariates)
            parts.append(self._part(about, "n", "", "", m.n))
            for i, first in enumerate(variables):
                parts.append(self._part(about, "mean", first, "", m.mean[:, i]))
                parts.append(self._part(about, "origin", first, "", np.full(len(m.n), m.origin[i])))
                parts += [
                    self._part(about, "cross", second, first, m.cross[:, j, i])
                    for j, second in enumerate(variables[: i + 1])
                ]
        table = pd.concat(parts, ignore_index=True)
        return table[[*keys, *DEFINITION, "statistic", "first", "second", "value"]]

    def _part(self, about: Mapping[str, Any], statistic: str, first: str, second: str, value: Floats) -> pd.DataFrame:
        blank = {"outcome": "", "column": "", "per": "", "log": False, "cap": np.nan, "kind": ""}
        part = self.cells.drop(columns="n_customers")
        return part.assign(
            **{**blank, **about, "statistic": statistic, "first": first, "second": second, "value": value}
        )

    @classmethod
    def from_table(cls, table: Any, *, held_out: str | None = None) -> ExperimentAggregates:
        """Read what `to_table` wrote, from any kind of dataframe.

        Parameters
        ----------
        table : dataframe
        held_out : str, optional
            With which `held_out` it was made; the table does not know.

        Raises
        ------
        ColumnError
            If a column of such a table is missing.
        """
        read = to_pandas(table, name="table").reset_index(drop=True)
        needed = [*KEYS, *DEFINITION, "statistic", "first", "second", "value"]
        if any(name not in read for name in needed):
            raise ColumnError(
                "this is no table of ExperimentAggregates.to_table(): "
                f"{column_difference(needed, list(read.columns))}. "
                "For sums that a database computed see ExperimentAggregates.from_sums."
            )
        keys = [name for name in (*KEYS, CLUSTER) if name in read]
        named = [*KEYS, "outcome", "column", "per", "kind", "statistic", "first", "second"]
        text = read.assign(**{name: [_plain(value) for value in read[name].tolist()] for name in [*named, *keys[2:]]})
        of_cells = text[text["statistic"] == "customers"]
        cells = of_cells[keys].assign(n_customers=of_cells["value"].astype(float)).reset_index(drop=True)
        index = pd.MultiIndex.from_frame(cells[keys])
        if index.has_duplicates:
            raise CustomerTableError(
                f"cells stand twice, such as {name_some(index[index.duplicated()][:2])}: read the table of each day by "
                "itself and add the results (sum)."
            )

        def figures(rows: pd.DataFrame) -> Floats:
            return rows.set_index(keys)["value"].reindex(index).to_numpy(dtype=float)

        outcomes, moments = [], {}
        first_names = text.loc[text["statistic"] == "missing", "first"].unique()
        covariates = [str(name).removeprefix("x:") for name in first_names]
        missing = [
            figures(text[(text["statistic"] == "missing") & (text["first"] == f"x:{name}")]) for name in covariates
        ]
        for label, rows in text[text["statistic"].isin(["n", "mean", "origin", "cross"])].groupby(
            "outcome", sort=False
        ):
            first: Any = rows.iloc[0]
            cap = None if pd.isna(first["cap"]) else float(first["cap"])
            made = Outcome(
                first["column"], per=first["per"] or None, log=_truth(first["log"]), cap=cap, kind=first["kind"]
            )
            outcome = made if made.label == label else Outcome(**{**vars(made), "name": str(label)})
            outcomes.append(outcome)
            variables = _variables(outcome, covariates)
            by = dict(list(rows.groupby(["statistic", "first", "second"], sort=False)))
            mean = np.column_stack([figures(by["mean", v, ""]) for v in variables])
            cross = np.empty((len(cells), len(variables), len(variables)))
            for i, a in enumerate(variables):
                for j, b in enumerate(variables[: i + 1]):
                    cross[:, i, j] = cross[:, j, i] = figures(by["cross", b, a])
            origins = np.column_stack([figures(by["origin", v, ""]) for v in variables])
            n = figures(by["n", "", ""])
            moments[outcome.label] = Moments(n, mean, cross, origins[0])
        columns = np.column_stack(missing) if missing else np.zeros((len(cells), 0))
        segments = tuple(name for name in dict.fromkeys(cells["segment"]) if name != UNASSIGNED)
        left: Any = text[text["statistic"] == "left out"].set_index("first")["value"]
        settings = {**{name: int(left.get(name, 0)) for name in LEFT_OUT}, "held_out": held_out,
                    "cluster": CLUSTER if CLUSTER in keys else None}  # fmt: skip
        return _grouped(cells, moments, tuple(outcomes), tuple(covariates), segments, columns, settings)

    @classmethod
    def from_sums(
        cls,
        table: Any,
        *,
        segment: str,
        arm: str,
        outcomes: Any,
        covariates: Sequence[str] | None = None,
        cluster: str | None = None,
    ) -> ExperimentAggregates:
        """Read sums that a database has computed, one row per segment and arm (and cluster).

        Parameters
        ----------
        table : dataframe
            Column ``n`` (customers); for every outcome, denominator and covariate v ``sum_v``, and for every pair
            ``sum_v_w`` (in either order, so ``sum_v_v`` for squares). Where outcomes are missing, all sums of an
            outcome must be over the customers who have it, with their number in ``n_v``; covariates beside a missing
            outcome need `aggregate_experiment`.
        segment, arm, cluster : str
            Columns of the keys.
        outcomes, covariates
            As for `analyze_experiment`; with ``log`` the sums are those of log(1 + v).

        Raises
        ------
        ColumnError
            If a sum is missing or impossible, or sums of squares have lost their digits: with values near 1e9 and a
            spread near 1 nothing is left of it. Take a round number near the mean from all values, or use
            `aggregate_experiment`.

        Examples
        --------
        >>> import pandas as pd
        >>> from segmentation.experiments import ExperimentAggregates
        >>> sums = pd.DataFrame({"tier": ["gold", "gold"], "cell": ["control", "mail"], "n": [100, 100],
        ...                      "sum_bought": [10, 15], "sum_bought_bought": [10, 15]})
        >>> made = ExperimentAggregates.from_sums(sums, segment="tier", arm="cell", outcomes="bought")
        >>> made.moments["bought"].mean.ravel().tolist()
        [0.1, 0.15]
        """
        read = to_pandas(table, name="table").reset_index(drop=True)
        stated = as_outcomes(outcomes)
        names = _covariate_names(covariates, stated)
        _refuse_trim(stated)
        keys = {"segment": segment, "arm": arm, **({} if cluster is None else {CLUSTER: cluster})}
        needed = [*keys.values(), "n"]
        if any(name not in read for name in needed):
            raise ColumnError(f"the table of sums is not complete: {column_difference(needed, list(read.columns))}.")
        rows = customers_of_sums(read, "n")
        moments = {outcome.label: moments_of_sums(read, rows, outcome, names) for outcome in stated}
        cells = pd.DataFrame({name: read[column].map(label_of) for name, column in keys.items()})
        order = segment_order(read, segment, list(cells["segment"].dropna().unique()))
        return _grouped(
            cells.assign(n_customers=rows), moments, stated, names, tuple(order), np.zeros((len(read), len(names))),
            {"n_without_arm": 0, "n_not_held_out": 0, "cluster": cluster, "held_out": None},
        )  # fmt: skip

    def to_pandas(self) -> pd.DataFrame:
        """Return `to_table`."""
        return self.to_table()

    def __str__(self) -> str:
        n = int(self.cells["n_customers"].sum())
        clusters = f", {count(self.cells[CLUSTER].nunique(), 'cluster')}" if self.clustered else ""
        beside = f" with {name_some(self.covariates)}" if self.covariates else ""
        return (
            f"Aggregates of {count(n, 'customer')} in {count(len(self.segments), 'segment')} and arms "
            f"{name_some(self.arms)}{clusters}: {name_some(outcome.label for outcome in self.outcomes)}{beside}."
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self))}</p>"


def aggregate_experiment(
    data: Any,
    *,
    segment: str,
    arm: str,
    outcomes: Any,
    covariates: Sequence[str] | None = None,
    cluster: str | None = None,
    held_out: str | None = None,
) -> ExperimentAggregates:
    """Reduce the rows of an experiment, one per customer, to what `analyze_experiment` needs of them.

    The rows are grouped where they are (pandas, polars eager or lazy, pyarrow, DuckDB and what else narwhals knows);
    only counts, sums and products per segment and arm come back. Values whose mean is large beside their spread are
    centred first, so amounts near 1e9 keep their digits.

    Parameters
    ----------
    data : dataframe
        One row per customer.
    segment, arm, outcomes, covariates, cluster, held_out
        As for `analyze_experiment`.

    Returns
    -------
    ExperimentAggregates
        The aggregates of several days (each customer in one of them) are added with ``+`` or ``sum``. A missing
        covariate counts with the mean of the table it stood in, so parts of one table then differ slightly from it.

    Raises
    ------
    ColumnError, CustomerTableError, TypeError, ValueError
        If a column is missing or no number, values are infinite, or an outcome needs rows (``trim``).

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.experiments import aggregate_experiment
    >>> rows = pd.DataFrame({"segment": ["a"] * 4, "arm": ["control", "mail"] * 2, "bought": [0, 1, 0, 0]})
    >>> aggregate_experiment(rows, segment="segment", arm="arm", outcomes="bought")
    Aggregates of 4 customers in 1 segment and arms 'control', 'mail': 'bought'.
    """
    stated = as_outcomes(outcomes)
    _refuse_trim(stated)
    names = _covariate_names(covariates, stated)
    columns = [segment, arm, *([cluster] if cluster else []), *([held_out] if held_out else []), *names]
    columns += [name for outcome in stated for name in outcome.columns]
    keys = [name for name in (segment, arm, cluster, held_out) if name is not None]
    if len(set(keys)) < len(keys):
        raise ValueError(f"segment, arm, cluster and held_out must be different columns, got {name_some(keys)}.")
    frame = prepare(data, list(dict.fromkeys(columns)), stated, held_out)
    read = read_cells(frame, segment=segment, arm=arm, cluster=cluster, outcomes=stated, covariates=names)
    repeated = 0 if cluster is not None else _repeated(data, frame)
    not_held_out = 0
    if held_out is not None:
        length: Any = to_pandas(prepare(data, columns, stated, None).select(segment_n=nw.len()).to_native())
        everyone = int(length.iloc[0, 0])
        not_held_out = everyone - int(read.n_customers.sum())
    order = segment_order(data, segment, [name for name in read.keys["segment"].unique() if label_of(name) is not None])
    settings = {"n_without_arm": 0, "n_not_held_out": not_held_out, "n_repeated": repeated, "cluster": cluster,
                "held_out": held_out}  # fmt: skip
    return _grouped(
        read.keys.assign(n_customers=read.n_customers), read.moments, stated, names, tuple(order),
        read.n_missing_covariates, settings,
    )  # fmt: skip


def _grouped(
    cells: pd.DataFrame,
    moments: Mapping[str, Moments],
    outcomes: tuple[Outcome, ...],
    covariates: tuple[str, ...],
    segments: tuple[str, ...],
    missing: Floats,
    settings: Mapping[str, Any],
) -> ExperimentAggregates:
    """Put cells of equal keys together; those without an arm are counted and left out, those without a segment kept."""
    lost = cells["arm"].isna() | (cells["arm"] == "")
    if CLUSTER in cells and (cells[CLUSTER].isna() & ~lost).any():
        n = int(cells.loc[cells[CLUSTER].isna(), "n_customers"].sum())
        raise CustomerTableError(
            f"{count(n, 'customer')} without a cluster: give each one of its own, or leave them out."
        )
    without = int(cells.loc[lost, "n_customers"].sum())
    kept = cells[~lost].copy()
    kept["segment"] = kept["segment"].where(kept["segment"].notna() & (kept["segment"] != ""), UNASSIGNED)
    keys = [name for name in (*KEYS, CLUSTER) if name in kept]
    if not len(kept):
        raise CustomerTableError("no customer has an arm: the column of arms is empty.")
    rank = {name: i for i, name in enumerate([*segments, UNASSIGNED])}
    order = kept.assign(segment=kept["segment"].map(rank))
    codes: NDArray[np.int64] = np.asarray(order.groupby(keys, sort=True).ngroup(), dtype=np.int64)
    size = int(codes.max()) + 1
    first = np.unique(codes, return_index=True)[1]
    together = kept.iloc[first].reset_index(drop=True)
    together["n_customers"] = np.bincount(codes, kept["n_customers"], size)
    where = ~lost.to_numpy()
    sums = np.zeros((size, missing.shape[1]))
    np.add.at(sums, codes, missing[where])
    return ExperimentAggregates(
        together[[*keys, "n_customers"]],
        {label: m.chosen(where).grouped(codes, size) for label, m in moments.items()},
        outcomes,
        covariates,
        segments,
        sums,
        {**settings, "n_without_arm": settings.get("n_without_arm", 0) + without},
    )


def _repeated(data: Any, frame: nw.LazyFrame[Any]) -> int:
    """Count rows that repeat a customer, where the table says who the customers are: joins make such rows."""
    if CUSTOMER_ID in frame.collect_schema():
        counted: Any = frame.select(n=nw.len(), ids=nw.col(CUSTOMER_ID).n_unique()).to_native()
        row = to_pandas(counted).iloc[0]
        return int(row["n"] - row["ids"])
    if is_pandas(data) and data.index.name == CUSTOMER_ID:
        return int(data.index.duplicated().sum())
    return 0


def _covariate_names(covariates: Any, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Read the covariates; an outcome cannot be its own covariate."""
    if covariates is None:
        return ()
    names = (covariates,) if isinstance(covariates, str) else tuple(covariates)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"covariates must be column names, got {name_some(kind_of(name) for name in names)}.")
    clash = sorted(set(names) & {name for outcome in outcomes for name in outcome.columns})
    if clash:
        raise ValueError(
            f"covariates are known before the experiment, and {name_some(clash)} is an outcome of it: what the "
            "treatment "
            "can change must not be adjusted for."
        )
    if len(set(names)) < len(names):
        raise ValueError(f"covariates stand twice: {name_some(names)}.")
    return names


def _refuse_trim(outcomes: Sequence[Outcome]) -> None:
    trimmed = [outcome.label for outcome in outcomes if outcome.trim is not None]
    if trimmed:
        raise ValueError(
            f"{name_some(trimmed)}: a trimmed mean needs the sorted values of every arm, which no sums hold. Give "
            "rows to "
            "analyze_experiment, or use cap= (a fixed amount), which aggregates keep."
        )


def _variables(outcome: Outcome, covariates: Sequence[str]) -> list[str]:
    return ["outcome", *(["denominator"] if outcome.per else []), *(f"x:{name}" for name in covariates)]


def _plain(value: Any) -> str:
    """Read a key as text: a CSV gives numbers back where segments are called 1 and 2."""
    return label_of(value) or ""


def _truth(value: Any) -> bool:
    return str(value).lower() in ("true", "1", "1.0")

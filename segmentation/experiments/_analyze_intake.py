"""Rows of an experiment to moments per segment and arm, in the engine that holds them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from segmentation._format import column_difference, name_some
from segmentation._frames import as_lazy, is_pandas, to_pandas
from segmentation.assignment import UNASSIGNED
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.experiments._analyze_outcomes import Outcome
from segmentation.experiments._moments import Floats, Moments, moments_of

__all__ = ["Cells", "label_of", "prepare", "read_cells", "segment_order"]

PILOT_ROWS = 10_000
LOSS_LIMIT = 100.0  # rounding of sums is about 1e-16 n^.5; with this it stays below 1e-10 for 10^9 rows
SEGMENT, ARM, CLUSTER = "segment", "arm", "cluster"


@dataclass(frozen=True, eq=False)
class Cells:
    """What one pass over the rows brings back: keys, rows per cell, and the moments of each outcome."""

    keys: pd.DataFrame
    n_customers: Floats
    moments: dict[str, Moments]
    n_missing_covariates: Floats


@dataclass
class _Plan:
    """How rows are read; started with the cheapest way, and raised where the data turn out to need more."""

    clean: bool = False  # NaN beside null
    fill: bool = False  # covariates missing
    masked: bool = False  # outcomes missing beside covariates, or only one part of a ratio
    centre: bool = False  # each cell around its own mean
    shifts: dict[str, float] = field(default_factory=dict)
    fills: dict[str, float] = field(default_factory=dict)


def label_of(value: Any) -> str | None:
    """Return how a segment or arm is called: whole floats without their point, missing as None."""
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def prepare(data: Any, columns: Sequence[str], outcomes: Sequence[Outcome], held_out: str | None) -> nw.LazyFrame[Any]:
    """Check that the columns are there and are numbers, and keep the customers that may be used."""
    frame = as_lazy(data, name="data")
    schema = frame.collect_schema()
    absent = [name for name in columns if name not in schema]
    if absent:
        raise ColumnError(
            f"data does not have every column that was named: {column_difference(columns, list(schema))}."
        )
    _refuse_text(schema, sorted({name for outcome in outcomes for name in outcome.columns}))
    if held_out is not None:
        chosen = nw.col(held_out)
        if not (schema[held_out].is_numeric() or schema[held_out] in (nw.Boolean, nw.Unknown)):
            raise ColumnError(
                f"held_out={held_out!r} must be a column of True and False, or 1 and 0; it is {schema[held_out]}."
            )
        frame = frame.filter(chosen if schema[held_out] == nw.Boolean else chosen == 1)
    return frame


def _refuse_text(schema: Any, names: Sequence[str]) -> None:
    text = [name for name in names if not (schema[name].is_numeric() or schema[name] in (nw.Boolean, nw.Unknown))]
    if text:
        raise ColumnError(
            f"outcomes and covariates must be numbers or True and False: {name_some(text)} "
            f"{'is' if len(text) == 1 else 'are'} {name_some(sorted({str(schema[name]) for name in text}))}. "
            "Turn them into numbers first (one column of 0 and 1 per level)."
        )


def segment_order(data: Any, column: str, present: Sequence[str]) -> list[str]:
    """Order segments as a categorical column declares them (empty ones too), else by number or name."""
    declared: list[str] = []
    if is_pandas(data) and isinstance(data[column].dtype, pd.CategoricalDtype):
        declared = [str(label_of(level)) for level in data[column].cat.categories]
    else:
        dtype = as_lazy(data).collect_schema()[column]
        if isinstance(dtype, nw.Enum):
            declared = [str(level) for level in dtype.categories]
    known = declared + sorted((name for name in present if name not in declared), key=_natural)
    return [name for name in known if name != UNASSIGNED]


def _natural(name: str) -> tuple[Any, ...]:
    """Sort numbers by their size, also within names.

    Examples
    --------
    >>> sorted(["10", "9", "-1", "tier 10", "tier 9", "a"], key=_natural)
    ['-1', '9', '10', 'a', 'tier 9', 'tier 10']
    """
    try:
        return 0, float(name), (), name
    except ValueError:
        parts = re.split(r"(\d+)", name)
        return 1, 0.0, tuple((part, 0) if i % 2 == 0 else ("", int(part)) for i, part in enumerate(parts)), name


def read_cells(
    frame: nw.LazyFrame[Any],
    *,
    segment: str,
    arm: str,
    cluster: str | None,
    outcomes: Sequence[Outcome],
    covariates: Sequence[str],
) -> Cells:
    """Reduce rows to the moments of every outcome (with its denominator and the covariates) per cell."""
    schema = frame.collect_schema()
    _refuse_text(schema, covariates)
    reader = _Reader(frame, schema, segment, arm, cluster, tuple(outcomes), tuple(covariates))
    plan = _Plan(shifts=reader.pilot())
    for _ in range(5):
        table = reader.aggregate(plan)
        if not len(table):
            raise CustomerTableError("data has no row to analyse (with held_out=: no customer for whom it is true).")
        if reader.raised(plan, table):
            continue
        cells, loss = reader.moments(plan, table)
        if loss <= LOSS_LIMIT or plan.centre:
            return cells
        plan.centre = True
    raise CustomerTableError(f"outcomes or covariates hold infinite values: {name_some(reader.infinite(table))}.")


@dataclass(frozen=True, eq=False)
class _Reader:
    frame: nw.LazyFrame[Any]
    schema: Any
    segment: str
    arm: str
    cluster: str | None
    outcomes: tuple[Outcome, ...]
    covariates: tuple[str, ...]

    @property
    def keys(self) -> dict[str, str]:
        named = {SEGMENT: self.segment, ARM: self.arm}
        return named if self.cluster is None else {**named, CLUSTER: self.cluster}

    @property
    def values(self) -> dict[str, Outcome | None]:
        """Private name of every value that is summed, with its outcome; one column used twice is summed once."""
        found: dict[str, Outcome | None] = {}
        for outcome in self.outcomes:
            for name in self.parts(outcome):
                found[name] = outcome
        return {**found, **{f"x:{name}": None for name in self.covariates}}

    @staticmethod
    def parts(outcome: Outcome) -> list[str]:
        if outcome.log:
            return [f"log:{outcome.column}"]
        if outcome.cap is not None:
            return [f"cap {outcome.cap!r}:{outcome.column}"]
        return [f"y:{name}" for name in outcome.columns]

    def pilot(self) -> dict[str, float]:
        """Look at some rows: a value whose mean is large beside its spread is shifted by it before it is squared."""
        columns = {name.split(":", 1)[1] for name in self.values}
        head = to_pandas(self.frame.select(*sorted(columns)).head(PILOT_ROWS).to_native())
        self._check_logs()
        shifts = {}
        for name, outcome in self.values.items():
            values = head[name.split(":", 1)[1]].to_numpy(dtype=float, na_value=np.nan)
            values = values[np.isfinite(values)]
            if outcome is not None and outcome.log:
                values = np.log1p(values)
            elif outcome is not None and outcome.cap is not None:
                values = np.minimum(values, outcome.cap)
            with np.errstate(over="ignore"):  # said with its name when the sums turn out infinite
                mean = float(values.mean()) if len(values) else 0.0
                shifts[name] = mean if len(values) and abs(mean) > 5 * float(values.std()) + 1 else 0.0
        return shifts

    def _check_logs(self) -> None:
        logs = sorted({outcome.column for outcome in self.outcomes if outcome.log})
        if not logs:
            return
        least = to_pandas(self.frame.select(*(nw.col(name).min() for name in logs)).to_native()).iloc[0]
        negative = [name for name in logs if float(least[name]) < 0]
        if negative:
            raise ColumnError(
                f"log=True compares log(1 + value), which needs values of at least 0; {name_some(negative)} goes "
                "down to "
                f"{name_some([float(least[name]) for name in negative])}. Use cap= or trim= for this outcome."
            )

    def _value(self, plan: _Plan, name: str) -> nw.Expr:
        column = name.split(":", 1)[1]
        outcome = self.values[name]
        value = nw.col(column)
        if self.schema[column] != nw.Float64:
            value = value.cast(nw.Float64)
        if plan.clean and self.schema[column].is_float():
            value = nw.when(~value.is_nan()).then(value)
        if outcome is not None and outcome.log:
            value = (value + 1.0).log()
        elif outcome is not None and outcome.cap is not None:
            value = value.clip(upper_bound=outcome.cap)
        return value

    def aggregate(self, plan: _Plan) -> pd.DataFrame:
        """Group the rows: counts, sums of shifted values and of their products."""
        names = {name: f"v{i}" for i, name in enumerate(self.values)}
        keys = [nw.col(column).alias(f"k{i}") for i, column in enumerate(self.keys.values())]
        if plan.centre:  # a missing key is a group of its own, which windows do not know on every engine
            keys = [key.cast(nw.String).fill_null("") for key in keys]
        work = self.frame.select(*keys, *(self._value(plan, name).alias(short) for name, short in names.items()))
        key_names = [f"k{i}" for i in range(len(keys))]
        aggregations: list[tuple[str, str, str]] = []
        if plan.fill:
            shorts = {f"x:{name}": names[f"x:{name}"] for name in self.covariates}
            work = work.with_columns(
                nw.col(short).is_null().cast(nw.Int64).alias(f"null_{short}") for short in shorts.values()
            )
            work = work.with_columns(nw.col(short).fill_null(plan.fills[name]) for name, short in shorts.items())
            aggregations += [("sum", f"null_{short}", f"null_{short}") for short in shorts.values()]
        if plan.centre:
            work = work.with_columns(
                nw.col(short).mean().over("k0", "k1").alias(f"m{short}") for short in names.values()
            )
            aggregations += [("min", f"m{short}", f"shift_{short}") for short in names.values()]
            work = work.with_columns((nw.col(short) - nw.col(f"m{short}")).alias(short) for short in names.values())
        elif any(plan.shifts.values()):
            work = work.with_columns(
                (nw.col(short) - plan.shifts[name]).alias(short) for name, short in names.items() if plan.shifts[name]
            )
        aggregations += [("count", short, f"count_{short}") for short in names.values()]
        made: dict[str, nw.Expr] = {}
        for _, variables in self.blocks():
            if plan.masked:
                whole = nw.all_horizontal(*(~nw.col(names[v]).is_null() for v in variables), ignore_nulls=False)
            for i, first in enumerate(variables):
                a = names[first]
                for second in variables[: i + 1]:
                    b = names[second]
                    if plan.masked:
                        tag = "_".join(names[v] for v in variables if not v.startswith("x:"))
                        made[f"p_{tag}_{b}_{a}"] = nw.when(whole).then(nw.col(a) * nw.col(b))
                        made[f"s_{tag}_{a}"] = nw.when(whole).then(nw.col(a))
                    else:
                        made[f"p_{b}_{a}"] = nw.col(a) * nw.col(b)
                        made[f"s_{a}"] = nw.col(a)
        work = work.with_columns(expression.alias(name) for name, expression in made.items())
        aggregations += [("sum", name, name) for name in made]
        if plan.masked:
            tags = {"_".join(names[v] for v in variables if not v.startswith("x:")): names[variables[0]]
                    for _, variables in self.blocks()}  # fmt: skip
            aggregations += [("count", f"s_{tag}_{first}", f"n_{tag}") for tag, first in tags.items()]
        return _grouped(work, key_names, aggregations)

    def blocks(self) -> list[tuple[Outcome, list[str]]]:
        """The variables of each outcome: value, denominator, covariates."""
        covariates = [f"x:{name}" for name in self.covariates]
        return [(outcome, self.parts(outcome) + covariates) for outcome in self.outcomes]

    def raised(self, plan: _Plan, table: pd.DataFrame) -> bool:
        """Tell whether the rows must be read again with more care, and set the plan so."""
        names = {name: f"v{i}" for i, name in enumerate(self.values)}
        sums = [name for name in table.columns if name.startswith(("s_", "p_"))]
        numbers = table[sums].to_numpy(dtype=float, na_value=0.0)
        if not np.isfinite(numbers).all() or (not plan.clean and table[sums].isna().to_numpy().any()):
            if plan.clean and not np.isfinite(numbers).all() and not self.infinite(table):
                raise ColumnError(
                    "an outcome or covariate is too large to be squared (beyond 1e154): use other units for "
                    f"{name_some(sorted({name.split(':', 1)[1] for name in self.values}))}."
                )
            if plan.clean and not np.isfinite(numbers).all():
                raise ColumnError(
                    "outcomes and covariates must be finite; infinite values are in "
                    f"{name_some(self.infinite(table))}. "
                    "Make them missing, or leave these customers out."
                )
            if not plan.clean:
                plan.clean = True
                return True
        rows = table["n"].to_numpy(dtype=float)
        counts = {name: table[f"count_{short}"].to_numpy(dtype=float) for name, short in names.items()}
        fill = any((counts[f"x:{name}"] < rows).any() for name in self.covariates) and not plan.fill
        several = self.covariates or any(len(self.parts(outcome)) > 1 for outcome in self.outcomes)
        missing = any((count < rows).any() for name, count in counts.items() if not name.startswith("x:"))
        mask = bool(several and missing and not plan.masked)
        if fill:  # with the mean of all customers, whatever their arm: known before the experiment, so no bias
            for name in (f"x:{column}" for column in self.covariates):
                known = max(float(counts[name].sum()), 1.0)
                total = float(table[f"s_{names[name]}"].to_numpy(dtype=float, na_value=0.0).sum())
                plan.fills[name] = plan.shifts[name] + total / known
        plan.fill, plan.masked = plan.fill or fill, plan.masked or mask
        return fill or mask

    def infinite(self, table: pd.DataFrame) -> list[str]:
        """Name the columns whose sums are not finite."""
        names = {f"v{i}": name.split(":", 1)[1] for i, name in enumerate(self.values)}
        bad = {
            names[name.rsplit("_", 1)[1]]
            for name in table.columns
            if name.startswith("s_") and not np.isfinite(table[name].to_numpy(dtype=float, na_value=0.0)).all()
        }
        return sorted(bad)

    def moments(self, plan: _Plan, table: pd.DataFrame) -> tuple[Cells, float]:
        """Turn the sums into moments; also how many digits were lost."""
        names = {name: f"v{i}" for i, name in enumerate(self.values)}
        rows = table["n"].to_numpy(dtype=float)

        def read(name: str) -> Floats:
            return table[name].to_numpy(dtype=float, na_value=0.0)

        blocks, loss = {}, 0.0
        for outcome, variables in self.blocks():
            k = len(variables)
            shorts = [names[v] for v in variables]
            tag = "_".join(names[v] for v in variables if not v.startswith("x:"))
            prefix = f"{tag}_" if plan.masked else ""
            sums = np.column_stack([read(f"s_{prefix}{short}") for short in shorts])
            products = np.empty((len(table), k, k))
            for i in range(k):
                for j in range(i + 1):
                    products[:, i, j] = products[:, j, i] = read(f"p_{prefix}{shorts[j]}_{shorts[i]}")
            n = read(f"n_{tag}") if plan.masked else read(f"count_{shorts[0]}")
            if plan.centre:
                shift = np.nan_to_num(np.column_stack([read(f"shift_{short}") for short in shorts]))
            else:
                shift = np.tile([plan.shifts[v] for v in variables], (len(table), 1))
            origin = np.array([plan.shifts[v] for v in variables])
            blocks[outcome.label], lost = moments_of(n, sums, products, shift, origin)
            loss = max(loss, lost)
        keys = pd.DataFrame(
            {name: pd.Series(self._labels(table[f"k{i}"], plan), dtype=object) for i, name in enumerate(self.keys)}
        )
        nulls = [read(f"null_{names[f'x:{name}']}") if plan.fill else 0.0 * rows for name in self.covariates]
        missing = np.column_stack(nulls) if nulls else np.zeros((len(table), 0))
        return Cells(keys, rows, blocks, missing), loss

    def _labels(self, values: pd.Series[Any], plan: _Plan) -> list[str | None]:
        labels = [label_of(value) for value in values.tolist()]
        return [label or None for label in labels] if plan.centre else labels


def _grouped(work: nw.LazyFrame[Any], keys: list[str], aggregations: list[tuple[str, str, str]]) -> pd.DataFrame:
    """Group and aggregate: in the engine, or for pandas by codes, which it would make anew for every aggregate."""
    if work.implementation is not nw.Implementation.PANDAS:
        made = [getattr(nw.col(column), kind)().alias(name) for kind, column, name in aggregations]
        return to_pandas(work.group_by(*keys).agg(nw.len().alias("n"), *made).to_native())
    table: Any = work.collect().to_native()
    codes, levels = np.zeros(len(table), dtype=np.int64), []
    for key in keys:
        place, values = pd.factorize(table[key], use_na_sentinel=False)
        codes = codes * len(values) + place
        levels.append(values)
    present, codes = np.unique(codes, return_inverse=True) if len(keys) > 2 else _present(codes, levels)
    size = len(present)
    made_columns: dict[str, Any] = {}
    for key, values in zip(reversed(keys), reversed(levels), strict=True):
        present, place = np.divmod(present, len(values))
        made_columns[key] = pd.Series(np.asarray(values, dtype=object)[place], dtype=object)
    n = made_columns["n"] = np.bincount(codes, minlength=size)
    for kind, column, name in aggregations:
        numbers = table[column].to_numpy(dtype=float, na_value=np.nan)
        if kind == "count":
            lost = np.isnan(numbers)
            made_columns[name] = n - np.bincount(codes[lost], minlength=size) if lost.any() else n
        elif kind == "sum":
            total = np.bincount(codes, numbers, size)
            # only where something is missing are the rows gone through once more
            made_columns[name] = total if not np.isnan(total).any() else np.bincount(codes, _zeros(numbers), size)
        else:
            least = np.full(size, np.nan)
            np.fmin.at(least, codes, numbers)
            made_columns[name] = least
    return pd.DataFrame(made_columns)


def _zeros(numbers: Floats) -> Floats:
    """Count missing as nothing."""
    return np.where(np.isnan(numbers), 0.0, numbers)


def _present(codes: Any, levels: list[Any]) -> tuple[Any, Any]:
    """Number the codes that occur; few are possible, so counting is faster than sorting."""
    some = np.bincount(codes, minlength=int(np.prod([len(values) for values in levels]))) > 0
    return np.flatnonzero(some), (np.cumsum(some) - 1)[codes]

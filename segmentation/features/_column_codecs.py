"""How a column becomes numbers of one scale, and how these become its values again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import number
from segmentation.features._column_roles import HEAVY_TAIL_SKEWNESS, skewness
from segmentation.features._column_values import DAY, EPOCH, ColumnValues, as_days, as_levels, as_numbers

__all__ = [
    "BOUND",
    "BooleanColumn",
    "CategoryColumn",
    "Codec",
    "Encoded",
    "PresenceColumn",
    "ScaledColumn",
    "learn_category",
    "learn_scaled",
    "losses",
]

Floats = NDArray[np.float64]
Treatment = Literal["asinh", "log1p", "linear"]
Source = Literal["number", "date", "levels"]

# Scaled values stay within these many robust standard deviations; 3 holds 99.7 % of a normal column.
BOUND = 3.0
# Interquartile range of a normal distribution in standard deviations.
NORMAL_IQR = 1.3489795003921634
# A category as wide as a boolean: two rows of a one-hot block differ in two places, 2 * (1 / sqrt(2)) ** 2 == 1.
LEVEL_WEIGHT = float(np.sqrt(0.5))
# The square is still a number.
LARGEST = 1e150
# Largest argument of sinh and expm1 that gives a finite number.
LARGEST_LOG = 700.0
# Nearest to its bound that a squashed value is taken back: rounding makes everything beyond it the bound itself.
NEAREST_TO_BOUND = 1.0 - 1e-12


@dataclass(frozen=True)
class Encoded:
    """A column as numbers, and the number of values that could not be read and were taken for missing."""

    block: Floats
    n_unknown: int
    unknown: tuple[str, ...] = ()


def _missing_name(name: Any) -> str:
    return f"{name}_missing"


def _draw_in(x: Floats, treatment: Treatment, unit: float) -> Floats:
    with np.errstate(over="ignore"):
        if treatment == "asinh":
            return np.arcsinh(np.clip(x / unit, -LARGEST, LARGEST))
        return np.log1p(np.maximum(x, 0.0)) if treatment == "log1p" else x


def _let_out(y: Floats, treatment: Treatment, unit: float) -> Floats:
    if treatment == "linear":
        return y
    y = np.clip(y, -LARGEST_LOG, LARGEST_LOG)
    return np.sinh(y) * unit if treatment == "asinh" else np.maximum(np.expm1(y), 0.0)


def squash(z: Floats) -> Floats:
    """Bound scaled values smoothly: nearly unchanged around 0, never beyond `BOUND`."""
    z = np.clip(z, -LARGEST, LARGEST)
    return np.asarray(z / np.sqrt(1.0 + (z / BOUND) ** 2))


def unsquash(s: Floats) -> Floats:
    """Invert `squash`."""
    s = np.clip(s, -BOUND * NEAREST_TO_BOUND, BOUND * NEAREST_TO_BOUND)
    return np.asarray(s / np.sqrt(1.0 - (s / BOUND) ** 2))


def _of_those_who_have(block: Floats, fill: float) -> tuple[Floats, Floats]:
    """Take what was put in for missing values out of a mean again; NaN where nobody has a value."""
    lost = np.clip(block[:, 1], 0.0, 1.0)
    have = np.where(lost < 1.0 - 1e-9, 1.0 - lost, np.nan)
    return (block[:, 0] - lost * fill) / have, lost


@dataclass(frozen=True)
class ScaledColumn:
    """A quantity, ordinal or date: drawn in, centred, divided by its width, bounded."""

    name: Any
    source: Source
    treatment: Treatment
    unit: float
    center: float
    width: float
    fill: float
    whole: bool
    indicator: bool
    low: float
    high: float
    levels: tuple[str, ...] = ()
    as_of: float = 0.0

    def names(self) -> list[str]:
        return [str(self.name), *([_missing_name(self.name)] if self.indicator else [])]

    def treatment_text(self) -> str:
        if self.source == "date":
            return f"days before {pd.Timestamp(EPOCH + self.as_of * DAY):%Y-%m-%d}"
        if self.source == "levels":
            return "position in the order"
        return {"asinh": f"asinh(x / {number(self.unit)})", "log1p": "log(1 + x)", "linear": "as it is"}[self.treatment]

    def fill_value(self) -> Any:
        return self._values(np.array([self.fill]), rounded=True).iloc[0]

    def read(self, values: ColumnValues) -> Floats:
        if self.source == "date":
            return self.as_of - as_days(values)
        if self.source == "levels":
            codes, levels = as_levels(values)
            place = {level: float(i) for i, level in enumerate(self.levels)}
            return np.array([place.get(level, np.nan) for level in levels] + [np.nan])[codes]
        return as_numbers(values)

    def encode(self, values: ColumnValues) -> Encoded:
        x = self.read(values)
        lost = np.isnan(x)
        scaled = squash((_draw_in(np.where(lost, self.fill, x), self.treatment, self.unit) - self.center) / self.width)
        unknown = lost & ~values.missing
        block = np.column_stack([scaled, lost]) if self.indicator else scaled[:, None]
        return Encoded(block, int(unknown.sum()), _texts(values, unknown))

    def rows(self, block: Floats) -> pd.Series[Any]:
        """Return values of customers: whole numbers and levels exactly, missing where they were missing."""
        result = self._values(self._back(block), rounded=True)
        return result.mask(block[:, 1] >= 0.5) if self.indicator else result

    def centers(self, block: Floats) -> dict[str, Any]:
        """Return values of centres: of numbers unrounded, of levels the nearest one."""
        if not self.indicator:
            return {str(self.name): self._values(self._inside(block), rounded=False)}
        fill = _draw_in(np.array([self.fill]), self.treatment, self.unit)
        scaled, lost = _of_those_who_have(block, float(squash((fill - self.center) / self.width)[0]))
        values = self._values(self._inside(np.nan_to_num(scaled)[:, None]), rounded=False)
        return {str(self.name): values.mask(np.isnan(scaled)), _missing_name(self.name): lost}

    def _back(self, block: Floats) -> Floats:
        return _let_out(unsquash(block[:, 0]) * self.width + self.center, self.treatment, self.unit)

    def _inside(self, block: Floats) -> Floats:
        """Return to original units within the range that fit has seen: a mean leaves it by rounding only."""
        return np.asarray(np.clip(self._back(block), self.low, self.high) + 0.0)

    def _values(self, x: Floats, *, rounded: bool) -> pd.Series[Any]:
        if self.source == "levels":
            position = np.clip(np.round(x), 0, len(self.levels) - 1).astype(np.int64)
            return pd.Series([self.levels[i] for i in position])
        if self.source == "date":
            days = self.as_of - x
            # rounding to the second takes away what the arithmetic added; whole days stay whole days
            seconds = np.round(days) * 86400 if self.whole else np.round(days * 86400)
            return pd.Series(EPOCH + pd.to_timedelta(seconds, unit="s"))
        return pd.Series(np.round(x) if rounded and self.whole else x)


@dataclass(frozen=True)
class BooleanColumn:
    """Two values: 0 and 1."""

    name: Any
    low: str
    high: str
    values: tuple[Any, Any]
    fill: float
    indicator: bool

    def names(self) -> list[str]:
        return [str(self.name), *([_missing_name(self.name)] if self.indicator else [])]

    def treatment_text(self) -> str:
        return f"1 = {self.high}, 0 = {self.low}"

    def fill_value(self) -> Any:
        return self.values[int(self.fill)]

    def encode(self, values: ColumnValues) -> Encoded:
        codes, levels = as_levels(values)
        place = {self.low.lower(): 0.0, self.high.lower(): 1.0}
        if values.kind == "boolean":  # True for a column that was learnt from 0 and 1, or from yes and no
            place |= {"false": 0.0, "true": 1.0}
        elif {self.low, self.high} == {"False", "True"}:
            place |= {"0": 0.0, "1": 1.0}
        x = np.array([place.get(level.lower(), np.nan) for level in levels] + [np.nan])[codes]
        lost = np.isnan(x)
        unknown = lost & ~values.missing
        filled = np.where(lost, self.fill, x)
        block = np.column_stack([filled, lost]) if self.indicator else filled[:, None]
        return Encoded(block, int(unknown.sum()), _texts(values, unknown))

    def rows(self, block: Floats) -> pd.Series[Any]:
        missing = block[:, 1] >= 0.5 if self.indicator else np.zeros(len(block), dtype=bool)
        pair = zip(block[:, 0] >= 0.5, missing, strict=True)
        return pd.Series([None if lost else self.values[int(high)] for high, lost in pair])

    def centers(self, block: Floats) -> dict[str, Any]:
        if not self.indicator:
            return {str(self.name): block[:, 0]}
        share, lost = _of_those_who_have(block, self.fill)
        return {str(self.name): share, _missing_name(self.name): lost}


@dataclass(frozen=True)
class CategoryColumn:
    """Levels without an order: one column of 0 or sqrt(1/2) each, rare ones together."""

    name: Any
    levels: tuple[str, ...]
    merged: tuple[str, ...]
    other: str
    indicator: bool

    def names(self) -> list[str]:
        shown = [*self.levels, *([self.other] if self.merged else [])]
        return [f"{self.name}={level}" for level in shown] + ([_missing_name(self.name)] if self.indicator else [])

    def treatment_text(self) -> str:
        merged = f", {len(self.merged)} rare together" if self.merged else ""
        return f"one of {len(self.levels)} levels{merged}"

    def fill_value(self) -> Any:
        return "a level of its own" if self.indicator else "no level"

    def encode(self, values: ColumnValues) -> Encoded:
        codes, levels = as_levels(values)
        width = len(self.names())
        known = {level: i for i, level in enumerate(self.levels)}
        known |= dict.fromkeys(self.merged, len(self.levels))
        # a level that fit has not seen goes to the rare ones; without any, it is in no level
        elsewhere = len(self.levels) if self.merged else -1
        place = np.array([known.get(level, elsewhere) for level in levels] + [-1], dtype=np.int64)[codes]
        if self.indicator:
            place = np.where(codes < 0, width - 1, place)
        block = np.zeros((len(codes), width))
        inside = np.flatnonzero(place >= 0)
        block[inside, place[inside]] = LEVEL_WEIGHT
        new = np.array([level not in known for level in levels] + [False], dtype=bool)[codes]
        return Encoded(block, int(new.sum()), _texts(values, new))

    def rows(self, block: Floats) -> pd.Series[Any]:
        """Return the level with the largest entry; missing where that is the indicator or nothing."""
        shown = [*self.levels, *([self.other] if self.merged else []), None]
        best = block.argmax(axis=1) if block.shape[1] else np.zeros(len(block), dtype=np.int64)
        best = np.where(block.max(axis=1, initial=0.0) > 0, np.minimum(best, len(shown) - 1), len(shown) - 1)
        return pd.Series([shown[i] for i in best])

    def centers(self, block: Floats) -> dict[str, Any]:
        return dict(zip(self.names(), (block / LEVEL_WEIGHT).T, strict=True))


@dataclass(frozen=True)
class PresenceColumn:
    """A column with one value: whether a customer has it."""

    name: Any
    value: str

    def names(self) -> list[str]:
        return [f"{self.name}_present"]

    def treatment_text(self) -> str:
        return f"1 = {self.value}, 0 = missing"

    def fill_value(self) -> Any:
        return ""

    def encode(self, values: ColumnValues) -> Encoded:
        codes, levels = as_levels(values)
        new = np.array([level != self.value for level in levels] + [False], dtype=bool)[codes]
        return Encoded((codes >= 0).astype(np.float64)[:, None], int(new.sum()), _texts(values, new))

    def rows(self, block: Floats) -> pd.Series[Any]:
        return pd.Series([self.value if value >= 0.5 else None for value in block[:, 0]])

    def centers(self, block: Floats) -> dict[str, Any]:
        return {self.names()[0]: block[:, 0]}


Codec = ScaledColumn | BooleanColumn | CategoryColumn | PresenceColumn


def _texts(values: ColumnValues, where: NDArray[np.bool_]) -> tuple[str, ...]:
    """Return the different values at some places, at most six, as text."""
    if not where.any():
        return ()
    codes, levels = as_levels(values)
    return tuple(levels[code] for code in np.unique(codes[where])[:6])


def learn_scaled(
    name: Any,
    x: Floats,
    role: str,
    *,
    source: Source = "number",
    levels: Sequence[str] = (),
    as_of: float = 0.0,
    indicator: bool,
) -> ScaledColumn:
    """Learn how a quantity is brought to the common scale.

    Amounts and dates are centred on the median and divided by the interquartile range as a standard deviation, which
    no outlier moves; counts and ordinals by mean and standard deviation, because their quartiles are coarse.
    """
    present = x[~np.isnan(x)]
    treatment, unit = _treatment(present, role)
    drawn_in = _draw_in(present, treatment, unit)
    center, width = _center_and_width(drawn_in, coarse=role in ("count", "ordinal"))
    whole = bool((present == np.round(present)).all())
    middle = np.median(present)
    # the value in the middle, not half-way between two: it is put in for people, who have whole children
    fill = float(present[np.abs(present - middle).argmin()]) if whole else float(middle)
    return ScaledColumn(
        name=name,
        source=source,
        treatment=treatment,
        unit=unit,
        center=center,
        width=width,
        fill=fill,
        whole=whole,
        indicator=indicator,
        low=float(present.min()),
        high=float(present.max()),
        levels=tuple(levels),
        as_of=as_of,
    )


def _treatment(x: Floats, role: str) -> tuple[Treatment, float]:
    """Choose the logarithm of a heavy tail.

    Of amounts it is asinh in units of the lower quartile: three quarters of the amounts lie where equal ratios are
    equal steps, nothing is stretched around 0, and the currency does not matter.
    """
    skew = skewness(x)
    if role not in ("amount", "count") or skew <= HEAVY_TAIL_SKEWNESS:
        return "linear", 1.0
    treatment: Treatment = "log1p" if role == "count" and x.min() >= 0 else "asinh"
    unit = float(np.quantile(np.abs(x[x != 0]), 0.25)) if treatment == "asinh" else 1.0
    better = abs(skewness(_draw_in(x, treatment, unit))) < skew
    return (treatment, unit) if better else ("linear", 1.0)


def _center_and_width(y: Floats, *, coarse: bool) -> tuple[float, float]:
    largest = np.abs(y).max()
    shares = y / largest if largest > 0 else y  # squares of 1e200 are no numbers
    if not coarse:
        low, middle, high = np.quantile(shares, [0.25, 0.5, 0.75])
        if high - low > 1e-12:
            return float(middle * largest), float((high - low) / NORMAL_IQR * largest)
        # more than half of the customers have one value: their distance from it is all there is
        spread = np.sqrt(np.mean((shares - middle) ** 2))
        return float(middle * largest), float(spread * largest) if spread > 0 else 1.0
    spread = shares.std()
    return float(shares.mean() * largest), float(spread * largest) if spread > 0 else 1.0


def learn_category(
    name: Any, values: ColumnValues, *, min_share: float, max_levels: int, indicator: bool
) -> CategoryColumn:
    """Learn which levels have a column of their own, the others are merged."""
    codes, levels = as_levels(values)
    counts = np.bincount(codes[codes >= 0], minlength=len(levels))
    used = [i for i in range(len(levels)) if counts[i]]
    by_size = sorted(used, key=lambda i: (-counts[i], levels[i]))
    enough = min_share * counts.sum()
    kept = {i for i in by_size[:max_levels] if counts[i] >= enough}
    merged = tuple(sorted(levels[i] for i in used if i not in kept))
    other = "(other)"
    while other in levels:
        other = f"({other})"
    return CategoryColumn(name, tuple(sorted(levels[i] for i in kept)), merged, other, indicator)


def losses(codec: Codec) -> str:
    """Say what ``inverse_transform`` cannot give back, of a column without an indicator also what was missing."""
    lost = []
    if isinstance(codec, CategoryColumn) and codec.merged:
        lost.append(f"which of {len(codec.merged)} rare levels it was")
    if isinstance(codec, ScaledColumn) and codec.source == "date":
        lost.append("parts of a second" if not codec.whole else "time of day")
    if isinstance(codec, ScaledColumn | BooleanColumn) and not codec.indicator:
        lost.append(f"a missing value comes back as {codec.fill_value()}")
    return "; ".join(lost)

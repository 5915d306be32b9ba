"""A picture of data quality: the share missing of each feature in each segment, as a heat table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count
from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally
from segmentation.monitoring._drift_quality import SegmentQuality, segment_quality
from segmentation.monitoring._inputs import date_label

__all__ = ["SegmentQualityDisplay"]

AT_MOST = 30
# With more rows or columns figures no longer fit into the cells.
WRITTEN_AT_MOST = 12
NAME_WIDTH = 28


class SegmentQualityDisplay:
    """A field per segment (rows) and feature (columns) in one period: the share missing.

    A frame marks what differs from the first period beyond chance. Of more than 30 segments or features those are drawn
    of which most is missing.

    Parameters
    ----------
    quality : SegmentQuality
    period : label, optional
        One of the periods, by default the last.

    Attributes
    ----------
    drawn_ : pandas.DataFrame
        The shares drawn, segments by features.
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from segmentation.monitoring import SegmentQualityDisplay
    >>> segments = pd.Series(np.repeat(["a", "b"], 100))
    >>> whole = pd.DataFrame({"age": np.repeat(30.0, 200)})
    >>> periods = {"May": (whole, segments), "June": (whole.assign(age=whole["age"].head(160)), segments)}
    >>> SegmentQualityDisplay.from_periods(periods).plot().ax_.get_title(loc="left").splitlines()
    ['Missing in June, in %', '1 of 2 fields differs from May (framed)']
    """

    def __init__(self, quality: SegmentQuality, *, period: Any = None) -> None:
        if not isinstance(quality, SegmentQuality):
            raise TypeError(f"quality must come from segment_quality, got {type(quality).__name__}.")
        periods = list(dict.fromkeys(quality.table["period"]))
        if period is not None and period not in periods:
            raise ValueError(f"period must be one of {[date_label(one) for one in periods]}, got {period!r}.")
        self.quality = quality
        self.period = periods[-1] if period is None else period

    @classmethod
    def from_periods(cls, periods: Any, *, period: Any = None, **settings: Any) -> SegmentQualityDisplay:
        """Compare periods and draw one; settings are those of `segment_quality`."""
        return cls(segment_quality(periods, **settings), period=period)

    @classmethod
    def from_quality(cls, quality: SegmentQuality, *, period: Any = None) -> SegmentQualityDisplay:
        """Draw a result that is there."""
        return cls(quality, period=period)

    def plot(self, ax: Any = None) -> SegmentQualityDisplay:
        """Draw into `ax`, or into a new figure whose size fits the table."""
        rows = self.quality.table[self.quality.table["period"] == self.period]
        shares, changed, left_out = _grid(rows)
        self.drawn_ = shares
        n_rows, n_columns = shares.shape
        written = max(n_rows, n_columns) <= WRITTEN_AT_MOST
        cell = (0.75, 0.34) if written else (0.34, 0.22)
        ax = axes_or_new(
            ax, min(max(6.5, 3.2 + cell[0] * n_columns), 14.0), min(max(2.8, 2.2 + cell[1] * n_rows), 12.0)
        )
        values = shares.to_numpy(dtype=np.float64)
        image = ax.imshow(values, aspect="auto", cmap="Blues", vmin=0.0, vmax=1.0)
        for i, j in np.ndindex(*values.shape):
            if written and np.isfinite(values[i, j]):
                colour = "white" if values[i, j] > 0.55 else "black"
                ax.text(j, i, f"{100 * values[i, j]:.0f}", ha="center", va="center", fontsize=8, color=colour)
            if changed[i, j]:
                ax.add_patch(_frame(i, j))
        if not written:
            ax.figure.colorbar(image, ax=ax, shrink=0.7, format=lambda share, _: f"{100 * share:.0f} %")
        font = 9 if n_rows <= WRITTEN_AT_MOST else 7
        sizes = rows.drop_duplicates("segment").set_index("segment")["n_customers"]
        ax.set_yticks(
            range(n_rows), [f"{shorten(name, NAME_WIDTH)}  {sizes[name]:,}" for name in shares.index], fontsize=font
        )
        ax.set_xticks(
            range(n_columns), [shorten(name, NAME_WIDTH) for name in shares.columns], rotation=40, ha="right",
            rotation_mode="anchor", fontsize=9 if n_columns <= WRITTEN_AT_MOST else 7,
        )  # fmt: skip
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set_title(self._title(rows, left_out), loc="left", fontsize=11)
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self

    def _title(self, rows: pd.DataFrame, left_out: tuple[int, int]) -> str:
        first = self.quality.settings["first"]
        title = f"Missing in {date_label(self.period)}, in %"
        if self.period != first:
            n = int(rows["changed"].sum())
            word = "differs" if n == 1 else "differ"
            title += f"\n{n} of {count(len(rows), 'field')} {word} from {date_label(first)} (framed)"
        parts = [(left_out[0], "segment"), (left_out[1], "feature")]
        said = " and ".join(count(n, what) for n, what in parts if n)
        return f"{title}\n{said} with less missing not drawn" if said else title


def _grid(rows: pd.DataFrame) -> tuple[pd.DataFrame, Any, tuple[int, int]]:
    """Return shares and marks as segments by features, and how many of each are left out."""
    segments, features = (list(dict.fromkeys(rows[name])) for name in ("segment", "feature"))
    by = rows.set_index(["segment", "feature"])
    whole = pd.MultiIndex.from_product([segments, features])
    shape = (len(segments), len(features))
    shares = pd.DataFrame(by["missing"].reindex(whole).to_numpy().reshape(shape), index=segments, columns=features)
    marks = by["changed"].reindex(whole, fill_value=False).to_numpy(dtype=bool).reshape(shape)
    at = [_most(np.nanmax(shares.to_numpy(), axis=axis)) for axis in (1, 0)]
    left_out = (shape[0] - len(at[0]), shape[1] - len(at[1]))
    return shares.iloc[at[0], at[1]], marks[np.ix_(at[0], at[1])], left_out


def _most(largest: Any) -> Any:
    """Return the places of the 30 largest, in their order."""
    return np.sort(np.argsort(-largest, kind="stable")[:AT_MOST])


def _frame(i: int, j: int) -> Any:
    """Return the frame of a field that changed."""
    from matplotlib.patches import Rectangle

    return Rectangle((j - 0.46, i - 0.46), 0.92, 0.92, fill=False, edgecolor=COLOURS["first"], linewidth=1.8)

"""The result as text, at most 100 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd

from segmentation._cli._errors import one_line
from segmentation._cli._files import Orders
from segmentation._cli._job import Result, Settings
from segmentation._format import money, percent

__all__ = ["MISSING", "WIDTH", "aligned", "show", "wrapped"]

WIDTH = 100
MISSING = "-"
# Amounts from here on are written as 1.234e+09, or the table would not fit.
LONG_AMOUNT = 1e9

# From this multiple of the average, or its reciprocal, a segment is called different from the average.
DIFFERENT = 1.25

# Words for below, about and above the average, per feature.
WORDS = {
    "days_since_last_purchase": ("last purchase recent", "last purchase average", "last purchase long ago"),
    "n_purchases": ("few purchases", "average purchases", "many purchases"),
    "total_spend": ("low spend", "average spend", "high spend"),
}


def _plain(digits: int) -> Callable[[float], str]:
    return lambda value: f"{value:,.{digits}f}"


def _money(value: float) -> str:
    return money(value) if abs(value) < LONG_AMOUNT else f"{value:.4g}"


# Column of the profile -> heading in two lines and format, in the order in which they are printed where they exist.
COLUMNS: dict[str, tuple[str, str, Callable[[float], str]]] = {
    "n_customers": ("", "customers", _plain(0)),
    "share": ("", "share", percent),
    "days_since_last_purchase": ("days since", "last", _plain(0)),
    "n_purchases": ("", "purchases", _plain(1)),
    "total_spend": ("mean", "spend", _money),
    "total_spend_total": ("total", "spend", _money),
    "total_spend_share": ("share", "of spend", percent),
    "n_purchases_total": ("total", "purchases", _plain(0)),
    "n_purchases_share": ("share of", "purchases", percent),
    "clv_mean": ("mean", "CLV", _money),
    "clv_total": ("total", "CLV", _money),
    "clv_total_low": ("CLV, 90 %", "from", _money),
    "clv_total_high": ("CLV, 90 %", "to", _money),
    "clv_share": ("share", "of CLV", percent),
    "expected_purchases_mean": ("expected", "mean", _plain(2)),
    "expected_purchases_total": ("expected", "total", _plain(0)),
    "expected_purchases_total_low": ("total, 90 %", "from", _plain(0)),
    "expected_purchases_total_high": ("total, 90 %", "to", _plain(0)),
    "expected_purchases_share": ("expected", "share", percent),
    "p_alive_mean": ("probably", "alive", _plain(2)),
}
# Said already by the CLV, which is what these and the spend make.
NOT_BESIDE_CLV = (
    "expected_purchases_mean",
    "expected_purchases_total",
    "expected_purchases_share",
    "p_alive_mean",
)


def show(orders: Orders, result: Result, settings: Settings, notes: Iterable[tuple[str, str]]) -> str:
    """Return everything the command prints about the result; `notes` are about the models, each with its label."""
    parts = [
        f"Orders: {orders.source}",
        textwrap.indent(str(result.report), "  "),
        *(wrapped("note: ", note, "  ") for note in orders.notes),
        "",
        f"Segments (k-means on {', '.join(result.features.columns)})",
        _descriptions(result),
        "",
        *_value_lines(result, settings),
        _table(result.published.loc[result.profile.index]),
        *(wrapped("note: ", note, "  ") for note in _not_shown(result)),
        *(wrapped(f"{label}: ", text, "  ") for label, text in notes),
        "",
        f"Priorities (by {result.ranked_by}, the largest first)",
        _priorities(result.published),
    ]
    return "\n".join(parts)


def wrapped(first: str, text: str, indent: str = "") -> str:
    return textwrap.fill(
        one_line(text),
        WIDTH,
        initial_indent=indent + first,
        subsequent_indent=indent + " " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _descriptions(result: Result) -> str:
    averages = result.features.mean()
    lines = []
    for segment, row in result.profile.iterrows():
        if not row["n_customers"]:
            lines.append(f"  {segment}  no customers")
            continue
        if segment in result.hidden:
            lines.append(f"  {segment}  not shown")
            continue
        words = [_compared(name, row[name], averages[name]) for name in result.features.columns]
        lines.append(wrapped(f"{segment}  ", ", ".join(words), "  "))
    return "\n".join([*lines, "  (x = times the average of all customers)"])


def _compared(name: str, value: float, average: float) -> str:
    """Say in words how a mean stands to the average of all customers.

    Examples
    --------
    >>> _compared("n_purchases", 6.0, 2.0), _compared("total_spend", 90.0, 100.0)
    ('many purchases (3.0 x)', 'average spend (0.90 x)')
    """
    below, about, above = WORDS[name]
    if average <= 0:  # net spend after refunds: a multiple would mean nothing
        return below if value < average else above if value > average else about
    ratio = value / average
    word = below if ratio <= 1 / DIFFERENT else above if ratio >= DIFFERENT else about
    return f"{word} ({ratio:.{1 if ratio >= 1 else 2}f} x)"


def _value_lines(result: Result, settings: Settings) -> list[str]:
    """Say what the value in the profile is, or why there is none."""
    if result.no_value is not None:
        past = "spend" if "total_spend" in result.features else "number of purchases"
        return [
            "Profile (no customer value)",
            wrapped("", f"No CLV could be computed: {result.no_value}", "  "),
            wrapped("", f"The segments are ordered by their past {past} instead.", "  "),
        ]
    if "total_spend" not in result.features:
        text = f"Profile (no amounts, so no CLV: expected purchases of the next {settings.horizon_days:,} days)"
        return [text]
    what = "revenue" if settings.margin == 1 else f"profit at a margin of {settings.margin:g}"
    terms = f"CLV: expected {what} of the next {settings.horizon_days:,} days"
    if settings.annual_discount_rate:
        terms += f", discounted at {percent(settings.annual_discount_rate)} a year"
    return [f"Profile ({terms})"]


def _not_shown(result: Result) -> list[str]:
    """Say which figures stand in no table of segments, and why."""
    if not result.not_shown:
        return []
    return [*result.not_shown, f"{MISSING} in place of a figure: not shown. --minimum-cell 0 shows all."]


def _table(profile: pd.DataFrame) -> str:
    skipped = NOT_BESIDE_CLV if "clv_mean" in profile.columns else ()
    chosen = [name for name in COLUMNS if name in profile.columns and name not in skipped]
    text = _columns(profile, chosen)
    if max(map(len, text.splitlines())) > WIDTH:  # amounts so long that the bounds do not fit
        text = _columns(profile, [name for name in chosen if not name.endswith(("_low", "_high"))])
    return text


def _columns(profile: pd.DataFrame, chosen: Sequence[str]) -> str:
    rows = [
        [str(segment), *(MISSING if pd.isna(row[name]) else COLUMNS[name][2](row[name]) for name in chosen)]
        for segment, row in profile.iterrows()
    ]
    above = ["", *(COLUMNS[name][0] for name in chosen)]
    below = ["segment", *(COLUMNS[name][1] for name in chosen)]
    return aligned([above, below, *rows])


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Set the first column left and the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    gap = "  " if sum(widths) + 2 * len(widths) <= WIDTH else " "
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        lines.append(f"  {gap.join(cells)}".rstrip())
    return "\n".join(lines)


def _priorities(plan: pd.DataFrame) -> str:
    return "\n".join(
        wrapped(f"{_place(row['priority'])}  {segment}  ", row["reason"], "  ") for segment, row in plan.iterrows()
    )


def _place(priority: Any) -> str:
    return f"{MISSING if pd.isna(priority) else str(priority):>2}"

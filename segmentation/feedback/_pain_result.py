"""What `pain_points` returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, money, name_some, percent
from segmentation._results import Result
from segmentation.feedback._pain_display import PainPointsDisplay

__all__ = ["PainPoints"]

SHOWN_PER_SEGMENT = 5


@dataclass(frozen=True, repr=False, eq=False)
class PainPoints(Result):
    """What the customers of a segment write about more than all the others.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per segment and theme claimed for it, the surest first within the segment:

        ``segment``, ``theme``
            The theme by its three strongest words.
        ``n_customers``, ``prevalence``, ``_low``, ``_high``
            Customers of the segment who mention it, and their share of those who wrote.
        ``prevalence_others``, ``difference``, ``difference_low``, ``difference_high``
            The share in all other segments, and the difference to it. Where ``others_capped`` is true, fewer than
            `minimum` of the segments without this theme mention it: they are taken as ``minimum - 1``, so that
            the share of the others is at most, and the difference at least, what stands here.
        ``p_adjusted``
            By shuffled customers, corrected for all words and segments.
        ``rating``, ``rating_others``, ``rating_difference``, ``_low``, ``_high``, ``feeling``
            With ratings: customers of the segment with the theme and without, averaged within customers; "pain" where
            the interval lies below 0, "praise" where it lies above, "mixed" else, "" where one side has too few.
        ``value_total``, ``_low``, ``_high``, ``value_share``
            With values: of the customers of the segment who mention the theme (**not** what is lost by it), as a sum
            and as a share of what all who wrote are worth. Intervals: had other customers of the segment written.
    terms : pandas.DataFrame
        The words behind each claim: ``segment``, ``theme``, ``term``, ``n_customers``, ``log_odds`` against all
        others, ``_low``, ``_high``, ``others_capped``, ``p_adjusted``.
    quotes : pandas.DataFrame
        ``segment``, ``theme``, ``quote``; what few customers wrote is left out (...), personal data are masked.
    prevalence : pandas.DataFrame
        Themes by segments: share of the customers who wrote that mention it. Small cells are missing.
    segments : pandas.DataFrame
        One row per segment, to be joined to a profile: ``n_wrote``, ``n_themes``, ``theme_share`` (mention any theme
        claimed for their segment) and, with values, ``theme_value_total``, ``_low``, ``_high``, ``theme_value_share``;
        with ratings the same of themes felt as "pain".
    settings : dict
    warnings : tuple of str
    """

    table: pd.DataFrame
    terms: pd.DataFrame
    quotes: pd.DataFrame
    prevalence: pd.DataFrame
    segments: pd.DataFrame
    settings: dict[str, Any]
    warnings: tuple[str, ...]
    _analyzer: Callable[[str], Any] | None = field(default=None)
    _terms_of: Mapping[str, list[str]] = field(default_factory=dict)

    def mentions(self, texts: Any) -> pd.DataFrame:
        """Tell which of the themes each text mentions, for texts of any time.

        Parameters
        ----------
        texts : Series or list of str
            Missing ones mention nothing.

        Returns
        -------
        pandas.DataFrame
            One row per text, one boolean column per theme. It is about single texts: not to be published.

        Raises
        ------
        ValueError
            If the themes came from a finder of your own, which must be asked itself.
        """
        if self._analyzer is None:
            raise ValueError("these themes came from a finder of your own: ask it which texts mention them.")
        series = texts if isinstance(texts, pd.Series) else pd.Series(list(texts), dtype=object)
        places: dict[str, list[int]] = {}
        for column, terms in enumerate(self._terms_of.values()):
            for term in terms:
                places.setdefault(term, []).append(column)
        result = np.zeros((len(series), len(self._terms_of)), dtype=np.bool_)
        for row, value in enumerate(series):
            if isinstance(value, str):
                for term in self._analyzer(value):
                    result[row, places.get(term, [])] = True
        return pd.DataFrame(result, index=series.index, columns=list(self._terms_of))

    def _facts(self) -> dict[str, Any]:
        return {
            "settings": self.settings,
            "warnings": self.warnings,
            "table": self.table,
            "terms": self.terms,
            "quotes": self.quotes,
            "prevalence": self.prevalence.to_dict("index"),
            "segments": self.segments.to_dict("index"),
        }

    def _opening(self) -> list[str]:
        return [self._headline()]

    def _headline(self) -> str:
        texts = f"{count(self.settings['n_texts'], 'text')} of {count(self.settings['n_customers'], 'customer')}"
        if not len(self.table):
            return (
                f"Pain points: nothing that a segment writes about more than the others, in {texts}; "
                "shuffled customers differ as much"
            )
        of = self.table["segment"].nunique()
        return (
            f"Pain points: {count(len(self.table), 'theme')} in {count(of, 'segment')} of "
            f"{self.settings['n_segments']}, in {texts}"
        )

    def __str__(self) -> str:
        lines = [self._headline()]
        for segment, rows in self.table.groupby("segment", observed=True, sort=False):
            lines.append(f"{segment}")
            lines += [self._line(segment, row) for _, row in self._first(rows).iterrows()]
            more = len(rows) - SHOWN_PER_SEGMENT
            if more > 0:
                lines.append(f"  {count(more, 'more theme')} in the table")
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    def _first(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the themes of a segment that are shown: pains first, the most frequent before the others."""
        order = rows.assign(_quiet=0 if "feeling" not in rows else (rows["feeling"] != "pain").astype(int))
        return order.sort_values(["_quiet", "difference"], ascending=[True, False], kind="stable").head(
            SHOWN_PER_SEGMENT
        )

    def _line(self, segment: Any, row: pd.Series[Any]) -> str:
        if pd.isna(row["prevalence"]):
            shares = "not shown, nearly all mention it"
        else:
            others = percent(row["prevalence_others"])
            between = f"{percent(row['prevalence_low'])} to {percent(row['prevalence_high'])}"
            shares = (
                f"{percent(row['prevalence'])} ({between}), "
                f"others {f'at most {others}' if row['others_capped'] else others}"
            )
        parts = [f"  {row['theme']}: {shares}"]
        if row.get("feeling"):
            parts.append(f"{row['feeling']} (rating {row['rating_difference']:+.1f})")
        if "value_total" in row and pd.notna(row["value_total"]):
            parts.append(f"those who mention it are worth {money(row['value_total'])}")
        text = "; ".join(parts)
        own = self.quotes[(self.quotes["segment"] == segment) & (self.quotes["theme"] == row["theme"])]
        return text if not len(own) else f"{text}\n    {own['quote'].iloc[0]!r}"

    def _html_tables(self) -> list[str]:
        tables = [self.table.round(3), self.quotes] if len(self.quotes) else [self.table.round(3)]
        return [table.to_html(index=False) for table in tables]

    def plot(self, ax: Any = None, *, max_themes: int | None = None) -> Any:
        """Draw themes by segments as dots; see `PainPointsDisplay`."""
        return PainPointsDisplay.from_result(self, max_themes=max_themes).plot(ax).ax_

    def theme(self, name: str) -> pd.DataFrame:
        """Return the rows of the table about one theme.

        Raises
        ------
        ValueError
            If there is none of this name.
        """
        if name not in self.prevalence.index:
            raise ValueError(f"no theme is called {name!r}; there are {name_some(self.prevalence.index)}.")
        return self.table[self.table["theme"] == name]

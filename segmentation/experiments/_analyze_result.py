"""What `analyze_experiment` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from segmentation._format import name_some

__all__ = ["ExperimentAnalysis"]

SHOWN = ["lift", "lift_low", "lift_high", "p_adjusted", "rel_lift", "rel_lift_low", "rel_lift_high", "detectable_lift"]


@dataclass(frozen=True, repr=False, eq=False)
class ExperimentAnalysis:
    """What an experiment shows: over all customers, whether segments differ, and in each segment.

    Attributes
    ----------
    headline : str
        The finding in words; a segment is named in it only where a corrected test supports that.
    interaction : pandas.DataFrame
        Per outcome and arm: whether the effect differs by segment. ``n_segments`` (with an estimate), ``q``, ``df``,
        ``p_value``, ``p_chi_squared``, ``p_adjusted`` (Holm over the table), ``between_sd`` (of true effects,
        estimated; 0 where they differ no more than chance).
    overall : pandas.DataFrame
        Per outcome and arm, all customers: the columns of `segments`.
    segments : pandas.DataFrame
        Per outcome, arm and segment: ``n_control``, ``n_treated`` (customers with the outcome), ``n_missing``
        (without), ``control``, ``treated`` (mean or share, as it is), ``lift`` with ``lift_low``, ``lift_high``,
        ``se``, ``df``, ``p_value``, ``p_adjusted`` (Holm over all rows), ``rel_lift`` with bounds, ``rel_se``,
        ``detectable_lift`` (that an experiment of this size finds with the power asked for; says nothing about the
        lift that was found), ``method``, ``note``. With covariates also ``raw_lift``, ``raw_lift_low``,
        ``raw_lift_high``, ``raw_se``. With clusters ``n_clusters``.
    sample_ratio : pandas.DataFrame
        Whether arms got the customers they were planned to get, see ``verdict``.
    settings : mapping
        Everything as resolved.
    warnings : tuple of str
        What is wrong, and what is taken for granted.
    """

    headline: str
    interaction: pd.DataFrame
    overall: pd.DataFrame
    segments: pd.DataFrame
    sample_ratio: pd.DataFrame
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """The lifts per segment."""
        return self.segments

    @property
    def trustworthy(self) -> bool:
        """Whether no sample-ratio check failed: with False no figure here may be used."""
        return not bool((self.sample_ratio["verdict"] == "failed").any())

    def estimates(self, outcome: str | None = None, arm: str | None = None) -> pd.DataFrame:
        """Return raw estimates per segment for what builds on them.

        Parameters
        ----------
        outcome, arm : str, optional
            May be left out where there is only one.

        Returns
        -------
        pandas.DataFrame
            Index ``segment``: ``estimate`` (lift), ``se``, ``df``, ``n_control``, ``n_treated``; segments without an
            estimate have missing values.

        Examples
        --------
        >>> import pandas as pd
        >>> from segmentation.experiments import analyze_experiment
        >>> rows = pd.DataFrame({"tier": ["gold", "basic"] * 100, "arm": ["mail", "mail", "none", "none"] * 50,
        ...                      "spend": [12.0, 5.0, 10.0, 4.0, 14.0, 6.0, 11.0, 5.0] * 25})
        >>> found = analyze_experiment(rows, segment="tier", arm="arm", outcomes="spend", control="none")
        >>> found.estimates()["estimate"].to_dict()
        {'basic': 1.0, 'gold': 2.5}
        """
        chosen = self._choose(outcome, arm)
        rows: Any = self.segments
        part: pd.DataFrame = rows[(rows["outcome"] == chosen[0]) & (rows["arm"] == chosen[1])].set_index("segment")
        return part.rename(columns={"lift": "estimate"})[["estimate", "se", "df", "n_control", "n_treated"]]

    def _choose(self, outcome: str | None, arm: str | None, *, first: bool = False) -> tuple[str, str]:
        """Find the outcome and arm that are meant; the first ones only where a picture has to show some."""
        found = []
        for what, wanted, known in (
            ("outcome", outcome, list(self.overall["outcome"].unique())),
            ("arm", arm, list(self.overall["arm"].unique())),
        ):
            if wanted is None and (first or len(known) == 1):
                found.append(known[0])
            elif wanted in known:
                found.append(wanted)
            else:
                raise ValueError(f"{what} must be one of {name_some(known, 12)}, got {wanted!r}.")
        return found[0], found[1]

    def plot(
        self, ax: Any = None, *, outcome: str | None = None, arm: str | None = None, relative: bool = False
    ) -> Any:
        """Draw the lifts of one outcome and arm, segment by segment (`ForestDisplay`).

        Parameters
        ----------
        ax : matplotlib Axes, optional
        outcome, arm : str, optional
            The first ones by default.
        relative : bool, default=False
            Whether to draw relative lifts.

        Returns
        -------
        matplotlib Axes
        """
        from segmentation.experiments._analyze_display import ForestDisplay

        return ForestDisplay.from_analysis(self, outcome=outcome, arm=arm, relative=relative).plot(ax).ax_

    def to_pandas(self) -> pd.DataFrame:
        """Return the lifts per segment."""
        return self.segments.copy()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "headline": self.headline,
            "interaction": self.interaction.to_dict("records"),
            "overall": self.overall.to_dict("records"),
            "segments": self.segments.to_dict("records"),
            "sample_ratio": self.sample_ratio.reset_index().to_dict("records"),
            "settings": dict(self.settings),
            "warnings": list(self.warnings),
        }

    def __str__(self) -> str:
        parts = [self.headline]
        if len(self.interaction):
            parts += ["", "Does the effect differ between segments?", _text(self.interaction)]
        parts += ["", "All customers", _text(_short(self.overall))]
        if len(self.segments):
            parts += ["", "Per segment", _text(_short(self.segments))]
        parts += ["", f"Sample ratio: {self._ratio()}"]
        return "\n".join([*parts, *(f"Note: {text}" for text in self.warnings)])

    __repr__ = __str__

    def _ratio(self) -> str:
        first: Any = self.sample_ratio.iloc[0]
        others = self.sample_ratio.iloc[1:]
        bad = list(others.index[others["verdict"].isin(["warning", "failed"])])
        return f"{first['verdict']} (p = {first['p_value']:.2g})" + (
            f"; in segments {name_some(bad)} too" if bad else ""
        )

    def _repr_html_(self) -> str:
        shown = [f"<p>{'<br>'.join(escape(line) for line in self.headline.splitlines())}</p>"]
        if len(self.interaction):
            shown.append(f"<p>Does the effect differ between segments?</p>{_html(self.interaction)}")
        shown.append(f"<p>All customers</p>{_html(_short(self.overall))}")
        if len(self.segments):
            shown.append(f"<p>Per segment</p>{_html(_short(self.segments))}")
        shown.append(f"<p>Sample ratio: {escape(self._ratio())}</p>")
        return "".join([*shown, *(f"<p>Note: {escape(text)}</p>" for text in self.warnings)])


def _short(table: pd.DataFrame) -> pd.DataFrame:
    keys = [name for name in ("outcome", "arm", "segment") if name in table]
    short = table[[*keys, "n_control", "n_treated", "control", "treated", *SHOWN]]
    noted: Any = table["note"] != ""
    return short.assign(note=table["note"]) if noted.any() else short


def _text(table: pd.DataFrame) -> str:
    return table.to_string(index=False, float_format="{:.4g}".format)


def _html(table: pd.DataFrame) -> str:
    return table.to_html(index=False, float_format="{:.4g}".format, escape=True)

"""What `analyze_experiment` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from typing import Any

import pandas as pd

from segmentation._format import name_some
from segmentation._results import Result
from segmentation.experiments._analyze_pooled import best_of, best_table, pool_of, pooled_table, pooled_words
from segmentation.experiments._decision import SegmentDecisions, decide_segments
from segmentation.experiments._pooling_result import PooledEffects
from segmentation.experiments._winner import BestSegment

__all__ = ["ExperimentAnalysis"]

SHOWN_AT_MOST = 20
SHOWN = ["lift", "lift_low", "lift_high", "p_adjusted", "rel_lift", "rel_lift_low", "rel_lift_high", "detectable_lift"]


@dataclass(frozen=True, repr=False, eq=False)
class ExperimentAnalysis(Result):
    """What an experiment shows: over all customers, whether segments differ, and in each segment.

    Attributes
    ----------
    headline : str
        The finding in words; a segment is named in it only where a corrected test supports that.
    interaction : pandas.DataFrame
        Per outcome and arm: whether the effect differs by segment. ``n_segments`` (with an estimate), ``q``, ``df``,
        ``p_value``, ``p_any`` (no effect in any segment, corrected for the number of outcomes and arms),
        ``p_adjusted`` (corrected together with those of `segments`), ``p_chi_squared``, ``between_sd`` (of true
        effects, estimated; 0 where they differ no more than chance).
    overall : pandas.DataFrame
        Per outcome and arm, all customers: the columns of `segments`.
    segments : pandas.DataFrame
        Per outcome, arm and segment: ``n_control``, ``n_treated`` (customers with the outcome), ``n_missing``
        (without), ``control``, ``treated`` (mean or share, as it is), ``lift`` with ``lift_low``, ``lift_high``,
        ``family_low``, ``family_high`` (bounds that allow for all rows, see `correct_comparisons`), ``se``, ``df``,
        ``p_value``, ``p_adjusted`` (corrected over all rows, ``settings["family"]``), ``rel_lift`` with bounds,
        ``rel_se``, ``detectable_lift`` (that an experiment of this size finds with the power asked for; says nothing
        about the lift that was found), ``method``, ``note``. With covariates also ``raw_lift``, ``raw_lift_low``,
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

    @cached_property
    def pooled(self) -> pd.DataFrame:
        """Lifts per outcome, arm and segment after partial pooling (`pool_effects`), where three segments have one."""
        return pooled_table(self)

    @cached_property
    def best(self) -> pd.DataFrame:
        """The segment with the largest lift per outcome and arm, corrected for its selection (`best_segment`).

        ``as_measured`` is what it looks like, ``estimate`` with ``low`` and ``high`` what is left of it.
        """
        return best_table(self)

    def pool(self, outcome: str | None = None, arm: str | None = None, *, relative: bool = False) -> PooledEffects:
        """Pool the lifts of one outcome and arm over segments.

        Parameters
        ----------
        outcome, arm : str, optional
            May be left out where there is only one.
        relative : bool, default=False
            Whether to pool relative lifts.

        Returns
        -------
        PooledEffects
        """
        return pool_of(self, *self._choose(outcome, arm), relative=relative)

    def best_segment(self, outcome: str | None = None, arm: str | None = None, **options: Any) -> BestSegment:
        """Correct the best segment of one outcome and arm for having been picked (`best_segment`).

        Parameters
        ----------
        outcome, arm : str, optional
            May be left out where there is only one.
        **options
            ``method``, ``largest``.

        Returns
        -------
        BestSegment
        """
        return best_of(self, *self._choose(outcome, arm), **options)

    def decide(
        self, outcome: str | None = None, arm: str | None = None, *, customers: Any, margin: Any = 1.0,
        cost: Any = 0.0, certainty: float = 0.9,
    ) -> SegmentDecisions:  # fmt: skip
        """Decide per segment whether to treat it, by pooled lifts, margin and cost of contact (`decide_segments`).

        Parameters
        ----------
        outcome, arm : str, optional
            May be left out where there is only one.
        customers, margin, cost, certainty
            As for `decide_segments`.

        Returns
        -------
        SegmentDecisions

        Examples
        --------
        >>> import numpy as np, pandas as pd
        >>> from segmentation.experiments import analyze_experiment
        >>> rng = np.random.default_rng(0)
        >>> rows = pd.DataFrame({"tier": rng.choice(["a", "b", "c"], 6000), "arm": rng.choice(["mail", "none"], 6000)})
        >>> rows["spend"] = rng.normal(10, 3, 6000) + 2.0 * ((rows["arm"] == "mail") & (rows["tier"] != "c"))
        >>> found = analyze_experiment(rows, segment="tier", arm="arm", outcomes="spend", control="none")
        >>> found.decide(customers=2000, margin=0.4, cost=0.3).table["decision"].to_dict()
        {'a': 'treat', 'b': 'treat', 'c': 'do not treat'}
        """
        made = decide_segments(
            self.pool(outcome, arm), customers=customers, margin=margin, cost=cost, certainty=certainty
        )
        if self.trustworthy:
            return made
        said = "the sample-ratio check failed, arms are not comparable: these decisions are not to be used."
        return replace(made, headline=f"NOT TO BE USED: {made.headline}", warnings=(said, *made.warnings))

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
        self, ax: Any = None, *, outcome: str | None = None, arm: str | None = None, relative: bool = False,
        pooled: bool = True,
    ) -> Any:  # fmt: skip
        """Draw the lifts of one outcome and arm, segment by segment (`ForestDisplay`).

        Parameters
        ----------
        ax : matplotlib Axes, optional
        outcome, arm : str, optional
            The first ones by default.
        relative : bool, default=False
            Whether to draw relative lifts.
        pooled : bool, default=True
            Whether to draw partially pooled lifts beside, where three segments have a lift.

        Returns
        -------
        matplotlib Axes
        """
        from segmentation.experiments._analyze_display import ForestDisplay

        beside = self._pooled_bars(outcome, arm, relative=relative) if pooled else None
        display = ForestDisplay.from_analysis(self, outcome=outcome, arm=arm, relative=relative, pooled=beside)
        return display.plot(ax).ax_

    def _pooled_bars(self, outcome: str | None, arm: str | None, *, relative: bool) -> pd.DataFrame | None:
        """Return what the forest plot draws below the raw lifts; None where nothing is pooled."""
        try:
            found = pool_of(self, *self._choose(outcome, arm, first=True), relative=relative)
        except ValueError:  # no segment has an estimate: the plot shows empty lines
            return None
        if not found.pooled:
            return None
        names = {"pooled": "estimate", "pooled_low": "low", "pooled_high": "high"}
        return found.table[list(names)].rename(columns=names)

    def to_pandas(self) -> pd.DataFrame:
        """Return the lifts per segment."""
        return self.segments.copy()

    def _facts(self) -> dict[str, Any]:
        return {
            "headline": self.headline,
            "interaction": self.interaction,
            "overall": self.overall,
            "segments": self.segments,
            "pooled": self.pooled,
            "best": self.best,
            "sample_ratio": self.sample_ratio.reset_index(),
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def __str__(self) -> str:
        parts = [self.headline]
        if len(self.interaction):
            parts += ["", "Does the effect differ between segments?", _text(self.interaction)]
        parts += ["", "All customers", _text(_short(self.overall))]
        if len(self.segments):
            parts += ["", "Per segment", _text(_short(self.segments))]
        if len(self.pooled):
            parts += ["", "Partially pooled", *pooled_words(self)]
            parts += [_text(self.pooled)] if len(self.pooled) <= SHOWN_AT_MOST else ["(every segment in .pooled)"]
        if len(self.best):
            parts += ["", "Best segment, corrected for having been picked", _text(self.best)]
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
        if len(self.pooled):
            words = "<br>".join(escape(line) for line in pooled_words(self))
            shown.append(f"<p>Partially pooled<br>{words}</p>{_html(self.pooled)}")
        if len(self.best):
            shown.append(f"<p>Best segment, corrected for having been picked</p>{_html(self.best)}")
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

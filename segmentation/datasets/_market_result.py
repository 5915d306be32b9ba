"""The result of `make_market`: its tables, and how it shows itself."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from segmentation._format import count, money, name_some, percent
from segmentation.datasets import _market_curves as curves
from segmentation.datasets._market_feedback import THEMES
from segmentation.datasets._market_needs import SEGMENTS

__all__ = ["Market"]


@dataclass(frozen=True, eq=False, repr=False)
class Market:
    """The tables of a simulated market and the truth behind them, as `make_market` returns them.

    Tables with one row per customer are indexed by `customer_id`; the others have it as a column. Ids are texts in
    no order. All amounts are in one unnamed currency, all times are local and without a zone.

    Attributes
    ----------
    profiles : DataFrame, one row per customer
        ``age`` (int64), ``gender``, ``income`` (per year; missing for those who do not tell), ``region``,
        ``channel`` (where they mostly buy).
    orders : DataFrame, one row per order of the observation, in order of time
        ``customer_id``, ``order_id``, ``timestamp``, ``quantity`` (int64), ``amount`` (of the whole order).
    survey : DataFrame, one row per customer who answered
        ``q01`` to ``q20`` (int64), from 1 = do not agree at all to 7 = agree entirely.
    survey_items : DataFrame, one row per item, index ``item``
        ``need`` that the item was written for, ``reversed`` (agreeing speaks against the need), ``text``.
    events : DataFrame, one row per web event of the last 365 days, in order of time
        ``customer_id``, ``timestamp``, ``type``.
    feedback : DataFrame, one row per answer of the last 180 days, in order of time
        ``feedback_id``, ``customer_id``, ``timestamp``, ``nps`` (int64, 0 to 10), ``text`` (may be missing).
    campaign : DataFrame, one row per customer
        ``arm`` ("control" or "treated", at random), ``visited``, ``converted`` (bool), ``spend``, all within 28 days
        in a sister shop; they stand in no other table.
    curves : DataFrame, one row per segment and action
        True response curves; see `response`. ``form`` ("exponential" or "hill"), ``ceiling``, ``scale``, ``shape``,
        ``unit_cost`` and ``unit_hours`` of one contact.
    future_orders : DataFrame
        What the customers really order in the 365 days after the observation; columns of `orders`.
    truth : DataFrame, one row per customer
        ``segment`` (the hidden need, Categorical); ``purchase_rate`` (orders per day while active),
        ``dropout_probability`` (of leaving after an order), ``mean_spend`` (of an order), ``erlang_shape`` (1: waits
        are exponential; 2: regular); ``alive`` (has not left at the end of the observation);
        ``expected_purchases`` and ``clv`` (their expected value, not discounted) over the next 365 days, exact given
        all this and the past orders; ``income`` (of everybody); ``response_style`` of the survey; ``effect_visited``,
        ``effect_converted``, ``effect_spend`` of the campaign; ``posterior_<segment>``: the exact probability of
        each segment given the customer's survey answers, or that there are none.
    segment_truth : DataFrame, one row per segment, index ``segment``
        ``share`` (of the generator) and ``n_customers``, ``n_alive``, ``n_answered``; ``<column>_mean`` of rate,
        dropout, spend, expected purchases, clv and effects; ``clv_total``. Means over no customers are missing.
    feedback_truth : DataFrame, one row per answer, index ``feedback_id``
        ``customer_id``, ``segment``, ``kind`` ("complaint", "praise", "off_topic", "no_text"), ``theme`` (of a
        complaint), ``denied_theme`` (mentioned to say that it is no problem), ``phrasing`` (number of the sentence
        that makes the complaint, praise or remark; -1 without text), ``n_typos``, ``has_contact``.
    theme_truth : DataFrame, one row per segment and theme
        ``segment``, ``theme``, ``planted`` (a pain point of the segment), ``share`` (of the generator, among the
        segment's texts), ``n_texts`` and ``observed_share``.
    generator : dict of str to DataFrame
        Every parameter table of the generator, by name; docs/market.md explains them.
    random_state : int
        The seed; `make_market` with it gives the same market again, also where none was given at first.
    misspecified : bool
        Whether the orders come from the process that breaks the assumptions of the usual models.
    start, observation_end, future_end : Timestamp
        First day, last day of the observation, last day of the future orders.

    Notes
    -----
    The fields cannot be replaced, but the tables are ordinary pandas tables: copy one before changing it.
    """

    profiles: pd.DataFrame
    orders: pd.DataFrame
    survey: pd.DataFrame
    survey_items: pd.DataFrame
    events: pd.DataFrame
    feedback: pd.DataFrame
    campaign: pd.DataFrame
    curves: pd.DataFrame
    future_orders: pd.DataFrame
    truth: pd.DataFrame
    segment_truth: pd.DataFrame
    feedback_truth: pd.DataFrame
    theme_truth: pd.DataFrame
    generator: Mapping[str, pd.DataFrame]
    random_state: int
    misspecified: bool
    start: pd.Timestamp
    observation_end: pd.Timestamp
    future_end: pd.Timestamp

    @property
    def n_customers(self) -> int:
        """Number of customers."""
        return len(self.profiles)

    @property
    def segments(self) -> tuple[str, ...]:
        """Names of the hidden segments, in the order of the categories of ``truth["segment"]``."""
        return SEGMENTS

    @property
    def themes(self) -> tuple[str, ...]:
        """Names of the themes that feedback complains about."""
        return THEMES

    def response(self, segment: str, action: str, effort: ArrayLike) -> NDArray[np.float64]:
        """Return what an effort really brings in, on average per customer and quarter.

        Parameters
        ----------
        segment, action : str
            A segment, and "mail", "call" or "visit".
        effort : array-like of float, 0 or more
            Contacts per customer and quarter.

        Returns
        -------
        ndarray of the shape of `effort`
            Expected gain in currency over no effort: ``ceiling * (1 - exp(-effort / scale))`` for the exponential
            form, ``ceiling * effort**shape / (scale**shape + effort**shape)`` for the Hill form.

        Raises
        ------
        ValueError
            If the segment or action is not one of the market's, or an effort is negative or not finite.

        Examples
        --------
        >>> from segmentation.datasets import make_market
        >>> make_market(10, random_state=0).response("quality", "visit", [0, 1.4, 10]).round(2)
        array([ 0. , 27.5, 54.6])
        """
        for what, value, known in (
            ("segment", segment, self.segments),
            ("action", action, tuple(curves.ACTIONS.index)),
        ):
            if value not in known:
                raise ValueError(f"unknown {what} {value!r}; the market has {name_some(known)}")
        row = self.curves[(self.curves["segment"] == segment) & (self.curves["action"] == action)].iloc[0]
        return curves.response(row, effort)

    def to_dict(self) -> dict[str, pd.DataFrame]:
        """Return the tables by name, without the parameter tables in `generator`.

        Examples
        --------
        >>> from segmentation.datasets import make_market
        >>> sorted(make_market(10, random_state=0).to_dict())[:5]
        ['campaign', 'curves', 'events', 'feedback', 'feedback_truth']
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, pd.DataFrame)}

    def _lines(self) -> list[tuple[str, str]]:
        """Describe each table in a few words."""
        missing = percent(float(self.profiles["income"].isna().mean()))
        written = int(self.feedback["text"].notna().sum())
        treated = int((self.campaign["arm"] == "treated").sum())
        expected, spent = self.truth["clv"].sum(), self.future_orders["amount"].sum()
        return [
            ("profiles", f"{count(self.n_customers, 'customer')}, income missing for {missing}"),
            ("orders", f"{count(len(self.orders), 'order')} over {money(self.orders['amount'].sum())}"),
            ("survey", f"{count(len(self.survey), 'answer')} to {len(self.survey_items)} items"),
            ("events", count(len(self.events), "event")),
            ("feedback", f"{count(len(self.feedback), 'answer')}, {count(written, 'text')}"),
            ("campaign", f"{treated:,} treated, {self.n_customers - treated:,} control"),
            (
                "future_orders",
                f"{count(len(self.future_orders), 'order')} over {money(spent)} (expected {money(expected)})",
            ),
            ("truth", f"{len(self.segments)} segments: {', '.join(self.segments)}"),
        ]

    def _title(self) -> str:
        return f"Market({self.n_customers}, random_state={self.random_state}, misspecified={self.misspecified})"

    def _period(self) -> str:
        return f"{self.start.date()} to {self.observation_end.date()}, future to {self.future_end.date()}"

    def __repr__(self) -> str:
        lines = [f"  {name:<13}  {text}" for name, text in [("period", self._period()), *self._lines()]]
        return "\n".join([self._title(), *lines])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
            for name, text in [("period", self._period()), *self._lines()]
        )
        return f"<table><caption>{html.escape(self._title())}</caption><tbody>{rows}</tbody></table>"

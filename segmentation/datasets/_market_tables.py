"""From the arrays of the generator to tables: ids, order of rows, types of columns, and the tables of the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.datasets import _market_campaign as campaign
from segmentation.datasets import _market_clock as clock
from segmentation.datasets import _market_feedback as feedback
from segmentation.datasets import _market_needs as needs
from segmentation.datasets import _market_orders as orders
from segmentation.datasets import _market_profiles as profiles
from segmentation.datasets import _market_survey as survey
from segmentation.datasets._market_events import EVENT_TYPES, Events

__all__ = [
    "campaign_table",
    "customer_ids",
    "customer_truth",
    "event_table",
    "feedback_tables",
    "order_tables",
    "profile_table",
    "segment_truth",
    "survey_table",
    "theme_truth",
]

# Ids are numbers of at least this many digits, of which at most one in a hundred is in use.
ID_DIGITS = 8

# The type that this version of pandas gives to texts; columns without any text have it too.
TEXT = pd.Series(["text"]).dtype

# Averaged over the customers of a segment.
AVERAGED = [
    *("purchase_rate", "dropout_probability", "mean_spend", "expected_purchases", "clv"),
    *("effect_visited", "effect_converted", "effect_spend"),
]


def _labels(letter: str, size: int, rng: np.random.Generator) -> list[str]:
    """Return distinct texts in no order: a letter and a number of fixed width."""
    digits = max(ID_DIGITS, len(str(100 * size)))
    numbers = rng.choice(10**digits, size, replace=False)
    return [f"{letter}{number:0{digits}d}" for number in numbers.tolist()]


def _finished(table: pd.DataFrame, *texts: str) -> pd.DataFrame:
    """Put the rows in order of time and give the text columns their type."""
    return table.astype(dict.fromkeys(texts, TEXT)).sort_values("timestamp", kind="stable", ignore_index=True)


def customer_ids(n_customers: int, rng: np.random.Generator) -> pd.Index:
    """Return the ids of the customers."""
    return pd.Index(_labels("C", n_customers, rng), name="customer_id", dtype=TEXT)


def profile_table(ids: pd.Index, profile: Mapping[str, Any]) -> pd.DataFrame:
    """Return the profiles."""
    table = pd.DataFrame({name: profile[name] for name in profiles.COLUMNS}, index=ids)
    return table.astype(dict.fromkeys(["gender", "region", "channel"], TEXT))


def order_tables(ids: pd.Index, history: orders.History, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the orders of the observation and those of the future."""
    columns = {
        "customer_id": ids.take(history.customer),
        "order_id": _labels("O", history.customer.size, rng),
        "timestamp": clock.timestamps(history.day),
        "quantity": history.quantity,
        "amount": history.amount,
    }
    table = _finished(pd.DataFrame(columns), "order_id")
    n_past = int((history.day < clock.END).sum())
    return table.iloc[:n_past].copy(), table.iloc[n_past:].reset_index(drop=True)


def survey_table(ids: pd.Index, answers: Mapping[str, Any]) -> pd.DataFrame:
    """Return the answers of those who gave them."""
    who = answers["answered"]
    return pd.DataFrame(answers["answers"][who], index=ids[who], columns=list(survey.ITEMS.index))


def event_table(ids: pd.Index, log: Events) -> pd.DataFrame:
    """Return the web log; what is left of a session after midnight of the last day is not in it."""
    since = pd.to_timedelta(np.floor(log.seconds), unit="s").astype("timedelta64[ns]")
    columns = {
        "customer_id": ids.take(log.customer),
        "timestamp": clock.timestamps(log.day) + since,
        "type": np.array(EVENT_TYPES, dtype=object)[log.type],
    }
    table = pd.DataFrame(columns)
    return _finished(table[table["timestamp"] < clock.FIRST_DAY + pd.Timedelta(days=clock.END)], "type")


def feedback_tables(
    ids: pd.Index, said: Mapping[str, Any], segment: pd.Series, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the answers as the shop has them, and what stands behind each, both in order of time."""
    customer = said["customer"]
    columns = {
        "feedback_id": _labels("F", customer.size, rng),
        "customer_id": ids.take(customer),
        "timestamp": clock.timestamps(said["day"]),
        "segment": segment.array.take(customer),
        **{name: values for name, values in said.items() if name not in ("customer", "day")},
    }
    table = _finished(pd.DataFrame(columns), "feedback_id", "text", "kind", "theme", "denied_theme")
    shown = table[["feedback_id", "customer_id", "timestamp", "nps", "text"]].copy()
    hidden = ["customer_id", "segment", "kind", "theme", "denied_theme", "phrasing", "n_typos", "has_contact"]
    return shown, table.set_index("feedback_id")[hidden]


def campaign_table(ids: pd.Index, outcome: Mapping[str, Any]) -> pd.DataFrame:
    """Return arms and outcomes."""
    return pd.DataFrame(dict(outcome), index=ids).astype({"arm": TEXT})


def customer_truth(
    ids: pd.Index,
    latents: needs.Latents,
    history: orders.History,
    season: clock.Season,
    profile: Mapping[str, Any],
    answers: Mapping[str, Any],
) -> pd.DataFrame:
    """Return what is hidden of each customer."""
    expected = orders.expected_purchases(latents, history, season)
    posterior = survey.posterior(answers["answered"], answers["answers"])
    columns = {
        "segment": pd.Categorical.from_codes(latents.segment, categories=pd.Index(needs.SEGMENTS)),
        "purchase_rate": latents.rate,
        "dropout_probability": latents.dropout,
        "mean_spend": latents.mean_spend,
        "erlang_shape": latents.erlang_shape,
        "alive": history.alive,
        "expected_purchases": expected,
        "clv": expected * latents.mean_spend,
        "income": profile["true_income"],
        "response_style": np.array(survey.STYLES, dtype=object)[answers["style"]],
        **campaign.effects(latents, history.left),
        **{f"posterior_{name}": posterior[:, code] for code, name in enumerate(needs.SEGMENTS)},
    }
    return pd.DataFrame(columns, index=ids).astype({"response_style": TEXT})


def segment_truth(truth: pd.DataFrame, answered: NDArray[np.bool_]) -> pd.DataFrame:
    """Return the truth per segment: counts, means and total value."""
    groups = truth.assign(answered=answered).groupby("segment", observed=False)
    table = pd.DataFrame({"share": needs.SHARES}, index=pd.Index(needs.SEGMENTS, name="segment"))
    # Through arrays, because the index of the groups is categorical; the order is the same.
    table["n_customers"] = groups.size().to_numpy(dtype=np.int64)
    table["n_alive"] = groups["alive"].sum().to_numpy(dtype=np.int64)
    table["n_answered"] = groups["answered"].sum().to_numpy(dtype=np.int64)
    for name in AVERAGED:
        table[f"{name}_mean"] = groups[name].mean().to_numpy()
    table["clv_total"] = groups["clv"].sum().to_numpy()
    return table


def theme_truth(feedback_truth: pd.DataFrame) -> pd.DataFrame:
    """Return, for each segment and theme, how often the texts complain of it and how often they should."""
    written = feedback_truth[feedback_truth["kind"] != "no_text"]
    shape = (len(needs.SEGMENTS), len(feedback.THEMES))
    segment = written["segment"].cat.codes.to_numpy(dtype=np.int64)
    theme = np.asarray(pd.Categorical(written["theme"], categories=list(feedback.THEMES)).codes, dtype=np.int64)
    complains = theme >= 0
    cell = np.ravel_multi_index((segment[complains], theme[complains]), shape)
    n_texts = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
    in_segment = np.bincount(segment, minlength=shape[0])
    pairs = pd.MultiIndex.from_product([needs.SEGMENTS, feedback.THEMES], names=["segment", "theme"])
    table = pairs.to_frame(index=False)
    table["planted"] = [name in feedback.PLANTED[of] for of, name in pairs]
    table["share"] = feedback.TEXT_SHARES[list(feedback.THEMES)].to_numpy().ravel()
    table["n_texts"] = n_texts.ravel()
    with np.errstate(invalid="ignore"):  # 0 / 0, a segment without texts: a missing share
        table["observed_share"] = (n_texts / in_segment[:, None]).ravel()
    return table

"""Feedback: planted themes, phrasings, typing errors, denials, and what must not be in the texts."""

import itertools
import re
import string

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from segmentation.datasets import _market_complaints as complaints
from segmentation.datasets import _market_feedback as feedback
from segmentation.datasets import _market_remarks as remarks
from segmentation.datasets import make_market

WORD = re.compile(r"[a-z]+")
NEGATION = re.compile(r"\b(not|no|never|nothing|nobody|nor|without|anything but)\b|n't")


@pytest.fixture(scope="module")
def market():
    return make_market(40_000, random_state=61)


@pytest.fixture(scope="module")
def texts(market):
    """Return every written text with what stands behind it."""
    table = market.feedback.set_index("feedback_id").join(market.feedback_truth.drop(columns="customer_id"))
    return table[table["kind"] != "no_text"]


def words(sentence):
    """Return the words of a phrasing, without its gaps."""
    return set(WORD.findall(re.sub(r"\{[^}]*\}", " ", sentence.lower())))


# --- the phrasings -------------------------------------------------------------------------------------------


def test_at_least_forty_phrasings_per_theme_that_are_really_different():
    assert len(complaints.COMPLAINTS) == 9
    everything = [phrase for phrases in complaints.COMPLAINTS.values() for phrase in phrases]
    assert len({" ".join(sorted(words(phrase))) for phrase in everything}) == len(everything)
    for theme, phrases in complaints.COMPLAINTS.items():
        assert len(phrases) >= 40, theme
        for one, other in itertools.combinations(phrases, 2):
            shared = len(words(one) & words(other)) / len(words(one) | words(other))
            assert shared < 0.7, (theme, one, other)


def test_gaps_can_be_filled():
    sentences = [*remarks.PRAISE, *remarks.OFF_TOPIC, *remarks.NEUTRAL]
    sentences += [phrase for phrases in complaints.COMPLAINTS.values() for phrase in phrases]
    for sentence in sentences:
        fields = {name for _, name, _, _ in string.Formatter().parse(sentence) if name}
        assert fields <= {"item", "when", "n"}, sentence
        assert "{" not in feedback._fill(sentence, np.array([1, 2, 3]))
    assert len(set(remarks.PRAISE)) >= 40
    assert len(set(remarks.OFF_TOPIC)) >= 40


def test_denials_deny():
    assert complaints.DENIALS.keys() == complaints.COMPLAINTS.keys()
    for theme, sentences in complaints.DENIALS.items():
        assert len(set(sentences)) >= 6
        for sentence in sentences:
            assert NEGATION.search(sentence.lower()), (theme, sentence)


# --- themes --------------------------------------------------------------------------------------------------


def test_every_phrasing_is_used(texts):
    used = texts[texts["kind"] == "complaint"].groupby("theme")["phrasing"].nunique()
    assert used.to_dict() == {theme: len(phrases) for theme, phrases in complaints.COMPLAINTS.items()}
    assert used.min() >= 40


def test_no_theme_is_above_35_percent_of_its_segment(market, texts):
    assert feedback.TEXT_SHARES[list(feedback.THEMES)].max().max() <= 0.30
    shares = pd.crosstab(texts["segment"], texts["theme"], normalize=False).div(texts["segment"].value_counts(), axis=0)
    assert shares.max().max() < 0.35
    assert market.theme_truth["observed_share"].max() < 0.35


def test_kinds_have_their_shares_in_every_segment(texts):
    np.testing.assert_allclose(feedback.TEXT_SHARES.sum(axis=1), 1)
    kind = texts["theme"].where(texts["kind"] == "complaint", texts["kind"])
    for segment, own in kind.groupby(texts["segment"], observed=True):
        counts = own.value_counts().reindex(feedback.KINDS, fill_value=0)
        assert stats.chisquare(counts, feedback.TEXT_SHARES.loc[segment] * counts.sum()).pvalue > 1e-4


def test_theme_truth(market, texts):
    table = market.theme_truth
    counted = texts.groupby(["segment", "theme"], observed=False).size()
    for row in table.itertuples():
        assert row.n_texts == counted.get((row.segment, row.theme), 0)
        assert row.observed_share == pytest.approx(row.n_texts / (texts["segment"] == row.segment).sum())
        assert row.planted == (row.theme in feedback.PLANTED[row.segment])
        assert abs(row.observed_share - row.share) < 0.02
    # Planted means clearly more frequent than among the others, and everything else is not.
    pivot = table.pivot_table(index="segment", columns="theme", values="share")
    for row in table.itertuples():
        others = pivot[row.theme].drop(row.segment).median()
        assert (row.share > 3 * others) == row.planted
    assert table.groupby("segment")["planted"].sum().eq(2).all()


def test_the_common_theme_is_equally_frequent_everywhere(texts):
    table = pd.crosstab(texts["segment"], texts["theme"] == "damaged_parcel")
    assert stats.chi2_contingency(table).pvalue > 1e-3
    assert not any("damaged_parcel" in themes for themes in feedback.PLANTED.values())


# --- the texts -----------------------------------------------------------------------------------------------


def test_texts_are_mostly_unique(texts):
    assert texts["text"].nunique() > 0.93 * len(texts)
    assert texts["text"].value_counts().max() < 0.002 * len(texts)
    assert texts["text"].str.len().between(3, 400).all()


def test_one_in_ten_answers_has_no_text(market):
    missing = market.feedback["text"].isna().to_numpy()
    assert ((market.feedback_truth["kind"] == "no_text").to_numpy() == missing).all()
    assert abs(missing.mean() - 0.10) < 4 * np.sqrt(0.09 / missing.size)
    behind = market.feedback_truth[missing]
    assert (behind["phrasing"] == -1).all()
    assert behind[["theme", "denied_theme"]].isna().all().all()
    assert (behind["n_typos"] == 0).all()


def vocabulary():
    sentences = [*remarks.PRAISE, *remarks.OFF_TOPIC, *remarks.NEUTRAL, *remarks.OPENERS, *remarks.CLOSERS]
    sentences += [*remarks.ITEMS, *remarks.WHEN]
    for phrases in (*complaints.COMPLAINTS.values(), *complaints.DENIALS.values()):
        sentences += phrases
    return {word for sentence in sentences for word in WORD.findall(re.sub(r"\{[^}]*\}", " ", sentence.lower()))}


def test_typing_errors_are_where_the_truth_says(texts):
    known = vocabulary() | {"th"}  # the 7th
    plain = texts[~texts["has_contact"]]
    odd = plain["text"].map(lambda text: bool(set(WORD.findall(text.lower())) - known))
    assert not odd[plain["n_typos"] == 0].any()
    assert odd[plain["n_typos"] > 0].mean() > 0.9, "a few errors make another word"
    assert abs((texts["n_typos"] > 0).mean() - 0.25) < 4 * np.sqrt(0.19 / len(texts))
    assert set(texts["n_typos"]) == {0, 1, 2, 3}


def test_an_error_always_changes_the_text():
    rng = np.random.default_rng(0)
    for text in ("aa", "feel", "Delivery is far too slow.", "ok so Hm."):
        for places in rng.random((200, 1, 2)):
            assert feedback._misspell(text, places) != text
    assert all(key != beside for key, beside in feedback.NEIGHBOURS.items())
    assert feedback._misspell("unchanged", np.empty((0, 2))) == "unchanged"


def test_denied_themes_are_in_the_text_and_never_its_own(texts):
    denied = texts[texts["denied_theme"].notna()]
    assert abs(len(denied) / len(texts) - 0.12) < 4 * np.sqrt(0.11 / len(texts))
    assert not (denied["denied_theme"] == denied["theme"]).any()
    assert set(denied["denied_theme"]) == set(feedback.THEMES)
    assert stats.chi2_contingency(pd.crosstab(denied["segment"], denied["kind"] == "praise")).pvalue > 1e-3
    spelt = denied[denied["n_typos"] == 0]
    for row in spelt.itertuples():
        assert any(sentence.lower() in row.text.lower() for sentence in complaints.DENIALS[row.denied_theme])
    quiet = texts[texts["denied_theme"].isna() & (texts["n_typos"] == 0)].head(2_000)
    every = [sentence.lower() for sentences in complaints.DENIALS.values() for sentence in sentences]
    assert not any(sentence in text.lower() for text in quiet["text"] for sentence in every)


def test_complaints_contain_their_phrasing(texts):
    spelt = texts[(texts["kind"] == "complaint") & (texts["n_typos"] == 0)].head(3_000)
    for row in spelt.itertuples():
        phrase = complaints.COMPLAINTS[row.theme][row.phrasing]
        parts = [part for part in re.split(r"\{[^}]*\}", phrase.lower()) if part]
        assert all(part in row.text.lower() for part in parts), (row.text, phrase)


@pytest.mark.parametrize(
    ("word", "theme"),
    [
        ("delivery", "slow_delivery"),
        ("parcel", "damaged_parcel"),
        ("voucher", "broken_vouchers"),
        ("price", "price_rises"),
        ("quality", "poor_quality"),
        ("support", "unhelpful_support"),
        ("return", "hard_returns"),
        ("app", "clumsy_checkout"),
    ],
)
def test_no_single_word_gives_a_theme_away(texts, word, theme):
    says = texts["text"].str.contains(rf"\b{word}\b", case=False)
    of_theme = texts["theme"] == theme
    assert (says & of_theme).sum() > 20
    assert (says & ~of_theme).sum() > 0.25 * says.sum()


def test_contact_details_are_where_the_truth_says(texts):
    contact = texts["has_contact"]
    found = texts["text"].str.contains(r"@|555-01|Yours, [a-z]+$", regex=True)
    pd.testing.assert_series_equal(found, contact, check_names=False)
    assert abs(contact.mean() - 0.02) < 4 * np.sqrt(0.02 / len(texts))
    mails = texts["text"].str.extractall(r"(\S+@\S+)\.")[0]
    assert mails.str.endswith("@example.com").all()


def test_some_texts_have_no_capitals(texts):
    plain = texts[~texts["has_contact"]]
    assert (plain["text"] == plain["text"].str.lower()).mean() == pytest.approx(0.12, abs=0.02)


def test_theme_names_are_not_in_the_texts(texts):
    for theme in feedback.THEMES:
        assert not texts["text"].str.contains(theme, regex=False).any()


# --- answers -------------------------------------------------------------------------------------------------


def test_numbers_of_answers(market):
    counts = market.feedback["customer_id"].value_counts().reindex(market.truth.index, fill_value=0).value_counts()
    assert stats.chisquare(counts.sort_index(), feedback.ANSWERS * market.n_customers).pvalue > 1e-3


def test_answers_from_0_to_10_follow_kind_and_segment(market):
    behind = market.feedback_truth
    nps = market.feedback["nps"].to_numpy()
    assert nps.min() >= 0
    assert nps.max() == 10
    assert len(np.unique(nps)) >= 10
    # Cutting at 10 lowers means near it: compare medians with the mean before cutting.
    for (segment, kind), index in behind.reset_index().groupby(["segment", "kind"], observed=True).groups.items():
        expected = feedback.NPS_BASE[segment] + feedback.NPS_SHIFT[kind]
        assert abs(np.median(nps[index]) - expected) <= 0.75


def test_two_answers_of_a_customer_are_alike(market):
    twice = market.feedback.assign(kind=market.feedback_truth["kind"].to_numpy())
    twice = twice[twice["kind"] == "complaint"].groupby("customer_id")["nps"].agg(list)
    pairs = np.array([pair for pair in twice if len(pair) == 2])
    # 1 / (1 + 1.3 ** 2) is the share of the variance that belongs to the customer, besides that between segments.
    assert np.corrcoef(pairs.T)[0, 1] == pytest.approx(0.37, abs=0.1)


def test_nobody_answers_before_the_first_order(market):
    first = market.orders.drop_duplicates("customer_id").set_index("customer_id")["timestamp"]
    assert (market.feedback["timestamp"].to_numpy() >= first.loc[market.feedback["customer_id"]].to_numpy()).all()

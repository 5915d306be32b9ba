"""What segments complain of: found where it is planted, not where it is not."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer

from segmentation.datasets import make_market
from segmentation.exceptions import ColumnError, CustomerTableError, OutputError
from segmentation.feedback import ThemeFinder, pain_points
from segmentation.feedback._pain_tables import capped_rest
from segmentation.prioritizers import WeightedPrioritizer

FILLERS = ["nice shop", "all fine", "good colours", "my second order", "thanks", "ordered again", "bought a lamp"]


@pytest.fixture(scope="module")
def market():
    return make_market(20_000, random_state=1)


@pytest.fixture(scope="module")
def found(market):
    return pain_points(
        market.feedback,
        market.truth["segment"],
        rating="nps",
        values=market.truth["clv"],
        n_permutations=199,
        random_state=0,
    )


def shop(n=900, planted=0.3, seed=0, segments=3):
    """Customers of which those of s0 complain of late parcels, all of dear ones, with words around it."""
    rng = np.random.default_rng(seed)
    segment = rng.integers(0, segments, n)
    texts = []
    for code in segment:
        parts = [FILLERS[i] for i in rng.choice(len(FILLERS), 2, replace=False)]
        if rng.random() < (planted if code == 0 else 0.05):
            parts.append("the parcel was late")
        if rng.random() < 0.2:
            parts.append("too dear")
        if rng.random() < 0.2:
            parts.append("it was not broken")
        texts.append(". ".join(rng.permutation(parts)))
    ids = pd.RangeIndex(n, name="customer_id")
    return pd.Series(texts, index=ids), pd.Series([f"s{code}" for code in segment], index=ids)


def test_planted_themes_of_the_market(market, found):
    """A claim is right if most texts of the segment that mention it complain of a theme planted there."""
    truth = market.feedback_truth.reindex(market.feedback["feedback_id"])
    what = truth["theme"].where(truth["theme"].notna(), truth["kind"].astype(str)).to_numpy(dtype=object)
    segment = truth["segment"].astype(str).to_numpy()
    planted = set(
        market.theme_truth[market.theme_truth["planted"]][["segment", "theme"]].itertuples(index=False, name=None)
    )
    mentions = found.mentions(market.feedback["text"])
    claims = [
        (of, pd.Series(what[mentions[theme].to_numpy() & (segment == of)]).mode()[0])
        for of, theme in found.table[["segment", "theme"]].itertuples(index=False)
    ]
    assert np.mean([claim in planted for claim in claims]) >= 0.9
    assert len(planted & set(claims)) / len(planted) >= 0.9


def test_figures_of_a_theme_are_those_of_its_customers(market, found):
    row = found.table[~found.table["others_capped"]].iloc[0]
    mentions = found.mentions(market.feedback["text"])[row["theme"]].to_numpy()
    feedback = market.feedback.assign(
        mention=mentions, segment=market.truth["segment"].loc[market.feedback["customer_id"]].to_numpy()
    ).dropna(subset=["text"])
    people = feedback.groupby("customer_id").agg(mention=("mention", "any"), segment=("segment", "first"))
    here = people[people["segment"] == row["segment"]]
    assert row["n_customers"] == here["mention"].sum()
    assert row["prevalence"] == pytest.approx(here["mention"].mean())
    assert row["prevalence_others"] == pytest.approx(people[people["segment"] != row["segment"]]["mention"].mean())
    assert row["prevalence_low"] < row["prevalence"] < row["prevalence_high"]
    worth = market.truth["clv"].loc[here.index[here["mention"]]].sum()
    assert row["value_total"] == pytest.approx(worth)
    assert row["value_total_low"] < worth < row["value_total_high"]
    own = feedback[(feedback["segment"] == row["segment"]) & feedback["mention"]]
    assert row["rating"] == pytest.approx(own.groupby("customer_id")["nps"].mean().mean())


def test_complaints_are_felt_as_pain(found):
    felt = found.table["feeling"].value_counts()
    assert felt["pain"] > 30
    assert felt.get("praise", 0) <= 0.05 * felt["pain"]
    text = str(found)
    assert "those who mention it are worth" in text
    assert "they are not lost" in text


def test_nothing_is_claimed_for_shuffled_segments():
    """40 shuffles with several texts per customer: no more reports with a claim than the 99.9 % bound of 5 %."""
    texts, segments = shop(400)
    twice = pd.concat([texts, texts + ". again"])
    twice.index.name = "customer_id"
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(40):
        shuffled = pd.Series(rng.permutation(segments.to_numpy()), index=segments.index)
        wrong += len(pain_points(twice, shuffled, n_permutations=99, random_state=rng, max_quotes=0).table) > 0
    assert wrong <= stats.binom.ppf(0.999, 40, 0.05)


def test_a_planted_complaint_is_found_and_nothing_else():
    texts, segments = shop(seed=1)
    result = pain_points(texts, segments, random_state=0)
    assert set(result.table["segment"]) == {"s0"}
    assert len(result.table) == 1
    assert "late" in result.table["theme"].iloc[0]
    assert result.prevalence.shape == (1, 3)
    assert result.quotes["quote"].str.contains("the parcel was late").any()
    assert result.theme(result.table["theme"].iloc[0]).equals(result.table)
    again = pain_points(texts, segments, random_state=0)
    pd.testing.assert_frame_equal(again.table, result.table)
    order = np.random.default_rng(1).permutation(len(texts))
    shuffled_rows = pain_points(texts.iloc[order], segments, random_state=0)
    assert shuffled_rows.table["theme"].tolist() == result.table["theme"].tolist()


def test_denials_are_another_word():
    texts, segments = shop(planted=0.05)
    late = np.random.default_rng(5).random(len(texts)) < 0.4
    denying = texts.where(~((segments == "s0") & late), texts + ". The parcel was not late at all")
    result = pain_points(denying, segments, random_state=0)
    terms = set(result.terms["term"])
    assert any(term.startswith("not ") and "late" in term for term in terms)
    assert "late" not in terms
    plain = pain_points(denying, segments, negations=(), random_state=0)
    assert "late" in set(plain.terms["term"])


def test_a_customer_who_repeats_himself_counts_once():
    texts, segments = shop(planted=0.05)
    shouting = texts.copy()
    for customer in segments.index[segments == "s0"][:8]:
        shouting[customer] = "hopeless service"
    many = pd.concat([shouting, *[shouting[shouting == "hopeless service"]] * 40])
    many.index.name = "customer_id"
    assert not len(pain_points(many, segments, random_state=0).table)


def test_copied_letters_count_once():
    texts, segments = shop(planted=0.05)
    letter = (
        "dear sirs hereby we jointly protest against closing beloved downtown bookstore branch because neighbours "
        "depend upon friendly advice there every single afternoon"
    )
    copied = texts.copy()
    copied[segments.index[segments == "s1"][:60]] = letter
    result = pain_points(copied, segments, random_state=0)
    assert not len(result.table)
    assert any("59 long texts left out" in text for text in result.warnings)
    assert len(pain_points(copied, segments, duplicates="keep", random_state=0).table)


def test_small_segments_are_left_out_by_name():
    texts, segments = shop()
    segments[segments.index[:6]] = "tiny"
    result = pain_points(texts, segments, random_state=0)
    assert any("fewer than 10 customers wrote something: 'tiny'" in text for text in result.warnings)
    assert result.prevalence["tiny"].isna().all()
    assert result.segments.loc["tiny"].drop("n_themes").isna().all()
    assert result.settings["n_customers"] == len(texts) - 6


def test_counts_of_the_others_are_never_small():
    counts = np.array([[40.0, 3.0, 2.0], [40.0, 12.0, 2.0], [40.0, 12.0, 30.0]])
    claimed = np.array([[True, False, False], [True, True, False], [True, False, False]])
    rest, capped = capped_rest(counts, claimed, 10)
    assert capped.tolist() == [True, True, False]
    assert rest[0, 0] == 9
    assert rest[1].tolist()[:2] == [12 + 9, 40 + 9]
    assert rest[2, 0] == 42
    # what stands in the result is the same whatever the small number is
    texts, segments = shop(planted=0.4)
    one = texts.where(~texts.str.contains("late") | (segments == "s0"), "all fine")
    tables = []
    for n in (1, 4):
        some = one.copy()
        some[segments.index[segments == "s1"][:n]] = "the parcel was late"
        result = pain_points(some, segments, random_state=0)
        tables.append((result.table.drop(columns="p_adjusted"), result.prevalence))
    assert tables[0][0]["others_capped"].all()
    assert tables[0][0]["prevalence_others"].equals(tables[1][0]["prevalence_others"])
    assert tables[0][1].iloc[0, 1:].tolist() != [0.0, 0.0]
    assert tables[1][1].iloc[0, 1:].isna().any()


def test_another_language_through_a_vectorizer():
    texts, segments = shop()
    german = (
        texts.str.replace("the parcel was late", "das Paket kam viel zu spät")
        .str.replace("it was not broken", "nichts war kaputt")
        .str.replace("too dear", "zu teuer")
    )
    result = pain_points(
        german,
        segments,
        vectorizer=CountVectorizer(stop_words=["das", "zu", "war"], strip_accents="unicode", ngram_range=(1, 2)),
        negations=["nicht", "nichts", "kein", "keine"],
        random_state=0,
    )
    assert set(result.table["segment"]) == {"s0"}
    assert {"paket", "kam", "spat"} & set(result.terms["term"])
    assert result.mentions(["Das Paket kam viel zu spät"]).to_numpy().all()


def test_words_to_ignore():
    texts, segments = shop()
    result = pain_points(texts, segments, ignore=["late", "Parcel"], random_state=0)
    assert not len(result.table)
    assert "nothing that a segment writes about more" in str(result)
    assert result._repr_html_()
    result.plot()


class KeywordFinder:
    """A finder in the place of a topic model."""

    def __init__(self, table=None):
        self.table = table

    def find(self, texts):
        if self.table is not None:
            return self.table
        late = pd.Series(texts).str.contains("late")
        return pd.DataFrame(
            {"0_parcel_late": late, "secret Wobblethwaite": late, "fine": pd.Series(texts).str.contains("fine")}
        )


def test_themes_of_a_finder_are_tested_like_words():
    texts, segments = shop()
    finder = KeywordFinder()
    assert isinstance(finder, ThemeFinder)
    result = pain_points(texts, segments, themes=finder, random_state=0)
    assert set(result.table["segment"]) == {"s0"}
    assert "parcel late" in set(result.table["theme"])
    assert "Wobblethwaite" not in str(result.to_dict())  # a word of a name that no ten customers wrote
    assert len(result.quotes)
    with pytest.raises(ValueError, match="finder of your own"):
        result.mentions(["late"])


@pytest.mark.parametrize(
    ("finder", "error", "message"),
    [
        ("lda", TypeError, "method find"),
        (KeywordFinder([1, 2]), OutputError, "must return a table"),
        (KeywordFinder(pd.DataFrame({"a": [1]})), OutputError, "900 rows"),
        (KeywordFinder(pd.DataFrame({"a": [0.5] * 900})), OutputError, "not degrees"),
        (KeywordFinder(pd.DataFrame({"a": ["x"] * 900})), OutputError, "true or false"),
        (KeywordFinder(pd.DataFrame(np.ones((900, 2)), columns=["a", "a"])), OutputError, "unique"),
    ],
)
def test_bad_finders(finder, error, message):
    texts, segments = shop()
    with pytest.raises(error, match=message):
        pain_points(texts, segments, themes=finder)


def test_value_as_a_criterion_of_a_prioritizer(market, found):
    import segmentation as sg

    profile = sg.profile_segments(market.truth["segment"], scores=market.truth[["clv"]]).join(found.segments)
    plan = WeightedPrioritizer({"clv_total": 0.5, "pain_value_total": 0.5}).prioritize(profile)
    assert plan["priority"].notna().sum() == 5
    assert found.segments["pain_value_total"].le(found.segments["theme_value_total"]).all()
    both = found.segments["theme_value_total"] / found.table.groupby("segment", observed=False)["value_total"].sum()
    assert (both <= 1).all()  # customers who mention two themes count once


def test_result_is_plain_and_can_be_pickled(found):
    import pickle

    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["settings"]["n_permutations"] == 199
    again = pickle.loads(pickle.dumps(found))
    assert str(again) == str(found)
    assert found.to_pandas().equals(found.table)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"text": "words"}, ColumnError, "words"),
        ({"text": "number"}, ColumnError, "must hold texts, got"),
        ({"rating": "text"}, ColumnError, "rating 'text' must be numbers"),
        ({"values": pd.DataFrame({"a": [1.0], "b": [1.0]})}, ColumnError, "one column"),
        ({"values": pd.Series(["x"], index=pd.Index([0], name="customer_id"))}, ColumnError, "must be numbers"),
        (
            {"values": pd.Series([1.0], index=pd.Index([-5], name="customer_id"))},
            CustomerTableError,
            "none of the customers",
        ),
        ({"values": 3}, TypeError, "values must be a Series"),
        ({"n_permutations": 10}, ValueError, "n_permutations must be a whole number of at least 99"),
        ({"duplicates": "merge"}, ValueError, "duplicates must be"),
        ({"prior_strength": -1.0}, ValueError, "prior_strength must be above 0"),
        ({"minimum": 1}, ValueError, "minimum"),
        ({"ignore": "late"}, TypeError, "ignore must be a list of words, got 'late'"),
        ({"names": "anna"}, TypeError, "names must be a list of words"),
        ({"keep": [1]}, TypeError, "keep must be words, got 1"),
        ({"negations": None}, TypeError, "negations must be a list of words"),
        ({"vectorizer": HashingVectorizer()}, TypeError, "knows its words"),
        ({"vectorizer": CountVectorizer}, TypeError, "knows its words"),
        ({"vectorizer": CountVectorizer(vocabulary=["late"])}, CustomerTableError, "only one word"),
        ({"max_terms": 1}, ValueError, "max_terms"),
        ({"prior_strength": "x"}, ValueError, "prior_strength must be above 0"),
        ({"rating": "flag"}, ColumnError, "must be numbers, got bool"),
        ({"rating": "endless"}, ColumnError, "must be finite"),
        ({"minimum": 2000}, CustomerTableError, "at least two need 2000 customers"),
    ],
)
def test_bad_input(arguments, error, message):
    texts, segments = shop()
    frame = pd.DataFrame({"customer_id": texts.index, "text": texts.to_numpy(), "number": 1})
    frame = frame.assign(flag=True, endless=np.inf)
    with pytest.raises(error, match=message):
        pain_points(frame, segments, **arguments)


def test_only_copies_in_one_segment():
    texts, segments = shop()
    letter = "our beloved downtown bookstore branch closing soon neighbours depend upon friendly advice every afternoon"
    with pytest.raises(CustomerTableError, match="of 2 segments with texts only one has"):
        pain_points(texts.where(segments == "s0", letter), segments.replace("s2", "s1"), random_state=0)


def test_short_texts_in_pieces_of_words_are_no_copies():
    ids = pd.RangeIndex(200, name="customer_id")
    texts = pd.Series(["配送が遅い 箱が壊れた", "色がきれい"] * 50 + ["色がきれい", "値段が高い"] * 50, index=ids)
    segments = pd.Series(np.repeat(["a", "b"], 100), index=ids)
    pieces = CountVectorizer(analyzer="char", ngram_range=(2, 2))
    result = pain_points(texts, segments, vectorizer=pieces, negations=(), random_state=np.random.RandomState(0))
    assert result.settings["n_texts"] == 200
    assert set(result.table["segment"]) == {"a", "b"}
    assert result.mentions(["配送が遅い"]).to_numpy().any()


def test_texts_without_words():
    ids = pd.RangeIndex(60, name="customer_id")
    segments = pd.Series(["a", "b"] * 30, index=ids)
    with pytest.raises(CustomerTableError, match=r"no word|hold no words"):
        pain_points(pd.Series("the and", index=ids), segments)
    with pytest.raises(CustomerTableError, match="no word is used by 10 customers"):
        pain_points(pd.Series([f"word{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(60)], index=ids), segments)

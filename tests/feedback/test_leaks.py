"""Nothing personal, nothing unique and no small cell comes out of any output."""

import json
import pickle

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from segmentation.datasets import make_market
from segmentation.exceptions import CustomerTableError
from segmentation.feedback import net_promoter, pain_points, satisfaction

mpl.use("Agg")

# Each stands once in texts that complain of what their segment complains of, in the middle of a common sentence.
SECRETS = {
    "quentin.zorblatt@example.com": "e-mail",
    "zorblatt (at) example (dot) org": "e-mail in words",
    "555-0199-238": "phone",
    "+49 171 9876543": "phone",
    "@zorblatt_77": "handle",
    "www.zorblatt-family.de": "link",
    "Quentin Zorblatt": "name",
    "quentin zorblatt": "name in small letters",
    "Ms Featherstonehaugh": "name after a title",
    "my purple giraffe divorced me": "unique phrase",
    "since my operation on the knee in april": "unique phrase of common words",
    "order 99812734": "number",
    "zorblatt at gmail": "e-mail in words",
    "zorblatt\uff20example.org": "e-mail with a wide sign",
    "DE89 3704 0044 0532 0130 77": "account",
    "4111 1111 1111 7771": "card",
    "shop.example/reset?token=SECRETzorblatt": "link with a token",
    "insta: zorblatt_q": "handle",
}
FRAGMENTS = [
    "zorblatt",
    "quentin",
    "featherstonehaugh",
    "555-0199",
    "0199-238",
    "9876543",
    "giraffe",
    "operation on the",
    "99812734",
    "0130 77",
    "token",
]


@pytest.fixture(scope="module")
def outputs():
    market = make_market(20_000, random_state=3)
    feedback = market.feedback.dropna(subset=["text"]).copy()
    kinds = market.feedback_truth.reindex(feedback["feedback_id"])["theme"].notna().to_numpy()
    rng = np.random.default_rng(0)
    texts = feedback["text"].to_numpy(dtype=object)
    places = rng.choice(np.flatnonzero(kinds), 5 * len(SECRETS), replace=False)
    for i, place in enumerate(places):
        secret = list(SECRETS)[i % len(SECRETS)]
        words = texts[place].split(" ")
        middle = len(words) // 2
        texts[place] = " ".join([*words[:middle], secret, *words[middle:]])
    # a staff member whom many know, and who is named as such
    many = rng.choice(
        np.flatnonzero(market.truth["segment"].loc[feedback["customer_id"]] == "bargain"), 80, replace=False
    )
    for place in many:
        texts[place] = f"{texts[place]} The rude clerk brunhildeva refused my voucher."
    feedback["text"] = texts
    segments = market.truth["segment"].copy()
    result = pain_points(
        feedback,
        segments,
        rating="nps",
        values=market.truth["clv"],
        names=["Brunhildeva"],
        n_permutations=99,
        random_state=0,
    )
    figure = result.plot().figure
    drawn = [text.get_text() for text in figure.findobj(mpl.text.Text)]
    return {
        "str": str(result),
        "repr": repr(result),
        "html": result._repr_html_(),
        "table": result.table.to_csv(),
        "terms": result.terms.to_csv(),
        "quotes": result.quotes.to_csv(),
        "prevalence": result.prevalence.to_csv(),
        "segments": result.segments.to_csv(),
        "to_dict": json.dumps(result.to_dict(), default=str, ensure_ascii=False),
        "settings": str(result.settings),
        "warnings": " ".join(result.warnings),
        "plot": " ".join(drawn),
        "pickle": pickle.dumps(result).decode("latin-1"),
    }


def test_there_is_something_to_leak(outputs):
    assert outputs["quotes"].count("\n") > 50
    assert "rude clerk" in outputs["to_dict"]  # the complaint about the clerk is told, not who it is


@pytest.mark.parametrize(
    "output",
    [
        "str",
        "repr",
        "html",
        "table",
        "terms",
        "quotes",
        "prevalence",
        "segments",
        "to_dict",
        "settings",
        "warnings",
        "plot",
    ],
)
def test_no_secret_in_any_output(outputs, output):
    low = outputs[output].lower()
    assert [secret for secret in SECRETS if secret.lower() in low] == []
    assert [fragment for fragment in [*FRAGMENTS, "brunhildeva"] if fragment in low] == []
    assert "@example" not in low


def test_not_in_the_saved_result_either(outputs):
    low = outputs["pickle"].lower()
    assert [fragment for fragment in [*FRAGMENTS, "brunhildeva"] if fragment in low] == []


def test_every_quoted_run_of_words_is_known_from_ten_customers():
    market = make_market(8_000, random_state=2)
    feedback = market.feedback.dropna(subset=["text"])
    result = pain_points(feedback, market.truth["segment"], n_permutations=99, random_state=0)
    import re

    word = re.compile(r"[^\W_]+(?:['\-][^\W_]+)*")
    customers: dict[tuple[str, ...], set[str]] = {}
    for text, who in feedback[["text", "customer_id"]].itertuples(index=False):
        words = word.findall(text.lower())
        for run in zip(words, words[1:], words[2:], strict=False):
            customers.setdefault(run, set()).add(who)
    assert len(result.quotes)
    checked = 0
    for quote in result.quotes["quote"]:
        for piece in re.split(r"…|\[[\w-]+\]", quote.lower()):
            words = word.findall(piece)
            for run in zip(words, words[1:], words[2:], strict=False):
                assert len(customers[run]) >= 10
                checked += 1
    assert checked > 20


def test_terms_and_claims_rest_on_ten_customers_or_more():
    market = make_market(8_000, random_state=2)
    result = pain_points(market.feedback, market.truth["segment"], n_permutations=99, random_state=0)
    assert result.terms["n_customers"].min() >= 10
    assert result.table["n_customers"].min() >= 10
    n_wrote = result.segments["n_wrote"]
    counts = result.prevalence.mul(n_wrote, axis=1).to_numpy()
    assert not ((counts > 1e-9) & (counts < 10 - 1e-9)).any()


def test_no_small_cell_in_survey_results():
    rng = np.random.default_rng(0)
    ids = pd.RangeIndex(203, name="customer_id")
    segments = pd.Series(["a"] * 100 + ["b"] * 60 + ["c"] * 40 + ["tiny"] * 3, index=ids)
    answers = pd.DataFrame({"nps": rng.integers(0, 11, 203)}, index=ids)
    answers.loc[200:, "nps"] = 7  # a score of exactly 0
    for result in (net_promoter(answers, segments), satisfaction(answers, segments, items=["nps"], scale=(0, 10))):
        table = result.table.set_index("segment") if "segment" in result.table else result.table
        assert table.loc["tiny"].drop("item", errors="ignore").isna().all()
        assert "tiny" not in set(result.differences["segment"])
        counts = table["n_customers"].dropna()
        hidden = 203 - counts.sum()
        assert hidden >= 10  # what is left over is no small group
        with_pictures = [text.get_text() for text in result.plot().figure.findobj(mpl.text.Text)]
        assert "too few answers" in with_pictures


def test_a_vectorizer_of_ones_own_brings_no_words_into_the_saved_result():
    from sklearn.feature_extraction.text import CountVectorizer

    ids = pd.RangeIndex(200, name="customer_id")
    texts = pd.Series(["parcel late", "nice shop"] * 50 + ["nice shop", "too dear"] * 50, index=ids)
    texts.iloc[3] += " zorblattism"
    segments = pd.Series(np.repeat(["a", "b"], 100), index=ids)
    result = pain_points(texts, segments, vectorizer=CountVectorizer(), random_state=0)
    assert len(result.table)
    assert b"zorblattism" not in pickle.dumps(result)
    assert pickle.loads(pickle.dumps(result)).mentions(["parcel"]).to_numpy().any()


def test_too_few_answers_are_not_shown_as_all_either():
    ids = pd.RangeIndex(60, name="customer_id")
    segments = pd.Series(np.repeat(["a", "b"], 30), index=ids)
    answers = pd.DataFrame({"nps": np.arange(60) % 11, "other": np.nan}, index=ids)
    with pytest.raises(CustomerTableError, match="fewer than 10 customers in a segment answered"):
        net_promoter(answers.head(4), segments)
    with pytest.raises(CustomerTableError, match="fewer than 10 customers in a segment answered"):
        satisfaction(answers.head(4), segments, items=["nps"], scale=(0, 10))
    answers.loc[:3, "other"] = 7  # four customers of a
    result = satisfaction(answers, segments, items=["nps", "other"], scale=(0, 10))
    assert result.overall.loc["nps"].notna().any()
    assert result.overall.loc["other"].isna().all()
    few = result.table[(result.table["item"] == "other") & (result.table["segment"] == "a")]
    assert few.drop(columns=["segment", "item"]).isna().all(axis=None)

"""survey_scales: published alphas, alpha by formula, coverage of its interval, keys, missing answers, styles."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.features import survey_scales
from segmentation.features._reliability import cronbach_alpha
from segmentation.features._response_style import _longest_string, shortest_string

KEYS = {scale: [f"{scale}{i}" for i in range(1, 6)] for scale in "ACENO"}
REVERSE = ["A1", "C4", "C5", "E1", "E2", "O2", "O5"]
# raw alphas from pairwise covariances, after turning round the seven items
ALPHAS = {"A": 0.70, "C": 0.73, "E": 0.76, "N": 0.81, "O": 0.60}


def simulated(n=400, n_items=6, loading=0.7, reverse=(), seed=0, levels=5):
    """One trait behind some items on a scale from 1 to `levels`; reversed items ask for the opposite."""
    rng = np.random.default_rng(seed)
    trait = rng.normal(size=(n, 1))
    sign = np.array([-1 if i in reverse else 1 for i in range(n_items)])
    raw = loading * trait * sign + np.sqrt(1 - loading**2) * rng.normal(size=(n, n_items))
    answers = np.clip(np.round(raw + (levels + 1) / 2), 1, levels)
    columns = [f"q{i}" for i in range(n_items)]
    return pd.DataFrame(answers, columns=columns, index=pd.RangeIndex(n, name="customer_id"))


def alpha_by_formula(table):
    covariance = table.cov().to_numpy()  # pairwise
    k = len(covariance)
    return k / (k - 1) * (1 - np.trace(covariance) / covariance.sum())


# --- known answers


def test_alphas_of_bfi(shared_data):
    answers = pd.read_parquet(shared_data / "bfi" / "bfi.parquet")
    result = survey_scales(answers, KEYS, REVERSE, answer_range=(1, 6))
    assert result.reliability["alpha"].round(2).to_dict() == ALPHAS
    assert not [text for text in result.warnings if "wrong key" in text]
    for scale, items in KEYS.items():
        table = answers[items].assign(**{item: 7 - answers[item] for item in items if item in REVERSE})
        assert result.reliability.at[scale, "alpha"] == pytest.approx(alpha_by_formula(table), rel=1e-9)
        for item in items:
            rest = table.drop(columns=item)
            assert result.items.at[item, "alpha_if_dropped"] == pytest.approx(alpha_by_formula(rest), rel=1e-9)
            flipped = table.assign(**{item: -table[item]})
            assert result.items.at[item, "alpha_if_reversed"] == pytest.approx(alpha_by_formula(flipped), rel=1e-9)


def test_forgotten_keys_of_bfi_are_named_all_and_only(shared_data):
    answers = pd.read_parquet(shared_data / "bfi" / "bfi.parquet")
    wrong = [text for text in survey_scales(answers, KEYS).warnings if "wrong key" in text]
    assert [text.split(". The")[0] for text in wrong] == [
        "likely wrong key in 'A': 'A1' (not reversed now)",
        "likely wrong keys in 'C': 'C4' (not reversed now), 'C5' (not reversed now)",
        "likely wrong keys in 'E': 'E1' (not reversed now), 'E2' (not reversed now)",
        "likely wrong keys in 'O': 'O2' (not reversed now), 'O5' (not reversed now)",
    ]
    assert "alpha would be 0.73 instead of -0.28" in wrong[1]


def test_alpha_of_two_items_is_that_of_spearman_and_brown():
    rng = np.random.default_rng(0)
    x = rng.normal(size=500)
    table = pd.DataFrame({"a": x, "b": x + rng.normal(size=500)})
    table = (table - table.mean()) / table.std()
    r = table.corr().iloc[0, 1]
    result = survey_scales(table, {"s": ["a", "b"]})
    assert result.reliability.at["s", "alpha"] == pytest.approx(2 * r / (1 + r))
    assert result.items.at["a", "item_rest_correlation"] == pytest.approx(r)


def test_item_rest_correlation_of_complete_answers():
    table = simulated(reverse=(2,))
    result = survey_scales(table, {"s": list(table)}, ["q2"], answer_range=(1, 5))
    keyed = table.assign(q2=6 - table["q2"])
    for item in table:
        expected = keyed[item].corr(keyed.drop(columns=item).sum(axis=1))
        assert result.items.at[item, "item_rest_correlation"] == pytest.approx(expected)


@pytest.mark.parametrize("missing", [0.0, 0.15])
def test_the_interval_covers_as_often_as_it_says(missing):
    # alpha of the population: of very many people
    truth = alpha_by_formula(simulated(200_000, 4, 0.6, seed=99))
    covered, n_runs = 0, 400
    for seed in range(n_runs):
        table = simulated(200, 4, 0.6, seed=seed)
        holes = np.random.default_rng(seed + 10_000).random(table.shape) < missing
        found = cronbach_alpha(table.mask(holes).to_numpy(), 0.9)
        covered += found.low <= truth <= found.high
    # three standard errors of 400 runs at 90 %: 0.045
    assert abs(covered / n_runs - 0.9) < 0.045


def test_the_interval_is_that_of_a_bootstrap():
    table = simulated(300, 5, 0.6, seed=1)
    row = survey_scales(table, {"s": list(table)}, level=0.95).reliability.loc["s"]
    rng = np.random.default_rng(0)
    draws = [alpha_by_formula(table.iloc[rng.integers(0, 300, 300)]) for _ in range(600)]
    assert row["alpha_low"] == pytest.approx(np.quantile(draws, 0.025), abs=0.015)
    assert row["alpha_high"] == pytest.approx(np.quantile(draws, 0.975), abs=0.015)


# --- scores


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_scores_by_hand(data):
    n_items = data.draw(st.integers(2, 6))
    answer = st.one_of(st.none(), st.integers(1, 7))
    rows = data.draw(st.lists(st.lists(answer, min_size=n_items, max_size=n_items), min_size=2, max_size=15))
    columns = [f"q{i}" for i in range(n_items)]
    reverse = data.draw(st.sets(st.sampled_from(columns)))
    share = data.draw(st.sampled_from([0.3, 0.5, 0.8, 1.0, 1, 2]))
    table = pd.DataFrame(rows, columns=columns, dtype=float)
    result = survey_scales(table, {"s": columns}, reverse, min_answered=share, answer_range=(1, 7))
    needed = share if isinstance(share, int) else share * n_items
    for row, score in zip(rows, result.scores["s"], strict=True):
        given = [8 - x if name in reverse else x for name, x in zip(columns, row, strict=True) if x is not None]
        if given and len(given) >= needed - 1e-9:
            assert score == pytest.approx(np.mean(given))
            assert 1 <= score <= 7
        else:
            assert np.isnan(score)
    row = result.reliability.loc["s"]
    assert row["n_scored"] + row["n_unscored"] == len(rows)


def test_counts_of_who_got_a_score():
    table = pd.DataFrame({"a": [1.0, 2, np.nan, np.nan], "b": [1.0, np.nan, 3, np.nan], "c": [2.0, 4, np.nan, np.nan]})
    result = survey_scales(table, {"s": ["a", "b", "c"]}, min_answered=2)
    row = result.reliability.loc["s"]
    assert (row["n_scored"], row["n_completed"], row["n_unscored"]) == (2, 1, 2)
    assert "because they answered too few items: s 2" in result.warnings[-1]


def test_keys_turned_round_twice_give_the_same_scale_upside_down():
    table = simulated(reverse=(0, 3))
    a = survey_scales(table, {"s": list(table)}, ["q0", "q3"], answer_range=(1, 5))
    b = survey_scales(table, {"s": list(table)}, ["q1", "q2", "q4", "q5"], answer_range=(1, 5))
    np.testing.assert_allclose(a.scores["s"] + b.scores["s"], 6)
    assert a.reliability.at["s", "alpha"] == pytest.approx(b.reliability.at["s", "alpha"])


def test_the_range_is_learnt_over_the_items_of_a_scale_and_said():
    table = pd.DataFrame({"a": [1.0, 2, 5, 4], "b": [2.0, 3, 3, 2], "c": [1.0, 1, 2, 9]})
    result = survey_scales(table, {"s": ["a", "b"], "t": ["c"]}, ["b"])
    np.testing.assert_allclose(result.scores["s"], (table["a"] + 6 - table["b"]) / 2)
    assert result.reliability["range"].to_list() == ["learnt", "learnt"]
    assert any("1 to 5" in text and "'s'" in text and "'t'" not in text for text in result.warnings)
    given_range = survey_scales(table, {"s": ["a", "b"], "t": ["c"]}, ["b"], answer_range={"s": (0, 6)})
    np.testing.assert_allclose(given_range.scores["s"], (table["a"] + 6 - table["b"]) / 2)
    assert given_range.reliability["range"].to_list() == ["given", "learnt"]
    assert not any("learnt from them" in text for text in given_range.warnings)


# --- keys


@pytest.mark.parametrize("wrong", [(1,), (0, 4)])
def test_wrong_keys_are_named(wrong):
    table = simulated(reverse=(2,))
    right = {"q2"}
    given_keys = right ^ {f"q{i}" for i in wrong}
    texts = survey_scales(table, {"s": list(table)}, given_keys, answer_range=(1, 5)).warnings
    (found,) = [text for text in texts if "wrong key" in text]
    for item in table:
        assert (f"{item!r} (" in found) == (int(item[1:]) in wrong)


def test_right_keys_are_seldom_called_wrong():
    # unrelated items go against the rest half of the time, and by chance only
    alarms = 0
    for seed in range(120):
        table = simulated(150, 5, 0.0, seed=seed)
        alarms += any("wrong key" in text for text in survey_scales(table, {"s": list(table)}).warnings)
    # 5 % of 120 are 6; three standard errors more are 13
    assert alarms <= 13


# --- styles


def test_straight_lining_is_counted_with_ids():
    table = simulated(200, 12, 0.5, reverse=(1, 3, 5, 7, 9, 11))
    assert not survey_scales(table, {"s": list(table)}, answer_range=(1, 5)).styles["straight_lining"].any()
    table.loc[[7, 90]] = 3
    table.loc[7, "q4"] = np.nan  # a missing answer does not break the string
    result = survey_scales(table, {"s": list(table)}, answer_range=(1, 5))
    assert list(result.styles.index[result.styles["straight_lining"]]) == [7, 90]
    assert result.styles.loc[[7, 90], "longest_string"].to_list() == [11, 12]
    assert any(text.startswith("straight-lining: 2 customers") and "7, 90" in text for text in result.warnings)


def test_how_long_a_string_is_chance():
    rng = np.random.default_rng(0)
    X = rng.choice([1.0, 2, 3, 4, 5], (500, 20), p=[0.1, 0.1, 0.5, 0.2, 0.1])
    least = shortest_string(X)
    counts = np.array(
        [(_longest_string(rng.permuted(X, axis=0)) >= least - 2).sum() for _ in range(200)]
    )  # two answers fewer: by the shares, about 0.5 ** -2 as many
    assert counts.mean() > 0.05
    longest = [_longest_string(rng.permuted(X, axis=0)).max() for _ in range(200)]
    # by chance, 5 % of the tables have one so long at most
    assert np.mean(np.array(longest) >= least) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
    assert shortest_string(X[:, :5]) == np.inf


def test_yes_sayers_are_told_from_those_who_agree():
    reverse = (1, 3, 5, 7)
    items = [f"q{i}" for i in reverse]
    table = simulated(400, 8, 0.7, reverse=reverse)
    before = survey_scales(table, {"s": list(table)}, items, answer_range=(1, 5))
    table.loc[[3, 4]] = 5  # agree with everything and its opposite
    table.loc[5] = [5, 1, 5, 1, 5, 1, 5, 1]  # agree with the matter
    table.loc[6] = 1
    result = survey_scales(table, {"s": list(table)}, items, answer_range=(1, 5))
    assert result.styles.loc[[3, 4], "acquiescent"].all()
    assert result.styles.at[6, "disacquiescent"]
    assert not result.styles.loc[5, ["acquiescent", "disacquiescent"]].any()
    assert result.styles.at[5, "acquiescence"] == 0
    assert result.styles.at[3, "acquiescence"] == 2
    # among people without a style few are flagged
    assert before.styles[["acquiescent", "disacquiescent"]].to_numpy().sum() <= 5
    assert not any(text.startswith("acquiescence: ") for text in before.warnings)


def test_without_both_keyings_acquiescence_is_not_claimed():
    table = simulated()
    result = survey_scales(table, {"s": list(table)})
    assert result.styles["acquiescence"].isna().all()
    assert any("no item is reverse-keyed" in text for text in result.warnings)
    two = survey_scales(table, {"s": ["q0", "q1"], "t": ["q2", "q3"]}, ["q2", "q3"])
    assert any("no scale has items of both keyings" in text for text in two.warnings)
    assert any("cannot be told among 4 items" in text for text in two.warnings)


# --- what comes in, what comes out


def test_frames_text_numbers_and_further_columns():
    table = simulated().reset_index()
    expected = survey_scales(table, {"s": ["q0", "q1", "q2"]})
    assert expected.scores.index.name == "customer_id"
    for frame in (pl.from_pandas(table), table.assign(remark="x", q0=table["q0"].astype(int).astype(str))):
        pd.testing.assert_frame_equal(survey_scales(frame, {"s": ["q0", "q1", "q2"]}).scores, expected.scores)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"keys": {}}, ValueError, "keys"),
        ({"keys": {"s": "q0"}}, ValueError, "list of items"),
        ({"keys": {"s": []}}, ValueError, "no item"),
        ({"keys": {"s": ["q0"], "t": ["q0"]}}, ColumnError, "more than once"),
        ({"keys": {"s": ["q0", "Q1"]}}, ColumnError, "nearest: 'q1'"),
        ({"keys": {"s": ["q0"]}, "reverse": ["q1"]}, ColumnError, "in no scale"),
        ({"keys": {"s": ["q0"]}, "reverse": "q0"}, ValueError, "list of items"),
        ({"keys": {"s": ["q0"]}, "min_answered": 0}, ValueError, "min_answered"),
        ({"keys": {"s": ["q0"]}, "min_answered": 1.5}, ValueError, "min_answered"),
        ({"keys": {"s": ["q0"]}, "level": 90}, ValueError, "level"),
        ({"keys": {"s": ["q0"]}, "answer_range": (5, 1)}, ValueError, "low < high"),
        ({"keys": {"s": ["q0"]}, "answer_range": 5}, ValueError, "must be"),
        ({"keys": {"s": ["q0"]}, "answer_range": {"t": (1, 5)}}, ValueError, "not in keys"),
        ({"keys": {"s": ["q0"]}, "answer_range": (2, 5)}, CustomerTableError, "outside of 2 to 5, in 'q0'"),
        ({"keys": {"s": ["word"]}}, ColumnError, "'agree'"),
        ({"keys": {"s": ["empty"]}}, CustomerTableError, "no answer at all"),
    ],
)
def test_bad_input(arguments, error, text):
    table = simulated().assign(word="agree", empty=np.nan)
    with pytest.raises(error, match=text):
        survey_scales(table, **arguments)


def test_one_item_has_a_score_and_no_alpha():
    result = survey_scales(simulated(), {"s": ["q0"]})
    assert np.isnan(result.reliability.at["s", "alpha"])
    assert result.scores["s"].notna().all()


def test_items_all_alike_have_no_alpha_and_no_crash():
    table = pd.DataFrame({"a": [3.0, 3, 3], "b": [3.0, 3, 3]})
    result = survey_scales(table, {"s": ["a", "b"]}, ["b"], answer_range=(1, 5))
    assert np.isnan(result.reliability.at["s", "alpha"])
    assert result.scores["s"].to_list() == [3, 3, 3]


def test_result_prints_and_escapes():
    table = simulated()
    result = survey_scales(table, {"<b>novelty": list(table)})
    assert str(result).startswith("1 scale of 6 items, 400 customers\n  <b>novelty: alpha 0.8")
    assert "<b>" not in result._repr_html_()
    assert result.to_dict()["reliability"]["<b>novelty"]["n_items"] == 6
    pd.testing.assert_frame_equal(result.to_pandas(), result.scores)


def test_picture():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    table = simulated()
    ax = survey_scales(table, {"s": ["q0", "q1", "q2"], "t": ["q3", "q4", "q5"]}).plot()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["s", "t"]
    assert {text.get_text() for text in ax.texts} == set(table.columns)
    matplotlib.pyplot.close(ax.figure)

"""Balance of arms: differences by hand, honest p-values, what a broken randomization looks like, bad input."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.experiments import BalanceDisplay, check_balance, randomize

IDS = pd.RangeIndex(400, name="customer_id")
RNG = np.random.default_rng(0)
AGE = pd.Series(RNG.normal(40, 12, 400), index=IDS, name="age")
SEGMENTS = pd.Series(RNG.choice(["a", "b", "c"], 400), index=IDS)


def arm(values):
    return pd.DataFrame({"arm": values}, index=pd.RangeIndex(len(values), name="customer_id"))


def test_differences_by_hand():
    assigned = arm(["control", "control", "control", "treated", "treated", "treated"])
    check = check_balance(assigned, pd.Series([1.0, 2, 3, 3, 4, 5], index=assigned.index, name="x"), n_permutations=0)
    row = check.table.iloc[0]
    assert row[["mean_control", "mean_arm", "std_difference", "n_control", "n_arm"]].tolist() == [2, 4, 2, 3, 3]
    # one covariate, two arms: Welch-free permutation variance gives (n - 1) r^2 with the correlation r of arm and x
    r = np.corrcoef([0, 0, 0, 1, 1, 1], [1, 2, 3, 3, 4, 5])[0, 1]
    assert check.statistic == pytest.approx(5 * r**2)
    assert check.df == 1
    assert check.p_value == pytest.approx(stats.chi2.sf(5 * r**2, 1))


def test_omnibus_equals_the_quadratic_form_of_the_differences():
    """Two arms: d' V^-1 d with the covariance that assignment of fixed counts gives."""
    x = RNG.normal(size=(60, 3)) @ RNG.normal(size=(3, 3))
    treated = np.repeat([True, False], [20, 40])
    assigned = arm(np.where(treated, "treated", "control"))
    check = check_balance(assigned, pd.DataFrame(x, index=assigned.index, columns=list("uvw")), n_permutations=0)
    d = x[treated].mean(axis=0) - x[~treated].mean(axis=0)
    covariance = np.cov(x.T) * (1 / 20 + 1 / 40)
    assert check.statistic == pytest.approx(d @ np.linalg.solve(covariance, d))
    assert check.df == 3


def test_a_covariate_that_stands_twice_counts_once():
    two = pd.DataFrame({"age": AGE, "again": 2 * AGE + 1, "constant": 1.0})
    result = randomize(list(IDS), within=None, salt="s")
    once, twice = check_balance(result, AGE, n_permutations=0), check_balance(result, two, n_permutations=0)
    assert twice.df == once.df == 1
    assert twice.p_value == pytest.approx(once.p_value)
    assert twice.table.set_index("covariate").loc["constant", "std_difference"] == 0


@pytest.mark.parametrize(("method", "repeats"), [("hash", 0), ("blocks", 0), ("hash", 99), ("blocks", 99)])
def test_p_values_are_uniform_over_salts(method, repeats):
    runs = 60 if repeats else 200
    skewed = pd.DataFrame({"age": AGE, "spend": np.exp(AGE / 10), "few": (AGE > 55).astype(float)})
    p = []
    for salt in range(runs):
        result = randomize(SEGMENTS, salt=f"s{salt}", method=method, arms={"control": 0.5, "a": 0.25, "b": 0.25})
        p.append(result.balance(skewed, n_permutations=repeats, random_state=salt).p_value)
    assert stats.kstest(p, "uniform").pvalue > 0.001
    band = stats.binom.ppf([0.005, 0.995], runs, 0.1)
    assert band[0] <= sum(value <= 0.1 for value in p) <= band[1]


def test_permutations_and_limit_agree():
    result = randomize(SEGMENTS, salt="s", method="blocks")
    # continuous ones: with few values the exact p-value goes in steps that the limit does not know
    both = pd.DataFrame({"age": AGE, "spend": np.random.default_rng(3).gamma(2, size=400)}, index=IDS)
    counted = result.balance(both, n_permutations=2_000, random_state=0)
    limit = result.balance(both, n_permutations=0)
    assert counted.p_value == pytest.approx(limit.p_value, abs=0.05)
    assert counted.table["p_value"].to_numpy() == pytest.approx(limit.table["p_value"].to_numpy(), abs=0.05)
    assert counted.settings["within"] == ["segment"]


def test_blocks_are_compared_within():
    """A covariate that only follows the segment is balanced by the blocks, and says nothing about them."""
    sizes = {"a": 0.0, "b": 10.0, "c": 20.0}
    result = randomize(SEGMENTS, salt="s", method="blocks")
    check = result.balance(SEGMENTS.map(sizes).rename("by segment"), n_permutations=0)
    assert check.df == 0
    assert check.p_value == 1


def test_a_filter_after_the_randomization_is_seen():
    result = randomize(list(range(4_000)), within=None, salt="s")
    age = pd.Series(np.random.default_rng(1).normal(40, 12, 4_000), index=result.assigned.index, name="age")
    unsubscribed = (result.arms == "treated") & (age < 30)
    check = check_balance(result.assigned[~unsubscribed], age.to_frame(), random_state=0)
    assert check.p_value == pytest.approx(1 / 1000)
    assert "most of all 'age'" in check.warnings[0]
    assert check.largest > 0.25


def test_kinds_of_covariates():
    covariates = pd.DataFrame(
        {
            "age": AGE.mask(AGE > 60),
            "region": RNG.choice(["north", "south"], 400),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.integers(0, 900, 400), unit="D"),
            "member": RNG.random(400) < 0.4,
        },
        index=IDS,
    )
    check = check_balance(randomize(list(IDS), within=None, salt="s"), covariates, random_state=0)
    assert check.table["covariate"].tolist() == [
        "age",
        "age is missing",
        "region=north",
        "region=south",
        "since",
        "member",
    ]
    assert check.df == 5
    other = check_balance(randomize(list(IDS), within=None, salt="s"), covariates, random_state=0)
    pd.testing.assert_frame_equal(check.table, other.table)


def test_held_out_and_unknown_customers_are_left_out_and_said():
    result = randomize(list(IDS), within=None, salt="s", holdout=0.2)
    check = result.balance(AGE.iloc[:300], random_state=0)
    rest = (result.arms.iloc[:300] != "holdout").sum()
    assert check.settings["n_customers"] == rest
    assert "have no covariates and are left out" in check.warnings[0]


def test_what_the_check_says_and_draws():
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    names = [f"covariate <{number}> with a long name that goes on and on" for number in range(40)]
    covariates = pd.DataFrame(RNG.normal(size=(400, 40)), index=IDS, columns=names)
    check = randomize(SEGMENTS, salt="s", arms=["control", "a", "b"]).balance(covariates, random_state=0)
    assert str(check).startswith("Balance of 400 customers on 40 covariates: p = ")
    assert "(80 rows in all)" in str(check)
    assert "covariate &lt;0&gt;" in check._repr_html_()
    assert set(check.to_dict()) == {"p_value", "statistic", "df", "table", "settings", "warnings"}
    display = BalanceDisplay.from_check(check).plot()
    assert len(display.values) == 30
    assert "(10 smaller ones not shown)" in display.ax_.get_title(loc="left")
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert len(set(labels)) == 30
    top = display.values.abs().max(axis=1)  # noqa: PD011
    assert top.is_monotonic_decreasing
    assert display.ax_.get_legend().get_texts()[1].get_text() == "a"
    assert check.plot(ax=display.ax_) is display.ax_
    plt.close("all")


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: check_balance([1], AGE), TypeError, "got list"),
        (lambda: check_balance(pd.DataFrame({"x": [1]}), AGE), ColumnError, "missing: 'arm'"),
        (lambda: check_balance(arm(["a", "a"]), AGE), ValueError, "nothing to compare"),
        (
            lambda: check_balance(arm(["a", "b"]), AGE.rename(lambda i: f"c{i}")),
            CustomerTableError,
            "no customer is in",
        ),
        (lambda: check_balance(arm(["a", "b"]), AGE, control="c"), ValueError, "one of the arms 'a', 'b'"),
        (lambda: check_balance(arm(["a", "b"]), AGE / 0), ColumnError, "infinite"),
        (lambda: check_balance(arm(["a", "b"] * 200), AGE.astype(str)), ColumnError, "400 levels"),
        (lambda: check_balance(arm(["a", "b"]), AGE, n_permutations=-1), ValueError, "n_permutations"),
        (lambda: check_balance(arm(["a", "b"]), AGE.to_frame()[[]]), ColumnError, "no covariate"),
    ],
)
def test_bad_input_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()

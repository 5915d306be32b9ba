"""CustomerPreprocessor: scikit-learn's checks, decisions, scales, the way back, and k-means behind it."""

import datetime as dt
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, RobustScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import segmentation as sg
from segmentation.exceptions import ColumnError, CustomerTableError, SegmentationWarning
from segmentation.features import CustomerPreprocessor
from segmentation.features._level_order import natural_order
from segmentation.segmenters import KMeansSegmenter

RNG = np.random.default_rng(5)
N = 300
IDS = pd.Index([f"c{i:03d}" for i in range(N)], name="customer_id")

CHECKS = [
    pytest.param(estimator, check, id=f"{getattr(check, 'func', check).__name__}-{i}")
    for i, (estimator, check) in enumerate(estimator_checks_generator(CustomerPreprocessor()))
]


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learn_estimator_checks(estimator, check):
    check(estimator)


def messy():
    """One column of every role, with missing values."""
    rng = np.random.default_rng(1)
    spend = rng.lognormal(4, 1.2, N).round(2)
    spend[::10] = np.nan
    orders = rng.poisson(rng.lognormal(1, 0.9, N)).astype(float)
    orders[0] = 40
    return pd.DataFrame(
        {
            "spend": spend,
            "orders": orders,
            "age": rng.integers(18, 80, N),
            "satisfaction": rng.integers(1, 6, N),
            "age_group": rng.choice(["18-24", "25-34", "35-64", "65+"], N),
            "city": rng.choice(["Bonn", "Köln", "Trier", None], N, p=[0.5, 0.3, 0.1, 0.1]),
            "newsletter": rng.choice(["yes", "no"], N),
            "member": rng.random(N) < 0.3,
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, N), unit="D"),
            "voucher": np.where(rng.random(N) < 0.2, "used", None),
            "market": "DE",
            "nothing": np.nan,
            "remark": [f"called about order {i * 37 % 1009} and more" for i in range(N)],
            "crm_id": rng.permutation(np.arange(5000, 5000 + 3 * N, 3)),
        },
        index=IDS,
    )


ROLES = {
    "spend": "amount",
    "orders": "count",
    "age": "number",
    "satisfaction": "ordinal",
    "age_group": "ordinal",
    "city": "category",
    "newsletter": "boolean",
    "member": "boolean",
    "since": "date",
    "voucher": "presence",
    "market": "drop",
    "nothing": "drop",
    "remark": "drop",
    "crm_id": "drop",
}


# --- decisions


def test_every_kind_of_column_gets_its_role_and_a_reason():
    decisions = CustomerPreprocessor().fit(messy()).decisions_
    assert decisions["role"].to_dict() == ROLES
    assert (decisions["why"].str.len() > 3).all()
    assert (decisions["decided"] == "found").all()
    assert decisions.loc["spend", "treatment"].startswith("asinh")
    assert decisions.loc["orders", "treatment"] == "log(1 + x)"
    assert decisions.loc["market", "why"] == "constant: every customer has DE"
    assert decisions.loc["nothing", "why"] == "no value at all"
    assert "free text" in decisions.loc["remark", "why"]
    assert "an id" in decisions.loc["crm_id", "why"]


@pytest.mark.parametrize(
    ("values", "name", "role"),
    [
        (["1", "2", "3", "4"] * 10, "product_group", "category"),  # digits as text, few: codes
        (["01067", "50667", "80331", "20095"] * 10, "where", "category"),  # a width of their own: post codes
        ([f"{x:.2f}" for x in np.linspace(1, 9, 40)], "x", "number"),  # decimals as text
        ([str(x) for x in range(5, 405, 10)], "x", "number"),
        (list(range(101, 141)), "x", "drop"),  # row numbers
        (["20240101", "20240215"] * 20, "day", "date"),
        ([20240101, 20240215, 20231230] * 14, "day", "date"),
        ([20240101, 20240215, 20249930] * 14, "day", "number"),  # month 99: no dates
        (["2024-01-01", "soon", "2024-02-01"] * 14, "day", "category"),
        ([1, 2, 3, 4] * 10, "region", "category"),
        ([1, 2, 3, 4] * 10, "rating", "ordinal"),
        ([0, 10, 5, 7] * 10, "recommend", "ordinal"),
        ([0, 11, 5, 7] * 10, "x", "number"),
        ([1.0, 2.0] * 20, "gender", "boolean"),
        (["f", "m"] * 20, "gender", "category"),
        (["t", "f"] * 20, "active", "boolean"),
        (pd.Categorical(["a", "c", "b", "c"] * 10, ["a", "b", "c"], ordered=True), "grade", "ordinal"),
        (pd.Categorical(["a", "c", "b", "c"] * 10), "grade", "category"),
        ([dt.date(2024, 1, 1), dt.date(2024, 2, 1), None, dt.date(2024, 3, 1)] * 10, "day", "date"),
        (pd.array([1, 2, None, 3] * 10, dtype="Int64"), "rating", "ordinal"),
        (pd.array([True, False, None, True] * 10, dtype="boolean"), "active", "boolean"),
        (pd.to_timedelta([1, 2, 13.5, 14] * 10, unit="D"), "wait", "number"),
        (np.r_[np.zeros(30), np.geomspace(0.01, 0.9, 10)], "share", "number"),  # within 0..1: no tail
        (np.geomspace(1, 1e5, 40), "x", "amount"),
        (np.r_[np.zeros(20), np.arange(1, 20), 60], "x", "count"),
        (np.geomspace(1e3, 1e6, 40).round(), "x", "amount"),  # whole numbers, but of a size where one is nothing
    ],
)
def test_what_is_what(values, name, role):
    table = pd.DataFrame({name: values, "other": np.arange(len(values)) % 3})
    decisions = CustomerPreprocessor().fit(table).decisions_
    assert decisions.loc[name, "role"] == role, decisions.loc[name, "why"]


def test_near_unique_numbers_of_an_array_are_no_ids():
    X = np.arange(60).reshape(20, 3)
    assert (CustomerPreprocessor().fit(X).decisions_["role"] == "number").all()


@pytest.mark.parametrize(
    ("levels", "order"),
    [
        (["65+", "19-24", "25-34"], ("19-24", "25-34", "65+")),
        (["100-124K", "Under 15K", "250K+", "15-24K"], ("Under 15K", "15-24K", "100-124K", "250K+")),
        ([">120k", "<30k", "30-60k"], ("<30k", "30-60k", ">120k")),
        (["2) $100 - $200", "1) $0 - $100", "7) $1,000 +"], ("1) $0 - $100", "2) $100 - $200", "7) $1,000 +")),
        (["(10, 20]", "(0, 10]", "(20, inf]"], ("(0, 10]", "(10, 20]", "(20, inf]")),
        (["10+ years", "1-3 years", "4-9 years"], ("1-3 years", "4-9 years", "10+ years")),
        (["High", "low", "medium"], ("low", "medium", "High")),
        (["1", "2", "3"], None),
        (["18-24", "25-34", "unknown"], None),
        (["2 adults", "1 adult", "3+ kids"], None),
        (["Yes", "No", "No internet service"], None),
    ],
)
def test_the_order_of_levels(levels, order):
    assert natural_order(levels) == order


def test_roles_override_and_are_marked():
    table = messy()
    roles = {"age": "amount", "satisfaction": "category", "city": "drop", "spend": "money", "age_group": "category"}
    decisions = CustomerPreprocessor(roles=roles).fit(table).decisions_
    assert decisions.loc[list(roles), "role"].to_list() == ["amount", "category", "drop", "amount", "category"]
    assert set(decisions.index[decisions["decided"] == "given"]) == set(roles)


def test_a_list_of_levels_makes_an_ordinal():
    table = pd.DataFrame({"education": ["Basic", "PhD", "Master", "Basic"], "x": [1.5, 2, 3, 4]})
    order = ["Basic", "Graduation", "Master", "PhD"]
    model = CustomerPreprocessor(roles={"education": order}).fit(table)
    z = model.transform(table)[:, 0]
    assert z[0] == z[3] < z[2] < z[1]
    assert model.inverse_transform(model.transform(table))["education"].to_list() == table["education"].to_list()


@pytest.mark.parametrize(
    ("parameters", "error", "text"),
    [
        ({"roles": {"agee": "number"}}, ColumnError, "nearest: 'age'"),
        ({"roles": {"age": "nominal"}}, ValueError, "no such role"),
        ({"roles": {"city": "number"}}, ValueError, "3 values cannot be read as that: 'Trier'"),
        ({"roles": {"city": "date"}}, ValueError, "cannot be read"),
        ({"roles": {"city": "ordinal"}}, ValueError, "from low to high"),
        ({"roles": {"city": "boolean"}}, ValueError, "needs two values, the column has 3"),
        ({"roles": {"city": ["Bonn", "Trier"]}}, ValueError, "lacks 1 level of the column: 'Köln'"),
        ({"roles": {"since": "number"}}, ValueError, "holds dates"),
        ({"roles": ["age"]}, TypeError, "mapping"),
        ({"missing_codes": {"job": "unknown"}}, ColumnError, "missing_codes"),
        ({"indicators": "always"}, ValueError, "indicators"),
        ({"min_share": 1.0}, ValueError, "min_share"),
        ({"max_levels": 0}, ValueError, "max_levels"),
        ({"as_of": "soon"}, ValueError, "as_of"),
    ],
)
def test_bad_parameters(parameters, error, text):
    with pytest.raises(error, match=text):
        CustomerPreprocessor(**parameters).fit(messy())


def test_bad_tables():
    with pytest.raises(CustomerTableError, match="no column to compute on"):
        CustomerPreprocessor().fit(pd.DataFrame({"a": [1, 1], "b": [None, None]}))
    with pytest.raises(ColumnError, match=r"infinity .* \['spend'\]"):
        CustomerPreprocessor().fit(pd.DataFrame({"spend": [1.0, np.inf, 3.0]}))
    with pytest.raises(TypeError, match="'tags' holds list"):
        CustomerPreprocessor().fit(pd.DataFrame({"tags": [["a"], ["b"]]}))
    with pytest.raises(ColumnError, match="one name twice"):
        CustomerPreprocessor().fit(pd.DataFrame({"a": [1.5, None, 3.0], "a_missing": [0, 1, 0]}))
    with pytest.raises(ColumnError, match="nearest: 'Age'"):
        CustomerPreprocessor().fit(messy()).transform(messy().rename(columns={"age": "Age"}))
    with pytest.raises(CustomerTableError, match="more than one row"):
        CustomerPreprocessor().fit(pd.concat([messy(), messy()]))


# --- what comes out


def test_output_is_bounded_complete_and_named():
    model = CustomerPreprocessor().fit(messy())
    z = model.transform(messy())
    assert np.isfinite(z).all()
    assert np.abs(z).max() < 3
    names = list(model.get_feature_names_out())
    assert z.shape == (N, len(names))
    assert names[:2] == ["spend", "spend_missing"]
    assert {"city=Bonn", "city=Köln", "city=Trier", "city_missing", "voucher_present"} <= set(names)
    np.testing.assert_array_equal(z[:, 1], messy()["spend"].isna())
    listed = ", ".join(model.decisions_["outputs"][model.decisions_["outputs"] != ""])
    assert listed == ", ".join(names)


def test_scale_of_a_number_is_the_robust_scaler_before_the_bound():
    x = RNG.normal(50, 9, 200)
    z = CustomerPreprocessor().fit_transform(pd.DataFrame({"x": x}))[:, 0]
    robust = RobustScaler(unit_variance=True).fit_transform(x[:, None])[:, 0]
    np.testing.assert_allclose(z, robust / np.sqrt(1 + (robust / 3) ** 2), rtol=1e-6)


def test_scale_of_a_count_by_formula():
    x = RNG.poisson(RNG.lognormal(1, 1, 500)).astype(float)
    z = CustomerPreprocessor(roles={"n": "count"}).fit_transform(pd.DataFrame({"n": x}))[:, 0]
    y = np.log1p(x)
    y = (y - y.mean()) / y.std()
    np.testing.assert_allclose(z, y / np.sqrt(1 + (y / 3) ** 2))


def test_one_hot_is_that_of_scikit_learn_times_the_weight():
    table = messy()[["city"]].fillna("none")
    z = CustomerPreprocessor().fit_transform(table)
    expected = OneHotEncoder(sparse_output=False).fit_transform(table)
    np.testing.assert_allclose(z, expected * np.sqrt(0.5))


def test_customers_who_differ_in_one_category_or_boolean_are_at_distance_one():
    table = pd.DataFrame({"city": ["Bonn", "Köln", "Bonn", "Trier"], "member": [True, True, False, True]})
    z = CustomerPreprocessor().fit_transform(table)
    assert np.linalg.norm(z[0] - z[1]) == pytest.approx(1)
    assert np.linalg.norm(z[1] - z[3]) == pytest.approx(1)
    assert np.linalg.norm(z[0] - z[2]) == pytest.approx(1)


def test_the_currency_of_an_amount_does_not_matter():
    spend = RNG.lognormal(3, 1.5, 200)
    in_euro = CustomerPreprocessor().fit_transform(pd.DataFrame({"spend": spend}))
    in_yen = CustomerPreprocessor().fit_transform(pd.DataFrame({"spend": 163.2 * spend}))
    np.testing.assert_allclose(in_euro, in_yen, rtol=1e-9)


def test_one_absurd_value_moves_nobody_else_far():
    income = RNG.normal(50_000, 12_000, 400)
    table = pd.DataFrame({"height": income})
    clean = CustomerPreprocessor().fit_transform(table)
    table.iloc[0, 0] = 666_666_666.0
    dirty = CustomerPreprocessor(roles={"height": "number"}).fit_transform(table)
    assert np.abs(clean[1:] - dirty[1:]).max() < 0.05
    assert dirty[0, 0] == pytest.approx(3)


def test_values_of_any_size_stay_finite():
    table = pd.DataFrame({"spend": [0.0, 1.0, 2.0, 5.0, 1e3] * 10})
    model = CustomerPreprocessor().fit(table)
    z = model.transform(pd.DataFrame({"spend": [1e308, -1e308, 1e-308]}))
    assert np.isfinite(z).all()
    assert np.abs(z).max() <= 3
    assert np.isfinite(model.inverse_transform(z).to_numpy()).all()


def test_mostly_zero_amounts_keep_a_scale():
    spend = np.zeros(1000)
    spend[:50] = RNG.lognormal(4, 1, 50)
    z = CustomerPreprocessor().fit_transform(pd.DataFrame({"spend": spend}))[:, 0]
    assert (z[50:] == 0).all()
    assert (z[:50] > 0).all()
    assert np.median(z[:50]) > 1
    assert z.max() < 3


def test_rare_levels_are_merged_and_counted():
    table = pd.DataFrame({"status": ["a"] * 500 + ["b"] * 490 + ["YOLO"] * 2 + ["Absurd"] * 2})
    model = CustomerPreprocessor().fit(table)
    assert list(model.get_feature_names_out()) == ["status=a", "status=b", "status=(other)"]
    assert model.decisions_.loc["status", "loses"] == "which of 2 rare levels it was"
    assert (model.transform(table)[-4:, 2] > 0).all()
    few = CustomerPreprocessor(max_levels=1).fit(table)
    assert list(few.get_feature_names_out()) == ["status=a", "status=(other)"]


def test_a_category_of_rare_levels_only_is_left_out():
    table = pd.DataFrame({"shop": [f"shop {i % 200}" for i in range(1000)], "x": np.linspace(0, 1.5, 1000)})
    decisions = CustomerPreprocessor().fit(table).decisions_
    assert decisions.loc["shop", ["role", "why"]].to_list() == [
        "drop",
        "none of its 200 levels is among 1.0 % of the customers",
    ]
    assert CustomerPreprocessor(min_share=0).fit(table).decisions_.loc["shop", "role"] == "category"


def test_a_table_without_rows_is_transformed_to_one():
    model = CustomerPreprocessor().fit(messy())
    assert model.transform(messy().head(0)).shape == (0, len(model.get_feature_names_out()))
    assert list(model.inverse_transform(model.transform(messy().head(0))).columns) == [
        name for name, role in ROLES.items() if role != "drop"
    ]


def test_a_real_level_called_other_is_not_mixed_up():
    table = pd.DataFrame({"status": ["a"] * 500 + ["(other)"] * 490 + ["YOLO"] * 2})
    names = CustomerPreprocessor().fit(table).get_feature_names_out()
    assert list(names) == ["status=(other)", "status=a", "status=((other))"]


def test_unseen_and_unreadable_values_are_counted():
    table = messy()
    model = CustomerPreprocessor(roles={"orders": "count"}).fit(table)
    new = table.head(4).copy()
    new["city"] = ["Mainz", "Bonn", "Kiel", None]
    new["newsletter"] = ["yes", "maybe", "no", "no"]
    new["orders"] = ["3", "many", "2", "1"]
    with pytest.warns(SegmentationWarning) as caught:
        z = pd.DataFrame(model.transform(new), columns=model.get_feature_names_out())
    (message,) = [str(warning.message) for warning in caught]
    assert "'city': 2 values ('Mainz', 'Kiel')" in message
    assert "'newsletter': 1 value ('maybe')" in message
    assert "'orders': 1 value ('many')" in message
    assert (z.loc[[0, 2], ["city=Bonn", "city=Köln", "city=Trier", "city_missing"]] == 0).all(axis=None)
    assert z.loc[3, "city_missing"] > 0
    fill = model.decisions_.loc["orders", "fill"]
    at_fill = model.transform(table.head(1).assign(orders=fill))
    assert z.loc[1, "orders"] == pytest.approx(at_fill[0, list(model.get_feature_names_out()).index("orders")])


def test_missing_codes_become_missing():
    table = pd.DataFrame({"pdays": [-1] * 60 + list(range(1, 41)), "job": ["clerk", "unknown", "cook", "baker"] * 25})
    plain = CustomerPreprocessor().fit(table).decisions_
    assert "-1 (60.0 %), may be a code for missing" in plain.loc["pdays", "note"]
    model = CustomerPreprocessor(missing_codes={"pdays": -1, "job": ["unknown", "?"]}).fit(table)
    assert model.decisions_["n_missing"].to_dict() == {"pdays": 60, "job": 25}
    assert model.decisions_.loc["pdays", "fill"] in (20, 21)
    names = list(model.get_feature_names_out())
    assert "pdays_missing" in names
    assert "job_missing" in names
    assert "job=unknown" not in names


def test_blank_text_is_missing():
    table = pd.DataFrame({"TotalCharges": ["29.85", " ", "108.15", ""] * 5})
    decisions = CustomerPreprocessor().fit(table).decisions_
    assert decisions.loc["TotalCharges", "n_missing"] == 10
    assert decisions.loc["TotalCharges", "role"] == "amount"


def test_indicators_can_be_left_out_and_losses_say_so():
    model = CustomerPreprocessor(indicators="never").fit(messy())
    assert not [name for name in model.get_feature_names_out() if name.endswith("_missing")]
    assert "a missing value comes back as" in model.decisions_.loc["spend", "loses"]


def test_missing_values_where_fit_had_none_are_filled():
    model = CustomerPreprocessor().fit(messy())
    new = messy().head(2).assign(age=[np.nan, 40])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        z = pd.DataFrame(model.transform(new), columns=model.get_feature_names_out())
    assert z.loc[0, "age"] == pytest.approx(0, abs=0.05)  # the median


# --- dates


def test_days_are_counted_from_as_of():
    table = pd.DataFrame({"since": ["2024-01-01", "2024-01-31", "2024-03-01"], "x": [1.5, 2, 3]})
    learnt = CustomerPreprocessor().fit(table)
    assert learnt.as_of_ == pd.Timestamp("2024-03-01")
    assert learnt.decisions_.loc["since", "treatment"] == "days before 2024-03-01"
    given_day = CustomerPreprocessor(as_of=dt.date(2024, 6, 1)).fit(table)
    assert given_day.as_of_ == pd.Timestamp("2024-06-01")
    # counting from another day moves centre and values alike
    np.testing.assert_allclose(learnt.transform(table), given_day.transform(table), atol=1e-12)
    back = given_day.inverse_transform(given_day.transform(table))["since"]
    assert back.dt.strftime("%Y-%m-%d").to_list() == table["since"].to_list()
    assert CustomerPreprocessor().fit(table[["x"]]).as_of_ is None


def test_kinds_of_dates_agree():
    days = pd.Series(pd.date_range("2023-01-01", periods=30, freq="17D"))
    kinds = {
        "stamp": days,
        "zone": days.dt.tz_localize("Europe/Berlin"),
        "text": days.dt.strftime("%Y-%m-%d"),
        "compact": days.dt.strftime("%Y%m%d"),
        "number": days.dt.strftime("%Y%m%d").astype(int),
        "python": pd.Series([day.date() for day in days], dtype=object),
        "arrow": days.astype(pd.ArrowDtype(pa.timestamp("us"))),
        "arrow_day": pd.Series([day.date() for day in days]).astype(pd.ArrowDtype(pa.date32())),
        "period": days.dt.to_period("D"),
    }
    model = CustomerPreprocessor().fit(pd.DataFrame(kinds))
    assert (model.decisions_["role"] == "date").all()
    z = model.transform(pd.DataFrame(kinds))
    np.testing.assert_allclose(z, np.repeat(z[:, :1], len(kinds), axis=1))


# --- the way back


def test_rows_come_back():
    table = messy()
    model = CustomerPreprocessor().fit(table)
    back = model.inverse_transform(model.set_output(transform="pandas").transform(table))
    kept = [name for name, role in ROLES.items() if role != "drop"]
    assert list(back.columns) == kept
    pd.testing.assert_index_equal(back.index, table.index)
    np.testing.assert_allclose(back["spend"], table["spend"], rtol=1e-9)
    for name in ("orders", "age", "satisfaction"):
        np.testing.assert_array_equal(back[name], table[name])
    for name in ("age_group", "newsletter", "member", "since"):
        assert back[name].to_list() == table[name].to_list()
    for name in ("city", "voucher"):
        assert back[name].isna().equals(table[name].isna())
        assert back[name].dropna().to_list() == table[name].dropna().to_list()


numbers = st.lists(
    st.one_of(st.floats(-1e9, 1e9).map(lambda x: round(x, 6)), st.integers(-50, 50).map(float), st.none()),
    min_size=5,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(numbers)
def test_any_numbers_are_bounded_and_come_back(values):
    x = pd.Series(values, dtype=float)
    if x.nunique() < 2:
        return
    table = pd.DataFrame({"x": x})
    model = CustomerPreprocessor(roles={"x": "amount"}).fit(table)
    z = model.transform(table)
    assert np.isfinite(z).all()
    assert np.abs(z).max() <= 3
    # order is kept
    known = x.notna().to_numpy()
    assert (np.diff(z[known, 0][np.argsort(x[known].to_numpy())]) >= 0).all()
    # far beyond all others the bound has no digits left to tell values apart
    near = known & (np.abs(z[:, 0]) < 2.999)
    back = model.inverse_transform(z)["x"].to_numpy()
    scale = np.abs(x[known]).max()
    np.testing.assert_allclose(back[near], x[near], rtol=1e-6, atol=1e-6 * scale)
    assert np.isnan(back[~known]).all()


def test_centres_in_original_units():
    table = messy()
    model = CustomerPreprocessor().fit(table)
    z = model.transform(table)
    young = (table["age"] < 40).to_numpy()
    centers = pd.DataFrame([z[young].mean(axis=0), z[~young].mean(axis=0)], index=["young", "old"])
    described = model.describe_centers(centers)
    assert list(described.index) == ["young", "old"]
    # shares are exact
    assert described.loc["young", "city=Bonn"] == pytest.approx((table["city"] == "Bonn")[young].mean())
    assert described.loc["young", "city_missing"] == pytest.approx(table["city"].isna()[young].mean())
    assert described.loc["old", "member"] == pytest.approx(table["member"][~young].mean())
    assert described.loc["old", "newsletter"] == pytest.approx((table["newsletter"] == "yes")[~young].mean())
    observed = (young & table["spend"].notna()).to_numpy()
    without = model.describe_centers(z[observed].mean(axis=0, keepdims=True))  # what was put in moves no centre
    assert described.loc["young", "spend"] == pytest.approx(without["spend"].iloc[0])
    assert described.loc["old", "spend_missing"] == pytest.approx(table["spend"].isna()[~young].mean())
    assert described.loc["old", "voucher_present"] == pytest.approx(table["voucher"].notna()[~young].mean())
    # quantities are typical values: between the quartiles
    for name in ("spend", "orders", "age"):
        low, high = table[name][~young].quantile([0.25, 0.75])
        assert low < described.loc["old", name] < high
    assert described.loc["young", "age"] < 40 < described.loc["old", "age"]
    assert described.loc["young", "age_group"] in set(table["age_group"])
    assert table["since"].min() < described.loc["old", "since"] < table["since"].max()


def test_a_centre_of_one_customer_is_that_customer():
    table = messy().dropna(subset=["spend"])
    model = CustomerPreprocessor().fit(table)
    described = model.describe_centers(model.transform(table))
    np.testing.assert_allclose(described["spend"], table["spend"])
    np.testing.assert_allclose(described["age"], table["age"])
    assert described["age_group"].to_list() == table["age_group"].to_list()


def test_wrong_width_of_the_way_back():
    model = CustomerPreprocessor().fit(messy())
    with pytest.raises(ValueError, match="columns that transform makes"):
        model.inverse_transform(np.zeros((2, 3)))


# --- frames, pipelines, copies


def test_frames_agree():
    table = messy().drop(columns="nothing").reset_index()
    expected = CustomerPreprocessor().fit_transform(table)
    for frame in (pl.from_pandas(table), pa.Table.from_pandas(table), table.convert_dtypes()):
        np.testing.assert_allclose(CustomerPreprocessor().fit_transform(frame), expected)


def test_column_order_and_further_columns_do_not_matter():
    table = messy()
    model = CustomerPreprocessor().fit(table)
    other = table[list(table.columns[::-1])].assign(further=1)
    np.testing.assert_array_equal(model.transform(other), model.transform(table))


def test_copies_and_pickles():
    model = CustomerPreprocessor(roles={"age": "amount"}, as_of="2024-01-01").fit(messy())
    assert clone(model).get_params() == model.get_params()
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.transform(messy()), model.transform(messy()))
    pd.testing.assert_frame_equal(again.decisions_, model.decisions_)


def test_set_output_and_column_transformer():
    table = messy()
    both = ColumnTransformer([("own", CustomerPreprocessor(), ["spend", "city"])]).set_output(transform="pandas")
    out = both.fit_transform(table)
    assert list(out.columns)[:2] == ["own__spend", "own__spend_missing"]
    pd.testing.assert_index_equal(out.index, table.index)
    out = CustomerPreprocessor().set_output(transform="polars").fit_transform(table)
    assert isinstance(out, pl.DataFrame)


def test_input_is_not_changed():
    table = messy()
    before = table.copy(deep=True)
    CustomerPreprocessor().fit(table).transform(table)
    pd.testing.assert_frame_equal(table, before)


def planted(n=600):
    """Three groups that differ in money, a category and a boolean, in messy columns."""
    rng = np.random.default_rng(3)
    group = rng.integers(0, 3, n)
    spend = rng.lognormal(np.array([2.0, 5.0, 5.0])[group], 0.7)
    spend[rng.random(n) < 0.05] = np.nan
    spend[0] = 1e9
    channel = np.array(["web", "web", "shop"])[group]
    swap = rng.random(n) < 0.1
    channel[swap] = rng.choice(["web", "shop"], swap.sum())
    table = pd.DataFrame(
        {
            "spend": spend,
            "channel": channel,
            "app": np.where(rng.random(n) < np.array([0.1, 0.9, 0.1])[group], "yes", "no"),
            "crm_id": [f"K{i:05d}" for i in range(n)],
        },
        index=pd.Index(range(1000, 1000 + n), name="customer_id"),
    )
    return table, group


def test_a_pipeline_with_k_means_finds_planted_segments():
    table, group = planted()
    pipe = make_pipeline(CustomerPreprocessor(), KMeansSegmenter(3, scale=None, random_state=0)).fit(table)
    assignment = sg.assign(pipe, table.sample(frac=1, random_state=1))
    codes = assignment["segment"].cat.codes.reindex(table.index)
    agreement = pd.crosstab(codes, group).max(axis=1).sum() / len(table)
    assert agreement > 0.85
    described = pipe[0].describe_centers(pipe[-1].centers_)
    assert list(described.index) == ["segment_1", "segment_2", "segment_3"]
    cheap = described["spend"].idxmin()
    # typical spend of the group is exp(2); the one customer with 1e9 moves nothing
    assert described.loc[cheap, "spend"] == pytest.approx(np.exp(2), rel=0.5)


# --- real tables


EXPECTED = {
    "marketing_campaign/marketing_campaign": {
        "drop": ["ID", "Z_CostContact", "Z_Revenue"],
        "number": ["Year_Birth", "Recency"],
        "category": ["Education", "Marital_Status"],
        "ordinal": ["Kidhome", "Teenhome"],
        "date": ["Dt_Customer"],
        "amount": [
            "Income",
            "MntWines",
            "MntFruits",
            "MntMeatProducts",
            "MntFishProducts",
            "MntSweetProducts",
            "MntGoldProds",
        ],
        "count": [
            "NumDealsPurchases",
            "NumWebPurchases",
            "NumCatalogPurchases",
            "NumStorePurchases",
            "NumWebVisitsMonth",
        ],
        "boolean": [*(f"AcceptedCmp{i}" for i in range(1, 6)), "Complain", "Response"],
    },
    "bank_marketing/bank_full": {
        "number": ["age", "day"],
        "category": ["job", "marital", "education", "contact", "month", "poutcome"],
        "boolean": ["default", "housing", "loan", "y"],
        "amount": ["balance", "duration", "pdays"],
        "count": ["campaign", "previous"],
    },
    "telco_churn/telco_churn": {
        "drop": ["customerID"],
        "number": ["tenure"],
        "amount": ["MonthlyCharges", "TotalCharges"],
        "boolean": ["SeniorCitizen", "Partner", "Dependents", "PhoneService", "PaperlessBilling", "Churn"],
        "category": [
            "gender",
            "MultipleLines",
            "InternetService",
            "OnlineSecurity",
            "OnlineBackup",
            "DeviceProtection",
            "TechSupport",
            "StreamingTV",
            "StreamingMovies",
            "Contract",
            "PaymentMethod",
        ],
    },
    "online_shoppers/purchase_intention": {
        "count": ["administrative", "informational", "product_related"],
        "amount": ["administrative_duration", "informational_duration", "product_related_duration", "page_values"],
        "number": ["bounce_rates", "exit_rates", "special_day"],
        "category": ["month", "operating_systems", "browser", "region", "traffic_type", "visitor_type"],
        "boolean": ["weekend", "revenue"],
    },
    "complete_journey/demographics": {
        "drop": ["household_id"],
        "ordinal": ["age", "income", "household_size", "kids_count"],
        "category": ["home_ownership", "household_comp"],
        "boolean": [],
    },
}


@pytest.mark.parametrize("name", EXPECTED)
def test_decisions_on_real_tables_are_those_made_by_hand(name, shared_data):
    table = pd.read_parquet(shared_data / f"{name}.parquet")
    found = CustomerPreprocessor().fit(table).decisions_["role"].to_dict()
    expected = {column: role for role, columns in EXPECTED[name].items() for column in columns}
    if name.startswith("complete_journey"):
        expected["marital_status"] = "category"
    assert found == expected

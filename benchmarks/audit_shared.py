"""What the audit should say of the shared data sets: their known problems, and which findings are true.

`KNOWN` holds the problems of the data sets' README that can be seen in a table, with the finding that names each and
its count (None: any). `FALSE` holds the findings that were judged wrong, or of no use, by reading the data: everything
else in a report was read too and is a true statement about the column. Which campaigns were randomised, what an
imputed value was before and who published the data cannot be seen in a table and is left out.
"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from segmentation import sources

# file -> [(check, first column, count)]
KNOWN: dict[str, list[tuple[str, str | None, int | None]]] = {
    "ausactiv/ausActivDesc": [("missing", "spendpppd", 12), ("missing", "TV.channel", 13)],
    "bank_marketing/bank_full": [
        ("placeholder_word", "job", 288), ("placeholder_word", "education", 1857),
        ("placeholder_word", "contact", 13020),
        ("placeholder_word", "poutcome", 36959), ("placeholder_number", "pdays", 36954),
        ("leaks_outcome", "duration", None),
    ],
    "bank_marketing/bank_additional_full": [
        ("placeholder_word", "job", 330), ("placeholder_word", "marital", 80), ("placeholder_word", "education", 1731),
        ("placeholder_word", "default", 8597), ("placeholder_word", "housing", 990), ("placeholder_word", "loan", 990),
        ("placeholder_number", "pdays", 39673), ("leaks_outcome", "duration", None),
    ],
    "bfi/bfi": [
        ("missing", "education", 223), ("missing", "A1", 16), ("missing", "N4", 36), ("missing", "E4", 9),
        ("reverse_keyed", "A1", None), ("reverse_keyed", "C4", None), ("reverse_keyed", "E1", None),
        ("reverse_keyed", "O2", None),
    ],
    "cc_general/cc_general": [("missing", "MINIMUM_PAYMENTS", 313), ("missing", "CREDIT_LIMIT", 1)],
    "cdnow/cdnow_master": [
        ("duplicate_rows", None, 255), ("zero_for_missing", "dollars", 80), ("date_as_text", "date", 69659),
    ],
    "clothing_reviews/clothing_reviews": [
        ("missing", "Review Text", 845), ("missing", "Title", 3810), ("missing", "Division Name", 14),
    ],
    "complete_journey/transactions": [
        ("zero_for_missing", "quantity", 8869), ("zero_for_missing", "sales_value", 11226),
        ("future_date", "transaction_timestamp", 534),
    ],
    "complete_journey/demographics": [("missing", "home_ownership", 233), ("missing", "marital_status", 137)],
    "complete_journey/households": [("missing_together", "age", 1668)],
    "complete_journey/products": [
        ("missing", "product_category", 540), ("missing", "product_type", 528), ("missing", "package_size", 30586),
    ],
    "cookie_cats/cookie_cats": [("outlier", "sum_gamerounds", 1)],
    "hillstrom/hillstrom": [("duplicate_rows", None, 6562)],
    "income_esl/income": [("missing", "AREA", 913), ("missing", "HOUSEHOLD.SIZE", 375), ("missing", "LANGUAGE", 359)],
    "insurance_dm_rct/train": [("spike", "M_SNC_OLDST_MRTG_ACT_OPN", None), ("spike", "STUDENT_OPEN_DATE_YRS", None)],
    "marketing_campaign/marketing_campaign": [
        ("impossible_value", "Year_Birth", 3), ("typed_pattern", "Income", 1), ("rare_category", "Marital_Status", 7),
        ("duplicate_apart_from_id", "ID", 182), ("constant", "Z_CostContact", 2240), ("constant", "Z_Revenue", 2240),
        ("missing", "Income", 24),
    ],
    "mcdonalds/mcdonalds": [("numbers_and_words", "Like", None)],
    "meridian_geo/geo_all_channels": [("identifier_like", "Unnamed: 0", 6240)],
    "online_retail_ii/online_retail_ii_rebuilt": [
        ("same_rows_in_two_sources", "sheet", 22523), ("missing", "Customer ID", 243007),
        ("missing", "Description", 4382),
        ("negative_value", "Quantity", 22950), ("odd_code", "Invoice", None), ("odd_code", "StockCode", None),
        ("impossible_value", "Price", 5), ("zero_for_missing", "Price", 6202), ("repeated_id", "Customer ID", None),
    ],
    "online_shoppers/purchase_intention": [("duplicate_rows", None, 125)],
    "robyn_weekly/dt_simulated_weekly": [("placeholder_word", "events", 206)],
    "telco_churn/telco_churn": [("blank_text", "TotalCharges", 11), ("number_as_text", "TotalCharges", 7032)],
    "vacmot/vacmotdesc": [("missing", "Income", 66), ("missing", "Occupation", 59), ("missing", "Education", 8)],
    "volunteers/volunteers": [("missing", "GENDER", 4), ("missing", "AGEG", 14)],
    "wholesale/wholesale": [("outlier", None, None)],
    **{name: [] for name in (
        "ausactiv/ausActiv", "cheese/cheese", "customersat/customerSat", "hotel_reviews/hotel_reviews",
        "mall_customers/mall_customers", "mmm_stan/weekly_retail_mmm", "vacmot/vacmot",
    )},
}  # fmt: skip

# Findings that are wrong or lead nowhere, judged by hand.
FALSE: dict[str, set[tuple[str, str | None]]] = {
    # a real level, only rare; a monthly index, not a measurement of each customer
    "bank_marketing/bank_additional_full": {("rare_category", "education"), ("outlier", "cons.conf.idx")},
    "clothing_reviews/clothing_reviews": {("rare_category", "Class Name")},
    "complete_journey/products": {("odd_code", "package_size")},
    # high incomes above a thin stretch: real people
    "marketing_campaign/marketing_campaign": {("outlier", "Income")},
    "mmm_stan/weekly_retail_mmm": {
        ("zero_for_missing", "mrkdn_valadd_edw"), ("outlier", "mdip_inst"), ("outlier", "mdsp_auddig"),
    },
    # equal answers to a short survey
    "ausactiv/ausActiv": {("duplicate_rows", None)},
    "ausactiv/ausActivDesc": {("duplicate_rows", None)},
    "customersat/customerSat": {("duplicate_rows", None)},
    "vacmot/vacmot": {("duplicate_rows", None)},
    "volunteers/volunteers": {("duplicate_rows", None)},
    "mcdonalds/mcdonalds": {("duplicate_rows", None)},
    "income_esl/income": {("duplicate_rows", None), ("placeholder_word", "UNDER18")},  # none: no children
    # names of browsers and regions that happen to be numbers
    "online_shoppers/purchase_intention": {
        ("number_as_text", "browser"), ("number_as_text", "traffic_type"), ("number_as_text", "region"),
        ("number_as_text", "operating_systems"),
    },
    # articles dearer than most and orders of wholesalers
    "online_retail_ii/online_retail_ii_rebuilt": {("outlier", "Price"), ("outlier", "Quantity")},
    "telco_churn/telco_churn": {("duplicate_apart_from_id", "customerID")},  # new customers with nothing yet
    "hillstrom/hillstrom": {("leaks_outcome", "visit")},  # one buys on a visit: a step, not a leak
}  # fmt: skip

AS_OF = {"marketing_campaign/marketing_campaign": "2014-06-29", "complete_journey/transactions": "2017-12-31"}


def read(folder: Path, name: str) -> pd.DataFrame:
    """Read a data set; the households are those of the transactions with their demographics, where known."""
    if name != "complete_journey/households":
        return pd.read_parquet(folder / f"{name}.parquet")
    orders = pd.read_parquet(folder / "complete_journey/transactions.parquet", columns=["household_id"])
    known = pd.read_parquet(folder / "complete_journey/demographics.parquet")
    return pd.DataFrame({"household_id": orders["household_id"].unique()}).merge(known, how="left", on="household_id")


def judge(name: str, report: sources.DataQualityReport) -> tuple[int, int, int, list[str]]:
    """Return problems found (with the right count), problems known, findings that are false, and what was missed."""
    missed = [
        f"{check}:{column} ({count})"
        for check, column, count in KNOWN[name]
        if not any(
            f.check == check and (column is None or column in f.columns) and count in (None, f.count)
            for f in report.findings
        )
    ]
    wrong = FALSE.get(name, set())
    false = [f for f in report.findings if (f.check, f.columns[0] if f.columns else None) in wrong]
    return len(KNOWN[name]) - len(missed), len(KNOWN[name]), len(false), missed


def shared_table() -> None:
    """Print precision and recall, set by set, as a Markdown table."""
    folder = Path(os.environ.get("SEGMENTATION_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    print("| data set | rows | columns | known problems | recall | findings | false | precision |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    totals = [0, 0, 0, 0]
    for name in sorted(KNOWN):
        table = read(folder, name)
        report = sources.audit(table, as_of=AS_OF.get(name))
        found, known, false, missed = judge(name, report)
        n = len(report)
        totals = [a + b for a, b in zip(totals, (found, known, n, false), strict=True)]
        note = f" (missed: {', '.join(missed)})" if missed else ""
        recall, precision = found / known if known else 1, (n - false) / n if n else 1
        print(f"| `{name}`{note} | {len(table):,} | {table.shape[1]} | {found} of {known} |"
              f" {recall:.2f} | {n} | {false} | {precision:.2f} |")  # fmt: skip
    found, known, n, false = totals
    print(f"| **all** | | | {found} of {known} | {found / known:.3f} | {n} | {false} | {(n - false) / n:.3f} |")

import dataclasses
import datetime as dt
import json

import pandas as pd
import pytest

from segmentation.features import OrdersReport, btyd_table, calibration_holdout, rfm_table
from segmentation.features._report import LEFT_OUT, MEANINGS

COLUMNS = {"customer_id": "who", "timestamp": "when", "amount": "paid"}

# One row for each reason, and the last day belongs to a refund.
ORDERS = pd.DataFrame(
    [
        ("ada", "2024-01-01", 10.0),
        ("ada", "2024-01-01", 10.0),
        ("ada", "2024-02-01", 0.0),
        ("bo", "2024-02-10", 30.0),
        ("bo", "2024-02-11", -5.0),
        ("cy", "2024-02-12", -7.0),
        ("di", "2024-02-20", 8.0),
        (None, "soon", None),
        ("  ", "2024-02-01", 1.0),
        ("ada", "soon", None),
        ("ada", "2024-02-01", float("inf")),
        ("ada", "2024-03-05", 1.0),
        ("bo", "2024-03-05", -1.0),
        ("di", "2024-03-01", -2.0),
    ],
    columns=list(COLUMNS.values()),
)


@pytest.fixture
def report():
    return calibration_holdout(
        ORDERS, **COLUMNS, calibration_end="2024-02-15", observation_end="2024-03-04", return_report=True
    )[1]


def test_each_row_has_one_reason_the_first_that_applies(report):
    assert report.left_out == {
        "n_missing_customer": 2,
        "n_bad_timestamp": 1,
        "n_bad_amount": 1,
        "n_after_end": 2,
        "n_refunds_dropped": 0,
        "n_refund_only_rows": 1,
        "n_new_in_holdout_rows": 2,
    }
    assert report.n_rows == 14
    assert report.n_used == 5
    assert report.n_left_out == 9


def test_the_other_figures(report):
    assert report.n_customers == 2
    assert report.n_refund_only_customers == 1
    assert report.n_new_in_holdout_customers == 1
    assert (report.n_refunds, report.refunds_total) == (3, -14.0)
    assert report.n_zero_amounts == 1
    assert report.n_duplicates == 1
    assert report.observation_start == dt.date(2024, 1, 1)
    assert report.observation_end == dt.date(2024, 3, 4)
    assert report.calibration_end == dt.date(2024, 2, 15)
    assert report.refunds == "net"


def test_dropped_refunds_are_counted_and_not_used():
    table, report = rfm_table(ORDERS, **COLUMNS, refunds="drop", return_report=True)
    assert report.n_refunds_dropped == report.n_refunds == 4
    assert report.refunds_total == -15.0
    assert report.n_refund_only_customers == 0
    assert "cy" not in table.index
    assert table.loc["bo", "total_spend"] == 30.0


def test_without_amounts_refunds_cannot_be_seen():
    columns = {name: column for name, column in COLUMNS.items() if name != "amount"}
    table, report = rfm_table(ORDERS, **columns, refunds="raise", return_report=True)
    assert list(table.columns) == ["days_since_last_purchase", "n_purchases"]
    assert table.loc["cy", "n_purchases"] == 1
    assert (report.n_bad_amount, report.n_refunds, report.n_zero_amounts) == (0, 0, 0)
    assert report.refunds is None
    assert report.n_duplicates == 2


def test_every_figure_has_a_meaning():
    assert [field.name for field in dataclasses.fields(OrdersReport)] == list(MEANINGS)
    assert set(LEFT_OUT) <= set(MEANINGS)


def test_as_plain_values(report):
    values = report.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["n_used"] == 5
    assert values["observation_end"] == "2024-03-04"


def test_as_a_table(report):
    table = report.to_pandas()
    assert table.index.name == "figure"
    assert list(table.columns) == ["value", "meaning"]
    assert table.loc["n_used", "value"] == 5
    assert table.loc["n_missing_customer", "meaning"] == "left out: without a customer id"


def test_as_text(report):
    assert str(report) == (
        "14 rows read, 5 used: 2 customers, 2024-01-01 to 2024-03-04 (calibration to 2024-02-15)\n"
        "left out, 9 rows:\n"
        "  2 without a customer id\n"
        "  1 with a timestamp that is missing or no date\n"
        "  1 with an amount that is missing or not finite\n"
        "  2 after the end that was given\n"
        "  1 of customers with refunds and no purchase (1 customer)\n"
        "  2 of customers who first bought after the calibration period (1 customer)\n"
        "kept, worth knowing:\n"
        "  3 refunds, together -14.00\n"
        "  1 purchase that cost nothing\n"
        "  1 row equal to an earlier one in all columns used (may be equal articles)"
    )


def test_text_of_clean_orders_is_one_line():
    clean = ORDERS.iloc[[0, 3]]
    _, report = btyd_table(clean, **COLUMNS, return_report=True)
    assert str(report) == "2 rows read, 2 used: 2 customers, 2024-01-01 to 2024-02-10"


def test_as_html(report):
    text = report._repr_html_()
    assert text.startswith("<table><caption>14 rows read, 5 used")
    assert "left out: without a customer id" in text
    assert "refunds=&quot;drop&quot;" in text
    _, plain = rfm_table(ORDERS.iloc[:2], **COLUMNS, return_report=True)
    assert "None" not in plain._repr_html_()


def test_is_frozen(report):
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.n_rows = 0

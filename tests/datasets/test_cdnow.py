import subprocess
import sys

import pandas as pd
import pytest

from segmentation.datasets import _cdnow, load_cdnow


def test_known_figures():
    orders = load_cdnow()
    assert {name: str(dtype) for name, dtype in orders.dtypes.items()} == {
        "customer_id": "int64",
        "timestamp": "datetime64[ns]",
        "quantity": "int64",
        "amount": "float64",
    }
    assert len(orders) == 6_919
    assert orders["customer_id"].nunique() == 2_357
    assert orders["amount"].sum() == pytest.approx(244_091.94)
    assert orders["quantity"].sum() == 16_479
    assert (orders["amount"] == 0).sum() == 8
    assert orders["timestamp"].min() == pd.Timestamp("1997-01-01")
    assert orders["timestamp"].max() == pd.Timestamp("1998-06-30")


def test_each_customer_stands_together_and_in_order_of_time():
    orders = load_cdnow()
    assert (orders["customer_id"].diff() != 0).sum() == orders["customer_id"].nunique()
    assert orders.groupby("customer_id")["timestamp"].is_monotonic_increasing.all()


def test_equals_the_published_file(shared_data):
    published = pd.read_parquet(shared_data / "cdnow" / "cdnow_sample.parquet")
    orders = load_cdnow()
    assert (orders["customer_id"] == published["customer_id"]).all()
    assert (orders["timestamp"].dt.strftime("%Y%m%d") == published["date"]).all()
    assert (orders["quantity"] == published["n_cds"]).all()
    assert (orders["amount"] == published["dollars"]).all()


def test_does_not_import_lifetimes():
    code = "import sys; from segmentation import datasets; datasets.load_cdnow(); print('lifetimes' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("spec", [None, "elsewhere"])
def test_missing_file_says_what_to_reinstall(monkeypatch, tmp_path, spec):
    class Spec:
        origin = str(tmp_path / "__init__.py")

    monkeypatch.setattr(_cdnow.importlib.util, "find_spec", lambda name: spec and Spec)
    with pytest.raises(FileNotFoundError, match=r"CDNOW_sample\.txt.*pip install --force-reinstall lifetimes"):
        load_cdnow()

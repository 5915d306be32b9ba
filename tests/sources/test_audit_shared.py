"""The known problems of the real data sets, with their counts."""

import sys
from pathlib import Path

import pytest

from segmentation.sources import audit

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from audit_shared import AS_OF, KNOWN, judge, read

# The large tables take seconds each; the rest of the sets is measured by benchmarks/bench_audit.py
NAMES = [
    "bank_marketing/bank_full", "bank_marketing/bank_additional_full", "bfi/bfi", "complete_journey/transactions",
    "complete_journey/households", "marketing_campaign/marketing_campaign", "cdnow/cdnow_master",
    "telco_churn/telco_churn", "online_retail_ii/online_retail_ii_rebuilt",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_known_problems_are_named_with_their_counts(name, shared_data):
    report = audit(read(shared_data, name), as_of=AS_OF.get(name))
    found, known, false, missed = judge(name, report)
    assert missed == []
    assert found == known > 0
    assert false <= 2


def test_bfi_missing_answers_add_up(shared_data):
    report = audit(read(shared_data, "bfi/bfi"))
    assert sum(f.count for f in report.find("missing")) == 731
    assert {c for f in report.find("reverse_keyed") for c in f.columns} == {"A1", "C4", "C5", "E1", "E2", "O2", "O5"}


def test_every_data_set_has_its_list_of_known_problems(shared_data):
    assert all((shared_data / f"{name}.parquet").exists() for name in KNOWN if name != "complete_journey/households")

"""A part of the robustness battery; all of it is benchmarks/bench_clv_robustness.py."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "bench_clv_robustness.py"
specification = importlib.util.spec_from_file_location("bench_clv_robustness", PATH)
battery = importlib.util.module_from_spec(specification)
specification.loader.exec_module(battery)

# numbers that alternate between the models that CLVScorer scores with; the Pareto/NBD takes the longest
SETS = [(family, number) for i, family in enumerate(battery.FAMILIES) for number in (i % 4, (i + 1) % 4, (i + 2) % 4)]


@pytest.mark.parametrize(("family", "number"), SETS)
def test_models_survive(family, number, monkeypatch):
    """Nothing raised or warned, all finite, predictions sensible; a FitError only where there is nothing to learn."""
    monkeypatch.setattr("segmentation.clv._optimise.RESAMPLES", 10)  # 50 take most of the time
    data = battery.make_data(family, number)
    results = battery.ours(family, number, data)
    assert {name: result.problems for name, result in results.items() if result.problems} == {}


def test_the_battery_finds_what_it_looks_for():
    """A model whose outputs are not finite, or that raises, does not pass."""
    data = battery.make_data("weekly grid", 0)

    def broken():
        raise FloatingPointError("overflow")

    assert battery.survive(broken, lambda model: iter(()), True).problems == ["FloatingPointError: overflow"]
    model = battery.BetaGeoNBD().fit(data.x, data.t_x, data.T)
    model.standard_errors_["r"] = float("nan")
    assert any("standard_errors is not finite" in text for text in battery.check_purchases(model, data, "weekly grid"))
    refused = battery.survive(lambda: battery.BetaGeoNBD().fit([0], [0], [1]), lambda model: iter(()), True)
    assert refused.problems[0].startswith("FitError")

"""What lifetimes does to the process stays inside the fence."""

import ast
import subprocess
import sys
import textwrap

import pytest


def run(code):
    """Run `code` in a fresh interpreter; return what it prints, as Python values by line."""
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return [ast.literal_eval(line) for line in result.stdout.splitlines()], result.stderr


def test_importing_scorers_does_not_import_lifetimes():
    lines, errors = run(
        """
        import sys
        import segmentation.clv, segmentation.scorers, segmentation.scorers._clv
        print([name for name in ("lifetimes", "autograd", "dill") if name in sys.modules])
        """
    )
    assert lines == [[]]
    assert errors == ""


@pytest.mark.parametrize("model", ["mbg_nbd", "pareto_nbd"])
def test_fitting_leaves_no_trace(model):
    """No pandas option changed, no warning filter added, nothing printed or warned, no random number drawn."""
    lines, errors = run(
        f"""
        import warnings
        import numpy as np, pandas as pd
        from segmentation.datasets import load_cdnow
        from segmentation.features import btyd_table
        from segmentation.scorers._clv import CLVScorer

        def options():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return {{k: v for k, v in (("chained", pd.get_option("mode.chained_assignment")),)}}

        names = dict(customer_id="customer_id", timestamp="timestamp", amount="amount")
        table = btyd_table(load_cdnow(), **names).iloc[:200]
        np.random.seed(0)
        before = options(), list(warnings.filters), np.geterr(), np.random.get_state()[1].tolist()
        CLVScorer({model!r}, engine="lifetimes").fit(table).score_customers(table)
        after = options(), list(warnings.filters), np.geterr(), np.random.get_state()[1].tolist()
        print([a == b for a, b in zip(before, after)])
        import sys
        print("lifetimes" in sys.modules)
        """
    )
    assert lines == [[True, True, True, True], True]
    assert errors == ""


def test_fence_restores_after_an_error():
    lines, _ = run(
        """
        import warnings
        from segmentation.clv._lifetimes import _fenced
        before = list(warnings.filters)
        try:
            with _fenced():
                import lifetimes
                raise ValueError("inside")
        except ValueError:
            pass
        print(before == list(warnings.filters))
        """
    )
    assert lines == [True]

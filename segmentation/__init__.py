"""Customer segments: who is alike, what they are worth, whom to serve first.

The three interfaces are `Segmenter`, `Scorer` and `Prioritizer`; the two tables between them are the assignment
(one row per customer, from `assign`) and the profile (one row per segment, from `profile_segments`).

Examples
--------
>>> import segmentation as sg
>>> from segmentation import datasets, features
>>> from segmentation.segmenters import KMeansSegmenter
>>> customers = features.rfm_table(
...     datasets.load_cdnow(), customer_id="customer_id", timestamp="timestamp", amount="amount")
>>> segments = sg.assign(KMeansSegmenter(n_clusters=3, random_state=0).fit(customers), customers)
>>> sg.profile_segments(segments)["n_customers"].sum()
np.int64(2357)
"""

from __future__ import annotations

import importlib
from typing import Any

from segmentation._validation import as_customers
from segmentation.assignment import UNASSIGNED, relabel
from segmentation.base import Prioritizer, Scorer, Segmenter
from segmentation.compose import assign, score_customers
from segmentation.draws import rank_probability, sample_segments
from segmentation.explanation import explain
from segmentation.profile import profile_segments

__version__ = "0.1.0"

__all__ = [
    "Prioritizer",
    "Scorer",
    "Segmenter",
    "UNASSIGNED",
    "__version__",
    "as_customers",
    "assign",
    "explain",
    "profile_segments",
    "rank_probability",
    "relabel",
    "sample_segments",
    "score_customers",
]

# Reached on first use (PEP 562), so that `import segmentation` stays light.
_SUBPACKAGES = frozenset(
    {
        "allocation",
        "clv",
        "curves",
        "datasets",
        "evaluation",
        "exceptions",
        "experiments",
        "features",
        "feedback",
        "governance",
        "monitoring",
        "plugins",
        "prioritizers",
        "reporting",
        "scorers",
        "segmenters",
        "sources",
        "testing",
        "verification",
    }
)


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return importlib.import_module(f"segmentation.{name}")
    raise AttributeError(f"module 'segmentation' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_SUBPACKAGES})

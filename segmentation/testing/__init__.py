"""The conformance kit: what a plug-in must do to work everywhere in this library.

``check_segmenter``, ``check_scorer`` and ``check_prioritizer`` run every check on one object;
``parametrize_with_checks`` turns them into one pytest test each. The ``make_*`` functions build the small tables
that the checks use, for your own tests.
"""

from segmentation.testing._data import make_customers, make_profile
from segmentation.testing._kit import (
    CheckResult,
    check_prioritizer,
    check_scorer,
    check_segmenter,
    list_checks,
    parametrize_with_checks,
)

__all__ = [
    "CheckResult",
    "check_prioritizer",
    "check_scorer",
    "check_segmenter",
    "list_checks",
    "make_customers",
    "make_profile",
    "parametrize_with_checks",
]

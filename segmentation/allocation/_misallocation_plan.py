"""The plan that questions about plans begin with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from segmentation.allocation._allocate import allocate
from segmentation.allocation._result import Allocation

__all__ = ["plan_from"]

# What these questions pass on as it is.
TERMS = (
    "uses",
    "bounds",
    "min_share",
    "fixed_costs",
    "minimum_if_funded",
    "exclusive",
    "contact_cap",
    "contacts",
    "n_customers",
    "level",
)


def plan_from(arguments: Mapping[str, Any]) -> Allocation:
    """Return the plan for a function's own arguments, of which those that are named like `allocate`'s are passed on."""
    terms = {name: arguments[name] for name in TERMS if name in arguments}
    return allocate(arguments["curves"], arguments["resources"], **terms)

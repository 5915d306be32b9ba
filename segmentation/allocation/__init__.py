"""How much of the budget, hours and contacts each segment and action should get."""

from segmentation.allocation._allocate import allocate
from segmentation.allocation._display import AllocationDisplay, CurvesDisplay
from segmentation.allocation._errors import InfeasibleError, UnboundedError
from segmentation.allocation._resource import Resource
from segmentation.allocation._result import Allocation

__all__ = [
    "Allocation",
    "AllocationDisplay",
    "CurvesDisplay",
    "InfeasibleError",
    "Resource",
    "UnboundedError",
    "allocate",
]

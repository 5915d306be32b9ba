"""How much of the budget, hours and contacts each segment and action should get."""

from segmentation.allocation._acquisition import acquisition_cost
from segmentation.allocation._acquisition_result import AcquisitionCost, AcquisitionDisplay
from segmentation.allocation._allocate import allocate
from segmentation.allocation._display import AllocationDisplay, CurvesDisplay
from segmentation.allocation._errors import InfeasibleError, UnboundedError
from segmentation.allocation._fairness import allocation_fairness
from segmentation.allocation._fairness_display import FairnessDisplay
from segmentation.allocation._fairness_result import AllocationFairness
from segmentation.allocation._misallocation import misallocation_cost
from segmentation.allocation._misallocation_display import MisallocationDisplay, SegmentChangeDisplay
from segmentation.allocation._misallocation_result import Misallocation
from segmentation.allocation._newcomer import newcomer_value
from segmentation.allocation._plan_curves import PlanFileError
from segmentation.allocation._plan_file import PlanFile, read_plan
from segmentation.allocation._resource import Resource
from segmentation.allocation._result import Allocation
from segmentation.allocation._risk import CVaR, Mean, MeanVariance, Quantile
from segmentation.allocation._risk_report import RiskDisplay, RiskReport
from segmentation.allocation._value_of_information import ValueOfInformation, value_of_information
from segmentation.allocation._value_of_information_display import ValueOfInformationDisplay
from segmentation.allocation._value_of_segmentation import ValueOfSegmentation, value_of_segmentation
from segmentation.allocation._value_of_segmentation_display import ValueOfSegmentationDisplay

__all__ = [
    "AcquisitionCost",
    "AcquisitionDisplay",
    "Allocation",
    "AllocationDisplay",
    "AllocationFairness",
    "CVaR",
    "CurvesDisplay",
    "FairnessDisplay",
    "InfeasibleError",
    "Mean",
    "MeanVariance",
    "Misallocation",
    "MisallocationDisplay",
    "PlanFile",
    "PlanFileError",
    "Quantile",
    "Resource",
    "RiskDisplay",
    "RiskReport",
    "SegmentChangeDisplay",
    "UnboundedError",
    "ValueOfInformation",
    "ValueOfInformationDisplay",
    "ValueOfSegmentation",
    "ValueOfSegmentationDisplay",
    "acquisition_cost",
    "allocate",
    "allocation_fairness",
    "misallocation_cost",
    "newcomer_value",
    "read_plan",
    "value_of_information",
    "value_of_segmentation",
]

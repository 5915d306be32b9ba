"""Response curves: what effort brings, fitted from data, from the lift of an experiment or from an expert's points."""

from segmentation.curves._curve import (
    ExponentialCurve,
    HillCurve,
    LinearCurve,
    LogCurve,
    PowerCurve,
    ResponseCurve,
    curve_from_dict,
)
from segmentation.curves._display import CurveDisplay
from segmentation.curves._fit import fit_response_curve
from segmentation.curves._lift import from_lift
from segmentation.curves._points import from_points
from segmentation.curves._result import CurveFit

__all__ = [
    "CurveDisplay",
    "CurveFit",
    "ExponentialCurve",
    "HillCurve",
    "LinearCurve",
    "LogCurve",
    "PowerCurve",
    "ResponseCurve",
    "curve_from_dict",
    "fit_response_curve",
    "from_lift",
    "from_points",
]

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
from segmentation.curves._joint import fit_response_curves
from segmentation.curves._joint_display import SharesDisplay
from segmentation.curves._joint_result import CurveFits
from segmentation.curves._lift import from_lift
from segmentation.curves._points import from_points
from segmentation.curves._result import CurveFit

__all__ = [
    "CurveDisplay",
    "CurveFit",
    "CurveFits",
    "ExponentialCurve",
    "HillCurve",
    "LinearCurve",
    "LogCurve",
    "PowerCurve",
    "ResponseCurve",
    "SharesDisplay",
    "curve_from_dict",
    "fit_response_curve",
    "fit_response_curves",
    "from_lift",
    "from_points",
]

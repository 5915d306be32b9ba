"""Errors and warnings of the library.

Every error inherits the builtin type that Python users expect for it (``ValueError`` nearly always), so code
that does not know this library still catches it. Every warning inherits `SegmentationWarning`, so one filter
silences or escalates them all.

Examples
--------
>>> import warnings
>>> from segmentation.exceptions import SegmentationWarning
>>> warnings.simplefilter("error", SegmentationWarning)  # doctest: +SKIP
"""

__all__ = [
    "AssignmentError",
    "ColumnError",
    "ConsentError",
    "CustomerTableError",
    "DroppedRowsWarning",
    "EmptySegmentWarning",
    "FitDiagnosisWarning",
    "FitError",
    "OutOfSampleError",
    "OutputError",
    "PluginError",
    "RuleError",
    "SegmentationWarning",
    "SmallSegmentWarning",
    "UnmatchedCustomersWarning",
    "WeakDensityWarning",
]


class SegmentationWarning(UserWarning):
    """Base of all warnings of this library."""


class DroppedRowsWarning(SegmentationWarning):
    """Rows of the input were left out of a result; the message counts them by reason."""


class EmptySegmentWarning(SegmentationWarning):
    """A segment has no customers; it stays visible in every table."""


class SmallSegmentWarning(SegmentationWarning):
    """A learnt segment holds so few customers that it is more likely a handful of outliers than a group."""


class UnmatchedCustomersWarning(SegmentationWarning):
    """Customers stand in one table and not in the other; the message counts them by table."""


class WeakDensityWarning(SegmentationWarning):
    """Density clustering found no groups worth the name; the message has the figures and what to try."""


class FitDiagnosisWarning(SegmentationWarning):
    """A model was fitted, but its diagnosis says what in the data makes the result doubtful."""


class CustomerTableError(ValueError):
    """The customer table cannot be used: ids missing or duplicated, no rows, values not finite."""


class ColumnError(ValueError):
    """Columns are missing, unexpected, of the wrong type, or would clash; the message has the difference."""


class ConsentError(ValueError):
    """Customers have not agreed to the purpose, or the table does not say who they are; the message counts reasons."""


class AssignmentError(ValueError):
    """An assignment table is not one: wrong columns, a segment outside its categories, and so on."""


class PluginError(ValueError):
    """An installed plug-in cannot be used; the message names it and its package."""


class RuleError(ValueError):
    """A rule cannot be used; the message names the rule and points at the place."""


class FitError(ValueError):
    """A model cannot be fitted to these data; the message is a diagnosis that names the likely cause."""


class OutOfSampleError(ValueError):
    """A segmenter cannot say anything about customers that it was not fitted on."""


class OutputError(ValueError):
    """A plug-in returned something its interface does not allow: wrong shape, range, type or names."""

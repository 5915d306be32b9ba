"""Show it: one self-contained report, and segments in plain words."""

from __future__ import annotations

from segmentation.reporting._personas import personas
from segmentation.reporting._personas_result import Persona, Personas
from segmentation.reporting._report import Report

__all__ = ["Persona", "Personas", "Report", "personas"]

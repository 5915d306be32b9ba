"""From several systems that disagree to one customer table: who is who, what is known, how good the data is."""

from segmentation.sources._audit import audit
from segmentation.sources._audit_finding import Finding
from segmentation.sources._audit_report import DataQualityReport
from segmentation.sources._identities import resolve_identities
from segmentation.sources._identity_result import Identities
from segmentation.sources._keys import Key, normalise_email, normalise_phone, normalise_text
from segmentation.sources._merge import merge_sources
from segmentation.sources._merge_result import MergedSources

__all__ = [
    "DataQualityReport",
    "Finding",
    "Identities",
    "Key",
    "MergedSources",
    "audit",
    "merge_sources",
    "normalise_email",
    "normalise_phone",
    "normalise_text",
    "resolve_identities",
]

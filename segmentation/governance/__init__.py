"""What may be done with people's data: consent, pseudonyms, small groups, proxies, being forgotten, a data-use sheet.

The functions do what their descriptions say with the tables they get. Whether that is enough in law, they do not know.
"""

from __future__ import annotations

from segmentation.governance._anonymity import AnonymityResult, k_anonymity
from segmentation.governance._consent import ConsentGuard, ConsentResult, filter_consent, require_consent
from segmentation.governance._data_use import DataUseSheet, data_use_sheet
from segmentation.governance._disclosure import merge_small_segments, suppress_small_cells
from segmentation.governance._forget import ForgetResult, forget
from segmentation.governance._proxy import ProxyAudit, proxy_audit
from segmentation.governance._pseudonyms import pseudonymize

__all__ = [
    "AnonymityResult",
    "ConsentGuard",
    "ConsentResult",
    "DataUseSheet",
    "ForgetResult",
    "ProxyAudit",
    "data_use_sheet",
    "filter_consent",
    "forget",
    "k_anonymity",
    "merge_small_segments",
    "proxy_audit",
    "pseudonymize",
    "require_consent",
    "suppress_small_cells",
]

"""Published figures recomputed on the data that come with the library: proof that it does what the papers say."""

from segmentation.verification._result import Verification
from segmentation.verification._verify import verify

__all__ = ["Verification", "verify"]

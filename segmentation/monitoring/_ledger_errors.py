"""What can go wrong with a ledger, and in which words."""

from __future__ import annotations

__all__ = ["LedgerBusyError", "LedgerError"]


class LedgerError(ValueError):
    """A file or database is no ledger, is damaged, or an entry contradicts what the ledger holds."""


class LedgerBusyError(LedgerError, TimeoutError):
    """Another writer held the ledger for longer than the timeout; nothing was written."""

"""What can be wrong with a problem of allocation as a whole."""

from __future__ import annotations

__all__ = ["InfeasibleError", "UnboundedError"]


class InfeasibleError(ValueError):
    """No plan meets all requirements; the message names a set of them that conflict, and would not with one less.

    Attributes
    ----------
    requirements : tuple of str
        The conflicting requirements, one sentence each.
    """

    def __init__(self, message: str, requirements: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.requirements = requirements


class UnboundedError(ValueError):
    """Nothing limits the effort of an item whose return never ends."""

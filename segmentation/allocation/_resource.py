"""What there is to give: money, hours, contacts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from segmentation._format import number

__all__ = ["Resource"]


@dataclass(frozen=True)
class Resource:
    """So much of something that segments and actions compete for.

    Parameters
    ----------
    name : str
    amount : float
        What there is, 0 or more; infinite for no limit.
    unit : str, optional
        Such as "EUR" or "hours", for tables and messages.
    price : float, optional
        Money for one unit, for return on investment and ``objective="cost"``. Where only one resource is given, it is
        its own price (1).
    integer : bool, default=False
        Whether what each segment and action takes of it comes in whole units, such as people. With ``uses={"visit":
        {"agents": 0.01}}`` efforts come in steps of 100 visits.

    Examples
    --------
    >>> from segmentation.allocation import Resource
    >>> Resource("budget", 50_000, unit="EUR")
    Resource(name='budget', amount=50000.0, unit='EUR', price=None, integer=False)
    """

    name: str
    amount: float
    unit: str | None = None
    price: float | None = None
    integer: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise TypeError(f"a resource needs a name of text, got {self.name!r}.")
        object.__setattr__(self, "amount", self._number("amount", self.amount, infinite=True))
        if self.price is not None:
            object.__setattr__(self, "price", self._number("price", self.price, infinite=False))
        if self.unit is not None and not isinstance(self.unit, str):
            raise TypeError(f"the unit of resource {self.name!r} must be text, got {self.unit!r}.")
        if not isinstance(self.integer, bool | np.bool_):
            raise TypeError(f"integer of resource {self.name!r} must be True or False, got {self.integer!r}.")

    def _number(self, what: str, value: Any, *, infinite: bool) -> float:
        try:
            result = float(value)
        except (TypeError, ValueError) as error:
            raise TypeError(f"the {what} of resource {self.name!r} must be a number, got {value!r}.") from error
        if isinstance(value, bool) or not result >= 0 or (math.isinf(result) and not infinite):
            allowed = "0 or more (infinite for no limit)" if infinite else "finite and 0 or more"
            raise ValueError(f"the {what} of resource {self.name!r} must be {allowed}, got {value!r}.")
        return result

    def of(self, amount: float) -> str:
        """Write an amount of this resource with its unit."""
        return f"{number(amount)} {self.unit}" if self.unit else number(amount)

"""What became of every row of a table of events."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import Any

from segmentation._format import count

__all__ = ["LEFT_OUT", "EventsReport"]

# The reasons to leave an event out, in the words of the report.
LEFT_OUT = {
    "n_missing_customer": "without a customer id",
    "n_bad_timestamp": "with a timestamp that is missing or no date",
    "n_missing_type": "without an event type",
    "n_after_as_of": "after as_of",
    "n_unknown_type": "of a type that is not in event_types",
    "n_late": "on or before the as_of of the table",
}


@dataclass(frozen=True)
class EventsReport:
    """What became of every row of a table of events; ``n_rows == n_used + n_left_out`` always holds.

    Attributes
    ----------
    n_rows, n_used : int
        Rows in the table that was given; those that count.
    n_customers : int
        Customers with an event that counts.
    n_missing_customer, n_bad_timestamp, n_missing_type, n_after_as_of, n_unknown_type, n_late : int
        Rows left out, each for the first of these reasons that applies: no customer id; no date; no type; after
        `as_of`; a type that is not in ``event_types`` (``unknown="drop"``); on or before the `as_of` of the table
        that is updated (``late="drop"``).
    unknown_types : dict of str to int
        The types behind `n_unknown_type`.
    n_missing_channel : int
        Events that count and have no channel; they are in ``n_channel_events_missing``. 0 where no channel was named.
    first_day, as_of : datetime.date
        Day of the first event that counts; day from which ages are counted.
    half_life_days : float
    """

    n_rows: int
    n_used: int
    n_customers: int
    n_missing_customer: int
    n_bad_timestamp: int
    n_missing_type: int
    n_after_as_of: int
    n_unknown_type: int
    n_late: int
    unknown_types: dict[str, int]
    first_day: dt.date | None
    as_of: dt.date
    half_life_days: float
    n_missing_channel: int = 0

    @property
    def left_out(self) -> dict[str, int]:
        """Rows left out, by the name of the field that counts them."""
        return {name: getattr(self, name) for name in LEFT_OUT}

    @property
    def n_left_out(self) -> int:
        """Rows left out, for whatever reason."""
        return sum(self.left_out.values())

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain values, dates as ISO 8601 text."""
        values = dataclasses.asdict(self)
        return {name: value.isoformat() if isinstance(value, dt.date) else value for name, value in values.items()}

    def __str__(self) -> str:
        lines = [
            f"{count(self.n_rows, 'event')} read, {self.n_used:,} used: {count(self.n_customers, 'customer')}, "
            f"{self.first_day or 'none'} to {self.as_of}, half-life {self.half_life_days:g} days"
        ]
        lines += [f"  left out: {number:,} {LEFT_OUT[name]}" for name, number in self.left_out.items() if number]
        if self.n_missing_channel:
            lines.append(f"  kept: {self.n_missing_channel:,} without a channel")
        return "\n".join(lines)

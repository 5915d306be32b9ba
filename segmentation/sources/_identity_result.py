"""What linking records gave: the table of identities, and everything a reader should know before trusting it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from segmentation._format import count, name_some

__all__ = ["Identities"]

REASONS = {
    "several_records": "with several records of one source",
    "keys_disagree": "with keys that disagree",
    "weak_key": "held together by weak keys only",
}


@dataclass(frozen=True, eq=False)
class Identities:
    """Which record belongs to which customer.

    Attributes
    ----------
    identities : pandas.DataFrame of shape (n_records, 3)
        ``source``, ``record`` (the id as it came), ``customer_id`` (text); every record of every source once, sorted
        by source and record. `merge_sources` takes it, and any other table of these columns.
    ambiguous : pandas.DataFrame
        One row per customer and reason: ``customer_id``, ``reason`` (``several_records``, ``keys_disagree``,
        ``weak_key``), ``n_records``, ``detail``.
    shared_keys : pandas.DataFrame
        Values that too many records share, so they link nobody: ``key``, ``value`` (normalised), ``n_records``,
        ``most_in_one_source``, ``n_sources``, ``examples`` (up to five records).
    summary : pandas.DataFrame, index ``source``
        ``n_rows``, ``n_records``, ``n_without_key`` (records that no key can link), ``n_customers``,
        ``n_only_here`` (customers found in this source only), ``n_elsewhere_too``; the last two add up to
        ``n_customers``, and ``n_records`` to the length of `identities`.
    keys : pandas.DataFrame, index ``key``
        ``normaliser``, ``weak``, ``n_records`` that have it, ``n_unusable`` (records with a value that the
        normaliser refused), ``n_values``, ``n_linking_values`` (on two or more records), ``n_shared_values`` and
        ``n_shared_records`` (not used).
    settings : dict
    notes : tuple of str
    """

    identities: pd.DataFrame
    ambiguous: pd.DataFrame
    shared_keys: pd.DataFrame
    summary: pd.DataFrame
    keys: pd.DataFrame
    settings: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def n_records(self) -> int:
        """Records of all sources."""
        return len(self.identities)

    @property
    def n_customers(self) -> int:
        """Customers, in however many sources."""
        return int(self.identities["customer_id"].nunique())

    @property
    def customers(self) -> pd.DataFrame:
        """One row per customer, index ``customer_id``: ``n_records``, ``n_sources``, ``sources`` joined by ``+``."""
        pairs = self.identities.groupby(["customer_id", "source"]).size().reset_index(name="n_records")
        by_customer = pairs.groupby("customer_id")
        return pd.DataFrame(
            {
                "n_records": by_customer["n_records"].sum(),
                "n_sources": by_customer.size(),
                "sources": by_customer["source"].agg("+".join),
            }
        )

    def only_in(self, source: str) -> pd.Index:
        """Return the ids of the customers who are found in this source and in no other.

        Raises
        ------
        KeyError
            If there is no such source.
        """
        if source not in self.summary.index:
            raise KeyError(f"no source {source!r}; there are {name_some(self.summary.index)}")
        elsewhere = self.identities.loc[self.identities["source"] != source, "customer_id"]
        here = self.identities.loc[self.identities["source"] == source, "customer_id"]
        alone: pd.Index = pd.Index(here[~here.isin(elsewhere)].unique(), name="customer_id")
        return alone

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of the table of identities."""
        return self.identities.copy()

    def to_dict(self) -> dict[str, Any]:
        """Return counts and settings as plain values that can be written as JSON; no key and no record is in it."""
        return {
            "n_records": self.n_records,
            "n_customers": self.n_customers,
            "n_ambiguous_customers": int(self.ambiguous["customer_id"].nunique()),
            "ambiguous": {str(reason): int(n) for reason, n in self._by_reason().items()},
            "sources": self.summary.to_dict("index"),
            "keys": self.keys.to_dict("index"),
            "settings": dict(self.settings),
            "notes": list(self.notes),
        }

    def _by_reason(self) -> pd.Series:
        return self.ambiguous.groupby("reason")["customer_id"].nunique()

    def __str__(self) -> str:
        lines = [self._headline(), "sources:"]
        for name, row in self.summary.iterrows():
            without = f"; {count(row['n_without_key'], 'record')} without a usable key" if row["n_without_key"] else ""
            lines.append(
                f"  {name}: {count(row['n_rows'], 'row')}, {count(row['n_records'], 'record')}, "
                f"{count(row['n_customers'], 'customer')} ({row['n_only_here']:,} in no other source){without}"
            )
        lines.append("keys:")
        lines.extend(f"  {line}" for line in self._key_lines())
        lines.extend(self._ambiguous_lines())
        lines.extend(f"note: {note}" for note in self.notes)
        return "\n".join(lines)

    def _headline(self) -> str:
        n_sources = count(len(self.summary), "source")
        return f"{count(self.n_records, 'record')} of {n_sources}: {count(self.n_customers, 'customer')}"

    def _key_lines(self) -> list[str]:
        lines = []
        for name, row in self.keys.iterrows():
            kind = f"{row['normaliser']}, weak" if row["weak"] else row["normaliser"]
            line = (
                f"{name} ({kind}): on {count(row['n_records'], 'record')}, "
                f"{count(row['n_linking_values'], 'value')} on two or more"
            )
            if row["n_unusable"]:
                line += f"; unusable on {row['n_unusable']:,}"
            if row["n_shared_values"]:
                values = self.shared_keys.loc[self.shared_keys["key"] == name]
                named = name_some(
                    f"{text} ({n:,})" for text, n in zip(values["value"], values["n_records"], strict=True)
                )
                line += f"; too many records share {count(len(values), 'value')}, not used: {named}"
            lines.append(line)
        return lines

    def _ambiguous_lines(self) -> list[str]:
        if self.ambiguous.empty:
            return []
        lines = [f"ambiguous, worth a look: {count(int(self.ambiguous['customer_id'].nunique()), 'customer')}"]
        by_reason = self._by_reason()
        lines.extend(f"  {by_reason[reason]:,} {words}" for reason, words in REASONS.items() if reason in by_reason)
        return lines

    __repr__ = __str__

    def _repr_html_(self) -> str:
        notes = "".join(
            f"<p>{escape(line)}</p>" for line in [*self._key_lines(), *self._ambiguous_lines(), *self.notes]
        )
        return f"<p>{escape(self._headline())}</p>{self.summary.to_html()}{notes}"
